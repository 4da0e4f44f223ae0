"""Reading codes: a code of the list stays, a title or synonym becomes its code, anything else is unknown."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from hub.conform.cell import BLANKS, Cell, Stage, cleaned, first_reason, half_width
from hub.reasons import Reason

__all__ = ["CODE", "DIVISIONS", "DIVISION_CODE", "looked_up"]

DIVISIONS = "division"
"""The code list of administrative divisions, which `division_code` looks into."""

_DIVISION_DIGITS = 12


def looked_up(table: ibis.Table, column: str, divisions: ibis.Table) -> ibis.Table:
    """Add `<column>__found`: the division that `<column>__key` is, or null.

    A join, where other lists are looked up in place: this one has 24,000 codes.

    Args:
        table: Has `<column>__key`.
        column: Name of the column being read.
        divisions: All division codes, in its column `code`; a column `key` says what else may be written for one.
    """
    written = divisions["key"] if "key" in divisions.columns else divisions["code"]
    known = divisions.select(**{f"{column}__found": divisions["code"], f"{column}__written": written})
    return table.left_join(known, table[f"{column}__key"] == known[f"{column}__written"]).drop(f"{column}__written")


def _code_key(cell: Cell) -> dict[str, ir.Value]:
    return {"key": half_width(cell.text("clean"))}


def _code_found(cell: Cell) -> dict[str, ir.Value]:
    # A code stands for itself, even where another code has it as a synonym.
    readings = {**cell.codelist.readings, **{code: code for code in cell.codelist.titles}} if cell.codelist else {}
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
    return {"digits": digits, "key": ibis.ifelse(short, digits.rpad(_DIVISION_DIGITS, "0"), whole)}


def _division_code(cell: Cell) -> dict[str, ir.Value]:
    found, clean = cell["found"], cell["clean"]
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
"""A value of the column's code list."""
DIVISION_CODE: tuple[Stage, ...] = (cleaned, _division_key, _division_code)
"""A 12-digit code of the division list; 6 or 9 digits are filled up with zeros, other systems' codes are replaced.

`looked_up` precedes the last stage.
"""
