"""What counts as a change of a department's columns, and what the contract makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.contract_types import DRIFT_ALLOWED, DRIFT_DEFAULTS
from hub.contracts import SourceContract
from hub.drift import changes, frozen
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


def test_each_default_is_allowed() -> None:
    assert all(value in DRIFT_ALLOWED[kind] for kind, value in DRIFT_DEFAULTS.items())
    assert set(DRIFT_ALLOWED) == set(DRIFT_DEFAULTS)
