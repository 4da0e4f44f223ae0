"""The figures of the READMEs are the output of the command that measures them, kept in docs/figures/."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.settings import ROOT
from tests.docs.test_pages import TEXTS, tables

MEASURED = json.loads((ROOT / "docs" / "figures" / "quality.json").read_text(encoding="utf-8"))


def percent(share: float) -> str:
    """A share to a hundredth of a percent, cut and not rounded: 99.999 is not 100."""
    return f"{int(share * 10_000 + 1e-6) / 100:g} %"


def row(rate: dict[str, Any]) -> list[str]:
    pairs = [
        f"{percent(rate[kind]['precision'])}, {percent(rate[kind]['recall'])}" for kind in ("with_id", "without_id")
    ]
    shares = [percent(rate["village_assignment"]), percent(rate["survivorship"])]
    lost = f"{rate['unaccounted_faults']} / {rate['seeded']:,}"
    return [
        percent(rate["faults"]),
        f"{MEASURED['people']:,}",
        *pairs,
        *shares,
        lost,
        percent(rate["second_month"]["same_key"]),
    ]


@pytest.mark.parametrize(("page", "head"), [("README.md", "| faulty rows |"), ("README.zh-CN.md", "| 差错比例 |")])
def test_figures_are_those_that_were_measured(page: str, head: str) -> None:
    assert tables(page, head) == [row(rate) for rate in MEASURED["rates"]]


def test_cutting_never_flatters() -> None:
    assert [percent(share) for share in (1.0, 0.99999, 0.995, 0.05)] == ["100 %", "99.99 %", "99.5 %", "5 %"]


@pytest.mark.parametrize(("page", "told"), [("README.md", "about {} minutes;"), ("README.zh-CN.md", "约{}分钟；")])
def test_minutes_of_the_tests_are_those_of_the_figures(page: str, told: str) -> None:
    (minutes,) = (row[1].removesuffix(" min") for row in tables("docs/figures.md", "| what |") if row[0] == "all tests")
    (line,) = (line for line in TEXTS[page].splitlines() if line.startswith("make test "))
    assert told.format(minutes) in line
