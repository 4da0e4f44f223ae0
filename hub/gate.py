"""The gate before base tables go live and products are published: their own suites, a critical fault stops both."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hub.context import Hub
from hub.contracts import BaseContract, ProductContract
from hub.delta import delta_files
from hub.errors import StopError
from hub.store import write_atomically
from hub.validation import load_suite, structural, validate

__all__ = ["hold"]


def hold(hub: Hub, contract: BaseContract | ProductContract, table: Path) -> None:
    """Run a table's suite over its newest version and keep the verdict beside it as `<table>.verdict.json`.

    Raises:
        StopError: A critical rule fails: how many rows, never which values.
    """
    files = delta_files(table)
    if not files:
        return
    with tempfile.TemporaryDirectory(prefix="hub-gate-") as scratch:
        verdict = validate(
            files,
            contract,
            [*structural(contract), *load_suite(contract.tail)],
            hub.contracts.codelists,
            failures=Path(scratch) / "failures.parquet",
            as_of=hub.as_of,
            settings=hub.settings,
        )
    text = json.dumps(verdict.to_dict(), ensure_ascii=False, indent=1)
    write_atomically(table.with_name(f"{table.name}.verdict.json"), text.encode())
    if verdict.critical:
        found = "; ".join(
            f"{item.rule_id} fails for {item.unexpected} of {item.evaluated} rows" for item in verdict.critical
        )
        raise StopError(
            where=contract.tail,
            came=found,
            allowed="tables that keep all critical rules of their suite",
            do=f"see {table.name}.verdict.json for who must act; nothing of it goes live",
        )
