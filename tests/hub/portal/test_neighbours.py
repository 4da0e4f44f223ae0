"""The neighbour's door: whoever is signed in for one village finds no other, and learns nothing of it."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.ledger.models import AuditRow
from tests.hub.portal.miniature import MAZHUANG, OTHER_TOWN_VILLAGE, TOWN, VILLAGES, Visitor, grant_for

pytestmark = pytest.mark.integration

NEIGHBOURS = [code for code in VILLAGES if code != MAZHUANG]
NOWHERE = "320305005999"


def doors(code: str, hub: Hub) -> list[str]:
    """Every address that has a village's code in it."""
    return [
        f"/village/{code}",
        *(f"/village/{code}/{name}.{kind}" for name in hub.contracts.products for kind in ("xlsx", "csv")),
        f"/api/v1/village/{code}",
        f"/division/{code}",
        f"/village/{MAZHUANG}/../{code}",
        f"/village/{code}%20",
    ]


def refusals(hub: Hub) -> int:
    with Session(hub.database) as session:
        return session.scalar(select(func.count()).where(AuditRow.action == "refused")) or 0


def test_every_door_of_every_neighbour_is_shut(portal_hub: Hub, mazhuang: Visitor) -> None:
    titles = portal_hub.contracts.codelists["division"].titles
    nowhere = {kind: mazhuang.get(f"{kind}/village/{NOWHERE}") for kind in ("", "/api/v1")}
    for code in NEIGHBOURS:
        for door in doors(code, portal_hub):
            answer = mazhuang.get(door)
            assert answer.status_code == 404, door
            # Word for word what a village that does not exist gives.
            assert answer.content == nowhere["/api/v1" if door.startswith("/api") else ""].content, door
            assert titles[code] not in answer.text
            assert "Content-Disposition" not in answer.headers


def test_each_try_is_recorded_with_who_and_where(portal_hub: Hub, mazhuang: Visitor) -> None:
    before = refusals(portal_hub)
    mazhuang.get(f"/village/{NEIGHBOURS[0]}")
    mazhuang.get(f"/village/{NEIGHBOURS[0]}/village_resident_roster.csv")
    assert refusals(portal_hub) == before + 2
    with Session(portal_hub.database) as session:
        last = session.scalars(select(AuditRow).order_by(AuditRow.number.desc()).limit(1)).one()
    assert last.details["division"] == NEIGHBOURS[0]
    assert last.actor.startswith("操作员")


def test_free_text_does_not_enter_the_record(portal_hub: Hub, mazhuang: Visitor) -> None:
    assert mazhuang.get("/village/张三320371195001010010").status_code == 404
    with Session(portal_hub.database) as session:
        last = session.scalars(select(AuditRow).order_by(AuditRow.number.desc()).limit(1)).one()
    assert last.details["division"] == ""


@pytest.mark.parametrize("code", ["32", "3203", "320305", TOWN, "320305005000", "", "abc", "３２０３０５"])
def test_no_list_opens_to_a_village(mazhuang: Visitor, code: str) -> None:
    assert mazhuang.get(f"/division/{code}").status_code == 404


def test_a_town_sees_its_own_villages_and_no_others(portal_hub: Hub, town: Visitor) -> None:
    inside = [code for code in VILLAGES if code.startswith(TOWN)]
    assert [town.get(f"/village/{code}").status_code for code in inside] == [200] * len(inside)
    for door in doors(OTHER_TOWN_VILLAGE, portal_hub):
        assert town.get(door).status_code == 404
    assert town.get("/division/320305").status_code == 404
    assert town.get(f"/division/{OTHER_TOWN_VILLAGE[:9]}").status_code == 404


def test_a_product_outside_the_grant_does_not_exist(portal_hub: Hub, visitor: Visitor) -> None:
    visitor.sign_in(*grant_for(portal_hub, MAZHUANG, products=("village_address_book",)))
    page = visitor.get(f"/village/{MAZHUANG}")
    assert "village_address_book.xlsx" in page.text
    for name in portal_hub.contracts.products:
        status = visitor.get(f"/village/{MAZHUANG}/{name}.csv").status_code
        assert status == (200 if name == "village_address_book" else 404), name
    # No figures either, nor the residents of the grids: they are the summary's.
    assert "4,006" not in page.text
    assert "<svg" not in page.text
    assert visitor.get(f"/api/v1/village/{MAZHUANG}").json()["groups"] == []
    assert visitor.get(f"/api/v1/village/{MAZHUANG}").json()["grids"] == []


def test_department_products_are_no_villages(portal_hub: Hub, visitor: Visitor) -> None:
    visitor.sign_in(*grant_for(portal_hub, MAZHUANG, products=("health_elderly_residents",)))
    assert visitor.get(f"/village/{MAZHUANG}/health_elderly_residents.csv").status_code == 404


def test_who_is_not_signed_in_is_sent_to_sign_in_whatever_the_code(portal_hub: Hub, visitor: Visitor) -> None:
    for code in (MAZHUANG, NOWHERE):
        for door in doors(code, portal_hub):
            answer = visitor.get(door, follow_redirects=False)
            expected = (401, None) if door.startswith("/api") else (303, "/")
            if ".." not in door:
                assert (answer.status_code, answer.headers.get("location")) == expected, door
