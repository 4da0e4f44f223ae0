"""Signing in and out: the session and its end, CSRF, the throttle, and what the record keeps."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.exchange.grants import list_grants, revoke_grant
from hub.ledger.models import AuditRow
from hub.portal import create_app, session
from hub.portal.words import say
from hub.settings import load_settings
from tests.hub.portal.miniature import MAZHUANG, TOWN, Visitor, grant_for

pytestmark = pytest.mark.integration


def audited(hub: Hub) -> list[AuditRow]:
    with Session(hub.database) as open_session:
        return list(open_session.scalars(select(AuditRow).order_by(AuditRow.number)))


@pytest.mark.parametrize(("division", "home"), [(MAZHUANG, f"/village/{MAZHUANG}"), (TOWN, f"/division/{TOWN}")])
def test_the_right_code_opens_the_operators_own_page(
    portal_hub: Hub, visitor: Visitor, division: str, home: str
) -> None:
    operator, code = grant_for(portal_hub, division)
    page = visitor.sign_in(operator, code)
    assert (page.status_code, page.url.path) == (200, home)
    assert operator in page.text
    assert visitor.get("/").url.path == home
    last = audited(portal_hub)[-1]
    assert (last.action, last.actor, last.details["address"]) == ("sign_in", operator, "testclient")


def test_a_code_may_be_typed_as_people_type(portal_hub: Hub, visitor: Visitor) -> None:
    operator, code = grant_for(portal_hub, MAZHUANG)
    full_width = "".join(chr(ord(letter) + 0xFEE0) for letter in code.replace("-", "").upper())
    page = visitor.sign_in(f" {operator} ", f" {full_width[:8]}　{full_width[8:]} ")
    assert page.url.path == f"/village/{MAZHUANG}"


def test_a_failed_try_does_not_say_what_was_wrong(portal_hub: Hub, visitor: Visitor) -> None:
    operator, code = grant_for(portal_hub, MAZHUANG)
    pages = [visitor.sign_in(operator, "aaaa-bbbb-cccc-dddd"), visitor.sign_in("没有这个人", code)]
    assert [page.status_code for page in pages] == [401, 401]
    texts = [re.sub(r'value="[^"]*"', "", page.text) for page in pages]
    assert texts[0] == texts[1]
    assert say("zh", "sign_in_failed") in texts[0]
    last = audited(portal_hub)[-1]
    assert (last.action, last.actor, last.details) == ("sign_in_refused", "portal", {"address": "testclient"})
    assert visitor.get(f"/village/{MAZHUANG}").url.path == "/"


def test_ten_failed_tries_a_minute_are_enough(portal_hub: Hub, visitor: Visitor) -> None:
    operator, code = grant_for(portal_hub, MAZHUANG)
    assert [visitor.sign_in(operator, "wrong").status_code for _ in range(10)] == [401] * 10
    slowed = visitor.sign_in(operator, code)
    assert slowed.status_code == 429
    assert 0 < int(slowed.headers["Retry-After"]) <= 61
    assert visitor.get("/api/v1/village/1", auth=(operator.encode(), code.encode())).status_code == 429
    assert visitor.sign_in(*grant_for(portal_hub, MAZHUANG)).status_code == 200


def test_without_the_pages_token_nothing_happens(portal_hub: Hub, visitor: Visitor) -> None:
    operator, code = grant_for(portal_hub, MAZHUANG)
    for token in ("", "a token of somebody else", "不是令牌"):
        assert visitor.sign_in(operator, code, csrf_token=token).status_code == 403
    assert visitor.post("/", data={"operator": operator, "code": code}).status_code == 403
    assert visitor.get(f"/village/{MAZHUANG}").url.path == "/"
    visitor.sign_in(operator, code)
    assert visitor.post("/signout", data={"csrf_token": "other"}).status_code == 403
    assert visitor.get(f"/village/{MAZHUANG}").url.path == f"/village/{MAZHUANG}"


def test_the_token_changes_when_somebody_signs_in(portal_hub: Hub, visitor: Visitor) -> None:
    before = visitor.token()
    page = visitor.sign_in(*grant_for(portal_hub, MAZHUANG))
    assert before not in page.text


def test_signing_out_ends_the_session(mazhuang: Visitor) -> None:
    assert mazhuang.get("/signout").status_code == 405
    page = mazhuang.post("/signout", data={"csrf_token": mazhuang.token()})
    assert say("zh", "signed_out") in page.text
    assert say("zh", "signed_out") not in mazhuang.get("/").text
    assert mazhuang.get(f"/village/{MAZHUANG}").url.path == "/"


def test_a_copied_cookie_opens_nothing_after_signing_out(mazhuang: Visitor) -> None:
    kept = mazhuang.cookies["hub_session"]
    mazhuang.post("/signout", data={"csrf_token": mazhuang.token()})
    mazhuang.cookies.clear()
    mazhuang.cookies.set("hub_session", kept)
    assert mazhuang.get(f"/village/{MAZHUANG}").url.path == "/"


def test_an_operator_no_database_could_name_is_unknown(visitor: Visitor) -> None:
    assert visitor.sign_in("王\0会计", "abcd-efgh-jkmn-pqrs").status_code == 401


def test_a_revoked_grant_is_out_at_the_next_request(portal_hub: Hub, visitor: Visitor) -> None:
    operator, code = grant_for(portal_hub, MAZHUANG)
    assert visitor.sign_in(operator, code).url.path == f"/village/{MAZHUANG}"
    revoke_grant(portal_hub, next(grant.id for grant in list_grants(portal_hub) if grant.operator == operator))
    page = visitor.get(f"/village/{MAZHUANG}/village_resident_roster.csv")
    assert page.url.path == "/"
    assert say("zh", "session_over") in page.text


def test_a_session_ends_after_a_working_day(mazhuang: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    # The language is kept in the session, and writing it must not lengthen the day.
    mazhuang.get(f"/village/{MAZHUANG}?lang=en")
    later = SimpleNamespace(time=lambda: time.time() + session.SESSION_SECONDS)
    monkeypatch.setattr(session, "time", later)
    assert mazhuang.get(f"/village/{MAZHUANG}").url.path == "/"


def test_a_forged_session_is_no_session(mazhuang: Visitor) -> None:
    value = mazhuang.cookies["hub_session"]
    mazhuang.cookies.clear()
    mazhuang.cookies.set("hub_session", value[:-2] + ("aa" if value[-2:] != "aa" else "bb"))
    assert mazhuang.get(f"/village/{MAZHUANG}").url.path == "/"


def test_the_cookie_is_out_of_reach_of_scripts_and_secure_over_https(portal_hub: Hub, visitor: Visitor) -> None:
    cookie = visitor.get("/").headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", f"max-age={session.SESSION_SECONDS}"} <= set(cookie.split("; "))
    assert "secure" not in cookie.split("; ")
    settings = load_settings(data_dir=portal_hub.lake.root, public_url="https://hub.example.gov.cn")
    with Visitor(create_app(replace(portal_hub, settings=settings))) as secure:
        answer = secure.get("/")
    assert "secure" in answer.headers["set-cookie"].split("; ")
    assert "Strict-Transport-Security" in answer.headers
