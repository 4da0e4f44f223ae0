"""Numbers are valid by rules written out here again, and nobody can have them."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples.codes import credit_codes, resident_ids, to_fifteen

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def id_is_valid(number: str) -> bool:
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(number[:17]))
    return (total + (10 if number[17] == "X" else int(number[17]))) % 11 == 1


def credit_is_valid(code: str) -> bool:
    total = sum(ALPHABET.index(mark) * pow(3, place, 31) for place, mark in enumerate(code))
    return ALPHABET.index(code[17]) == (31 - (total - ALPHABET.index(code[17]) * pow(3, 17, 31)) % 31) % 31


def organisation_is_valid(code: str) -> bool:
    values = [ord(mark) - 55 if mark.isalpha() else int(mark) for mark in code[:8]]
    check = 11 - sum(v * w for v, w in zip(values, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
    return code[8] == {10: "X", 11: "0"}.get(check, str(check))


def test_the_rules_agree_with_published_numbers():
    assert id_is_valid("11010519491231002X")
    assert credit_is_valid("91110000600037341L")
    assert organisation_is_valid("D2143569X")
    assert organisation_is_valid("000014234")
    assert to_fifteen("320106195511120022") == "320106551112002"


@given(st.lists(st.tuples(st.integers(-25_000, 20_700), st.booleans()), min_size=1, max_size=60))
def test_resident_ids_are_valid_unique_and_tell_birth_and_sex(people):
    birth = np.array([day for day, _ in people])
    male = np.array([sex for _, sex in people])
    numbers = resident_ids(np.full(len(people), 320372), birth, male).to_pylist()
    assert len(set(numbers)) == len(numbers)
    for number, day, sex in zip(numbers, birth, male, strict=True):
        assert re.fullmatch(r"320372\d{11}[\dX]", number)
        assert id_is_valid(number)
        assert number[6:14] == str(np.datetime64(int(day), "D")).replace("-", "")
        assert int(number[16]) % 2 == int(sex)
        assert not number.endswith("000")
        assert int(number[14:17]) not in (0, 996, 997, 998, 999)


def test_two_counties_with_one_prefix_share_its_sequences():
    birth, male = np.zeros(200, dtype=np.int64), np.arange(200) % 2 == 0
    halves = [set(resident_ids(np.full(200, 320372), birth, male, share=share).to_pylist()) for share in (0, 1)]
    assert not halves[0] & halves[1]


def test_too_many_births_on_one_day_are_refused():
    with pytest.raises(ValueError, match="births of one sex on one day"):
        resident_ids(np.full(600, 320372), np.zeros(600, dtype=np.int64), np.ones(600, dtype=np.bool_))


@given(st.lists(st.integers(0, 31**6 - 1), min_size=1, max_size=40, unique=True), st.sampled_from(["91", "52", "93"]))
def test_credit_codes_are_valid_with_a_valid_organisation_code_inside(serials, register):
    codes = credit_codes(pa.array([register] * len(serials)), "320305", np.array(serials)).to_pylist()
    assert len(set(codes)) == len(codes)
    for code in codes:
        assert code.startswith(f"{register}320305MY")
        assert credit_is_valid(code)
        assert organisation_is_valid(code[8:17])
