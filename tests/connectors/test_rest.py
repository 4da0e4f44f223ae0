"""The national exchange platform, as a real HTTP server on loopback."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.auth_options import BasicKind, HeaderKind, NoneKind, OAuth2Kind, PlatformKind, QueryKind, SortedKind
from connectors.base import BATCH_ROWS, Connection, Request, connect
from connectors.errors import RetryError, StopError
from connectors.rest import decrypt_secret, sign
from connectors.rest_options import Call, Pull, Push
from connectors.verify_options import VerifyPerson
from tests.connectors.servers import Answer, Asked, Platform, WebServer
from tests.connectors.suite import HOSTILE_NAMES, SECRET, ConnectorSuite, Source, offer_of, rows_of
from tests.connectors.web_servers import Shop, shop_pull

ROWS: list[dict[str, Any]] = [
    {"zch": "0001", "dwmc": "湖㳇便利店", "zczb": "10.50", "ok": "true"},
    {"zch": "0002", "dwmc": "", "zczb": None, "ok": "false"},
    {"zch": "0003", "dwmc": None, "zczb": "12345678901234567890.12", "ok": None},
]
BODY = (
    b'[{"zch":"0001","dwmc":"\xe6\xb9\x96\xe3\xb3\x87\xe4\xbe\xbf\xe5\x88\xa9\xe5\xba\x97","zczb":10.50,"ok":true,"x":1},'
    b'{"zch":"0002","dwmc":"","zczb":null,"ok":false},{"zch":"0003","zczb":12345678901234567890.12}]'
)


def source_at(web: WebServer, platform: Platform, fields: tuple[str, ...] = ("zch",), page_size: int = 2) -> Source:
    web.respond = platform.respond
    options = {"requester_id": platform.requester, "secret_path": "/secret"}
    connection = Connection("market", "platform", "rest", web.url, SECRET, options)
    pull = {"service": platform.service, "path": "/services/legal-entities", "page_size": page_size}
    return Source(connection, Request("market/legal_entity", fields, pull), platform.rows)


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"zch": str(number)} for number in range(count)]


def test_signature_is_the_platforms() -> None:
    requester = "00000000-0000-4000-8000-000000000001"
    signature = sign("s_3200000000000_0001", requester, "1764547200000", "test-app-secret")
    assert signature == "n/cJPpP+21xpEpDkUeoou4/J5/d1CcXU4fjua0ivua0="


@given(secret=st.text(max_size=40), appkey=st.sampled_from([SECRET, SECRET + "01234567", SECRET * 2]))
def test_secret_is_opened_with_its_appkey_only(secret: str, appkey: str) -> None:
    sealed = Platform(appkey, [])._sealed(secret)
    assert decrypt_secret(sealed, appkey) == secret


@pytest.mark.parametrize("sealed", ["", "no base64!", "QUJD", Platform(SECRET, [])._sealed("word")[:-4]])
def test_what_is_no_sealed_secret_is_refused(sealed: str) -> None:
    with pytest.raises(ValueError, match="not sealed with this appkey"):
        decrypt_secret(sealed, SECRET)


def test_appkey_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="not sealed with this appkey"):
        decrypt_secret(Platform(SECRET, [])._sealed("word"), "short")


@pytest.mark.integration
class TestRest(ConnectorSuite):
    @pytest.fixture
    def source(self, web: WebServer) -> Source:
        platform = Platform(SECRET, ROWS)
        source = source_at(web, platform, tuple(ROWS[0]), page_size=10)

        def respond(asked: Asked) -> Answer:
            # The rows as the bytes a platform would send, so that numbers are numbers.
            answer = platform.respond(asked)
            if asked.path == "/secret" or answer.status != 200:
                return answer
            return Answer(b'{"code":"0","data":{"total":3,"list":' + BODY + b"}}")

        web.respond = respond
        return source

    @pytest.fixture
    def empty(self, web: WebServer) -> Source:
        return source_at(web, Platform(SECRET, []))

    @pytest.fixture
    def many(self, web: WebServer) -> Source:
        many = source_at(web, Platform(SECRET, numbered(BATCH_ROWS + 1)), page_size=20_000)
        return replace(many, request=replace(many.request, options={**many.request.options, "pages_a_chunk": 2}))

    @pytest.fixture
    def hostile(self, web: WebServer) -> Source:
        return source_at(web, Platform(SECRET, [dict.fromkeys(HOSTILE_NAMES, "x")]), HOSTILE_NAMES)


class Gateway(ConnectorSuite):
    """The suite over a service that is no platform, once for each way of paging."""

    paging: str
    auth: Mapping[str, Any] = MappingProxyType({"kind": "header", "name": "X-Key"})

    def at(self, web: WebServer, rows: list[dict[str, Any]], fields: tuple[str, ...], **options: Any) -> Source:
        shop = Shop(rows, self.paging)
        web.respond = shop.respond
        connection = Connection("market", "gateway", "rest", web.url, SECRET, {"auth": dict(self.auth)})
        pull = shop_pull(self.paging, **options)
        return Source(connection, Request("market/legal_entity", fields, pull), rows)

    @pytest.fixture
    def source(self, web: WebServer) -> Source:
        return self.at(web, ROWS, tuple(ROWS[0]), page_size=2)

    @pytest.fixture
    def empty(self, web: WebServer) -> Source:
        return self.at(web, [], ("zch",))

    @pytest.fixture
    def many(self, web: WebServer) -> Source:
        return self.at(web, numbered(BATCH_ROWS + 1), ("zch",), page_size=9000, pages_a_chunk=3)

    @pytest.fixture
    def hostile(self, web: WebServer) -> Source:
        return self.at(web, [dict.fromkeys(HOSTILE_NAMES, "x")], HOSTILE_NAMES)


@pytest.mark.integration
class TestOffsets(Gateway):
    paging = "offset"
    auth = MappingProxyType({"kind": "sorted_parameters", "app_key": "hub", "sent_in": "parameters"})


@pytest.mark.integration
class TestTokens(Gateway):
    paging = "token"
    auth = MappingProxyType({"kind": "query", "name": "tk"})


@pytest.mark.integration
class TestLinks(Gateway):
    paging = "link"


@pytest.mark.integration
class TestPaging:
    def test_pages_are_asked_for_until_the_total_is_reached(self, web: WebServer) -> None:
        source = source_at(web, Platform(SECRET, numbered(5)))
        offer = offer_of(source)
        assert rows_of(offer) == source.rows
        assert offer.expected_rows == 5
        assert [asked.path for asked in web.asked].count("/services/legal-entities") == 3

    def test_platform_that_gives_smaller_pages_than_asked_is_still_read_whole(self, web: WebServer) -> None:
        platform = Platform(SECRET, numbered(5))
        source = source_at(web, platform, page_size=1000)

        def respond(asked: Asked) -> Answer:
            return platform.respond(replace(asked, body=asked.body.replace(b"1000", b"2")))

        web.respond = respond
        assert rows_of(offer_of(source)) == source.rows

    def test_page_that_fails_twice_is_asked_for_again(self, web: WebServer) -> None:
        source = source_at(web, Platform(SECRET, numbered(5), failing_pages={2: 2}))
        assert rows_of(offer_of(source)) == source.rows

    def test_page_that_keeps_failing_is_an_outage(self, web: WebServer) -> None:
        platform = Platform(SECRET, numbered(5), failing_pages={2: 99})
        with pytest.raises(RetryError, match="HTTP 500"):
            rows_of(offer_of(source_at(web, platform)))
        assert platform.failing_pages[2] == 94

    def test_total_that_changes_is_an_outage(self, web: WebServer) -> None:
        with pytest.raises(RetryError, match="the total went from 5 to 6 at page 2"):
            rows_of(offer_of(source_at(web, Platform(SECRET, numbered(5), totals={2: 6}))))

    def test_empty_page_before_the_total_is_an_outage(self, web: WebServer) -> None:
        platform = Platform(SECRET, numbered(4), totals={1: 5, 2: 5, 3: 5})
        with pytest.raises(RetryError, match="4 rows came where the total is 5"):
            rows_of(offer_of(source_at(web, platform)))

    def test_more_rows_than_the_total_are_an_outage(self, web: WebServer) -> None:
        with pytest.raises(RetryError, match="2 rows came where the total is 1"):
            rows_of(offer_of(source_at(web, Platform(SECRET, numbered(2), totals={1: 1}))))

    @pytest.mark.parametrize("data", [{"list": []}, {"total": "many", "list": []}, {"total": 1, "list": ["a"]}])
    def test_answer_of_another_form_stops(self, web: WebServer, data: dict[str, Any]) -> None:
        platform = Platform(SECRET, [])
        source = source_at(web, platform)
        web.respond = lambda asked: (
            platform.respond(asked) if asked.path == "/secret" else Answer({"code": 0, "data": data})
        )
        with pytest.raises(StopError, match="legal_entity"):
            rows_of(offer_of(source))


@pytest.mark.integration
class TestSecret:
    def test_secret_is_fetched_once_for_all_pages(self, web: WebServer) -> None:
        platform = Platform(SECRET, numbered(5))
        rows_of(offer_of(source_at(web, platform)))
        assert len(platform.secrets) == 1

    def test_secret_near_its_end_is_fetched_anew(self, web: WebServer) -> None:
        platform = Platform(SECRET, numbered(5), secret_seconds=5)
        source = source_at(web, platform)
        assert rows_of(offer_of(source)) == source.rows
        assert len(platform.secrets) == 3

    def test_secret_withdrawn_early_is_fetched_anew(self, web: WebServer) -> None:
        platform = Platform(SECRET, numbered(5), withdraw_at=(2,))
        source = source_at(web, platform)
        assert rows_of(offer_of(source)) == source.rows
        assert len(platform.secrets) == 2

    def test_fresh_secret_that_is_refused_stops(self, web: WebServer) -> None:
        with pytest.raises(StopError, match="answers code 40102 even with a fresh secret"):
            rows_of(offer_of(source_at(web, Platform(SECRET, numbered(5), withdraw_at=(2, 3)))))

    def test_wrong_appkey_stops_and_does_not_show(self, web: WebServer) -> None:
        source = source_at(web, Platform("another-appkey-1", numbered(5)))
        with pytest.raises(StopError, match="the secret's address answers code 401") as caught:
            rows_of(offer_of(source))
        assert SECRET not in str(caught.value)
        assert web.url not in str(caught.value)

    def test_secret_sealed_with_another_key_stops(self, web: WebServer) -> None:
        source = source_at(web, Platform(SECRET, []))
        sealed = Platform("another-appkey-1", [])._sealed("word")
        web.respond = lambda _: Answer({"code": "0", "data": {"secret": sealed, "secretEndTime": "9999999999999"}})
        with pytest.raises(StopError, match="a secret that this appkey does not open"):
            rows_of(offer_of(source))

    def test_other_codes_stop(self, web: WebServer) -> None:
        platform = Platform(SECRET, [])
        source = source_at(web, platform)
        web.respond = lambda asked: (
            platform.respond(asked) if asked.path == "/secret" else Answer({"code": "40300", "message": "张三"})
        )
        with pytest.raises(StopError, match="answers code 40300") as caught:
            rows_of(offer_of(source))
        assert "张三" not in str(caught.value)

    def test_every_try_is_signed_at_its_own_moment(self, web: WebServer) -> None:
        source = source_at(web, Platform(SECRET, numbered(1), failing_pages={1: 2}))
        rows_of(offer_of(source))
        calls = [asked for asked in web.asked if asked.path != "/secret"]
        moments = [
            int({name.lower(): value for name, value in asked.headers.items()}["gjgxjhpt_rtime"]) for asked in calls
        ]
        assert len(moments) == 3
        assert sorted(set(moments)) == moments


@pytest.mark.parametrize("place", ["", "ftp://h/x", "not a url", "http://"])
def test_place_that_is_no_web_address_stops(place: str) -> None:
    options = {"requester_id": "r", "secret_path": "/secret"}
    with pytest.raises(StopError, match="no web address"):
        connect(Connection("market", "platform", "rest", place, SECRET, options))


PAGE = (Path(__file__).parents[2] / "docs" / "connectors" / "rest.md").read_text(encoding="utf-8")


def told(heading: str) -> dict[str, str]:
    """The options in the table under a heading of the page -> their defaults."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|")[:2] for line in part.splitlines() if line.startswith("| `")]
    return {name: default.strip(" `") for names, default in rows for name in re.findall(r"`(\w+)`", names)}


@pytest.mark.parametrize(
    ("heading", "model"), [("The rows", Pull), ("Verifying one person", VerifyPerson), ("Writing", Push)]
)
def test_the_page_names_every_option_and_its_default(heading: str, model: type[Call]) -> None:
    own = {name: field for name, field in model.model_fields.items() if name not in (*Call.model_fields, "mode")}
    assert set(told(heading)) == set(own)
    for name, default in told(heading).items():
        assert (default == "needed") == own[name].is_required(), name
        if not own[name].is_required() and default and "answer" not in default:
            assert default == str(own[name].default), name


def test_the_page_names_every_option_of_a_call_and_of_signing() -> None:
    assert set(told("The call")) == set(Call.model_fields)
    part = PAGE.partition("\n## Signing")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("| `")]
    names = {row[0].strip(" `"): set(re.findall(r"`(\w+)`", row[1])) for row in rows}
    kinds = (NoneKind, HeaderKind, QueryKind, BasicKind, OAuth2Kind, SortedKind, PlatformKind)
    assert names == {
        get_args(kind.model_fields["kind"].annotation)[0]: set(kind.model_fields) - {"kind"} for kind in kinds
    }
