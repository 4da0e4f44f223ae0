"""Telephone numbers: the forms of the numbering plan, and what is typed in where a form demands one."""

from __future__ import annotations

from pathlib import Path

from tests.expectations.one import failing_values

KIND = "expect_column_values_to_be_phone_numbers"

GOOD = ["13912345876", "19900001234", "051683401234", "05168340123", "02583401235", "01062340123", "10012345670", None]
BAD = [
    "13800000000",  # filler
    "11111111111",
    "13801234567",  # a run
    "13987654321",
    "051601234568",  # a local number begins with 2 to 8
    "02501234568",
    "2583401235",  # no area code
    "0258340123",  # too short for its area code
    "1391234587",
    "139123458769",
    "139 1234 5876",
    "+8613912345876",
    "１３９１２３４５８７６",
    "",
]


def test_numbers_of_the_plan_pass_and_fillers_do_not(tmp_path: Path) -> None:
    assert failing_values(tmp_path, [*GOOD, *BAD], KIND) == BAD


def test_a_suite_may_let_only_those_pass_that_are_given_out(tmp_path: Path) -> None:
    values = ["10012345670", "12912345679", "13912345679"]
    assert failing_values(tmp_path, values, KIND, mobile="1[3-9][0-9]{9}") == values[:2]
