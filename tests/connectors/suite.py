"""The standard suite: what every connector keeps to, whatever it connects to. A test class inherits it and says how.

A class gives three fixtures: `source` (a few rows, two or more columns), `empty` (the same, no row) and `many` (more
rows than one batch may have). Two more have a meaning where a class does not say otherwise: `away` (a server that is
not there) and `hostile` (names full of quotes, blanks and words of SQL, or `None` where the kind refuses them).
"""

from __future__ import annotations

import hashlib
import json
import logging
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from connectors.base import BATCH_ROWS, Chunk, Connection, Offer, Request, Withheld, connect
from connectors.errors import RetryError, SetAsideError, StopError

SECRET = "0123456789abcdef"  # noqa: S105
"""16 bytes, as an appkey must have; no row, name or place of a test contains it."""

HOSTILE_NAMES = (
    'say "x"',
    "it's; DROP TABLE t; --",
    "select",
    "姓 名",
    "`tick`",
    "[a]",
    "a.b",
    "100%",
    "%(x)s",
    ":x",
    "{y}",
)
"""Column names that end a statement, a format or a path too early for a reader that quotes them badly."""


@dataclass(frozen=True)
class Source:
    """A real source with the request that reads it and the rows that must come."""

    connection: Connection
    request: Request
    rows: Sequence[dict[str, Any]]


@dataclass
class Walk:
    """A reading chunk by chunk, as the ledger keeps it; everything in it is JSON-able.

    Attributes:
        chunks: What `plan` and `after` gave, in order.
        notes: What `note` said of those that are read.
        digests: One for each that is read, over its values and the batches they came in.
    """

    chunks: list[Chunk]
    notes: list[Chunk | None]
    digests: list[str]

    @property
    def is_over(self) -> bool:
        return len(self.notes) == len(self.chunks)

    def through_json(self) -> Walk:
        """The same as another process finds it in the ledger."""
        return Walk(json.loads(json.dumps(self.chunks)), json.loads(json.dumps(self.notes)), list(self.digests))


def offer_of(source: Source, mark: dict[str, Any] | None = None) -> Offer:
    """The one offer of a source."""
    (offer,) = connect(source.connection).offers(source.request, mark)
    assert not isinstance(offer, Withheld), offer
    return offer


def begun(offer: Offer) -> Walk:
    """A reading of which nothing is read yet."""
    return Walk(list(offer.plan()), [], [])


def step(offer: Offer, walk: Walk) -> list[pa.RecordBatch]:
    """Read the next chunk of a reading and note it as the pull does."""
    chunk = walk.chunks[len(walk.notes)]
    batches = list(offer.read(chunk))
    digest = hashlib.sha256()
    for batch in batches:
        digest.update(f"{batch.schema.to_string()}\n{batch.to_pylist()}\n".encode())
    note = offer.note(chunk)
    follows = offer.after(chunk, note)
    walk.notes.append(note)
    walk.digests.append(digest.hexdigest())
    if follows is not None:
        walk.chunks.append(follows)
    return batches


def steps(offer: Offer) -> Iterator[pa.RecordBatch]:
    """All batches of an offer, chunk by chunk."""
    walk = begun(offer)
    while not walk.is_over:
        yield from step(offer, walk)


def walked(offer: Offer) -> Walk:
    """A whole reading."""
    walk = begun(offer)
    while not walk.is_over:
        step(offer, walk)
    return walk


def rows_of(offer: Offer) -> list[dict[str, Any]]:
    """All rows of an offer."""
    rows: list[dict[str, Any]] = pa.Table.from_batches(list(steps(offer))).to_pylist()
    return rows


