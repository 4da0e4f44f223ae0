"""The topology rules of divisions and grids, as their suites say them, on rows that keep and break them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hub.suites import load_suite
from tests.expectations.one import failing

VILLAGE = "320305005204"


def broken(folder: Path, tail: str, rule: str, rows: list[dict[str, Any]], types: dict[str, pa.DataType]) -> list[int]:
    """Positions of the rows that fail a rule of a suite; every rule names who must act."""
    (found,) = [one for one in load_suite(tail) if one["meta"]["rule_id"] == rule]
    assert found["meta"]["acts"] == "natural_resources"
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))
    kwargs = dict(found["kwargs"])
    base = {kwargs["base_table"]: table} if "base_table" in kwargs else None
    return failing(folder, table, found["type"], base, **kwargs)


@pytest.mark.parametrize(
    ("tail", "rule", "column"),
    [
        ("base/division", "borders_do_not_overlap", "overlap_m2"),
        ("base/division", "parts_cover_the_whole", "gap_m2"),
        ("base/grid", "grid_inside_its_village", "outside_m2"),
        ("base/grid", "grids_do_not_overlap", "overlap_m2"),
    ],
)
def test_up_to_a_hectare_is_tolerated(tmp_path: Path, tail: str, rule: str, column: str) -> None:
    rows = [{column: value} for value in (0.0, 10_000.0, 10_000.1, None, 5e6)]
    assert broken(tmp_path, tail, rule, rows, {column: pa.float64()}) == [2, 4]


@pytest.mark.parametrize(
    ("tail", "rule", "column", "kept"),
    [
        ("base/division", "border_is_its_own", "overlap_m2", 0.5),
        ("base/division", "parts_cover_half", "gap_m2", 0.5),
        ("base/grid", "grid_meets_its_village", "outside_m2", 0.99),
    ],
)
def test_a_shape_that_is_another_s_or_elsewhere_is_told(
    tmp_path: Path, tail: str, rule: str, column: str, kept: float
) -> None:
    rows = [{"area_m2": 1e6, column: share * 1e6} for share in (0.0, kept, 1.0)]
    rows.append({"area_m2": None, column: None})
    assert broken(tmp_path, tail, rule, rows, {"area_m2": pa.float64(), column: pa.float64()}) == [2]


def test_borders_that_cannot_be_right_stop_the_release_and_smaller_faults_do_not() -> None:
    severity = {one["meta"]["rule_id"]: one["severity"] for one in load_suite("base/division")}
    assert {severity[rule] for rule in ("border_is_its_own", "parts_cover_half")} == {"critical"}
    assert {severity[rule] for rule in ("borders_do_not_overlap", "parts_cover_the_whole")} == {"warning"}


def test_grids_have_15_digits_and_micro_grids_18_behind_a_grid_that_is_there(tmp_path: Path) -> None:
    codes = [
        ("general", f"{VILLAGE}001", None),
        ("micro", f"{VILLAGE}001001", f"{VILLAGE}001"),
        ("micro", f"{VILLAGE}002", None),
        ("special", f"{VILLAGE}002001", f"{VILLAGE}002"),
    ]
    rows = [{"grid_kind_code": kind, "grid_code": code, "parent_grid_code": above} for kind, code, above in codes]
    types = dict.fromkeys(("grid_kind_code", "grid_code", "parent_grid_code"), pa.string())
    assert broken(tmp_path, "base/grid", "grid_code_length", rows, types) == [2, 3]
    assert broken(tmp_path, "base/grid", "parent_grid_exists", rows[:2], types) == []
    assert broken(tmp_path, "base/grid", "parent_grid_exists", rows[3:], types) == [0]
