"""Resident IDs, other documents and certificates, against the standards' own arithmetic."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.reasons import Outcome, Reason
from tests.hub.conform.reading import AS_OF, agrees, column, read, read_values

WEIGHTS = [2 ** (18 - place) % 11 for place in range(1, 18)]
FULL_WIDTH = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
GOOD = "11010519491231002X"


def check_digit(body: str) -> str:
    return "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True)) % 11]


bodies = st.builds(
    lambda county, born, sequence: f"{county}{born:%Y%m%d}{sequence:03d}",
    st.sampled_from(["320371", "320102", "110105", "320506"]),
    st.dates(dt.date(1907, 1, 1), AS_OF),
    st.integers(0, 999),
)


def test_resident_id_vectors() -> None:
    agrees(
        "resident_id",
        {
            GOOD: (GOOD, None),
            # A county code that was made long after the holder's birth, which is normal.
            "320102195511120027": ("320102195511120027", None),
            "320106551112002": ("320106195511120022", Reason.ID_UPGRADED_15),
            "11010519491231002x": (GOOD, Reason.ID_LOWER_X),
            GOOD.translate(FULL_WIDTH): (GOOD, Reason.ID_FULL_WIDTH),
            " 110105 19491231 002X": (GOOD, Reason.ID_SPACES),
            "\u3000" + GOOD: (GOOD, Reason.ID_SPACES),
            "'" + GOOD: (GOOD, Reason.ID_SPACES),
            "’" + GOOD: (GOOD, Reason.ID_SPACES),
            GOOD + "*": (GOOD, Reason.ID_SPACES),
            GOOD + "** ": (GOOD, Reason.ID_SPACES),
            "３２０１０６５５１１１２００２": ("320106195511120022", Reason.ID_FULL_WIDTH),
            "110105194912310021": (None, Reason.ID_CHECK_DIGIT),
            "320106551112996": (None, Reason.ID_CENTENARIAN_15),
            "1.10105E+17": (None, Reason.ID_EXCEL_TRUNCATED),
            "110105194912310000": (None, Reason.ID_EXCEL_TRUNCATED),
            "11010519491231": (None, Reason.ID_LENGTH),
            "3203**********0011": (None, Reason.ID_CHARSET),
            "11010519491231X021": (None, Reason.ID_CHARSET),
            "不详": (None, Reason.ID_LENGTH),
            "11010519490231002X": (None, Reason.ID_DATE),
            "320106551332002": (None, Reason.ID_DATE),
            "": (None, None),
            " ": (None, None),
            None: (None, None),
        },
    )


def test_id_that_ends_in_000_by_right_is_kept() -> None:
    days = (dt.date(1950, 1, 1) + dt.timedelta(days=past) for past in range(100))
    body = next(body for day in days if check_digit(body := f"320371{day:%Y%m%d}100") == "0")
    assert read_values("resident_id", [body + "0"]) == [(body + "0", None)]


def test_age_limits_follow_the_day_the_hub_reckons_on() -> None:
    def made(born: dt.date) -> str:
        body = f"320371{born:%Y%m%d}001"
        return body + check_digit(body)

    oldest, too_old = made(dt.date(1905, 11, 2)), made(dt.date(1905, 11, 1))
    today, tomorrow = made(AS_OF), made(AS_OF + dt.timedelta(days=1))
    agrees(
        "resident_id",
        {
            oldest: (oldest, None),
            too_old: (None, Reason.ID_DATE),
            today: (today, None),
            tomorrow: (None, Reason.ID_DATE),
        },
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(bodies, st.integers(0, 10)), min_size=1, max_size=80))
def test_only_the_right_check_digit_passes(drawn: list[tuple[str, int]]) -> None:
    numbers = [body + "10X98765432"[place] for body, place in drawn]
    for number, (value, rule) in zip(numbers, read_values("resident_id", numbers), strict=True):
        if number[-1] == check_digit(number[:17]):
            assert (value, rule) == (number, None)
        else:
            truncated = number.endswith("000")
            assert (value, rule) == (None, Reason.ID_EXCEL_TRUNCATED if truncated else Reason.ID_CHECK_DIGIT)


@settings(max_examples=25, deadline=None)
@given(st.lists(bodies.filter(lambda body: body[6:8] == "19" and body[14:] < "996"), min_size=1, max_size=80))
def test_fifteen_digits_become_the_same_persons_eighteen(drawn: list[str]) -> None:
    short = [body[:6] + body[8:] for body in drawn]
    whole = [body + check_digit(body) for body in drawn]
    assert read_values("resident_id", short) == [(number, Reason.ID_UPGRADED_15) for number in whole]
    assert read_values("resident_id", [number.translate(FULL_WIDTH) for number in whole]) == [
        (number, Reason.ID_FULL_WIDTH) for number in whole
    ]


def test_the_original_is_kept_to_the_letter() -> None:
    spoiled = " '11010519491231002x* "
    assert read([column("resident_id")], {"x": [spoiled]}).issues == {
        (1, "x"): (Reason.ID_SPACES, Outcome.REPAIRED, spoiled, GOOD)
    }


@pytest.mark.parametrize(
    ("options", "outcome"),
    [({}, Outcome.VALUE_SET_ASIDE), ({"required": True}, Outcome.REFUSED), ({"key": True}, Outcome.REFUSED)],
)
def test_what_becomes_of_an_unreadable_value(options: dict[str, Any], outcome: Outcome) -> None:
    found = read([column("resident_id", **options)], {"x": ["不详"]})
    assert found.issues == {(1, "x"): (Reason.ID_LENGTH, outcome, "不详", None)}


TYPED = [column("code", "id_type_code", codelist="id_type"), column("identity_document", "id_number")]
PERMIT = "hmt_residence_permit"


def documents(cases: Sequence[tuple[str | None, str | None]]) -> list[tuple[Any, str | None, Any, str | None]]:
    """Type, its rule, number and its rule of each document."""
    found = read(TYPED, {"id_type_code": [case[0] for case in cases], "id_number": [case[1] for case in cases]})
    told = []
    for place, row in found.rows.items():
        rules = [found.issues.get((place, name), (None,))[0] for name in ("id_type_code", "id_number")]
        told.append((row["id_type_code"], rules[0], row["id_number"], rules[1]))
    return told


def with_check(body: str) -> str:
    return body + check_digit(body)


PERMIT_NUMBER = with_check("81000019810203001")
FOREIGN_NUMBER = with_check("91115619810203001")


def test_other_documents_have_a_rule_of_their_own() -> None:
    cases = [
        ("111", "11010519491231002x", GOOD, Reason.ID_LOWER_X),
        ("414", "E12345678", "E12345678", None),
        ("护照", "e 1234５678", "E12345678", Reason.CHARACTERS_CLEANED),
        ("414", "123", None, Reason.DOCUMENT_FORMAT),
        ("414", "E-1234567", None, Reason.DOCUMENT_FORMAT),
        ("111", "E12345678", None, Reason.ID_LENGTH),
        (PERMIT, PERMIT_NUMBER, PERMIT_NUMBER, None),
        (PERMIT, "810000198102030019", None, Reason.ID_CHECK_DIGIT),
        # Whether the new card of foreigners has the same check digit is not known for sure.
        ("553", "911156198102030019", "911156198102030019", None),
    ]
    assert [told[2:] for told in documents([case[:2] for case in cases])] == [case[2:] for case in cases]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        *(
            (GOOD, "111"),
            ("320106551112002", "111"),
            (PERMIT_NUMBER, PERMIT),
            (with_check("83000019810203002"), PERMIT),
        ),
        *((FOREIGN_NUMBER, "553"), ("USA110181020301", "553"), ("E12345678", "414"), ("EA1234567", "414")),
        *(("G12345678", "414"), ("PE1234567", "414"), ("H12345678", "516"), ("M1234567801", "516")),
        # Taiwan's permit has 8 digits, and so have many passports; Macao's has M, and so has Korea's passport.
        *(("12345678", None), ("M12345678", None), ("AB1234567", None)),
    ],
)
def test_the_number_tells_a_type_that_is_not_stated(number: str, kind: str | None) -> None:
    rule = Reason.ID_TYPE_FROM_NUMBER if kind else None
    ((found, told, value, _),) = documents([(None, number)])
    assert (found, told) == (kind, rule)
    assert value is not None


def test_a_type_nobody_knows_is_told_by_the_number() -> None:
    assert documents([("居民", GOOD), ("居民", "12345678")]) == [
        ("111", Reason.ID_TYPE_FROM_NUMBER, GOOD, None),
        (None, Reason.CODE_UNKNOWN, "12345678", None),
    ]


def test_a_type_that_contradicts_the_number_is_kept_and_told() -> None:
    cases = [("111", PERMIT_NUMBER), ("414", GOOD), ("111", FOREIGN_NUMBER), (PERMIT, GOOD), ("516", "USA110181020301")]
    assert [told[:3] for told in documents(cases)] == [(kind, Reason.ID_TYPE_DIFFERS, number) for kind, number in cases]
    found = read(TYPED, {"id_type_code": ["414"], "id_number": [GOOD]})
    assert found.issues == {(1, "id_type_code"): (Reason.ID_TYPE_DIFFERS, Outcome.WARNED, "414", "414")}
    # A passport's number proves nothing: many countries have numbers like ours.
    assert documents([("414", "H12345678")]) == [("414", None, "H12345678", None)]


def test_a_column_of_resident_ids_tells_those_that_are_none() -> None:
    found = read([column("resident_id")], {"x": [PERMIT_NUMBER, FOREIGN_NUMBER, GOOD]})
    assert [row["x"] for row in found.rows.values()] == [PERMIT_NUMBER, FOREIGN_NUMBER, GOOD]
    told = {place: issue[:2] for place, issue in found.issues.items()}
    assert told == dict.fromkeys([(1, "x"), (2, "x")], (Reason.ID_TYPE_DIFFERS, Outcome.WARNED))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(bodies, st.sampled_from(["", "81", "82", "83", "9"])), min_size=1, max_size=60))
def test_every_valid_number_has_just_one_type(drawn: list[tuple[str, str]]) -> None:
    def headed(body: str, head: str) -> str:
        return body if not head else head.ljust(6, "0") + body[6:]

    numbers = [with_check(headed(*one)) for one in drawn]
    kinds = [{"": "111", "9": "553"}.get(head, PERMIT) for _, head in drawn]
    told = documents([(None, number) for number in numbers])
    assert [one[:3] for one in told] == [
        (kind, Reason.ID_TYPE_FROM_NUMBER, number) for kind, number in zip(kinds, numbers, strict=True)
    ]
    stated = documents(list(zip(kinds, numbers, strict=True)))
    assert stated == [(kind, None, number, None) for kind, number in zip(kinds, numbers, strict=True)]


def test_a_good_id_wins_over_what_is_stated_beside_it() -> None:
    columns = [
        column("resident_id", "id_number"),
        column("date", "birth_date", "date"),
        column("code", "sex_code", codelist="sex"),
    ]
    born = dt.date(1949, 12, 31)
    taken = (Reason.DATE_FROM_ID, Outcome.REPAIRED)
    cases: list[tuple[str | None, str | None, Any, tuple[Any, ...] | None]] = [
        (GOOD, "19491231", born, None),
        (GOOD, "1949/12/31", born, (Reason.DATE_FORMAT, Outcome.REPAIRED, "1949/12/31", "1949-12-31")),
        (GOOD, "19500101", born, (*taken, "19500101", "1949-12-31")),
        (GOOD, "00000000", born, (*taken, "00000000", "1949-12-31")),
        (GOOD, None, born, (*taken, None, "1949-12-31")),
        ("不详", "19500101", dt.date(1950, 1, 1), None),
        (None, "19500101", dt.date(1950, 1, 1), None),
    ]
    found = read(
        columns,
        {
            "id_number": [case[0] for case in cases],
            "birth_date": [case[1] for case in cases],
            "sex_code": ["女", "1", "7", None, "2", "1", None],
        },
    )
    for place, (_, _, value, issue) in enumerate(cases, 1):
        assert found.rows[place]["birth_date"] == value
        assert found.issues.get((place, "birth_date")) == issue
    assert [row["sex_code"] for row in found.rows.values()] == ["2", "2", "2", "2", "2", "1", None]
    assert [found.issues.get((place, "sex_code"), (None,))[0] for place in found.rows] == [
        Reason.CODE_FROM_LABEL, Reason.SEX_FROM_ID, Reason.SEX_FROM_ID, Reason.SEX_FROM_ID, None, None, None,
    ]  # fmt: skip


def test_disability_certificate_and_the_id_inside_it() -> None:
    columns = [
        column("disability_certificate", "certificate_no", physical="no", required=True),
        column("disability_certificate_id", "id_number", physical="no", key=True),
    ]
    cases = [
        (GOOD + "44", GOOD + "44", None, GOOD, None),
        (GOOD + "43B1", GOOD + "43B1", None, GOOD, None),
        ("11010519491231002x44", GOOD + "44", Reason.CHARACTERS_CLEANED, GOOD, Reason.ID_LOWER_X),
        ("11010519491231002144", "11010519491231002144", None, None, Reason.ID_CHECK_DIGIT),
        (GOOD + "84", None, Reason.CERTIFICATE_FORMAT, GOOD, None),
        (GOOD, None, Reason.CERTIFICATE_FORMAT, GOOD, None),
        ("32010655111200244", None, Reason.CERTIFICATE_FORMAT, None, Reason.ID_LENGTH),
        ("11010519491231000000", None, Reason.CERTIFICATE_FORMAT, None, Reason.ID_EXCEL_TRUNCATED),
    ]
    found = read(columns, {"no": [case[0] for case in cases]})
    for place, case in enumerate(cases, 1):
        rules = [found.issues.get((place, name), (None,))[0] for name in ("certificate_no", "id_number")]
        row = found.rows[place]
        assert (case[0], row["certificate_no"], rules[0], row["id_number"], rules[1]) == case
