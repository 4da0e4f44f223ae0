"""Reading texts: plain text, persons' names, telephone numbers and figures."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from hub.conform.cell import BLANKS, Cell, Stage, cleaned, first_reason, half_width
from hub.reasons import Reason

__all__ = ["INTEGER", "NUMBER", "PERSON_NAME", "PHONE", "TEXT", "TYPED_INTEGER", "TYPED_NUMBER"]

_LATIN_NAME = r"^[A-Za-z\x{c0}-\x{24f} .,'’·-]*$"
_NAME_DOTS = "[•．.・‧∙⋅●]"
_NOT_IN_A_NAME = (
    r"[\x{0}-\x{40}\x{5b}-\x{60}\x{7b}-\x{9f}\x{fffd}"  # ASCII but its letters, control and replacement characters
    r"\x{3001}-\x{3003}\x{3008}-\x{3011}\x{ff01}-\x{ff20}\x{ff3b}-\x{ff40}\x{ff5b}-\x{ff65}]"  # full-width signs
)
_PHONE = r"^(1[0-9]{10}|0[0-9]{9,11})$"
_WITH_COUNTRY = r"^(\+|00)?86(1[0-9]{10}|0[0-9]{9,11})$"
_BEYOND = float("inf")
_SIGNS_FULL, _SIGNS_HALF = "．，－＋", ".,-+"


def _text(cell: Cell) -> dict[str, ir.Value]:
    # No database keeps a NUL, and no reader shows it.
    clean = cell.text("clean")
    has_nul = clean.re_search(r"\x{0}")
    return {
        "value": ibis.ifelse(has_nul, clean.re_replace(r"\x{0}", "").nullif(""), clean),
        "reason": first_reason((has_nul, Reason.CHARACTERS_CLEANED)),
    }


def _name_blanks(cell: Cell) -> dict[str, ir.Value]:
    # A Latin name keeps single blanks, a Han name none.
    clean, blanks = cell.text("clean"), f"[{BLANKS}]+"
    latin = clean.re_search(_LATIN_NAME)
    mended = ibis.ifelse(latin, clean.re_replace(blanks, " "), clean.re_replace(blanks, ""))
    return {"latin": latin, "closed": ibis.ifelse(clean.re_search(blanks), mended, clean)}


def _name_dots(cell: Cell) -> dict[str, ir.Value]:
    closed = cell.text("closed")
    return {"dotted": ibis.ifelse(cell["latin"], closed, closed.re_replace(_NAME_DOTS, "·"))}


def _name(cell: Cell) -> dict[str, ir.Value]:
    dotted, latin = cell.text("dotted"), cell["latin"]
    has_letter = dotted.re_search("[^ .,'’·-]")
    spoiled = ~has_letter | (~latin & dotted.re_search(_NOT_IN_A_NAME))
    return {
        "value": ibis.ifelse(spoiled, ibis.null("string"), dotted),
        "reason": first_reason(
            (spoiled, Reason.NAME_CHARSET),
            (cell["closed"] != cell["clean"], Reason.NAME_SPACES),
            (dotted != cell["closed"], Reason.NAME_DOT),
        ),
    }


def _phone_bare(cell: Cell) -> dict[str, ir.Value]:
    return {"bare": half_width(cell.text("clean")).re_replace(rf"[{BLANKS}()（）－—–-]", "")}


def _phone_national(cell: Cell) -> dict[str, ir.Value]:
    bare = cell.text("bare")
    return {"national": ibis.ifelse(bare.re_search(_WITH_COUNTRY), bare.re_replace(r"^(\+|00)?86", ""), bare)}


def _phone(cell: Cell) -> dict[str, ir.Value]:
    national = cell.text("national")
    fits = national.re_search(_PHONE)
    return {
        "value": ibis.ifelse(fits, national, ibis.null("string")),
        "reason": first_reason((~fits, Reason.PHONE_FORMAT), (national != cell["clean"], Reason.PHONE_CLEANED)),
    }


def _figures(cell: Cell) -> dict[str, ir.Value]:
    return {"figures": half_width(cell.text("clean")).translate(_SIGNS_FULL, _SIGNS_HALF)}


def _ungrouped(cell: Cell) -> dict[str, ir.Value]:
    figures = cell.text("figures")
    grouped = figures.re_search(r"^[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$")
    return {"ungrouped": ibis.ifelse(grouped, figures.replace(",", ""), figures)}


def _number_stage(form: str, kind: str) -> Stage:
    def read(cell: Cell) -> dict[str, ir.Value]:
        ungrouped = cell.text("ungrouped")
        digits = ungrouped.re_replace(r"\.0+$", "") if kind == "int64" else ungrouped
        value = ibis.ifelse(ungrouped.re_search(form), digits, ibis.null("string")).try_cast(kind)
        if kind == "float64":
            value = ibis.ifelse(value.abs() < _BEYOND, value, ibis.null(kind))
        unread = cell["clean"].notnull() & value.isnull()
        return {
            "value": value,
            "reason": first_reason((unread | (ungrouped != cell["clean"]), Reason.NUMBER_FORMAT)),
        }

    return read


def _typed_stage(kind: str) -> Stage:
    def read(cell: Cell) -> dict[str, ir.Value]:
        raw = cell["raw"]
        value = raw.try_cast(kind)
        # Casts round halves away and let NaN through; neither is what the department wrote.
        exact = (value.cast("float64") == raw.cast("float64")) & (value.cast("float64").abs() < _BEYOND)
        return {
            "value": ibis.ifelse(exact, value, ibis.null(kind)),
            "reason": first_reason((raw.notnull() & ~exact.fill_null(False), Reason.NUMBER_FORMAT)),
        }

    return read


TEXT: tuple[Stage, ...] = (cleaned, _text)
"""Outer blanks go, which is no issue; an empty text is null."""
PERSON_NAME: tuple[Stage, ...] = (cleaned, _name_blanks, _name_dots, _name)
"""Han names lose inner blanks and have one kind of dot; Latin names keep single blanks."""
PHONE: tuple[Stage, ...] = (cleaned, _phone_bare, _phone_national, _phone)
"""A mobile number of 11 digits, or a fixed one with its area code."""
INTEGER: tuple[Stage, ...] = (cleaned, _figures, _ungrouped, _number_stage(r"^[+-]?[0-9]+(\.0+)?$", "int64"))
"""A whole number; full-width digits and thousands separators are repaired."""
NUMBER: tuple[Stage, ...] = (
    cleaned,
    _figures,
    _ungrouped,
    _number_stage(r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$", "float64"),
)
"""A decimal number; full-width digits and thousands separators are repaired."""
TYPED_INTEGER: tuple[Stage, ...] = (_typed_stage("int64"),)
"""A whole number from a source that has number types."""
TYPED_NUMBER: tuple[Stage, ...] = (_typed_stage("float64"),)
"""A number from a source that has number types."""
