"""Reading what identifies a person: resident IDs, other documents, disability certificates.

Check digits are reckoned here in expressions: the known library refuses valid codes, of persons born before their
county's code was made (GB 11643-1999).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from hub.conform.cell import BLANKS, Cell, Stage, first_reason, half_width, weighted_sum
from hub.conform.dates import date_of_digits, years_away
from hub.reasons import Reason

__all__ = [
    "DISABILITY_CERTIFICATE",
    "DISABILITY_CERTIFICATE_ID",
    "IDENTITY_DOCUMENT",
    "RESIDENT_ID",
]

_CARD_TYPE = "111"
_PERMIT_TYPE = "hmt_residence_permit"
"""Residents of Hong Kong, Macao and Taiwan with a residence permit: a number of the same form."""
_FOREIGN_TYPE, _HOME_RETURN_TYPE, _PASSPORT_TYPE = "553", "516", "414"
_PERMIT_PREFIXES = ("810000", "820000", "830000")
_FOREIGN_CARD = "^[A-Z]{3}[0-9]{12}$"
"""The permanent residence card of foreigners before 2023; since then it has 18 digits that begin with 9."""
_HOME_RETURN = "^(H[0-9]{8}|[HM][0-9]{10})$"
"""Not M and 8 digits: so are passports of other countries numbered as well."""
_PASSPORT = "^(E[0-9A-HJ-NP-Z][0-9]{7}|G[0-9]{8}|[DPS][0-9]{7,8}|[DPS]E[0-9]{7})$"
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_OLDEST_AGE = 120
_QUOTES = "'’‘`´"
_CENTENARIANS = ("996", "997", "998", "999")
_USUAL_ID = "^[0-9]{17}[0-9X]$"
_SCIENTIFIC = r"^[0-9](\.[0-9]+)?E\+?[0-9]+$"
_DOCUMENT = "^[A-Z0-9]{5,18}$"
_CERTIFICATE = "^[0-9]{17}[0-9X][1-7][1-4](B[0-9])?$"


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
                (_is_no_card(cell), Reason.ID_TYPE_DIFFERS),
            ),
        ),
        "birth": ibis.ifelse(good, cell["born"], ibis.null("date")),
        "sex": ibis.cases((good & (sequence % 2 == 1), "1"), (good & (sequence % 2 == 0), "2")),
    }


def _is_no_card(cell: Cell) -> ir.BooleanValue:
    """Whether the number has the form of a resident ID and yet is on no resident identity card."""
    return cell.text("code").substr(0, 6).isin(_PERMIT_PREFIXES) | cell.text("code").startswith("9")


def _surely(cell: Cell) -> ir.StringValue:
    """The type of document a number is of, as far as its form or check digit leaves no doubt."""
    code = cell.text("code")
    valid = cell["fault"].isnull() & (code.length() == 18)
    return ibis.cases(
        (valid & code.substr(0, 6).isin(_PERMIT_PREFIXES), _PERMIT_TYPE),
        ((valid & code.startswith("9")) | code.re_search(_FOREIGN_CARD), _FOREIGN_TYPE),
        (valid, _CARD_TYPE),
    )


def _type_told(cell: Cell) -> dict[str, ir.Value]:
    """`sure`: what contradicts another type that is stated; `told`: what stands in for one that is not."""
    code, sure = cell.text("code"), _surely(cell)
    likely = ibis.cases(
        (cell["fault"].isnull() & code.notnull(), _CARD_TYPE),
        (code.re_search(_HOME_RETURN), _HOME_RETURN_TYPE),
        (code.re_search(_PASSPORT), _PASSPORT_TYPE),
    )
    return {"sure": sure, "told": ibis.coalesce(sure, likely)}


def _identity_document(cell: Cell) -> dict[str, ir.Value]:
    """The resident ID's rule where the type says so, else a loose form that passports and permits have."""
    resident = _resident_id(cell)
    kind = ibis.coalesce(cell.of("id_type_code", "value"), cell["told"])
    by_rule = kind.isin((_CARD_TYPE, _PERMIT_TYPE)).fill_null(False)
    code = cell.text("code")
    fits = code.re_search(_DOCUMENT)
    document_reason = first_reason(
        (~fits, Reason.DOCUMENT_FORMAT), (code != cell["original"], Reason.CHARACTERS_CLEANED)
    )
    none = {part: ibis.null(resident[part].type()) for part in ("birth", "sex")}
    other = {"value": ibis.ifelse(fits, code, ibis.null("string")), "reason": document_reason, **none}
    # The cell of the type bears what is to be said of a type that differs.
    resident["reason"] = resident["reason"].nullif(str(Reason.ID_TYPE_DIFFERS))
    return {part: ibis.ifelse(by_rule, resident[part], other[part]) for part in resident}


def _certificate(cell: Cell) -> dict[str, ir.Value]:
    bare = cell.text("bare")
    fits = bare.re_search(_CERTIFICATE)
    return {
        "value": ibis.ifelse(fits, bare, ibis.null("string")),
        "reason": first_reason(
            (~fits, Reason.CERTIFICATE_FORMAT), (bare != cell["original"], Reason.CHARACTERS_CLEANED)
        ),
    }


RESIDENT_ID: tuple[Stage, ...] = (_narrow, _bare, _whole_code, _body, _remainder, _check, _faults, _resident_id)
"""18 characters of GB 11643; also makes `birth` and `sex`, which other columns are held against."""
IDENTITY_DOCUMENT: tuple[Stage, ...] = (*RESIDENT_ID[:-1], _type_told, _identity_document)
"""A resident ID where `id_type_code` says so, or the number where that is empty; else 5 to 18 letters and digits."""
DISABILITY_CERTIFICATE: tuple[Stage, ...] = (_narrow, _bare, _certificate)
"""Resident ID, kind and grade: 20 characters; a reissue adds B and a digit."""
DISABILITY_CERTIFICATE_ID: tuple[Stage, ...] = (_narrow, _bare, _code_of_certificate, *RESIDENT_ID[3:])
"""The resident ID a disability certificate begins with."""
