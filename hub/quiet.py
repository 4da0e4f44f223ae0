"""Quiet hours: spans of the day in which a department wants nothing asked of its system."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time

from hub.errors import RetryError

__all__ = ["assert_not_quiet", "quiet_until", "span"]

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def span(text: str) -> tuple[time, time]:
    """Read `HH:MM-HH:MM`; a span whose end is not after its begin runs over midnight.

    Raises:
        ValueError: It is no such span.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no span as 08:00-18:00")
    begin, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    return begin, end


def quiet_until(spans: Sequence[str], moment: datetime) -> time | None:
    """Return the end of the quiet span a moment lies in, or None. `moment` is in China's time."""
    clock = moment.time()
    for begin, end in map(span, spans):
        inside = begin <= clock < end if begin < end else clock >= begin or clock < end
        if inside:
            return end
    return None


def assert_not_quiet(system: str, spans: Sequence[str], moment: datetime) -> None:
    """Refuse to ask a system in its quiet hours.

    Raises:
        RetryError: It is quiet now; the message tells until when.
    """
    end = quiet_until(spans, moment)
    if end is not None:
        raise RetryError(
            where=f"system {system}",
            came=f"quiet hours until {end:%H:%M}, China's time",
            allowed=f"pulls outside {', '.join(spans)}",
            do=f"run again after {end:%H:%M}",
        )
