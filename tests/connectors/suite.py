"""The standard suite: what every connector keeps to, whatever it connects to. A test class inherits it and says how.

A class gives three fixtures: `source` (a few rows, two or more columns), `empty` (the same, no row) and `many` (more
rows than one batch may have).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pytest

from connectors.base import BATCH_ROWS, Connection, Offer, Request, Withheld, connect
from connectors.errors import SetAsideError, StopError

SECRET = "0123456789abcdef"  # noqa: S105
"""16 bytes, as an appkey must have; no row, name or place of a test contains it."""


@dataclass(frozen=True)
class Source:
    """A real source with the request that reads it and the rows that must come."""

    connection: Connection
    request: Request
    rows: Sequence[dict[str, Any]]


def offer_of(source: Source, mark: dict[str, Any] | None = None) -> Offer:
    """The one offer of a source."""
    (offer,) = connect(source.connection).offers(source.request, mark)
    assert not isinstance(offer, Withheld), offer
    return offer


def rows_of(offer: Offer) -> list[dict[str, Any]]:
    """All rows of an offer."""
    rows: list[dict[str, Any]] = pa.Table.from_batches(list(offer.read())).to_pylist()
    return rows


def by_text(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in an order of their own: a database owes none."""
    return sorted(rows, key=repr)


class ConnectorSuite:
    """Inherited by a test class for each kind."""

    def test_rows_arrive_as_they_are(self, source: Source) -> None:
        assert by_text(rows_of(offer_of(source))) == by_text(source.rows)

    def test_columns_are_those_asked_for_in_that_order(self, source: Source) -> None:
        wanted = tuple(reversed(source.request.fields))[:2]
        offer = offer_of(replace(source, request=replace(source.request, fields=wanted)))
        for batch in offer.read():
            assert tuple(batch.schema.names) == wanted
        assert by_text(rows_of(offer)) == by_text([{name: row[name] for name in wanted} for row in source.rows])

    def test_two_readings_are_equal(self, source: Source) -> None:
        offer = offer_of(source)
        assert rows_of(offer) == rows_of(offer)
        assert rows_of(offer) == rows_of(offer_of(source))

    def test_batches_have_at_most_65536_rows(self, many: Source) -> None:
        counts = [batch.num_rows for batch in offer_of(many).read()]
        assert len(counts) > 1
        assert max(counts) <= BATCH_ROWS == 65_536
        assert sum(counts) == len(many.rows)

    def test_empty_source_gives_an_offer_without_rows(self, empty: Source) -> None:
        offer = offer_of(empty)
        (batch,) = offer.read()
        assert batch.num_rows == 0
        assert tuple(batch.schema.names) == empty.request.fields
        assert offer.expected_rows in (0, None)

    def test_missing_column_is_schema_drift(self, source: Source) -> None:
        request = replace(source.request, fields=(*source.request.fields, "not_there"))
        with pytest.raises(SetAsideError) as caught:
            list(offer_of(replace(source, request=request)).read())
        assert caught.value.reason == "schema_drift"
        assert "not_there" in caught.value.came
        assert source.request.tail in caught.value.where

    def test_source_says_how_many_rows_or_nothing(self, source: Source) -> None:
        offer = offer_of(source)
        list(offer.read())
        assert offer.expected_rows in (len(source.rows), None)

    def test_mark_survives_json(self, source: Source) -> None:
        offer = offer_of(source)
        list(offer.read())
        assert json.loads(json.dumps(offer.mark())) == offer.mark()

    def test_no_option_is_missed_in_silence(self, source: Source) -> None:
        with pytest.raises(StopError, match=r"Do: "):
            list(connect(source.connection).offers(replace(source.request, options={}), None))

    def test_secret_and_place_are_never_shown(self, source: Source, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        connector = connect(source.connection)
        (offer,) = connector.offers(source.request, None)
        assert isinstance(offer, Offer)
        list(offer.read())
        shown = [repr(source.connection), str(source.connection), repr(connector), repr(offer), offer.name]
        request = replace(source.request, fields=("not_there",))
        with pytest.raises(SetAsideError) as caught:
            list(offer_of(replace(source, request=request)).read())
        shown += [str(caught.value), repr(caught.value), repr(offer.mark())]
        shown += [line for line in caplog.text.splitlines() if "connectors" in line]
        for text in shown:
            assert SECRET not in text
            assert source.connection.place not in text
        assert SECRET not in caplog.text
