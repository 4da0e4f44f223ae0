"""Which answers are tried again, which stop, and how long the pauses are."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from connectors import http
from connectors.errors import RetryError, StopError
from connectors.http import ATTEMPTS, Http
from tests.connectors.servers import Answer, Asked, WebServer

pytestmark = pytest.mark.integration


def get(web: WebServer) -> object:
    with Http("market/legal_entity") as client:
        return client.send("GET", f"{web.url}/a", requests.Response.json)


def answers(web: WebServer, *several: Answer) -> None:
    remaining = list(several)
    web.respond = lambda _: remaining.pop(0) if len(remaining) > 1 else remaining[0]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_outages_are_tried_again(web: WebServer, status: int) -> None:
    answers(web, Answer(status=status), Answer({"a": 1}))
    assert get(web) == {"a": 1}
    assert len(web.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 304])
def test_refusals_stop_at_once(web: WebServer, status: int) -> None:
    answers(web, Answer(status=status))
    with pytest.raises(StopError, match=f"market/legal_entity: HTTP {status}") as caught:
        get(web)
    assert len(web.asked) == 1
    assert "127.0.0.1" not in str(caught.value)


def test_outage_that_stays_is_tried_five_times(web: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="connectors")
    answers(web, Answer(status=503))
    with pytest.raises(RetryError, match="HTTP 503"):
        get(web)
    assert len(web.asked) == ATTEMPTS == 5
    assert [record.getMessage() for record in caplog.records if record.name == "connectors.http"] == [
        f"market/legal_entity: try {number} of 5: HTTP 503" for number in range(1, 5)
    ]


def test_broken_answer_is_tried_again(web: WebServer) -> None:
    answers(web, Answer(b'{"a": '), Answer({"a": 1}))
    assert get(web) == {"a": 1}


def test_answer_that_breaks_off_is_tried_again(web: WebServer) -> None:
    answers(web, Answer(b"{", headers={"Content-Length": "9", "Connection": "close"}), Answer({"a": 1}))
    assert get(web) == {"a": 1}


def test_nobody_listening_is_an_outage() -> None:
    with Http("w") as client, pytest.raises(RetryError, match="no whole answer") as caught:
        client.send("GET", "http://127.0.0.1:1/a?word=secret", requests.Response.json)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_signed_request_follows_no_redirect(web: WebServer) -> None:
    answers(web, Answer(status=307, headers={"Location": "/b"}))
    with Http("w") as client, pytest.raises(StopError, match="HTTP 307"):
        client.send("POST", f"{web.url}/a", requests.Response.json)
    assert len(web.asked) == 1


def test_get_follows_redirects(web: WebServer) -> None:
    def respond(asked: Asked) -> Answer:
        return Answer({"a": 1}) if asked.path == "/b" else Answer(status=302, headers={"Location": "/b"})

    web.respond = respond
    assert get(web) == {"a": 1}


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("3", 3, 3),
        ("60", 60, 60),
        ("soon", 0, 0),
        ("-5", 0, 0),
        ("", 0, 0),
        ("²", 0, 0),
        (timedelta(seconds=40), 30, 40),
        (timedelta(days=-1), 0, 0),
    ],
)
def test_retry_after_is_honoured_up_to_a_minute(
    web: WebServer, monkeypatch: pytest.MonkeyPatch, asked: str | timedelta, least: float, most: float
) -> None:
    if isinstance(asked, timedelta):
        asked = format_datetime(datetime.now(UTC) + asked, usegmt=True)
    pauses: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", pauses.append)
    answers(web, Answer(status=503, headers={"Retry-After": asked}), Answer({}))
    get(web)
    assert len(pauses) == 1
    assert least <= pauses[0] <= most


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("61", 61),
        ("3600", 3600),
        (timedelta(hours=2), 7200),
        ("9" * 400, 366 * 86_400),
        (timedelta(days=9000), 31622400),
    ],
)
def test_longer_pause_than_we_wait_ends_the_sending_and_tells_when(
    web: WebServer, monkeypatch: pytest.MonkeyPatch, status: int, asked: str | timedelta, seconds: int
) -> None:
    if isinstance(asked, timedelta):
        asked = format_datetime(datetime.now(UTC) + asked, usegmt=True)
    pauses: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", pauses.append)
    answers(web, Answer(status=status, headers={"Retry-After": asked}), Answer({}))
    before = datetime.now(UTC).replace(microsecond=0)
    with pytest.raises(RetryError, match=f"HTTP {status}, and the server asks to be left alone") as caught:
        get(web)
    told = datetime.strptime(caught.value.do, "run again after %Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs((told - before).total_seconds() - seconds) <= 5
    assert (len(web.asked), pauses) == (1, [])


def test_pauses_grow(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.5)
    monkeypatch.setattr("tenacity.nap.time.sleep", pauses.append)
    answers(web, Answer(status=500))
    with pytest.raises(RetryError):
        get(web)
    for pause, least in zip(pauses, (0.5, 1, 2, 4), strict=True):
        assert least <= pause <= least + 0.5


def test_get_with_credentials_follows_no_redirect(web: WebServer) -> None:
    answers(web, Answer(status=302, headers={"Location": "/b"}))
    with Http("w") as client, pytest.raises(StopError, match="HTTP 302"):
        client.send("GET", f"{web.url}/a", requests.Response.json, auth=("user", "word"))
    assert len(web.asked) == 1


def test_every_try_is_announced_and_may_be_forbidden(web: WebServer) -> None:
    tries: list[int] = []

    def before() -> None:
        if len(tries) == 2:
            raise RetryError("w", "enough", "2", "wait")
        tries.append(len(tries))

    answers(web, Answer(status=503))
    with Http("w") as client, pytest.raises(RetryError, match="enough"):
        client.send("GET", f"{web.url}/a", requests.Response.json, before_try=before)
    assert len(web.asked) == 2


def test_addresses_are_not_logged(web: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answers(web, Answer({}))
    with Http("w") as client:
        client.send("GET", f"{web.url}/a", requests.Response.json, params={"sfzh": "320371199001010000"})
    assert "320371" not in caplog.text


def test_answer_nested_too_deeply_is_broken(web: WebServer) -> None:
    answers(web, Answer(b"[" * 100_000))
    with pytest.raises(RetryError, match="not whole or not of the agreed form"):
        get(web)
