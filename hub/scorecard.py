"""A month of one department in one page: what it delivered, how good it was, what waits for it; from the ledger.

The dimensions are those of GB/T 36344-2018; docs/scorecard.md says how each is reckoned.
"""

from __future__ import annotations

import calendar
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.context import CHINA, Hub
from hub.contracts import Column, SourceContract
from hub.cycles import CYCLE_DAYS
from hub.errors import StopError
from hub.ledger import Batch, IssueCount, now
from hub.ledger.models import PullRow
from hub.present import CORRECTION
from hub.quarantine import Quarantine, Tally
from hub.reasons import Reason
from hub.suites import Expectation, load_suite, structural

__all__ = ["DIMENSIONS", "DatasetScore", "Month", "Rate", "ReasonCount", "Scorecard", "month_of", "scorecard"]

DIMENSIONS: Mapping[str, str] = {
    "completeness": "完整性",
    "validity": "规范性",
    "uniqueness": "唯一性",
    "consistency": "一致性",
    "timeliness": "时效性",
}

_BY_REASON: Mapping[str, str] = {
    str(Reason.REQUIRED_MISSING): "completeness",
    str(Reason.KEY_DUPLICATE): "uniqueness",
    str(Reason.KEY_CONFLICT): "uniqueness",
    str(Reason.DATE_FROM_ID): "consistency",
    str(Reason.SEX_FROM_ID): "consistency",
}
"""Reasons that do not speak of how a value is written; all others of `conform` do."""

_NOBODYS_FAULT = frozenset({str(Reason.ROW_REPEATED), *(str(one) for one in Reason if one.startswith("volume_"))})

_BY_TYPE: Mapping[str, str] = {
    "expect_column_values_to_not_be_null": "completeness",
    "expect_column_values_to_be_unique": "uniqueness",
    "expect_rows_to_satisfy": "consistency",
    "expect_column_pair_values_a_to_be_greater_than_b": "consistency",
}
"""Type of a rule -> the dimension it speaks of; all others ask how a value is written."""

_ASKED = frozenset({"sql", "rest", "ogc_features", "wfs", "delta_sharing"})
"""Kinds that are asked for news: a pull that brought none has seen that there is none. A drop must come."""

_TOP_REASONS = 10


@dataclass(frozen=True)
class Month:
    """A calendar month in China's time.

    Attributes:
        text: `YYYY-MM`.
        first, last: Its first and last day.
    """

    text: str
    first: date
    last: date

    def has(self, moment: datetime) -> bool:
        """Whether a moment lies in the month."""
        return self.first <= moment.astimezone(CHINA).date() <= self.last


@dataclass(frozen=True)
class Rate:
    """How much of something is as it should be; `faulty` of `of` is not."""

    faulty: int
    of: int

    @property
    def share(self) -> float | None:
        """The good share, 0 to 1; None where there was nothing to look at."""
        return max(0.0, 1 - self.faulty / self.of) if self.of else None

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.faulty + other.faulty, self.of + other.of)


@dataclass(frozen=True)
class ReasonCount:
    """One reason in words and how often it was met."""

    dataset: str
    column: str
    words: str
    action: str
    count: int


@dataclass(frozen=True)
class DatasetScore:
    """A dataset's month.

    Attributes:
        batches: Deliveries that were taken; `withheld` were set aside whole, `held` wait for a person.
        corrected: Rows that came back corrected in the month, whatever month they were first delivered in.
        waiting: What became of the quarantined rows of the month's deliveries, up to now.
    """

    tail: str
    title: str
    cycle: str
    batches: int
    withheld: int
    held: int
    landed: int
    accepted: int
    quarantined: int
    duplicate: int
    corrected: int
    waiting: Tally
    rates: Mapping[str, Rate]


@dataclass(frozen=True)
class Scorecard:
    """A department's month."""

    system: str
    title: str
    english: str
    month: str
    made_at: datetime
    datasets: tuple[DatasetScore, ...]
    reasons: tuple[ReasonCount, ...]

    def total(self, name: str) -> int:
        """A count over all datasets."""
        return sum(int(getattr(one, name)) for one in self.datasets)

    @cached_property
    def waiting(self) -> Tally:
        """What became of all quarantined rows."""
        tallies = [one.waiting for one in self.datasets]
        return Tally(*(sum(getattr(one, name) for one in tallies) for name in ("open", "corrected", "superseded")))

    @cached_property
    def rates(self) -> Mapping[str, Rate]:
        """The dimensions over all datasets."""
        return {name: sum((one.rates[name] for one in self.datasets), Rate(0, 0)) for name in DIMENSIONS}


def month_of(text: str) -> Month:
    """Read `YYYY-MM`.

    Raises:
        StopError: It is no month.
    """
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text) or text < "0001":
        raise StopError("hub scorecard --month", repr(text), "YYYY-MM, such as 2026-11", "name the month so")
    first = date.fromisoformat(f"{text}-01")
    return Month(text, first, first.replace(day=calendar.monthrange(first.year, first.month)[1]))


def scorecard(hub: Hub, system: str, month: Month) -> Scorecard:
    """Reckon a department's month from the ledger, and from the lake which quarantined rows still wait.

    Raises:
        ConfigurationError: No department is called so.
    """
    contracts = hub.contracts.of_system(system)
    issues = hub.ledger.issues(system)
    asked = _asked(hub, system)
    scored = [_Scorer(hub, contract, month, issues, asked) for contract in contracts]
    reasons = [reason for one in scored for reason in one.reasons()]
    described = hub.contracts.systems[system]
    return Scorecard(
        system=system,
        title=described.title,
        english=described.english,
        month=month.text,
        made_at=now().astimezone(CHINA),
        datasets=tuple(one.score() for one in scored),
        reasons=tuple(sorted(reasons, key=lambda one: (-one.count, one.dataset, one.column, one.words))[:_TOP_REASONS]),
    )


