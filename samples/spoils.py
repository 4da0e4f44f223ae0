"""The kinds of faults departments' cells really have: in numbers, names, dates, codes, divisions."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from samples.codes import ID_CHECK, ID_WEIGHTS, to_fifteen
from samples.dates import day_of
from samples.faults import KEPT, QUARANTINED, REPAIRED, Change, Spoil
from samples.names import RARE_CHARACTERS

FULL_WIDTH = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
ID_18 = r"^\d{17}[\dX]"
EXCEL_EPOCH = day_of(date(1899, 12, 30))
IMPOSSIBLE_DATES = ("00000000", "19900231", "0001-01-01", "9999-12-31", "20251345")
DATE_FORMS = {
    "compact": "{0:04d}{1:02d}{2:02d}",
    "dash": "{0:04d}-{1:02d}-{2:02d}",
    "slash": "{0}/{1}/{2}",
    "dot": "{0}.{1:02d}.{2:02d}",
    "chinese": "{0}年{1}月{2}日",
    "serial": "",
}
DOT_VARIANTS = "•．・.‧"
UNKNOWN_DIVISIONS = ("999999999999", "320399999999", "32030", "贾汪区")


def id_spoils(column: str) -> list[Spoil]:
    """Faults of a column of resident IDs, which may carry more characters behind the number."""
    repaired, refused = "the number can be told", "the number cannot be told"

    def spoil_as(kind: str, expected: str, change: Change, pattern: str = ID_18) -> Spoil:
        reason = repaired if expected == REPAIRED else refused
        return Spoil(kind, column, expected, reason, change, pattern)

    return [
        spoil_as("id_fifteen_digits", REPAIRED, _fifteen, r"^\d{6}19\d{9}[\dX]"),
        spoil_as("id_full_width", REPAIRED, lambda value, _: value.translate(FULL_WIDTH)),
        spoil_as("id_lower_case_x", REPAIRED, lambda value, _: value.replace("X", "x"), r"^\d{17}X"),
        spoil_as("id_spaces", REPAIRED, lambda value, _: f" {value[:6]} {value[6:14]} {value[14:]} "),
        spoil_as("id_apostrophe", REPAIRED, lambda value, _: f"'{value}"),
        spoil_as("id_bad_check_digit", QUARANTINED, _wrong_check),
        spoil_as("id_cut_by_spreadsheet", QUARANTINED, _cut, r"^\d{17}[\dX]$"),
    ]


def certificate_spoils(column: str) -> list[Spoil]:
    """Faults of 20-character disability certificates, which begin with the holder's ID."""
    wanted = {"id_full_width", "id_lower_case_x", "id_spaces", "id_apostrophe", "id_bad_check_digit"}
    return [item for item in id_spoils(column) if item.kind in wanted]


def another_id(column: str, name_column: str, *different: str) -> Spoil:
    """The number of another person of the table under this person's name."""
    reason = "one number, two names"
    return Spoil("id_of_another_person", column, QUARANTINED, reason, pattern=ID_18, other=(name_column, *different))


def name_spoils(column: str) -> list[Spoil]:
    """Faults of a column of names: spaces inside, and other dots than the middle dot."""
    reason = "spaces and dots in names are not part of them"
    return [
        Spoil("name_spaces", column, REPAIRED, reason, lambda value, _: "　".join(value), r"^\p{Han}{2,3}$"),
        Spoil("name_dot_variant", column, REPAIRED, reason, _other_dot, "·"),
    ]


def rare_name(column: str) -> Spoil:
    """A name with a character that GB18030 has and GBK has not: the file is right, a GBK reader is wrong."""
    reason = "GB18030 characters outside GBK must arrive as they are"
    return Spoil("text_outside_gbk", column, KEPT, reason, lambda value, _: value, f"[{RARE_CHARACTERS}]")


def date_spoils(column: str, normal: str) -> list[Spoil]:
    """Dates in the five other forms, and dates that cannot be. `normal` is the form the column has: compact or dash."""
    reason = "another form of the same date"
    pattern = r"^\d{8}$" if normal == "compact" else r"^\d{4}-\d\d-\d\d$"
    spoils = [
        Spoil(f"date_{form}", column, REPAIRED, reason, _date_in(form), pattern)
        for form in DATE_FORMS
        if form != normal
    ]
    impossible = Spoil("date_impossible", column, QUARANTINED, "no such date", _one_of(IMPOSSIBLE_DATES), pattern)
    return [*spoils, impossible]


def code_spoils(column: str, unknown: str, labels: dict[str, str] | None = None) -> list[Spoil]:
    """Codes nobody has defined, and labels where codes belong (code -> label)."""
    spoils = [Spoil("code_unknown", column, QUARANTINED, "not in the code list", _one_of((unknown,)))]
    if labels:
        pattern = "^(" + "|".join(labels) + ")$"
        change = labels.__getitem__
        label = Spoil("code_label", column, REPAIRED, "a label of the code list", lambda v, _: change(v), pattern)
        spoils.append(label)
    return spoils


def division_spoil(column: str) -> Spoil:
    """A division code that the list does not have."""
    return Spoil("division_unknown", column, QUARANTINED, "no such division", _one_of(UNKNOWN_DIVISIONS))


def credit_spoil(column: str) -> Spoil:
    """A credit code whose check character is wrong."""
    reason = "the check character is wrong"
    return Spoil("credit_code_bad_check", column, QUARANTINED, reason, _wrong_credit_check, r"^[0-9A-Z]{18}$")


def _fifteen(value: str, _: np.random.Generator) -> str:
    return to_fifteen(value[:18]) + value[18:]


def _wrong_check(value: str, rng: np.random.Generator) -> str:
    others = [mark for mark in ID_CHECK if mark not in (value[17], "X")]
    return value[:17] + others[int(rng.integers(0, len(others)))] + value[18:]


def _cut(value: str, rng: np.random.Generator) -> str:
    cut = value[:15] + "000"
    # One cut number in eleven has the right check digit by chance; nothing in the cell could tell.
    telling = ID_CHECK[int(np.array([int(digit) for digit in cut[:17]]) @ ID_WEIGHTS % 11)] != "0"
    return cut if telling and rng.random() < 0.6 else f"{int(value[:3]) / 100:.2f}E+17"


def _other_dot(value: str, rng: np.random.Generator) -> str:
    return value.replace("·", DOT_VARIANTS[int(rng.integers(0, len(DOT_VARIANTS)))])


def _wrong_credit_check(value: str, _: np.random.Generator) -> str:
    return value[:17] + ("1" if value[17] != "1" else "2")


def _one_of(values: Sequence[str]) -> Change:
    def change(_: str, rng: np.random.Generator) -> str:
        return values[int(rng.integers(0, len(values)))]

    return change


def _date_in(form: str) -> Change:
    def change(value: str, _: np.random.Generator) -> str:
        figures = value.replace("-", "")
        year, month, day = int(figures[:4]), int(figures[4:6]), int(figures[6:8])
        if form == "serial":
            return str(day_of(date(year, month, day)) - EXCEL_EPOCH)
        return DATE_FORMS[form].format(year, month, day)

    return change
