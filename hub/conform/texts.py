"""Reading texts: plain text, telephone numbers and figures."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from hub.conform.cell import BLANKS, Cell, Stage, cleaned, first_reason, half_width
from hub.reasons import Reason

__all__ = ["INTEGER", "NUMBER", "PHONE", "TEXT", "TYPED_INTEGER", "TYPED_NUMBER", "read_text"]

_PHONE = r"^(1[0-9]{10}|0[0-9]{9,11})$"
_WITH_COUNTRY = r"^(\+|00)?86(1[0-9]{10}|0[0-9]{9,11})$"
_BEYOND = float("inf")
_SIGNS_FULL, _SIGNS_HALF = "．，－＋", ".,-+"


def read_text(cell: Cell) -> dict[str, ir.Value]:
    """Last stage of texts: what is left of `clean` without the NULs in it."""
    # No database keeps a NUL, and no reader shows it.
    clean = cell.text("clean")
    has_nul = clean.re_search(r"\x{0}")
    return {
        "value": ibis.ifelse(has_nul, clean.re_replace(r"\x{0}", "").nullif(""), clean),
        "reason": first_reason((has_nul, Reason.CHARACTERS_CLEANED)),
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


TEXT: tuple[Stage, ...] = (cleaned, read_text)
"""Outer blanks go, which is no issue; an empty text is null."""
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
