"""Messages: over kombu's own memory without a socket, and over a real RabbitMQ, where they must not be lost."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import amqp
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.connection import Connection as Broker
from kombu.message import Message

from connectors.base import BATCH_ROWS, Connection, Offer, Outgoing, Request, Withheld, connect, writer_of
from connectors.errors import RetryError, SetAsideError, StopError
from connectors.message import decoded
from hub.settings import ROOT
from tests.connectors.suite import HOSTILE_NAMES, SECRET, ConnectorSuite, Source, offer_of, rows_of, steps

ROWS: list[dict[str, Any]] = [
    {"gmsfhm": "1", "xm": "湖㳇镇 '一' \"二\"", "je": "10.50", "ok": "true", "bq": '["低保"]'},
    {"gmsfhm": "2", "xm": "", "je": None, "ok": "false", "bq": None},
    {"gmsfhm": "3", "xm": None, "je": "12345678901234567890.12", "ok": None, "bq": None},
]
BODIES = [
    '{"gmsfhm":1,"xm":"湖㳇镇 \'一\' \\"二\\"","je":10.50,"ok":true,"bq":["低保"],"extra":1}',
    '[{"gmsfhm":"2","xm":"","je":null,"ok":false},{"gmsfhm":3,"je":12345678901234567890.12}]',
]
POISON = [b"{", b"\xff\xfe\xff", b'"text"', b"[1]", b"1", b"", b"[" * 100_000]


@dataclass
class Queue:
    """A broker with a queue of its own and one for dead letters; `put` writes as a department would."""

    place: str
    secret: str
    name: str

    @property
    def dead(self) -> str:
        return f"{self.name} dead"

    @property
    def connection(self) -> Connection:
        options = {} if self.place.startswith("amqp") else {"transport_options": {"polling_interval": 0.01}}
        return Connection("police", "broker", "message", self.place, self.secret, options)

    def open(self) -> Broker:
        return Broker(self.place, password=self.secret or None)

    def put(self, *bodies: bytes | str, queue: str = "", **properties: Any) -> None:
        with self.open() as broker:
            for body in bodies:
                given = {"content_type": "application/json", "content_encoding": "binary", **properties}
                raw = body.encode() if isinstance(body, str) else body
                broker.Producer().publish(raw, routing_key=queue or self.name, exchange="", **given)

    def left(self, queue: str = "") -> list[Message]:
        """What waits in a queue; taken out."""
        found = []
        with self.open() as broker, broker.channel() as channel:
            while (message := channel.basic_get(queue or self.name, no_ack=True)) is not None:
                found.append(channel.message_to_python(message))
        return found

    def waiting(self) -> int:
        """How many messages nobody has in hand."""
        with self.open() as broker, broker.channel() as channel:
            return int(channel.queue_declare(self.name, passive=True).message_count)

    def source(self, rows: list[dict[str, Any]], fields: tuple[str, ...] = tuple(ROWS[0]), **options: Any) -> Source:
        pull = {"queue": self.name, "idle_seconds": 0.3, "max_seconds": 60, **options}
        return Source(self.connection, Request("police/change", fields, pull, "increment"), rows)


@pytest.fixture
def memory() -> Iterator[Queue]:
    """Queues in this process; no socket."""
    queue = Queue("memory://", "", f"queue {uuid.uuid4().hex[:8]}")
    with queue.open() as broker, broker.channel() as channel:
        channel.queue_declare(queue.name)
        channel.queue_declare(queue.dead)
        yield queue
        channel.queue_delete(queue.name)
        channel.queue_delete(queue.dead)


@pytest.fixture
def rabbit() -> Iterator[Queue]:
    """Queues on the server of HUB_TEST_RABBITMQ_URL."""
    given = os.environ.get("HUB_TEST_RABBITMQ_URL")
    if not given:
        pytest.skip("HUB_TEST_RABBITMQ_URL is not set")
    parts = urlsplit(given)
    netloc = f"{parts.username}@{parts.hostname}:{parts.port or 5672}"
    queue = Queue(
        parts._replace(netloc=netloc).geturl(), parts.password or "", f'户籍 "变更"; -- {uuid.uuid4().hex[:8]}'
    )
    with queue.open() as broker, broker.channel() as channel:
        for name in (queue.name, queue.dead):
            channel.queue_declare(name, durable=True, auto_delete=False)
        yield queue
        for name in (queue.name, queue.dead):
            channel.queue_delete(name)


def sent(queue: Queue, rows: list[dict[str, Any]], together: int = 1) -> int:
    """Write rows into a queue as the hub does; return how many."""
    outgoing = Outgoing(uuid.uuid4().hex, "change", tuple(rows[0]), options={"queue": queue.name, "together": together})
    return writer_of(queue.connection).write(outgoing, [pa.RecordBatch.from_pylist(rows)]).rows


@pytest.mark.integration
class TestRabbit(ConnectorSuite):
    @pytest.fixture
    def source(self, rabbit: Queue) -> Source:
        rabbit.put(*BODIES)
        return rabbit.source(ROWS)

    @pytest.fixture
    def empty(self, rabbit: Queue) -> Source:
        rabbit.left()
        return rabbit.source([])

    @pytest.fixture
    def many(self, rabbit: Queue) -> Source:
        rows = [{"gmsfhm": str(number)} for number in range(BATCH_ROWS + 1)]
        sent(rabbit, rows, 5000)
        return rabbit.source(rows, ("gmsfhm",))

    @pytest.fixture
    def hostile(self, rabbit: Queue) -> Source:
        rows = [{name: f"{name} {number}" for name in HOSTILE_NAMES} for number in range(2)]
        sent(rabbit, rows)
        return rabbit.source(rows, HOSTILE_NAMES)

    @pytest.fixture
    def refused(self, rabbit: Queue) -> list[Source]:
        names = ("表" * 86, "a\nb", "a\x00", "not there")
        return [rabbit.source([], queue=name) for name in names] + [rabbit.source([], dead_letter_queue="not there")]


def ids(offer: Offer) -> list[str]:
    return [row["gmsfhm"] for row in rows_of(offer)]


UNREAD = ["1 of 2 messages of batch 3"]


def taken(source: Source) -> list[list[str]]:
    """All that a pull is offered, each kept as it comes: IDs of a batch, or what is told of unreadable messages."""
    found = []
    for offer in connect(source.connection).offers(source.request, None):
        if isinstance(offer, Withheld):
            found.append(re.findall(r"\d+ of \d+ messages of batch \d+", offer.message))
        else:
            found.append(ids(offer))
            offer.settle()
    return found


READ_AND_DIE = """
import json, os, signal, sys
from connectors.base import Connection, Request, connect
place, secret, queue = sys.argv[1:]
request = Request("police/change", ("gmsfhm",), {"queue": queue, "idle_seconds": 0.3}, "increment")
for offer in connect(Connection("police", "broker", "message", place, secret)).offers(request, None):
    print(json.dumps([row["gmsfhm"] for batch in offer.read() for row in batch.to_pylist()]), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.integration
class TestNothingIsLost:
    def test_killed_before_it_settles_the_same_rows_come_again(self, rabbit: Queue) -> None:
        rabbit.put(*BODIES)
        command = [sys.executable, "-c", READ_AND_DIE, rabbit.place, rabbit.secret, rabbit.name]
        died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert died.returncode == -signal.SIGKILL
        assert json.loads(died.stdout) == ["1", "2", "3"]
        offer = offer_of(rabbit.source(ROWS))
        assert ids(offer) == ["1", "2", "3"]
        offer.settle()
        assert rabbit.left() == []

    def test_one_pull_takes_all_that_waits_and_acknowledges_each_batch_once_it_is_kept(self, rabbit: Queue) -> None:
        rabbit.put(*(f'{{"gmsfhm": {number}}}' for number in range(25)))
        source = rabbit.source([], ("gmsfhm",), max_messages=10)
        found = []
        for offer in connect(source.connection).offers(source.request, None):
            assert isinstance(offer, Offer)
            found.append(ids(offer))
            assert rabbit.waiting() == (0 if len(found) == 3 else 25 - 10 * len(found))
            offer.settle()
        assert found == [[str(number) for number in range(*part)] for part in ((0, 10), (10, 20), (20, 25))]
        assert rabbit.left() == []

    def test_bodies_of_any_producer_are_read(self, rabbit: Queue) -> None:
        """Put there by the AMQP client itself: no content type, no encoding, no envelope, or such as are not true."""
        told: list[dict[str, Any]] = [
            {},
            {"content_type": "text/plain"},
            {"content_type": "application/x-python-serialize", "content_encoding": "gbk"},
            {"content_encoding": "utf-8", "application_headers": {"compression": "none such"}},
            {"message_id": "a", "delivery_mode": 2, "type": "change", "app_id": "mis"},
        ]
        parts = urlsplit(rabbit.place)
        host = f"{parts.hostname}:{parts.port}"
        with amqp.Connection(host, userid=parts.username, password=rabbit.secret, virtual_host="/") as broker:
            channel = broker.channel()
            for number, properties in enumerate(told):
                body = json.dumps({"gmsfhm": number, "xm": "湖㳇镇"}, ensure_ascii=False).encode()
                channel.basic_publish(amqp.Message(body, **properties), routing_key=rabbit.name)
        source = rabbit.source([], ("gmsfhm", "xm"), dead_letter_queue=rabbit.dead)
        offer = offer_of(source)
        assert rows_of(offer) == [{"gmsfhm": str(number), "xm": "湖㳇镇"} for number in (0, 1, 2, 4)]
        offer.settle()
        (dead,) = rabbit.left(rabbit.dead)
        assert dead.headers["x-hub-reason"] == "compressed in a way that cannot be undone"
        assert rabbit.left() == []

    def test_settled_messages_are_gone_and_later_ones_are_not(self, rabbit: Queue) -> None:
        source = rabbit.source([], ("gmsfhm",))
        rabbit.put(BODIES[0])
        offer = offer_of(source)
        assert ids(offer) == ["1"]
        rabbit.put(BODIES[1])
        offer.settle()
        later = offer_of(source)
        assert ids(later) == ["2", "3"]
        later.settle()
        assert rabbit.left() == []

    def test_a_batch_has_no_more_messages_than_agreed(self, rabbit: Queue) -> None:
        rabbit.put(*(f'{{"gmsfhm": {number}}}' for number in range(5)))
        source = rabbit.source([], ("gmsfhm",), max_messages=2)
        for expected in (["0", "1"], ["2", "3"], ["4"]):
            offer = offer_of(source)
            assert ids(offer) == expected
            offer.settle()

    def test_a_queue_that_never_ends_does_not_hold_a_batch_up(self, rabbit: Queue) -> None:
        rabbit.put(*BODIES)
        began = time.monotonic()
        offer = offer_of(rabbit.source(ROWS, idle_seconds=600, max_seconds=1))
        assert ids(offer) == ["1", "2", "3"]
        assert 0.9 < time.monotonic() - began < 30

    def test_the_connection_lives_while_the_batch_is_kept(self, rabbit: Queue) -> None:
        rabbit.put(*BODIES)
        source = rabbit.source(ROWS)
        lively = replace(source.connection, options={"heartbeat_seconds": 1})
        offer = offer_of(replace(source, connection=lively))
        assert ids(offer) == ["1", "2", "3"]
        time.sleep(4)
        offer.settle()
        assert rabbit.left() == []

    def test_set_aside_batch_stays_in_the_queue(self, rabbit: Queue) -> None:
        rabbit.put(*BODIES)
        with pytest.raises(SetAsideError, match="not_there"):
            list(steps(offer_of(rabbit.source([], ("not_there",)))))
        assert len(rabbit.left()) == 2

    def test_unreadable_messages_reach_the_dead_letter_queue_whole(self, rabbit: Queue) -> None:
        rabbit.put(POISON[0], BODIES[0], POISON[1], BODIES[1])
        source = rabbit.source(ROWS, dead_letter_queue=rabbit.dead)
        offers = connect(source.connection).offers(source.request, None)
        offer = next(offers)
        assert isinstance(offer, Offer)
        assert ids(offer) == ["1", "2", "3"]
        offer.settle()
        told = next(offers)
        assert isinstance(told, Withheld)
        assert told.reason == "unreadable"
        assert told.name.startswith(f"{rabbit.name} unreadable messages 20")
        assert "2 of 4 messages of batch 1" in told.message
        assert rabbit.left() == []
        dead = rabbit.left(rabbit.dead)
        assert [bytes(message.body) for message in dead] == POISON[:2]
        assert [message.headers["x-hub-reason"] for message in dead] == ["no JSON", "not utf-8"]

    def test_unreadable_messages_wait_until_the_batch_is_kept(self, rabbit: Queue) -> None:
        """A pull that fails, and a sample, put nothing into the dead-letter queue."""
        rabbit.put(POISON[0], *BODIES)
        source = rabbit.source(ROWS, dead_letter_queue=rabbit.dead)
        for _ in range(3):
            offer = offer_of(source)
            assert rows_of(offer) == ROWS
            assert offer.unreadable == 1  # type: ignore[attr-defined]
            del offer
            assert rabbit.left(rabbit.dead) == []
        offer = offer_of(source)
        rows_of(offer)
        offer.settle()
        offer.settle()
        assert len(rabbit.left(rabbit.dead)) == 1
        assert rabbit.left() == []

    @pytest.mark.parametrize("kept", [0, 1])
    def test_batch_that_is_not_kept_ends_the_pull_and_comes_again(self, rabbit: Queue, kept: int) -> None:
        rabbit.put(*(f'{{"gmsfhm": {number}}}' for number in range(6)))
        source = rabbit.source([], ("gmsfhm",), max_messages=2)
        batches = []
        for offer in connect(source.connection).offers(source.request, None):
            assert isinstance(offer, Offer)
            batches.append(ids(offer))
            if len(batches) <= kept:
                offer.settle()
        assert batches == [["0", "1"], ["2", "3"]][: kept + 1]
        del offer
        assert len(rabbit.left()) == 6 - 2 * kept

    def test_wrong_password_stops_and_does_not_show(self, rabbit: Queue) -> None:
        source = rabbit.source(ROWS)
        with pytest.raises(StopError, match="the broker refuses") as caught:
            list(steps(offer_of(replace(source, connection=replace(source.connection, secret=SECRET)))))
        assert SECRET not in str(caught.value)
        assert str(urlsplit(rabbit.place).port) not in str(caught.value)

    def test_connection_lost_before_settling_is_an_outage(self, rabbit: Queue) -> None:
        rabbit.put(*BODIES)
        offer = offer_of(rabbit.source(ROWS))
        rows_of(offer)
        link: Any = offer._link  # type: ignore[attr-defined]
        link._broker.connection.transport.sock.shutdown(2)
        with pytest.raises(RetryError):
            offer.settle()
        again = offer_of(rabbit.source(ROWS))
        assert ids(again) == ["1", "2", "3"]

    def test_written_records_are_read_as_they_were(self, rabbit: Queue) -> None:
        records = [{"gmsfhm": str(number), "xm": None if number % 2 else "张三"} for number in range(7)]
        for together in (1, 3):
            assert sent(rabbit, records, together) == 7
            offer = offer_of(rabbit.source(records, ("gmsfhm", "xm")))
            assert rows_of(offer) == records
            assert offer.fingerprint is not None
            offer.settle()

    def test_writing_into_no_queue_stops(self, rabbit: Queue) -> None:
        with pytest.raises(StopError, match="the broker refuses"):
            sent(replace(rabbit, name="not there"), [{"a": 1}])


class TestBatch:
    """What needs no broker that keeps its word."""

    def test_rows_and_what_the_source_has(self, memory: Queue) -> None:
        memory.put(*BODIES)
        offer = offer_of(memory.source(ROWS))
        assert rows_of(offer) == ROWS
        assert offer.available is not None
        assert set(offer.available) == {*ROWS[0], "extra"}
        assert offer.expected_rows is None
        offer.settle()
        assert memory.left() == []

    @pytest.mark.parametrize("poison", POISON)
    def test_without_dead_letter_queue_one_unreadable_message_sets_the_batch_aside(
        self, memory: Queue, poison: bytes
    ) -> None:
        memory.put(BODIES[0], poison)
        with pytest.raises(SetAsideError, match="message 2 of the batch is") as caught:
            rows_of(offer_of(memory.source(ROWS)))
        assert caught.value.reason == "unreadable"

    @pytest.mark.parametrize("poison", POISON)
    def test_with_one_the_others_go_on(self, memory: Queue, poison: bytes, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)
        memory.put(poison, *BODIES)
        offer = offer_of(memory.source(ROWS, dead_letter_queue=memory.dead))
        assert rows_of(offer) == ROWS
        offer.settle()
        assert memory.left() == []
        (dead,) = memory.left(memory.dead)
        assert bytes(dead.body) == poison
        assert "for the dead-letter queue" in caplog.text

    def test_only_unreadable_messages_are_a_batch_without_rows(self, memory: Queue) -> None:
        memory.put(POISON[0])
        offer = offer_of(memory.source([], dead_letter_queue=memory.dead))
        (batch,) = steps(offer)
        assert batch.num_rows == 0
        assert offer.available is None
        offer.settle()
        assert memory.left() == []

    def test_department_may_write_in_its_own_encoding(self, memory: Queue) -> None:
        memory.put('{"gmsfhm": "湖㳇镇"}'.encode("gb18030"))
        assert rows_of(offer_of(memory.source([], ("gmsfhm",), encoding="gb18030"))) == [{"gmsfhm": "湖㳇镇"}]

    def test_what_json_has_no_word_for_is_written_as_text(self, memory: Queue) -> None:
        moment = datetime(2026, 10, 1, 8, tzinfo=UTC)
        sent(memory, [{"a": date(2026, 10, 1), "b": moment, "c": Decimal("1.50"), "d": 7, "e": b"\x01\xff"}])
        (row,) = rows_of(offer_of(memory.source([], ("a", "b", "c", "d", "e"))))
        assert row == {"a": "2026-10-01", "b": "2026-10-01T08:00:00+00:00", "c": "1.50", "d": "7", "e": "01ff"}

    def test_compressed_messages_are_unpacked_and_broken_ones_refused(self, memory: Queue) -> None:
        memory.put(zlib.compress(b'{"gmsfhm": "1"}'), headers={"compression": "application/x-gzip"})
        memory.put(b"no gzip", headers={"compression": "application/x-gzip"})
        source = memory.source([], ("gmsfhm",), dead_letter_queue=memory.dead)
        offer = offer_of(source)
        assert rows_of(offer) == [{"gmsfhm": "1"}]
        offer.settle()
        (dead,) = memory.left(memory.dead)
        assert dead.headers["x-hub-reason"] == "compressed in a way that cannot be undone"

    def test_unreadable_message_that_was_unpacked_is_sent_on_unpacked(self, memory: Queue) -> None:
        memory.put(zlib.compress(b"no JSON"), headers={"compression": "application/x-gzip", "from": "x"})
        offer = offer_of(memory.source([], dead_letter_queue=memory.dead))
        rows_of(offer)
        offer.settle()
        (dead,) = memory.left(memory.dead)
        assert (bytes(dead.body), dead.headers["from"], "compression" in dead.headers) == (b"no JSON", "x", False)

    def test_unreadable_messages_do_not_fill_the_memory(self, memory: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.message._MOST_BYTES", 10)
        memory.put(*[b"x" * 6] * 5, BODIES[0])
        kept = taken(memory.source([], ("gmsfhm",), dead_letter_queue=memory.dead))
        assert kept == [[], ["2 of 2 messages of batch 1"], [], ["2 of 2 messages of batch 2"], ["1"], [*UNREAD]]
        assert len(memory.left(memory.dead)) == 5

    def test_pull_goes_on_until_nothing_waits(self, memory: Queue) -> None:
        memory.put(*(f'{{"gmsfhm": {number}}}' for number in range(5)))
        assert taken(memory.source([], ("gmsfhm",), max_messages=2)) == [["0", "1"], ["2", "3"], ["4"]]
        memory.put(*(f'{{"gmsfhm": {number}}}' for number in range(4)))
        assert taken(memory.source([], ("gmsfhm",), max_messages=2)) == [["0", "1"], ["2", "3"], []]

    def test_pull_takes_no_more_batches_than_agreed(self, memory: Queue, caplog: pytest.LogCaptureFixture) -> None:
        memory.put(*(f'{{"gmsfhm": {number}}}' for number in range(5)))
        assert taken(memory.source([], ("gmsfhm",), max_messages=2, max_batches=2)) == [["0", "1"], ["2", "3"]]
        assert "2 batches are taken, and more waits" in caplog.text
        assert [bytes(message.body) for message in memory.left()] == [b'{"gmsfhm": 4}']

    def test_batch_of_numbered_messages_is_known_again(self, memory: Queue) -> None:
        prints = []
        for numbers in (("a", "b"), ("b", "a"), ("a", "c"), ("a", None)):
            for number in numbers:
                memory.put('{"gmsfhm": "1"}', **({"message_id": number} if number else {}))
            offer = offer_of(memory.source([], ("gmsfhm",)))
            rows_of(offer)
            offer.settle()
            prints.append(offer.fingerprint)
        assert prints[0] == prints[1] is not None
        assert prints[2] not in (None, prints[0])
        assert prints[3] is None

    def test_snapshot_is_refused(self, memory: Queue) -> None:
        source = memory.source([])
        with pytest.raises(StopError, match="mode: Input should be 'increment'"):
            list(connect(source.connection).offers(replace(source.request, mode="snapshot"), None))

    @pytest.mark.parametrize(
        "options",
        [
            {"max_messages": 0},
            {"max_messages": 65_536},
            {"max_messages": "many"},
            {"max_messages": True},
            {"max_batches": 0},
            {"max_seconds": -1},
            {"idle_seconds": "5"},
            {"encoding": "no such"},
            {"queue": ""},
            {"queue": "x" * 256},
            {"dead_letter_queue": "a\x00"},
        ],
    )
    def test_option_that_cannot_be_right_stops(self, memory: Queue, options: dict[str, Any]) -> None:
        source = memory.source([], **options)
        with pytest.raises(StopError, match=next(iter(options))):
            list(connect(source.connection).offers(source.request, None))


@pytest.mark.parametrize(
    ("place", "came"),
    [
        ("", "no broker's address"),
        ("localhost", "no broker's address"),
        ("amqp://u:0123456789abcdef@h//", "a password in it"),
        ("amqp://h:port//", "no broker's address"),
        ("carrierpigeon://h", "kombu cannot speak"),
        ("confluentkafka://h:9092", "no address of Kafka's"),
        ("kafka://", "no address of Kafka's"),
        ("kafkas://u:0123456789abcdef@h:9092,g:9092", "a password in it"),
    ],
)
def test_place_that_cannot_be_asked_stops(place: str, came: str) -> None:
    with pytest.raises(StopError, match=came) as caught:
        connect(Connection("police", "broker", "message", place, SECRET))
    assert SECRET not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(records=st.lists(st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.text(), max_size=4)))
def test_records_are_found_as_they_were_written(records: list[dict[str, Any]]) -> None:
    assert (
        decoded(Message(body=json.dumps(records, ensure_ascii=False).encode("utf-8", "surrogatepass")), "utf-8")
        == records
    )


@given(
    body=st.binary(max_size=60) | JSON.map(json.dumps).map(str.encode), encoding=st.sampled_from(["utf-8", "gb18030"])
)
def test_any_body_is_objects_or_refused(body: bytes, encoding: str) -> None:
    records: list[Any] = []
    with suppress(ValueError):
        records = decoded(Message(body=body), encoding)
    assert all(isinstance(record, dict) for record in records)
