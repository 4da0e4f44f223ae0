"""What one cell tells of others in its row: a number its bearer's birth, an address its levels, a code another code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from hub.contracts import Column
from hub.reasons import Reason

__all__ = ["told_by_others"]

_ID_COLUMN = "id_number"
_FROM_ID = {"birth_date": ("birth", Reason.DATE_FROM_ID), "sex_code": ("sex", Reason.SEX_FROM_ID)}
_ID_TYPE = "id_type_code"
_NUMBERED_LEVELS = ("door_no", "building_no", "unit_no", "room_no")
"""Levels that, stated, must be those of the text beside them; names are written in too many ways."""
_NOTHING = "无"
"""How departments write a level that an address does not have."""

Parts = Mapping[str, ir.Value]


def told_by_others(table: ibis.Table, columns: Sequence[Column]) -> Parts:
    """Complete and correct values by what other cells of the row tell: new values and reasons by working column.

    Args:
        table: The working columns, `<column>__value` and `<column>__reason` among them.
        columns: The contract's columns that are as agreed: others neither tell nor are told anything.
    """
    made: dict[str, ir.Value] = {}
    for rule in (_by_id, _id_type, _levels, _other_codes):
        made |= rule(table, columns)
    return made


def _by_id(table: ibis.Table, columns: Sequence[Column]) -> Parts:
    """Let a good resident ID win over the birth date and sex stated beside it."""
    if not _has(columns, _ID_COLUMN) or f"{_ID_COLUMN}__birth" not in table.columns:
        return {}
    made: dict[str, ir.Value] = {}
    for name, (part, reason) in _FROM_ID.items():
        if _has(columns, name):
            stated, told = table[f"{name}__value"], table[f"{_ID_COLUMN}__{part}"]
            differs = told.notnull() & (stated.isnull() | (stated != told))
            made |= _cell(table, name, ibis.ifelse(differs, told, stated), (differs, reason))
    return made


def _id_type(table: ibis.Table, columns: Sequence[Column]) -> Parts:
    """Take the type of a document from its number where it is not stated; one that contradicts is told."""
    if not _has(columns, _ID_COLUMN) or not _has(columns, _ID_TYPE) or f"{_ID_COLUMN}__told" not in table.columns:
        return {}
    stated, told = table[f"{_ID_TYPE}__value"], table[f"{_ID_COLUMN}__told"]
    filled = stated.isnull() & told.notnull()
    differs = table[f"{_ID_TYPE}__reason"].isnull() & (stated != table[f"{_ID_COLUMN}__sure"])
    reasons = ((filled, Reason.ID_TYPE_FROM_NUMBER), (differs, Reason.ID_TYPE_DIFFERS))
    return _cell(table, _ID_TYPE, ibis.coalesce(stated, told), *reasons)


def _levels(table: ibis.Table, columns: Sequence[Column]) -> Parts:
    """Fill the levels of an address that are not stated with those its text tells."""
    made: dict[str, ir.Value] = {}
    for text in _of(columns, "address"):
        for column in _of(columns, "address_level"):
            stated, told = table[f"{column.name}__value"], table[f"{text.name}__{column.name}"]
            value = ibis.coalesce(stated, told)
            if column.physical_name == text.physical_name:
                made |= _cell(table, column.name, value)
                continue
            is_named = column.name not in _NUMBERED_LEVELS
            differs = table[f"{column.name}__reason"].isnull() & (stated != told) & (stated != _NOTHING)
            reasons = [(stated.isnull() & told.notnull(), Reason.ADDRESS_FROM_TEXT)]
            reasons += [] if is_named else [(differs, Reason.ADDRESS_DIFFERS)]
            made |= _cell(table, column.name, value, *reasons)
    return made


def _other_codes(table: ibis.Table, columns: Sequence[Column]) -> Parts:
    """Move what is no credit code but another number of the unit to its own column, where there is one."""
    made: dict[str, ir.Value] = {}
    for code in _of(columns, "credit_code"):
        moved = ibis.literal(False)
        for column in (*_of(columns, "organisation_code"), *_of(columns, "registration_no")):
            stated, told = table[f"{column.name}__value"], table[f"{code.name}__{column.operation}"]
            filled = stated.isnull() & told.notnull()
            misplaced = table[f"{code.name}__value"].isnull() & told.notnull()
            moved = moved | misplaced
            reasons = () if column.physical_name == code.physical_name else ((filled & misplaced, Reason.CODE_MOVED),)
            made |= _cell(table, column.name, ibis.coalesce(stated, told), *reasons)
        made |= _cell(table, code.name, table[f"{code.name}__value"], (moved, Reason.CODE_MOVED))
    return made


def _has(columns: Sequence[Column], name: str) -> bool:
    return any(column.name == name for column in columns)


def _of(columns: Sequence[Column], operation: str) -> list[Column]:
    return [column for column in columns if column.operation == operation]


def _cell(table: ibis.Table, name: str, value: ir.Value, *reasons: tuple[ir.BooleanValue, str]) -> Parts:
    """A cell's new value and reason; where no condition holds its reason stays."""
    told = ibis.null("string") if not reasons else ibis.cases(*((when, str(reason)) for when, reason in reasons))
    return {f"{name}__value": value, f"{name}__reason": ibis.coalesce(told, table[f"{name}__reason"])}
