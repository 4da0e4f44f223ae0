"""Another hub's table, over a real Delta Sharing server on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import BATCH_ROWS, Connection, Request, connect
from connectors.delta_protocol import _lines
from connectors.errors import RetryError, SetAsideError, StopError
from connectors.pace import Pace
from tests.connectors.servers import Answer, Asked, WebServer
from tests.connectors.sharing_server import NAMES, PREFIX, Commit, Sharing, Stored, parquet
from tests.connectors.suite import HOSTILE_NAMES, SECRET, ConnectorSuite, Source, offer_of, rows_of, walked

MOMENT = datetime(2026, 10, 1, 8, 0, 0, 123456, tzinfo=UTC)
COLUMNS: dict[str, Any] = {
    "xm": "string",
    "xh": "long",
    "bz": "short",
    "je": "double",
    "csrq": "date",
    "gxsj": "timestamp",
    "djsj": "timestamp_ntz",
    "zx": "boolean",
    "ye": "decimal(20,2)",
    "tx": "binary",
    "bq": {"type": "array", "elementType": "string", "containsNull": True},
    "village": "string",
    "quarter": "date",
}
FIRST: dict[str, Any] = {
    "xm": "湖㳇镇",
    "xh": 9_000_000_000,
    "bz": -3,
    "je": 0.5,
    "csrq": date(1, 1, 1),
    "gxsj": MOMENT,
    "djsj": datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001  the type has no zone
    "zx": True,
    "ye": "123456789012345678.90",
    "tx": b"\x00\xff",
    "bq": '["低保", null]',
    "village": "320305005204",
    "quarter": date(2026, 10, 1),
}
NULLS: dict[str, Any] = {**dict.fromkeys(COLUMNS), "village": "320305005204", "quarter": date(2026, 10, 1)}
OTHER: dict[str, Any] = {**dict.fromkeys(COLUMNS), "xm": "", "xh": 2}
ARROW = pa.schema(
    [
        ("xm", pa.string()),
        ("xh", pa.int64()),
        ("bz", pa.int16()),
        ("je", pa.float64()),
        ("csrq", pa.date32()),
        ("gxsj", pa.timestamp("us", "UTC")),
        ("djsj", pa.timestamp("us")),
        ("zx", pa.bool_()),
        ("ye", pa.decimal128(20, 2)),
        ("tx", pa.binary()),
        ("bq", pa.list_(pa.string())),
    ]
)


def typed_file(name: str, rows: list[dict[str, Any]], village: str, quarter: str) -> Stored:
    """A file with one value of every type; the partition columns are not in it."""
    held = []
    for row in rows:
        inside = {key: row[key] for key in ARROW.names}
        inside["ye"] = None if row["ye"] is None else Decimal(row["ye"])
        inside["bq"] = None if row["bq"] is None else json.loads(row["bq"])
        held.append(inside)
    partition = {"village": village, "quarter": quarter}
    return Stored(name, parquet(pa.Table.from_pylist(held, ARROW)), len(rows), partition)


def file_of(name: str, rows: list[dict[str, Any]], **options: Any) -> Stored:
    return Stored(name, parquet(pa.Table.from_pylist(rows)), len(rows), **options)


def numbers(name: str, *values: int) -> Stored:
    return file_of(name, [{"xh": value} for value in values])


def source_at(sharing: Sharing, rows: list[dict[str, Any]], mode: Any = "snapshot", **given: Any) -> Source:
    sharing.web.respond = sharing.respond
    connection = Connection(
        "province", "hub", "delta_sharing", sharing.web.url + PREFIX, sharing.token, {"share_credentials_version": 1}
    )
    pull = dict(zip(("share", "schema", "table"), sharing.names, strict=True))
    fields = tuple(given.pop("fields", sharing.columns))
    return Source(connection, Request("province/resident", fields, pull, mode, **given), rows)


def numbered(web: WebServer, *commits: Commit, **options: Any) -> Sharing:
    return Sharing(web, SECRET, {"xh": "long"}, list(commits), **options)


@pytest.mark.integration
class TestDeltaSharing(ConnectorSuite):
    @pytest.fixture
    def source(self, web: WebServer) -> Source:
        files = [
            typed_file("a", [FIRST, NULLS], "320305005204", "2026-10-01"),
            typed_file("b", [OTHER], "", ""),
        ]
        sharing = Sharing(web, SECRET, COLUMNS, [Commit([]), Commit(files)], partitions=("village", "quarter"))
        return source_at(sharing, [FIRST, NULLS, OTHER])

    @pytest.fixture
    def empty(self, web: WebServer) -> Source:
        return source_at(Sharing(web, SECRET, COLUMNS, [Commit([])], partitions=("village", "quarter")), [])

    @pytest.fixture
    def many(self, web: WebServer) -> Source:
        files = [
            Stored(name, parquet(pa.table({"xh": pa.array(values, pa.int32())}), row_group_size=1000), len(values))
            for name, values in (("a", range(BATCH_ROWS + 1)), ("b", range(5)), ("c", range(0)))
        ]
        return source_at(numbered(web, Commit(files)), [{"xh": n} for n in [*range(BATCH_ROWS + 1), *range(5)]])

    @pytest.fixture
    def hostile(self, web: WebServer) -> Source:
        names = ("省级'共享\"", "select", "户籍;--")
        rows = [{name: f"{name} {number}" for name in HOSTILE_NAMES} for number in range(2)]
        columns = dict.fromkeys(HOSTILE_NAMES, "string")
        return source_at(Sharing(web, SECRET, columns, [Commit([file_of("a", rows)])], names), rows)

    @pytest.fixture
    def refused(self, web: WebServer) -> list[Source]:
        source = source_at(numbered(web, Commit([])), [])
        wrong = {"share": ("..", "a/b", "a b", "x" * 256, "a\x00"), "schema": (".", "a.b"), "table": ("a.b", "a\tb")}
        return [
            replace(source, request=replace(source.request, options={**source.request.options, option: name}))
            for option, names in wrong.items()
            for name in names
        ]


@pytest.mark.integration
class TestFiles:
    def test_a_release_is_one_snapshot_though_a_newer_one_appears(self, web: WebServer) -> None:
        sharing = numbered(web, Commit([numbers("a", 1), numbers("b", 2)]))
        source = source_at(sharing, [])
        offer = offer_of(source)
        sharing.commits.append(Commit([numbers("c", 3)]))
        assert offer.name.endswith(" version 0")
        assert rows_of(offer) == [{"xh": 1}, {"xh": 2}]
        assert rows_of(offer_of(source)) == [{"xh": 3}]
        assert offer.fingerprint != offer_of(source).fingerprint

    def test_server_without_history_is_read_while_it_stands_still(self, web: WebServer) -> None:
        sharing = numbered(web, Commit([numbers("a", 1)]), has_history=False)
        source = source_at(sharing, [])
        assert rows_of(offer_of(source)) == [{"xh": 1}]
        offer = offer_of(source)
        sharing.commits.append(Commit([numbers("c", 3)]))
        with pytest.raises(RetryError, match="version 1 came"):
            offer.plan()

    def test_chunks_hold_no_address(self, web: WebServer) -> None:
        offer = offer_of(source_at(numbered(web, Commit([numbers("a", 1)])), []))
        text = json.dumps(offer.plan())
        assert web.url not in text
        assert "store" not in text

    def test_address_refused_meanwhile_is_asked_for_anew(self, web: WebServer) -> None:
        sharing = numbered(web, Commit([numbers("a", 1), numbers("b", 2)]))
        offer = offer_of(source_at(sharing, []))
        chunks = offer.plan()
        sharing.issued_before = sharing.issued + 1
        assert [batch.to_pylist() for batch in offer.read(chunks[1])] == [[{"xh": 2}]]
        assert sharing.calls == ["metadata", "query", "query"]

    def test_address_that_says_it_ends_is_not_even_tried(self, web: WebServer) -> None:
        sharing = numbered(web, Commit([numbers("a", 1)]), url_seconds=5)
        offer = offer_of(source_at(sharing, []))
        chunks = offer.plan()
        sharing.url_seconds = 3600
        list(offer.read(chunks[0]))
        assert sharing.calls == ["metadata", "query", "query"]
        assert len(sharing.fetched) == 1

    def test_fresh_address_that_is_refused_is_tried_later(self, web: WebServer) -> None:
        sharing = numbered(web, Commit([numbers("a", 1)]), issued_before=99)
        with pytest.raises(RetryError, match="a fresh file address that the store refuses") as caught:
            rows_of(offer_of(source_at(sharing, [])))
        assert web.url not in str(caught.value)

    def test_file_that_is_listed_no_longer_is_an_outage(self, web: WebServer) -> None:
        sharing = numbered(web, Commit([numbers("a", 1)]))
        source = source_at(sharing, [])
        chunks = offer_of(source).plan()
        sharing.commits[0] = Commit([numbers("b", 1)])
        with pytest.raises(RetryError, match="no longer listed"):
            list(offer_of(source).read(chunks[0]))

    def test_file_that_breaks_off_goes_on_where_it_stopped(self, web: WebServer) -> None:
        sharing = numbered(web, Commit([numbers("a", *range(50_000))]), broken={"a": [70_000, 0, 70_000]})
        assert [row["xh"] for row in rows_of(offer_of(source_at(sharing, [])))] == list(range(50_000))
        wanted = ["", "bytes=65536-", "bytes=65536-", "bytes=131072-"]
        assert sharing.fetched == [("a", part) for part in wanted]

    def test_store_without_ranges_begins_anew(self, web: WebServer) -> None:
        commit = Commit([numbers("a", *range(50_000))])
        sharing = numbered(web, commit, broken={"a": [70_000]}, takes_ranges=False)
        assert [row["xh"] for row in rows_of(offer_of(source_at(sharing, [])))] == list(range(50_000))
        assert sharing.fetched == [("a", ""), ("a", "bytes=65536-")]

    def test_another_part_than_asked_for_is_not_taken(self, web: WebServer) -> None:
        commit = Commit([numbers("a", *range(50_000))])
        sharing = numbered(web, commit, broken={"a": [70_000]}, ranges_off_by=1)
        with pytest.raises(RetryError):
            rows_of(offer_of(source_at(sharing, [])))

    def test_file_that_breaks_off_again_and_again_is_an_outage(self, web: WebServer) -> None:
        sharing = numbered(web, Commit([numbers("a", 1)]), broken={"a": [10] + [0] * 5})
        with pytest.raises(RetryError, match="broke off 5 times"):
            rows_of(offer_of(source_at(sharing, [])))

    @pytest.mark.parametrize("more", [1, -1])
    def test_file_of_another_size_than_listed_is_set_aside(self, web: WebServer, more: int) -> None:
        stored = numbers("a", 1)
        stored.listed_size = len(stored.content) + more
        with pytest.raises(SetAsideError, match="another size") as caught:
            rows_of(offer_of(source_at(numbered(web, Commit([stored])), [])))
        assert caught.value.reason == "digest_mismatch"

    def test_file_of_other_rows_than_announced_is_set_aside(self, web: WebServer) -> None:
        stored = replace(numbers("a", 1, 2), rows=3)
        with pytest.raises(SetAsideError, match="2 rows where its listing announces 3") as caught:
            rows_of(offer_of(source_at(numbered(web, Commit([stored])), [])))
        assert caught.value.reason == "manifest_count"

    def test_listing_without_counts_is_read_and_nothing_expected(self, web: WebServer) -> None:
        offer = offer_of(source_at(numbered(web, Commit([replace(numbers("a", 1), rows=None)])), []))
        assert rows_of(offer) == [{"xh": 1}]
        assert offer.expected_rows is None

    @pytest.mark.parametrize("spoil", [lambda c: b"no parquet" * 9, lambda c: c[:-4] + b"XXXX", lambda c: c[20:]])
    def test_what_is_no_parquet_is_set_aside(self, web: WebServer, spoil: Callable[[bytes], bytes]) -> None:
        stored = numbers("a", *range(100))
        stored.content = spoil(stored.content)
        with pytest.raises(SetAsideError) as caught:
            rows_of(offer_of(source_at(numbered(web, Commit([stored])), [])))
        assert caught.value.reason == "unreadable"

    def test_value_that_is_not_of_its_type_is_drift_and_not_shown(self, web: WebServer) -> None:
        sharing = numbered(web, Commit([file_of("a", [{"xh": "张三"}])]))
        with pytest.raises(SetAsideError, match="column xh of type string where int64 is declared") as caught:
            rows_of(offer_of(source_at(sharing, [])))
        assert caught.value.reason == "schema_drift"
        assert "张三" not in str(caught.value)

    def test_column_added_since_a_file_was_written_is_null_in_it(self, web: WebServer) -> None:
        columns = {"xh": "long", "lxdh": "string"}
        commit = Commit([numbers("a", 1), file_of("b", [{"xh": 2, "lxdh": "025"}])])
        source = source_at(Sharing(web, SECRET, columns, [commit]), [])
        assert rows_of(offer_of(source)) == [{"xh": 1, "lxdh": None}, {"xh": 2, "lxdh": "025"}]

    def test_only_partition_columns_are_asked_for(self, web: WebServer) -> None:
        stored = file_of("a", [{"xh": 1}, {"xh": 2}], partition={"village": "v"})
        sharing = Sharing(web, SECRET, {"xh": "long", "village": "string"}, [Commit([stored])])
        assert rows_of(offer_of(source_at(sharing, [], fields=("village",)))) == [{"village": "v"}] * 2

    def test_rows_are_taken_at_the_departments_pace(self, web: WebServer) -> None:
        waits: list[float] = []
        sharing = numbered(web, Commit([numbers("a", 1, 2), numbers("b", 3)]))
        pace = Pace(1, clock=lambda: 0.0, sleep=waits.append)
        rows_of(offer_of(source_at(sharing, [], pace=pace)))
        assert waits == [2, 3]


CHANGES = ("_change_type", "_commit_version", "_commit_timestamp")


def change(name: str, *rows: tuple[int, str]) -> Stored:
    return replace(file_of(name, [{"xh": xh, "_change_type": kind} for xh, kind in rows]), rows=None)


def minute(version: int) -> datetime:
    return datetime(2026, 1, 1, 0, version, tzinfo=UTC)


@pytest.mark.integration
class TestIncrement:
    def sharing(self, web: WebServer, **options: Any) -> Sharing:
        a, b = numbers("a", 1, 2), numbers("b", 3)
        updates = change("u", (1, "update_preimage"), (11, "update_postimage"), (2, "delete"))
        commits = [
            Commit([a], [("add", a)]),
            Commit([a, b], [("add", b)]),
            Commit([b, numbers("c", 11)], [("cdf", updates)]),
            Commit([numbers("d", 4)], [("add", numbers("d", 4)), ("remove", b)]),
        ]
        return numbered(web, *commits, **{"has_feed": True, **options})

    def source(self, sharing: Sharing, **given: Any) -> Source:
        return source_at(sharing, [], "increment", fields=("xh", *CHANGES), **given)

    def mark(self, sharing: Sharing, version: int) -> dict[str, Any]:
        return {"table": sharing.table_id, "version": version}

    def test_first_increment_is_a_whole_version_of_insertions(self, web: WebServer) -> None:
        sharing = self.sharing(web)
        offer = offer_of(self.source(sharing))
        assert offer.name.endswith(" version 3")
        assert rows_of(offer) == [
            {"xh": 4, "_change_type": "insert", "_commit_version": 3, "_commit_timestamp": minute(3)}
        ]
        assert offer.mark(walked(offer).notes) == self.mark(sharing, 3)

    def test_later_ones_are_what_changed_in_the_order_of_the_commits(self, web: WebServer) -> None:
        sharing = self.sharing(web)
        offer = offer_of(self.source(sharing), self.mark(sharing, 0))
        assert offer.name == f"{'.'.join(NAMES)} changes 1 to 3"
        rows = rows_of(offer)
        assert [(row["xh"], row["_change_type"], row["_commit_version"]) for row in rows] == [
            (3, "insert", 1),
            (11, "update_postimage", 2),
            (2, "delete", 2),
            (3, "delete", 3),
            (4, "insert", 3),
        ]
        assert [row["_commit_timestamp"] for row in rows] == [minute(n) for n in (1, 2, 2, 3, 3)]
        assert offer.expected_rows is None
        assert offer.mark(walked(offer).notes) == self.mark(sharing, 3)

    def test_what_was_replaced_is_left_out_though_nobody_asked_for_the_kind_of_change(self, web: WebServer) -> None:
        sharing = self.sharing(web)
        source = self.source(sharing)
        offer = offer_of(source, self.mark(sharing, 1))
        chunks = offer.plan()
        later = offer_of(source, self.mark(sharing, 1))
        assert [row["xh"] for batch in later.read(chunks[0]) for row in batch.to_pylist()] == [11, 2]

    def test_nothing_new_offers_nothing(self, web: WebServer) -> None:
        sharing = self.sharing(web)
        source = self.source(sharing)
        assert list(connect(source.connection).offers(source.request, self.mark(sharing, 3))) == []
        assert sharing.calls == ["metadata"]

    def test_feed_that_no_longer_reaches_back_falls_back_to_the_whole_table(self, web: WebServer) -> None:
        sharing = self.sharing(web, feed_from=2)
        offer = offer_of(self.source(sharing), self.mark(sharing, 0))
        assert offer.name.endswith(" version 3")
        assert [row["xh"] for row in rows_of(offer)] == [4]
        assert rows_of(offer_of(self.source(sharing), self.mark(sharing, 1)))[0]["_change_type"] == "update_postimage"

    @pytest.mark.parametrize("missing", ["feed", "kind of change"])
    def test_without_a_usable_feed_versions_are_compared(self, web: WebServer, missing: str) -> None:
        sharing = self.sharing(web, has_feed=missing != "feed")
        source = source_at(sharing, [], "increment")
        source = self.source(sharing) if missing == "feed" else source
        offer = offer_of(source, self.mark(sharing, 2))
        assert offer.name.endswith(" version 3")
        assert [row["xh"] for row in rows_of(offer)] == [4]
        assert list(connect(source.connection).offers(source.request, self.mark(sharing, 3))) == []
        assert "changes" not in sharing.calls

    @pytest.mark.parametrize("mark", [{"table": "another", "version": 3}, {"version": 9}])
    def test_table_made_anew_or_set_back_is_read_whole(self, web: WebServer, mark: dict[str, Any]) -> None:
        sharing = self.sharing(web)
        offer = offer_of(self.source(sharing), {**self.mark(sharing, 3), **mark})
        assert offer.name.endswith(" version 3")

    def test_backfill_begins_at_its_moment_instead_of_the_mark(self, web: WebServer) -> None:
        sharing = self.sharing(web)
        offer = offer_of(self.source(sharing, since=minute(2)), self.mark(sharing, 3))
        assert offer.name.endswith(" changes 2 to 3")

    def test_backfill_that_would_begin_late_leaves_nothing_out(self, web: WebServer) -> None:
        sharing = self.sharing(web)
        offer = offer_of(self.source(sharing, since=minute(3)), self.mark(sharing, 1))
        assert offer.name.endswith(" changes 2 to 3")
        assert offer_of(self.source(sharing, since=minute(3)), None).name.endswith(" version 3")

    def test_backfill_of_a_server_without_history_is_the_whole_table(self, web: WebServer) -> None:
        sharing = self.sharing(web, has_history=False)
        assert offer_of(self.source(sharing, since=minute(2)), None).name.endswith(" version 3")

    def test_commits_without_rows_give_one_chunk_without_rows(self, web: WebServer) -> None:
        sharing = numbered(web, Commit([]), Commit([]), has_feed=True)
        offer = offer_of(self.source(sharing), self.mark(sharing, 0))
        assert [batch.num_rows for chunk in offer.plan() for batch in offer.read(chunk)] == [0]

    def test_addresses_of_changes_are_renewed_too(self, web: WebServer) -> None:
        sharing = self.sharing(web)
        offer = offer_of(self.source(sharing), self.mark(sharing, 2))
        sharing.issued_before = sharing.issued + 1
        assert [row["_change_type"] for row in rows_of(offer)] == ["delete", "insert"]


@pytest.mark.integration
class TestServer:
    def test_wrong_token_stops_and_does_not_show(self, web: WebServer) -> None:
        source = source_at(numbered(web, Commit([])), [])
        source = replace(source, connection=replace(source.connection, secret="another-token"))  # noqa: S106
        with pytest.raises(StopError, match="HTTP 401") as caught:
            offer_of(source)
        assert "another-token" not in str(caught.value)

    def test_unknown_table_stops(self, web: WebServer) -> None:
        source = source_at(numbered(web, Commit([]), names=("a", "b", "c")), [])
        options = dict(zip(("share", "schema", "table"), NAMES, strict=True))
        with pytest.raises(StopError, match="HTTP 404"):
            offer_of(replace(source, request=replace(source.request, options=options)))

    def test_table_for_a_later_reader_stops(self, web: WebServer) -> None:
        with pytest.raises(StopError, match="a later reader"):
            offer_of(source_at(numbered(web, Commit([]), reader_version=2), []))

    @pytest.mark.parametrize(
        "line",
        [
            {"file": {"id": "a", "size": 1}},
            {"file": {"url": "u", "id": "a"}},
            {"file": "a"},
            {"file": {"url": "u", "id": "a", "size": "x"}},
            {"file": {"url": "u", "id": "a", "size": 1, "stats": "{"}},
            {"file": {"url": "u", "id": "a", "size": 1, "stats": "[]"}},
        ],
    )
    def test_listing_of_another_form_stops(self, web: WebServer, line: dict[str, Any]) -> None:
        sharing = numbered(web, Commit([]))
        source = source_at(sharing, [])
        offer = offer_of(source)
        web.respond = lambda _: Answer(json.dumps(line).encode(), headers={"Delta-Table-Version": "0"})
        with pytest.raises(StopError, match="a file without address, id or size"):
            offer.plan()

    @pytest.mark.parametrize("body", [b"", b"{}", b'{"metaData":{"id":"x"}}', b'{"metaData":{"schemaString":"{"}}'])
    def test_description_of_another_form_stops(self, web: WebServer, body: bytes) -> None:
        source = source_at(numbered(web, Commit([])), [])
        web.respond = lambda _: Answer(body, headers={"Delta-Table-Version": "0"})
        with pytest.raises(StopError, match="a description without id or schema"):
            offer_of(source)

    @pytest.mark.parametrize(("body", "version"), [(b"{", "0"), (b"[]", "0"), (b"{}", ""), (b"{}", "x"), (b"1", "1")])
    def test_broken_answer_is_an_outage(self, web: WebServer, body: bytes, version: str) -> None:
        source = source_at(numbered(web, Commit([])), [])
        web.respond = lambda _: Answer(body, headers={"Delta-Table-Version": version})
        with pytest.raises(RetryError):
            offer_of(source)

    def test_outage_is_waited_out(self, web: WebServer) -> None:
        sharing = numbered(web, Commit([numbers("a", 1)]))
        source = source_at(sharing, [])
        failures = [503, 429, 500]

        def respond(asked: Asked) -> Answer:
            return Answer(status=failures.pop()) if failures else sharing.respond(asked)

        web.respond = respond
        assert rows_of(offer_of(source)) == [{"xh": 1}]


def connection(**options: Any) -> Connection:
    return Connection("province", "hub", "delta_sharing", "https://hub.example/delta-sharing", SECRET, options)


@pytest.mark.parametrize(
    ("options", "came"),
    [
        ({"share_credentials_version": 2}, "share_credentials_version: Input should be 1"),
        ({"expiration_time": "2020-01-01T00:00:00.0Z"}, "a token that has expired"),
        ({"expiration_time": datetime(2020, 1, 1)}, "a token that has expired"),  # noqa: DTZ001  as YAML reads it
        ({"expiration_time": "soon"}, "expiration_time: Input should be a valid datetime"),
    ],
)
def test_credentials_that_cannot_be_good_stop(options: dict[str, Any], came: str) -> None:
    with pytest.raises(StopError, match=came):
        connect(connection(**options))


@pytest.mark.parametrize("options", [{}, {"share_credentials_version": 1, "expiration_time": "2999-01-01T00:00:00.0Z"}])
def test_credentials_of_a_profile_are_taken(options: dict[str, Any]) -> None:
    connect(connection(**options))


@pytest.mark.parametrize("place", ["", "ftp://h/x", "/a/folder"])
def test_place_that_is_no_web_address_stops(place: str) -> None:
    with pytest.raises(StopError, match="no web address"):
        connect(replace(connection(), place=place))


class Response:
    """The parts of an HTTP answer that are read."""

    def __init__(self, content: bytes, version: str) -> None:
        self.content, self.headers, self.status_code = content, {"Delta-Table-Version": version}, 200


@given(
    content=st.binary(max_size=80)
    | st.recursive(st.none() | st.text(max_size=4), st.lists).map(json.dumps).map(str.encode),
    version=st.text(max_size=3) | st.integers(0, 99).map(str),
)
def test_any_answer_is_read_or_refused(content: bytes, version: str) -> None:
    try:
        found = _lines(Response(content, version))  # type: ignore[arg-type]
    except ValueError:
        return
    assert found is not None
    assert all(isinstance(line, dict) for line in found[1])
