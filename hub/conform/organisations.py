"""Reading what identifies a unit: credit codes, organisation codes inside them, and older registration numbers.

Check characters are reckoned here in expressions: the known library refuses valid codes, of village collectives, whose
code begins with N (GB 32100-2015).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from hub.conform.cell import BLANKS, Cell, Stage, cleaned, first_reason, half_width, weighted_sum
from hub.reasons import Reason

__all__ = ["CREDIT_CODE", "ORGANISATION_CODE", "REGISTRATION_NO"]

_QUOTES = "'’‘`´"
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = tuple(3**power % 31 for power in range(17))
_CREDIT_FORM = f"^[{_CREDIT_ALPHABET}]{{18}}$"
_ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_CHECKS = "0123456789X0"
_ORGANISATION_FORM = "^[0-9A-Z]{8}[0-9X]$"
_ORGANISATION_FROM, _ORGANISATION_LENGTH = 8, 9
_REGISTRATION_FORM = "^([0-9]{13}|[0-9]{15})$"
"""15 digits since 2007, 13 before."""


def _plain(cell: Cell) -> dict[str, ir.Value]:
    return {"plain": half_width(cell.text("clean")).re_replace(f"[{BLANKS}{_QUOTES}-]", "").upper()}


def _organisation_part(cell: Cell) -> dict[str, ir.Value]:
    plain = cell.text("plain")
    inner = plain.substr(_ORGANISATION_FROM, _ORGANISATION_LENGTH)
    return {"part": ibis.ifelse(plain.length() == _ORGANISATION_LENGTH, plain, inner)}


def _remainders(cell: Cell) -> dict[str, ir.Value]:
    return {
        "remainder": (31 - weighted_sum(cell.text("plain"), _CREDIT_ALPHABET, _CREDIT_WEIGHTS) % 31) % 31,
        "place": 11 - weighted_sum(cell.text("part"), _ORGANISATION_ALPHABET, _ORGANISATION_WEIGHTS) % 11,
    }


def _checks(cell: Cell) -> dict[str, ir.Value]:
    part = cell.text("part")
    right = part.right(1) == ibis.literal(_ORGANISATION_CHECKS).substr(cell["place"], 1)
    return {
        "check": ibis.literal(_CREDIT_ALPHABET).substr(cell["remainder"], 1),
        "organisation": ibis.ifelse(part.re_search(_ORGANISATION_FORM) & right, part, ibis.null("string")),
    }


def _credit_code(cell: Cell) -> dict[str, ir.Value]:
    plain, organisation = cell.text("plain"), cell["organisation"]
    fits = plain.re_search(_CREDIT_FORM)
    good = fits & (plain.right(1) == cell["check"])
    alone = plain.length() == _ORGANISATION_LENGTH
    return {
        "value": ibis.ifelse(good, plain, ibis.null("string")),
        "reason": first_reason(
            (~fits, Reason.CREDIT_CODE_FORMAT),
            (~good, Reason.CREDIT_CODE_CHECK),
            # Whether every new code keeps the older rule inside is not sure enough to refuse one.
            (good & organisation.isnull(), Reason.CREDIT_CODE_INNER),
            (plain != cell["clean"], Reason.CREDIT_CODE_FORMAT),
        ),
        "organisation_code": ibis.ifelse(good | alone, organisation, ibis.null("string")),
        "registration_no": ibis.ifelse(plain.re_search(_REGISTRATION_FORM), plain, ibis.null("string")),
    }


def _organisation_code(cell: Cell) -> dict[str, ir.Value]:
    whole = cell.text("plain").length() == _ORGANISATION_LENGTH
    value = ibis.ifelse(whole, cell["organisation"], ibis.null("string"))
    return {
        "value": value,
        "reason": first_reason(
            (cell["clean"].notnull() & value.isnull(), Reason.ORGANISATION_CODE_CHECK),
            (cell["plain"] != cell["clean"], Reason.CHARACTERS_CLEANED),
        ),
    }


def _registration_no(cell: Cell) -> dict[str, ir.Value]:
    plain = cell.text("plain")
    return {"value": plain.nullif(""), "reason": first_reason((plain != cell["clean"], Reason.CHARACTERS_CLEANED))}


CREDIT_CODE: tuple[Stage, ...] = (cleaned, _plain, _organisation_part, _remainders, _checks, _credit_code)
"""18 characters of GB 32100; also makes `organisation_code` and `registration_no`, which other columns are told."""
ORGANISATION_CODE: tuple[Stage, ...] = (*CREDIT_CODE[:-1], _organisation_code)
"""9 characters of GB 11714, with or without the dash before the last."""
REGISTRATION_NO: tuple[Stage, ...] = (cleaned, _plain, _registration_no)
"""A number of the business register: half width, without blanks; its length is the suite's to judge."""
