"""What counts as a change of a department's columns, and what the contract makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.contract_types import DRIFT_DEFAULTS, DRIFT_WORDS
from hub.contracts import SourceContract, load_contracts
from hub.drift import ROW, changes, discarded, frozen
from hub.option_faults import source_option_faults
from tests.hub.conform.reading import column, contract

BEFORE = {"xm": "text", "csrq": "date", "bz": "text"}


def agreed(**drift: str) -> SourceContract:
    names = (column("text", "name", physical="xm"), column("date", "born", physical="csrq", kind="date"))
    synonym = replace(names[0], synonyms=("xingming",))
    return contract(synonym, names[1], drift={**DRIFT_DEFAULTS, **drift})


def found(available: dict[str, str], before: dict[str, str] | None = BEFORE) -> list[tuple[str, str]]:
    return [(change.kind, change.column) for change in changes(agreed(), available, before)]


def test_nothing_changed() -> None:
    assert found(BEFORE) == []
    assert found({**BEFORE, "anything": "text"}, before=None) == [], "nothing is new in a first delivery"


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        ({**BEFORE, "dh": "text"}, [("new", "dh")]),
        ({"xm": "text", "csrq": "date"}, []),
        ({"xm": "text", "bz": "text"}, [("missing", "csrq")]),
        ({"xingming": "text", "csrq": "date", "bz": "text"}, [("renamed", "xm")]),
        ({**BEFORE, "csrq": "varchar"}, [("retyped", "csrq")]),
        ({**BEFORE, "bz": "blob"}, []),
        ({"x m": "text", "csrq": "date", "bz": "text"}, []),
    ],
)
def test_what_changed_is_named(available: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert found(available) == expected


def test_only_frozen_changes_withhold() -> None:
    source = agreed(new="freeze")
    made = list(changes(source, {"xm": "text", "csrq": "varchar", "dh": "text"}, BEFORE))
    assert {change.kind for change in made} == {"retyped", "new"}
    assert [change.kind for change in frozen(source, made)] == ["new"]


def test_each_default_is_one_of_the_words() -> None:
    assert set(DRIFT_DEFAULTS.values()) <= set(DRIFT_WORDS)
    assert set(DRIFT_DEFAULTS) == {"new", "missing", "renamed", "retyped", "unknown_codes"}


@pytest.mark.parametrize("kind", DRIFT_DEFAULTS)
@pytest.mark.parametrize("word", DRIFT_WORDS)
def test_a_contract_may_say_each_word_of_each_kind(kind: str, word: str) -> None:
    contracts = load_contracts()
    source = replace(contracts.sources["health_commission/death"], drift={**DRIFT_DEFAULTS, kind: word})
    assert not [text for _way, text in source_option_faults(contracts, source) if "drift" in text]


MISSING, RENAMED, NEW = {"xm": "text"}, {"xingming": "text", "csrq": "date"}, {**BEFORE, "dh": "text"}


@pytest.mark.parametrize(
    ("available", "kind", "word", "expected"),
    [
        (MISSING, "missing", "evolve", {}),
        (MISSING, "missing", "discard_value", {}),
        (MISSING, "missing", "discard_row", {"born": "discard_row"}),
        (RENAMED, "renamed", "evolve", {}),
        (RENAMED, "renamed", "discard_value", {"name": "discard_value"}),
        (RENAMED, "renamed", "discard_row", {"name": "discard_row"}),
        (NEW, "new", "evolve", {}),
        (NEW, "new", "discard_value", {}),
        (NEW, "new", "discard_row", {ROW: "discard_row"}),
        (BEFORE, "new", "discard_row", {}),
        (None, "new", "discard_row", {}),
    ],
)
def test_what_is_set_aside(available: dict[str, str] | None, kind: str, word: str, expected: dict[str, str]) -> None:
    assert discarded(agreed(**{kind: word}), available, {"dh"}) == expected


def test_a_new_column_sets_no_row_aside_once_its_owner_has_answered() -> None:
    assert discarded(agreed(new="discard_row"), NEW, ()) == {}
