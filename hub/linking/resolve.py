"""Links by likeness, before the keys of a run are made: second looks, pairs, weights, choices, and what they change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from hub.context import Hub
from hub.contracts import SourceContract
from hub.engine import Engine
from hub.ledger.decisions import queue, verdicts
from hub.linking.addresses import above, look_up
from hub.linking.aliases import Aliases
from hub.linking.bench import Bench
from hub.linking.choose import Chosen, Edge, Left, choose
from hub.linking.continuity import Continuity, in_force
from hub.linking.extras import lay_out_extras
from hub.linking.models import MODELS, Model
from hub.linking.pairs import BlockCount, make_pairs, score
from hub.linking.records import ORPHAN, Records
from hub.linking.second_look import SecondLook
from hub.store import replacing

__all__ = ["FOLDER", "Resolved", "resolve"]

FOLDER = "linking"
"""Folder beside the linked datasets: `blocks.json`, `review.parquet`, `links.parquet`."""

_CERTAIN = 100.0
_PLACE = ["_batch", "_row"]
_FOUND = pa.schema([("_batch", pa.string()), ("_row", pa.int64()), ("_found", pa.string()), ("_why", pa.string())])
_LINKS = pa.schema(
    [
        *((name, pa.string()) for name in ("entity", "tail", "batch")),
        ("row", pa.int64()),
        *((name, pa.string()) for name in ("own_key", "key", "why")),
    ]
)
_SHOWN = pa.schema([(name, pa.string()) for name in ("entity", "key", "tail", "fields")])


@dataclass
class Resolved:
    """What was found.

    Attributes:
        looks: Dataset -> what a second look at it found.
        found: Datasets some of whose rows were linked by likeness -> the table that says which.
        direct: Those of them that have accepted rows without a number.
        extras: Dataset -> the table of rows that go on after a second look.
    """

    bench: Bench
    looks: dict[str, SecondLook] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)
    direct: set[str] = field(default_factory=set)
    extras: dict[str, str] = field(default_factory=dict)

    def completed(self, contract: SourceContract, current: ibis.Table) -> ibis.Table:
        """Add to a dataset's present rows those that go on after a second look.

        Rows gain `_found` and `_why`, key and reason of those linked by likeness, if the dataset has such.
        """
        con, tail = self.bench.engine.con, contract.tail
        if tail in self.direct:
            current = current.left_join(con.table(self.found[tail]), _PLACE).drop("_batch_right", "_row_right")
        if tail not in self.extras:
            return current
        stripped = self.looks[tail].table("stripped")
        if self.bench.count(stripped):
            current = current.anti_join(con.table(stripped), _PLACE)
        if tail not in self.direct:
            current = current.mutate(_found=ibis.null("string"), _why=ibis.null("string"))
        extras = con.table(self.extras[tail])
        return ibis.union(current.select(*extras.columns), extras)

    def by_text(self, contract: SourceContract, known: str) -> str | None:
        """Look up the addresses of rows that have a text but no code; the table of what is found, see `look_up`.

        Args:
            contract: The dataset.
            known: SQL of the standard addresses.
        """
        bench, tail = self.bench, contract.tail
        if not {"address_text", "address_code"} <= set(bench.columns(tail)):
            return None
        wanted = (
            f"SELECT parse_path(filename)[-2] AS batch, _row AS row, address_text AS text FROM {bench.accepted(tail)} "  # noqa: S608
            "WHERE address_code IS NULL"
        )
        if tail in self.extras:
            wanted += (
                " UNION SELECT _batch AS batch, _row AS row, address_text AS text "  # noqa: S608
                f'FROM "{self.extras[tail]}" WHERE address_code IS NULL'
            )
        known = f"SELECT address_code, full_address, division_code, grid_code FROM {known}"  # noqa: S608
        names = above(bench.hub.contracts, bench.hub.settings.division)
        return look_up(bench, wanted, known, f"text__{contract.name}", names)


def resolve(hub: Hub, engine: Engine) -> Resolved:
    """Find the keys of rows that no number tells, settle contested numbers, and keep what follows from it.

    Aliases, events and the pairs for people go into the ledger; the rows of those pairs into the lake, as
    `4-linked/linking/review.parquet`; how many pairs each block has made, or was not let to, as `blocks.json`.
    """
    decided = verdicts(hub.database)
    bench = Bench(hub, engine, Aliases.of(engine, in_force(hub.database, decided)))
    resolved = Resolved(bench)
    links: list[dict[str, Any]] = []
    counts: list[BlockCount] = []
    shown: list[dict[str, Any]] = []
    for model in MODELS:
        if model.entity in hub.contracts.base:
            worker = _Resolver(resolved, model, decided)
            counts += worker.resolve()
            links += worker.links()
            shown += worker.shown()
            queue(hub.database, model.entity, worker.chosen.asked)
    for tail, look in resolved.looks.items():
        resolved.extras[tail] = lay_out_extras(bench, hub.contracts.sources[tail], look, resolved.found.get(tail))
    with replacing(hub.lake.linked(FOLDER)) as folder:
        (folder / "blocks.json").write_text(json.dumps([asdict(one) for one in counts], indent=1), encoding="utf-8")
        pq.write_table(pa.Table.from_pylist(links, _LINKS), folder / "links.parquet")
        pq.write_table(pa.Table.from_pylist(shown, _SHOWN), folder / "review.parquet")
    return resolved


class _Resolver:
    """Links the rows of one entity."""

    def __init__(self, resolved: Resolved, model: Model, decided: dict[tuple[str, frozenset[str]], str]) -> None:
        self.resolved = resolved
        self.bench = resolved.bench
        self.model = model
        self.decided = decided
        self.chosen = Chosen()
        self.lefts: dict[str, Left] = {}
        self.places: dict[str, tuple[str | None, int | None]] = {}

    def resolve(self) -> list[BlockCount]:
        """Choose the links of the entity; returns what its blocks count."""
        self._second_looks()
        self.records = records = Records(self.bench, self.model, self.resolved.looks)
        continuity = Continuity(self.bench, records, self.decided)
        continuity.before()
        if not records.gather():
            return []
        records.gather_near()
        blocks = make_pairs(records)
        edges = self._same_records()
        if self.bench.count(records.table("pairs")):
            records.gather_evidence()
            edges += [_edge(row) for row in score(records, self._known()).to_pylist()]
        self._read_lefts()
        edges += self._known_already()
        self.chosen = choose(self.model.entity, self.lefts.values(), edges, self.decided)
        continuity.after(self.lefts, self.chosen)
        self._lay_out()
        return blocks

    def _second_looks(self) -> None:
        for contract in self.bench.hub.contracts.sources.values():
            feed = next((one for one in contract.feeds if one.entity == self.model.entity), None)
            number = feed.mapping.get(self.model.number, self.model.number) if feed else ""
            if number in contract.by_name and contract.tail not in self.resolved.looks:
                look = SecondLook(self.bench, contract, number)
                if look.look():
                    self.resolved.looks[contract.tail] = look

    def _known(self) -> int:
        """How many are known: the rows of the largest dataset."""
        tails = self.records.feeds
        return max((sum(one.accepted for one in self.bench.batches.get(tail, ())) for tail in tails), default=0)

    def _same_records(self) -> list[Edge]:
        """Rows whose department's own number of the record tells whom they are about."""
        return [
            Edge(left, key, frozenset(), _CERTAIN, 1.0, True, "record") for left, key in self.records.same_records()
        ]

    def _read_lefts(self) -> None:
        rows = self.bench.fetch(
            "SELECT unique_id, tail, record_key, has_key, may_found, _batch, _row "  # noqa: S608
            f'FROM "{self.records.table("left")}" ORDER BY unique_id'
        )
        self.lefts = {row[0]: Left(*row[:5]) for row in rows}
        self.places = {row[0]: (row[5], row[6]) for row in rows}

    def _known_already(self) -> list[Edge]:
        """Rows whose own key stands for somebody's since an earlier run: nobody is asked again."""
        known = self.bench.aliases.known.get(self.model.entity, {})
        return [
            Edge(left.ident, known[left.key], frozenset(), _CERTAIN, 1.0, True, "known")
            for left in self.lefts.values()
            if left.key in known
        ]

    def _lay_out(self) -> None:
        """Put the keys that were found where each dataset's rows are completed from."""
        by_tail: dict[str, list[dict[str, Any]]] = {}
        for ident, (key, why) in self.chosen.keys.items():
            batch, row = self.places[ident]
            found = {"_batch": batch, "_row": row, "_found": key, "_why": f"likely:{why}"}
            by_tail.setdefault(self.lefts[ident].tail, []).append(found)
        for tail, rows in by_tail.items():
            if tail != ORPHAN:
                name = f"{self.model.entity}__found__{tail.replace('/', '__')}"
                self.bench.put(name, pa.Table.from_pylist(rows, _FOUND))
                self.resolved.found[tail] = name
                if self.records.may_lack_number(tail):
                    self.resolved.direct.add(tail)

    def links(self) -> Iterable[dict[str, Any]]:
        """The links that were made, for the next run and for whoever asks."""
        for ident, (key, why) in self.chosen.keys.items():
            left, (batch, row) = self.lefts[ident], self.places[ident]
            yield {
                "entity": self.model.entity,
                "tail": left.tail,
                "batch": batch,
                "row": row,
                "own_key": left.key,
                "key": key,
                "why": why,
            }

    def shown(self) -> list[dict[str, Any]]:
        """What both sides of the pairs for people say."""
        if not self.chosen.asked:
            return []
        keys = {key for one in self.chosen.asked for key in (one.left, one.right)}
        self.bench.put("asked__now", pa.table({"key": pa.array(sorted(keys), pa.string())}))
        left, evidence = self.records.table("left"), self.records.table("evidence")
        stated = {name: f"said__{name}" if name in self.model.names else name for name in self.model.fields}
        fields = ", ".join(f'"{column}" AS "{name}"' for name, column in stated.items())
        rows = self.bench.duck.sql(f"""
            SELECT record_key AS key, tail, number, {fields} FROM "{left}" WHERE record_key IN (FROM asked__now)
            UNION SELECT key, tail, number, {fields} FROM "{evidence}" WHERE key IN (FROM asked__now) ORDER BY ALL
        """)  # noqa: S608 - names of the model
        return [
            {
                "entity": self.model.entity,
                "key": row.pop("key"),
                "tail": row.pop("tail"),
                "fields": json.dumps({name: value for name, value in row.items() if value}, ensure_ascii=False),
            }
            for row in rows.to_arrow_table().to_pylist()
        ]


def _edge(row: dict[str, Any]) -> Edge:
    return Edge(
        row["left_id"],
        row["right_id"],
        frozenset(row["tails"] or ()),
        row["weight"],
        row["probability"],
        row["is_named"],
        row["why"],
    )
