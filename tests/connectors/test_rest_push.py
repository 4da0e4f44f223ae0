"""Writing in pages: each acknowledged, each with the same key whenever it is sent; no sockets."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Connection, Outgoing, Receipt, writer_of
from connectors.errors import RetryError, StopError
from tests.connectors.servers import Answer, Asked
from tests.connectors.suite import SECRET
from tests.connectors.web_servers import WIRE, wired

ROWS: list[dict[str, str | None]] = [
    {"zch": str(number), "dwmc": "湖㳇" if number % 2 else None} for number in range(5)
]


class Inbox:
    """Takes rows; a page that comes again under its key is taken once."""

    def __init__(self) -> None:
        self.pages: dict[str, list[Any]] = {}
        self.calls = 0
        self.failing: set[int] = set()
        self.refused = 0

    def respond(self, asked: Asked) -> Answer:
        self.calls += 1
        heads = {name.lower(): value for name, value in asked.headers.items()}
        assert heads["x-key"] == SECRET
        rows = json.loads(asked.body)["rows"]
        self.pages[heads["idempotency-key"]] = rows
        # The rows are taken, but the answer is lost.
        if self.calls in self.failing:
            return Answer(status=502)
        return Answer({"code": 0, "data": {"count": len(rows) - self.refused}})

    @property
    def rows(self) -> list[Any]:
        return [row for page in self.pages.values() for row in page]


def push(rows: list[dict[str, str | None]], delivery: str = "release 7", **options: Any) -> Receipt:
    connection = Connection("street", "hub", "rest", WIRE, SECRET, {"auth": {"kind": "header", "name": "X-Key"}})
    told = {"path": "/in", "envelope": "rows", "acknowledged": "data.count", "code": "code", "page_size": 2, **options}
    columns = tuple(rows[0]) if rows else ("zch",)
    table = pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in columns]))
    return writer_of(connection).write(Outgoing(delivery, "enterprises", columns, (), told), table.to_batches(3))


def test_every_page_is_acknowledged() -> None:
    inbox = Inbox()
    with wired(inbox.respond):
        assert (push(ROWS).rows, inbox.calls) == (5, 3)
        assert (push([]).rows, inbox.calls) == (0, 3)
    assert inbox.rows == ROWS


def test_page_whose_answer_was_lost_is_sent_again_under_its_key() -> None:
    inbox = Inbox()
    inbox.failing = {2}
    with wired(inbox.respond):
        push(ROWS)
    assert inbox.calls == 4
    assert inbox.rows == ROWS


def test_a_later_process_sends_under_the_same_keys() -> None:
    inbox = Inbox()
    inbox.failing = set(range(2, 7))
    with wired(inbox.respond):
        with pytest.raises(RetryError):
            push(ROWS)
        assert push(ROWS).rows == 5
    assert inbox.rows == ROWS


def test_fewer_rows_acknowledged_stop() -> None:
    inbox = Inbox()
    inbox.refused = 1
    with wired(inbox.respond), pytest.raises(StopError, match="1 rows acknowledged of page 1, which has 2"):
        push(ROWS)


def test_answer_without_a_count_stops() -> None:
    with wired(lambda _: Answer({"code": 0})), pytest.raises(StopError, match=r"no whole number at 'data\.count'"):
        push(ROWS)


@pytest.mark.parametrize("options", [{"acknowledged": ""}, {"method": "GET"}, {"send": "form"}, {"page_size": 0}])
def test_wrong_options_stop(options: dict[str, Any]) -> None:
    with pytest.raises(StopError, match=f"{next(iter(options))}.*under `deliver` in connectors/systems/street.yml"):
        push(ROWS, **options)


@given(
    rows=st.lists(st.fixed_dictionaries({"a": st.text(max_size=3) | st.none(), "b": st.text(max_size=3)}), max_size=9),
    size=st.integers(1, 4),
)
def test_keys_tell_pages_and_deliveries_apart(rows: list[Any], size: int) -> None:
    one, other = Inbox(), Inbox()
    with wired(one.respond):
        push(rows, page_size=size)
        keys = list(one.pages)
        push(rows, page_size=size)
    assert list(one.pages) == keys
    assert len(keys) == -(-len(rows) // size)
    with wired(other.respond):
        push(rows, "release 8", page_size=size)
    assert not set(other.pages) & set(keys)
