"""Spoiled answers of web services: whatever comes, it is rows or one of the hub's own errors. No sockets."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import http
from connectors.base import Connection, Request, connect
from connectors.errors import RetryError, SetAsideError, StopError
from tests.connectors.fuzz import PERSON, chances, met, spoiled_answer, tries, unhurried
from tests.connectors.servers import Answer, Asked, Features, Platform
from tests.connectors.suite import SECRET, Source, offer_of, rows_of, walked
from tests.connectors.web_servers import WIRE, Shop, Wfs, shop_pull, wired

ROWS = [{"zch": "0001", "dwmc": PERSON, "gxsj": "2026-01-01 00:00:00"}, {"zch": "0002", "dwmc": None, "gxsj": ""}]


def rest(paging: str) -> tuple[Source, Callable[[Asked], Answer]]:
    pull = shop_pull(paging, cursor="gxsj", since_param="after", page_size=2)
    request = Request("market/e", ("zch", "dwmc"), pull, "increment")
    return Source(Connection("market", "gateway", "rest", WIRE), request, ROWS), Shop(ROWS, paging).respond


def oauth() -> tuple[Source, Callable[[Asked], Answer]]:
    auth = {"kind": "oauth2", "token_path": "/token", "client_id": "hub"}
    source, _ = rest("none")
    connection = Connection("market", "gateway", "rest", WIRE, SECRET, {"auth": auth})
    token = {"access_token": "abc", "token_type": "Bearer", "expires_in": 3600, "scope": PERSON}
    return Source(connection, source.request, ROWS), lambda _: Answer(token)


def platform() -> tuple[Source, Callable[[Asked], Answer]]:
    system = Platform(SECRET, [])
    options = {"requester_id": system.requester, "secret_path": "/secret"}
    connection = Connection("market", "platform", "rest", WIRE, SECRET, options)
    pull = {"service": system.service, "path": "/rows"}

    def respond(asked: Asked) -> Answer:
        return system.respond(Asked(asked.method, "/secret", {}, asked.headers, asked.body))

    return Source(connection, Request("market/e", ("zch",), pull), []), respond


def ogc() -> tuple[Source, Callable[[Asked], Answer]]:
    features = [
        {"type": "Feature", "id": number, "geometry": shape, "properties": {"dzbm": str(number), "dzqc": PERSON}}
        for number, shape in enumerate([{"type": "Point", "coordinates": [117.5, 34.5]}, None])
    ]
    service = Features(features, 2)
    request = Request("natural/e", ("dzbm", "geometry"), {"collection": "bzdz", "page_size": 1})
    connection = Connection("natural", "service", "ogc_features", WIRE)

    def respond(asked: Asked) -> Answer:
        # A link may have led to a query the service does not know.
        try:
            return service.respond(Asked(asked.method, "/ogc/collections/bzdz/items", asked.query, asked.headers, b""))
        except (KeyError, ValueError):
            return Answer(status=400)

    return Source(connection, request, []), respond


def wfs(*, geojson: bool) -> tuple[Source, Callable[[Asked], Answer]]:
    service = Wfs([(f"b.{n}", {"dzbm": str(n), "dzqc": PERSON}, (117.5, 34.5)) for n in range(2)], geojson)
    pull = {"type_name": "h:bzdz", "sort_by": "dzbm", "crs": "EPSG:4490", "page_size": 2}
    request = Request("natural/e", ("dzbm", "geometry"), pull)
    return Source(Connection("natural", "service", "wfs", WIRE), request, []), service.respond


def every(_: Asked) -> bool:
    return True


def request_is(word: str) -> Callable[[Asked], bool]:
    def chosen(asked: Asked) -> bool:
        hits = asked.query.get("resultType") == "hits"
        return hits if word == "hits" else asked.query.get("request") == word and not hits

    return chosen


CASES: dict[str, tuple[Callable[[], tuple[Source, Callable[[Asked], Answer]]], Callable[[Asked], bool], int]] = {
    "rest by page": (lambda: rest("page"), every, 2_500),
    "rest by offset": (lambda: rest("offset"), every, 1_250),
    "rest by token": (lambda: rest("token"), every, 1_250),
    "rest by link": (lambda: rest("link"), every, 1_250),
    "token": (oauth, lambda asked: asked.path.endswith("/token"), 1_250),
    "secret": (platform, every, 1_250),
    "features": (ogc, every, 2_500),
    "wfs capabilities": (lambda: wfs(geojson=True), request_is("GetCapabilities"), 625),
    "wfs columns": (lambda: wfs(geojson=True), request_is("DescribeFeatureType"), 625),
    "wfs hits": (lambda: wfs(geojson=True), request_is("hits"), 625),
    "wfs geojson": (lambda: wfs(geojson=True), request_is("GetFeature"), 1_250),
    "wfs gml": (lambda: wfs(geojson=False), request_is("GetFeature"), 1_250),
}


@unhurried
@pytest.mark.parametrize("case", CASES)
def test_spoiled_answers_are_rows_or_our_own_errors(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    make, chosen, usual = CASES[case]
    source, respond = make()
    chance, count = chances(case), tries(usual)

    def spoiling(asked: Asked) -> Answer:
        answer = respond(asked)
        if not chosen(asked):
            return answer
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        return Answer(spoiled_answer(content, chance), answer.status, answer.headers)

    with wired(spoiling):
        found = met(range(count), lambda: rows_of(offer_of(source)), ours=(StopError, RetryError, SetAsideError))
    assert found.total() == count
    # Answers that all passed, or all failed at one check, would prove little.
    assert found["read"] < count * 0.99
    assert len(found) >= 2


header = st.text(st.characters(codec="latin-1"), max_size=40)


@given(
    date=header | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{2} Jan [0-9]{1,4} [0-9]{2}:00:00 (GMT|[+-][0-9]{4,9})"),
    link=header | header.map('<{}>; rel="next"'.format),
    kind=header | st.sampled_from(["application/json; charset=GBK", "text/plain; charset=unknown"]),
)
def test_headers_of_any_form_are_no_fault(date: str, link: str, kind: str) -> None:
    source, _ = rest("link")
    answer = Answer({"ok": "0", "data": {"rows": ROWS[:1], "total": 1}})
    answer.headers = {"Date": date, "Link": link, "Content-Type": kind}
    with wired(lambda _: answer):
        try:
            offer = offer_of(source)
            mark = offer.mark(walked(offer).notes)
            assert mark is not None
            rows_of(offer_of(source, mark))
        except (StopError, RetryError) as error:
            assert PERSON not in str(error)  # noqa: PT017  any of the two may come, or none


def test_a_connector_of_every_web_kind_is_spoiled() -> None:
    kinds = {make()[0].connection.kind for make, _, _ in CASES.values()}
    assert kinds == {"rest", "ogc_features", "wfs"}
    assert all(connect(make()[0].connection) for make, _, _ in CASES.values())
