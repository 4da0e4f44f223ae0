"""Keys that stay: which keys stand for others, since somebody was known before he had a number or people decided so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import ibis
import pyarrow as pa

from hub.engine import Engine

__all__ = ["Aliases"]


@dataclass
class Aliases:
    """Aliases in force, laid out in an engine.

    Attributes:
        known: Entity -> key -> the key that stands for it.
    """

    TABLE: ClassVar[str] = "hub_aliases"

    engine: Engine
    known: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, engine: Engine, pairs: Iterable[tuple[str, str, str]]) -> Aliases:
        """Lay out pairs of entity, alias and key; chains are followed to their end."""
        found: dict[str, dict[str, str]] = {}
        for entity, alias, key in pairs:
            found.setdefault(entity, {})[alias] = key
        made = cls(engine, {entity: _followed(keys) for entity, keys in found.items()})
        made.lay_out()
        return made

    def add(self, entity: str, pairs: Mapping[str, str]) -> None:
        """Take further aliases of an entity into force."""
        if pairs:
            self.known[entity] = _followed({**self.known.get(entity, {}), **pairs})
            self.lay_out()

    def lay_out(self) -> None:
        """Write the aliases where expressions find them."""
        rows = [(entity, alias, key) for entity, keys in self.known.items() for alias, key in keys.items()]
        columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
        names = ("entity", "alias", "stands")
        table = pa.table({name: pa.array(list(part), pa.string()) for name, part in zip(names, columns, strict=True)})
        duck = self.engine.con.con
        duck.register("aliases__now", table)
        duck.execute(f"CREATE OR REPLACE TABLE {self.TABLE} AS SELECT * FROM aliases__now")  # noqa: S608 - our own name
        duck.unregister("aliases__now")

    def applied(self, entity: str, table: ibis.Table, column: str) -> ibis.Table:
        """Put the keys that stand for others in their place; costs nothing where there are none."""
        if not self.known.get(entity):
            return table
        known = self.engine.con.table(self.TABLE)
        known = known.filter(known.entity == entity).select(_alias="alias", _stands="stands")
        joined = table.left_join(known, table[column] == known["_alias"])
        return joined.mutate(**{column: ibis.coalesce(joined["_stands"], joined[column])}).drop("_alias", "_stands")


def _followed(keys: Mapping[str, str]) -> dict[str, str]:
    """Each alias with the end of its chain; a circle ends at its smallest key."""
    ends = {}
    for alias in keys:
        seen = [alias]
        while (following := keys.get(seen[-1])) is not None and following not in seen:
            seen.append(following)
        end = seen[-1] if keys.get(seen[-1]) is None else min(seen)
        if end != alias:
            ends[alias] = end
    return ends
