"""The review queue at the portal: for those who oversee the whole hub; two people, each with a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from hub.context import Hub
from hub.ledger.decisions import Suggestion, queue, reviews
from hub.linking.resolve import FOLDER
from hub.portal import create_app
from tests.hub.portal.miniature import MAZHUANG, Visitor, grant_for

pytestmark = pytest.mark.integration

NUMBER = "320371195001010016"


@pytest.fixture
def pair(portal_hub: Hub) -> Iterator[int]:
    """An open pair whose rows are in the lake; its number."""
    folder = portal_hub.lake.linked(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    fields = {"person_name": "甲某", "division_code": MAZHUANG, "sex_code": "1"}
    rows = [
        {"entity": "person", "key": "PL", "tail": "civil_affairs/elderly_allowance", "fields": json.dumps(fields)},
        {
            "entity": "person",
            "key": "PR",
            "tail": "public_security/registered_resident",
            "fields": json.dumps({**fields, "number": NUMBER, "birth_date": "1950-01-01"}),
        },
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "review.parquet")
    queue(portal_hub.database, "person", [Suggestion("person", "PL", "PR", 0.81, "person_name+division_code")])
    yield reviews(portal_hub.database)[0].number
    with portal_hub.database.begin() as connection:
        connection.execute(sa.text("DELETE FROM ledger.link_review"))


@pytest.fixture
def visitor(portal_hub: Hub) -> Iterator[Visitor]:
    with Visitor(create_app(portal_hub)) as client:
        yield client


@pytest.fixture
def county(portal_hub: Hub, visitor: Visitor) -> Visitor:
    visitor.sign_in(*grant_for(portal_hub, "320305000000"))
    return visitor


def said(hub: Hub) -> list[str]:
    (one,) = reviews(hub.database)
    return [opinion.verdict for opinion in one.opinions]


def submit(visitor: Visitor, number: int, **fields: str) -> str:
    token = re.findall(r'name="csrf_token" value="([^"]+)"', visitor.get("/links").text)[0]
    answer = visitor.post(f"/links/{number}", data={"csrf_token": token, **fields})
    return str(answer.text)


def test_a_village_finds_no_such_page(portal_hub: Hub, visitor: Visitor, pair: int) -> None:
    visitor.sign_in(*grant_for(portal_hub, MAZHUANG))
    assert visitor.get("/links").status_code == 404
    assert visitor.post(f"/links/{pair}", data={"verdict": "same", "reason": "x"}).status_code == 404
    assert said(portal_hub) == []


def test_who_is_not_signed_in_is_asked_to(visitor: Visitor) -> None:
    assert visitor.get("/links", follow_redirects=False).headers["Location"] == "/"


def test_both_sides_are_shown_in_words_and_the_number_in_part(county: Visitor, pair: int) -> None:
    text = county.get("/links").text
    for shown in ("甲某", "户籍人口", "高龄津贴", "81.0%", "1950-01-01", "320***********0016", "待判断的配对"):
        assert shown in text, shown
    assert NUMBER not in text
    assert MAZHUANG not in re.sub(r"<script.*?</script>", "", text), "villages bear their names"
    assert "Pairs to decide" in county.get("/links?lang=en").text


def test_looking_is_audited_without_names(portal_hub: Hub, county: Visitor, pair: int) -> None:
    county.get("/links")
    with portal_hub.database.connect() as connection:
        query = "SELECT details FROM ledger.audit WHERE action = 'link_pairs_shown' ORDER BY number DESC LIMIT 1"
        details = connection.execute(sa.text(query)).scalar_one()
    assert details["pairs"] == [pair]
    assert "甲某" not in json.dumps(details, ensure_ascii=False)


def test_a_decision_needs_a_reason_and_counts_once(portal_hub: Hub, county: Visitor, pair: int) -> None:
    assert "未记录" in submit(county, pair, verdict="same", reason=" ")
    assert said(portal_hub) == []
    assert "已记录" in submit(county, pair, verdict="same", reason="电话核实")
    token = re.findall(r'name="csrf_token" value="([^"]+)"', county.get("/links").text)[0]
    again = county.post(f"/links/{pair}", data={"csrf_token": token, "verdict": "same", "reason": "再来一次"})
    assert "未记录" in again.text
    assert said(portal_hub) == ["same"]


def test_what_you_have_decided_waits_for_somebody_else(portal_hub: Hub, county: Visitor, pair: int) -> None:
    submit(county, pair, verdict="same", reason="电话核实")
    mine = county.get("/links").text
    assert f"pair-{pair}" not in mine
    assert "等待您判断 0 对" in mine
    assert "等待第二人判断 1 对" in mine
    with Visitor(create_app(portal_hub)) as other:
        other.sign_in(*grant_for(portal_hub, "320305000000"))
        theirs = other.get("/links").text
        assert f"pair-{pair}" in theirs
        assert "已有 1 人判断" in theirs


def test_without_the_token_nothing_is_noted(portal_hub: Hub, county: Visitor, pair: int) -> None:
    assert county.post(f"/links/{pair}", data={"verdict": "same", "reason": "x"}).status_code == 403
    assert said(portal_hub) == []


def test_a_number_no_pair_can_have_is_not_found(county: Visitor, pair: int) -> None:
    token = re.findall(r'name="csrf_token" value="([^"]+)"', county.get("/links").text)[0]
    fields = {"csrf_token": token, "verdict": "same", "reason": "x"}
    assert county.post(f"/links/{10**20}", data=fields).status_code == 404


def test_an_empty_queue_says_so(county: Visitor) -> None:
    assert "目前没有待判断的配对" in county.get("/links").text
