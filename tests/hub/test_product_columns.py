"""Values of products as people read them: areas without a tail of nines, departments by their names."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from hub.contracts import load_contracts

CONTRACTS = load_contracts()
VILLAGE = "320305005204"


def product(name: str, **tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a product's query over base tables that hold these rows and no others."""
    with duckdb.connect() as connection:
        for base in CONTRACTS.base.values():
            rows = [{**dict.fromkeys(base.by_name), **row} for row in tables.get(base.name, [])]
            connection.register(base.name, pa.Table.from_pylist(rows, schema=base.arrow_schema))
        connection.register("release_date", pa.table({"as_of_date": [date(2026, 11, 1)]}))
        return list(connection.sql(CONTRACTS.products[name].query).to_arrow_table().to_pylist())


def test_an_area_has_one_decimal() -> None:
    village = {"division_code": VILLAGE, "division_name": "马庄村委会", "division_level_code": "village"}
    facilities = [{"facility_key": f"F{n}", "division_code": VILLAGE, "floor_area_m2": 0.3} for n in range(3)]
    (row,) = product("village_summary", division=[village], facility=facilities)
    assert sum(0.3 for _ in range(3)) != 0.9
    assert row["facility_area_m2"] == 0.9


LISTS = [
    source.tail for source in CONTRACTS.sources.values() if "care_status" in {feed.entity for feed in source.feeds}
]


@pytest.mark.parametrize("tail", LISTS)
def test_who_has_listed_somebody_is_named_as_people_name_it(tail: str) -> None:
    person = {"person_key": "P1", "person_status_code": "alive", "residence_division_code": VILLAGE}
    care = {"care_key": "C1", "person_key": "P1", "care_kind_code": "low_income", "source_dataset": tail}
    (row,) = product("village_care_list", person=[person], care_status=[care])
    assert row["source_dataset"] == CONTRACTS.systems[tail.partition("/")[0]].title
