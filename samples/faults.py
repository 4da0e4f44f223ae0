"""Spoiling: a share of the rows gets one fault each; the truth keeps which cell, how, and what should become of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samples.draw import Bools, Ints

REPAIRED, QUARANTINED, DUPLICATE, WITHHELD, KEPT = "repaired", "quarantined", "duplicate", "withheld", "kept"
KEY, FILE, PERSON, COPY_OF, ROW = "_key", "_file", "_person", "_copy_of", "_row"
FAULT_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("file", pa.string()),
        ("key", pa.string()),
        ("person_id", pa.int64()),
        ("column", pa.string()),
        ("kind", pa.string()),
        ("true_value", pa.string()),
        ("spoiled_value", pa.string()),
        ("expected", pa.string()),
        ("reason", pa.string()),
        ("other_key", pa.string()),
    ]
)
DUPLICATE_SHARE = 0.12  # of all faults of a dataset that can have second rows
Change = Callable[[str, np.random.Generator], str]


@dataclass(frozen=True)
class Spoil:
    """One kind of fault of one column: which values can have it, and how it is done.

    Args:
        kind: the fault's name in the truth.
        column: the physical column.
        expected: what the hub should do with the row.
        reason: why, in the words of the rule that is broken.
        change: makes the spoiled value from the true one.
        pattern: a regular expression of the values that can be spoiled so; without it any value that is there.
        other: take the spoiled value from another row in which `column` and these columns differ.
    """

    kind: str
    column: str
    expected: str
    reason: str
    change: Change = field(default=lambda value, _: value)
    pattern: str = ""
    other: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spoiled:
    """A table as the department delivers it, and the faults in it."""

    table: pa.Table
    faults: list[dict[str, Any]]


def duplicate(rng: np.random.Generator, table: pa.Table, rate: float, id_column: str, moment: str = "") -> pa.Table:
    """Append second rows of some people, half of them under the 15-digit form of the same number.

    Args:
        rng: the stream of chance.
        table: the true rows.
        rate: the share of faulty rows; a fixed part of them are second rows.
        id_column: the column with the resident ID.
        moment: a timestamp column in which the second row is older, so that the first one is current.
    """
    rows = np.arange(len(table))
    wanted = round(rate * len(table) * DUPLICATE_SHARE) or int(rate * len(table) >= 1)
    numbers = table[id_column].fill_null("")
    usable = np.flatnonzero(pc.match_substring_regex(numbers, r"^\d{6}19\d{9}[\dX]$").to_numpy())
    picked = np.sort(rng.permutation(usable)[:wanted])
    copies = table.take(pa.array(picked))
    short = np.arange(len(picked)) % 2 == 1
    full = copies[id_column].combine_chunks()
    fifteen = pc.binary_join_element_wise(pc.utf8_slice_codeunits(full, 0, 6), pc.utf8_slice_codeunits(full, 8, 17), "")
    copies = replace(copies, id_column, pc.if_else(pa.array(short), fifteen, full))
    if moment:
        earlier = pa.array(rng.integers(2, 20, len(picked)).astype("timedelta64[D]").astype("timedelta64[us]"))
        copies = replace(copies, moment, pc.subtract(copies[moment], earlier))
    table = table.append_column(COPY_OF, pa.nulls(len(table), pa.int64())).append_column(ROW, pa.array(rows))
    copies = copies.append_column(COPY_OF, pa.array(picked)).append_column(
        ROW, pa.array(len(rows) + np.arange(len(picked)))
    )
    return pa.concat_tables([table, copies])


def replace(table: pa.Table, column: str, values: Any) -> pa.Table:
    """The table with one column changed."""
    return table.set_column(table.column_names.index(column), column, values)


def spoil(rng: np.random.Generator, table: pa.Table, dataset: str, kinds: Sequence[Spoil], rate: float) -> Spoiled:
    """Spoil one cell in a share of the rows; rows that are copies, or were copied, are left as they are.

    The table must have its row keys in `_key` already; `_file` and `_person` are used where they are there.
    """
    used = np.zeros(len(table), dtype=np.bool_)
    records = _duplicate_records(table, dataset, used)
    wanted = (round(rate * len(table)) or int(rate > 0 and len(table) > 0)) - len(records)
    for kind, quota in _quotas(rng, kinds, wanted):
        values = table[kind.column].combine_chunks()
        free = np.flatnonzero(_can_have(values, kind) & ~used)
        rows = np.sort(rng.permutation(free)[:quota])
        table, found = _spoil_rows(rng, table, dataset, kind, rows, used)
        records += found
    return Spoiled(table.drop_columns([name for name in (COPY_OF, ROW) if name in table.column_names]), records)


def _quotas(rng: np.random.Generator, kinds: Sequence[Spoil], wanted: int) -> list[tuple[Spoil, int]]:
    """How many rows each kind gets: equal parts, the odd ones by chance, and at least one row that must be kept."""
    if wanted <= 0:
        return []
    kept = [kind for kind in kinds if kind.expected == KEPT]
    others = [kind for kind in kinds if kind.expected != KEPT]
    start = int(rng.integers(0, len(others)))
    each, rest = divmod(wanted, len(others))
    order = (*others[start:], *others[:start])
    return [(kind, max(each, 1)) for kind in kept] + [(kind, each + (n < rest)) for n, kind in enumerate(order)]


def _can_have(values: Any, kind: Spoil) -> Bools:
    able = pc.not_equal(values, "") if not kind.pattern else pc.match_substring_regex(values, kind.pattern)
    return np.asarray(able.fill_null(False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _spoil_rows(
    rng: np.random.Generator, table: pa.Table, dataset: str, kind: Spoil, rows: Ints, used: Bools
) -> tuple[pa.Table, list[dict[str, Any]]]:
    records: list[dict[str, Any]] = []
    changed: dict[int, str] = {}
    for row in rows.tolist():
        if used[row]:
            continue
        true = table[kind.column][row].as_py()
        partner = _partner(rng, table, kind, row, used) if kind.other else -1
        if kind.other and partner < 0:
            continue
        value = table[kind.column][partner].as_py() if kind.other else kind.change(true, rng)
        if partner >= 0:
            used[partner] = True
        used[row], changed[row] = True, value
        other_key = table[KEY][partner].as_py() if partner >= 0 else None
        expected = (kind.expected, kind.reason)
        records.append(_record(table, dataset, row, (kind.column, kind.kind), (true, value), expected, other_key))
    mask = np.zeros(len(table), dtype=np.bool_)
    mask[list(changed)] = True
    values = pa.array([changed[row] for row in sorted(changed)], pa.string())
    column = pc.replace_with_mask(table[kind.column].combine_chunks(), pa.array(mask), values)
    return replace(table, kind.column, column), records


def _partner(rng: np.random.Generator, table: pa.Table, kind: Spoil, row: int, used: Bools) -> int:
    """A row not yet touched that differs from `row` in the spoiled column and in all columns of `other`."""
    candidates: list[int] = rng.integers(0, len(table), 20).tolist()
    for candidate in candidates:
        columns = (kind.column, *kind.other)
        if not used[candidate] and all(table[name][candidate] != table[name][row] for name in columns):
            return candidate
    return -1


def _duplicate_records(table: pa.Table, dataset: str, used: Bools) -> list[dict[str, Any]]:
    if COPY_OF not in table.column_names:
        return []
    position = np.empty(len(table), dtype=np.int64)
    position[table[ROW].to_numpy()] = np.arange(len(table))
    records = []
    copies = np.flatnonzero(table[COPY_OF].is_valid().to_numpy())
    for row in copies.tolist():
        first = int(position[table[COPY_OF][row].as_py()])
        used[row] = used[first] = True
        same = [name for name in table.column_names if not name.startswith("_")]
        differ = [name for name in same if table[name][row] != table[name][first] and name not in ("gxsj", "xh", "pch")]
        column = differ[0] if differ else None
        values = (table[column][first].as_py(), table[column][row].as_py()) if column else (None, None)
        name = "duplicate_person_fifteen_digits" if column else "duplicate_person"
        expected = (DUPLICATE, "a second row of the same person")
        records.append(_record(table, dataset, row, (column, name), values, expected, table[KEY][first].as_py()))
    return records


def _record(
    table: pa.Table,
    dataset: str,
    row: int,
    fault: tuple[str | None, str],
    values: tuple[str | None, str | None],
    expected: tuple[str, str],
    other_key: str | None,
) -> dict[str, Any]:
    def hidden(name: str) -> Any:
        return table[name][row].as_py() if name in table.column_names else None

    return {
        "dataset": dataset,
        "file": hidden(FILE),
        "key": hidden(KEY),
        "person_id": hidden(PERSON),
        "column": fault[0],
        "kind": fault[1],
        "true_value": values[0],
        "spoiled_value": values[1],
        "expected": expected[0],
        "reason": expected[1],
        "other_key": other_key,
    }
