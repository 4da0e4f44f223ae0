"""The pure core of `conform`: raw rows in, typed cells with their reasons out, then rows and issues from those."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce

import ibis
import ibis.expr.types as ir
from ibis.formats.pyarrow import PyArrowType

from hub.conform import codes, dates, identity, texts
from hub.conform.cell import Cell, Stage, original_text
from hub.contracts import Codelist, Column, SourceContract
from hub.errors import ConfigurationError
from hub.reasons import Outcome, Reason

__all__ = ["OPERATION_NAMES", "issues_of", "read_cells", "rows_of"]

_OPERATIONS: Mapping[str, tuple[Stage, ...]] = {
    "text": texts.TEXT,
    "person_name": texts.PERSON_NAME,
    "phone": texts.PHONE,
    "integer": texts.INTEGER,
    "number": texts.NUMBER,
    "date": dates.DATE,
    "timestamp": dates.TIMESTAMP,
    "code": codes.CODE,
    "division_code": codes.DIVISION_CODE,
    "resident_id": identity.RESIDENT_ID,
    "identity_document": identity.IDENTITY_DOCUMENT,
    "disability_certificate": identity.DISABILITY_CERTIFICATE,
    "disability_certificate_id": identity.DISABILITY_CERTIFICATE_ID,
    "credit_code": identity.CREDIT_CODE,
}
OPERATION_NAMES = (*_OPERATIONS, "point", "geometry")
"""What a contract's `transformLogic` may say."""

_TYPED_OPERATIONS: Mapping[str, tuple[Stage, ...]] = {
    "integer": texts.TYPED_INTEGER,
    "number": texts.TYPED_NUMBER,
    "date": dates.TYPED_DATE,
    "timestamp": dates.TYPED_TIMESTAMP,
}
_DIVISIONS_BEFORE = len(codes.DIVISION_CODE) - 1
"""The stage before which division codes are looked up in the list of divisions."""
_ID_COLUMN = "id_number"
_FROM_ID = {"birth_date": ("birth", Reason.DATE_FROM_ID), "sex_code": ("sex", Reason.SEX_FROM_ID)}


def read_cells(
    raw: ibis.Table, divisions: ibis.Table, contract: SourceContract, codelists: Mapping[str, Codelist], as_of: date
) -> ibis.Table:
    """Read every cell of raw rows by their contract.

    Args:
        raw: The department's columns and `_row`; geometries as `place_geometries` leaves them.
        divisions: The division codes that exist, in a column `code`.
        contract: What the department agreed to deliver.
        codelists: The other code lists, by name.
        as_of: The day ages and two-digit years are reckoned on.

    Returns:
        `_row`, and for each column its value, `<column>__reason` (a code of `hub.reasons`, or null) and, where there
        is a reason, `<column>__original`. Rows and issues both come from this table: materialise it between.

    Raises:
        ConfigurationError: The contract names an operation that does not exist.
    """
    plan = [(column, _stages(contract, column, raw)) for column in contract.columns if column.kind != "geometry"]
    keeps_unknown = contract.drift["unknown_codes"] == "evolve"
    table = _begin(raw, contract)
    for turn in range(max(len(stages) for _, stages in plan)):
        if turn == _DIVISIONS_BEFORE:
            table = _with_divisions(table, contract, divisions)
        made: dict[str, ir.Value] = {}
        for column, stages in plan:
            if turn < len(stages):
                cell = Cell(table, column, codelists.get(column.codelist or ""), as_of, keeps_unknown)
                parts = stages[turn](cell)
                made |= {f"{column.name}__{part}": value for part, value in parts.items()}
        table = table.mutate(**made)
    return _finish(_held_against_id(table, contract), contract)


def rows_of(cells: ibis.Table, contract: SourceContract) -> ibis.Table:
    """Take the contract's columns and `_row` from the cells."""
    return cells.select(*contract.by_name, "_row")


