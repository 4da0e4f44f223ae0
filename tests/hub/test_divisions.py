"""Divisions over time: chains, splits, cycles, aliases; the shipped crosswalk has no fault."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.contracts import load_contracts
from hub.divisions import (
    Alias,
    DivisionHistory,
    Part,
    Succession,
    division_faults,
    head_of,
    known_keys,
    read_aliases,
    read_history,
    statutory_county,
)
from hub.settings import ROOT

TODAY = dt.date(2026, 11, 1)
A, B, C, D = (f"32030500520{number}" for number in range(1, 5))
HEAD = "code,title,kind,from_code,to_code,share,valid_from,source\n"
ALIASES = "code,title,match,system,alias,division_code,valid_from,valid_to,source\n"


def line(old: str, new: str, since: str = "2024-01-01", share: float = 1.0, kind: str = "absorb") -> Succession:
    return Succession(old, new, share, dt.date.fromisoformat(since), kind, f"{old}并入{new}")


def history(*lines: Succession) -> DivisionHistory:
    return DivisionHistory(lines)


def faults(folder: Path, successors: str = "", aliases: str = "") -> list[str]:
    lists = folder / "schemas" / "codelists"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / "division_successor.csv").write_text(HEAD + successors, encoding="utf-8")
    (lists / "division_alias.csv").write_text(ALIASES + aliases, encoding="utf-8")
    return division_faults(folder, {A, B, C, "320371000000", "320302000000"})


def test_a_division_in_force_stands_for_itself() -> None:
    assert history(line(A, B)).followed(B, TODAY) == (Part(B, 1.0),)


def test_a_chain_is_followed_to_its_end_and_no_further_than_the_day() -> None:
    told = history(line(A, B, "2020-01-01"), line(B, C, "2024-06-01"))
    assert told.followed(A, TODAY) == (Part(C, 1.0),)
    assert told.followed(A, dt.date(2024, 5, 31)) == (Part(B, 1.0),)
    assert told.followed(A, dt.date(2019, 12, 31)) == (Part(A, 1.0),)


def test_a_split_gives_its_parts_with_their_shares_and_a_merger_of_parts_adds_them_up() -> None:
    split = (line(A, B, share=0.25, kind="split"), line(A, C, share=0.75, kind="split"))
    assert history(*split).followed(A, TODAY) == (Part(B, 0.25), Part(C, 0.75))
    assert history(*split, line(B, C, "2025-01-01")).followed(A, TODAY) == (Part(C, 1.0),)


def test_an_abolished_division_stands_for_nothing() -> None:
    assert history(line(A, "", kind="abolish")).followed(A, TODAY) == ()


def test_what_ended_and_what_began() -> None:
    told = history(line(A, B, kind="absorb"), line(C, D, "2025-03-01", kind="recode"))
    assert told.ended(TODAY) == {A: dt.date(2024, 1, 1), C: dt.date(2025, 3, 1)}
    assert told.ended(dt.date(2025, 2, 28)) == {A: dt.date(2024, 1, 1)}
    assert told.begun() == {D: dt.date(2025, 3, 1)}
    assert told.told(A, TODAY) == f"{A}并入{B}（2024-01-01起）"
    assert told.told(B, TODAY) == ""


CODES = st.sampled_from([A, B, C, D])


@given(st.lists(st.tuples(CODES, CODES), max_size=8))
def test_following_ends_whatever_the_crosswalk_says(pairs: list[tuple[str, str]]) -> None:
    told = history(*(line(old, new) for old, new in pairs))
    for code in (A, B, C, D):
        assert {part.code for part in told.followed(code, TODAY)} <= {A, B, C, D}


def test_the_shipped_crosswalk_and_aliases_have_no_fault() -> None:
    codes = load_contracts().codelists["division"].titles
    assert division_faults(ROOT, codes) == []
    told = read_history()
    assert [part.code for part in told.followed("320524000000", TODAY)] == ["320506000000", "320507000000"]
    assert told.followed("320524000000", dt.date(1996, 1, 1)) == (Part("320586000000", 1.0),)
    assert all(part.code in codes for one in told.successions for part in told.followed(one.old, TODAY))


def test_a_cycle_is_a_fault_told_once_with_its_line(tmp_path: Path) -> None:
    rows = [f"{old}>{new},t,absorb,{old},{new},1,2024-01-01,s\n" for old, new in ((A, B), (B, C), (C, A))]
    (found,) = faults(tmp_path, "".join(rows))
    assert found == f"schemas/codelists/division_successor.csv:2: a cycle: {A} > {B} > {C} > {A}"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (f"x,t,absorb,{A},{B},1,2024-01-01,s", "its code must be from_code>to_code"),
        (f"{A}>{B},t,eaten,{A},{B},1,2024-01-01,s", "kind 'eaten' is unknown"),
        (f"{A}>{D},t,absorb,{A},{D},1,2024-01-01,s", f"to_code {D} is neither in division.csv"),
        (f"{A}>{B},t,absorb,{A},{B},0.5,2024-01-01,s", f"the shares of {A} do not add up to 1"),
        (f"{A}>{B},t,absorb,{A},{B},1,01.02.2024,s", "a day as YYYY-MM-DD"),
        (f"{A}>{B},t,absorb,{A},{B},2,2024-01-01,s", "share must be above 0 and not above 1"),
        (f"{A}>,t,absorb,{A},,1,2024-01-01,s", "to_code is empty for kind abolish and for no other"),
        (f"{A}>320371000000,t,absorb,{A},320371000000,1,2024-01-01,s", "are of different levels"),
        (f"{A}>{B},t,absorb,{A},{B}", "misses or cannot read"),
    ],
)
def test_every_fault_of_a_line_of_the_crosswalk_is_told(tmp_path: Path, row: str, told: str) -> None:
    found = faults(tmp_path, row + "\n")
    assert len(found) == 1
    assert found[0].startswith("schemas/codelists/division_successor.csv:2: ")
    assert told in found[0]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (f"p:9,t,whole,police,9,{D},,,s", f"police code 9 leads to {D}, which is not in division.csv"),
        ("p:9,t,whole,police,9,,,,s", "police code 9 leads to nothing"),
        (f"p:{B},t,whole,police,{B},{A},,,s", "is itself a division"),
        ("c:1,t,county,statutory_county,320399000000,320371,,,s", "320399000000 is not in division.csv"),
        ("c:1,t,county,statutory_county,320302000000,320379,,,s", "no division begins with 320379"),
        (f"p:9,t,like,police,9,{A},,,s", "match 'like' is unknown"),
        (f"p:9,t,whole,police,9,{A},soon,,s", "a day as YYYY-MM-DD"),
    ],
)
def test_every_fault_of_an_alias_is_told(tmp_path: Path, row: str, told: str) -> None:
    (found,) = faults(tmp_path, aliases=row + "\n")
    assert found.startswith("schemas/codelists/division_alias.csv:2: ")
    assert told in found


def test_an_alias_of_two_divisions_is_a_fault(tmp_path: Path) -> None:
    found = faults(tmp_path, aliases=f"a,t,whole,police,9,{A},,,s\nb,t,whole,police,9,{B},,,s\n")
    assert [text.rpartition(": ")[2] for text in found] == ["police code 9 stands for more than one division"] * 2


def test_keys_are_the_lists_own_codes_and_the_aliases_in_force() -> None:
    aliases = [
        Alias("police", "whole", "P1", A, None, dt.date(2020, 1, 1)),
        Alias("police", "whole", "P2", B, dt.date(2020, 1, 1), None),
        Alias("police", "whole", A, B, None, None),
    ]
    assert known_keys({A, B}, aliases, TODAY) == {A: A, B: B, "P2": B}
    assert known_keys({A}, aliases, dt.date(2019, 1, 1)) == {A: A, "P1": A}


def test_development_zones_belong_to_counties_by_statute() -> None:
    aliases = read_aliases()
    found = [statutory_county(code, aliases, TODAY) for code in ("320371001201", "320371101203", A)]
    assert found == ["320302000000", "320312000000", "320305000000"]


@given(st.sampled_from(["32", "3203", "320305", "320305005", A]))
def test_a_head_is_the_code_without_the_zeros_that_fill_it_up(head: str) -> None:
    assert head_of(head.ljust(12, "0")) == head == head_of(head)
