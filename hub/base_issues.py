"""Issues of the base tables: what their suites have found once departments' rows were joined, by who must act."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hub.context import Hub
from hub.contracts import BaseContract
from hub.ledger import IssueCount
from hub.reasons import Outcome

__all__ = ["base_issue_rows", "base_issues"]


def base_issues(hub: Hub, system: str | None = None) -> list[IssueCount]:
    """Count what the newest build of each base table has against it, by rule.

    Args:
        hub: The opened hub.
        system: Only what this department must act on; None: all, the hub's own part too.

    Returns:
        One line for each rule that fails; `batch` is the version of the Delta table.
    """
    found = []
    for base in hub.contracts.base.values():
        verdict = _verdict(hub, base)
        mine = Counter(row["rule_id"] for row in _lines(hub, base, system)) if system else None
        for item in verdict.get("expectations", ()):
            count = item["unexpected"] if mine is None else mine[item["rule_id"]]
            if count:
                outcome = Outcome.WARNED if item["severity"] != "critical" else Outcome.HELD
                version = f"version {verdict['version']}"
                found.append(IssueCount(base.tail, version, "merge", item["rule_id"], item["column"], outcome, count))
    return found


def base_issue_rows(hub: Hub, system: str | None = None) -> Iterator[tuple[BaseContract, dict[str, Any]]]:
    """Give each row of a base table that fails a rule: its key columns, `rule_id`, `column`, `title`, `severity`.

    One that several departments must act on (see `hub.owners`) comes once for each of them.
    """
    for base in hub.contracts.base.values():
        yield from ((base, row) for row in _lines(hub, base, system))


def _lines(hub: Hub, base: BaseContract, system: str | None) -> Iterator[dict[str, Any]]:
    path = _beside(hub, base, "failures.parquet")
    if path.is_file():
        for batch in pq.ParquetFile(path).iter_batches():
            yield from (row for row in batch.to_pylist() if system in (None, row["acts"]))


def _verdict(hub: Hub, base: BaseContract) -> dict[str, Any]:
    path = _beside(hub, base, "verdict.json")
    read: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    return read


def _beside(hub: Hub, base: BaseContract, what: str) -> Path:
    table = hub.lake.base(base.name)
    return table.with_name(f"{table.name}.{what}")
