"""What programs read: a village as JSON by session or HTTP Basic, the OpenAPI document, health."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
import sqlalchemy as sa

from hub.context import Hub
from hub.portal import create_app
from tests.hub.portal.miniature import MAZHUANG, Visitor, grant_for

pytestmark = pytest.mark.integration

VILLAGE = f"/api/v1/village/{MAZHUANG}"


def test_http_basic_takes_chinese_names(portal_hub: Hub, visitor: Visitor) -> None:
    operator, code = grant_for(portal_hub, MAZHUANG)
    answer = visitor.get(VILLAGE, auth=(operator.encode(), code.encode()))
    assert answer.status_code == 200
    village = answer.json()
    assert (village["division_code"], village["name"], village["release"]) == (MAZHUANG, "马庄村委会", 7)
    assert village["as_of"] == "2026-11-01"
    figures = {figure["name"]: figure["value"] for group in village["groups"] for figure in group["figures"]}
    assert figures["residents"] == 4006
    rows = {product["name"]: product["rows"] for product in village["products"]}
    assert rows["village_resident_roster"] == 40
    # No session is begun by it.
    assert visitor.get(VILLAGE).status_code == 401


def test_the_session_serves_as_well(mazhuang: Visitor) -> None:
    assert mazhuang.get(VILLAGE).json()["name"] == "马庄村委会"


@pytest.mark.parametrize(
    "credentials",
    [
        base64.b64encode("无此人:aaaa-bbbb-cccc-dddd".encode()).decode(),
        base64.b64encode(b"no colon").decode(),
        base64.b64encode("名".encode("gbk")).decode(),
        "not base64",
        "",
    ],
)
def test_wrong_credentials_are_told_how_to_sign_in(visitor: Visitor, credentials: str) -> None:
    answer = visitor.get(VILLAGE, headers={"Authorization": f"Basic {credentials}"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_the_document_describes_the_api_and_no_pages(visitor: Visitor) -> None:
    document = visitor.get("/api/v1/openapi.json").json()
    assert set(document["paths"]) == {
        "/api/v1/village/{code}",
        "/healthz",
        *("/api/v1/issues/{system}", "/api/v1/issues/{system}.xlsx"),
    }
    village = document["paths"]["/api/v1/village/{code}"]["get"]
    assert village["security"] == [{"operator": []}]
    assert document["components"]["securitySchemes"]["operator"]["scheme"] == "basic"
    assert visitor.get("/docs").status_code == 404


def test_health_names_the_release(visitor: Visitor) -> None:
    answer = visitor.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": True, "release": 7})


def test_without_the_database_health_and_pages_say_so(portal_hub: Hub) -> None:
    away = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:9/none", connect_args={"connect_timeout": 2})
    hub = replace(portal_hub, database=away)
    with Visitor(create_app(hub)) as visitor:
        answer = visitor.get("/healthz")
        assert (answer.status_code, answer.json()["database"]) == (503, False)
        page = visitor.sign_in("操作员", "aaaa-bbbb-cccc-dddd")
        assert page.status_code == 503
        assert "系统暂时不可用" in page.text
    away.dispose()
