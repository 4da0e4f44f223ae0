"""Step 5, merge: field by field the source department wins; every value keeps its source and date."""

from __future__ import annotations

import json
from dataclasses import dataclass

import ibis
from deltalake import DeltaTable, write_deltalake

from hub.context import Hub
from hub.contracts import BaseContract, Feed
from hub.derive import DERIVED
from hub.engine import Engine
from hub.errors import StopError
from hub.steps.link import feed_values
from hub.store import write_atomically

__all__ = ["merge", "merge_inputs"]


def merge(hub: Hub) -> dict[str, int]:
    """Build every base table from the linked rows and write it, with its lineage, as Delta tables.

    A field's value is that of the dataset its authority ranks first among those that have one; equals are ordered by
    freshness, then by name. The lineage table of an entity has one row for each base row and dataset: the key,
    `dataset`, `batch`, `row`, `as_of`, and `fields`, the columns that dataset won.

    Returns:
        Rows by entity.

    Raises:
        StopError: A base table would break its own contract (a key twice).
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
    write_atomically(hub.lake.root / "5-base" / "inputs.json", json.dumps(merge_inputs(hub), indent=1).encode())
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
            self.engine.con.create_table(entity, schema=ibis.schema(base.arrow_schema), overwrite=True)
            return
        table = ibis.union(*claims) if len(claims) > 1 else claims[0]
        self.engine.con.create_table(f"{entity}__claims", table, overwrite=True)
        merged = self._merged(base, self.engine.con.table(f"{entity}__claims"))
        self.engine.con.create_table(f"{entity}__merged", merged, overwrite=True)
        merged = self.engine.con.table(f"{entity}__merged")
        names = [column.name for column in base.columns]
        self.engine.con.create_table(entity, merged.select(*names), overwrite=True)
        self._lineage(base)

    def derive(self, entity: str, function: object) -> None:
        """Replace an entity's table by the one its rules make of it and the others."""
        tables = {name: self.engine.con.table(name) for name in self.hub.contracts.base}
        derived = function(tables, self.hub.as_of)  # type: ignore[operator]
        names = [column.name for column in self.hub.contracts.base[entity].columns]
        self.engine.con.create_table(f"{entity}__derived", derived.select(*names), overwrite=True)
        self.engine.con.drop_table(entity)
        self.engine.con.rename_table(f"{entity}__derived", entity)

    def _claim(self, base: BaseContract, tail: str, feed: Feed) -> ibis.Table:
        """One dataset's claims: a row for each key, the newest (or the feed's first) where several rows fill it."""
        rows = self.engine.read(self.hub.lake.linked(tail) / "rows.parquet")
        names = tuple(column.name for column in base.columns)
        values = feed_values(feed, rows, names)
        if "source_dataset" in base.by_name:
            values["source_dataset"] = ibis.literal(tail)
        types = ibis.schema(base.arrow_schema)
        columns = {
            name: values[name].cast(types[name]) if name in values else ibis.null(types[name]) for name in names
        }
        order = [ibis.cases(*((rows[c] == v, i) for i, v in enumerate(vs)), else_=len(vs)) for c, vs in feed.first.items()]
        order += [ibis.desc(rows["_as_of"], nulls_first=False), ibis.desc(rows["_batch"]), ibis.desc(rows["_row"])]
        claim = rows.select(
            **columns,
            dataset=ibis.literal(tail),
            batch=rows["_batch"],
            row=rows["_row"],
            as_of=rows["_as_of"],
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
            as_of=ibis.null("timestamp"),
        ).filter(key.startswith(own) | key.isin(above) if above else key.startswith(own))

    def _merged(self, base: BaseContract, claims: ibis.Table) -> ibis.Table:
        """One row a key: each field from its best claim, and beside it (`<field>__from`) the dataset that gave it."""
        datasets = sorted({*self.hub.contracts.sources, *(f"codelists/{n}" for n in self.hub.contracts.codelists)})
        picked = {}
        for column in base.columns:
            if column.name == base.key_column:
                continue
            value = claims[column.name]
            rank = _rank(base.ranked(column.name), datasets, claims)
            picked[f"{column.name}__pick"] = ibis.struct({"value": value, "dataset": claims.dataset}).argmin(
                rank, where=value.notnull()
            )
        grouped = claims.group_by(base.key_column).aggregate(**picked)
        fields = {}
        for name in (column.name for column in base.columns if column.name != base.key_column):
            fields[name] = grouped[f"{name}__pick"]["value"]
            fields[f"{name}__from"] = grouped[f"{name}__pick"]["dataset"]
        return grouped.select(base.key_column, **fields)

    def _lineage(self, base: BaseContract) -> None:
        claims = self.engine.con.table(f"{base.name}__claims").select(base.key_column, "dataset", "batch", "row", "as_of")
        merged = self.engine.con.table(f"{base.name}__merged")
        names = [column.name for column in base.columns if column.name != base.key_column]
        joined = claims.join(merged, base.key_column)
        won = ibis.array([(joined[f"{n}__from"] == joined.dataset).ifelse(n, ibis.null("string")) for n in names])
        lineage = joined.select(
            base.key_column, "dataset", "batch", "row", "as_of", fields=won.filter(lambda name: name.notnull())
        )
        self.engine.con.create_table(f"{base.name}__lineage", lineage, overwrite=True)

    def write(self, entity: str) -> int:
        """Write an entity and its lineage as Delta tables, sorted by key, and return its rows."""
        base = self.hub.contracts.base[entity]
        table = self.engine.con.table(entity)
        rows, keys = self.engine.con.to_pyarrow(
            table.aggregate(rows=table.count(), keys=table[base.key_column].nunique())
        ).to_pylist()[0].values()
        if rows != keys:
            raise StopError(
                where=f"base/{entity}",
                came=f"{rows} rows with {keys} different keys",
                allowed="every key once",
                do="see which feeds of this entity make the key and correct their contract",
            )
        reader = table.order_by(base.key_column).to_pyarrow_batches(chunk_size=65_536).cast(base.arrow_schema)
        self._write_delta(self.hub.lake.base(entity), reader)
        if f"{entity}__lineage" in self.engine.con.list_tables():
            lineage = self.engine.con.table(f"{entity}__lineage")
            self._write_delta(self.hub.lake.lineage(entity), lineage.to_pyarrow_batches(chunk_size=65_536))
        return int(rows)

    def _write_delta(self, path: object, reader: object) -> None:
        write_deltalake(str(path), reader, mode="overwrite", schema_mode="overwrite")  # type: ignore[call-overload]
        DeltaTable(str(path)).create_checkpoint()


def _rank(authority: tuple[str, ...], datasets: list[str], claims: ibis.Table) -> ibis.Value:
    """Smaller is better: the authority's order, then freshness (seconds), then the dataset's name."""
    places = {tail: authority.index(tail) if tail in authority else len(authority) for tail in datasets}
    place = ibis.cases(*((claims.dataset == tail, number) for tail, number in places.items()), else_=len(authority) + 1)
    name = ibis.cases(*((claims.dataset == tail, number) for number, tail in enumerate(datasets)), else_=len(datasets))
    age = 10_000_000_000 - ibis.coalesce(claims.as_of.epoch_seconds(), ibis.literal(0))
    return place.cast("int64") * 10_000_000_000_000 + age * 1_000 + name
