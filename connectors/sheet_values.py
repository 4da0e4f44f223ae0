"""Numbers of a workbook as what they show: which number formats make a date of one, and which date it is."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Final

__all__ = ["Shows", "duration_of", "moment_of", "shown_as", "shown_by"]

_MS_A_DAY: Final = 86_400_000
_FIRST: Final = datetime(1899, 12, 30)  # noqa: DTZ001  a workbook knows no zone
_1904: Final = 1462
"""Days between the two days workbooks count from."""
_PART: Final = re.compile(
    r"""[_\\*].|"[^"]*"?|(;)|\[(h+|m+|s+)\]|\[[^\]]*\]?|([dmhysap/])""", re.IGNORECASE | re.DOTALL
)
"""What counts of a format: where its first section ends, hours that go on beyond a day, and letters of dates."""


class Shows(Enum):
    """What a number format makes of a number."""

    NUMBER = "number"
    MOMENT = "moment"
    DURATION = "duration"


def shown_as(code: str) -> Shows:
    """Tell what a number format shows, by its first section: letters of dates outside of quotes and brackets."""
    half_day = False  # as in AM/PM
    for found in _PART.finditer(code):
        section, duration, letter = found.groups()
        if section:
            break
        if duration:
            return Shows.DURATION
        if letter and letter in "aA":
            half_day = True
        elif letter and letter.lower() in ("pm/" if half_day else "dmhys"):
            return Shows.MOMENT
    return Shows.NUMBER


def shown_by(number: int) -> Shows:
    """Tell what a format shows that workbooks know by its number alone, those of Chinese ones among them."""
    if number == 46:
        return Shows.DURATION
    if 14 <= number <= 22 or 27 <= number <= 36 or number in (45, 47) or 50 <= number <= 58:
        return Shows.MOMENT
    return Shows.NUMBER


def moment_of(value: float, *, from_1904: bool) -> date | datetime | time | float:
    """Return the day, moment or time of day that a number of days is; the number itself beyond the year 9999.

    A workbook counts from 1899-12-31 and holds 1900 for a leap year, so numbers up to that day's are one less.
    """
    days = value + _1904 if from_1904 else value
    try:
        milliseconds = _milliseconds(days + 1 if days < 60 else days)
        if value < 1:
            return (_FIRST + timedelta(milliseconds=milliseconds % _MS_A_DAY)).time()
        moment = _FIRST + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):  # also of what is no number (NaN)
        return value
    return moment.date() if value.is_integer() else moment


def duration_of(value: float) -> timedelta | float:
    """Return a number of days as a duration; the number itself where it is too long for one."""
    try:
        return timedelta(milliseconds=_milliseconds(value))
    except (OverflowError, ValueError):  # also of what is no number (NaN)
        return value


def _milliseconds(days: float) -> int:
    """Of no whole number of them the nearest, away from zero where two are."""
    exact = days * _MS_A_DAY
    return math.floor(exact + 0.5) if exact >= 0 else math.ceil(exact - 0.5)
