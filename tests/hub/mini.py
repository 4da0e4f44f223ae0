"""A miniature hub: two villages, a household, a newborn, a death; checked batches put straight into the lake."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from hub.context import Hub, open_hub
from hub.settings import load_settings

MAZHUANG = "320305005204"
NEIGHBOUR = "320305005203"
HEAD, DAUGHTER, CHILD = "320371195001010016", "320371199001010022", "320371201601010042"
BABY = "320371202605010036"
_STAMP = dt.datetime(2026, 10, 1)  # noqa: DTZ001 - the departments' timestamps carry no zone


@contextmanager
def opened(tmp_path: Path, database_url: str, **settings: Any) -> Iterator[Hub]:
    """A hub of 贾汪区 on an empty database and an empty lake, as of 2026-11-01."""
    chosen = {"data_dir": tmp_path / "lake", "database_url": database_url, "as_of": "2026-11-01", **settings}
    with open_hub(load_settings(**chosen)) as hub:
        yield hub


def put(hub: Hub, tail: str, rows: list[dict[str, Any]]) -> None:
    """Put rows into the lake as a checked batch of a dataset."""
    contract = hub.contracts.sources[tail]
    batch = hub.ledger.new_batch(tail, "miniature", contract.mode)
    whole = [{**dict.fromkeys(contract.by_name), **row} for row in rows]
    table = pa.Table.from_pylist(whole, schema=contract.arrow_schema)
    table = table.append_column("_row", pa.array(range(1, len(rows) + 1), pa.int64()))
    for folder, name in ((hub.lake.checked(tail, batch.id), "accepted"), (hub.lake.raw(tail, batch.id), "part-00000")):
        folder.mkdir(parents=True)
        pq.write_table(table, folder / f"{name}.parquet")
    manifest = hub.lake.raw(tail, batch.id) / "manifest.json"
    manifest.write_text(f'{{"rows": {len(rows)}}}', encoding="utf-8")
    hub.ledger.save_batch(replace(batch, state="checked", landed=len(rows), accepted=len(rows)))


def _square(longitude: float, latitude: float) -> bytes:
    return bytes(shapely.to_wkb(shapely.box(longitude, latitude, longitude + 1, latitude + 1)))


def _point(longitude: float, latitude: float) -> bytes:
    return bytes(shapely.to_wkb(shapely.Point(longitude, latitude)))


def fill(hub: Hub) -> None:
    """The miniature county: see the names of the tests for what is odd about each person."""
    put(
        hub,
        "natural_resources/grid",
        [
            {"grid_code": f"{MAZHUANG}001", "grid_name": "一", "division_code": MAZHUANG, "geometry": _square(117, 34)},
            {
                "grid_code": f"{NEIGHBOUR}001",
                "grid_name": "一",
                "division_code": NEIGHBOUR,
                "geometry": _square(118, 34),
            },
        ],
    )
    put(
        hub,
        "natural_resources/division",
        [{"division_code": MAZHUANG, "division_name": "马庄", "urban_rural_code": "220", "geometry": _square(117, 34)}],
    )
    place = {"updated_at": _STAMP}
    put(
        hub,
        "natural_resources/standard_address",
        [
            {
                "address_code": "A1",
                "full_address": "马庄1号",
                "division_code": MAZHUANG,
                "geometry": _point(117.5, 34.5),
            }
            | place,
            {
                "address_code": "A2",
                "full_address": "邻村2号",
                "division_code": NEIGHBOUR,
                "geometry": _point(118.5, 34.5),
            }
            | place,
        ],
    )
    police = {"updated_at": _STAMP, "operation_code": "I", "household_no": "H1"}
    put(
        hub,
        "public_security/registered_resident",
        [
            {"id_number": DAUGHTER, "person_name": "乙某", "sex_code": "2", "birth_date": dt.date(1990, 1, 1)}
            | {
                "relation_code": "30",
                "address_code": "A1",
                "division_code": MAZHUANG,
                "source_id": 2,
                "phone": "10000000002",
            }
            | police,
            # The register puts the head into the neighbour village; his address says Mazhuang.
            {"id_number": HEAD, "person_name": "甲某", "sex_code": "1", "birth_date": dt.date(1950, 1, 1)}
            | {"relation_code": "02", "address_code": "A1", "division_code": NEIGHBOUR, "source_id": 1}
            | police,
            {"id_number": CHILD, "person_name": "丙某", "sex_code": "2", "birth_date": dt.date(2016, 1, 1)}
            | {"relation_code": "40", "division_code": NEIGHBOUR, "source_id": 3}
            | police,
            {"id_number": BABY, "person_name": "戊某", "sex_code": "1", "birth_date": dt.date(2026, 5, 1)}
            | {"relation_code": "40", "address_code": "A1", "division_code": MAZHUANG, "source_id": 4}
            | police,
        ],
    )
    put(
        hub,
        "public_security/floating_resident",
        [
            {"id_type_code": "111", "id_number": DAUGHTER, "person_name": "乙", "address_code": "A2", "source_id": 1}
            | {"division_code": NEIGHBOUR, "dwelling_kind_code": "rented", "start_date": dt.date(2025, 1, 1)}
            | {"updated_at": _STAMP, "operation_code": "I", "phone": "10000000009"}
        ],
    )
    put(
        hub,
        "health_commission/birth",
        [
            {"birth_certificate_no": "Z000000001", "person_name": "丁某", "sex_code": "1"}
            | {"birth_date": dt.date(2026, 10, 1), "mother_id_number": DAUGHTER, "division_code": MAZHUANG},
            # Registered by the police since: the certificate still has no number.
            {"birth_certificate_no": "Z000000002", "person_name": "戊某", "sex_code": "1"}
            | {"birth_date": dt.date(2026, 5, 1), "mother_id_number": DAUGHTER, "division_code": MAZHUANG},
        ],
    )
    put(
        hub,
        "civil_affairs/elderly_allowance",
        [
            {
                "id_number": HEAD,
                "person_name": "甲某",
                "age_band": "70-79",
                "amount_yuan": 50.0,
                "division_code": NEIGHBOUR,
            }
        ],
    )
    put(
        hub,
        "health_commission/death",
        [{"certificate_no": "D1", "id_number": CHILD, "person_name": "丙某", "death_date": dt.date(2026, 9, 1)}],
    )