def by_text(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in an order of their own: a database owes none."""
    return sorted(rows, key=repr)


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ConnectorSuite:
    """Inherited by a test class for each kind."""

    @pytest.fixture
    def away(self, source: Source) -> Source:
        """The same source on a port nobody listens on, where it is a server."""
        parts = urlsplit(source.connection.place)
        if not parts.hostname:
            pytest.skip("no server: it cannot be away")
        user = parts.netloc.rpartition("@")[0]
        netloc = f"{user}@127.0.0.1:{closed_port()}" if user else f"127.0.0.1:{closed_port()}"
        return replace(source, connection=replace(source.connection, place=parts._replace(netloc=netloc).geturl()))

    @pytest.fixture
    def hostile(self) -> Source | None:
        """A source whose columns are `HOSTILE_NAMES`; None where the kind refuses such names (`refused`)."""
        pytest.skip("this class gives no source with hostile names")

    @pytest.fixture
    def refused(self) -> list[Source]:
        """Sources whose names the kind does not allow."""
        return []

    def test_rows_arrive_as_they_are(self, source: Source) -> None:
        assert by_text(rows_of(offer_of(source))) == by_text(source.rows)

    def test_columns_are_those_asked_for_in_that_order(self, source: Source) -> None:
        wanted = tuple(reversed(source.request.fields))[:2]
        offer = offer_of(replace(source, request=replace(source.request, fields=wanted)))
        batches = list(steps(offer))
        for batch in batches:
            assert tuple(batch.schema.names) == wanted
        rows = pa.Table.from_batches(batches).to_pylist()
        assert by_text(rows) == by_text([{name: row[name] for name in wanted} for row in source.rows])

    def test_two_readings_are_equal(self, source: Source) -> None:
        offer = offer_of(source)
        first = walked(offer)
        assert walked(offer) == first
        del offer  # a queue shows its messages to one reader at a time
        assert walked(offer_of(source)) == first

    def test_plan_and_notes_are_json(self, source: Source) -> None:
        offer = offer_of(source)
        walk = walked(offer)
        assert walk.through_json() == walk
        assert len(walk.chunks) >= 1

    def test_a_stop_between_chunks_loses_nothing(self, many: Source) -> None:
        offer = offer_of(many)
        whole, name = walked(offer), offer.name
        mark = offer.mark(whole.notes)
        del offer
        for stop in range(len(whole.chunks) + 1):
            before = offer_of(many)
            walk = begun(before)
            for _ in range(stop):
                step(before, walk)
            del before
            walk = walk.through_json()
            later = offer_of(many)
            assert later.name == name
            while not walk.is_over:
                step(later, walk)
            assert walk == whole
            assert later.mark(walk.notes) == mark
            del later

    def test_a_reading_given_up_in_the_middle_can_be_done_anew(self, many: Source) -> None:
        offer = offer_of(many)
        reading = offer.read(offer.plan()[0])
        next(reading)
        reading.close()  # type: ignore[attr-defined]  # all are generators
        assert sum(batch.num_rows for batch in steps(offer)) == len(many.rows)

    def test_batches_have_at_most_the_agreed_rows(self, many: Source) -> None:
        counts = [batch.num_rows for batch in steps(offer_of(many))]
        assert len(counts) > 1
        assert max(counts) <= BATCH_ROWS
        assert sum(counts) == len(many.rows)

    def test_all_batches_have_one_schema(self, many: Source) -> None:
        first, *others = [batch.schema for batch in steps(offer_of(many))]
        assert all(schema == first for schema in others)

    def test_types_do_not_depend_on_the_rows(self, source: Source, request: pytest.FixtureRequest) -> None:
        full = next(steps(offer_of(source))).schema
        # Made only now: both may be behind one server, which then answers as the later one wants.
        none = next(steps(offer_of(request.getfixturevalue("empty")))).schema
        shared = [name for name in full.names if name in none.names]
        assert shared
        assert [full.field(name).type for name in shared] == [none.field(name).type for name in shared]

    def test_empty_source_gives_an_offer_without_rows(self, empty: Source) -> None:
        offer = offer_of(empty)
        (batch,) = steps(offer)
        assert batch.num_rows == 0
        assert tuple(batch.schema.names) == empty.request.fields
        assert offer.expected_rows in (0, None)

    def test_missing_column_is_schema_drift(self, source: Source) -> None:
        request = replace(source.request, fields=(*source.request.fields, "not_there"))
        with pytest.raises(SetAsideError) as caught:
            list(steps(offer_of(replace(source, request=request))))
        assert caught.value.reason == "schema_drift"
        assert "not_there" in caught.value.came
        assert source.request.tail in caught.value.where

    def test_missing_column_is_lent_where_the_contract_says_so(self, source: Source) -> None:
        request = replace(source.request, fields=(*source.request.fields, "not_there"), drift={"missing": "evolve"})
        rows = rows_of(offer_of(replace(source, request=request)))
        assert by_text(rows) == by_text([{**row, "not_there": None} for row in source.rows])

    def test_renamed_column_is_found_by_its_synonym(self, source: Source) -> None:
        old, *others = source.request.fields
        request = replace(source.request, fields=("renamed", *others), synonyms={"renamed": ("not_there", old)})
        rows = rows_of(offer_of(replace(source, request=request)))
        assert by_text(rows) == by_text(
            [{("renamed" if name == old else name): row[name] for name in (old, *others)} for row in source.rows]
        )

    def test_available_holds_at_least_what_is_wanted(self, source: Source) -> None:
        offer = offer_of(source)
        list(steps(offer))
        if offer.available is None:
            pytest.skip("the source does not say what it has")
        have = {"".join(name.split()) for name in offer.available}
        assert have >= {"".join(name.split()) for name in source.request.fields}
        assert all(isinstance(kind, str) and kind for kind in offer.available.values())

    def test_source_says_how_many_rows_or_nothing(self, source: Source) -> None:
        offer = offer_of(source)
        list(steps(offer))
        assert offer.expected_rows in (len(source.rows), None)

    def test_mark_survives_json(self, source: Source) -> None:
        offer = offer_of(source)
        mark = offer.mark(walked(offer).notes)
        assert json.loads(json.dumps(mark)) == mark

    def test_settling_twice_or_unread_does_no_harm(self, source: Source) -> None:
        offer = offer_of(source)
        offer.settle()
        list(steps(offer))
        offer.settle()
        offer.settle()

    def test_hostile_names_do_no_harm(self, hostile: Source | None, request: pytest.FixtureRequest) -> None:
        if hostile is not None:
            assert hostile.request.fields == HOSTILE_NAMES
            assert by_text(rows_of(offer_of(hostile))) == by_text(hostile.rows)
        refused: list[Source] = request.getfixturevalue("refused")
        assert hostile is not None or refused
        for each in refused:
            with pytest.raises(StopError, match=r"Do: "):
                list(steps(offer_of(each)))

    def test_source_that_is_away_is_tried_later(self, away: Source) -> None:
        with pytest.raises(RetryError) as caught:
            list(steps(offer_of(away)))
        assert away.connection.place not in str(caught.value)
        assert str(urlsplit(away.connection.place).port) not in str(caught.value)

    def test_no_option_is_missed_in_silence(self, source: Source) -> None:
        with pytest.raises(StopError, match=r"Do: "):
            list(connect(source.connection).offers(replace(source.request, options={}), None))

    def test_secret_and_place_are_never_shown(self, source: Source, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        connector = connect(source.connection)
        (offer,) = connector.offers(source.request, None)
        assert isinstance(offer, Offer)
        walk = walked(offer)
        shown = [repr(source.connection), str(source.connection), repr(connector), repr(offer), offer.name]
        shown += [repr(offer.mark(walk.notes)), repr(walk.chunks), repr(walk.notes), repr(offer.fingerprint)]
        del offer
        request = replace(source.request, fields=("not_there",))
        with pytest.raises(SetAsideError) as caught:
            list(steps(offer_of(replace(source, request=request))))
        shown += [str(caught.value), repr(caught.value)]
        shown += [line for line in caplog.text.splitlines() if "connectors" in line]
        for text in shown:
            assert SECRET not in text
            assert source.connection.place not in text
            assert not source.connection.secret or source.connection.secret not in text
        assert SECRET not in caplog.text
