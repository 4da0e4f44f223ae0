"""Messages from Kafka: JSON of any producer, over the wire, from the broker that librdkafka has built in for tests.

It speaks Kafka's protocol on loopback and keeps offsets; passwords, TLS and retention it has not, and they are not
tested but for the settings they are asked by.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import confluent_kafka as kafka
import pyarrow as pa
import pytest

from connectors.base import BATCH_ROWS, Connection, Offer, Outgoing, Request, Withheld, connect, writer_of
from connectors.errors import RetryError, SetAsideError, StopError
from connectors.message_brokers import open_link
from connectors.message_kafka import _settings
from hub.settings import ROOT
from tests.connectors.suite import HOSTILE_NAMES, SECRET, ConnectorSuite, Source, offer_of, rows_of, walked
from tests.connectors.test_message import BODIES, POISON, ROWS, ids, taken

pytestmark = pytest.mark.integration


@dataclass
class Topic:
    """A topic of its own on the broker, and one for dead letters."""

    producer: kafka.Producer
    servers: str
    name: str

    @property
    def dead(self) -> str:
        return f"{self.name}.dead"

    @property
    def connection(self) -> Connection:
        options = {"group": "hub", "transport_options": {"fetch.wait.max.ms": 100}}
        return Connection("police", "broker", "message", f"kafka://{self.servers}", options=options)

    def put(self, *bodies: bytes | str | None, topic: str = "", partition: int = 0, **told: Any) -> None:
        """As any producer writes: the bare body."""
        for body in bodies:
            self.producer.produce(topic or self.name, body, partition=partition, **told)
        assert self.producer.flush(10) == 0

    def source(self, rows: list[dict[str, Any]], fields: tuple[str, ...] = tuple(ROWS[0]), **options: Any) -> Source:
        pull = {"queue": self.name, "idle_seconds": 0.6, "max_seconds": 60, **options}
        return Source(self.connection, Request("police/change", fields, pull, "increment"), rows)

    def dead_letters(self, most: int) -> list[kafka.Message]:
        """What was put into the topic of dead letters; it is waited for a little while there are not so many."""
        settings = {"bootstrap.servers": self.servers, "group.id": uuid.uuid4().hex, "log_level": 0}
        consumer = kafka.Consumer({**settings, "auto.offset.reset": "earliest"})
        numbers = consumer.list_topics(self.dead, timeout=5).topics[self.dead].partitions
        consumer.assign([kafka.TopicPartition(self.dead, number, 0) for number in numbers])
        messages = consumer.consume(most + 1, timeout=2 + 5 * most)
        consumer.close()
        return sorted((each for each in messages if each.headers()), key=lambda each: each.timestamp())


@pytest.fixture(scope="module")
def broker() -> Iterator[tuple[kafka.Producer, str]]:
    producer = kafka.Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 0})
    found = producer.list_topics(timeout=10).brokers.values()
    yield producer, ",".join(f"{each.host}:{each.port}" for each in found)
    producer.flush(1)


@pytest.fixture
def topic(broker: tuple[kafka.Producer, str]) -> Topic:
    topic = Topic(*broker, f"police.change.{uuid.uuid4().hex[:8]}")
    # The first message makes a topic here; it counts as taken.
    for name in (topic.name, topic.dead):
        topic.put('{"made": 1}', topic=name)
    consumer = kafka.Consumer({"bootstrap.servers": topic.servers, "group.id": "hub", "log_level": 0})
    consumer.commit(offsets=[kafka.TopicPartition(topic.name, 0, 1)], asynchronous=False)
    consumer.close()
    return topic


class TestKafka(ConnectorSuite):
    @pytest.fixture
    def source(self, topic: Topic) -> Source:
        topic.put(*BODIES)
        return topic.source(ROWS)

    @pytest.fixture
    def empty(self, topic: Topic) -> Source:
        return topic.source([])

    @pytest.fixture
    def many(self, topic: Topic) -> Source:
        rows = [{"gmsfhm": str(number)} for number in range(BATCH_ROWS + 1)]
        topic.put(*(json.dumps(rows[start : start + 5000]) for start in range(0, len(rows), 5000)))
        return topic.source(rows, ("gmsfhm",))

    @pytest.fixture
    def hostile(self, topic: Topic) -> Source:
        rows = [{name: f"{name} {number}" for name in HOSTILE_NAMES} for number in range(2)]
        topic.put(*map(json.dumps, rows))
        return topic.source(rows, HOSTILE_NAMES)

    @pytest.fixture
    def refused(self, topic: Topic) -> list[Source]:
        names = ("表", "a b", "not.there", "a\nb")
        return [topic.source([], queue=name) for name in names] + [topic.source([], dead_letter_queue="not.there")]


def put_into_three(topic: Topic) -> None:
    for partition in range(3):
        topic.put(*(f'{{"gmsfhm": "{partition}{number}"}}' for number in range(3)), partition=partition)


def test_all_partitions_are_read_each_in_its_order(topic: Topic) -> None:
    put_into_three(topic)
    offer = offer_of(topic.source([], ("gmsfhm",)))
    found = ids(offer)
    assert sorted(found) == [f"{partition}{number}" for partition in range(3) for number in range(3)]
    for partition in "012":
        assert [name for name in found if name[0] == partition] == [f"{partition}{number}" for number in range(3)]
    offer.settle()
    assert taken(topic.source([], ("gmsfhm",))) == [[]]


def test_what_was_not_settled_comes_again(topic: Topic) -> None:
    topic.put(*BODIES)
    for _ in range(2):
        assert ids(offer_of(topic.source(ROWS))) == ["1", "2", "3"]
    assert taken(topic.source(ROWS)) == [["1", "2", "3"]]
    topic.put(BODIES[0])
    assert taken(topic.source(ROWS)) == [["1"]]


READ_AND_DIE = """
import json, os, signal, sys
from connectors.base import Connection, Request, connect
place, topic = sys.argv[1:]
request = Request("police/change", ("gmsfhm",), {"queue": topic, "idle_seconds": 1}, "increment")
for offer in connect(Connection("police", "broker", "message", place, options={"group": "hub"})).offers(request, None):
    print(json.dumps([row["gmsfhm"] for batch in offer.read() for row in batch.to_pylist()]), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_before_it_settles_the_same_rows_come_again(topic: Topic) -> None:
    topic.put(*BODIES)
    command = [sys.executable, "-c", READ_AND_DIE, topic.connection.place, topic.name]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert json.loads(died.stdout) == ["1", "2", "3"]
    assert taken(topic.source(ROWS)) == [["1", "2", "3"]]


def test_pull_goes_on_until_nothing_waits_or_enough_is_taken(topic: Topic) -> None:
    topic.put(*(f'{{"gmsfhm": "{number}"}}' for number in range(7)))
    assert taken(topic.source([], ("gmsfhm",), max_messages=2, max_batches=2)) == [["0", "1"], ["2", "3"]]
    assert taken(topic.source([], ("gmsfhm",), max_messages=2)) == [["4", "5"], ["6"]]


def test_unreadable_messages_go_to_the_dead_letter_topic_once_the_batch_is_kept(topic: Topic) -> None:
    topic.put(POISON[0], BODIES[0], None, BODIES[1], headers={"from": b"mis", "content-type": "text/plain"})
    source = topic.source(ROWS, dead_letter_queue=topic.dead)
    rows_of(offer_of(source))
    assert topic.dead_letters(0) == []
    offers = connect(source.connection).offers(source.request, None)
    offer = next(offers)
    assert isinstance(offer, Offer)
    assert ids(offer) == ["1", "2", "3"]
    offer.settle()
    told = next(offers)
    assert isinstance(told, Withheld)
    assert "2 of 4 messages" in told.message
    dead = topic.dead_letters(2)
    assert [message.value() for message in dead] == [POISON[0], b""]
    for message in dead:
        headers = dict(message.headers() or ())
        assert headers["from"] == b"mis"
        assert (headers["x-hub-reason"], headers["x-hub-queue"]) == (b"no JSON", topic.name.encode())


def test_batch_is_known_again_by_place_and_content_or_by_its_senders_numbers(topic: Topic) -> None:
    topic.put(*BODIES)
    first, again = offer_of(topic.source(ROWS)), offer_of(topic.source(ROWS))
    walked(first), walked(again)
    assert first.fingerprint == again.fingerprint is not None
    first.settle()
    topic.put(*BODIES)
    later = offer_of(topic.source(ROWS))
    walked(later)
    assert later.fingerprint not in (None, first.fingerprint)
    later.settle()
    prints = []
    for _ in range(2):
        topic.put('{"gmsfhm": 1}', headers={"message-id": "7"})
        offer = offer_of(topic.source([], ("gmsfhm",)))
        walked(offer)
        offer.settle()
        prints.append(offer.fingerprint)
    assert prints[0] == prints[1] is not None


def test_only_what_is_acknowledged_without_a_gap_is_taken(topic: Topic) -> None:
    put_into_three(topic)
    link = open_link(topic.connection, "t/d")
    messages = list(link.receive(topic.name, 100, 1, 30))
    by_place = {message.delivery_tag[0]: [] for message in messages}
    for message in messages:
        by_place[message.delivery_tag[0]].append(message.delivery_tag)
    link.acknowledge([*by_place[0], by_place[1][0], *by_place[2][1:]])
    link.close()
    assert sorted(taken(topic.source([], ("gmsfhm",)))[0]) == ["11", "12", "20", "21", "22"]


def test_rows_are_written_and_read_as_they_were(topic: Topic) -> None:
    rows = [{"gmsfhm": str(number), "xm": "张三" if number % 2 else None} for number in range(5)]
    outgoing = Outgoing(uuid.uuid4().hex, "change", tuple(rows[0]), options={"queue": topic.name, "together": 2})
    receipt = writer_of(topic.connection).write(outgoing, [pa.RecordBatch.from_pylist(rows)])
    assert receipt.rows == 5
    assert sorted(rows_of(offer_of(topic.source(rows, ("gmsfhm", "xm")))), key=repr) == sorted(rows, key=repr)


def test_set_aside_batch_stays(topic: Topic) -> None:
    topic.put(POISON[0], *BODIES)
    for _ in range(2):
        with pytest.raises(SetAsideError, match="message 1 of the batch is no JSON"):
            rows_of(offer_of(topic.source(ROWS)))


@pytest.mark.parametrize("options", [{"no.such.setting": 1}, {"acks": "many"}, {"compression.codec": "x"}])
def test_setting_that_the_client_does_not_know_stops(topic: Topic, options: dict[str, Any]) -> None:
    connection = replace(topic.connection, options={"transport_options": options})
    with pytest.raises(StopError, match="the broker refuses"):
        open_link(connection, "t/d")


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("kafka://h:9092,g:9092", {"bootstrap.servers": "h:9092,g:9092", "security.protocol": "plaintext"}),
        (
            "kafkas://a%40b@h:9092",
            {
                "bootstrap.servers": "h:9092",
                "security.protocol": "sasl_ssl",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": "a@b",
                "sasl.password": SECRET,
                "ssl.ca.location": "ca.pem",
            },
        ),
    ],
)
def test_settings_the_broker_is_asked_by(place: str, told: dict[str, Any]) -> None:
    mechanism = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.password": "x", "bootstrap.servers": "x"}
    options = {"ca_file": "ca.pem", "transport_options": mechanism if "@" in place else {}}
    found = _settings(Connection("police", "broker", "message", place, SECRET, options))
    assert found == {**told, "log_level": 0}
    assert kafka.Consumer({key: value for key, value in found.items() if key != "ssl.ca.location"} | {"group.id": "g"})


def test_broker_that_is_away_is_tried_later(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.message_kafka._ANSWER_SECONDS", 1)
    connection = replace(topic.connection, place="kafka://127.0.0.1:1")
    with pytest.raises(RetryError, match="no whole answer from the broker") as caught:
        rows_of(offer_of(replace(topic.source([]), connection=connection)))
    assert "127.0.0.1" not in str(caught.value)


def test_password_that_is_wrong_stops(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in broker asks for none: what librdkafka then says is said in its place."""
    monkeypatch.setattr("connectors.message_kafka._ANSWER_SECONDS", 1)
    link: Any = open_link(replace(topic.connection, place="kafka://127.0.0.1:1"), "t/d")
    link._hear(kafka.KafkaError(kafka.KafkaError._AUTHENTICATION))
    with pytest.raises(StopError, match="the broker refuses"):
        link.require("x")
    link.close()
    link.close()
