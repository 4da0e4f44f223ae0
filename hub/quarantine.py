"""What waits for a department: the rows of a dataset that were set aside or warned about, as they came, with reasons.

A row is known by the batch and number it had in its delivery, also when a correction of it was set aside once more:
then it is shown as that correction had it. It waits no longer once a correction of it was taken, once a newer list came
in its place, or once a later delivery speaks of the same record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from hub.conform.cell import original_text
from hub.context import Hub
from hub.contracts import SourceContract
from hub.engine import Engine
from hub.ledger import Batch
from hub.present import REPLACES, corrections, of_batches, replaced_rows

__all__ = ["KEY", "Quarantine", "Tally"]

KEY = ("_key_batch", "_key_row")
"""Columns that name a row as its department knows it."""

_LINE = ("_key_batch", "_key_row", "_at_batch", "_at_row", "rule_id", "column", "reason", "severity", "clause", "acts")


@dataclass(frozen=True)
class Tally:
    """How many quarantined rows of some batches wait, and how the others were settled.

    Attributes:
        open: They wait for their department.
        corrected: A correction of theirs was taken.
        superseded: A later delivery took their place.
    """

    open: int
    corrected: int
    superseded: int


class Quarantine:
    """The rows of one dataset that wait, in one engine."""

    def __init__(self, hub: Hub, engine: Engine, contract: SourceContract) -> None:
        self.hub = hub
        self.engine = engine
        self.contract = contract
        self.mended = corrections(hub, contract.tail)
        checked = hub.ledger.batches(contract.tail, state="checked")
        self.deliveries = [batch for batch in checked if batch.mode == contract.mode]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The department's names of the columns that can be written as text, in the contract's order."""
        kinds = {column.physical_name: column.kind for column in self.contract.columns}
        return tuple(name for name, kind in kinds.items() if kind != "geometry")

    def rows(self) -> ibis.Table | None:
        """The waiting rows, a line each; None where none waits.

        Columns: `KEY`; `_reasons`, a list of structs of rule_id, column, reason, severity, clause and acts; then the
        department's own columns: texts as they came, geometries as they are.
        """
        lines = self.lines()
        if lines is None:
            return None
        held = self.engine.keep("waiting", lines)
        names = held.select("_at_batch").distinct().to_pyarrow()["_at_batch"].to_pylist()
        if not names:
            return None
        reason = ibis.struct({name: held[name] for name in _LINE[4:]})
        each = held.group_by([*_LINE[:4]]).aggregate(_reasons=reason.collect(order_by=held.rule_id))
        raw = of_batches(self.engine, [path for name in sorted(names) for path in self._raw_parts(name)])
        shown = {name: original_text(raw[name]) if name in self.columns else raw[name] for name in self._physical(raw)}
        raw = raw.select("_batch", "_row", **shown)
        joined = each.inner_join(raw, [each["_at_batch"] == raw["_batch"], each["_at_row"] == raw["_row"]])
        return joined.select(*KEY, "_reasons", *shown).order_by(list(KEY))

    def _physical(self, raw: ibis.Table) -> list[str]:
        names = dict.fromkeys(column.physical_name for column in self.contract.columns)
        return [name for name in names if name in raw.columns]

    def _raw_parts(self, batch: str) -> list[Path]:
        return sorted(self.hub.lake.raw(self.contract.tail, batch).glob("part-*.parquet"))

    def lines(self) -> ibis.Table | None:
        """A line for each waiting row and rule it fails (`_LINE`); None where none waits."""
        deliveries = self.deliveries[-1:] if self.contract.mode == "snapshot" else self.deliveries
        own = self._lines_of(deliveries, ("quarantine", "warnings"))
        if own is None:
            return None
        lines = own.mutate(_at_batch=own["_batch"], _at_row=own["_row"], _key_batch=own["_batch"], _key_row=own["_row"])
        tried = self._tried()
        if tried is not None:
            lines = lines.anti_join(tried, list(KEY)).select(*_LINE, "source_key")
            lines = self._once_more(tried, lines).select(*_LINE, "source_key")
        if self.contract.mode != "snapshot":
            lines = self._not_superseded(lines)
        return lines.select(*_LINE)

    def _lines_of(self, batches: Iterable[Batch], names: tuple[str, ...]) -> ibis.Table | None:
        """Lines about rows of batches, with `_batch`."""
        folders = [self.hub.lake.checked(batch.tail, batch.id) for batch in batches]
        files = [folder / f"{name}.parquet" for folder in folders for name in names]
        files = [path for path in files if pq.read_metadata(path).num_rows]
        return of_batches(self.engine, files) if files else None

    def _tried(self) -> ibis.Table | None:
        """Rows (`KEY`) that were corrected, with their newest correction (`_batch`, `_row`)."""
        if not self.mended:
            return None
        told = of_batches(self.engine, [self.hub.lake.raw(one.tail, one.id) / REPLACES for one in self.mended])
        told = told.rename(_key_batch="batch", _key_row="row").drop("digest")
        newest = told.group_by(list(KEY)).aggregate(_newest=told["_batch"].max())
        told = told.semi_join(newest, [*KEY, (told["_batch"], newest["_newest"])])
        return self.engine.keep("tried", told)

    def _once_more(self, tried: ibis.Table, lines: ibis.Table) -> ibis.Table:
        """Add the lines of rows whose newest correction was set aside as well."""
        failed = self._lines_of(self.mended, ("quarantine",))
        if failed is None:
            return lines
        own = [batch.id for batch in self.deliveries]
        known = tried.filter(tried["_key_batch"].isin(own[-1:] if self.contract.mode == "snapshot" else own))
        again = failed.inner_join(known, ["_batch", "_row"]).rename(_at_batch="_batch", _at_row="_row")
        return lines.union(again.select(*_LINE, "source_key"))

    def _not_superseded(self, lines: ibis.Table) -> ibis.Table:
        """Leave out rows of whose record a later delivery speaks."""
        spoken = self._spoken()
        own = spoken.rename(_key_batch="_batch", _key_row="_row", _told="_record")
        named = lines.left_join(own, list(KEY)).select(*lines.columns, "_told")
        named = named.mutate(_record=ibis.coalesce(named["_told"], named.source_key))
        newest = spoken.group_by("_record").aggregate(_last=spoken["_batch"].max())
        later = named.inner_join(newest, "_record").filter(lambda rows: rows["_last"] > rows["_key_batch"])
        return named.anti_join(later, list(KEY))

    @cached_property
    def _record_column(self) -> str | None:
        """The department's own number of a record, where its table has one: it outlives a wrong key."""
        named = self.contract.pull.get("split_by")
        return str(named) if named in {column.physical_name for column in self.contract.columns} else None

    def _spoken(self) -> ibis.Table:
        """The record (`_record`) that each row (`_batch`, `_row`) of the deliveries is about, where it can be told."""
        if self._record_column is not None:
            raw = of_batches(self.engine, [path for one in self.deliveries for path in self._raw_parts(one.id)])
            return raw.select("_batch", "_row", _record=raw[self._record_column].cast("string"))
        folders = [self.hub.lake.conformed(one.tail, one.id) for one in self.deliveries]
        rows = of_batches(self.engine, [folder / "rows.parquet" for folder in folders])
        # A key that could not be read is nobody's: two such rows are not about one record.
        told = rows.filter([rows[name].notnull() for name in self.contract.keys])
        parts = [told[name].cast("string") for name in self.contract.keys]
        return told.select("_batch", "_row", _record=ibis.literal("|").join(parts))

    def tally(self, batches: Iterable[Batch]) -> Tally:
        """Count what became of the quarantined rows of deliveries; those of a held one wait with it."""
        told = [batch for batch in batches if batch.mode == self.contract.mode and batch.quarantined]
        ids = {batch.id for batch in told if batch.state == "checked"}
        held = sum(batch.quarantined for batch in told if batch.state == "held")
        own = self._lines_of([batch for batch in self.deliveries if batch.id in ids], ("quarantine",))
        if own is None:
            return Tally(held, 0, 0)
        rows = own.select(_key_batch="_batch", _key_row="_row").distinct()
        total = self._count(rows)
        settled = replaced_rows(self.hub, self.engine, self.mended)
        lines = self.lines()
        corrected = 0
        if settled is not None:
            corrected = self._count(rows.semi_join(settled.rename(_key_batch="batch", _key_row="row"), list(KEY)))
        waiting = 0 if lines is None else self._count(rows.semi_join(lines, list(KEY)))
        return Tally(open=waiting + held, corrected=corrected, superseded=total - waiting - corrected)

    def _count(self, table: ibis.Table) -> int:
        found: pa.Scalar = self.engine.con.to_pyarrow(table.count())
        return int(found.as_py())
