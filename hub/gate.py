"""The gate before base tables go live and products are published: their own suites, a critical fault stops both."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from deltalake import DeltaTable

from hub.context import Hub
from hub.contracts import BaseContract, ProductContract
from hub.delta import delta_files
from hub.errors import StopError
from hub.owners import tell_owners
from hub.store import write_atomically
from hub.suites import Expectation
from hub.validation import load_suite, structural, validate

__all__ = ["hold"]


def hold(hub: Hub, contract: BaseContract | ProductContract, table: Path) -> None:
    """Run a table's suite over its newest version and keep the verdict beside it as `<table>.verdict.json`.

    Of base tables, the keys of failing rows and the rules they fail lie beside that as `<table>.failures.parquet`.

    Raises:
        StopError: A critical rule fails: how many rows, never which values.
    """
    files = delta_files(table)
    if not files:
        return
    suite = [*structural(contract), *load_suite(contract.tail)]
    with tempfile.TemporaryDirectory(prefix="hub-gate-") as scratch:
        failures = Path(scratch) / "failures.parquet"
        verdict = validate(
            files,
            contract,
            suite,
            hub.contracts.codelists,
            failures=failures,
            as_of=hub.as_of,
            settings=hub.settings,
            base=_base_tables(hub, suite, Path(scratch)),
        )
        if isinstance(contract, BaseContract):  # products' keys may be people's own numbers; hub keys tell nothing
            tell_owners(hub, contract, suite, failures)
            write_atomically(table.with_name(f"{table.name}.failures.parquet"), failures.read_bytes())
    told = {"version": DeltaTable(str(table)).version(), "as_of": hub.as_of.isoformat(), **verdict.to_dict()}
    text = json.dumps(told, ensure_ascii=False, indent=1)
    write_atomically(table.with_name(f"{table.name}.verdict.json"), text.encode())
    if verdict.critical:
        found = "; ".join(
            f"{item.rule_id} fails for {item.unexpected} of {item.evaluated} rows" for item in verdict.critical
        )
        raise StopError(
            where=contract.tail,
            came=found,
            allowed="tables that keep all critical rules of their suite",
            do=f"see {table.name}.verdict.json for who must act, .failures.parquet for rows; nothing of it goes live",
        )


def _base_tables(hub: Hub, suite: Sequence[Expectation], scratch: Path) -> dict[str, list[Path]]:
    """Files of the base tables that a suite names; an empty one for a table without rows, which has none."""
    found = {}
    for entity in sorted({rule["kwargs"]["base_table"] for rule in suite if "base_table" in rule["kwargs"]}):
        files = delta_files(hub.lake.base(entity))
        if not files:
            files = [scratch / f"{entity}.parquet"]
            pq.write_table(hub.contracts.base[entity].arrow_schema.empty_table(), files[0])
        found[entity] = files
    return found
