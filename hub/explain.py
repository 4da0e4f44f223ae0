"""A base row explained: of each field who said what, when, who won and why, and since which release it is so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import ibis
import pyarrow.dataset as ds

from hub.authority import Order, order_in_force
from hub.beliefs import base_of, no_row, versions_of
from hub.claims import ORIGIN, claims_of, filled, rank
from hub.context import Hub
from hub.contracts import BaseContract, Column
from hub.delta import delta_files
from hub.derive import RULES
from hub.engine import Engine
from hub.releases import live_release, release_table

__all__ = ["REASONS", "Claim", "Explained", "FieldExplained", "explain"]

_TAKEN = ("only", "agreed", "authority", "fresher", "fuller", "tie")
"""Of the keys of `REASONS`, those of a field whose value is a dataset's."""

REASONS: Mapping[str, str] = {
    "only": "仅此一个来源",
    "agreed": "各来源一致",
    "authority": "权威次序在前",
    "fresher": "同等来源中更新",
    "fuller": "同等来源、同一时间，所填更全",
    "tie": "同等来源、同一时间、同样齐全，按来源名称固定取一",
    "derived": "由中枢按规则推算",
    "pending": "已有新主张，待下次发布",
    "none": "没有来源给出",
}
"""Why a field is what it is -> how people are told."""


@dataclass(frozen=True)
class Claim:
    """What one dataset says of a field.

    Attributes:
        title: The dataset's Chinese title.
        batch: The batch it came with; None for a code list of the hub's own.
        row: Its line there.
        as_of: When the department last touched it, else the day of the delivery; None for a code list.
        value: As claimed, after conforming.
        original: As it came, where it was repaired; None where it was not.
        place: Its place in the order in force, 0 the first.
        won: Whether it is the one that the field is taken from.
    """

    dataset: str
    title: str
    batch: str | None
    row: int | None
    as_of: datetime | None
    value: Any
    original: str | None
    place: int
    won: bool


@dataclass(frozen=True)
class FieldExplained:
    """One field.

    Attributes:
        value: What the live release says.
        why: A key of `REASONS`.
        rule: What the hub's own rule says in Chinese, where it derived the value.
        order: The datasets in the order in force, the winner first.
        order_since: The first day of that order; None: from ever.
        since: The release that first said so, without a break until now.
        claims: The winner first.
    """

    name: str
    title: str
    value: Any
    why: str
    rule: str | None
    order: tuple[str, ...]
    order_since: date | None
    since: int
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Explained:
    """One base row.

    Attributes:
        release: The live release.
        recorded_in: The release in which the row last changed.
        holds_from: The day from which what it says holds.
    """

    entity: str
    title: str
    key: str
    release: int
    as_of: date
    recorded_in: int
    holds_from: date | None
    fields: tuple[FieldExplained, ...]


def explain(hub: Hub, entity: str, key: str) -> Explained:
    """Explain a row of the live release, from the linked rows and the lineage behind it.

    Raises:
        StopError: There is no such entity, no release, or no such row in it.
    """
    base = base_of(hub, entity)
    release = live_release(hub)
    with hub.engine() as engine:
        present = _row_of(engine, release_table(hub, engine, release, entity), base, key)
        if present is None:
            raise no_row(entity, f"release {release.number}")
        versions = versions_of(hub, base, key)
        claims = _claims(hub, engine, base, key)
        merged = _newest(hub, base, key)
    teller = _Teller(hub, base, present, merged, claims, versions)
    return Explained(
        entity=entity,
        title=base.title,
        key=key,
        release=release.number,
        as_of=release.as_of,
        recorded_in=versions[0]["recorded_from"],
        holds_from=versions[0]["holds_from"],
        fields=tuple(teller.field(column) for column in base.columns if column.name != base.key_column),
    )


def _row_of(engine: Engine, table: ibis.Table, base: BaseContract, key: str) -> dict[str, Any] | None:
    rows = engine.con.to_pyarrow(table.filter(table[base.key_column] == key)).to_pylist()
    return rows[0] if rows else None


def _newest(hub: Hub, base: BaseContract, key: str) -> dict[str, Any]:
    """The row as the last merge made it, which may not be released yet."""
    files = [str(file) for file in delta_files(hub.lake.base(base.name))]
    found = ds.dataset(files, format="parquet").to_table(filter=ds.field(base.key_column) == key) if files else None
    rows = found.to_pylist() if found else []
    return rows[0] if rows else {}


