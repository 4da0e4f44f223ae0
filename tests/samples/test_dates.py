"""Days are written as Python writes them."""

from datetime import date

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from samples.dates import compact, compact_text, dashed_text, day_of, moment_text, timestamps

DATES = st.lists(st.dates(date(1900, 1, 1), date(2099, 12, 31)), min_size=1, max_size=30)


@given(DATES)
@settings(deadline=None)
def test_compact_and_written_agree_with_strftime(dates):
    days = np.array([day_of(value) for value in dates])
    assert compact(days).tolist() == [int(f"{value:%Y%m%d}") for value in dates]
    assert dashed_text(days).to_pylist() == [value.isoformat() for value in dates]
    assert compact_text(days).to_pylist() == [f"{value:%Y%m%d}" for value in dates]


def test_moments():
    days, seconds = np.array([0, 20_000]), np.array([1, 86_399])
    assert moment_text(days, seconds).to_pylist() == ["1970-01-01 00:00:01", "2024-10-04 23:59:59"]
    assert str(timestamps(days, seconds)[1].as_py()) == "2024-10-04 23:59:59"


def test_no_days_are_no_text():
    nothing = np.array([], dtype=np.int64)
    assert compact_text(nothing).to_pylist() == dashed_text(nothing).to_pylist() == []
