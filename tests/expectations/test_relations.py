"""A value occurs in a base table: at all, among some of its rows, not too often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.expectations.one import failing

KIND = "expect_column_values_to_occur_in_base_table"
HOUSEHOLDS = pa.table({"household_key": ["H1", "H2", "H3", "H4", None]})
RESIDENCES = pa.table(
    {
        "household_key": ["H1", "H1", "H2", "H2", "H3", None],
        "relation_code": ["02", "30", "02", "01", "30", "02"],
    }
)


def found(folder: Path, **kwargs: Any) -> list[int]:
    asked = {"column": "household_key", "base_table": "residence", "other": "household_key", **kwargs}
    return failing(folder, HOUSEHOLDS, KIND, base={"residence": RESIDENCES}, **asked)


def test_a_value_that_is_nowhere_fails_and_a_null_is_left_alone(tmp_path: Path) -> None:
    assert found(tmp_path) == [3]


def test_only_rows_that_meet_the_condition_count(tmp_path: Path) -> None:
    assert found(tmp_path, where="relation_code IN ('01', '02')") == [2, 3]


def test_a_household_has_one_head(tmp_path: Path) -> None:
    assert found(tmp_path, where="relation_code IN ('01', '02')", most=1) == [1, 2, 3]


def test_in_an_empty_table_nothing_occurs(tmp_path: Path) -> None:
    table = pa.table({"household_key": ["H1"]})
    base = {"residence": RESIDENCES.slice(0, 0)}
    kwargs = {"column": "household_key", "base_table": "residence", "other": "household_key"}
    assert failing(tmp_path, table, KIND, base=base, **kwargs) == [0]
