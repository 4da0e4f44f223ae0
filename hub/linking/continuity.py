"""Keys once given are kept: what an earlier build called somebody, he is called still, whatever number he has got.

The last build is the memory of which keys were given; what follows from it is kept in the ledger as aliases, and told
as events where two keys that were given become one, or one becomes two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow.parquet as pq
from sqlalchemy import Engine as Database

from hub.ledger.decisions import (
    DIFFERENT,
    SAME,
    Alias,
    add_aliases,
    add_events,
    aliases_in_force,
    drop_aliases,
)
from hub.linking.bench import Bench, as_table, quoted
from hub.linking.choose import Chosen, Left
from hub.linking.records import Records
from hub.present import present_batches

__all__ = ["Continuity", "in_force"]

Verdicts = Mapping[tuple[str, frozenset[str]], str]


def in_force(database: Database, decided: Verdicts) -> list[tuple[str, str, str]]:
    """Aliases as people leave them: entity, alias, key. Those they have denied are dropped, which splits a key."""
    known = aliases_in_force(database)
    denied = [one for one in known if decided.get((one.entity, frozenset((one.alias, one.key)))) == DIFFERENT]
    if denied:
        drop_aliases(database, denied)
        add_events(database, [(one.entity, "split", one.key, one.alias, "decided") for one in denied])
    return [(one.entity, one.alias, one.key) for one in known if one not in denied]


class Continuity:
    """Keeps the keys of one entity."""

    def __init__(self, bench: Bench, records: Records, decided: Verdicts) -> None:
        self.bench = bench
        self.decided = {pair: verdict for (entity, pair), verdict in decided.items() if entity == records.model.entity}
        self.records = records
        self.entity = records.model.entity
        self.built = bench.last_build(self.entity)

    def before(self) -> None:
        """Before rows are linked: what people have declared the same, and who has got a number since the last build."""
        if self.built is None:
            return
        pairs = [tuple(sorted(pair)) for pair, verdict in self.decided.items() if verdict == SAME]
        numbered = self._given(key for pair in pairs for key in pair)
        for one, other in sorted(pairs):
            if one in numbered and other in numbered:
                stands, goes = sorted((one, other), key=lambda key: (not numbered[key], key))
                self._stand_for({goes: stands}, "decided", merged=True)
        self._keep(self._shared_identities(), "identity")

    def after(self, lefts: Mapping[str, Left], chosen: Chosen) -> None:
        """After rows are linked: who was known without a number keeps his key, and what was linked before may part."""
        if self.built is None:
            return
        linked = {lefts[ident].key: (key, why) for ident, (key, why) in chosen.keys.items() if lefts[ident].key != key}
        kept = self._keep({(key, own): why for own, (key, why) in linked.items()}, "linked")
        for ident, (key, why) in chosen.keys.items():
            if key in kept:
                chosen.keys[ident] = (kept[key], why)
        self._part(lefts, chosen)

    def _given(self, keys: Iterable[str]) -> dict[str, bool]:
        """Which keys the last build has, and whether with a number."""
        listed = sorted(set(keys))
        if self.built is None or not listed:
            return {}
        column, number = self.records.base.key_column, self.records.model.number
        rows = self.bench.fetch(
            f'SELECT "{column}", "{number}" IS NOT NULL FROM {self.built.sql} WHERE "{column}" IN ({quoted(listed)})'  # noqa: S608
        )
        return dict(rows)

    def _keep(self, pairs: Mapping[tuple[str, str], str], reason: str) -> dict[str, str]:
        """Of pairs of a key as it would be now and as it was: let the one that was given stand, tell what merges.

        Returns:
            Keys as they would be -> the older ones they are instead.
        """
        pairs = {pair: why for pair, why in pairs.items() if self.decided.get(frozenset(pair)) != DIFFERENT}
        given = self._given(key for pair in pairs for key in pair)
        kept: dict[str, str] = {}
        for (fresh, older), _ in sorted(pairs.items()):
            if older in given and fresh in given:
                self._stand_for({older: fresh}, reason, merged=True)
            elif older in given and fresh not in kept:
                kept[fresh] = older
        self._stand_for(kept, reason, merged=False)
        return kept

    def _stand_for(self, aliases: Mapping[str, str], reason: str, *, merged: bool) -> None:
        if not aliases:
            return
        self.bench.aliases.add(self.entity, aliases)
        add_aliases(self.bench.hub.database, [Alias(self.entity, one, key, reason) for one, key in aliases.items()])
        if merged:
            events = [(self.entity, "merge", one, key, reason) for one, key in aliases.items()]
            add_events(self.bench.hub.database, events)

    def _shared_identities(self) -> dict[tuple[str, str], str]:
        """Rows that bear what the last build knows somebody by under another key: key now and key then."""
        found: dict[tuple[str, str], str] = {}
        for tail in self.records.feeds:
            for group in self.records.base.identify_by[1:]:
                found |= dict.fromkeys(self._of_group(tail, group), "identity")
        return found

    def _of_group(self, tail: str, group: tuple[str, ...]) -> list[tuple[str, str]]:
        if self.built is None or not {*group} <= set(self.bench.columns(tail)) & set(self.built.columns):
            return []
        contract = self.bench.hub.contracts.sources[tail]
        present = [batch for batch in present_batches(self.bench.hub, contract) if batch.accepted]
        files = [self.bench.hub.lake.checked(tail, batch.id) / "accepted.parquet" for batch in present]
        if not files:
            return []
        fresh = self.bench.aliased(self.entity, self.records.keyed(tail, as_table(files), group))
        shared = " AND ".join(f'f."{name}" = b."{name}"' for name in group)
        return self.bench.fetch(
            f'SELECT DISTINCT f.key, b."{self.records.base.key_column}" FROM ({fresh}) AS f '  # noqa: S608
            f'JOIN {self.built.sql} AS b ON {shared} AND f.key <> b."{self.records.base.key_column}" ORDER BY ALL'
        )

    def _part(self, lefts: Mapping[str, Left], chosen: Chosen) -> None:
        """Tell of rows that were linked to somebody by the last run and stand for themselves now."""
        path = self.bench.hub.lake.linked("linking") / "links.parquet"
        if not path.is_file():
            return
        before = {row["own_key"]: row["key"] for row in pq.read_table(path).to_pylist() if row["entity"] == self.entity}
        now = {lefts[ident].key: key for ident, (key, _why) in chosen.keys.items()}
        parted = [own for own, key in now.items() if key == own and before.get(own, own) != own]
        add_events(
            self.bench.hub.database, [(self.entity, "split", before[own], own, "linked") for own in sorted(parted)]
        )
