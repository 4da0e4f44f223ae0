"""Step 3, check: the Great Expectations suite runs; bad rows are set aside with their reasons, never dropped."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ibis

from hub.context import Hub
from hub.contracts import SourceContract
from hub.engine import Engine
from hub.errors import CountsError
from hub.ledger import Batch
from hub.present import CORRECTION, REPLACES, of_batches, present_batches, without_replaced
from hub.sorting import sorting_of
from hub.store import replacing
from hub.validation import Verdict, load_suite, structural, validate_each
from hub.volume import gated

__all__ = ["check", "check_together"]


def check(hub: Hub, batch: Batch) -> Batch:
    """Decide for each conformed row of a batch: accepted, quarantined or duplicate; see `check_together`."""
    return check_together(hub, [batch])[0]


def check_together(hub: Hub, batches: Sequence[Batch]) -> list[Batch]:
    """Decide for each conformed row: accepted, quarantined or duplicate; with one run of the suite for all batches.

    Leaves in each batch's folder `accepted.parquet` (the contract's columns and `_row`), `quarantine.parquet` and
    `warnings.parquet` (see `hub.sorting.LINE`), `duplicates.parquet` (`_row`, `reason`, and the row that stands for it:
    `kept_row`, `kept_batch`) and `verdict.json`. Doing it again gives the same.

    Args:
        hub: The opened hub.
        batches: Conformed batches of one dataset, the oldest first.

    Returns:
        The batches, saved, in state `checked`; in state `held` where `hub.volume` does not let one pass.

    Raises:
        CountsError: A row would be lost or counted twice; nothing is written of that batch and of later ones.
        StopError: A rule of the suite cannot be evaluated.
    """
    with tempfile.TemporaryDirectory(prefix="hub-check-") as scratch:
        return [_sort(hub, batch, verdict) for batch, verdict in _judge(hub, batches, Path(scratch))]


def _judge(hub: Hub, batches: Sequence[Batch], scratch: Path) -> list[tuple[Batch, Verdict]]:
    """Run the suite over all batches; a verdict for each."""
    if not batches:
        return []
    (tail,) = {batch.tail for batch in batches}
    contract = hub.contracts.sources[tail]
    verdicts = validate_each(
        [hub.lake.conformed(tail, batch.id) / "rows.parquet" for batch in batches],
        contract,
        [*structural(contract), *load_suite(tail)],
        hub.contracts.codelists,
        failures=[scratch / f"{batch.id}.parquet" for batch in batches],
        as_of=hub.as_of,
        settings=hub.settings,
        key=("_row",),
    )
    return list(zip(batches, verdicts, strict=True))


def _sort(hub: Hub, batch: Batch, verdict: Verdict) -> Batch:
    with replacing(hub.lake.checked(batch.tail, batch.id)) as folder, hub.engine() as engine:
        sorter = _Sorter(hub, engine, hub.contracts.sources[batch.tail], batch, verdict)
        done, counts = sorter.write(folder)
        (folder / "verdict.json").write_text(_summary(done, verdict), encoding="utf-8")
    done, excesses = gated(hub, done)
    hub.ledger.record_issues(done, "check", [*counts, *excesses])
    hub.ledger.save_batch(done)
    return done


def _summary(batch: Batch, verdict: Verdict) -> str:
    names = ("landed", "accepted", "quarantined", "duplicate")
    counts = {name: getattr(batch, name) for name in names}
    return json.dumps({"batch": batch.id, **counts, **verdict.to_dict()}, ensure_ascii=False, indent=1)


@dataclass
class _Sorter:
    """Sorts the rows of one batch, in an engine of its own."""

    hub: Hub
    engine: Engine
    contract: SourceContract
    batch: Batch
    verdict: Verdict

    def write(self, folder: Path) -> tuple[Batch, list[tuple[str, str, str, int]]]:
        """Write the batch's files; return the batch as it is now, and its counts of issues.

        Raises:
            CountsError: landed is not accepted + quarantined + duplicate.
        """
        self._lay_out()
        sorting = sorting_of(self.hub.contracts, self.batch.tail, corrected=self.batch.mode == CORRECTION)
        for name in ("bad", "losers", "repeated", "usurping", "lines"):
            self.engine.con.raw_sql(f'CREATE TABLE "{name}" AS {getattr(sorting, name)}')
        written = {
            name: self.engine.write(getattr(sorting, name), folder / f"{name}.parquet")
            for name in ("quarantine", "warnings", "duplicates", "accepted")
        }
        for name in ("warnings", "duplicates"):  # that `counts` reads
            self.engine.define_files(name, folder / f"{name}.parquet")
        done = replace(
            self.batch,
            state="checked",
            accepted=written["accepted"],
            quarantined=self._fetch("SELECT count(DISTINCT _row) FROM lines")[0][0],
            duplicate=written["duplicates"],
        )
        _assert_counts(done)
        return done, self._fetch(sorting.counts)

    def _lay_out(self) -> None:
        """Put the tables that the sorting reads where it looks for them."""
        conformed = self.hub.lake.conformed(self.batch.tail, self.batch.id)
        rows = self.engine.read(conformed / "rows.parquet")
        tables = {
            "rows": rows,
            "issues": self.engine.read(conformed / "issues.parquet"),
            "failures": self.engine.read(self.verdict.failures),
            "earlier": self._earlier(rows),
        }
        for name, table in tables.items():
            self.engine.define(name, str(ibis.to_sql(table, dialect="duckdb")))
        self.engine.define("batch", f"SELECT '{self.batch.id}' AS id")

    def _earlier(self, rows: ibis.Table) -> ibis.Table:
        """Accepted rows of earlier batches, where the dataset comes in increments or the batch is a correction."""
        older = self._older()
        files = [self.hub.lake.checked(one.tail, one.id) / "accepted.parquet" for one in older if one.accepted]
        if not files:
            return rows.limit(0).mutate(_batch=ibis.literal(""))
        found = of_batches(self.engine, files)
        if self.batch.mode == CORRECTION:
            found = without_replaced(self.hub, self.engine, found, older)
            mine = self.engine.read(self.hub.lake.raw(self.batch.tail, self.batch.id) / REPLACES)
            found = found.anti_join(mine, [found["_batch"] == mine.batch, found["_row"] == mine.row])
        # A column that the contract has gained since is null in what was accepted before.
        columns = {
            name: found[name] if name in found.columns else ibis.null(kind) for name, kind in rows.schema().items()
        }
        return found.select(**columns, _batch="_batch")

    def _older(self) -> list[Batch]:
        if self.contract.mode != "increment" and self.batch.mode != CORRECTION:
            return []
        return present_batches(self.hub, self.contract, before=self.batch.id)

    def _fetch(self, query: str) -> list[Any]:
        return list(self.engine.con.raw_sql(query).fetchall())


def _assert_counts(batch: Batch) -> None:
    """Hold the law of counts."""
    found = batch.accepted + batch.quarantined + batch.duplicate
    if batch.landed != found:
        raise CountsError(
            where=f"batch {batch.id}",
            came=f"landed {batch.landed}, but accepted {batch.accepted} + quarantined {batch.quarantined}"
            f" + duplicate {batch.duplicate} = {found}",
            allowed="landed = accepted + quarantined + duplicate",
            do="conform and check the batch again; if the numbers stay, its raw files were changed after the pull",
        )
