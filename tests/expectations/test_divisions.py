"""Division codes, against real ones of Jiangsu and forms that none has."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.contracts import load_contracts
from tests.expectations.one import failing_values

KIND = "expect_column_values_to_be_division_codes"
LEVELS = ["province", "prefecture", "county", "town", "village"]
OF_LEVEL = {
    "province": "320000000000",
    "prefecture": "320300000000",
    "county": "320371000000",  # a development zone, which GB/T 2260 does not have
    "town": "320305005000",
    "village": "320305005204",  # 马庄
}
VIRTUAL = "320305401598"
NONE = [
    "",
    "32030500520",
    "3203050052040",
    "320305005 04",
    "３２０３０５００５２０４",
    "000305005204",
    "320005005204",
    "320300005204",
    "320305000204",
    "320305005600",
    "320305600204",
    "32030500520X",
]


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_takes_its_own_codes_and_no_others(tmp_path: Path, level: str) -> None:
    values = [*OF_LEVEL.values(), VIRTUAL, None]
    own = {OF_LEVEL[level], *([VIRTUAL] if level == "village" else [])}
    assert failing_values(tmp_path, values, KIND, levels=[level]) == [v for v in values if v and v not in own]


def test_what_no_level_has(tmp_path: Path) -> None:
    assert failing_values(tmp_path, [*OF_LEVEL.values(), *NONE], KIND, levels=LEVELS) == NONE


def test_every_code_of_the_list_has_the_form(tmp_path: Path) -> None:
    assert failing_values(tmp_path, list(load_contracts().codelists["division"].titles), KIND, levels=LEVELS) == []
