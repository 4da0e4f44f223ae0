"""The ways in which a department's cell can be wrong, by how the contract says it is read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hub.contracts import Codelist, Column

_CHECKS, _WEIGHTS = "10X98765432", (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_TEXTS = ("text", "person_name", "address", "address_level", "registration_no", "organisation_code")
"""Operations that take any characters."""
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}


@dataclass(frozen=True)
class Fault:
    """One way to be wrong.

    Attributes:
        family: What it belongs to.
        name: What it is.
        value: The cell as it then comes.
        certain: No reading makes it right: in a required column the row must be set aside.
    """

    family: str
    name: str
    value: Any
    certain: bool = False


def resident_id(born: dt.date, sequence: int, prefix: str = "320305") -> str:
    """An identity number with its check digit (GB 11643-1999)."""
    body = f"{prefix}{born:%Y%m%d}{sequence:03d}"
    return body + _check_digit(body)


def _check_digit(body: str) -> str:
    return _CHECKS[sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11]


def credit_code(head: str, number: int) -> str:
    """A credit code with its check character (GB 32100-2015), and that of the number within (GB 11714-1997)."""
    inner = f"{number:08d}"
    total = sum(int(digit) * weight for digit, weight in zip(inner, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    body = f"{head}320305{inner}{'0123456789X0'[11 - total % 11]}"
    total = sum(_CREDIT.index(letter) * 3**place for place, letter in enumerate(body))
    return body + _CREDIT[-total % 31]


def faults_of(column: Column, good: str, codelist: Codelist | None) -> Iterator[Fault]:
    """Every way to spoil a cell that is text.

    Args:
        column: The contract's column.
        good: A value of it that is right.
        codelist: The list its values come from, where there is one.
    """
    yield from _blanks()
    yield from _characters(good, certain=column.operation not in _TEXTS)
    yield from _forms(good)
    if column.max_length:
        yield Fault("sheets", "longer than agreed", "长" * (column.max_length + 1), certain=True)
    if column.operation in _FAULTS:
        yield from _FAULTS[column.operation](good, codelist)


def _blanks() -> Iterator[Fault]:
    for name, value in {
        "null": None,
        "empty": "",
        "blanks": "  ",
        "wide blanks": "\u3000\u3000",
        "no-break": "\u00a0",
        "line break": "\t\r\n",
        "zero width": "\u200b\ufeff",
    }.items():
        yield Fault("blanks", name, value, certain=True)


def _characters(good: str, *, certain: bool) -> Iterator[Fault]:
    """Characters that end strings, reverse lines or are no characters; nothing but texts and names may hold them."""
    for name, value in {
        "NUL alone": "\x00",
        "NUL inside": f"{good[:1]}\x00{good[1:]}",
        "bell": f"{good}\x07x",
        "replacement": "\ufffd\ufffd",
        "private use": "\ue000\ue001",
        "noncharacter": "\uffff",
        "beyond the BMP": "𠮷😀",
        "right to left": "\u202e321",
        "combining": "e\u0301\u0323",
        "mojibake": "é”å…ˆç”Ÿ",
        "end of a statement": "'; DROP TABLE rows; --",
        "formula": "=HYPERLINK(1)",
        "markup": "<script>alert(1)</script>",
        "format": "%s {0} %(x)s ${y}",
        "several lines": 'a"b,c\r\nd',
        "very long": "长" * 100_000,
    }.items():
        yield Fault("characters", name, value, certain)


def _forms(good: str) -> Iterator[Fault]:
    """The same value as forms and sheets write it."""
    yield Fault("sheets", "full width", good.translate(_FULL_WIDTH))
    yield Fault("sheets", "apostrophe", f"'{good}")
    yield Fault("sheets", "blanks around", f" \u3000{good}\u00a0\ufeff")
    yield Fault("sheets", "blank inside", f"{good[:2]} {good[2:]}")
    yield Fault("sheets", "subtotal", "合计")


def _id_faults(good: str, _: Codelist | None) -> Iterator[Fault]:
    wrong = "0" if good[17] != "0" else "1"
    for name, value, certain in (
        ("fifteen digits", good[:6] + good[8:17], False),
        ("small x", good[:17] + good[17].lower(), False),
        ("star", good + "*", False),
        ("wrong check digit", good[:17] + wrong + good[18:], True),
        # One in eleven is right by chance.
        ("cut by Excel", good[:15] + "000", _check_digit(good[:15] + "00") != "0"),
        ("scientific", "3.20305E+17", True),
        ("too short", good[:16], True),
        ("too long", good + "123", True),
        ("letters", "ABCDEFGHIJKLMNOPQR", True),
        ("no such day", resident_id(dt.date(1980, 2, 1), 1).replace("19800201", "19800230"), True),
        ("not born yet", resident_id(dt.date(2200, 1, 1), 1), True),
        ("too old", resident_id(dt.date(1801, 1, 1), 1), True),
        ("centenarian of fifteen", "320305010101996", True),
        ("a passport", "E12345678", True),
    ):
        yield Fault("identity", name, value, certain)


def _certificate_faults(good: str, _: Codelist | None) -> Iterator[Fault]:
    for name, value, certain in (
        ("an ID alone", good[:18], True),
        ("kind that is none", good[:18] + "91", True),
        ("wrong check digit", good[:17] + ("0" if good[17] != "0" else "1") + good[18:], True),
        ("reissued", good + "B1", False),
    ):
        yield Fault("identity", name, value, certain)


def _credit_faults(good: str, _: Codelist | None) -> Iterator[Fault]:
    wrong = "0" if good[17] != "0" else "1"
    yield Fault("identity", "wrong check character", good[:17] + wrong, certain=True)
    yield Fault("identity", "letter that is none", good[:8] + "I" + good[9:], certain=True)
    yield Fault("identity", "old register number", "320305000123456", certain=True)
    yield Fault("identity", "small letters", good.lower())


def _name_faults(good: str, _: Codelist | None) -> Iterator[Fault]:
    for name, value, certain in (
        ("wide blank inside", "张\u3000三", False),
        ("other dots", "买买提．吐尔逊", False),
        ("rare character", "㳇𠮷", False),
        ("digits", "张三1", True),
        ("signs", "张三（亡）", True),
        ("no letter", "---", True),
        ("question marks", "??", True),
    ):
        yield Fault("names", name, value, certain)


def _date_faults(_: str, __: Codelist | None) -> Iterator[Fault]:
    for value in (
        "20200101",
        "2020/1/1",
        "2020.01.01",
        "2020年1月1日",
        "20.1.1",
        "2020-01",
        "43831",
        "2020-01-01 08:00",
    ):
        yield Fault("dates", f"written {value}", value)
    for value in ("00000000", "20200230", "2020-13-01", "庚子年正月初一", "待定", "-1", "1e10", "99999999"):
        yield Fault("dates", f"written {value}", value, certain=True)
    for value in ("0001-01-01", "9999-12-31", "2999-01-01"):
        yield Fault("clocks", f"written {value}", value)


def _timestamp_faults(_: str, __: Codelist | None) -> Iterator[Fault]:
    for value in ("20261001080000", "2026/10/1 8:00", "2026-10-01T08:00:00Z", "2026-10-01", "1790841600000"):
        yield Fault("dates", f"written {value}", value)
    for value in ("2026-02-30 08:00:00", "2026-10-01 25:00:00", "昨天"):
        yield Fault("dates", f"written {value}", value, certain=True)
    yield Fault("clocks", "a clock that runs ahead", "2999-01-01 00:00:00")


def _number_faults(_: str, __: Codelist | None) -> Iterator[Fault]:
    for value in ("1,234.50", "12,34", "１２", "+3", "1e3", ".5", "3.0"):
        yield Fault("sheets", f"written {value}", value)
    for value in ("一百", "12人", "NaN", "inf", "1e400", "--", "1.2.3", "0x10"):
        yield Fault("sheets", f"written {value}", value, certain=True)
    yield Fault("sheets", "more digits than a number holds", "9" * 400, certain=True)


def _code_faults(_: str, codelist: Codelist | None) -> Iterator[Fault]:
    for label in list(codelist.titles.values())[:2] if codelist else ():
        yield Fault("codes", "the label", label)
    for value in ("ZZ", "-99", "不详吗", "1/2"):
        yield Fault("codes", f"unknown {value}", value, certain=True)


def _division_faults(good: str, _: Codelist | None) -> Iterator[Fault]:
    for name, value, certain in (
        ("county alone", good[:6], False),
        ("town alone", good[:9], False),
        ("fifteen digits of the police", good + "001", False),
        ("fifteen digits of nowhere", "320305005998001", True),
        ("code that died", "320305005998", True),
        ("no such province", "990305005204", True),
        ("name in its place", "马庄村", True),
    ):
        yield Fault("places", name, value, certain)


def _phone_faults(_: str, __: Codelist | None) -> Iterator[Fault]:
    for value in ("+86 138-0000-0001", "0516-83400000", "（0516）83400000"):
        yield Fault("sheets", f"written {value}", value)
    for value in ("无", "110", "1380000000", "13800000001/13800000002"):
        yield Fault("sheets", f"written {value}", value, certain=True)


_FAULTS: Mapping[str, Callable[[str, Codelist | None], Iterator[Fault]]] = {
    "resident_id": _id_faults,
    "identity_document": _id_faults,
    "disability_certificate": _certificate_faults,
    "disability_certificate_id": _certificate_faults,
    "credit_code": _credit_faults,
    "person_name": _name_faults,
    "date": _date_faults,
    "timestamp": _timestamp_faults,
    "integer": _number_faults,
    "number": _number_faults,
    "code": _code_faults,
    "division_code": _division_faults,
    "phone": _phone_faults,
}
