"""Reading what identifies a person or a unit: resident IDs, other documents, disability certificates, credit codes.

Check digits are reckoned here in expressions: the known library refuses valid codes, of persons born before their
county's code was made (GB 11643-1999) and of village collectives, whose code begins with N (GB 32100-2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import ibis
import ibis.expr.types as ir

from hub.conform.cell import BLANKS, Cell, Stage, cleaned, first_reason, half_width
from hub.conform.dates import date_of_digits, years_away
from hub.reasons import Reason

__all__ = [
    "CREDIT_CODE",
    "DISABILITY_CERTIFICATE",
    "DISABILITY_CERTIFICATE_ID",
    "IDENTITY_DOCUMENT",
    "RESIDENT_ID",
    "RESIDENT_ID_TYPE",
    "weighted_sum",
]

RESIDENT_ID_TYPE = "111"
"""Code of the resident identity card in the code list `id_type` (GA/T 517)."""

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_OLDEST_AGE = 120
_QUOTES = "'’‘`´"
_CENTENARIANS = ("996", "997", "998", "999")
_USUAL_ID = "^[0-9]{17}[0-9X]$"
_SCIENTIFIC = r"^[0-9](\.[0-9]+)?E\+?[0-9]+$"
_DOCUMENT = "^[A-Z0-9]{5,18}$"
_CERTIFICATE = "^[0-9]{17}[0-9X][1-7][1-4](B[0-9])?$"
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = tuple(3**power % 31 for power in range(17))
_CREDIT_FORM = f"^[{_CREDIT_ALPHABET}]{{18}}$"


def weighted_sum(text: ir.StringValue, alphabet: str, weights: Sequence[int]) -> ir.IntegerValue:
    """Add up the places of a text's first characters in an alphabet, each times its weight."""
    values = ibis.literal(alphabet)
    terms = [values.find(text.substr(place, 1)) * weight for place, weight in enumerate(weights)]
    return cast(ir.IntegerValue, sum(terms[1:], terms[0]))


def _narrow(cell: Cell) -> dict[str, ir.Value]:
    original = cell.text("original")
    usual = original.re_search(_USUAL_ID)
    return {"usual": usual, "narrow": ibis.ifelse(usual, original, half_width(original))}


def _bare(cell: Cell) -> dict[str, ir.Value]:
    narrow = cell.text("narrow")
    bare = narrow.re_replace(rf"[{BLANKS}{_QUOTES}]|\*+[{BLANKS}]*$", "").upper()
    mended = ibis.ifelse(narrow.re_search(f"^[{BLANKS}]*$"), ibis.null("string"), bare)
    return {"bare": ibis.ifelse(cell["usual"], narrow, mended)}


def _whole_code(cell: Cell) -> dict[str, ir.Value]:
    return {"code": cell["bare"]}


def _code_of_certificate(cell: Cell) -> dict[str, ir.Value]:
    return {"code": cell.text("bare").substr(0, 18)}


def _body(cell: Cell) -> dict[str, ir.Value]:
    code = cell.text("code")
    return {
        "body": ibis.cases(
            (code.re_search(_USUAL_ID), code.substr(0, 17)),
            (code.re_search("^[0-9]{15}$"), code.substr(0, 6) + "19" + code.substr(6, 9)),
        )
    }


def _remainder(cell: Cell) -> dict[str, ir.Value]:
    body = cell.text("body")
    return {"remainder": weighted_sum(body, "0123456789", _ID_WEIGHTS) % 11, "birth_digits": body.substr(6, 8)}


def _check(cell: Cell) -> dict[str, ir.Value]:
    return {
        "check": ibis.literal(_ID_CHECKS).substr(cell["remainder"], 1),
        "born": date_of_digits(cell.text("birth_digits")),
    }


def _faults(cell: Cell) -> dict[str, ir.Value]:
    code, body, born = cell.text("code"), cell["body"], cell["born"]
    long = code.length() == 18
    wrong_check = long & (code.right(1) != cell["check"])
    today = ibis.date(cell.as_of.isoformat())
    too_long_ago = ibis.date(years_away(cell.as_of, -_OLDEST_AGE - 1).isoformat())
    return {
        "fault": first_reason(
            (code.isnull(), ""),
            (body.isnull() & code.re_search(_SCIENTIFIC), Reason.ID_EXCEL_TRUNCATED),
            (body.isnull() & ~code.length().isin((15, 18)), Reason.ID_LENGTH),
            (body.isnull(), Reason.ID_CHARSET),
            (wrong_check & (code.right(3) == "000"), Reason.ID_EXCEL_TRUNCATED),
            (~long & code.right(3).isin(_CENTENARIANS), Reason.ID_CENTENARIAN_15),
            (born.isnull() | (born > today) | (born <= too_long_ago), Reason.ID_DATE),
            (wrong_check, Reason.ID_CHECK_DIGIT),
        ).nullif("")
    }


