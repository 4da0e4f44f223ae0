"""Counting an increment's source by days of its cursor, so that what was committed behind the mark is found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol, runtime_checkable

from connectors.base import Offer

__all__ = ["CHINA_HOURS", "KEY_MODULUS", "Countable", "Counted", "DayCount", "Days"]

CHINA_HOURS: Final = 8
"""Days begin at midnight of China's time: so many hours before UTC's."""

KEY_MODULUS: Final = 1_000_003
"""Keys are added up by their remainder of this, so that no sum of them overflows anywhere."""

Days = tuple[date | None, date | None]
"""From a day on, up to but without another; None: without end."""


@dataclass(frozen=True)
class DayCount:
    """What one day of the cursor has.

    Attributes:
        rows: How many rows.
        keys: The sum of their numbers (`split_by`), by remainder of `KEY_MODULUS`; 0 where those are no whole numbers.
    """

    rows: int
    keys: int


@dataclass(frozen=True)
class Counted:
    """What a source has behind the begin of an increment, by one statement and so of one moment.

    Attributes:
        days: Day of the cursor -> what it has; days without rows are left out.
        span: The days that were looked at.
        changed: How many rows have changed since the increment was planned: they left the days they were counted in.
        has_keys: Whether `DayCount.keys` says anything.
    """

    days: Mapping[date, DayCount]
    span: Days
    changed: int
    has_keys: bool


@runtime_checkable
class Countable(Protocol):
    """An offer of which a cursor tells what is new, and whose source can be asked how much lies behind it."""

    def covers(self) -> Sequence[Days]:
        """Return the days of which this offer has every row."""

    def counted(self) -> Counted | None:
        """Count what lies behind this offer; None where nothing does, or where the hub could not count the same.

        Raises:
            RetryError, StopError: As `Offer.read`.
        """

    def again(self, days: Sequence[Days]) -> Offer:
        """Return an offer of the rows of some days; it moves no mark."""
