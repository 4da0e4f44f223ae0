"""The police front-end database, on real servers: an embedded PostgreSQL always, MariaDB where one is given."""

import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import adbc_driver_manager
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from samples import police

SCHEMA = pa.schema(
    [
        ("xh", pa.int64()),
        ("xm", pa.string()),
        ("hjdz", pa.string()),
        ("gxsj", pa.timestamp("us")),
        ("czbs", pa.string()),
    ]
)
ROWS: list[dict[str, Any]] = [
    {
        "xh": 1,
        "xm": "张　三",
        "hjdz": '湖㳇镇"一"村,3组\\12号',
        "gxsj": datetime.fromisoformat("2026-01-02 03:04:05.000678"),
        "czbs": "I",
    },
    {"xh": 2, "xm": None, "hjdz": "", "gxsj": datetime.fromisoformat("2026-10-31 23:59:59"), "czbs": "U"},
    {
        "xh": 9_000_000_000,
        "xm": "NULL",
        "hjdz": "'第一行\n第二行 \\N",
        "gxsj": datetime.fromisoformat("2025-11-01"),
        "czbs": "D",
    },
]


def write(folder: Path, table: str, rows: list[dict[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / f"{table}.parquet")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Not pytest's own: each new pytest shuts their common parent against the database server's user."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def county(tmp_path: Path) -> Path:
    folder = tmp_path / "systems" / "public_security"
    folder.mkdir(parents=True)
    for count, table in enumerate(police.TABLES, start=1):
        write(folder, table, ROWS[:count])
    return tmp_path


@pytest.fixture(scope="module")
def postgresql() -> Iterator[sa.URL]:
    """An empty server that runs already, as a county's own server would."""
    with tempfile.TemporaryDirectory() as folder, police._embedded(Path(folder) / "pg") as url:
        yield url


@pytest.fixture(params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> Iterator[sa.URL]:
    """A database that is not there yet, on each kind of server."""
    if request.param == "postgresql":
        server: sa.URL = request.getfixturevalue("postgresql")
        entrance, name = server.set(database="postgres"), "test-police"
    else:
        given = os.environ.get("HUB_TEST_MARIADB_URL")
        if not given:
            pytest.skip("HUB_TEST_MARIADB_URL names no MariaDB server")
        entrance, name = sa.make_url(given).set(database=""), "hub_test_police"
    yield entrance.set(database=name)
    engine = sa.create_engine(entrance, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {engine.dialect.identifier_preparer.quote_identifier(name)}")
    engine.dispose()


def text_of(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


def read(url: sa.URL, table: str) -> list[dict[str, Any]]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT xh, xm, hjdz, gxsj, czbs FROM {table} ORDER BY xh").mappings().all()
    engine.dispose()
    return [dict(row) for row in rows]


def execute(url: sa.URL, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.mark.integration
def test_every_value_arrives_unchanged(county: Path, url: sa.URL) -> None:
    with police.serving(county, text_of(url)) as served:
        assert {table: read(served, table) for table in police.TABLES} == {
            table: ROWS[:count] for count, table in enumerate(police.TABLES, start=1)
        }


@pytest.mark.integration
def test_tables_have_a_key_and_an_index_on_the_change_time(county: Path, url: sa.URL) -> None:
    with police.serving(county, text_of(url)) as served:
        engine = sa.create_engine(served)
        inspector = sa.inspect(engine)
        assert inspector.get_pk_constraint("hj_rkxx")["constrained_columns"] == ["xh"]
        assert [index["column_names"] for index in inspector.get_indexes("hj_rkxx")] == [["gxsj"]]
        engine.dispose()


@pytest.mark.integration
def test_what_is_loaded_already_is_left_alone(county: Path, url: sa.URL) -> None:
    folder = county / "systems" / "public_security"
    with police.serving(county, text_of(url)) as served:
        execute(served, "DELETE FROM zx_rkxx WHERE xh = 1")
        assert police.load(folder, served) == {}
        assert len(read(served, "zx_rkxx")) == 2
        write(folder, "zx_rkxx", ROWS[1:])
        assert police.load(folder, served) == {"zx_rkxx": 2}
        assert read(served, "zx_rkxx") == ROWS[1:]


@pytest.mark.integration
def test_interrupted_load_is_repeated(county: Path, url: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(engine: sa.Engine, path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(police, "_copy_postgresql", interrupted)
        patched.setattr(police, "_copy_mysql", interrupted)
        with pytest.raises(KeyboardInterrupt), police.serving(county, text_of(url)):
            pass
    with police.serving(county, text_of(url)) as served:
        assert read(served, "zx_rkxx") == ROWS


@pytest.mark.integration
def test_incomplete_table_is_an_error(county: Path, url: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(police, "_copy_postgresql", lambda engine, path: None)
    monkeypatch.setattr(police, "_copy_mysql", lambda engine, path: None)
    with (
        pytest.raises(police.LoadError, match="hj_rkxx: 0 rows arrived, 1 were sent"),
        police.serving(county, text_of(url)),
    ):
        pass


@pytest.mark.integration
def test_value_too_long_is_never_cut(county: Path, url: sa.URL) -> None:
    write(county / "systems" / "public_security", "hj_rkxx", [ROWS[0] | {"hjdz": "长" * 256}])
    with (
        pytest.raises((police.LoadError, adbc_driver_manager.Error), match=r"hj_rkxx|too long"),
        police.serving(county, text_of(url)),
    ):
        pass


@pytest.mark.integration
def test_embedded_server_ends_with_its_context_and_keeps_its_data(county: Path) -> None:
    for _ in range(2):
        with police.serving(county) as served:
            assert (county / "police-pg" / "postmaster.pid").exists()
            assert read(served, "zx_rkxx") == ROWS
        assert not (county / "police-pg" / "postmaster.pid").exists()


@pytest.mark.parametrize(
    "url",
    ["oracle+oracledb://hub:hidden@127.0.0.1/police", "postgresql+psycopg://hub:hidden@127.0.0.1", "sqlite:///x.db"],
)
def test_url_that_cannot_serve_is_refused_without_its_password(county: Path, url: str) -> None:
    with (
        pytest.raises(ValueError, match=r"needs postgresql.* or mysql.*with a database name") as raised,
        police.serving(county, url),
    ):
        pass
    assert "hidden" not in str(raised.value)
