"""How step 3 sorts the rows of a batch: expressions of one dataset as SQL, compiled once a process.

They read the tables `rows` and `issues` (what conform left), `failures` (what the suite found), `earlier` (accepted
rows of the dataset's earlier batches, with `_batch`) and `batch` (its `id`), then each other in the order of `Sorting`.

Rows that a department has corrected are sorted by themselves, so `earlier` is then the dataset as it stands without the
rows they stand for: a key that names somebody else there is a conflict as much as one within a batch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import ibis
import pyarrow as pa

from hub.conform.names import VARIANTS, comparable
from hub.contracts import Codelist, Contracts, SourceContract
from hub.reasons import Outcome, Reason
from hub.two_places import two_places

__all__ = ["BOOKKEEPING", "LINE", "Sorting", "sorting_of"]

BOOKKEEPING = ("batch_no", "source_id")
"""Columns that say how a row travelled, not what it says: they may differ between two deliveries of one row."""

LINE = ("_row", "rule_id", "column", "reason", "severity", "clause", "acts", "source_key")
"""Columns of `quarantine.parquet` and `warnings.parquet`: a line for each row and rule it fails."""

_CLAUSE = "数据契约"

_ISSUES = {"_row": "int64"} | dict.fromkeys(("column", "rule", "outcome", "original", "value"), "string")
_FAILURES = {"_row": "int64"} | dict.fromkeys(("rule_id", "column", "severity", "title", "clause", "acts"), "string")


@dataclass(frozen=True)
class Sorting:
    """SELECTs, in the order in which they are computed.

    Attributes:
        bad: A line for each refused cell and each critical rule a row fails.
        losers: Rows whose key a newer row has, and whether that row `agrees` on who or what it is.
        repeated: Rows that say what the newest accepted row of their key said already.
        usurping: Corrected rows whose key is somebody else's in the dataset as it stands; none in a delivery.
        lines: All lines of quarantined rows.
        quarantine: The same with the row's key, as it is written.
        warnings: Lines of rows that fail a rule that is not critical, or whose key stands in two places.
        duplicates: Rows another one stands for.
        accepted: The rows that go on.
        counts: Rule, column, outcome and how often; what `conform` refused it has counted itself.
    """

    bad: str
    losers: str
    repeated: str
    usurping: str
    lines: str
    quarantine: str
    warnings: str
    duplicates: str
    accepted: str
    counts: str


_compiled: dict[tuple[str, str, bool], Sorting] = {}


def sorting_of(contracts: Contracts, tail: str, *, corrected: bool = False) -> Sorting:
    """Return how the rows of a dataset are sorted, those of a delivery or those that its department has corrected."""
    key = (contracts.digest, tail, corrected)
    if key not in _compiled:
        expressions = _Expressions(contracts.sources[tail], corrected, contracts.codelists.get(VARIANTS))
        tables = (getattr(expressions, field.name) for field in fields(Sorting))
        _compiled[key] = Sorting(*(str(ibis.to_sql(table, dialect="duckdb")) for table in tables))
    return _compiled[key]


class _Expressions:
    """The expressions of one dataset over tables that are there when they are computed."""

    def __init__(self, contract: SourceContract, corrected: bool, variants: Codelist | None) -> None:
        self.contract = contract
        self.variants = variants
        self.corrected = corrected
        self.keys = list(contract.keys)
        row = contract.arrow_schema.append(pa.field("_row", pa.int64()))
        self.rows = ibis.table(ibis.schema(row), name="rows")
        self.earlier = ibis.table(ibis.schema(row.append(pa.field("_batch", pa.string()))), name="earlier")
        issues = ibis.table(_ISSUES, name="issues")
        self.refused = issues.filter(issues.outcome == Outcome.REFUSED)
        self.failures = ibis.table(_FAILURES, name="failures")
        self.batch = ibis.table({"id": "string"}, name="batch")

    @cached_property
    def bad(self) -> ibis.Table:
        refused = self.refused
        meaning = ibis.cases(*((refused.rule == str(reason), reason.meaning) for reason in Reason), else_=refused.rule)
        lines = refused.select(
            "_row",
            "column",
            rule_id="rule",
            reason=meaning,
            severity=ibis.literal("critical"),
            clause=ibis.literal(_CLAUSE),
            acts=ibis.literal(self.contract.department),
        )
        return ibis.union(lines.select(*LINE[:-1]), self._of_rules(critical=True))

    def _of_rules(self, critical: bool) -> ibis.Table:
        """Lines of rows that fail a rule, but for cells already refused: that reason is the nearer one."""
        is_critical = self.failures.severity == "critical"
        failures = self.failures.filter(is_critical if critical else ~is_critical)
        rest = failures.anti_join(self.refused, ["_row", "column"])
        return rest.rename(reason="title").select(*LINE[:-1])

    def _held(self, name: str) -> ibis.Table:
        """A table of an earlier SELECT."""
        return ibis.table(getattr(self, name).schema(), name=name)

    def _without(self, *decided: str) -> ibis.Table:
        numbers = ibis.union(*(self._held(name).select("_row") for name in ("bad", *decided)), distinct=False)
        return self.rows.anti_join(numbers, "_row")

    @cached_property
    def losers(self) -> ibis.Table:
        order_by, identity = self.contract.order_by, self.contract.identity
        rows = self.rows.anti_join(self._held("bad"), "_row")
        rows = rows.select("_row", *dict.fromkeys([*self.keys, *identity, *([order_by] if order_by else [])]))
        shared = rows.group_by(self.keys).aggregate(found=rows.count()).filter(lambda keys: keys.found > 1)
        rows = rows.semi_join(shared, self.keys)
        newest = [ibis.desc(name, nulls_first=False) for name in (order_by, "_row") if name]
        window = ibis.window(group_by=self.keys, order_by=newest)
        told = {name: self._compared(rows, name) for name in identity}
        agrees = [value.identical_to(value.first(include_null=True).over(window)) for value in told.values()]
        placed = rows.mutate(kept_row=rows["_row"].first().over(window), agrees=ibis.and_(*agrees))
        return placed.filter(placed["_row"] != placed.kept_row).select("_row", "kept_row", "agrees")

    @cached_property
    def _pairs(self) -> ibis.Table:
        """Rows beside the newest accepted row of their key, as `earlier_<column>`."""
        rows, keys = self._without("losers"), self.keys
        earlier = self.earlier.semi_join(rows, keys)
        newest = [ibis.desc(name, nulls_first=False) for name in (self.contract.order_by, "_batch", "_row") if name]
        latest = earlier.mutate(_turn=ibis.row_number().over(group_by=keys, order_by=newest))
        latest = latest.filter(latest["_turn"] == 0).rename(lambda name: f"earlier_{name}")
        return rows.inner_join(latest, [(name, f"earlier_{name}") for name in keys])

    @cached_property
    def repeated(self) -> ibis.Table:
        pairs = self._pairs
        said = [name for name in self.contract.by_name if name not in BOOKKEEPING and name not in self.keys]
        same = [pairs[name].identical_to(pairs[f"earlier_{name}"]) for name in said]
        return pairs.filter(same).select("_row", kept_row="earlier__row", kept_batch="earlier__batch")

    @cached_property
    def usurping(self) -> ibis.Table:
        pairs, identity = self._pairs, self.contract.identity
        if not self.corrected or not identity:
            return self._held("losers").select("_row").limit(0)
        agrees = [
            self._compared(pairs, name).identical_to(self._compared(pairs, name, f"earlier_{name}"))
            for name in identity
        ]
        return pairs.filter(~ibis.and_(*agrees)).select("_row")

    def _compared(self, rows: ibis.Table, name: str, column: str = "") -> ibis.Value:
        """A column as it is held against another row's: a person's name whatever variant it is written with."""
        value = rows[column or name]
        is_name = self.contract.by_name[name].operation == "person_name"
        return comparable(value, self.variants) if is_name else value

    @cached_property
    def lines(self) -> ibis.Table:
        losers = self._held("losers")
        conflicts = (
            losers.filter(~losers.agrees)
            .select("_row")
            .union(self._held("usurping"))
            .select(
                "_row",
                rule_id=ibis.literal(str(Reason.KEY_CONFLICT)),
                column=ibis.literal(", ".join(self.keys)),
                reason=ibis.literal(Reason.KEY_CONFLICT.meaning),
                severity=ibis.literal("critical"),
                clause=ibis.literal(_CLAUSE),
                acts=ibis.literal(self.contract.department),
            )
        )
        return ibis.union(self._held("bad"), conflicts)

    @cached_property
    def quarantine(self) -> ibis.Table:
        return self._with_keys(self._held("lines"))

    @cached_property
    def warnings(self) -> ibis.Table:
        lines, told = self._of_rules(critical=False), self._in_two_places()
        return self._with_keys(lines if told is None else lines.union(told))

    def _in_two_places(self) -> ibis.Table | None:
        """Lines of accepted rows whose key another record has in another place."""
        losers = self._held("losers")
        others = losers.filter(~losers.agrees)
        found = two_places(self.contract, self._without().anti_join(others, "_row"), self.earlier)
        if found is None:
            return None
        return found.semi_join(self.accepted, "_row").select(
            "_row",
            rule_id=ibis.literal(str(Reason.TWO_PLACES)),
            column=ibis.literal(self.contract.place),
            reason=ibis.literal(f"{Reason.TWO_PLACES.meaning}：") + found.places,
            severity=ibis.literal("warning"),
            clause=ibis.literal(_CLAUSE),
            acts=ibis.literal(self.contract.department),
        )

    def _with_keys(self, lines: ibis.Table) -> ibis.Table:
        """Add the row's key as the department knows it; a key that could not be read, as it came."""
        rows = self.rows.semi_join(lines, "_row").select("_row", *self.keys)
        parts = []
        for name in self.keys:
            came = self.refused.filter(self.refused.column == name).select("_row", **{f"_came_{name}": "original"})
            rows = rows.left_join(came, "_row").drop("_row_right")
            parts.append(ibis.coalesce(rows[name].cast("string"), rows[f"_came_{name}"], ""))
        keyed = rows.select("_row", source_key=ibis.literal("|").join(parts))
        return lines.left_join(keyed, "_row").select(*LINE).order_by("_row", "rule_id")

    @cached_property
    def duplicates(self) -> ibis.Table:
        losers, repeated = self._held("losers"), self._held("repeated")
        copies = losers.filter(losers.agrees).cross_join(self.batch)
        return ibis.union(
            copies.select("_row", "kept_row", reason=ibis.literal(str(Reason.KEY_DUPLICATE)), kept_batch="id"),
            repeated.select("_row", "kept_row", reason=ibis.literal(str(Reason.ROW_REPEATED)), kept_batch="kept_batch"),
        ).select("_row", "reason", "kept_row", "kept_batch")

    @cached_property
    def accepted(self) -> ibis.Table:
        return self._without("losers", "repeated", "usurping").select(*self.contract.by_name, "_row")

    @cached_property
    def counts(self) -> ibis.Table:
        lines, warnings, duplicates = (self._held(name) for name in ("lines", "warnings", "duplicates"))
        refused_by_conform = [str(reason) for reason in Reason if reason != Reason.KEY_CONFLICT]
        told = {
            Outcome.QUARANTINED: lines.filter(lines.rule_id.notin(refused_by_conform)),
            Outcome.WARNED: warnings,
            Outcome.DUPLICATE: duplicates.select(rule_id="reason", column=ibis.literal(", ".join(self.keys))),
        }
        each = [
            table.select("rule_id", "column", outcome=ibis.literal(str(outcome))) for outcome, table in told.items()
        ]
        every = ibis.union(*each)
        names = ["rule_id", "column", "outcome"]
        return every.group_by(names).aggregate(count=every.count()).order_by(names)