def _resident_id(cell: Cell) -> dict[str, ir.Value]:
    good = cell["fault"].isnull()
    narrow, body = cell.text("narrow"), cell.text("body")
    sequence = body.substr(14, 3).try_cast("int64")
    return {
        "value": ibis.ifelse(good, body + cell.text("check"), ibis.null("string")),
        "reason": ibis.coalesce(
            cell["fault"],
            first_reason(
                (narrow != cell["original"], Reason.ID_FULL_WIDTH),
                (narrow.length() != cell.text("bare").length(), Reason.ID_SPACES),
                (narrow.re_search("x"), Reason.ID_LOWER_X),
                (cell.text("code").length() == 15, Reason.ID_UPGRADED_15),
            ),
        ),
        "birth": ibis.ifelse(good, cell["born"], ibis.null("date")),
        "sex": ibis.cases((good & (sequence % 2 == 1), "1"), (good & (sequence % 2 == 0), "2")),
    }


def _identity_document(cell: Cell) -> dict[str, ir.Value]:
    """The resident ID's rule where the type says so, else a loose form that passports and permits have."""
    resident = _resident_id(cell)
    is_resident = (cell.of("id_type_code", "value") == RESIDENT_ID_TYPE).fill_null(False)
    code = cell.text("code")
    fits = code.re_search(_DOCUMENT)
    document_reason = first_reason(
        (~fits, Reason.DOCUMENT_FORMAT), (code != cell["original"], Reason.CHARACTERS_CLEANED)
    )
    none = {part: ibis.null(resident[part].type()) for part in ("birth", "sex")}
    other = {"value": ibis.ifelse(fits, code, ibis.null("string")), "reason": document_reason, **none}
    return {part: ibis.ifelse(is_resident, resident[part], other[part]) for part in resident}


def _certificate(cell: Cell) -> dict[str, ir.Value]:
    bare = cell.text("bare")
    fits = bare.re_search(_CERTIFICATE)
    return {
        "value": ibis.ifelse(fits, bare, ibis.null("string")),
        "reason": first_reason(
            (~fits, Reason.CERTIFICATE_FORMAT), (bare != cell["original"], Reason.CHARACTERS_CLEANED)
        ),
    }


def _credit_plain(cell: Cell) -> dict[str, ir.Value]:
    return {"plain": half_width(cell.text("clean")).re_replace(f"[{BLANKS}{_QUOTES}-]", "").upper()}


def _credit_remainder(cell: Cell) -> dict[str, ir.Value]:
    return {"remainder": (31 - weighted_sum(cell.text("plain"), _CREDIT_ALPHABET, _CREDIT_WEIGHTS) % 31) % 31}


def _credit_check(cell: Cell) -> dict[str, ir.Value]:
    return {"check": ibis.literal(_CREDIT_ALPHABET).substr(cell["remainder"], 1)}


def _credit_code(cell: Cell) -> dict[str, ir.Value]:
    plain = cell.text("plain")
    fits = plain.re_search(_CREDIT_FORM)
    right = plain.right(1) == cell["check"]
    return {
        "value": ibis.ifelse(fits & right, plain, ibis.null("string")),
        "reason": first_reason(
            (~fits, Reason.CREDIT_CODE_FORMAT),
            (~right, Reason.CREDIT_CODE_CHECK),
            (plain != cell["clean"], Reason.CREDIT_CODE_FORMAT),
        ),
    }


RESIDENT_ID: tuple[Stage, ...] = (_narrow, _bare, _whole_code, _body, _remainder, _check, _faults, _resident_id)
"""18 characters of GB 11643; also makes `birth` and `sex`, which other columns are held against."""
IDENTITY_DOCUMENT: tuple[Stage, ...] = (*RESIDENT_ID[:-1], _identity_document)
"""A resident ID where `id_type_code` is 111; else 5 to 18 capital letters and digits."""
DISABILITY_CERTIFICATE: tuple[Stage, ...] = (_narrow, _bare, _certificate)
"""Resident ID, kind and grade: 20 characters; a reissue adds B and a digit."""
DISABILITY_CERTIFICATE_ID: tuple[Stage, ...] = (_narrow, _bare, _code_of_certificate, *RESIDENT_ID[3:])
"""The resident ID a disability certificate begins with."""
CREDIT_CODE: tuple[Stage, ...] = (cleaned, _credit_plain, _credit_remainder, _credit_check, _credit_code)
"""18 characters of GB 32100."""
