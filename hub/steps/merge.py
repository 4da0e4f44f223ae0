"""Step 5, merge: field by field the source department wins; every value keeps its source and date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import ibis
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from hub.context import Hub
from hub.contracts import BaseContract, Feed
from hub.derive import DERIVED
from hub.engine import Engine
from hub.errors import StopError
from hub.gate import hold
from hub.steps.link import feed_values

__all__ = ["merge", "merge_inputs"]


def merge(hub: Hub) -> dict[str, int]:
    """Build every base table from the linked rows and write it, with its lineage, as Delta tables.

    A field's value is that of the dataset its authority ranks first among those that have one; equals are ordered by
    freshness, then by name. The lineage table of an entity has one row for each base row and dataset: the key,
    `dataset`, `batch`, `row`, `as_of`, and `fields`, the columns that dataset won.

    Returns:
        Rows by entity.

    Raises:
        StopError: A base table would break its own contract: a key twice, a critical rule of its suite.
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
    for entity, base in hub.contracts.base.items():
        hold(hub, base, hub.lake.base(entity))
    return counts


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
        feeds = [
            (source.tail, feed)
            for source in self.hub.contracts.sources.values()
            for feed in source.feeds
            if feed.entity == entity and self.hub.lake.linked(source.tail).exists()
        ]
        claims = [self._claim(base, tail, feed) for tail, feed in feeds]
        if base.reference:
            claims.append(self._reference(base))
        if not claims:
            self.engine.keep(entity, ibis.memtable(base.arrow_schema.empty_table()))
            return
        table = ibis.union(*claims) if len(claims) > 1 else claims[0]
        claims_table = self.engine.keep(f"{entity}__claims", table)
        merged = self.engine.keep(f"{entity}__merged", self._merged(base, claims_table))
        self.engine.keep(entity, merged.select(*(column.name for column in base.columns)))
        self._lineage(base)
        self.claimed.add(entity)

    def derive(self, entity: str, function: Callable[[Mapping[str, ibis.Table], date], ibis.Table]) -> None:
        """Replace an entity's table by the one its rules make of it and the others."""
        tables = {name: self.engine.con.table(name) for name in self.hub.contracts.base}
        derived = function(tables, self.hub.as_of)
        names = [column.name for column in self.hub.contracts.base[entity].columns]
        self.engine.keep(entity, derived.select(*names))

    def _claim(self, base: BaseContract, tail: str, feed: Feed) -> ibis.Table:
        """One dataset's claims: a row for each key, the newest (or the feed's first) where several rows fill it."""
        rows = self.engine.read(self.hub.lake.linked(tail) / "rows.parquet")
        names = tuple(column.name for column in base.columns)
        values = feed_values(feed, rows, names)
        if "source_dataset" in base.by_name:
            values["source_dataset"] = ibis.literal(tail)
        types = ibis.schema(base.arrow_schema)
        columns = {name: values[name].cast(types[name]) if name in values else ibis.null(types[name]) for name in names}
        order = [
            ibis.cases(*((rows[c] == v, i) for i, v in enumerate(vs)), else_=len(vs)) for c, vs in feed.first.items()
        ]
        order += [ibis.desc(rows["_as_of"], nulls_first=False), ibis.desc(rows["_batch"]), ibis.desc(rows["_row"])]
        claim = rows.select(
            **columns,
            dataset=ibis.literal(tail),
            batch=rows["_batch"],
            row=rows["_row"],
            as_of=rows["_as_of"].cast("timestamp(6)"),
            _turn=ibis.row_number().over(group_by=columns[base.key_column], order_by=order),
        )
        return claim.filter((claim["_turn"] == 0) & claim[base.key_column].notnull()).drop("_turn")

    def _reference(self, base: BaseContract) -> ibis.Table:
        """Claims of a code list, cut to the hub's own division and what stands above it."""
        reference = base.reference or {}
        name = reference["codelist"]
        rows = self.engine.con.read_csv(
            str(self.hub.contracts.root / "schemas" / "codelists" / f"{name}.csv"), all_varchar=True
        )
        types = ibis.schema(base.arrow_schema)
        mapping = reference["map"]
        columns = {
            column.name: (rows[mapping[column.name]] if column.name in mapping else ibis.null("string")).cast(
                types[column.name]
            )
            for column in base.columns
        }
        own = self.hub.settings.division
        above = [own[:length].ljust(12, "0") for length in (2, 4, 6) if length < len(own)]
        key = columns[base.key_column]
        return rows.select(
            **columns,
            dataset=ibis.literal(f"codelists/{name}"),
            batch=ibis.null("string"),
            row=ibis.null("int64"),
            as_of=ibis.null("timestamp(6)"),
        ).filter(key.startswith(own) | key.isin(above) if above else key.startswith(own))

    def _merged(self, base: BaseContract, claims: ibis.Table) -> ibis.Table:
        """One row a key: each field from its best claim, and beside it (`<field>__from`) the dataset that gave it."""
        fields = [column.name for column in base.columns if column.name != base.key_column]
        orders = {name: base.ranked(name) for name in fields}
        ranks = {order: f"rank_{number}" for number, order in enumerate(dict.fromkeys(orders.values()))}
        claims = claims.mutate(**{name: _rank(order, claims) for order, name in ranks.items()})
        picked = {
            name: ibis.struct({"value": claims[name], "dataset": claims.dataset}).argmin(
                claims[ranks[orders[name]]], where=claims[name].notnull()
            )
            for name in fields
        }
        grouped = claims.group_by(base.key_column).aggregate(**picked)
        values = {name: grouped[name]["value"] for name in fields}
        sources = {f"{name}__from": grouped[name]["dataset"] for name in fields}
        return grouped.select(base.key_column, **values, **sources)

    def _lineage(self, base: BaseContract) -> None:
        claims = self.engine.con.table(f"{base.name}__claims").select(
            base.key_column, "dataset", "batch", "row", "as_of"
        )
        merged = self.engine.con.table(f"{base.name}__merged")
        names = [column.name for column in base.columns if column.name != base.key_column]
        joined = claims.join(merged, base.key_column)
        won = ibis.array([(joined[f"{n}__from"] == joined.dataset).ifelse(n, ibis.null("string")) for n in names])
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
        reader = self.engine.batches(table.order_by(base.key_column)).cast(base.arrow_schema)
        self._write_delta(self.hub.lake.base(entity), reader)
        if entity in self.claimed:
            lineage = self.engine.con.table(f"{entity}__lineage")
            self._write_delta(self.hub.lake.lineage(entity), self.engine.batches(lineage))
        return int(rows)

    def _write_delta(self, path: Path, reader: pa.RecordBatchReader) -> None:
        write_deltalake(str(path), reader, mode="overwrite", schema_mode="overwrite")
        DeltaTable(str(path)).create_checkpoint()


def _rank(authority: tuple[str, ...], claims: ibis.Table) -> ibis.Value:
    """Smaller is better: the authority's order, then freshness in seconds, then the dataset's name."""
    place = ibis.cases(*((claims.dataset == t, n) for n, t in enumerate(authority)), else_=len(authority))
    age = 10_000_000_000 - ibis.coalesce(claims.as_of.epoch_seconds(), ibis.literal(0))
    name = claims.dataset.hexdigest("md5").substr(0, 3)
    return place.cast("int64") * 100_000_000_000_000 + age * 10_000 + ("0x" + name).cast("int64")
