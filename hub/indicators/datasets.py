"""How fresh and how good every dataset is: age by its declared cycle, and the dimensions of GB/T 36344-2018."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from hub.context import CHINA, Hub
from hub.cycles import CYCLE_DAYS
from hub.scorecard import DIMENSIONS, DatasetScore, month_of, scorecard

__all__ = ["DatasetState", "dataset_states"]


@dataclass(frozen=True)
class DatasetState:
    """One dataset.

    Attributes:
        tail, title: Its path tail and Chinese title.
        department: Chinese name of the department that answers for it.
        cycle_days: How often news is due; None where its contract does not say.
        last: The day of its last delivery that was taken in; None before the first.
        age_days: Days since then.
        freshness: Age in cycles (数据鲜度); above 1 the dataset is overdue.
        is_overdue: Whether it is; also where nothing ever came.
        rates: Dimension -> good share of this month, 0 to 1; None where there was nothing to look at.
    """

    tail: str
    title: str
    department: str
    cycle_days: int | None
    last: date | None
    age_days: int | None
    freshness: float | None
    is_overdue: bool
    rates: Mapping[str, float | None]


def dataset_states(hub: Hub) -> list[DatasetState]:
    """The state of every dataset on the present day, by path tail."""
    today = datetime.now(CHINA).date()
    last: dict[str, date] = {}
    for batch in hub.ledger.batches(state="checked"):
        day = batch.pulled_at.astimezone(CHINA).date()
        last[batch.tail] = max(day, last.get(batch.tail, day))
    month = month_of(f"{today:%Y-%m}")
    scores = {one.tail: one for system in hub.contracts.systems for one in scorecard(hub, system, month).datasets}
    return [_state(hub, tail, last.get(tail), today, scores.get(tail)) for tail in hub.contracts.sources]


def _state(hub: Hub, tail: str, last: date | None, today: date, score: DatasetScore | None) -> DatasetState:
    contract = hub.contracts.sources[tail]
    cycle = _days(contract.cycle)
    age = (today - last).days if last else None
    freshness = round(age / cycle, 2) if age is not None and cycle else None
    rates = score.rates if score else {}
    return DatasetState(
        tail=tail,
        title=contract.title,
        department=hub.contracts.systems[contract.department].title,
        cycle_days=cycle,
        last=last,
        age_days=age,
        freshness=freshness,
        is_overdue=last is None or (freshness is not None and freshness > 1),
        rates={name: rates[name].share if name in rates else None for name in DIMENSIONS},
    )


def _days(cycle: str) -> int | None:
    number, unit = cycle[:-1], cycle[-1:]
    return int(number) * CYCLE_DAYS[unit] if number.isdigit() and unit in CYCLE_DAYS else None
