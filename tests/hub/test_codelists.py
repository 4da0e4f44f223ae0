"""The code lists of standards: whole, with their number and the day they came into force."""

from __future__ import annotations

import csv
import re
from collections import Counter
from datetime import date

import pytest
import yaml

from hub.contracts import load_contracts
from hub.settings import ROOT

FOLDER = ROOT / "schemas" / "codelists"
STANDARDS = {
    "sex": ("GB/T 2261.1-2003", "2003-12-01", 4),
    "marital_status": ("GB/T 2261.2-2003", "2003-12-01", 8),
    "education": ("GB/T 4658-2006", "2007-03-01", 40),
    "family_relation": ("GB/T 4761-2008", "2009-01-01", 84),
    "political_status": ("GB/T 4762-1984", "1985-10-01", 13),
    "affiliation": ("GB/T 12404-1997", "1998-03-01", 12),
    "industry": ("GB/T 4754-2017", "2017-10-01", 20 + 97 + 473 + 1381),
}


def lines(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", STANDARDS)
def test_lists_of_standards_are_whole_and_dated(name: str) -> None:
    standard, since, count = STANDARDS[name]
    rows = lines(name)
    assert len({row["code"] for row in rows}) == len(rows) == count
    assert {row["valid_from"] for row in rows} == {since}
    assert all(row["source"].startswith(standard) for row in rows)


def test_peoples_are_those_of_the_standard_and_two_the_police_added() -> None:
    rows = {row["code"]: row for row in lines("ethnicity")}
    standard = [f"{number:02}" for number in range(1, 57)]
    assert list(rows) == [*standard, "97", "98"]
    assert {rows[code]["source"] for code in standard} == {"GB/T 3304-1991"}
    assert {rows[code]["valid_from"] for code in standard} == {"1992-04-01"}
    assert all(rows[code]["source"] != "GB/T 3304-1991" for code in ("97", "98"))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.csv")), ids=lambda path: path.stem)
def test_every_line_has_a_source_and_a_readable_day(path) -> None:
    for row in lines(path.stem):
        assert row.get("source", "there is no such column")
        if row.get("valid_from"):
            assert date.fromisoformat(row["valid_from"]) <= date(2026, 11, 1)


def test_no_spelling_stands_for_two_codes() -> None:
    for name in (*STANDARDS, "ethnicity", "id_type"):
        spelled = Counter(text for row in lines(name) for text in row["synonyms"].split("|") if text)
        assert [text for text, times in spelled.items() if times > 1] == []
        titles = {row["title"]: row["code"] for row in lines(name)}
        assert {text for text in spelled if text in titles} == set()


def test_industries_are_a_tree_of_four_levels() -> None:
    codes = load_contracts().codelists["industry"].titles
    levels = Counter("section" if code.isalpha() else len(code) for code in codes)
    assert levels == {"section": 20, 2: 97, 3: 473, 4: 1381}
    assert all(code[:-1] in codes for code in codes if len(code) > 2)
    sections = {
        row["code"]: row["synonyms"].split("|")[0][:1] for row in lines("industry") if not row["code"].isalpha()
    }
    assert set(sections.values()) == set("ABCDEFGHIJKLMNOPQRST")
    assert all(sections[code] == sections[code[:2]] for code in sections)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *(
            ("F", "F"),
            ("F52", "52"),
            ("52", "52"),
            ("F529", "529"),
            ("529", "529"),
            ("5292", "5292"),
            ("F5292", "5292"),
        ),
        *(("6010", "6010"), ("邮政基本服务", "6010"), ("互联网零售", "5292"), ("零售业", "52"), ("诊所", "8425")),
        # Where a group has but one class the title is both, and the class says more.
        ("金属废料和碎屑加工处理", "4210"),
    ],
)
def test_industries_of_every_level_are_read(written: str, code: str) -> None:
    assert load_contracts().codelists["industry"].readings[written] == code


def test_every_industry_the_hub_reckons_with_is_in_the_list() -> None:
    codes = load_contracts().codelists["industry"].titles
    contract = yaml.safe_load((ROOT / "schemas/base/indicator.yml").read_text(encoding="utf-8"))
    (circle,) = (one["value"] for one in contract["customProperties"] if one["property"] == "circle")
    named = {code for kinds in circle["business_types"].values() for code in kinds}
    assert named
    assert named <= set(codes)


def test_documents_have_the_types_that_numbers_tell() -> None:
    assert {"111", "414", "511", "516", "553", "hmt_residence_permit"} == set(
        load_contracts().codelists["id_type"].titles
    )


def test_relations_have_both_digits() -> None:
    assert all(re.fullmatch("[0-9]{2}", row["code"]) for row in lines("family_relation"))
    readings = load_contracts().codelists["family_relation"].readings
    assert {word: readings[word] for word in ("儿媳", "女婿", "父", "孙女", "外婆", "户主")} == {
        "儿媳": "38",
        "女婿": "28",
        "父": "51",
        "孙女": "42",
        "外婆": "64",
        "户主": "02",
    }