def _claims(hub: Hub, engine: Engine, base: BaseContract, key: str) -> list[dict[str, Any]]:
    """The key's claims, each with its rank for every order in force: `_rank_<column>`."""
    claims = claims_of(hub, engine, base, key)
    if claims is None:
        return []
    orders = {name: order_in_force(base, name, hub.as_of) for name in base.by_name}
    ranks = {order: number for number, order in enumerate(dict.fromkeys(orders.values()))}
    kept = engine.keep("explained", claims)
    orders_of = {f"_order_{number}": rank(base, order, kept) for order, number in ranks.items()}
    ranked = kept.mutate(**orders_of, _filled=filled(base, kept))
    rows: list[dict[str, Any]] = engine.con.to_pyarrow(ranked).to_pylist()
    return [{**row, **{f"_rank_{n}": row[f"_order_{ranks[order]}"] for n, order in orders.items()}} for row in rows]


def _originals(hub: Hub, claims: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int, str], str]:
    """(batch, row, column of the dataset) -> value as it came, for the cells that were repaired."""
    found: dict[tuple[str, int, str], str] = {}
    for claim in claims:
        path = _issues(hub, claim)
        if path is None or not path.is_file():
            continue
        mine = (ds.field("_row") == claim["row"]) & (ds.field("outcome") == "repaired")
        for issue in ds.dataset(str(path), format="parquet").to_table(["column", "original"], mine).to_pylist():
            found[claim["batch"], claim["row"], issue["column"]] = issue["original"]
    return found


def _issues(hub: Hub, claim: Mapping[str, Any]) -> Path | None:
    return hub.lake.conformed(claim["dataset"], claim["batch"]) / "issues.parquet" if claim["batch"] else None


class _Teller:
    """Tells the fields of one row."""

    def __init__(
        self,
        hub: Hub,
        base: BaseContract,
        present: Mapping[str, Any],
        merged: Mapping[str, Any],
        claims: Sequence[Mapping[str, Any]],
        versions: Sequence[Mapping[str, Any]],
    ) -> None:
        self.hub, self.base, self.claims, self.versions = hub, base, claims, versions
        self.present, self.merged = present, merged
        self.originals = _originals(hub, claims)

    def field(self, column: Column) -> FieldExplained:
        name = column.name
        order = order_in_force(self.base, name, self.hub.as_of)
        ranked = sorted(
            (claim for claim in self.claims if claim[name] is not None), key=lambda claim: claim[f"_rank_{name}"]
        )
        why = self._why(name, order, ranked)
        return FieldExplained(
            name=name,
            title=column.title,
            value=self.present.get(name),
            why=why,
            rule=self._rule(name) if why == "derived" else None,
            order=order.tails,
            order_since=order.since,
            since=self._since(name),
            claims=tuple(
                self._claim(claim, name, order, won=why in _TAKEN and not n) for n, claim in enumerate(ranked)
            ),
        )

    def _rule(self, name: str) -> str | None:
        if name in self.base.counted:
            return f"各来源所报不同的{self.base.by_name[self.base.counted[name]].title}个数"
        return RULES.get(self.base.name, {}).get(name)

    def _why(self, name: str, order: Order, ranked: Sequence[Mapping[str, Any]]) -> str:
        value, best = self.present.get(name), ranked[0] if ranked else None
        if best is None or best[name] != value:
            if self.merged.get(name) != value:
                return "pending"
            return "derived" if value is not None or self._rule(name) else "none"
        if len(ranked) == 1:
            return "only"
        if all(claim[name] == value for claim in ranked):
            return "agreed"
        second = ranked[1]
        if order.place(best["dataset"]) != order.place(second["dataset"]):
            return "authority"
        if best["as_of"] != second["as_of"]:
            return "fresher"
        return "fuller" if best["_filled"] != second["_filled"] else "tie"

    def _since(self, name: str) -> int:
        """The oldest of the versions, back from the present one, that say the same without a break."""
        first = self.versions[0]
        for version in self.versions[1:]:
            if version[name] != first[name] or version["gone_on"] is not None:
                break
            first = version
        return int(first["recorded_from"])

    def _claim(self, claim: Mapping[str, Any], name: str, order: Order, *, won: bool) -> Claim:
        tail = claim["dataset"]
        source = self.hub.contracts.sources.get(tail)
        origin = {part: claim[part] for part in ORIGIN}
        own = next(self._own_names(tail, name), name)
        return Claim(
            **origin,
            title=source.title if source else tail,
            value=claim[name],
            original=self.originals.get((claim["batch"], claim["row"], own)),
            place=order.place(tail),
            won=won,
        )

    def _own_names(self, tail: str, name: str) -> Iterator[str]:
        """What the dataset calls the column."""
        source = self.hub.contracts.sources.get(tail)
        for feed in source.feeds if source else ():
            if feed.entity == self.base.name:
                yield feed.mapping.get(name, name)
