"""Tables with geometries over kinds that know of none: another hub's, a database's, a file's are pulled and conform."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import sqlalchemy as sa

from connectors.base import connect
from connectors.pace import Pace
from hub.asking import connection_of, request_of
from hub.conform.files import conform_parts
from hub.contracts import Contracts, load_contracts
from hub.engine import Engine
from hub.settings import Settings, load_settings
from tests.connectors.conftest import mariadb  # noqa: F401  a fixture
from tests.connectors.servers import WebServer
from tests.connectors.sharing_server import PREFIX, Commit, Sharing, Stored, parquet

TAIL = "natural_resources/standard_address"
HERE, THERE = shapely.Point(117.4, 34.2), shapely.Point(117.5, 34.3)
TOKEN = "0123456789abcdef"  # noqa: S105
COLUMNS = ["dzbm", "dzqc", "xzqdm", "jlx", "mph", "xqmc", "ldh", "dyh", "fjh", "jzwdm", "gxsj"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path / "lake", database_url=None)


def agreed(kind: str, place: str, pull: dict[str, Any], secret: str | None = None) -> Contracts:
    """The contracts, with the standard addresses coming over another kind of connection."""
    known = load_contracts()
    entry = {"kind": kind, "place": place} | ({"secret": secret} if secret else {})
    system = replace(known.systems["natural_resources"], connections={"other": entry})
    source = replace(known.sources[TAIL], connection="other", mode="snapshot", pull=pull)
    systems = {**known.systems, "natural_resources": system}
    return replace(known, systems=systems, sources={**known.sources, TAIL: source}, digest=f"{kind} {place}")


def row(number: int) -> dict[str, Any]:
    usual = dict.fromkeys(COLUMNS)
    changed = {"dzbm": f"A{number}", "dzqc": "马庄1号", "xzqdm": "320305005204", "gxsj": datetime(2026, 1, 1)}  # noqa: DTZ001
    return {**usual, **changed}


def conformed(contracts: Contracts, settings: Settings, folder: Path) -> list[tuple[str, str | None]]:
    """Pull the newest offer and conform it; the key and the geometry of each row."""
    source = contracts.sources[TAIL]
    connector = connect(connection_of(contracts, settings, source))
    (offer,) = connector.offers(request_of(source, Pace(None)), None)
    rows = pa.Table.from_batches(offer.read())  # type: ignore[union-attr]
    part = folder / "part-00000.parquet"
    pq.write_table(rows.append_column("_row", pa.array(range(1, len(rows) + 1), pa.int64())), part)
    with Engine(settings) as engine:
        conform_parts(engine, contracts, source, [part], folder, date(2026, 11, 1))
    found = pq.read_table(folder / "rows.parquet").to_pylist()
    shapes = [shapely.from_wkb(one["geometry"]) for one in found]
    keys = [one["address_code"] for one in found]
    return sorted((key, shape and shapely.to_wkt(shape)) for key, shape in zip(keys, shapes, strict=True))


EXPECTED = [("A1", "POINT (117.4 34.2)"), ("A2", None), ("A3", "POINT (117.5 34.3)")]


@pytest.mark.integration
def test_a_table_of_another_hub(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = (shapely.to_wkb(HERE), None, shapely.to_wkb(THERE))
    rows = [{**row(place), "geometry": shape} for place, shape in enumerate(shapes, 1)]
    schema = pa.schema([*((name, pa.string()) for name in COLUMNS[:-1]), ("gxsj", pa.timestamp("us"))]).append(
        pa.field("geometry", pa.binary())
    )
    content = parquet(pa.Table.from_pylist(rows, schema=schema))
    kinds = {**dict.fromkeys(COLUMNS, "string"), "gxsj": "timestamp_ntz", "geometry": "binary"}
    monkeypatch.setenv("HUB_SECRET_TOKEN", TOKEN)
    with WebServer() as web:
        sharing = Sharing(web, TOKEN, kinds, [Commit([Stored("f1", content, len(rows))])])
        web.respond = sharing.respond
        pull = {**dict(zip(("share", "schema", "table"), sharing.names, strict=True)), "crs": "EPSG:4490"}
        contracts = agreed("delta_sharing", web.url + PREFIX, pull, "TOKEN")
        assert conformed(contracts, settings, tmp_path) == EXPECTED


def filled(engine: sa.Engine, kind: Any, shapes: list[Any]) -> None:
    texts = [sa.Column(name, sa.String(40)) for name in COLUMNS[:-1]]
    table = sa.Table("bzdz", sa.MetaData(), *texts, sa.Column("gxsj", sa.DateTime()), sa.Column("geometry", kind))
    with engine.begin() as link:
        table.drop(link, checkfirst=True)
        table.create(link)
        link.execute(table.insert(), [{**row(place), "geometry": shape} for place, shape in enumerate(shapes, 1)])
    engine.dispose()


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (sa.LargeBinary(), shapely.to_wkb),
        (sa.Text(), shapely.to_wkt),
        (sa.Text(), shapely.to_geojson),
        (sa.Text(), lambda shape: shapely.to_wkb(shapely.set_srid(shape, 4490), hex=True, include_srid=True)),
        (sa.Text(), lambda shape: f"SRID=4490;{shapely.to_wkt(shape)}"),
    ],
    ids=["wkb", "wkt", "geojson", "ewkb digits", "ewkt"],
)
def test_a_table_of_a_database(kind: Any, written: Callable[[Any], Any], settings: Settings, tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path / 'front.sqlite'}"
    filled(sa.create_engine(place), kind, [written(HERE), None, written(THERE)])
    contracts = agreed("sql", place, {"table": "bzdz", "crs": "EPSG:4490"})
    assert conformed(contracts, settings, tmp_path) == EXPECTED


class _Point(sa.types.UserDefinedType[Any]):
    """MariaDB's own type."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "POINT"

    def bind_expression(self, bindvalue: Any) -> Any:
        return sa.func.ST_GeomFromText(bindvalue)


@pytest.fixture
def front(mariadb: sa.URL, monkeypatch: pytest.MonkeyPatch) -> sa.URL:  # noqa: F811
    if mariadb.password:
        monkeypatch.setenv("HUB_SECRET_MARIADB", str(mariadb.password))
    return mariadb


@pytest.mark.integration
def test_a_table_with_mariadbs_own_geometries(front: sa.URL, settings: Settings, tmp_path: Path) -> None:
    filled(sa.create_engine(front), _Point(), [shapely.to_wkt(HERE), None, shapely.to_wkt(THERE)])
    place = front._replace(password=None).render_as_string(hide_password=False)
    secret = "MARIADB" if front.password else None
    contracts = agreed("sql", place, {"table": "bzdz", "crs": "GCJ-02"}, secret)
    (first, _, third) = conformed(contracts, settings, tmp_path)
    # Taken for GCJ-02, the points are moved back by some hundred metres: the declared CRS counts.
    assert 0.001 < HERE.distance(shapely.from_wkt(first[1])) < 0.02
    assert 0.001 < THERE.distance(shapely.from_wkt(third[1])) < 0.02


def test_a_file_of_lines(settings: Settings, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    shapes = [json.loads(shapely.to_geojson(HERE)), None, json.loads(shapely.to_geojson(THERE))]
    rows = [{**row(place), "gxsj": "2026-01-01", "geometry": shape} for place, shape in enumerate(shapes, 1)]
    (drop / "bzdz_1.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    pull = {"pattern": "bzdz_*.jsonl", "format": "json_lines", "crs": "EPSG:4490"}
    assert conformed(agreed("file", str(drop), pull), settings, tmp_path) == EXPECTED
