"""Step 5, merge: field by field the source department wins; every value keeps its source and date."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import ibis
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from hub.authority import order_in_force
from hub.claims import claimants, claims_of, rank
from hub.context import Hub
from hub.contracts import BaseContract
from hub.delta import PARTS, delta_files
from hub.derive import DERIVED
from hub.engine import Engine
from hub.errors import StopError
from hub.gate import hold
from hub.residing import FACTS_AS_OF

__all__ = ["build_tables", "judge_tables", "merge", "merge_inputs"]

_FOR_EVER = "interval 36500 days"
_KEPT_FOR_EVER: Mapping[str, str | None] = {
    "delta.logRetentionDuration": _FOR_EVER,
    "delta.deletedFileRetentionDuration": _FOR_EVER,
}
"""Properties of base tables: releases name their versions, so neither a checkpoint nor a vacuum may drop one."""


def merge(hub: Hub) -> dict[str, int]:
    """Build every base table and judge it: `build_tables`, then `judge_tables`."""
    counts = build_tables(hub)
    judge_tables(hub)
    return counts


def build_tables(hub: Hub) -> dict[str, int]:
    """Build every base table from the linked rows and write those that changed, with their lineage, as Delta tables.

    A field's value is that of the dataset its authority ranks first among those that have one, by the order in force on
    the hub's day; equals are ordered by freshness, then by how much they fill, then by name. A base table has its
    contract's columns and `FACTS_AS_OF`; a table whose rows are those of its newest version keeps that version. The
    lineage table of an entity has one row for each base row and dataset: the key, `dataset`, `batch`, `row`, `as_of`,
    and `fields`, the columns that dataset won.

    Returns:
        Rows by entity.

    Raises:
        StopError: A base table would have a key twice.
    """
    counts: dict[str, int] = {}
    with hub.engine() as engine:
        builder = _Builder(hub, engine)
        for entity in hub.contracts.base:
            builder.gather(entity)
        for entity, derive in DERIVED.items():
            if entity in hub.contracts.base:
                builder.derive(entity, derive)
        for entity in hub.contracts.base:
            counts[entity] = builder.write(entity)
    return counts


def judge_tables(hub: Hub) -> None:
    """Run the suite of every base table over its newest version; see `hub.gate.hold`.

    Raises:
        StopError: A base table breaks a critical rule of its suite.
    """
    for entity, base in hub.contracts.base.items():
        hold(hub, base, hub.lake.base(entity))


def merge_inputs(hub: Hub) -> dict[str, object]:
    """What a merge depends on: the checked batches, the day, and the contracts; equal inputs need no new merge."""
    batches = [batch.id for batch in hub.ledger.batches(state="checked") if batch.accepted]
    return {"as_of": hub.as_of.isoformat(), "batches": batches, "contracts": hub.contracts.digest}


@dataclass
class _Builder:
    """Builds the base tables in one engine; tables are called after their entity, lineage `<entity>__lineage`."""

    hub: Hub
    engine: Engine
    claimed: set[str] = field(default_factory=set)

    def gather(self, entity: str) -> None:
        """Make an entity's table from its claims, before what is derived from other tables."""
        base = self.hub.contracts.base[entity]
        claims = claims_of(self.hub, self.engine, base)
        if claims is None:
            self.engine.keep(entity, ibis.memtable(base.arrow_schema.empty_table()))
            return
        kept = self.engine.keep(f"{entity}__claims", claims)
        merged = self.engine.keep(f"{entity}__merged", self._merged(base, kept))
        self.engine.keep(entity, merged.select(*base.by_name, FACTS_AS_OF))
        self._lineage(base)
        self.engine.let_go(*(f"{entity}__{part}" for part in ("claims", "several", "merged")))
        self.claimed.add(entity)

    def derive(self, entity: str, function: Callable[[Mapping[str, ibis.Table], date], ibis.Table]) -> None:
        """Replace an entity's table by the one its rules make of it and the others."""
        tables = {name: self.engine.con.table(name) for name in self.hub.contracts.base}
        derived = function(tables, self.hub.as_of)
        if derived is tables[entity]:
            return
        names = list(self.hub.contracts.base[entity].by_name)
        self.engine.keep(entity, derived.select(*names, *({FACTS_AS_OF} & {*derived.columns})))

    def _merged(self, base: BaseContract, claims: ibis.Table) -> ibis.Table:
        """One row a key: each field from its best claim, and beside it (`<field>__from`) which dataset gave it.

        Datasets are told by their place among `claimants`: DuckDB holds each long string anew for every better claim.
        """
        counted = claims.group_by(base.key_column).aggregate(_claims=claims.count())
        several = self.engine.keep(f"{base.name}__several", counted.filter(counted["_claims"] > 1))
        # Most keys have one claim: weighing those as well would take several times the memory and the time.
        alone = self._alone(base, claims.anti_join(several, base.key_column))
        weighed = self._weighed(base, claims.semi_join(several, base.key_column))
        return alone.union(weighed.select(*alone.columns))

    def _alone(self, base: BaseContract, claims: ibis.Table) -> ibis.Table:
        """The rows of keys of which one dataset speaks, and so wins every field it fills."""
        counts = {name: claims[counted].notnull().cast("int64") for name, counted in base.counted.items()}
        fields = _claimed(base)
        values = {name: claims[name] for name in fields}
        number = self._number(base, claims)
        sources = {f"{name}__from": claims[name].notnull().ifelse(number, ibis.null("int16")) for name in fields}
        freshest = {FACTS_AS_OF: claims.as_of.cast("date")}
        return claims.select(base.key_column, **counts, **values, **sources, **freshest)

    def _weighed(self, base: BaseContract, claims: ibis.Table) -> ibis.Table:
        """The rows of keys of which several datasets speak."""
        fields = _claimed(base)
        orders = {name: order_in_force(base, name, self.hub.as_of) for name in fields}
        ranks = {order: f"rank_{number}" for number, order in enumerate(dict.fromkeys(orders.values()))}
        ranked = {name: rank(base, order, claims) for order, name in ranks.items()}
        claims = claims.mutate(**ranked, _number=self._number(base, claims))
        won: dict[str, ibis.Value] = {}
        for name in fields:
            best, stated = claims[ranks[orders[name]]], claims[name].notnull()
            won[name] = claims[name].argmin(best, where=stated)
            won[f"{name}__from"] = claims["_number"].argmin(best, where=stated)
        freshest = {FACTS_AS_OF: self._freshest(claims).cast("date")}
        counts = {name: claims[counted].nunique() for name, counted in base.counted.items()}
        return claims.group_by(base.key_column).aggregate(**counts, **won, **freshest)

    def _number(self, base: BaseContract, claims: ibis.Table) -> ibis.Value:
        """The place of each claim's dataset among those that may claim something."""
        places = ((claims.dataset == tail, place) for place, tail in enumerate(claimants(self.hub, base)))
        return ibis.cases(*places, else_=None).cast("int16")

    def _freshest(self, claims: ibis.Table) -> ibis.Value:
        """When the freshest claim was stated; days of deliveries, where a list says everything again, tell less."""
        stating = [source.tail for source in self.hub.contracts.sources.values() if source.order_by]
        stated = claims.as_of.max(where=claims.dataset.isin(stating)) if stating else ibis.null("timestamp(6)")
        return ibis.coalesce(stated, claims.as_of.max())

    def _lineage(self, base: BaseContract) -> None:
        claims = self.engine.con.table(f"{base.name}__claims")
        told = claims.select(base.key_column, "dataset", "batch", "row", "as_of", _number=self._number(base, claims))
        merged = self.engine.con.table(f"{base.name}__merged")
        names = _claimed(base)
        joined = told.join(merged.select(base.key_column, *(f"{n}__from" for n in names)), base.key_column)
        won = ibis.array([(joined[f"{n}__from"] == joined["_number"]).ifelse(n, ibis.null("string")) for n in names])
        lineage = joined.select(
            base.key_column, "dataset", "batch", "row", "as_of", fields=won.filter(lambda name: name.notnull())
        )
        self.engine.keep(f"{base.name}__lineage", lineage)

    def write(self, entity: str) -> int:
        """Write an entity and its lineage as Delta tables, sorted by key, and return its rows."""
        base = self.hub.contracts.base[entity]
        table = self.engine.con.table(entity)
        rows, keys = (
            self.engine.con.to_pyarrow(table.aggregate(rows=table.count(), keys=table[base.key_column].nunique()))
            .to_pylist()[0]
            .values()
        )
        if rows != keys:
            raise StopError(
                where=f"base/{entity}",
                came=f"{rows} rows with {keys} different keys",
                allowed="every key once",
                do="see which feeds of this entity make the key and correct their contract",
            )
        types = ibis.schema(base.arrow_schema)
        freshest = table[FACTS_AS_OF] if FACTS_AS_OF in table.columns else ibis.null("date")
        typed = table.select(**{name: table[name].cast(types[name]) for name in types}, **{FACTS_AS_OF: freshest})
        schema = base.arrow_schema.append(pa.field(FACTS_AS_OF, pa.date32()))
        self._write_delta(self.hub.lake.base(entity), typed, tuple(types), schema)
        if entity in self.claimed:
            lineage = self.engine.con.table(f"{entity}__lineage")
            self._write_delta(self.hub.lake.lineage(entity), lineage, lineage.columns)
            self.engine.let_go(f"{entity}__lineage")
        return int(rows)

    def _write_delta(
        self, path: Path, table: ibis.Table, compared: Sequence[str], schema: pa.Schema | None = None
    ) -> None:
        """Write a table's next version, unless the newest one has the same rows in the columns compared."""
        known = _newest(path)
        if known is not None and self._same(table, known, compared):
            return
        reader = self.engine.batches(table.order_by(compared[0]))
        write_deltalake(
            str(path),
            reader.cast(schema) if schema else reader,
            mode="overwrite",
            schema_mode="overwrite",
            writer_properties=PARTS,
            configuration=_KEPT_FOR_EVER,
        )
        DeltaTable(str(path)).create_checkpoint()

    def _same(self, table: ibis.Table, known: list[Path], compared: Sequence[str]) -> bool:
        """Whether a table has the rows of the files, in whatever order."""
        if not known:
            return not self.engine.con.to_pyarrow(table.count()).as_py()
        before = self.engine.read(known)
        if set(before.columns) != set(table.columns):
            return False
        return self._fingerprint(before, compared) == self._fingerprint(table, compared)

    def _fingerprint(self, table: ibis.Table, compared: Sequence[str]) -> tuple[object, ...]:
        """Count and two sums of the rows' hashes, good within one engine; `table_digest` is for keeping, and slower."""
        row = ", ".join(f'"{name}"' for name in compared)
        query = f"SELECT count(*), sum(hash({row})), sum(hash('other', {row})) FROM ({ibis.to_sql(table, 'duckdb')})"  # noqa: S608  names of the contract
        found: tuple[object, ...] = self.engine.con.con.execute(query).fetchall()[0]
        return found


def _claimed(base: BaseContract) -> list[str]:
    """Columns whose values are claimed by datasets: all but the key and what is counted here."""
    return [name for name in base.by_name if name != base.key_column and name not in base.counted]


def _newest(path: Path) -> list[Path] | None:
    """Files of a Delta table's newest version; None where there is no such table."""
    try:
        return delta_files(path)
    except TableNotFoundError:
        return None
