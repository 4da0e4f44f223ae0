"""Quiet hours."""

from __future__ import annotations

from datetime import datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import RetryError
from hub.quiet import assert_not_quiet, quiet_until, span


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-02T{clock}:00+08:00")


@pytest.mark.parametrize(
    ("clock", "until"),
    [
        ("07:59", None),
        ("08:00", time(18)),
        ("17:59", time(18)),
        ("18:00", None),
        ("22:00", time(1, 30)),
        ("00:30", time(1, 30)),
        ("01:30", None),
    ],
)
def test_spans_may_run_over_midnight(clock: str, until: time | None) -> None:
    assert quiet_until(["08:00-18:00", "22:00-01:30"], at(clock)) == until


def test_the_message_says_until_when() -> None:
    with pytest.raises(RetryError, match="system police: quiet hours until 18:00"):
        assert_not_quiet("police", ["08:00-18:00"], at("12:00"))
    assert_not_quiet("police", [], at("12:00"))


@pytest.mark.parametrize("text", ["8-18", "08:00", "24:00-01:00", "08:60-09:00", "08:00-18:00 ", ""])
def test_what_is_no_span_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no span"):
        span(text)


@given(st.times(), st.times(), st.times())
def test_a_moment_is_quiet_in_a_span_or_in_its_complement(begin: time, end: time, moment: time) -> None:
    begin, end = begin.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
    if begin == end:
        return
    spans = [f"{begin:%H:%M}-{end:%H:%M}", f"{end:%H:%M}-{begin:%H:%M}"]
    now = datetime.combine(datetime(2026, 11, 2), moment)  # noqa: DTZ001
    assert [quiet_until([one], now) is not None for one in spans].count(True) == 1
