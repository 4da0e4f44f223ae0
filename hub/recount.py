"""The count audit: after an increment, what lies behind it is counted day by day, in the source and in the hub.

Rows that are committed late, behind the overlap, show as a day on which the source has more rows than the hub; that day
is read again. Rows that are gone show as a day on which it has fewer. What still differs then opens a notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from connectors.base import Offer
from connectors.slices import Countable, Counted, DayCount, Days
from hub.asking import Awake
from hub.context import Hub
from hub.contracts import SourceContract
from hub.day_counts import Known, known_days
from hub.deletions import KEPT
from hub.ledger import Batch
from hub.ledger.notices import close_notice, notices, open_notice

__all__ = ["Difference", "compared", "recount", "spans"]

_DIFFER, _VANISHED = "rows_differ", "rows_vanished"
_MOST_SPANS = 20
"""More than so many spans of days are read as one: a statement must not grow without end."""
_SHOWN_DAYS = 5
_NONE = DayCount(0, 0)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Difference:
    """A day that is not the same in both.

    Attributes:
        source: Rows in the source.
        hub: Rows in the hub.
    """

    day: date
    source: int
    hub: int

    @property
    def gone(self) -> int:
        """How many rows the source has less."""
        return max(self.hub - self.source, 0)


def compared(counted: Counted, known: Known) -> list[Difference]:
    """Return the days that differ, the oldest first.

    A row that changed while the increment was read has left its day before the hub saw it on another: so many days may
    have fewer rows than the hub thinks, and settle by themselves at the next pull.
    """
    low, high = counted.span
    days = {day for day in known.days if (low is None or day >= low) and (high is None or day < high)}
    late, less = [], []
    for day in sorted(days | set(counted.days)):
        source, hub = counted.days.get(day, _NONE), known.days.get(day, _NONE)
        if source.rows > hub.rows:
            late.append(Difference(day, source.rows, hub.rows))
        elif source != hub and known.is_exact:
            less.append(Difference(day, source.rows, hub.rows))
    if sum(max(one.gone, 1) for one in less) <= counted.changed:
        less = []
    return sorted([*late, *less], key=lambda one: one.day)


def recount(
    hub: Hub, contract: SourceContract, offer: Countable, awake: Awake, land: Callable[[Offer], Iterator[Batch]]
) -> Iterator[Batch]:
    """Hold the rows behind an increment that has landed against the source; read again the days that differ.

    Args:
        hub: The opened hub.
        contract: Its dataset.
        offer: The increment.
        awake: Called before each question to the system.
        land: Lands an offer.

    Returns:
        The batches that landed, mostly none.

    Raises:
        RetryError, StopError: As the connector does.
    """
    found = _differences(hub, contract, offer, awake)
    if found is None:
        return
    due = [one for one in found if one.source]
    told = {one.detail for one in notices(hub.database, contract.department) if one.tail == contract.tail}
    if due and _words(due) not in told:
        yield from land(offer.again(spans([one.day for one in due])))
        left = _differences(hub, contract, offer, awake) or []
        due = [one for one in left if one.source]
    _tell(hub, contract, due, found)


def _differences(hub: Hub, contract: SourceContract, offer: Countable, awake: Awake) -> list[Difference] | None:
    awake()
    counted = offer.counted()
    return None if counted is None else compared(counted, known_days(hub, contract, has_keys=counted.has_keys))


def spans(days: Sequence[date]) -> list[Days]:
    """Join days, the oldest first, that follow each other; too many spans become one."""
    found: list[Days] = []
    for day in days:
        if found and found[-1][1] == day:
            found[-1] = (found[-1][0], day + _DAY)
        else:
            found.append((day, day + _DAY))
    return found if len(found) <= _MOST_SPANS else [(found[0][0], found[-1][1])]


def _tell(hub: Hub, contract: SourceContract, due: list[Difference], found: list[Difference]) -> None:
    """Open a notice for days that differ although read again, and for rows that are gone; close what is over."""
    kept = [batch for batch in hub.ledger.batches(contract.tail) if batch.state in KEPT][-1]
    cursor = str(contract.pull["cursor"])
    if due:
        open_notice(hub.database, kept, _DIFFER, cursor, _words(due))
    for one in notices(hub.database, contract.department):
        if one.tail == contract.tail and one.kind == _DIFFER and one.detail != (_words(due) if due else ""):
            close_notice(hub.database, one.number, "hub")
    if contract.deletions.get("by") == "key_comparison":
        return
    # A day without any row cannot be read again and is met at each pull: by itself it is told once.
    for is_empty in (False, True):
        gone = [one for one in found if one.gone and (one.source == 0) is is_empty]
        if gone:
            open_notice(hub.database, kept, _VANISHED, cursor, _vanished(gone))


def _words(differences: Sequence[Difference]) -> str:
    shown = "；".join(f"{one.day} {one.source}/{one.hub}" for one in differences[:_SHOWN_DAYS])
    more = len(differences) - _SHOWN_DAYS
    rest = f"；… 另 {more} 天 / and {more} days" if more > 0 else ""
    return f"按日行数（来源/中枢）不同 / rows a day differ (source/hub): {shown}{rest}"


def _vanished(gone: Sequence[Difference]) -> str:
    rows = sum(one.gone for one in gone)
    return (
        f"{gone[0].day} 至 {gone[-1].day} 来源已无 {rows} 行 / {rows} rows of these days are gone from the source;"
        " deletions: {by: key_comparison} would bury them"
    )
