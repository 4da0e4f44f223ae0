"""The pure core of `conform`: raw rows in, typed cells with their reasons out, then rows and issues from those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import reduce

import ibis
import ibis.expr.types as ir
from ibis.formats.pyarrow import PyArrowType

from hub.conform import addresses, codes, dates, identity, names, organisations, texts
from hub.conform.cell import Cell, Stage, original_text
from hub.conform.told import told_by_others
from hub.contracts import Codelist, Column, SourceContract
from hub.drift import NO_DRIFT, ROW
from hub.errors import ConfigurationError
from hub.reasons import Outcome, Reason

__all__ = ["GEOMETRY_OPERATIONS", "OPERATION_NAMES", "issues_of", "read_cells", "rows_of"]

_OPERATIONS: Mapping[str, tuple[Stage, ...]] = {
    "text": texts.TEXT,
    "person_name": names.PERSON_NAME,
    "address": addresses.ADDRESS,
    "address_level": addresses.ADDRESS_LEVEL,
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
    "credit_code": organisations.CREDIT_CODE,
    "organisation_code": organisations.ORGANISATION_CODE,
    "registration_no": organisations.REGISTRATION_NO,
}
GEOMETRY_OPERATIONS = ("point", "geometry")
"""How a geometry may be read; `hub.conform.geometry` does it, before the expressions."""

OPERATION_NAMES = (*_OPERATIONS, *GEOMETRY_OPERATIONS)
"""What a contract's `transformLogic` may say."""

_TYPED_OPERATIONS: Mapping[str, tuple[Stage, ...]] = {
    "integer": texts.TYPED_INTEGER,
    "number": texts.TYPED_NUMBER,
    "date": dates.TYPED_DATE,
    "timestamp": dates.TYPED_TIMESTAMP,
}
_LOOKED_UP_BEFORE = len(codes.DIVISION_CODE) - 1
"""The stage of codes before which they are looked up in the table of spellings."""
_TOLD_BY = {"address_level": "address", "organisation_code": "credit_code"}
"""An operation that reads the column of another one for what that tells -> the other operation."""
_WARNED: Mapping[str, tuple[Reason, ...]] = {
    "code": (Reason.CODE_UNKNOWN, Reason.ID_TYPE_DIFFERS),
    "person_name": (Reason.NAME_PRIVATE_USE,),
    "resident_id": (Reason.ID_TYPE_DIFFERS,),
    "disability_certificate_id": (Reason.ID_TYPE_DIFFERS,),
    "credit_code": (Reason.CREDIT_CODE_INNER,),
    "address_level": (Reason.ADDRESS_DIFFERS,),
}
"""Reasons of values that go on as they came, by operation."""


def read_cells(
    raw: ibis.Table,
    spellings: ibis.Table,
    contract: SourceContract,
    codelists: Mapping[str, Codelist],
    as_of: date,
    drifted: Mapping[str, str] = NO_DRIFT,
) -> ibis.Table:
    """Read every cell of raw rows by their contract.

    Args:
        raw: The department's columns and `_row`; geometries as `place_geometries` leaves them.
        spellings: What may be written for codes of long lists and divisions, see `hub.conform.codes.SPELLINGS`.
        contract: What the department agreed to deliver.
        codelists: The code lists, by name.
        as_of: The day ages and two-digit years are reckoned on.
        drifted: Columns whose cells or rows are set aside because the department changed them; `hub.drift.discarded`.

    Returns:
        `_row`, and for each column its value, `<column>__reason` (a code of `hub.reasons`, or null) and, where there
        is a reason, `<column>__original`. Rows and issues both come from this table: materialise it between.

    Raises:
        ConfigurationError: The contract names an operation that does not exist.
    """
    plan = [(column, _stages(contract, column, raw)) for column in contract.columns if column.kind != "geometry"]
    keeps_unknown = contract.drift["unknown_codes"] == "evolve"
    table = _begin(raw, contract)
    longest, start = _longest_and_start(len(stages) for _, stages in plan)
    for turn in range(longest):
        if turn == start + _LOOKED_UP_BEFORE:
            table = codes.looked_up(table, [column for column, _ in plan], codelists, spellings)
        made: dict[str, ir.Value] = {}
        for column, stages in plan:
            place = turn if len(stages) == longest else turn - start
            if 0 <= place < len(stages):
                made |= _parts(Cell(table, column, as_of, keeps_unknown, codelists), stages[place])
        table = table.mutate(**made)
    told = told_by_others(table, [column for column, _ in plan if column.name not in drifted])
    return _finish(table, told, contract, drifted)


def _parts(cell: Cell, stage: Stage) -> dict[str, ir.Value]:
    return {f"{cell.column.name}__{part}": value for part, value in stage(cell).items()}


def _longest_and_start(turns: Iterable[int]) -> tuple[int, int]:
    """The most turns a column takes, and the turn in which all begin that take fewer.

    These begin late, for each working column costs every turn it is carried through. They end a turn before the
    longest, whose last stage may ask for them: a document's rule depends on the type stated beside it.
    """
    *shorter, longest = sorted(set(turns))
    return longest, max(longest - 1 - shorter[-1], 0) if shorter and longest > len(codes.CODE) else 0


