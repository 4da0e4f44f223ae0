"""Keys that stand for others: chains end, circles too, and rows get the key that stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.engine import Engine
from hub.linking.aliases import Aliases, _followed
from hub.settings import load_settings


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(load_settings(data_dir=tmp_path)) as opened:
        yield opened


def applied(engine: Engine, aliases: Aliases, keys: list[str | None], entity: str = "person") -> list[str | None]:
    table = engine.keep(
        "rows", ibis.memtable(pa.table({"n": list(range(len(keys))), "key": pa.array(keys, pa.string())}))
    )
    return aliases.applied(entity, table, "key").order_by("n").to_pyarrow()["key"].to_pylist()


def test_rows_get_the_key_that_stands(engine: Engine) -> None:
    aliases = Aliases.of(engine, [("person", "P1", "P2"), ("person", "P2", "P3"), ("legal_entity", "E1", "E2")])
    assert applied(engine, aliases, ["P1", "P2", "P3", "P4", None, "E1"]) == ["P3", "P3", "P3", "P4", None, "E1"]
    assert applied(engine, aliases, ["E1"], "legal_entity") == ["E2"]


def test_without_aliases_nothing_is_done(engine: Engine) -> None:
    aliases = Aliases.of(engine, [])
    table = engine.keep("rows", ibis.memtable(pa.table({"key": ["P1"]})))
    assert aliases.applied("person", table, "key") is table


def test_more_can_be_taken_into_force(engine: Engine) -> None:
    aliases = Aliases.of(engine, [("person", "P1", "P2")])
    aliases.add("person", {"P2": "P3"})
    assert applied(engine, aliases, ["P1", "P2"]) == ["P3", "P3"]


KEYS = st.sampled_from([f"P{number}" for number in range(6)])


@given(st.dictionaries(KEYS, KEYS))
def test_every_chain_ends_at_a_key_that_stands_for_itself(pairs: dict[str, str]) -> None:
    ends = _followed(pairs)
    assert all(end not in ends for end in ends.values())
