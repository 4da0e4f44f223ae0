"""Texts, telephone numbers, figures and codes."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.contracts import Codelist
from hub.reasons import Outcome, Reason
from tests.hub.conform.reading import CODELISTS, MAZHUANG, agrees, column, read, read_values


def test_text_loses_outer_blanks_without_an_issue() -> None:
    agrees(
        "text",
        {
            " \u3000马庄 村\u00a0\ufeff": ("马庄 村", None),
            "湖㳇镇": ("湖㳇镇", None),
            "\t\n": (None, None),
            "": (None, None),
            None: (None, None),
        },
    )


def test_phones() -> None:
    agrees(
        "phone",
        {
            "10012345678": ("10012345678", None),
            "051687654321": ("051687654321", None),
            "100 1234 5678": ("10012345678", Reason.PHONE_CLEANED),
            "0516-87654321": ("051687654321", Reason.PHONE_CLEANED),
            "(0516)87654321": ("051687654321", Reason.PHONE_CLEANED),
            "+86 10012345678": ("10012345678", Reason.PHONE_CLEANED),
            "008610012345678": ("10012345678", Reason.PHONE_CLEANED),
            "8610012345678": ("10012345678", Reason.PHONE_CLEANED),
            "１００１２３４５６７８": ("10012345678", Reason.PHONE_CLEANED),
            "87654321": (None, Reason.PHONE_FORMAT),
            "1001234567": (None, Reason.PHONE_FORMAT),
            "无": (None, Reason.PHONE_FORMAT),
            None: (None, None),
        },
    )


def test_figures() -> None:
    agrees(
        "number",
        {
            "360": (360.0, None),
            "-1.5": (-1.5, None),
            "1e3": (1000.0, None),
            "1,234,567.5": (1234567.5, Reason.NUMBER_FORMAT),
            "１２．５": (12.5, Reason.NUMBER_FORMAT),
            "12,5": (None, Reason.NUMBER_FORMAT),
            "360元": (None, Reason.NUMBER_FORMAT),
            "nan": (None, Reason.NUMBER_FORMAT),
            "": (None, None),
        },
        kind="number",
    )
    agrees(
        "integer",
        {
            "6": (6, None),
            "6.0": (6, None),
            "1,200": (1200, Reason.NUMBER_FORMAT),
            "6.5": (None, Reason.NUMBER_FORMAT),
            "99999999999999999999": (None, Reason.NUMBER_FORMAT),
            None: (None, None),
        },
        kind="integer",
    )


def test_typed_figures_are_not_rounded() -> None:
    table = pa.table(
        {
            "i": pa.array([7, None, 9], pa.int32()),
            "f": pa.array([7.0, 7.5, float("nan")]),
            "d": pa.array([Decimal("7.00"), Decimal("7.50"), None], pa.decimal128(6, 2)),
        }
    )
    columns = [column("integer", f"{name}_whole", "integer", physical=name) for name in "ifd"]
    columns += [column("number", f"{name}_part", "number", physical=name) for name in "ifd"]
    found = read(columns, table)
    assert [tuple(row.values()) for row in found.rows.values()] == [
        (7, 7, 7, 7.0, 7.0, 7.0),
        (None, None, None, None, 7.5, 7.5),
        (9, None, None, 9.0, None, None),
    ]
    assert {place: issue[:2] for place, issue in found.issues.items()} == dict.fromkeys(
        [(2, "f_whole"), (2, "d_whole"), (3, "f_whole"), (3, "f_part")],
        (Reason.NUMBER_FORMAT, Outcome.VALUE_SET_ASIDE),
    )


def test_codes_and_their_labels() -> None:
    agrees(
        "code",
        {
            "1": ("1", None),
            " 1 ": ("1", None),
            "男": ("1", Reason.CODE_FROM_LABEL),
            "Ｍ": ("1", Reason.CODE_FROM_LABEL),
            "７": (None, Reason.CODE_UNKNOWN),
            "7": (None, Reason.CODE_UNKNOWN),
            "": (None, None),
            None: (None, None),
        },
        codelist="sex",
    )


def test_a_code_stands_for_itself_before_any_synonym() -> None:
    agrees("code", {"1": ("1", None), "乙": ("1", Reason.CODE_FROM_LABEL), "a": ("a", None)}, codelist="tangled")


def test_long_lists_are_read_as_short_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    titles = {f"{number:03}": f"第{number}类" for number in range(400)}
    readings = {text: code for code, title in titles.items() for text in (code, title, f"F{code}")}
    monkeypatch.setitem(CODELISTS, "long", Codelist("long", titles, readings | {"001": "002"}))
    for beside in (column("text", "y", physical="x"), column("date", "y", "date", physical="x")):
        found = read(
            [column("code", codelist="long"), beside], {"x": ["007", "第7类", "Ｆ007", "999", "001", " ", None]}
        )
        assert [row["x"] for row in found.rows.values()] == ["007", "007", "007", None, "001", None, None]
        rules = [found.issues.get((place, "x"), (None,))[0] for place in found.rows]
        assert rules == [None, *[Reason.CODE_FROM_LABEL] * 2, Reason.CODE_UNKNOWN, None, None, None]


def test_departments_are_not_asked_for_the_hubs_own_codes() -> None:
    expected = {"甲": ("a", None), "1": ("a", None), "丙": (None, Reason.CODE_UNKNOWN)}
    agrees("code", expected, codelist="own")


def test_numbers_that_are_codes_keep_no_decimal_point() -> None:
    table = pa.table({"x": pa.array([1.0, 2.5, None])})
    found = read([column("code", codelist="sex")], table)
    assert [row["x"] for row in found.rows.values()] == ["1", None, None]
    assert found.issues == {(2, "x"): (Reason.CODE_UNKNOWN, Outcome.VALUE_SET_ASIDE, "2.5", None)}


def test_division_codes() -> None:
    agrees(
        "division_code",
        {
            MAZHUANG: (MAZHUANG, None),
            "320305005": ("320305005000", Reason.DIVISION_PADDED),
            "320305": ("320305000000", Reason.DIVISION_PADDED),
            "320305 005204": (MAZHUANG, Reason.CHARACTERS_CLEANED),
            "３２０３０５００５２０４": (MAZHUANG, Reason.CHARACTERS_CLEANED),
            "320305005999": (None, Reason.DIVISION_UNKNOWN),
            "3203": (None, Reason.DIVISION_UNKNOWN),
            "320999": (None, Reason.DIVISION_UNKNOWN),
            "马庄": (None, Reason.DIVISION_UNKNOWN),
            None: (None, None),
        },
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([MAZHUANG, "320305005", "320305", "3203"]), st.integers(0, 999)), min_size=1))
def test_divisions_are_known_by_their_first_twelve_digits_alone(drawn: list[tuple[str, int]]) -> None:
    written = [f"{head}{tail:03}" if len(head) == 12 else head for head, tail in drawn]
    expected = {
        MAZHUANG: (MAZHUANG, Reason.DIVISION_ALIAS),
        "320305005": ("320305005000", Reason.DIVISION_PADDED),
        "320305": ("320305000000", Reason.DIVISION_PADDED),
        "3203": (None, Reason.DIVISION_UNKNOWN),
    }
    assert read_values("division_code", written) == [expected[head] for head, _ in drawn]


@pytest.mark.parametrize("empty", [None, "", "\u3000 "])
def test_a_required_cell_without_a_value_is_refused(empty: str | None) -> None:
    found = read([column("text", required=True)], {"x": [empty]})
    assert found.issues == {(1, "x"): (Reason.REQUIRED_MISSING, Outcome.REFUSED, empty, None)}
