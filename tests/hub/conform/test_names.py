"""Persons' names: blanks, dots and code points are repaired, variants of characters are for comparison alone."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import duckdb
import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.conform.names import VARIANTS, comparable, comparable_sql
from hub.contracts import load_contracts
from hub.reasons import Outcome, Reason
from tests.hub.conform.reading import CODELISTS, agrees, column, read, read_values, reader

LISTED = load_contracts().codelists[VARIANTS]
PRIVATE = {variant: own for variant, own in LISTED.titles.items() if unicodedata.category(variant) == "Co"}


def all_compared(names: list[str | None]) -> list[str | None]:
    listed = "SELECT unnest(?::VARCHAR[]) AS n"
    return [
        row[0] for row in duckdb.execute(f"SELECT {comparable_sql('n', LISTED)} FROM ({listed})", [names]).fetchall()
    ]


def compared(name: str | None) -> str | None:
    return all_compared([name])[0]


def test_person_names() -> None:
    agrees(
        "person_name",
        {
            "张三": ("张三", None),
            " 张三\u3000": ("张三", None),
            "张\u3000三": ("张三", Reason.NAME_SPACES),
            "张 三": ("张三", Reason.NAME_SPACES),
            "阿依古丽·买买提": ("阿依古丽·买买提", None),
            "阿依古丽•买买提": ("阿依古丽·买买提", Reason.NAME_DOT),
            "阿依古丽．买买提": ("阿依古丽·买买提", Reason.NAME_DOT),
            "阿依古丽.买买提": ("阿依古丽·买买提", Reason.NAME_DOT),
            "阿依古丽・买买提": ("阿依古丽·买买提", Reason.NAME_DOT),
            "阿依古丽 ． 买买提": ("阿依古丽·买买提", Reason.NAME_SPACES),
            "武〇": ("武〇", None),
            "JOHN SMITH": ("JOHN SMITH", None),
            "John  Q. O'Brien-Smith": ("John Q. O'Brien-Smith", Reason.NAME_SPACES),
            "张三1": (None, Reason.NAME_CHARSET),
            "张三１": (None, Reason.NAME_CHARSET),
            "张?": (None, Reason.NAME_CHARSET),
            "张*": (None, Reason.NAME_CHARSET),
            "张三(亡)": (None, Reason.NAME_CHARSET),
            "张三（亡）": (None, Reason.NAME_CHARSET),
            "张\ufffd": (None, Reason.NAME_CHARSET),
            "·": (None, Reason.NAME_CHARSET),
            "": (None, None),
            None: (None, None),
        },
    )


def test_second_numbers_of_a_character_become_its_own() -> None:
    agrees(
        "person_name",
        {
            "𬭸\ue863": ("𬭸䶮", Reason.NAME_CODE_POINT),
            "\u2f42三": ("文三", Reason.NAME_CODE_POINT),
            "李\uf98e": ("李年", Reason.NAME_CODE_POINT),
            "李\U0002f800": ("李丽", Reason.NAME_CODE_POINT),
            "李 \ue863": ("李䶮", Reason.NAME_CODE_POINT),
        },
    )


def test_what_has_no_character_is_kept_and_told() -> None:
    for odd in ("\ue000", "\uf8ff", "\U000f0000", "☺"):
        found = read([column("person_name")], {"x": [f"李{odd}"]})
        assert found.rows[1]["x"] == f"李{odd}"
        assert found.issues == {(1, "x"): (Reason.NAME_PRIVATE_USE, Outcome.WARNED, f"李{odd}", f"李{odd}")}


def test_rare_characters_are_no_private_ones() -> None:
    names = ["李㳇", "李㛃", "李𬭸", "李𰻝", "李\U0003134a", "ཀརྨ", "米娜瓦尔"]
    assert read_values("person_name", names) == [(name, None) for name in names]


def test_variants_stay_as_the_person_is_registered() -> None:
    names = ["呂秀雲", "吳黃陳張", "李峯", "眞理"]
    assert read_values("person_name", names) == [(name, None) for name in names]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("呂秀雲", "吕秀云"), ("吳黃陳張劉", "吴黄陈张刘"), ("楊趙馬孫鄭", "杨赵马孙郑"), ("李峯", "李峰")),
        *(("葉蕭龔嚴韓", "叶萧龚严韩"), ("李\ue863", "李䶮"), ("眞理", "真理"), (None, None), ("张三", "张三")),
    ],
)
def test_variants_are_one_name_where_names_are_compared(one: str | None, other: str | None) -> None:
    assert compared(one) == compared(other)


@pytest.mark.parametrize(
    ("one", "other"), [("於一", "于一"), ("李昇", "李升"), ("李后", "李後"), ("范一", "範一"), ("李喆", "李哲")]
)
def test_other_characters_stay_other_names(one: str, other: str) -> None:
    assert compared(one) != compared(other)


def test_both_ways_of_comparing_are_one() -> None:
    names = [*LISTED.titles, "张三", "呂秀雲", None]
    table = ibis.memtable({"n": names}, schema={"n": "string"})
    by_expression = table.select(n=comparable(table["n"], LISTED)).to_pyarrow()["n"].to_pylist()
    assert by_expression == all_compared(names)
    assert comparable_sql("n", None) == "n"


def test_the_list_leads_to_standard_characters_and_nowhere_else() -> None:
    assert all(len(variant) == len(standard) == 1 for variant, standard in LISTED.titles.items())
    assert [variant for variant, own in LISTED.titles.items() if own in LISTED.titles and variant not in PRIVATE] == []
    assert len(PRIVATE) == 80
    assert all(unicodedata.category(own)[0] in "LS" for own in PRIVATE.values())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text("吕呂云雲\ue863䶮·• 　李\u2f42文", max_size=8), min_size=1, max_size=60))
def test_repairing_twice_changes_nothing_more(drawn: list[str]) -> None:
    once = [value for value, _ in read_values("person_name", drawn)]
    assert read_values("person_name", once) == [(value, None) for value in once]
    assert all_compared(all_compared(once)) == all_compared(once)


def test_without_the_list_private_characters_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CODELISTS, VARIANTS, replace(LISTED, titles={}))
    reader.cache_clear()
    assert read_values("person_name", ["李䶮\ue863"]) == [("李䶮\ue863", Reason.NAME_PRIVATE_USE)]
    reader.cache_clear()
