"""Holds the truth of an invented county against the hub: what became of every fault that was seeded."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from hub.context import Hub
from hub.contracts import SourceContract, load_contracts
from hub.ledger import Batch

__all__ = ["Fate", "lines_of_files", "names_of_rows", "unaccounted"]

ROW_KEYS = {
    "public_security": "xh",
    "market_regulation": "zch",
    "natural_resources": "dzbm",
}
"""Department -> the raw column the truth names rows by; the others are files, where it is the line of the file."""

Lines = dict[str, list[int]]
"""File -> the lines of it that are rows, ascending."""


def lines_of_files(county: Path, dataset: str) -> Lines:
    """The lines of a dataset's files that the truth has rows for; empty where it names rows by a column."""
    if dataset.partition("/")[0] in ROW_KEYS:
        return {}
    table = pq.read_table(
        county / "truth" / "row.parquet", columns=["file", "key"], filters=[("dataset", "=", dataset)]
    )
    lines: Lines = defaultdict(list)
    for row in table.to_pylist():
        lines[Path(row["file"]).name].append(int(row["key"]))
    return {name: sorted(found) for name, found in lines.items()}


def names_of_rows(hub: Hub, contract: SourceContract, batch: Batch, lines: Lines) -> dict[int, str]:
    """The truth's name of each row of a batch: the value of its key column, or `<file>:<line>`."""
    column = ROW_KEYS.get(contract.department)
    parts = str(hub.lake.raw(contract.tail, batch.id) / "part-*.parquet")
    if column is None:
        rows = duckdb.execute("SELECT _row FROM read_parquet($parts) ORDER BY _row", {"parts": parts}).fetchall()
        # The truth lists rows that are about people; sheets about places begin below title, unit and header.
        first = 3 + int(contract.pull.get("header_rows", 1))
        found = lines.get(Path(batch.offer).name) or list(range(first, first + len(rows)))
        return {row: f"{Path(batch.offer).name}:{line}" for (row,), line in zip(rows, found, strict=True)}
    query = f'SELECT _row, CAST("{column}" AS VARCHAR) FROM read_parquet($parts)'  # noqa: S608 - a name of ROW_KEYS
    return dict(duckdb.execute(query, {"parts": parts}).fetchall())


class Fate:
    """What became of the rows of one dataset, by the truth's row names."""

    def __init__(self, hub: Hub, contract: SourceContract, lines: Lines) -> None:
        self.contract = contract
        self.conformed: dict[str, dict[str, Any]] = {}
        self.issues: dict[tuple[str, str], dict[str, Any]] = {}
        self.quarantined: set[str] = set()
        self.duplicate: set[str] = set()
        for batch in hub.ledger.batches(contract.tail, state="checked"):
            names = names_of_rows(hub, contract, batch, lines)
            conformed = hub.lake.conformed(contract.tail, batch.id)
            checked = hub.lake.checked(contract.tail, batch.id)
            for row in pq.read_table(conformed / "rows.parquet").to_pylist():
                self.conformed[names[row["_row"]]] = row
            for issue in pq.read_table(conformed / "issues.parquet").to_pylist():
                self.issues[names[issue["_row"]], issue["column"]] = issue
            self.quarantined |= _named(names, checked / "quarantine.parquet")
            self.duplicate |= _named(names, checked / "duplicates.parquet")

    def columns(self, physical: str) -> list[str]:
        """The contract's columns that read a raw column."""
        return [column.name for column in self.contract.columns if column.physical_name == physical]

    def outcomes(self, row: str, physical: str) -> set[str]:
        """Outcomes of the issues a row has in the columns that read a raw column."""
        return {self.issues[row, name]["outcome"] for name in self.columns(physical) if (row, name) in self.issues}

    def kept_original(self, row: str, physical: str, original: str | None) -> bool:
        """Whether an issue of the cell holds the value exactly as it came."""
        found = [self.issues[row, name]["original"] for name in self.columns(physical) if (row, name) in self.issues]
        return original is None or original in found


def _named(names: dict[int, str], path: Path) -> set[str]:
    return {names[row["_row"]] for row in pq.read_table(path, columns=["_row"]).to_pylist()}


def unaccounted(hub: Hub, county: Path) -> tuple[int, list[str]]:
    """Count the seeded faults and describe each that neither was repaired, nor set aside, nor is a duplicate."""
    faults = pq.read_table(county / "truth" / "fault.parquet").to_pylist()
    by_dataset: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for fault in faults:
        by_dataset[fault["dataset"]].append(fault)
    lost = []
    for dataset, found in by_dataset.items():
        fate = Fate(hub, hub.contracts.sources[dataset], lines_of_files(county, dataset))
        withheld = {Path(batch.offer).name for batch in hub.ledger.batches(dataset, state="withheld")}
        lost += [
            f"{dataset} {fault['file'] or ''} {fault['key']}: {fault['kind']} in {fault['column']}"
            for fault in found
            if not _accounted(fault, fate, withheld)
        ]
    return len(faults), lost


def _accounted(fault: dict[str, Any], fate: Fate, withheld: set[str]) -> bool:
    if fault["expected"] == "withheld":
        return Path(fault["file"]).name in withheld
    files = fate.contract.department not in ROW_KEYS
    row, other = (
        f"{Path(fault['file']).name}:{key}" if files and key else key for key in (fault["key"], fault["other_key"])
    )
    if fault["expected"] == "duplicate":
        # The newer of the two rows stands for both.
        return bool({row, other} & fate.duplicate)
    if fault["kind"] == "id_of_another_person":
        return bool({row, other} & fate.quarantined)
    if fault["expected"] == "kept":
        return fault["true_value"] in [fate.conformed[row][name] for name in fate.columns(fault["column"])]
    if fault["expected"] == "repaired":
        return row not in fate.quarantined and _is_true(fault, fate, row)
    # A row is set aside whole; an unreadable value that the row can do without is set aside alone, or replaced by
    # what the ID number says: either way with the original.
    if row in fate.quarantined:
        return True
    mended = fate.outcomes(row, fault["column"]) & {"value_set_aside", "repaired"}
    return bool(mended) and fate.kept_original(row, fault["column"], fault["spoiled_value"])


def _is_true(fault: dict[str, Any], fate: Fate, row: str) -> bool:
    """Whether the true value stands in the conformed row, and the original in an issue where it was mended."""
    if row in fate.duplicate:
        return True
    values = [fate.conformed[row][name] for name in fate.columns(fault["column"])]
    if fault["column"] == "geometry":
        return fate.outcomes(row, "geometry") == {"repaired"}
    true = {_comparable(fault["true_value"]), *_codes(fate, fault)}
    right = any(value is not None and _comparable(value) in true for value in values)
    mended = "repaired" in fate.outcomes(row, fault["column"])
    return (right or mended) and (not mended or fate.kept_original(row, fault["column"], fault["spoiled_value"]))


def _codes(fate: Fate, fault: dict[str, Any]) -> set[str]:
    """The code a true value stands for, where the column has a code list."""
    lists = [fate.contract.by_name[name].codelist for name in fate.columns(fault["column"])]
    codelists = load_contracts().codelists
    return {codelists[name].readings[fault["true_value"]] for name in lists if name and fault["kind"] == "code_label"}


def _comparable(value: Any) -> str:
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    text = str(value)
    digits = text.replace("-", "")
    return digits if len(digits) == 8 and digits.isdigit() else text
