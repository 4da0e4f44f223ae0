"""When a system is pulled, held against itself: cron lines that are none, hours in which nothing may be asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time
from typing import Any

from croniter import CroniterError, croniter

from hub.contract_types import System
from hub.cycles import schedule_faults
from hub.quiet import quiet_until, span
from hub.where import Fault

__all__ = ["calendar_faults"]

_BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - any day will do: it is asked whether there is a next one


def calendar_faults(system: System) -> Iterator[Fault]:
    """What is wrong with a system's schedule and its quiet hours, both in China's time."""
    faults = list(_quiet_faults(system))
    yield from faults
    misshapen = schedule_faults(system.schedule)
    yield from ((("schedule",), fault) for fault in misshapen)
    if misshapen:
        return
    cron = system.schedule.get("cron")
    if cron is None:
        moments = [time.fromisoformat(str(system.schedule["at"]))]
    else:
        fault = _cron_fault(str(cron))
        if fault is not None:
            yield ("schedule", "cron"), f"schedule.cron: {fault}"
            return
        moments = _moments(str(cron))
    spans = [str(text) for text in system.quiet_hours]
    if spans and not faults and all(quiet_until(spans, datetime.combine(_BEGIN, one)) for one in moments):
        yield ("schedule",), "schedule falls into quiet_hours only, so nothing would ever be pulled"


def _quiet_faults(system: System) -> Iterator[Fault]:
    for place, text in enumerate(system.quiet_hours):
        try:
            begin, end = span(str(text))
        except ValueError as error:
            yield ("quiet_hours", place), f"quiet_hours: {error}"
            continue
        if begin == end:
            yield ("quiet_hours", place), f"quiet_hours: {text!r} is the whole day, so nothing would ever be pulled"


def _cron_fault(line: str) -> str | None:
    try:
        croniter(line, _BEGIN).get_next(datetime)
    except CroniterError as error:
        return str(error)
    return None


def _moments(line: str) -> list[time]:
    """The times of day at which a cron line comes."""
    fields: list[list[Any]] = croniter(line).expanded
    minutes, hours = (_numbers(field, most) for field, most in zip(fields, (60, 24), strict=False))
    return [time(hour, minute) for hour in hours for minute in minutes]


def _numbers(field: list[Any], most: int) -> list[int]:
    return list(range(most)) if "*" in field else [int(number) for number in field]