def issues_of(cells: ibis.Table, contract: SourceContract) -> ibis.Table:
    """Take one row for every cell that has a reason."""

    def of_column(column: Column) -> ibis.Table:
        reason, value = cells[f"{column.name}__reason"], cells[column.name]
        shown = cells[f"{column.name}__shown"] if column.kind == "geometry" else value.cast("string")
        lost = Outcome.REFUSED if _takes_row(column, contract) else Outcome.VALUE_SET_ASIDE
        kept = ibis.ifelse(reason == str(Reason.CODE_UNKNOWN), str(Outcome.WARNED), str(Outcome.REPAIRED))
        return cells.filter(reason.notnull()).select(
            "_row",
            column=ibis.literal(column.name),
            rule=reason,
            outcome=ibis.ifelse(value.notnull(), kept, str(lost)),
            original=cells[f"{column.name}__original"],
            value=shown,
        )

    return reduce(lambda one, other: one.union(other), map(of_column, contract.columns))


def _takes_row(column: Column, contract: SourceContract) -> bool:
    """Whether a cell that cannot be read takes its row along: always a required one, others where `drift` says so."""
    kind = "unknown_codes" if column.codelist or column.operation == "division_code" else "retyped"
    discards = contract.drift[kind] == "discard_row" and (kind == "unknown_codes" or column.kind != "string")
    return column.required or column.key or discards


def _stages(contract: SourceContract, column: Column, raw: ibis.Table) -> tuple[Stage, ...]:
    typed = _TYPED_OPERATIONS.get(column.operation) if _is_typed(raw[column.physical_name]) else None
    stages = typed or _OPERATIONS.get(column.operation)
    if not stages:
        allowed = ", ".join(OPERATION_NAMES)
        raise ConfigurationError(
            [f"{contract.tail}: column {column.name} names operation {column.operation!r}; allowed: {allowed}"]
        )
    return stages


def _is_typed(value: ir.Value) -> bool:
    kind = value.type()
    return bool(kind.is_numeric() or kind.is_date() or kind.is_timestamp())


def _begin(raw: ibis.Table, contract: SourceContract) -> ibis.Table:
    made: dict[str, ir.Value] = {}
    for column in contract.columns:
        name, physical = column.name, column.physical_name
        if column.kind == "geometry":
            made |= {f"{name}__value": raw[physical]}
            made |= {f"{name}__{part}": raw[f"{physical}__{part}"] for part in ("reason", "original", "shown")}
        else:
            made[f"{name}__original"] = original_text(raw[physical])
            if _is_typed(raw[physical]):
                made[f"{name}__raw"] = raw[physical]
    return raw.select("_row", **made)


def _with_divisions(table: ibis.Table, contract: SourceContract, divisions: ibis.Table) -> ibis.Table:
    for column in contract.columns:
        if column.operation == "division_code":
            table = codes.looked_up(table, column.name, divisions)
    return table


def _held_against_id(table: ibis.Table, contract: SourceContract) -> ibis.Table:
    """Let a good resident ID win over the birth date and sex stated beside it."""
    if f"{_ID_COLUMN}__birth" not in table.columns:
        return table
    made: dict[str, ir.Value] = {}
    for name, (part, reason) in _FROM_ID.items():
        if name in contract.by_name:
            stated, told = table[f"{name}__value"], table[f"{_ID_COLUMN}__{part}"]
            differs = told.notnull() & (stated.isnull() | (stated != told))
            made[f"{name}__value"] = ibis.ifelse(differs, told, stated)
            made[f"{name}__reason"] = ibis.ifelse(differs, str(reason), table[f"{name}__reason"])
    return table.mutate(**made)


def _finish(table: ibis.Table, contract: SourceContract) -> ibis.Table:
    made: dict[str, ir.Value] = {}
    for column in contract.columns:
        name = column.name
        value, reason = table[f"{name}__value"], table[f"{name}__reason"]
        if column.required or column.key:
            missing = ibis.ifelse(value.isnull(), str(Reason.REQUIRED_MISSING), ibis.null("string"))
            reason = ibis.coalesce(reason, missing)
        made[name] = value.cast(PyArrowType.to_ibis(column.arrow.type)) if column.kind != "geometry" else value
        made[f"{name}__reason"] = reason
        made[f"{name}__original"] = ibis.ifelse(reason.notnull(), table[f"{name}__original"], ibis.null("string"))
        if column.kind == "geometry":
            made[f"{name}__shown"] = table[f"{name}__shown"]
    return table.select("_row", **made)
