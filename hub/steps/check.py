"""Step 3, check: the Great Expectations suite runs; bad rows are set aside with their reasons, never dropped."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import pyarrow as pa

from hub.context import Hub
from hub.contracts import SourceContract
from hub.engine import Engine
from hub.errors import CountsError
from hub.ledger import Batch
from hub.reasons import Outcome, Reason
from hub.store import replacing
from hub.validation import Verdict, load_suite, structural, validate

__all__ = ["check"]

BOOKKEEPING = ("batch_no", "source_id")
"""Columns that say how a row travelled, not what it says: they may differ between two deliveries of one row."""

LINE = ("_row", "rule_id", "column", "reason", "severity", "clause", "acts", "source_key")
"""Columns of `quarantine.parquet` and `warnings.parquet`: a line for each row and rule it fails."""


def check(hub: Hub, batch: Batch) -> Batch:
    """Decide for each conformed row: accepted, quarantined or duplicate.

    Leaves in the batch's folder `accepted.parquet` (the contract's columns and `_row`), `quarantine.parquet` and
    `warnings.parquet` (see `LINE`), `duplicates.parquet` (`_row`, `reason`, `kept_row`, `kept_batch`: the row that
    stands for it) and `verdict.json`. Doing it again gives the same.

    Raises:
        CountsError: A row would be lost or counted twice; nothing is written.
        StopError: A rule of the suite cannot be evaluated.
    """
    contract = hub.contracts.sources[batch.tail]
    with (
        tempfile.TemporaryDirectory(prefix="hub-check-") as scratch,
        replacing(hub.lake.checked(batch.tail, batch.id)) as folder,
    ):
        verdict = _judge(hub, batch, contract, Path(scratch) / "failures.parquet")
        with hub.engine() as engine:
            sorter = _Sorter(hub, engine, contract, batch, verdict)
            done, counts = sorter.sort(folder)
        (folder / "verdict.json").write_text(_summary(done, verdict), encoding="utf-8")
    hub.ledger.record_issues(done, "check", counts)
    hub.ledger.save_batch(done)
    return done


def _judge(hub: Hub, batch: Batch, contract: SourceContract, failures: Path) -> Verdict:
    return validate(
        [hub.lake.conformed(batch.tail, batch.id) / "rows.parquet"],
        contract,
        [*structural(contract), *load_suite(contract.tail)],
        hub.contracts.codelists,
        failures=failures,
        as_of=hub.as_of,
        settings=hub.settings,
        key=("_row",),
    )


def _summary(batch: Batch, verdict: Verdict) -> str:
    names = ("landed", "accepted", "quarantined", "duplicate")
    counts = {name: getattr(batch, name) for name in names}
    return json.dumps({"batch": batch.id, **counts, **verdict.to_dict()}, ensure_ascii=False, indent=1)


@dataclass
class _Sorter:
    """Sorts the rows of one batch, in one engine; what is decided is kept in its tables as row numbers."""

    hub: Hub
    engine: Engine
    contract: SourceContract
    batch: Batch
    verdict: Verdict

    def __post_init__(self) -> None:
        conformed = self.hub.lake.conformed(self.batch.tail, self.batch.id)
        self.rows = self.engine.read(conformed / "rows.parquet")
        issues = self.engine.read(conformed / "issues.parquet")
        self.refused = issues.filter(issues.outcome == Outcome.REFUSED)
        self.failures = self.engine.read(self.verdict.failures)

    def sort(self, folder: Path) -> tuple[Batch, list[tuple[str, str, str, int]]]:
        """Write the batch's files; return the batch as it is now, and its counts of issues."""
        critical = self.failures.severity == "critical"
        bad = self._kept("bad", ibis.union(self._refused_lines(), self._rule_lines(self.failures.filter(critical))))
        losers = self._kept("losers", self._losers(self._without(self.rows, bad)))
        conflicts = self._conflict_lines(losers.filter(~losers.agrees))
        copies = losers.filter(losers.agrees).drop("agrees")
        repeated = self._kept("repeated", self._repeated(self._without(self.rows, bad, losers)))
        duplicates = ibis.union(copies, repeated)

        lines = self._kept("lines", ibis.union(bad, conflicts))
        self.engine.write(self._with_keys(lines), folder / "quarantine.parquet")
        self.engine.write(
            self._with_keys(self._rule_lines(self.failures.filter(~critical))), folder / "warnings.parquet"
        )
        duplicate = self.engine.write(duplicates, folder / "duplicates.parquet")
        columns = [column.name for column in self.contract.columns]
        good = self._without(self.rows, bad, losers, repeated).select(*columns, "_row")
        accepted = self.engine.write(good, folder / "accepted.parquet")
        quarantined = int(lines["_row"].nunique().to_pyarrow().as_py())
        done = replace(self.batch, state="checked", accepted=accepted, quarantined=quarantined, duplicate=duplicate)
        _assert_counts(done)
        return done, self._issue_counts(lines, duplicates)

    def _kept(self, name: str, table: ibis.Table) -> ibis.Table:
        """Compute a table once; the engine is the batch's own, so that the name is free."""
        return self.engine.con.create_table(name, table)

    @staticmethod
    def _without(rows: ibis.Table, *decided: ibis.Table) -> ibis.Table:
        numbers = ibis.union(*(table.select("_row") for table in decided)) if len(decided) > 1 else decided[0]
        return rows.anti_join(numbers, "_row")

    def _refused_lines(self) -> ibis.Table:
        """Rows in which `conform` could not read a required or key value."""
        meanings = ibis.memtable(
            pa.table({"rule_id": [str(reason) for reason in Reason], "reason": [reason.meaning for reason in Reason]})
        )
        refused = self.refused.select("_row", "column", rule_id="rule")
        return refused.left_join(meanings, "rule_id").select(
            "_row",
            "rule_id",
            "column",
            reason=ibis.coalesce(meanings.reason, refused.rule_id),
            severity=ibis.literal("critical"),
            clause=ibis.literal("数据契约"),
            acts=ibis.literal(self.contract.department),
        )

    def _rule_lines(self, failures: ibis.Table) -> ibis.Table:
        """Rows that fail a rule of the suite, but for cells already refused: that reason is the nearer one."""
        rest = failures.anti_join(self.refused, ["_row", "column"])
        return rest.select("_row", "rule_id", "column", "severity", "clause", "acts", reason="title").select(*LINE[:-1])

    def _losers(self, rows: ibis.Table) -> ibis.Table:
        """Of rows that share a key all but the newest, and whether they agree with it on who or what it is."""
        keys, identity = list(self.contract.keys), list(self.contract.identity)
        newest = [rows[self.contract.order_by]] if self.contract.order_by else []
        rows = rows.select("_row", *dict.fromkeys([*keys, *identity, *(column.get_name() for column in newest)]))
        shared = rows.group_by(keys).agg(rows_of_key=rows.count()).filter(lambda found: found.rows_of_key > 1)
        rows = rows.semi_join(shared, keys)
        order = [ibis.desc(name, nulls_first=False) for name in (self.contract.order_by, "_row") if name]
        window = ibis.window(group_by=keys, order_by=order)
        agrees = [rows[name].identical_to(rows[name].first(include_null=True).over(window)) for name in identity]
        placed = rows.mutate(
            kept_row=rows["_row"].first().over(window),
            agrees=ibis.and_(*agrees),
        )
        return placed.filter(placed["_row"] != placed.kept_row).select(
            "_row",
            "agrees",
            reason=ibis.literal(str(Reason.KEY_DUPLICATE)),
            kept_row="kept_row",
            kept_batch=ibis.literal(self.batch.id),
        )

    def _conflict_lines(self, losers: ibis.Table) -> ibis.Table:
        """Rows whose key a newer row gives to somebody else."""
        return losers.select(
            "_row",
            rule_id=ibis.literal(str(Reason.KEY_CONFLICT)),
            column=ibis.literal(", ".join(self.contract.keys)),
            reason=ibis.literal(Reason.KEY_CONFLICT.meaning),
            severity=ibis.literal("critical"),
            clause=ibis.literal("数据契约"),
            acts=ibis.literal(self.contract.department),
        )

    def _repeated(self, rows: ibis.Table) -> ibis.Table:
        """Rows that say what the newest accepted row of their key said already: the overlap of two pulls."""
        files = self._earlier()
        if not files:
            return rows.limit(0).select("_row", reason=ibis.literal(""), kept_row="_row", kept_batch=ibis.literal(""))
        earlier = self.engine.con.read_parquet(files, union_by_name=True, filename=True)
        keys = list(self.contract.keys)
        earlier = earlier.mutate(_batch=earlier.filename.split("/")[-2]).semi_join(rows, keys)
        order = [ibis.desc(n, nulls_first=False) for n in (self.contract.order_by, "_batch", "_row") if n]
        latest = earlier.mutate(_turn=ibis.row_number().over(group_by=keys, order_by=order))
        latest = latest.filter(latest["_turn"] == 0).rename(lambda name: f"earlier_{name}")
        said = [
            name for name in self.contract.by_name if name not in BOOKKEEPING and f"earlier_{name}" in latest.columns
        ]
        joined = rows.inner_join(latest, [(name, f"earlier_{name}") for name in keys])
        same = [joined[name].identical_to(joined[f"earlier_{name}"]) for name in said if name not in keys]
        return joined.filter(same).select(
            "_row",
            reason=ibis.literal(str(Reason.ROW_REPEATED)),
            kept_row="earlier__row",
            kept_batch="earlier__batch",
        )

    def _earlier(self) -> list[str]:
        """Accepted rows of the dataset's earlier batches, where it comes in increments."""
        if self.contract.mode != "increment":
            return []
        known = self.hub.ledger.batches(self.batch.tail, state="checked")
        older = [batch.id for batch in known if batch.id < self.batch.id and batch.accepted]
        return [str(self.hub.lake.checked(self.batch.tail, name) / "accepted.parquet") for name in older]

    def _with_keys(self, lines: ibis.Table) -> ibis.Table:
        """Add the row's key as the department knows it; a key that could not be read, as it came."""
        rows = self.rows.semi_join(lines, "_row").select("_row", *self.contract.keys)
        parts = []
        for name in self.contract.keys:
            came = self.refused.filter(self.refused.column == name).select("_row", **{f"_came_{name}": "original"})
            rows = rows.left_join(came, "_row").drop("_row_right")
            parts.append(ibis.coalesce(rows[name].cast("string"), rows[f"_came_{name}"], ""))
        keyed = rows.select("_row", source_key=ibis.literal("|").join(parts))
        return lines.left_join(keyed, "_row").select(*LINE).order_by("_row", "rule_id")

    def _issue_counts(self, lines: ibis.Table, duplicates: ibis.Table) -> list[tuple[str, str, str, int]]:
        """Counts by rule, column and outcome; what `conform` refused it has counted itself."""
        own = lines.filter(lines.rule_id.notin([str(reason) for reason in Reason if reason != Reason.KEY_CONFLICT]))
        held = own.group_by("rule_id", "column").agg(count=own.count()).to_pyarrow().to_pylist()
        counts = [(line["rule_id"], line["column"], str(Outcome.QUARANTINED), line["count"]) for line in held]
        told = [item for item in self.verdict.expectations if item.unexpected and item.severity != "critical"]
        counts += [(item.rule_id, item.column, str(Outcome.WARNED), item.unexpected) for item in told]
        twice = duplicates.group_by("reason").agg(count=duplicates.count()).to_pyarrow().to_pylist()
        columns = ", ".join(self.contract.keys)
        return counts + [(line["reason"], columns, str(Outcome.DUPLICATE), line["count"]) for line in twice]


def _assert_counts(batch: Batch) -> None:
    """Hold the law of counts.

    Raises:
        CountsError: landed is not accepted + quarantined + duplicate.
    """
    found = batch.accepted + batch.quarantined + batch.duplicate
    if batch.landed != found:
        raise CountsError(
            where=f"batch {batch.id}",
            came=f"landed {batch.landed}, but accepted {batch.accepted} + quarantined {batch.quarantined}"
            f" + duplicate {batch.duplicate} = {found}",
            allowed="landed = accepted + quarantined + duplicate",
            do="conform and check the batch again; if the numbers stay, its raw files were changed after the pull",
        )
