"""How calls are signed: vectors, properties, and every kind of `auth` against a service that checks it; no sockets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from connectors.auth_options import SortedKind
from connectors.base import Connection, Request, connect
from connectors.errors import RetryError, StopError
from connectors.rest_options import CHINA
from connectors.rest_sorted import SortedSigner, signature
from tests.connectors.servers import Answer, Asked
from tests.connectors.suite import SECRET, Source, offer_of, rows_of
from tests.connectors.web_servers import WIRE, Shop, basic, parameters, shop_pull, wired

ROWS = [{"zch": str(number)} for number in range(5)]
TEMPLATE = "{parameters}&key={secret}"


def source(auth: dict[str, Any], paging: str = "offset", secret: str = SECRET, **options: Any) -> Source:
    connection = Connection("market", "gateway", "rest", WIRE, secret, {"auth": auth})
    return Source(connection, Request("market/e", ("zch",), shop_pull(paging, page_size=2, **options)), ROWS)


def header(asked: Asked, name: str) -> str | None:
    return {key.lower(): value for key, value in asked.headers.items()}.get(name.lower())


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        ("MD5", hashlib.md5(b"a=1&b=2&key=k", usedforsecurity=False).hexdigest()),
        ("SHA-256", hashlib.sha256(b"a=1&b=2&key=k").hexdigest()),
        ("SM3", "sm3"),
    ],
)
def test_signature_is_over_the_sorted_parameters_and_the_key(digest: str, expected: str) -> None:
    if expected == "sm3":
        hashed = hashes.Hash(hashes.SM3())
        hashed.update(b"a=1&b=2&key=k")
        expected = hashed.finalize().hex()
    assert signature({"b": "2", "a": "1", "empty": ""}, "k", digest, TEMPLATE) == expected


def test_sm3_is_that_of_the_standard() -> None:
    # GB/T 32905-2016, annex A.1: the digest of abc.
    assert signature({}, "abc", "SM3", "{secret}{parameters}") == (
        "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    )


words = st.text(st.characters(codec="utf-8"), max_size=8)


@given(values=st.dictionaries(words, words, min_size=1), key=words, digest=st.sampled_from(["MD5", "SHA-256", "SM3"]))
def test_signature_does_not_depend_on_the_order_and_does_on_every_value(
    values: dict[str, str], key: str, digest: str
) -> None:
    signed = signature(values, key, digest, TEMPLATE)
    assert signed == signature(dict(reversed(values.items())), key, digest, TEMPLATE)
    name = next(iter(values))
    assert signed != signature({**values, name: values[name] + "x"}, key, digest, TEMPLATE)
    assert signed != signature(values, key + "x", digest, TEMPLATE)


@given(values=st.dictionaries(words, words), key=words)
def test_what_looks_like_the_template_in_a_value_is_a_value(values: dict[str, str], key: str) -> None:
    text = "&".join(f"{name}={value}" for name, value in sorted({**values, "n": "{secret}"}.items()) if value)
    expected = hashlib.sha256(f"{key}{text}{key}".encode()).hexdigest()
    assert signature({**values, "n": "{secret}"}, key, "SHA-256", "{secret}{parameters}{secret}") == expected


plain = st.text("abcxyz湖&=% ", min_size=1, max_size=6)


@given(
    values=st.dictionaries(plain, plain, max_size=4),
    sent_as=st.sampled_from(["query", "form", "json"]),
    sent_in=st.sampled_from(["header", "parameters"]),
)
def test_signer_signs_what_is_really_sent(values: dict[str, str], sent_as: str, sent_in: str) -> None:
    kind = SortedKind(kind="sorted_parameters", app_key="hub", sent_in=sent_in, digest="SM3", upper=True)
    parts = {"query": "params", "form": "data", "json": "json"}
    prepared = requests.Request(
        "POST", f"{WIRE}/rows", auth=SortedSigner(kind, SECRET), **{parts[sent_as]: values}
    ).prepare()
    query = dict(parse_qsl(str(prepared.url).partition("?")[2], keep_blank_values=True))
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body or b""
    asked = Asked("POST", "", query, dict(prepared.headers), body)
    sent = parameters(asked)
    own = {name: header(asked, name) if sent_in == "header" else sent.get(name) for name in kind_names(kind)}
    given_values = {name: value for name, value in sent.items() if name != "sign"}
    signed = {**given_values, **{name: str(value) for name, value in own.items() if name != "sign"}}
    assert {name: value for name, value in given_values.items() if name not in own} == values
    assert own["sign"] == signature(signed, SECRET, "SM3", TEMPLATE).upper()
    assert len(prepared.body or b"") == int(prepared.headers.get("Content-Length", "0"))


def kind_names(kind: SortedKind) -> tuple[str, ...]:
    return kind.app_key_name, kind.timestamp_name, kind.nonce_name, kind.sign_name


def test_numbers_of_a_json_body_are_signed_as_they_stand_in_it() -> None:
    def lets_in(asked: Asked) -> bool:
        body = json.loads(asked.body)
        values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
        values |= {name: str(header(asked, name)) for name in ("appKey", "timestamp", "nonce")}
        return header(asked, "sign") == signature(values, SECRET, "SM3", TEMPLATE)

    shop = Shop(ROWS, "offset", lets_in=lets_in)
    given_source = source({"kind": "sorted_parameters", "app_key": "hub"}, method="POST", params={"all": True})
    with wired(shop.respond):
        assert rows_of(offer_of(given_source)) == ROWS


def test_moment_and_nonce_are_new_for_every_try() -> None:
    seen: list[tuple[str | None, str | None]] = []

    def lets_in(asked: Asked) -> bool:
        seen.append((header(asked, "ts"), header(asked, "nonce")))
        return True

    shop = Shop(ROWS, "offset", lets_in=lets_in)
    auth = {"kind": "sorted_parameters", "app_key": "hub", "time": "%Y%m%d%H%M%S", "timestamp_name": "ts"}
    with wired(shop.respond):
        rows_of(offer_of(source(auth)))
    assert len({nonce for _, nonce in seen}) == len(seen) == 3
    moment = datetime.strptime(str(seen[0][0]), "%Y%m%d%H%M%S").replace(tzinfo=CHINA)
    assert abs((datetime.now(CHINA) - moment).total_seconds()) < 60


@pytest.mark.parametrize(
    ("auth", "lets_in"),
    [
        ({"kind": "header", "name": "X-Key"}, lambda asked: header(asked, "x-key") == SECRET),
        (
            {"kind": "header", "name": "Authorization", "prefix": "Bearer "},
            lambda asked: header(asked, "authorization") == f"Bearer {SECRET}",
        ),
        ({"kind": "query", "name": "tk"}, lambda asked: asked.query.get("tk") == SECRET),
        ({"kind": "basic", "user": "枢纽"}, lambda asked: header(asked, "authorization") == basic("枢纽", SECRET)),
    ],
)
def test_fixed_credentials_go_where_they_belong(auth: dict[str, Any], lets_in: Callable[[Asked], bool]) -> None:
    shop = Shop(ROWS, "offset", lets_in=lets_in)
    with wired(shop.respond):
        assert rows_of(offer_of(source(auth))) == ROWS
        with pytest.raises(StopError, match="HTTP 401") as caught:
            rows_of(offer_of(source(auth, secret=SECRET[::-1])))
    assert SECRET[::-1] not in str(caught.value)


def test_a_link_that_repeats_the_key_does_not_keep_it() -> None:
    shop = Shop(ROWS, "link", lets_in=lambda asked: asked.query.get("tk") == SECRET)
    with wired(shop.respond):
        offer = offer_of(source({"kind": "query", "name": "tk"}, "link", pages_a_chunk=1))
        chunk = offer.plan()[0]
        list(offer.read(chunk))
        assert "echoed" not in repr(offer.note(chunk))
        assert rows_of(offer) == ROWS


class Tokens:
    """An authorization server in front of a shop (RFC 6749, 4.4)."""

    def __init__(self, expires_in: Any = 3600, in_body: bool = False) -> None:
        self.given: list[str] = []
        self.withdrawn: set[str] = set()
        self.expires_in, self.in_body = expires_in, in_body
        self.shop = Shop(ROWS, "offset", lets_in=self._lets_in)

    def _lets_in(self, asked: Asked) -> bool:
        token = str(header(asked, "authorization")).removeprefix("Bearer ")
        return token in self.given[-1:] and token not in self.withdrawn

    def respond(self, asked: Asked) -> Answer:
        if not asked.path.endswith("/oauth/token"):
            return self.shop.respond(asked)
        body = dict(parse_qsl(asked.body.decode()))
        proof = (body.get("client_id"), body.get("client_secret")) == ("hub", SECRET)
        if not (proof if self.in_body else header(asked, "authorization") == basic("hub", SECRET)):
            return Answer({"error": "invalid_client", "error_description": "张三"}, 401)
        assert body["grant_type"] == "client_credentials"
        assert body.get("scope") == "read"
        self.given.append(f"token-{len(self.given)}")
        told = {"expires_in": self.expires_in} if self.expires_in is not None else {}
        return Answer({"access_token": self.given[-1], "token_type": "Bearer", **told})


OAUTH = {"kind": "oauth2", "token_path": "/oauth/token", "client_id": "hub", "scope": "read"}


@pytest.mark.parametrize("where", ["header", "body"])
@pytest.mark.parametrize("expires_in", [3600, None])
def test_one_token_serves_all_pages(where: str, expires_in: int | None) -> None:
    tokens = Tokens(expires_in, where == "body")
    with wired(tokens.respond):
        assert rows_of(offer_of(source({**OAUTH, "client_in": where}))) == ROWS
    assert len(tokens.given) == 1


def test_token_near_its_end_is_fetched_anew() -> None:
    tokens = Tokens(expires_in=10)
    with wired(tokens.respond):
        assert rows_of(offer_of(source(OAUTH))) == ROWS
    assert len(tokens.given) == 3


def test_token_withdrawn_early_is_fetched_anew_once() -> None:
    tokens = Tokens()
    given_source = source(OAUTH)
    with wired(tokens.respond):
        offer = offer_of(given_source)
        rows_of(offer)
        tokens.withdrawn.add("token-0")
        assert rows_of(offer) == ROWS
        assert len(tokens.given) == 2
        tokens.withdrawn |= {"token-1", "token-2"}
        with pytest.raises(StopError, match="answers code 401 even with a fresh secret"):
            rows_of(offer)


def test_client_that_is_refused_stops_without_its_secret() -> None:
    with wired(Tokens().respond), pytest.raises(StopError, match="answers invalid_client") as caught:
        rows_of(offer_of(source(OAUTH, secret=SECRET[::-1])))
    assert SECRET[::-1] not in str(caught.value)
    assert "张三" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer({"token_type": "Bearer"}), StopError),
        (Answer({"access_token": "", "token_type": "Bearer"}), StopError),
        (Answer({"access_token": "a\r\nX: y", "token_type": "Bearer"}), StopError),
        (Answer({"access_token": "a", "token_type": "Bearer", "expires_in": "soon"}), StopError),
        (Answer(b"<html>", 400), StopError),
        (Answer(b"<html>", 401), StopError),
        (Answer(b"<html>"), RetryError),
        (Answer([]), RetryError),
        (Answer(b"", 503), RetryError),
    ],
)
def test_answer_without_a_token_is_told(answer: Answer, error: type[Exception]) -> None:
    with wired(lambda _: answer), pytest.raises(error):
        rows_of(offer_of(source(OAUTH)))


@pytest.mark.parametrize(
    ("auth", "secret", "fault"),
    [
        ({"kind": "magic"}, SECRET, "auth: "),
        ({"kind": "header"}, SECRET, r"auth\.name: Field required"),
        ({"kind": "basic", "user": "u", "password": "p"}, SECRET, r"word of auth 'password' is unknown; all"),
        ({"kind": "sorted_parameters", "app_key": "a", "digest": "CRC"}, SECRET, r"auth\.digest"),
        ({"kind": "sorted_parameters", "app_key": "a", "template": "{secret}"}, SECRET, "template"),
        ({"kind": "header", "name": "X"}, "", "no secret for auth 'header'"),
        ({"kind": "none"}, SECRET, "a secret that auth 'none' has no use for"),
        ("header", SECRET, "auth: "),
    ],
)
@pytest.mark.parametrize("kind", ["rest", "ogc_features", "wfs"])
def test_wrong_auth_stops_before_anything_is_asked(kind: str, auth: Any, secret: str, fault: str) -> None:
    with pytest.raises(StopError, match=fault) as caught:
        connect(Connection("market", "gateway", kind, WIRE, secret, {"auth": auth}))
    assert "connectors/systems/market.yml" in caught.value.do
    assert SECRET not in str(caught.value)


def test_the_platform_needs_a_service() -> None:
    options = {"auth": {"kind": "national_platform", "requester_id": "r", "secret_path": "/secret"}}
    connection = Connection("market", "platform", "rest", WIRE, SECRET, options)
    offer = next(iter(connect(connection).offers(Request("market/e", ("zch",), {"path": "/rows"}), None)))
    with pytest.raises(StopError, match="'service' is not set"):
        list(offer.read())  # type: ignore[union-attr]