def _asked(hub: Hub, system: str) -> list[date]:
    """Days on which the department's systems were asked with success."""
    query = select(PullRow.ended_at).where(PullRow.system == system, PullRow.state == "done")
    with Session(hub.database) as session:
        return [ended.astimezone(CHINA).date() for ended in session.scalars(query) if ended is not None]


class _Scorer:
    """Reckons one dataset's month."""

    def __init__(
        self, hub: Hub, contract: SourceContract, month: Month, issues: Iterable[IssueCount], asked: Sequence[date]
    ) -> None:
        self.hub = hub
        self.contract = contract
        self.month = month
        self.all = hub.ledger.batches(contract.tail)
        self.inside = [batch for batch in self.all if month.has(batch.pulled_at)]
        self.taken = [batch for batch in self._deliveries(self.inside) if batch.state in ("checked", "held")]
        ids = {batch.id for batch in self.taken}
        self.issues = [issue for issue in issues if issue.batch in ids and issue.rule not in _NOBODYS_FAULT]
        self.rules: Mapping[str, Expectation] = {
            rule["meta"]["rule_id"]: rule for rule in (*structural(contract), *load_suite(contract.tail))
        }
        kind = hub.contracts.systems[contract.department].connections[contract.connection]["kind"]
        self.asked = asked if kind in _ASKED else ()

    def _deliveries(self, batches: Iterable[Batch]) -> list[Batch]:
        return [batch for batch in batches if batch.mode == self.contract.mode]

    def score(self) -> DatasetScore:
        """The dataset's month."""
        mended = [batch for batch in self.inside if batch.mode == CORRECTION and batch.state == "checked"]
        states = Counter(batch.state for batch in self._deliveries(self.inside))
        with self.hub.engine() as engine:
            waiting = Quarantine(self.hub, engine, self.contract).tally(self.taken)
        counts = {name: self._sum(name) for name in ("landed", "accepted", "quarantined", "duplicate")}
        return DatasetScore(
            tail=self.contract.tail,
            title=self.contract.title,
            cycle=self.contract.cycle,
            batches=len(self.taken),
            withheld=states["withheld"],
            held=states["held"],
            **counts,
            corrected=sum(batch.accepted + batch.duplicate for batch in mended),
            waiting=waiting,
            rates=self._rates(counts["landed"]),
        )

    def _sum(self, name: str) -> int:
        return sum(int(getattr(batch, name)) for batch in self.taken)

    def _dimension(self, rule: str) -> str:
        if rule in self.rules:
            return _BY_TYPE.get(str(self.rules[rule]["type"]), "validity")
        return _BY_REASON.get(rule, "validity")

    def _rates(self, landed: int) -> dict[str, Rate]:
        faulty: Counter[str] = Counter()
        for issue in self.issues:
            faulty[self._dimension(issue.rule)] += issue.count
        columns = self.contract.columns
        required = [column for column in columns if column.required or column.key]
        crossing = [rule for rule in self.rules if self._dimension(rule) == "consistency"]
        crossing += [column.name for column in columns if self._told_by_id(column)]
        looked_at = {"completeness": len(required), "validity": len(columns), "uniqueness": 1}
        looked_at["consistency"] = max(len(crossing), 1)
        rates = {name: Rate(faulty[name], landed * times) for name, times in looked_at.items()}
        return rates | {"timeliness": self._timeliness()}

    def _told_by_id(self, column: Column) -> bool:
        return column.name in ("birth_date", "sex_code") and "id_number" in self.contract.by_name

    def _timeliness(self) -> Rate:
        """Days of the month on which the newest news was older than the dataset's cycle."""
        days = CYCLE_DAYS.get(self.contract.cycle[-1:])
        came = [batch.pulled_at.astimezone(CHINA).date() for batch in self.all if batch.state != "withheld"]
        news = sorted({*came, *self.asked}) if came else []
        if days is None or not news:
            return Rate(0, 0)
        age = timedelta(days=days * int(self.contract.cycle[:-1]))
        day, last = max(self.month.first, news[0]), min(self.month.last, now().astimezone(CHINA).date())
        due = [day + timedelta(days=number) for number in range((last - day).days + 1)]
        late = [one for one in due if not any(one - age <= moment <= one for moment in news)]
        return Rate(len(late), len(due))

    def reasons(self) -> list[ReasonCount]:
        """Why values and rows did not go through as they came, in words."""
        counts: Counter[tuple[str, str, str]] = Counter()
        for issue in self.issues:
            counts[issue.rule, issue.column, issue.outcome] += issue.count
        return [self._reason(rule, column, count) for (rule, column, _outcome), count in counts.items()]

    def _reason(self, rule: str, column: str, count: int) -> ReasonCount:
        known = {str(one): one for one in Reason}.get(rule)
        words = known.meaning if known else str(self.rules[rule]["meta"]["title"]) if rule in self.rules else rule
        action = known.action if known else "核对后在源系统中改正"
        names = [self.contract.by_name[name].title for name in column.split(", ") if name in self.contract.by_name]
        return ReasonCount(self.contract.title, "、".join(names), words, action, count)
