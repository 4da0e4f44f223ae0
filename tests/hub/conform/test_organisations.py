"""Credit codes, organisation codes and registration numbers: which it is, whether it is right, where it belongs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.reasons import Outcome, Reason
from tests.hub.conform.reading import agrees, column, read, read_values

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
GOOD = (
    *("91110000600037341L", "91320106MA1TE5T186", "92320585MA1ABCD2XF", "5232010650912345XT"),
    *("54320305ME000001XQ", "N2320305MF0000013Y", "113200000140000016"),
)


def organisation_check(body: str) -> str:
    """GB 11714."""
    total = sum(LETTERS.index(mark) * weight for mark, weight in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    return {10: "X", 11: "0"}.get(11 - total % 11, str(11 - total % 11))


def credit_check(body: str) -> str:
    """GB 32100."""
    return ALPHABET[(31 - sum(ALPHABET.index(mark) * 3**place for place, mark in enumerate(body)) % 31) % 31]


organisation_bodies = st.text(ALPHABET, min_size=8, max_size=8)
heads = st.builds(lambda kind, county: kind + county, st.sampled_from(["91", "92", "52", "N2"]), st.just("320305"))


def test_credit_code_vectors() -> None:
    agrees(
        "credit_code",
        {
            **{code: (code, None) for code in GOOD},
            "91110000600037341l": ("91110000600037341L", Reason.CREDIT_CODE_FORMAT),
            "9111 0000 6000 3734 1Ｌ": ("91110000600037341L", Reason.CREDIT_CODE_FORMAT),
            " 91110000600037341L": ("91110000600037341L", None),
            "91110000600037341M": (None, Reason.CREDIT_CODE_CHECK),
            "91110000600037314L": (None, Reason.CREDIT_CODE_CHECK),
            "9111000060003734IL": (None, Reason.CREDIT_CODE_FORMAT),
            # Its own check character is right; that of the organisation code inside would be 5.
            "N2320115MF0000001W": ("N2320115MF0000001W", Reason.CREDIT_CODE_INNER),
            "320305000012345": (None, Reason.CREDIT_CODE_FORMAT),
            None: (None, None),
        },
    )


def test_a_code_with_an_odd_inside_goes_on() -> None:
    found = read([column("credit_code")], {"x": ["N2320115MF0000001W"]})
    assert found.issues[1, "x"][:2] == (Reason.CREDIT_CODE_INNER, Outcome.WARNED)


def test_organisation_code_vectors() -> None:
    agrees(
        "organisation_code",
        {
            "D2143569X": ("D2143569X", None),
            "000014234": ("000014234", None),
            "D2143569-X": ("D2143569X", Reason.CHARACTERS_CLEANED),
            "Ｄ2143569x": ("D2143569X", Reason.CHARACTERS_CLEANED),
            "D21435691": (None, Reason.ORGANISATION_CODE_CHECK),
            "D2143569": (None, Reason.ORGANISATION_CODE_CHECK),
            "91110000600037341L": (None, Reason.ORGANISATION_CODE_CHECK),
            "": (None, None),
            None: (None, None),
        },
    )


def test_registration_numbers_are_written_in_half_width() -> None:
    agrees(
        "registration_no",
        {
            "320305000012345": ("320305000012345", None),
            "３２０３０５０００0１２３４５": ("320305000012345", Reason.CHARACTERS_CLEANED),
            " 3203 0500 0012 345'": ("320305000012345", Reason.CHARACTERS_CLEANED),
            "苏徐12": ("苏徐12", None),
            None: (None, None),
        },
    )


COLUMNS = [
    column("registration_no", "registration_no", physical="no"),
    column("credit_code", "credit_code", physical="code"),
    column("organisation_code", "organisation_code", physical="code"),
]
NAMES = ("credit_code", "organisation_code", "registration_no")


def stated(code: str | None, number: str | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    found = read(COLUMNS, {"code": [code], "no": [number]})
    return tuple(found.rows[1][name] for name in NAMES), {name: issue for (_, name), issue in found.issues.items()}


@pytest.mark.parametrize("code", GOOD)
def test_the_organisation_code_is_told_by_the_credit_code(code: str) -> None:
    assert stated(code) == ((code, code[8:17], None), {})


@pytest.mark.parametrize(("came", "kept"), [("D2143569X", "D2143569X"), ("D2143569-x", "D2143569X")])
def test_an_organisation_code_among_credit_codes_is_moved(came: str, kept: str) -> None:
    values, issues = stated(came, "320305000012345")
    assert values == (None, kept, "320305000012345")
    assert issues == {"credit_code": (Reason.CODE_MOVED, Outcome.REPAIRED, came, None)}


def test_a_registration_number_among_credit_codes_is_moved() -> None:
    values, issues = stated("３20305000012345")
    assert values == (None, None, "320305000012345")
    assert issues == {
        "credit_code": (Reason.CODE_MOVED, Outcome.REPAIRED, "３20305000012345", None),
        "registration_no": (Reason.CODE_MOVED, Outcome.REPAIRED, None, "320305000012345"),
    }


def test_a_stated_registration_number_is_not_replaced() -> None:
    values, issues = stated("3203050000123", "320305000012345")
    assert values == (None, None, "320305000012345")
    assert set(issues) == {"credit_code"}


def test_what_is_none_of_them_is_set_aside() -> None:
    values, issues = stated("D21435691")
    assert values == (None, None, None)
    assert issues == {"credit_code": (Reason.CREDIT_CODE_FORMAT, Outcome.VALUE_SET_ASIDE, "D21435691", None)}


def test_a_key_that_is_another_number_still_takes_its_row() -> None:
    columns = [column("credit_code", "credit_code", physical="code", key=True), COLUMNS[2]]
    found = read(columns, {"code": ["D2143569X"]})
    assert found.rows[1]["organisation_code"] == "D2143569X"
    assert found.issues == {(1, "credit_code"): (Reason.CODE_MOVED, Outcome.REFUSED, "D2143569X", None)}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(heads, organisation_bodies, st.integers(0, 30)), min_size=1, max_size=60))
def test_only_right_check_characters_pass(drawn: list[tuple[str, str, int]]) -> None:
    bodies = [head + body + organisation_check(body) for head, body, _ in drawn]
    bodies = [body if set(body) <= set(ALPHABET) else f"{body[:16]}0" for body in bodies]
    codes = [body + ALPHABET[place] for body, (_, _, place) in zip(bodies, drawn, strict=True)]
    for code, (value, rule) in zip(codes, read_values("credit_code", codes), strict=True):
        if code[-1] != credit_check(code[:17]):
            assert (value, rule) == (None, Reason.CREDIT_CODE_CHECK)
            continue
        assert value == code
        assert (rule is None) == (code[16] == organisation_check(code[8:16]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.text(LETTERS, min_size=8, max_size=8), st.sampled_from("0123456789X")), min_size=1))
def test_organisation_codes_by_their_standard(drawn: list[tuple[str, str]]) -> None:
    codes = [body + check for body, check in drawn]
    for code, (value, rule) in zip(codes, read_values("organisation_code", codes), strict=True):
        right = code[-1] == organisation_check(code[:8])
        assert (value, rule) == ((code, None) if right else (None, Reason.ORGANISATION_CODE_CHECK))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text("0123456789０１ -'", min_size=1, max_size=20), min_size=1, max_size=60))
def test_registration_numbers_lose_nothing_but_signs(drawn: list[str]) -> None:
    bare = [text.translate(str.maketrans("０１", "01", " -'")) or None for text in drawn]
    assert [value for value, _ in read_values("registration_no", drawn)] == bare
