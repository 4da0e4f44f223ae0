"""Days that can have been: from the earliest on, none after the day of the run but for those announced."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from tests.expectations.one import AS_OF, failing

KIND = "expect_column_values_to_be_plausible_days"
PARAMETER = {"$PARAMETER": "as_of"}


def days(*values: dt.date | None) -> pa.Table:
    return pa.table({"value": pa.array(values, pa.date32())})


def test_the_first_and_the_last_day_pass(tmp_path: Path) -> None:
    table = days(dt.date(1900, 1, 1), AS_OF, None, dt.date(1899, 12, 31), AS_OF + dt.timedelta(days=1))
    assert failing(tmp_path, table, KIND, column="value", as_of=AS_OF.isoformat()) == [3, 4]


def test_the_day_may_be_the_day_of_the_run(tmp_path: Path) -> None:
    table = days(AS_OF, AS_OF + dt.timedelta(days=1))
    assert failing(tmp_path, table, KIND, column="value", as_of=PARAMETER) == [1]


def test_what_a_suite_says_of_the_first_day_and_of_days_ahead_counts(tmp_path: Path) -> None:
    table = days(dt.date(1949, 9, 30), dt.date(1949, 10, 1), AS_OF + dt.timedelta(days=10), dt.date(2999, 1, 1))
    told = {"as_of": PARAMETER, "earliest": "1949-10-01", "days_ahead": 10}
    assert failing(tmp_path, table, KIND, column="value", **told) == [0, 3]


@pytest.mark.parametrize("hour", [0, 23])
def test_a_moment_counts_by_its_day(tmp_path: Path, hour: int) -> None:
    moment = dt.datetime.combine(AS_OF, dt.time(hour, 59))
    table = pa.table({"value": pa.array([moment, moment + dt.timedelta(days=1)], pa.timestamp("us"))})
    assert failing(tmp_path, table, KIND, column="value", as_of=PARAMETER) == [1]
