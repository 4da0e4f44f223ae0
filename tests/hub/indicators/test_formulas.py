"""What indicators are made of: the shipped ones have no fault, and every fault is told with its line."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.contracts import Contracts, load_contracts
from hub.indicators.formulas import circle_of, formulas, indicator_faults, measure_names, measures_of
from hub.settings import ROOT

LIST = Path("schemas/codelists/indicator.csv")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for file in (LIST, Path("schemas/base/indicator.yml")):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, tmp_path / file)
    return tmp_path


def contracts(root: Path, **measures: str) -> Contracts:
    shipped = load_contracts()
    own = shipped.base["indicator"]
    properties: dict[str, Any] = {**own.properties, "measures": {**measures_of(), **measures}}
    return replace(shipped, root=root, base={**shipped.base, "indicator": replace(own, properties=properties)})


def test_the_shipped_indicators_have_no_fault() -> None:
    assert indicator_faults(load_contracts()) == []


def test_every_indicator_has_title_unit_topic_and_clause() -> None:
    found = formulas()
    assert len({one.code for one in found}) == len(found) >= 40
    assert all(one.title and one.unit and one.topic and one.clause and one.scale > 0 for one in found)
    assert all(not one.is_persons or one.denominator for one in found), "a share of people is a share of something"


def test_every_type_of_business_has_its_indicator() -> None:
    named = {one.numerator for one in formulas()}
    assert {f"near_{name}" for name in circle_of().industries} <= named


def test_measures_are_named_by_their_select() -> None:
    assert measure_names(measures_of()["facilities"]) == ["facility_m2", "activity_m2", "workers"]


@pytest.mark.parametrize(
    ("group", "query", "told"),
    [
        ("mine", "SELECT (", "measures mine: is no SQL"),
        ("mine", "DROP TABLE person", "measures mine: must be a SELECT"),
        ("mine", "SELECT division_code, 1 AS mine FROM secrets", "measures mine: reads secrets"),
        ("mine", "SELECT 1 AS mine FROM person", "measures mine: gives no division_code"),
        ("mine", "SELECT division_code, 1 AS residents FROM facility", "measure residents is there before"),
        ("person", "SELECT division_code, 1 AS mine FROM facility", "measures person are called like a base table"),
    ],
)
def test_every_fault_of_a_measure_is_told(root: Path, group: str, query: str, told: str) -> None:
    (found,) = indicator_faults(contracts(root, **{group: query}))
    assert found.startswith("schemas/base/indicator.yml:")
    assert told in found


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("x,题,源,,人口,%,100,nobody,residents,,,", "measure 'nobody' is unknown"),
        ("x,题,源,,人口,%,100,residents,1 +,,,", "'1 +' is no SQL"),
        ("x,题,源,,人口,%,100,,residents,,,", "x has no numerator"),
        ("x,题,源,,人口,%,many,residents,,,,", "misses or cannot read"),
    ],
)
def test_every_fault_of_a_ratio_is_told(root: Path, row: str, told: str) -> None:
    text = (root / LIST).read_text(encoding="utf-8")
    (root / LIST).write_text(f"{text}{row}\n", encoding="utf-8")
    (found,) = indicator_faults(contracts(root))
    assert found.startswith(f"{LIST}:{len(text.splitlines()) + 1}: ")
    assert told in found
