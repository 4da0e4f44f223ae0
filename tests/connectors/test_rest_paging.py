"""Every way of paging reads each row once, whatever the sizes, and goes on where a killed pull stopped; no sockets."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Chunk, Connection, Offer, Request, connect
from connectors.errors import ChangedError, RetryError, SetAsideError, StopError
from connectors.pace import Pace
from connectors.rest_answers import ABSENT, at_path
from connectors.rest_chunks import Progress
from connectors.rest_paging import link_position, nested
from tests.connectors.servers import Answer, Asked
from tests.connectors.suite import Source, offer_of, rows_of, walked
from tests.connectors.web_servers import WIRE, Shop, shop_pull, wired

PAGED = ["page", "offset", "token", "link"]


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"zch": str(number)} for number in range(count)]


def source(shop: Shop, fields: tuple[str, ...] = ("zch",), **options: Any) -> Source:
    pull = shop_pull(shop.paging, **options)
    connection = Connection("market", "gateway", "rest", WIRE, options={"auth": {"kind": "none"}})
    return Source(connection, Request("market/legal_entity", fields, pull), shop.rows)


def read_in_pieces(given: Source) -> list[dict[str, Any]]:
    """Each chunk by another offer, as if every one before had been killed after its chunk was kept."""
    rows: list[dict[str, Any]] = []
    chunk: Chunk | None = offer_of(given).plan()[0]
    while chunk is not None:
        offer = offer_of(given)
        for batch in offer.read(json.loads(json.dumps(chunk))):
            rows += batch.to_pylist()
        note = offer.note(chunk)
        chunk = offer.after(chunk, json.loads(json.dumps(note)))
    return rows


@given(
    paging=st.sampled_from(PAGED),
    count=st.integers(0, 60),
    size=st.integers(1, 12),
    cap=st.integers(1, 12),
    pages=st.integers(1, 4),
    counts=st.booleans(),
)
def test_each_row_comes_once_in_order(paging: str, count: int, size: int, cap: int, pages: int, counts: bool) -> None:
    # A page number means nothing where the service shortens its pages at will.
    shop = Shop(numbered(count), paging, max(cap, size) if paging == "page" else cap, counts)
    told = {} if counts else {"total": None}
    given = source(shop, page_size=size, pages_a_chunk=pages, **told)
    with wired(shop.respond):
        offer = offer_of(given)
        rows = [row for batch in offer.read() for row in batch.to_pylist()]
        assert rows == shop.rows
        assert offer.expected_rows == (count if counts else None)
        assert offer.available == ({"zch": "json"} if count else {})
        assert read_in_pieces(given) == shop.rows


def test_a_chunk_has_as_many_pages_as_the_contract_says() -> None:
    shop = Shop(numbered(23), "offset")
    with wired(shop.respond):
        walk = walked(offer_of(source(shop, page_size=2, pages_a_chunk=3)))
    assert [note["rows"] for note in walk.notes if note] == [6, 12, 18, 23]
    assert len(shop.asked) == 12


def test_one_page_is_all_where_there_is_no_paging() -> None:
    shop = Shop(numbered(5), "none")
    with wired(shop.respond):
        assert rows_of(offer_of(source(shop))) == shop.rows
    assert shop.asked == [{}]


@pytest.mark.parametrize("paging", PAGED)
def test_total_that_changes_between_chunks_is_told_as_a_change(paging: str) -> None:
    shop = Shop(numbered(8), paging, totals={2: 9})
    with wired(shop.respond), pytest.raises(ChangedError, match="the total went from 8 to 9 at page 3"):
        read_in_pieces(source(shop, page_size=2, pages_a_chunk=2))


def test_fewer_rows_than_the_total_are_an_outage() -> None:
    shop = Shop(numbered(4), "offset", totals=dict.fromkeys(range(9), 5))
    with wired(shop.respond), pytest.raises(RetryError, match="4 rows came where the total is 5"):
        rows_of(offer_of(source(shop, page_size=2)))


def test_service_that_gives_the_same_page_again_stops() -> None:
    shop = Shop(numbered(8), "offset")
    with wired(shop.respond), pytest.raises(StopError, match="page 2 is the same as the page before"):
        rows_of(offer_of(source(shop, page_size=2, offset_param="unknown")))


@pytest.mark.parametrize("length", [1, 2, 5, 7])
def test_tokens_that_go_in_a_circle_stop(length: int) -> None:
    asked = 0

    def respond(_: Asked) -> Answer:
        nonlocal asked
        asked += 1
        return Answer({"ok": "0", "data": {"rows": [{"zch": str(asked)}], "next": f"t{asked % length}"}})

    given = source(Shop([], "token"), total=None, pages_a_chunk=3)
    with wired(respond), pytest.raises(StopError, match="a next link that leads back"):
        read_in_pieces(given)
    assert asked < 8 * (length + 2)


@pytest.mark.parametrize("token", [None, ""])
def test_empty_token_ends(token: str | None) -> None:
    given = source(Shop([], "token"), total=None)
    with wired(lambda _: Answer({"ok": "0", "data": {"rows": [{"zch": "1"}], "next": token}})):
        assert rows_of(offer_of(given)) == [{"zch": "1"}]


def test_token_of_another_form_stops() -> None:
    given = source(Shop([], "token"), total=None)
    body = {"ok": "0", "data": {"rows": [{"zch": "1"}], "next": {"a": 1}}}
    with wired(lambda _: Answer(body)), pytest.raises(StopError, match=r"no text at 'data\.next'"):
        rows_of(offer_of(given))


def test_link_in_the_body_is_followed() -> None:
    def respond(asked: Asked) -> Answer:
        more = f"{WIRE}/other/rows?from=2" if "from" not in asked.query else None
        assert asked.path == ("/base/rows" if "from" not in asked.query else "/base/other/rows")
        return Answer({"ok": "0", "data": {"rows": [{"zch": asked.query.get("from", "1")}]}, "links": {"next": more}})

    with wired(respond):
        assert rows_of(offer_of(source(Shop([], "link"), total=None, next="links.next"))) == [
            {"zch": "1"},
            {"zch": "2"},
        ]


def test_chunks_hold_no_host() -> None:
    shop = Shop(numbered(9), "link")
    with wired(shop.respond):
        walk = walked(offer_of(source(shop, page_size=2, pages_a_chunk=1)))
    assert "example" not in repr((walk.chunks, walk.notes))


@given(
    host=st.sampled_from(["", "http://wire.example", "https://inner.example:8443", "//inner.example"]),
    query=st.dictionaries(st.text("abctk", min_size=1), st.text(max_size=5), max_size=4),
    path=st.text("/abc.é%", max_size=8),
)
def test_links_lead_to_our_own_host_only(host: str, query: dict[str, str], path: str) -> None:
    href = f"{host}/{path}?{urlencode(query)}"
    kept = {name: value for name, value in query.items() if name != "tk"}
    try:
        position = link_position(href, f"{WIRE}/rows", ("tk",), "w")
    except StopError:
        assert not kept
        return
    assert dict(position["query"]) == kept
    if "inner" in host:
        assert position["path"] == "/base/rows"


@pytest.mark.parametrize("href", ["http://[", "//[::1/x?a=1"])
def test_link_that_is_no_address_stops(href: str) -> None:
    with pytest.raises(StopError, match="no address"):
        link_position(href, f"{WIRE}/rows", (), "w")


names = st.text("ab.0", min_size=1, max_size=5)


@given(
    value=st.recursive(
        st.none() | st.text(max_size=3), lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=9
    ),
    path=names,
)
def test_a_path_leads_to_what_is_there_or_nowhere(value: Any, path: str) -> None:
    found, expected = at_path(value, path), value
    for step in path.split("."):
        if isinstance(expected, dict):
            expected = expected.get(step, ABSENT)
        elif isinstance(expected, list) and step.isdigit() and int(step) < len(expected):
            expected = expected[int(step)]
        else:
            expected = ABSENT
    assert found == str(expected) if type(expected) is int else found is expected
    assert at_path(value, "") is value


@given(st.dictionaries(st.text("ab.", min_size=1, max_size=6), st.integers()))
def test_dotted_names_make_objects(values: dict[str, int]) -> None:
    try:
        body = nested(values)
    except ValueError:
        assert any(one != other and other.startswith(f"{one}.") for one in values for other in values)
        return
    assert all(at_path(body, name) == str(value) for name, value in values.items())


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, {"start": "0", "size": "2", "all": "true"}),
        ({"method": "POST"}, {"start": 0, "size": 2, "all": True}),
        ({"method": "POST", "send": "form"}, {"start": "0", "size": "2", "all": "true"}),
        ({"method": "POST", "send": "query"}, {"start": "0", "size": "2", "all": "true"}),
    ],
)
def test_parameters_go_where_the_contract_says(options: dict[str, Any], sent: dict[str, Any]) -> None:
    shop = Shop(numbered(1), "offset")
    with wired(shop.respond):
        rows_of(offer_of(source(shop, page_size=2, params={"all": True}, **options)))
    assert shop.asked == [sent]


def test_json_parameters_may_lie_in_objects() -> None:
    asked: list[Any] = []

    def respond(request: Asked) -> Answer:
        asked.append(json.loads(request.body))
        return Answer({"ok": "0", "data": {"rows": [], "total": 0}})

    options = {"method": "POST", "page_param": "page.no", "size_param": "page.size", "params": {"query.kind": 3}}
    with wired(respond):
        rows_of(offer_of(source(Shop([]), **options)))
    assert asked == [{"page": {"no": 1, "size": 1000}, "query": {"kind": 3}}]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"paging": "pages"}, "paging: Input should be"),
        ({"paging": None}, "paging: Field required"),
        ({"page_parm": "n"}, "option 'page_parm' is unknown; allowed: code, crs, cursor"),
        ({"page_size": 0, "overlap_hours": -1}, "page_size: .*; overlap_hours: "),
        ({"paging": "token"}, "paging by token needs `next`"),
        ({"paging": "link", "method": "POST"}, "paging by link needs method GET"),
        ({"send": "json"}, "a GET sends its parameters in the query"),
        ({"params": {"a": [1]}}, r"params\.a"),
        ({"cursor_format": "ymd"}, "cursor_format: 'ymd' writes no time"),
        ({"cursor_format": "%Y-%-m"}, "cursor_format: '%Y-%-m' can write a time, but not read one"),
        ({"since_format": "iso8601"}, "since_format: 'iso8601' writes no time"),
        ({"send": "json", "paging": "token", "page_size": "x"}, "send: .*; page_size: .*; next: "),
    ],
)
def test_wrong_options_stop_before_anything_is_asked(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(StopError, match=fault) as caught:
        offer_of(source(Shop([]), **options))
    assert "schemas/sources/market/legal_entity.yml" in caught.value.do


class TestIncrements:
    """What changed since: the parameter, the mark, the overlap, the backfill."""

    ROWS = ({"zch": "1", "gxsj": "2026-01-02 10:00:00"}, {"zch": "2", "gxsj": "2026-01-03 08:30:00"}, {"zch": "3"})

    @pytest.fixture
    def shop(self) -> Shop:
        return Shop([dict(row) for row in self.ROWS], headers={"Date": "Sat, 03 Jan 2026 04:00:00 GMT"})

    def given(self, shop: Shop, **options: Any) -> Source:
        whole = source(shop, ("zch",), **{"cursor": "gxsj", "since_param": "after", **options})
        return replace(whole, request=replace(whole.request, mode="increment"))

    def test_first_increment_reads_all_and_marks_the_newest(self, shop: Shop) -> None:
        with wired(shop.respond):
            offer = offer_of(self.given(shop))
            walk = walked(offer)
        assert "after" not in shop.asked[0]
        assert offer.mark(walk.notes) == {"cursor": "2026-01-03T08:30:00+08:00"}
        assert offer.name == "/rows all pages"

    def test_next_increment_begins_a_day_before_the_mark(self, shop: Shop) -> None:
        with wired(shop.respond):
            offer = offer_of(self.given(shop), {"cursor": "2026-01-03T08:30:00+08:00"})
            rows_of(offer)
        assert shop.asked[0]["after"] == "2026-01-02 08:30:00"
        assert offer.name == "/rows from 2026-01-02T08:30:00+08:00"

    @pytest.mark.parametrize(
        ("form", "sent"),
        [
            ("iso", "2026-01-03T07:30:00+08:00"),
            ("%Y%m%d%H%M%S", "20260103073000"),
            ("ms", "1767396600000"),
            ("s", "1767396600"),
        ],
    )
    def test_the_time_is_written_as_the_contract_says(self, shop: Shop, form: str, sent: str) -> None:
        given = self.given(shop, since_format=form, overlap_hours=1)
        with wired(shop.respond):
            rows_of(offer_of(given, {"cursor": "2026-01-03T08:30:00+08:00"}))
        assert shop.asked[0]["after"] == sent

    @pytest.mark.parametrize(
        ("form", "text"),
        [
            ("%Y%m%d%H%M%S", "20260103083000"),
            ("ms", "1767400200000"),
            ("s", "1767400200"),
            ("iso", "2026-01-03T00:30:00Z"),
            ("iso", "2026-01-03 08:30"),
        ],
    )
    def test_cursors_are_read_in_the_form_of_the_contract(self, shop: Shop, form: str, text: str) -> None:
        shop.rows[1]["gxsj"] = text
        shop.rows[0]["gxsj"] = ""
        with wired(shop.respond):
            offer = offer_of(self.given(shop, cursor_format=form))
            mark = offer.mark(walked(offer).notes)
        assert mark is not None
        assert datetime.fromisoformat(mark["cursor"]) == datetime(2026, 1, 3, 0, 30, tzinfo=UTC)

    def test_a_backfill_begins_where_it_is_told_and_the_mark_does_not_go_back(self, shop: Shop) -> None:
        given = self.given(shop)
        since = datetime(2025, 6, 1, tzinfo=timezone(timedelta(hours=8)))
        given = replace(given, request=replace(given.request, since=since))
        with wired(shop.respond):
            offer = offer_of(given, {"cursor": "2026-02-01T00:00:00+08:00"})
            walk = walked(offer)
        assert shop.asked[0]["after"] == "2025-06-01 00:00:00"
        assert offer.mark(walk.notes) == {"cursor": "2026-02-01T00:00:00+08:00"}

    @pytest.mark.parametrize("mark", ["2026-02-01T00:00:00+08:00", None])
    def test_a_backfill_that_would_begin_late_leaves_nothing_out(self, shop: Shop, mark: str | None) -> None:
        given = self.given(shop, overlap_hours=1)
        since = datetime.fromisoformat("2026-03-01T00:00:00")
        given = replace(given, request=replace(given.request, since=since))
        with wired(shop.respond):
            walked(offer_of(given, {"cursor": mark} if mark else None))
        assert shop.asked[0].get("after") == ("2026-01-31 23:00:00" if mark else None)

    def test_a_clock_that_runs_ahead_hides_no_later_row(self, shop: Shop) -> None:
        shop.rows[1]["gxsj"] = "2099-01-01 00:00:00"
        with wired(shop.respond):
            offer = offer_of(self.given(shop))
            assert offer.mark(walked(offer).notes) == {"cursor": "2026-01-03T04:00:00+00:00"}

    def test_the_newest_of_all_chunks_counts(self, shop: Shop) -> None:
        shop.rows.reverse()
        given = self.given(shop, page_size=1, pages_a_chunk=1)
        with wired(shop.respond):
            offer = offer_of(given)
            walk = walked(offer)
            assert len(walk.chunks) == 3
            assert offer_of(given).mark(walk.notes) == {"cursor": "2026-01-03T08:30:00+08:00"}

    def test_cursors_of_another_form_stop(self, shop: Shop) -> None:
        with wired(shop.respond), pytest.raises(StopError, match="no cursor 'gxsj' of the form 'ms'"):
            rows_of(offer_of(self.given(shop, cursor_format="ms")))

    @pytest.mark.parametrize("missing", ["cursor", "since_param"])
    def test_an_increment_needs_both_names(self, shop: Shop, missing: str) -> None:
        with pytest.raises(StopError, match=f"{missing}: an increment needs it"):
            offer_of(self.given(shop, **{missing: None}))

    def test_a_snapshot_keeps_no_mark(self, shop: Shop) -> None:
        given = self.given(shop)
        with wired(shop.respond):
            offer = offer_of(replace(given, request=replace(given.request, mode="snapshot")), {"cursor": "2026-01-03"})
            assert offer.mark(walked(offer).notes) is None
        assert "after" not in shop.asked[0]


def test_a_column_may_be_absent_from_a_chunk_and_is_missed_only_over_all() -> None:
    rows = [*numbered(4), {"zch": "5", "dwmc": "x"}]
    shop = Shop(rows)
    given = source(shop, ("zch", "dwmc"), page_size=2, pages_a_chunk=1)
    with wired(shop.respond):
        assert read_in_pieces(given)[-1] == {"zch": "5", "dwmc": "x"}
        shop.rows = numbered(5)
        with pytest.raises(SetAsideError, match="missing: dwmc") as caught:
            read_in_pieces(given)
    assert caught.value.reason == "schema_drift"


def test_rows_are_paced() -> None:
    slept: list[float] = []
    given = source(Shop(numbered(5)), page_size=2)
    pace = Pace(10, clock=lambda: 0.0, sleep=slept.append)
    with wired(Shop(numbered(5)).respond):
        rows_of(offer_of(replace(given, request=replace(given.request, pace=pace))))
    assert slept == pytest.approx([0.2, 0.4, 0.5])


def test_progress_does_not_change_the_chunk_it_came_from() -> None:
    chunk = {"at": {"page": 1}, "columns": ["a"], "memory": {"x": 1}}
    Progress.of(chunk).columns.append("b")
    Progress.of(chunk).memory["x"] = 2
    assert chunk == {"at": {"page": 1}, "columns": ["a"], "memory": {"x": 1}}


def test_nothing_is_asked_before_the_first_chunk_is_read() -> None:
    def respond(_: Asked) -> Answer:
        raise AssertionError

    with wired(respond):
        offer = next(iter(connect(source(Shop([])).connection).offers(source(Shop([])).request, None)))
        assert isinstance(offer, Offer)
        assert offer.plan() == ({"at": {"page": 1}},)
