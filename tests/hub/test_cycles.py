"""Cycles: the calendar that follows from them, and when a dataset's news is still to come."""

from __future__ import annotations

from datetime import date

import pytest

from hub.cycles import CYCLE_DAYS, calendar_of, is_cycle, is_due, schedule_faults

AT = {"at": "04:30"}


@pytest.mark.parametrize(
    ("cycles", "cron"),
    [
        (["1d"], "30 4 * * *"),
        (["2d"], "30 4 * * *"),
        (["1w", "1m"], "30 4 * * 1"),
        (["1m"], "30 4 1 * *"),
        (["2m"], "30 4 1 */2 *"),
        (["1q", "1y"], "30 4 1 */3 *"),
        (["5m"], "30 4 1 * *"),
        (["2y", "1y"], "30 4 1 1 *"),
        (["1y", "1m", "1d"], "30 4 * * *"),
        ([], None),
        ([""], None),
    ],
)
def test_the_shortest_cycle_of_a_system_is_its_calendar(cycles: list[str], cron: str | None) -> None:
    assert calendar_of(AT, cycles) == cron


def test_a_cron_with_its_reason_stands_as_it_is() -> None:
    assert calendar_of({"cron": "0 6 * * 1-5", "reason": "…"}, ["1y"]) == "0 6 * * 1-5"


@pytest.mark.parametrize(
    ("cycle", "came", "today", "due"),
    [
        ("1d", date(2026, 11, 1), date(2026, 11, 1), False),
        ("1d", date(2026, 10, 31), date(2026, 11, 1), True),
        ("1w", date(2026, 11, 2), date(2026, 11, 8), False),
        ("1w", date(2026, 11, 8), date(2026, 11, 9), True),
        ("1m", date(2026, 11, 1), date(2026, 11, 30), False),
        ("1m", date(2026, 10, 31), date(2026, 11, 1), True),
        ("1m", date(2025, 11, 30), date(2026, 11, 1), True),
        ("1q", date(2026, 10, 1), date(2026, 12, 31), False),
        ("1q", date(2026, 9, 30), date(2026, 10, 1), True),
        ("1y", date(2026, 1, 1), date(2026, 12, 31), False),
        ("1y", date(2026, 12, 31), date(2027, 1, 1), True),
        ("1y", None, date(2026, 1, 1), True),
        ("", date(2026, 1, 1), date(2026, 1, 1), True),
    ],
)
def test_due_is_what_has_not_come_in_the_present_period(cycle: str, came: date | None, today: date, due: bool) -> None:
    assert is_due(cycle, came, today) is due


@pytest.mark.parametrize("unit", CYCLE_DAYS)
def test_a_cycle_is_a_number_and_a_unit(unit: str) -> None:
    assert is_cycle(f"1{unit}")
    assert not any(is_cycle(text) for text in (unit, f"0{unit}", f"1.5{unit}", f"1{unit}s", f"-1{unit}"))


@pytest.mark.parametrize(
    ("schedule", "word"),
    [
        ("0 4 * * *", "HH:MM"),
        ({}, "HH:MM"),
        ({"at": "4:30"}, "HH:MM"),
        ({"at": "24:00"}, "HH:MM"),
        ({"at": 270}, "HH:MM"),
        ({"at": "04:30", "cron": "0 4 * * *", "reason": "…"}, "HH:MM"),
        ({"cron": "0 4 * * *"}, "reason"),
        ({"cron": "0 4 * * *", "reason": " "}, "reason"),
        ({"cron": "daily", "reason": "…"}, "five fields"),
    ],
)
def test_what_is_no_schedule_is_told(schedule: object, word: str) -> None:
    (fault,) = schedule_faults(schedule)
    assert word in fault
    assert schedule_faults(AT) == schedule_faults({"cron": "0 4 * * *", "reason": "…"}) == []