def rows_of(cells: ibis.Table, contract: SourceContract) -> ibis.Table:
    """Take the contract's columns and `_row` from the cells."""
    return cells.select(*contract.by_name, "_row")


def issues_of(cells: ibis.Table, contract: SourceContract, drifted: Mapping[str, str] = NO_DRIFT) -> ibis.Table:
    """Take one row for every cell that has a reason, and one for every row that is set aside as a whole."""

    def of_column(column: Column) -> ibis.Table:
        reason, value = cells[f"{column.name}__reason"], cells[column.name]
        shown = cells[f"{column.name}__shown"] if column.kind == "geometry" else value.cast("string")
        takes_row = _takes_row(column, contract) or drifted.get(column.name) == "discard_row"
        lost = ibis.literal(str(Outcome.REFUSED if takes_row else Outcome.VALUE_SET_ASIDE))
        if column.operation == "credit_code" and not takes_row:
            lost = ibis.ifelse(reason == str(Reason.CODE_MOVED), str(Outcome.REPAIRED), lost)
        kept = ibis.literal(str(Outcome.REPAIRED))
        if column.operation in _WARNED:
            kept = ibis.ifelse(reason.isin([str(one) for one in _WARNED[column.operation]]), str(Outcome.WARNED), kept)
        return cells.filter(reason.notnull()).select(
            "_row",
            column=ibis.literal(column.name),
            rule=reason,
            outcome=ibis.ifelse(value.notnull(), kept, lost),
            original=cells[f"{column.name}__original"],
            value=shown,
        )

    found = [of_column(column) for column in contract.columns]
    if ROW in drifted:
        nothing = dict.fromkeys(("original", "value"), ibis.null("string"))
        words = {"column": ROW, "rule": str(Reason.COLUMN_CHANGED), "outcome": str(Outcome.REFUSED)}
        found.append(cells.select("_row", **{name: ibis.literal(word) for name, word in words.items()}, **nothing))
    return reduce(lambda one, other: one.union(other), found)


def _takes_row(column: Column, contract: SourceContract) -> bool:
    """Whether a cell that cannot be read takes its row along: always a required one, others where `drift` says so."""
    kind = "unknown_codes" if column.codelist or column.operation == "division_code" else "retyped"
    discards = contract.drift[kind] == "discard_row" and (kind == "unknown_codes" or column.kind != "string")
    return column.required or column.key or discards


def _stages(contract: SourceContract, column: Column, raw: ibis.Table) -> tuple[Stage, ...]:
    if _is_told(contract, column):
        return (_told,)
    typed = _TYPED_OPERATIONS.get(column.operation) if _is_typed(raw[column.physical_name]) else None
    stages = typed or _OPERATIONS.get(column.operation)
    if not stages:
        allowed = ", ".join(OPERATION_NAMES)
        raise ConfigurationError(
            [f"{contract.tail}: column {column.name} names operation {column.operation!r}; allowed: {allowed}"]
        )
    if column.operation == "address_level" and column.name not in addresses.LEVELS:
        allowed = ", ".join(addresses.LEVELS)
        fault = f"column {column.name} is no level of an address; allowed: {allowed}"
        raise ConfigurationError([f"{contract.tail}: {fault}"])
    return stages


def _is_told(contract: SourceContract, column: Column) -> bool:
    """Whether the department has no such column: it is told by the operation that reads the same one."""
    teller = _TOLD_BY.get(column.operation)
    return any(one.operation == teller and one.physical_name == column.physical_name for one in contract.columns)


def _told(_: Cell) -> Mapping[str, ir.Value]:
    return {"value": ibis.null("string"), "reason": ibis.null("string")}


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


def _changed(original: ir.Value, word: str) -> ir.Value:
    """The reason of a cell that is left out because its column is not the one agreed; an empty cell loses nothing."""
    reason = ibis.literal(str(Reason.COLUMN_CHANGED))
    return reason if word == "discard_row" else ibis.ifelse(original.notnull(), reason, ibis.null("string"))


def _finish(
    table: ibis.Table, told: Mapping[str, ir.Value], contract: SourceContract, drifted: Mapping[str, str]
) -> ibis.Table:
    made: dict[str, ir.Value] = {}
    for column in contract.columns:
        name = column.name
        value, reason = (told.get(part, table[part]) for part in (f"{name}__value", f"{name}__reason"))
        if name in drifted:
            value, reason = ibis.null(value.type()), _changed(table[f"{name}__original"], drifted[name])
        if column.required or column.key:
            missing = ibis.ifelse(value.isnull(), str(Reason.REQUIRED_MISSING), ibis.null("string"))
            reason = ibis.coalesce(reason, missing)
        made[name] = value.cast(PyArrowType.to_ibis(column.arrow.type)) if column.kind != "geometry" else value
        made[f"{name}__reason"] = reason
        made[f"{name}__original"] = ibis.ifelse(reason.notnull(), table[f"{name}__original"], ibis.null("string"))
        if column.kind == "geometry":
            made[f"{name}__shown"] = table[f"{name}__shown"]
    return table.select("_row", **made)
