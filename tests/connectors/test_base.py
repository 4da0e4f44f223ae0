"""The table of kinds, and what a connection and a request refuse."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from connectors import base
from connectors.base import KINDS, Connection, Request, connect
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
    options = {"requester_id": "r", "secret_path": "/secret"}
    place = PLACES.get(kind, str(tmp_path))
    connector = connect(Connection("a", "b", kind, place, SECRET, options))
    assert f"{type(connector).__module__}:{type(connector).__name__}" == KINDS[kind]
    assert SECRET not in repr(vars(connector).get("_connection", ""))


def test_unknown_kind_names_the_kinds() -> None:
    with pytest.raises(StopError, match=r"a/b: unknown kind 'soap'. Allowed: delta_sharing, file, geo_file, message,"):
        connect(Connection("a", "b", "soap", ""))


def test_missing_option_names_its_file() -> None:
    with pytest.raises(StopError, match=r"'requester_id' is not set.*connectors/systems/market\.yml"):
        Connection("market", "platform", "rest", "http://h", "").option("requester_id")
    with pytest.raises(StopError, match=r"'table' is not set.*schemas/sources/police/resident\.yml"):
        Request("police/resident", ("a",), {"table": ""}).option("table")


def test_zero_is_an_option_like_another() -> None:
    assert Request("t", (), {"page_size": 0}).option("page_size") == 0


def test_increment_is_refused_where_there_is_none() -> None:
    Request("t", ()).snapshot_only("rest")
    with pytest.raises(StopError, match="mode 'increment' over kind 'rest'"):
        Request("t", (), mode="increment").snapshot_only("rest")


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
