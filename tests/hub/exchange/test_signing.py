"""Signatures: a manifest proves where it came from, years later and offline."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.context import Hub
from hub.exchange.signing import public_key, sign, verify
from hub.store import Lake

MANIFEST = {"product": "名册", "rows": 3, "files": {"a.parquet": "00"}, "columns": ["姓名"], "note": None}
TEXT = st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@dataclass
class Locks:
    """The ledger, as far as keys need it."""

    taken: list[str] = field(default_factory=list)

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        self.taken.append(name)
        yield


def hub_at(path: Path) -> Hub:
    return Hub(cast(Any, None), cast(Any, None), Lake(path), cast(Any, Locks()), cast(Any, None), date(2026, 11, 1))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    return hub_at(tmp_path_factory.mktemp("signing"))


@settings(max_examples=40)
@given(st.dictionaries(TEXT, JSON, max_size=4))
def test_whatever_is_signed_verifies_after_a_journey_as_json(hub: Hub, manifest: dict[str, Any]) -> None:
    manifest = {name: value for name, value in manifest.items() if name not in ("public_key", "signature")}
    signed = json.loads(sign(hub, manifest))
    assert verify(signed, public_key(hub))
    assert {name: signed[name] for name in manifest} == manifest


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 4},
        {"files": {"a.parquet": "01"}},
        {"columns": []},
        {"more": 1},
        {"signature": base64.b64encode(b"0" * 64).decode()},
        {"signature": "not base64!"},
        {"signature": None},
    ],
)
def test_any_change_breaks_it(hub: Hub, change: dict[str, Any]) -> None:
    assert not verify({**json.loads(sign(hub, MANIFEST)), **change}, public_key(hub))


def test_what_is_left_out_breaks_it(hub: Hub) -> None:
    signed = json.loads(sign(hub, MANIFEST))
    for name in (*MANIFEST, "signature"):
        assert not verify({key: value for key, value in signed.items() if key != name}, public_key(hub))


def test_order_and_spaces_do_not_count(hub: Hub) -> None:
    signed = json.loads(sign(hub, MANIFEST))
    assert verify(dict(reversed(signed.items())), public_key(hub))


def test_another_hubs_signature_does_not_verify_even_if_it_brings_its_key(hub: Hub, tmp_path: Path) -> None:
    signed = json.loads(sign(hub_at(tmp_path), MANIFEST))
    assert verify(signed, signed["public_key"])
    assert not verify(signed, public_key(hub))
    assert not verify(signed, "no key")


def test_keys_are_made_once_kept_apart_and_closed_to_others(tmp_path: Path) -> None:
    first = hub_at(tmp_path)
    keys = first.key("a"), first.key("b")
    assert len({*keys}) == 2
    assert [len(key) for key in keys] == [32, 32]
    again = hub_at(tmp_path)
    assert (again.key("a"), again.key("b")) == keys
    assert cast(Locks, again.ledger).taken == [], "a key that is there needs no lock"
    assert cast(Locks, first.ledger).taken == ["key a", "key b"]
    assert stat.S_IMODE((tmp_path / "keys" / "a").stat().st_mode) == 0o600
