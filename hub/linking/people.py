"""Pairs as people see them when they decide, and the news of keys as others read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hub.context import Hub
from hub.ledger.decisions import Review, events, reviews
from hub.linking.resolve import FOLDER
from hub.store import write_atomically

__all__ = ["Pair", "block_counts", "export_events", "pairs_for_people"]


@dataclass(frozen=True)
class Pair:
    """An open pair.

    Attributes:
        left, right: What each dataset says of either side: `{"tail", field: value, …}`. Empty where the last build no
            longer has it.
    """

    review: Review
    left: tuple[dict[str, str], ...]
    right: tuple[dict[str, str], ...]


def pairs_for_people(hub: Hub) -> list[Pair]:
    """The open pairs with what both sides say, by number. It names people: show it to whoever may see the whole hub."""
    said = _said(hub)
    return [
        Pair(one, said.get((one.entity, one.left), ()), said.get((one.entity, one.right), ()))
        for one in reviews(hub.database)
    ]


def _said(hub: Hub) -> dict[tuple[str, str], tuple[dict[str, str], ...]]:
    path = hub.lake.linked(FOLDER) / "review.parquet"
    found: dict[tuple[str, str], tuple[dict[str, str], ...]] = {}
    for row in pq.read_table(path).to_pylist() if path.is_file() else ():
        key = (row["entity"], row["key"])
        found[key] = (*found.get(key, ()), {"tail": row["tail"], **json.loads(row["fields"])})
    return found


def block_counts(hub: Hub) -> list[dict[str, Any]]:
    """What each block of the last run counted, see `hub.linking.pairs.BlockCount`; empty before the first."""
    path = hub.lake.linked(FOLDER) / "blocks.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return found


def export_events(hub: Hub, path: Path, since: int = 0) -> int:
    """Write the events after a number as JSON lines, for those who keep our keys; return how many.

    A line has `number`, `entity`, `kind` (`merge` or `split`), `from_key`, `to_key`, `reason` and `at`: keys alone,
    nobody's data.
    """
    found = events(hub.database, since)
    lines = [json.dumps({**vars(one), "at": one.at.isoformat()}, ensure_ascii=False) for one in found]
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())
    return len(found)
