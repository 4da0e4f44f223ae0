"""The table of kinds, and what a connection and a request refuse."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from connectors import base
from connectors.base import KINDS, Connection, connect
from connectors.errors import RetryError, SetAsideError, StopError
from tests.connectors.suite import SECRET

PLACES = {
    "sql": "postgresql://h.example/db",
    "rest": "http://h.example",
    "ogc_features": "https://h.example/ogc",
    "wfs": "https://h.example/wfs",
    "delta_sharing": "https://h.example/delta-sharing",
    "message": "amqp://h.example/",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_class(kind: str, tmp_path: Path) -> None:
    options = {"auth": {"kind": "query", "name": "k"}} if kind in ("rest", "ogc_features", "wfs") else {}
    place = PLACES.get(kind, str(tmp_path))
    connector = connect(Connection("a", "b", kind, place, SECRET, options))
    assert f"{type(connector).__module__}:{type(connector).__name__}" == KINDS[kind]
    assert SECRET not in repr(vars(connector).get("_connection", ""))


def test_unknown_kind_names_the_kinds() -> None:
    with pytest.raises(StopError, match=r"a/b: unknown kind 'soap'. Allowed: delta_sharing, file, geo_file, message,"):
        connect(Connection("a", "b", "soap", ""))


def test_connection_hides_place_and_secret() -> None:
    connection = Connection("a", "b", "sql", "postgresql://someone@host/db", SECRET)
    assert "someone" not in f"{connection} {connection!r}"
    assert SECRET not in f"{connection} {connection!r}"


@pytest.mark.parametrize(
    "error", [StopError("a", "b", "c", "d"), RetryError("a", "b", "c", "d"), SetAsideError("a", "b", "c", "d", "why")]
)
def test_errors_say_four_things_and_survive_pickling(error: StopError) -> None:
    assert str(error) == "a: b. Allowed: c. Do: d."
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_public_names_exist() -> None:
    assert all(hasattr(base, name) for name in base.__all__)
