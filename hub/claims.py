"""Claims: what each dataset says of a base row, and which one wins. Merge decides by them, `hub show` tells them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import add

import ibis

from hub.authority import Order
from hub.context import Hub
from hub.contracts import BaseContract, Feed
from hub.engine import Engine
from hub.steps.link import feed_values

__all__ = ["ORIGIN", "claimants", "claims_of", "filled", "rank"]

ORIGIN = ("dataset", "batch", "row", "as_of")
"""Columns of a claim beside those of its base table: where it came from, and when the department last touched it; where
the department does not say, the day of the delivery."""

_PLACE, _AGE, _GAPS = 10**16, 10**6, 10**4
"""What a step behind in the order, a second of age and an empty column weigh; the dataset's name weighs less."""
_LATEST, _MOST_COLUMNS = 10_000_000_000, 99


def claims_of(hub: Hub, engine: Engine, base: BaseContract, key: str | None = None) -> ibis.Table | None:
    """Every claim of a base table: its columns and `ORIGIN`, a row for each dataset and key.

    Args:
        hub: The opened hub.
        engine: Where the table is to be read.
        base: The base table.
        key: Only this key's claims.

    Returns:
        The claims; None where no dataset that feeds the table was linked yet.
    """
    found = list(_each(hub, engine, base, key))
    if not found:
        return None
    return ibis.union(*found) if len(found) > 1 else found[0]


def claimants(hub: Hub, base: BaseContract) -> tuple[str, ...]:
    """Every dataset that may claim something of a base table, as claims name it, by name."""
    sources = hub.contracts.sources.values()
    feeding = {source.tail for source in sources for feed in source.feeds if feed.entity == base.name}
    return tuple(sorted(feeding | ({f"codelists/{base.reference['codelist']}"} if base.reference else set())))


def _each(hub: Hub, engine: Engine, base: BaseContract, key: str | None) -> Iterator[ibis.Table]:
    for source in hub.contracts.sources.values():
        for feed in source.feeds:
            if feed.entity == base.name and hub.lake.linked(source.tail).exists():
                yield _claim(hub, engine, base, source.tail, feed, key)
    if base.reference:
        yield _reference(hub, engine, base, key)


def _claim(hub: Hub, engine: Engine, base: BaseContract, tail: str, feed: Feed, key: str | None) -> ibis.Table:
    """One dataset's claims: a row for each key, the newest (or the feed's first) where several rows fill it."""
    rows = engine.read(hub.lake.linked(tail) / "rows.parquet")
    if key is not None:
        rows = rows.filter(feed_values(feed, rows, (base.key_column,))[base.key_column] == key)
    names = tuple(column.name for column in base.columns)
    values = feed_values(feed, rows, names)
    if "source_dataset" in base.by_name:
        values["source_dataset"] = ibis.literal(tail)
    types = ibis.schema(base.arrow_schema)
    columns = {name: values[name].cast(types[name]) if name in values else ibis.null(types[name]) for name in names}
    order = [ibis.cases(*((rows[c] == v, i) for i, v in enumerate(vs)), else_=len(vs)) for c, vs in feed.first.items()]
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


def _reference(hub: Hub, engine: Engine, base: BaseContract, key: str | None) -> ibis.Table:
    """Claims of a code list, cut to the hub's own division and what stands above it."""
    reference = base.reference or {}
    name = reference["codelist"]
    rows = engine.con.read_csv(str(hub.contracts.root / "schemas" / "codelists" / f"{name}.csv"), all_varchar=True)
    types = ibis.schema(base.arrow_schema)
    mapping = reference["map"]
    columns = {
        column.name: (rows[mapping[column.name]] if column.name in mapping else ibis.null("string")).cast(
            types[column.name]
        )
        for column in base.columns
    }
    own = hub.settings.division
    above = [own[:length].ljust(12, "0") for length in (2, 4, 6) if length < len(own)]
    code = columns[base.key_column]
    inside = code.startswith(own) | code.isin(above) if above else code.startswith(own)
    return rows.select(
        **columns,
        dataset=ibis.literal(f"codelists/{name}"),
        batch=ibis.null("string"),
        row=ibis.null("int64"),
        as_of=ibis.null("timestamp(6)"),
    ).filter(inside if key is None else inside & (code == key))


def rank(base: BaseContract, order: Order, claims: ibis.Table) -> ibis.Value:
    """Smaller is better: the order in force, then freshness in seconds, then how many columns are filled, then name."""
    behind = ibis.literal(len(order.tails))
    named = [(claims.dataset == tail, number) for number, tail in enumerate(order.tails)]
    place = ibis.cases(*named, else_=behind) if named else behind
    age = _LATEST - ibis.greatest(ibis.coalesce(claims.as_of.epoch_seconds().cast("int64"), ibis.literal(0)), 0)
    gaps = ibis.greatest(_MOST_COLUMNS - filled(base, claims), 0)
    name = ("0x" + claims.dataset.hexdigest("md5").substr(0, 3)).cast("int64")
    return place.cast("int64") * _PLACE + age * _AGE + gaps * _GAPS + name


def filled(base: BaseContract, claims: ibis.Table) -> ibis.Value:
    """How many of its base table's columns each claim fills."""
    return reduce(add, (claims[name].notnull().cast("int64") for name in base.by_name))
