"""Spoiled messages and spoiled answers of another hub's share: rows or one of the hub's own errors. No sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from kombu.message import Message

from connectors import http, message
from connectors.base import Connection, Offer, Request, Withheld, connect
from connectors.errors import RetryError, SetAsideError, StopError
from tests.connectors.fuzz import PERSON, chances, met, spoiled, spoiled_answer, tries, unhurried
from tests.connectors.servers import Answer, Asked
from tests.connectors.sharing_server import NAMES, PREFIX, Commit, Sharing, Stored, parquet
from tests.connectors.suite import SECRET, Source, offer_of, rows_of
from tests.connectors.web_servers import wired

pytestmark = unhurried

OURS = (StopError, RetryError, SetAsideError)

BODIES = (
    json.dumps({"gmsfhm": "1", "xm": PERSON, "je": 10.5, "bq": ["低保"]}, ensure_ascii=False).encode(),
    json.dumps([{"gmsfhm": 1, "xm": None}, {"gmsfhm": "2", "je": {"a": 1}}]).encode(),
)
HEADERS: tuple[dict[str, Any], ...] = (
    *({}, {"compression": "application/x-gzip"}, {"compression": "no such"}, {"compression": None}, {"x": "y"}),
)
PROPERTIES: tuple[dict[str, Any], ...] = ({}, {"message_id": "a"}, {"message_id": 7}, {"message_id": "\ud800"})


class Broker:
    """Stands for an open connection; what waits there is laid into `waiting`, what is sent into `dead`."""

    waiting: Sequence[Message] = ()
    dead: list[bytes]

    def __init__(self, *_: Any) -> None:
        Broker.dead = []

    def require(self, _: str) -> None:
        pass

    def receive(self, *_: Any) -> Iterator[Message]:
        yield from Broker.waiting

    def send(self, _: str, body: bytes, *__: Any) -> None:
        Broker.dead.append(body)

    def acknowledge(self, tags: Sequence[Any]) -> None:
        assert len(tags) == len(Broker.waiting)

    def close(self) -> None:
        pass


def messages(count: int) -> Iterator[None]:
    """Lay two messages, one of them spoiled, into the queue, so many times."""
    chance = chances("messages")
    for number in range(count):
        place = number % 2
        bodies = [spoiled_answer(body, chance) if place == n else body for n, body in enumerate(BODIES)]
        Broker.waiting = [
            Message(
                body=body.decode("utf-8", "surrogateescape") if chance.random() < 0.1 else body,
                delivery_tag=number,
                headers=dict(chance.choice(HEADERS)) if chance.random() < 0.2 else {},
                properties=dict(chance.choice(PROPERTIES)),
                content_type=chance.choice(("application/json", "text/plain", "application/x-python-serialize", None)),
                content_encoding=chance.choice(("utf-8", "binary", "no such", None)),
            )
            for number, body in enumerate(bodies)
        ]
        yield


@pytest.mark.parametrize("dead_letters", [False, True])
def test_spoiled_messages(dead_letters: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a dead-letter queue every message becomes rows or goes there; without, one sets the batch aside."""
    monkeypatch.setattr(message, "open_link", Broker)
    options = {"queue": "q", "dead_letter_queue": "dead"} if dead_letters else {"queue": "q"}
    source = Source(
        Connection("police", "broker", "message", "memory://"),
        Request("police/change", ("gmsfhm", "xm"), options, "increment", drift={"missing": "evolve"}),
        [],
    )

    def read() -> None:
        offers = connect(source.connection).offers(source.request, None)
        offer = next(offers)
        assert isinstance(offer, Offer)
        rows_of(offer)
        offer.settle()
        told = next(offers, None)
        assert isinstance(told, Withheld) == bool(Broker.dead)

    count = tries(1_500)
    found = met(messages(count), read, ours=(SetAsideError,))
    assert found.total() == count
    assert found["read"] > count / 10
    assert found["unreadable"] > count / 10 or dead_letters


ROWS = [{"xm": PERSON, "xh": number, "je": 1.5, "village": "320305005204"} for number in range(3)]


def sharing() -> Sharing:
    """A share of two versions, the second with a change feed."""
    content = parquet(pa.Table.from_pylist([{**row, "village": None} for row in ROWS]).drop_columns(["village"]))
    stored = Stored("a", content, len(ROWS), {"village": "320305005204"})
    web: Any = SimpleNamespace(url="http://wire.example")
    columns = {"xm": "string", "xh": "long", "je": "double", "village": "string"}
    commits = [Commit([stored]), Commit([stored], [("add", stored), ("remove", stored)])]
    return Sharing(web, SECRET, columns, commits, partitions=("village",), has_feed=True)


def shared(mode: Any) -> Source:
    pull = dict(zip(("share", "schema", "table"), NAMES, strict=True))
    fields = ("xm", "xh", "je", "village", *(["_change_type"] if mode == "increment" else []))
    place = f"http://wire.example{PREFIX}"
    return Source(
        Connection("province", "hub", "delta_sharing", place, SECRET), Request("province/r", fields, pull, mode), []
    )


@pytest.mark.parametrize(("call", "mode"), [("metadata", "snapshot"), ("query", "snapshot"), ("changes", "increment")])
def test_spoiled_answers_of_a_share(call: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    served, source, chance, count = sharing(), shared(mode), chances(call), tries(700)
    mark = {"table": served.table_id, "version": 0} if mode == "increment" else None

    def spoiling(asked: Asked) -> Answer:
        try:
            answer = served.respond(asked)
        except (KeyError, ValueError, IndexError, StopIteration):
            return Answer(status=400)  # a spoiled address led to nothing
        if not asked.path.endswith(f"/{call}"):
            return answer
        headers = dict(answer.headers)
        if chance.random() < 0.1:
            headers["Delta-Table-Version"] = chance.choice(("", "-1", "x", "9" * 30, "²", "2"))
        return Answer(spoiled_answer(answer.body, chance), answer.status, headers)

    with wired(spoiling):
        found = met(range(count), lambda: rows_of(offer_of(source, mark)), ours=OURS)
    assert found.total() == count
    assert count / 50 < found["read"] < count * 0.99


def test_spoiled_files_of_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    served, source, chance, count = sharing(), shared("snapshot"), chances("files of a share"), tries(700)
    stored = served.commits[-1].files[0]
    whole = stored.content

    def attempts() -> Iterator[None]:
        for number in range(count):
            stored.content = spoiled(whole, chance)
            # One in ten is not as long as it was listed.
            stored.listed_size = len(whole) if number % 10 == 0 else None
            yield

    with wired(served.respond):
        found = met(attempts(), lambda: rows_of(offer_of(source)), ours=OURS)
    assert found.total() == count
    assert found["read"] > count / 50
    assert found["unreadable"] > count / 10
    assert found["digest_mismatch"] > count / 50
