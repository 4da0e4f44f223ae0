"""Patterns, code lists, conditions on rows and kinds of WKB."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
import shapely

from tests.expectations.one import failing, failing_values

DAY = dt.date(2026, 1, 1)


def test_a_pattern_is_matched_from_end_to_end(tmp_path: Path) -> None:
    values = ["320305005204001", "3203050052040011", " 320305005204001", "", None]
    found = failing_values(tmp_path, values, "expect_column_values_to_match_pattern", pattern="[0-9]{15}")
    assert found == values[1:4]


def test_an_anchored_pattern_means_the_same(tmp_path: Path) -> None:
    values = ["A123456789", "A12345678", "xA123456789"]
    found = failing_values(tmp_path, values, "expect_column_values_to_match_pattern", pattern="^[A-Z][0-9]{9}$")
    assert found == values[1:]


def test_a_division_must_exist(tmp_path: Path) -> None:
    values = ["320305005204", "320305005999", "320305", None]
    found = failing_values(tmp_path, values, "expect_column_values_to_be_in_code_list", code_list="division")
    assert found == values[1:3]


def test_rows_meet_a_condition_or_are_left_alone_where_it_is_null(tmp_path: Path) -> None:
    table = pa.table({"a": [DAY, DAY, None, None], "b": [DAY, DAY - dt.timedelta(1), DAY, None]})
    assert failing(tmp_path, table, "expect_rows_to_satisfy", column_list=["a", "b"], condition="b >= a") == [1]


def test_a_condition_sees_rows_in_which_all_columns_are_null(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array(["x", None, None]), "b": pa.array([None, "y", None])})
    condition = "a IS NOT NULL OR b IS NOT NULL"
    assert failing(tmp_path, table, "expect_rows_to_satisfy", column_list=["a", "b"], condition=condition) == [2]


def test_a_condition_may_hold_percent_and_colon(tmp_path: Path) -> None:
    table = pa.table({"a": ["20260101", "20260102"], "b": [DAY, DAY]})
    condition = "strftime(b, '%Y%m%d') = a AND '12:30:00' = '12:30:00' AND 7 % 2 = 1"
    assert failing(tmp_path, table, "expect_rows_to_satisfy", column_list=["a", "b"], condition=condition) == [1]


@pytest.mark.parametrize(("kinds", "expected"), [(["Point"], [1, 2, 3, 5]), (["Polygon", "MultiPolygon"], [0, 3, 5])])
def test_kinds_of_geometry(tmp_path: Path, kinds: list[str], expected: list[int]) -> None:
    square = shapely.box(117, 34, 118, 35)
    shapes = [shapely.Point(117, 34), square, shapely.MultiPolygon([square]), shapely.LineString([(0, 0), (1, 1)])]
    values = [bytes(shapely.to_wkb(shape)) for shape in shapes] + [None, b"no geometry"]
    table = pa.table({"value": pa.array(values, pa.binary())})
    assert failing(tmp_path, table, "expect_column_values_to_be_wkb", column="value", kinds=kinds) == expected
