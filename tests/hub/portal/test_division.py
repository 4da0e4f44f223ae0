"""The list of a town's or county's villages: complete, sorted, searched, paged."""

from __future__ import annotations

import re

import pytest

from hub.context import Hub
from hub.portal import division as division_module
from tests.hub.portal.miniature import OTHER_TOWN_VILLAGE, TOWN, VILLAGES, Visitor, grant_for

pytestmark = pytest.mark.integration


def listed(page: str) -> list[str]:
    """Codes of the villages in the table, in its order."""
    return re.findall(r'<tr data-area="(\d{12})">', page)


@pytest.fixture
def county(portal_hub: Hub, visitor: Visitor) -> Visitor:
    visitor.sign_in(*grant_for(portal_hub, "320305000000"))
    return visitor


def test_a_town_lists_all_its_villages_by_code(portal_hub: Hub, town: Visitor) -> None:
    page = town.get(f"/division/{TOWN}").text
    titles = portal_hub.contracts.codelists["division"].titles
    expected = sorted(code for code in titles if code.startswith(TOWN) and not code.endswith("000"))
    assert listed(page) == expected
    # Six villages have figures; two have none yet and are there all the same.
    assert len(expected) == 8
    total = sum(4_000 + number for number, code in enumerate(VILLAGES) if code.startswith(TOWN))
    assert f'<p class="value">{total:,}</p>' in page


def test_its_map_leads_to_the_villages(town: Visitor) -> None:
    page = town.get(f"/division/{TOWN}").text
    picture = page.partition("<svg")[2].partition("</svg>")[0]
    assert sorted(re.findall(r'href="/village/(\d{12})"', picture)) == [c for c in VILLAGES if c.startswith(TOWN)]
    assert "马庄村</tspan>" in picture


def test_a_county_lists_every_village_and_its_towns(county: Visitor) -> None:
    page = county.get("/division/320305").text
    assert len(listed(page)) == 134
    assert page.count('href="/division/320305') == 13
    inside = county.get(f"/division/{TOWN}")
    assert inside.status_code == 200
    assert 'href="/division/320305">贾汪区</a>' in inside.text
    assert county.get("/division/3203").status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("马庄", ["320305005204"]),
        (OTHER_TOWN_VILLAGE, [OTHER_TOWN_VILLAGE]),
        (" 马庄 ", ["320305005204"]),
        ("没有", []),
    ],
)
def test_search_finds_by_name_and_code(county: Visitor, query: str, found: list[str]) -> None:
    assert listed(county.get("/division/320305", params={"q": query}).text) == found


def test_search_finds_a_towns_villages_and_says_what_was_asked(county: Visitor) -> None:
    page = county.get("/division/320305", params={"q": "潘安湖<b>"}).text
    assert "潘安湖&lt;b&gt;" in page
    assert "潘安湖<b>" not in page
    assert len(listed(county.get("/division/320305", params={"q": "潘安湖"}).text)) == 8


def test_long_lists_come_in_pages(county: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division_module, "_PAGE_ROWS", 50)
    pages = [listed(county.get("/division/320305", params={"page": page}).text) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [50, 50, 34]
    codes = [code for page in pages for code in page]
    assert codes == sorted(set(codes))
    assert listed(county.get("/division/320305", params={"page": 9}).text) == pages[-1]
    assert county.get("/division/320305", params={"page": "x"}).status_code == 400


def test_without_the_summary_there_are_names_and_no_figures(portal_hub: Hub, visitor: Visitor) -> None:
    visitor.sign_in(*grant_for(portal_hub, TOWN, products=("village_address_book",)))
    page = visitor.get(f"/division/{TOWN}").text
    assert len(listed(page)) == 8
    assert "4,006" not in page
    assert "<svg" not in page
