"""Reading codes: a code of the list stays, a title or synonym becomes its code, anything else is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from hub.conform.cell import BLANKS, Cell, Stage, cleaned, first_reason, half_width
from hub.contracts import Codelist, Column
from hub.reasons import Reason

__all__ = ["CODE", "DIVISIONS", "DIVISION_CODE", "SPELLINGS", "is_long", "looked_up", "spellings"]

DIVISIONS = "division"
"""The code list of administrative divisions, which `division_code` looks into."""

SPELLINGS = {"list": "string", "written": "string", "code": "string"}
"""Columns of the table that says what may be written for the codes of long lists."""

_DIVISION_DIGITS = 12
_LONG = 300
"""From so many spellings on a list is joined: written into the query it would cost a second for each dataset."""


def spellings(codelist: Codelist) -> Mapping[str, str]:
    """Everything that may be written -> the code. A code stands for itself, even where it is another's synonym."""
    return {**codelist.readings, **{code: code for code in codelist.titles}}


def is_long(codelist: Codelist | None) -> bool:
    """Whether a list is looked up in the table of spellings."""
    return codelist is not None and len(codelist.readings) >= _LONG


def looked_up(
    table: ibis.Table, columns: Sequence[Column], codelists: Mapping[str, Codelist], known: ibis.Table
) -> ibis.Table:
    """Add what the cells of divisions and of long lists are there: `<column>__<part>_found`, or null.

    Args:
        table: Has the working columns.
        columns: The columns being read.
        codelists: All code lists, by name.
        known: The spellings, see `SPELLINGS`.
    """
    wanted = [(f"{one.name}__{part}", name) for one in columns for name, part in _looked_for(one, codelists)]
    for place, (part, name) in enumerate(wanted):
        listed = known.filter(known["list"] == name)
        listed = listed.select(**{f"{part}_found": listed["code"], f"_written_{place}": listed["written"]})
        table = table.left_join(listed, table[part] == listed[f"_written_{place}"])
    return table.drop(*(f"_written_{place}" for place in range(len(wanted)))) if wanted else table


def _looked_for(column: Column, codelists: Mapping[str, Codelist]) -> list[tuple[str, str]]:
    """Lists a column is looked up in, each with the working column that is."""
    if column.operation == "division_code":
        return [(DIVISIONS, "digits"), (DIVISIONS, "key")]
    listed = codelists.get(column.codelist or "")
    return [(listed.name, "key")] if listed and column.operation == "code" and is_long(listed) else []


def _code_key(cell: Cell) -> dict[str, ir.Value]:
    return {"key": half_width(cell.text("clean"))}


def _code_found(cell: Cell) -> dict[str, ir.Value]:
    if is_long(cell.codelist):
        return {"found": cell["key_found"]}
    readings = dict(spellings(cell.codelist)) if cell.codelist else {}
    return {"found": ibis.literal(readings, type="map<string, string>").get(cell["key"])}


def _code(cell: Cell) -> dict[str, ir.Value]:
    found, clean = cell["found"], cell["clean"]
    faults = [(clean.notnull() & found.isnull(), Reason.CODE_UNKNOWN)]
    if cell.codelist is None or not cell.codelist.is_own:
        # A department owes the codes of a standard; the hub's own it cannot know.
        faults.append((found != clean, Reason.CODE_FROM_LABEL))
    return {"value": ibis.coalesce(found, clean) if cell.keeps_unknown else found, "reason": first_reason(*faults)}


def _division_key(cell: Cell) -> dict[str, ir.Value]:
    digits = half_width(cell.text("clean")).re_replace(f"[{BLANKS}]", "")
    short = digits.re_search("^([0-9]{6}|[0-9]{9})$")
    # The police's and family planning's own codes of 15 digits begin with the village's 12.
    long = digits.re_search("^[0-9]{15}$")
    whole = ibis.ifelse(long, digits.substr(0, _DIVISION_DIGITS), digits)
    key = ibis.ifelse(short, digits.rpad(_DIVISION_DIGITS, "0"), whole)
    return {"digits": digits, "key": key.nullif(digits)}


def _division_code(cell: Cell) -> dict[str, ir.Value]:
    # As it is written goes first: another system's code of 15 digits need not begin with the village's.
    found, clean = ibis.coalesce(cell["digits_found"], cell["key_found"]), cell["clean"]
    return {
        "value": found,
        "reason": first_reason(
            (clean.notnull() & found.isnull(), Reason.DIVISION_UNKNOWN),
            (found != cell["digits"].rpad(_DIVISION_DIGITS, "0"), Reason.DIVISION_ALIAS),
            (found != cell["digits"], Reason.DIVISION_PADDED),
            (cell["digits"] != clean, Reason.CHARACTERS_CLEANED),
        ),
    }


CODE: tuple[Stage, ...] = (cleaned, _code_key, _code_found, _code)
"""A value of the column's code list. `looked_up` precedes the third stage."""
DIVISION_CODE: tuple[Stage, ...] = (cleaned, _division_key, _division_code)
"""A 12-digit code of the division list; 6 or 9 digits are filled up with zeros, other systems' codes are replaced.

`looked_up` precedes the last stage.
"""
