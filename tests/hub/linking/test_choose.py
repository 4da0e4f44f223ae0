"""Which pairs are linked: deterministic, one number a person, one row a dataset, people's word above all."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.ledger.decisions import DIFFERENT, SAME
from hub.linking.choose import Chosen, Edge, Left, choose

ROW = Left("a/x|b|1", "a/x", "PROW", has_key=False, may_found=False)
OTHER = Left("a/y|b|1", "a/y", "POTHER", has_key=False, may_found=False)
REGISTER = Left("p/r|b|1", "p/r", "PREGISTER", has_key=False, may_found=True)
Verdicts = Mapping[tuple[str, frozenset[str]], str]


def edge(left: Left, right: str, weight: float = 20.0, probability: float = 0.999, **more: Any) -> Edge:
    values = {"tails": frozenset(), "is_named": True, "why": "person_name+birth_date", **more}
    return Edge(left.ident, right, values["tails"], weight, probability, values["is_named"], values["why"])


def chosen(lefts: list[Left], edges: list[Edge], verdicts: Verdicts | None = None) -> Chosen:
    return choose("person", lefts, edges, verdicts or {})


def said(verdict: str, *keys: str) -> dict[tuple[str, frozenset[str]], str]:
    return {("person", frozenset(keys)): verdict}


def test_a_sure_pair_is_linked_with_what_agrees() -> None:
    found = chosen([ROW], [edge(ROW, "P1")])
    assert found.keys == {ROW.ident: ("P1", "person_name+birth_date")}
    assert found.asked == []


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (edge(ROW, "P1", 3.0, 0.9), "likely, not sure"),
        (edge(ROW, "P1", is_named=False), "a number alone convinces nobody"),
        (edge(ROW, "P1", tails=frozenset({"a/x"})), "the list has that person already"),
    ],
)
def test_people_are_asked(pair: Edge, why: str) -> None:
    found = chosen([ROW], [pair])
    assert found.keys == {}, why
    assert [(one.left, one.right) for one in found.asked] == [("PROW", "P1")]


def test_what_is_unlikely_is_nobodys_question() -> None:
    assert chosen([ROW], [edge(ROW, "P1", -1.0, 0.3)]) == Chosen()


def test_two_partners_hardly_apart_are_left_to_people() -> None:
    found = chosen([ROW], [edge(ROW, "P1", 20.0), edge(ROW, "P2", 18.0)])
    assert found.keys == {}
    assert {one.right for one in found.asked} == {"P1", "P2"}
    assert chosen([ROW], [edge(ROW, "P1", 20.0), edge(ROW, "P2", 12.0)]).keys[ROW.ident][0] == "P1"


def test_one_row_of_a_dataset_a_person_the_surer_one() -> None:
    second = Left("a/x|b|2", "a/x", "PSECOND", has_key=False, may_found=False)
    found = chosen([ROW, second], [edge(ROW, "P1", 20.0), edge(second, "P1", 25.0)])
    assert found.keys == {second.ident: ("P1", "person_name+birth_date")}


def test_rows_of_one_person_nobody_knows_share_the_registers_own_key() -> None:
    found = chosen([ROW, REGISTER], [edge(ROW, REGISTER.ident)])
    assert {key for key, _why in found.keys.values()} == {"PREGISTER"}


def test_a_row_alone_is_somebody_only_where_it_may_be() -> None:
    assert chosen([REGISTER], []).keys == {REGISTER.ident: ("PREGISTER", "record")}
    assert chosen([ROW], []).keys == {}


def test_nobody_is_made_up_while_people_are_asked() -> None:
    found = chosen([REGISTER], [edge(REGISTER, "P1", 3.0, 0.9)])
    assert found.keys == {}
    assert len(found.asked) == 1


def test_links_go_on_over_others() -> None:
    found = chosen([ROW, OTHER], [edge(ROW, OTHER.ident, 30.0), edge(OTHER, "P1", 20.0)])
    assert {key for key, _why in found.keys.values()} == {"P1"}


def test_two_numbers_are_two_people() -> None:
    found = chosen([ROW, OTHER], [edge(ROW, "P1", 30.0), edge(OTHER, "P2", 29.0), edge(ROW, OTHER.ident, 28.0)])
    assert found.keys[ROW.ident][0] == "P1"
    assert found.keys[OTHER.ident][0] == "P2"


def test_people_outrank_the_model_both_ways() -> None:
    assert chosen([ROW], [], said(SAME, "PROW", "P1")).keys == {ROW.ident: ("P1", "decided")}
    denied = chosen([ROW], [edge(ROW, "P1")], said(DIFFERENT, "PROW", "P1"))
    assert denied == Chosen()


def test_a_denied_pair_is_not_joined_over_a_third_row() -> None:
    edges = [edge(ROW, OTHER.ident, 30.0), edge(OTHER, "P1", 20.0)]
    found = chosen([ROW, OTHER], edges, said(DIFFERENT, "PROW", "P1"))
    assert found.keys.get(OTHER.ident, ("",))[0] != "P1" or found.keys.get(ROW.ident, ("",))[0] != "P1"


def test_decisions_about_other_entities_say_nothing() -> None:
    verdicts = {("legal_entity", frozenset({"PROW", "P1"})): DIFFERENT}
    assert chosen([ROW], [edge(ROW, "P1")], verdicts).keys[ROW.ident][0] == "P1"


LEFTS = [Left(f"t{n % 3}/d|b|{n}", f"t{n % 3}/d", f"PL{n}", has_key=n % 4 == 0, may_found=n % 2 == 0) for n in range(6)]
EDGES = st.lists(
    st.builds(
        lambda left, right, weight, probability, named: edge(
            LEFTS[left],
            f"P{right}" if right > 5 or right == left else LEFTS[right].ident,
            float(weight),
            probability,
            is_named=named,
        ),
        st.integers(0, 5),
        st.integers(0, 9),
        st.integers(-5, 40),
        st.sampled_from([0.2, 0.7, 0.99]),
        st.booleans(),
    ),
    max_size=12,
)


@given(EDGES, st.randoms())
def test_the_order_of_rows_and_pairs_changes_nothing(edges: list[Edge], chance: random.Random) -> None:
    unique = list({(one.left, one.right): one for one in edges}.values())
    expected = chosen(LEFTS, unique)
    shuffled, rows = list(unique), list(LEFTS)
    chance.shuffle(shuffled)
    chance.shuffle(rows)
    assert chosen(rows, shuffled) == expected


@given(EDGES)
def test_nobody_is_in_a_list_twice(edges: list[Edge]) -> None:
    found = chosen(LEFTS, list({(one.left, one.right): one for one in edges}.values()))
    tails = {left.ident: left.tail for left in LEFTS}
    pairs = [(key, tails[ident]) for ident, (key, _why) in found.keys.items()]
    assert len(pairs) == len(set(pairs))
