"""Resident IDs and credit codes, against vectors of the standards and a second computation in Python."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa

from tests.expectations.one import AS_OF, failing, failing_values

GOOD_IDS = ["11010519491231002X", "320106195511120022", None]
BAD_IDS = [
    "110105194912310021",  # check digit
    "11010519490231002X",  # 31 February
    "11010519491231002x",
    "11010519491231002",
    "11010519491231002XX",
    "１１０１０５19491231002X",
    "A1010519491231002X",
    "",
]
GOOD_CODES = [
    "91110000600037341L",
    "91320106MA1TE5T186",
    "92320585MA1ABCD2XF",
    "5232010650912345XT",
    "54320305ME000001XQ",
    "N2320305MF0000013Y",
    "113200000140000016",
    None,
]
BAD_CODES = ["91110000600037341M", "91110000600037341", "9111000060003734IL", "91110000600037341l", ""]


def python_check_digit(first_17: str) -> str:
    weights = [2 ** (17 - place) % 11 for place in range(17)]
    return "10X98765432"[sum(int(digit) * weight for digit, weight in zip(first_17, weights, strict=True)) % 11]


def python_check_character(first_17: str) -> str:
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(alphabet.index(character) * 3**place for place, character in enumerate(first_17))
    return alphabet[-total % 31]


def test_resident_ids_of_the_standard(tmp_path: Path) -> None:
    found = failing_values(tmp_path, GOOD_IDS + BAD_IDS, "expect_column_values_to_be_resident_ids")
    assert found == BAD_IDS


def test_resident_ids_agree_with_a_second_computation(tmp_path: Path) -> None:
    chance = random.Random(1)  # noqa: S311
    heads = [f"320305{chance.randint(1930, 2020)}0{chance.randint(1, 9)}1{chance.randint(0, 9)}" for _ in range(2000)]
    numbers = [f"{head}{chance.randint(0, 999):03d}{chance.choice('0123456789X')}" for head in heads]
    wrong = [number for number in numbers if python_check_digit(number[:17]) != number[17]]
    assert 0 < len(wrong) < len(numbers)
    assert failing_values(tmp_path, numbers, "expect_column_values_to_be_resident_ids") == wrong


def test_other_documents_are_left_alone(tmp_path: Path) -> None:
    table = pa.table({"kind": ["111", "111", "414", None], "value": ["11010519491231002X", "E1", "E12345678", "?"]})
    found = failing(tmp_path, table, "expect_column_values_to_be_resident_ids", column="value", only_if="kind = '111'")
    assert found == [1]


def test_credit_codes_of_the_standard(tmp_path: Path) -> None:
    assert failing_values(tmp_path, GOOD_CODES + BAD_CODES, "expect_column_values_to_be_credit_codes") == BAD_CODES


def test_credit_codes_agree_with_a_second_computation(tmp_path: Path) -> None:
    chance = random.Random(2)  # noqa: S311
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    codes = ["".join(chance.choices(alphabet, k=18)) for _ in range(2000)]
    codes += [code[:17] + python_check_character(code[:17]) for code in codes[:200]]
    wrong = [code for code in codes if python_check_character(code[:17]) != code[17]]
    assert failing_values(tmp_path, codes, "expect_column_values_to_be_credit_codes") == wrong


def test_ages_are_completed_years(tmp_path: Path) -> None:
    eighty_today, eighty_tomorrow = "32030519461101001X", "320305194611020010"
    values = [eighty_today, eighty_tomorrow, "320305199001010010", "no number", None]
    found = failing_values(
        tmp_path, values, "expect_resident_id_ages_to_be_between", min_age=80, as_of=AS_OF.isoformat()
    )
    assert found == [eighty_tomorrow, "320305199001010010"]


def test_the_day_of_an_age_may_be_the_day_of_the_run(tmp_path: Path) -> None:
    values = ["32030519461101001X", "320305194611020010"]
    found = failing_values(
        tmp_path, values, "expect_resident_id_ages_to_be_between", min_age=80, as_of={"$PARAMETER": "as_of"}
    )
    assert found == values[1:]
