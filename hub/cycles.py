"""How often a dataset is due: the cycle its contract states, the calendar that follows, what a period still lacks.

Read by `dags/` while Airflow parses them, so it imports nothing that costs time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date

__all__ = ["CYCLE_DAYS", "calendar_of", "is_cycle", "is_due", "schedule_faults"]

CYCLE_DAYS: Mapping[str, int] = {"d": 1, "w": 7, "m": 31, "q": 92, "y": 366}
"""Unit of a cycle -> its days at most."""

_MONTHS: Mapping[str, int] = {"m": 1, "q": 3, "y": 12}
_CYCLE = re.compile(r"[1-9][0-9]{0,2}[dwmqy]")
_HOUR = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def is_cycle(text: str) -> bool:
    """Whether a text is a cycle: a number and `d`, `w`, `m`, `q` or `y`."""
    return bool(_CYCLE.fullmatch(text))


def schedule_faults(schedule: object) -> list[str]:
    """What is wrong with a system's `schedule`: `{at}`, or `{cron, reason}` where the cycles do not fit."""
    if not isinstance(schedule, Mapping) or set(schedule) not in ({"at"}, {"cron", "reason"}):
        return ["schedule must be {at: HH:MM}, or {cron, reason} where the contracts' cycles do not fit"]
    if "at" in schedule and not _HOUR.fullmatch(str(schedule["at"])):
        return ["schedule.at must be HH:MM, in quotation marks"]
    if "cron" in schedule and len(str(schedule["cron"]).split()) != 5:
        return ["schedule.cron must be a cron expression of five fields"]
    if "cron" in schedule and not str(schedule["reason"] or "").strip():
        return ["schedule.reason must say why the contracts' cycles do not fit"]
    return []


def calendar_of(schedule: Mapping[str, str], cycles: Iterable[str]) -> str | None:
    """Return the cron line on which a system is pulled, None for a system without datasets.

    The shortest cycle of its datasets counts: every day, every Monday, or the first day of a month. A cycle of several
    days or weeks is looked at on each of them, and `is_due` says which one is meant.

    Args:
        schedule: `{at: HH:MM}`; or `{cron, reason}`, which stands as it is.
        cycles: The cycles of the system's datasets.
    """
    if "cron" in schedule:
        return str(schedule["cron"])
    known = [cycle for cycle in cycles if is_cycle(cycle)]
    if not known:
        return None
    shortest = min(known, key=lambda cycle: int(cycle[:-1]) * CYCLE_DAYS[cycle[-1]])
    hour, minute = (int(part) for part in str(schedule["at"]).split(":"))
    return f"{minute} {hour} {_days(shortest)}"


def _days(cycle: str) -> str:
    number, unit = int(cycle[:-1]), cycle[-1]
    if unit not in _MONTHS:
        return "* * 1" if unit == "w" else "* * *"
    months = math.gcd(number * _MONTHS[unit], 12)
    return {1: "1 * *", 12: "1 1 *"}.get(months, f"1 */{months} *")


def is_due(cycle: str, came: date | None, today: date) -> bool:
    """Whether a dataset's news of the present period is still to come.

    Args:
        cycle: As its contract states it; what is no cycle is always due.
        came: The day on which its last news came.
        today: The present day.
    """
    return came is None or not is_cycle(cycle) or _period(cycle, came) < _period(cycle, today)


def _period(cycle: str, day: date) -> int:
    """Number of the period a day lies in; weeks begin on Monday, months on the first."""
    number, unit = int(cycle[:-1]), cycle[-1]
    if unit in _MONTHS:
        return (day.year * 12 + day.month - 1) // (number * _MONTHS[unit])
    # Day 1 of the calendar was a Monday.
    return (day.toordinal() - 1) // (number * CYCLE_DAYS[unit])
