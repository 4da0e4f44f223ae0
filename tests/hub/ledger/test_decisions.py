"""The queue of pairs: two different people, a reason, decisions that stay; aliases and events."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from hub.errors import StopError
from hub.ledger.decisions import (
    DIFFERENT,
    SAME,
    Alias,
    Suggestion,
    add_aliases,
    add_events,
    aliases_in_force,
    decide,
    drop_aliases,
    events,
    open_review,
    queue,
    reviews,
    verdicts,
)

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("ledger")]

PAIR = Suggestion("person", "P1", "P2", 0.8, "person_name")


def waiting(database: sa.Engine) -> list[tuple[str, str]]:
    return [(one.left, one.right) for one in reviews(database)]


def test_a_pair_is_decided_by_two_people_who_agree(database: sa.Engine) -> None:
    queue(database, "person", [PAIR])
    (review,) = reviews(database)
    assert decide(database, review.number, "a", SAME, "核实").state == "open"
    assert verdicts(database) == {}
    assert decide(database, review.number, "b", DIFFERENT, "不像").state == "open", "they do not agree"
    done = decide(database, review.number, "c", SAME, "核实过")
    assert (done.state, done.verdict) == ("decided", SAME)
    assert [(one.actor, one.verdict, one.reason) for one in done.opinions] == [
        ("a", SAME, "核实"),
        ("b", DIFFERENT, "不像"),
        ("c", SAME, "核实过"),
    ]
    assert verdicts(database) == {("person", frozenset({"P1", "P2"})): SAME}


@pytest.mark.parametrize(
    "attempt",
    [
        lambda database, number: decide(database, number, "a", SAME, "again"),
        lambda database, number: decide(database, number, "b", "perhaps", "why"),
        lambda database, number: decide(database, number, "b", SAME, "  "),
        lambda database, number: decide(database, number + 1, "b", SAME, "why"),
    ],
    ids=["the same person twice", "no such verdict", "no reason", "no such pair"],
)
def test_what_does_not_count(database: sa.Engine, attempt: Callable[[sa.Engine, int], object]) -> None:
    number = open_review(database, "person", "P1", "P2")
    decide(database, number, "a", SAME, "why")
    with pytest.raises(StopError):
        attempt(database, number)
    (review,) = reviews(database)
    assert [one.actor for one in review.opinions] == ["a"]


def test_a_decided_pair_takes_no_more_opinions_and_holds_until_two_say_otherwise(database: sa.Engine) -> None:
    number = open_review(database, "person", "P1", "P2")
    for who in "ab":
        decide(database, number, who, SAME, "why")
    with pytest.raises(StopError):
        decide(database, number, "c", DIFFERENT, "why")
    assert open_review(database, "person", "P2", "P1") == number, "either way round it is one pair"
    assert verdicts(database)["person", frozenset({"P1", "P2"})] == SAME
    for who in "ab":
        decide(database, number, who, DIFFERENT, "why")
    assert verdicts(database)["person", frozenset({"P1", "P2"})] == DIFFERENT


def test_one_key_is_no_pair(database: sa.Engine) -> None:
    with pytest.raises(StopError):
        open_review(database, "person", "P1", "P1")


def test_the_queue_is_that_of_the_last_run_but_for_what_people_have_touched(database: sa.Engine) -> None:
    other = Suggestion("person", "P3", "P4", 0.7, "phone")
    queue(database, "person", [PAIR, other])
    queue(database, "legal_entity", [Suggestion("legal_entity", "E1", "E2", 0.6, "entity_name")])
    decide(database, reviews(database)[0].number, "a", SAME, "why")
    queue(database, "person", [])
    assert waiting(database) == [("P1", "P2"), ("E1", "E2")], "one was spoken of, one is of another entity"
    queue(database, "person", [other])
    assert ("P3", "P4") in waiting(database), "it asks once more"
    assert len(reviews(database, state=None)) == 3


def test_aliases_are_kept_replaced_and_dropped(database: sa.Engine) -> None:
    first, second = Alias("person", "P1", "P2", "linked"), Alias("person", "P1", "P3", "decided")
    add_aliases(database, [first])
    add_aliases(database, [second])
    assert aliases_in_force(database) == [second]
    drop_aliases(database, [second])
    assert aliases_in_force(database) == []


def test_an_event_is_told_once_until_it_is_undone(database: sa.Engine) -> None:
    merge, split = ("person", "merge", "P1", "P2", "linked"), ("person", "split", "P2", "P1", "decided")
    for told in (merge, merge, split, split, merge):
        add_events(database, [told])
    assert [one.kind for one in events(database)] == ["merge", "split", "merge"]
    first = events(database)[0].number
    assert [one.kind for one in events(database, since=first)] == ["split", "merge"]
