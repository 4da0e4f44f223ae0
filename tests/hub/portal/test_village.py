"""A village's page: its figures, grids, map and products, in two languages, with the headers it needs."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from hub.context import Hub
from hub.contracts import Column
from hub.portal import create_app
from hub.portal.village import _groups, is_standard_met
from hub.portal.words import say
from tests.hub.portal.miniature import GRIDS_EACH, MAZHUANG, RESIDENTS_EACH, TOWN, VILLAGES, Visitor, grant_for


def card(page: str, title: str) -> str:
    """Text of the card with a title."""
    found = re.search(rf'<p class="title">{re.escape(title)}</p>(.*?)</li>', page, re.DOTALL)
    assert found, f"no card {title}"
    return re.sub(r"<[^>]+>|\s+", " ", found[1])


@pytest.mark.integration
def test_it_says_which_village_of_which_day(mazhuang: Visitor) -> None:
    page = mazhuang.get(f"/village/{MAZHUANG}").text
    assert '<h1 lang="zh-CN">马庄村委会</h1>' in page
    for text in ("徐州市", "贾汪区", "潘安湖街道", "第 7 期", "2026年11月1日", "2026年11月2日 09:30"):
        assert text in page
    assert '<html lang="zh-CN">' in page


@pytest.mark.integration
def test_the_figures_are_those_of_the_summary(mazhuang: Visitor) -> None:
    page = mazhuang.get(f"/village/{MAZHUANG}").text
    assert card(page, "常住居民数").split() == ["4,006", "男", "2,000", "·", "女", "2,006"]
    assert "户均 4.0 人" in card(page, "居住户数")
    assert "占居民 20.0%" in card(page, "65岁及以上")
    assert card(page, "低保人数").split()[0] == "6"
    assert "未达标" in card(page, "每百户设施面积（平方米）")


@pytest.mark.integration
def test_the_facility_standard_is_met_by_the_next_village(town: Visitor) -> None:
    page = town.get("/village/320305005205").text
    assert "未达标" not in card(page, "每百户设施面积（平方米）")
    assert "达标" in card(page, "每百户设施面积（平方米）")


@pytest.mark.parametrize(("value", "met"), [(30.0, True), (29.9, False), (None, None)])
def test_thirty_square_metres_a_hundred_households_are_the_standard(value: float | None, met: bool | None) -> None:
    assert is_standard_met(value) is met


@pytest.mark.integration
def test_a_new_column_of_the_summary_is_shown_without_new_code(portal_hub: Hub) -> None:
    contract = portal_hub.contracts.products["village_summary"]
    more = replace(contract, columns=(*contract.columns, Column("clinics", "clinics", "卫生室数", "integer")))
    groups = {group.name: group for group in _groups(more, {"residents": 0, "clinics": 2})}
    assert [(figure.title, figure.value) for figure in groups["others"].figures] == [("卫生室数", 2)]
    assert all(figure.percent is None for group in groups.values() for figure in group.figures)


@pytest.mark.integration
def test_grids_add_up_to_the_residents_on_map_and_in_table(mazhuang: Visitor) -> None:
    answer = mazhuang.get(f"/api/v1/village/{MAZHUANG}").json()
    grids = {grid["grid_code"]: grid["residents"] for grid in answer["grids"]}
    # The forty present residents: nine or ten a grid, one in none; former residences do not count.
    assert grids == {
        f"{MAZHUANG}001": 9,
        f"{MAZHUANG}002": 10,
        f"{MAZHUANG}003": 10,
        f"{MAZHUANG}004": 10,
        None: 1,
    }
    page = mazhuang.get(f"/village/{MAZHUANG}").text
    picture = page.partition("<svg")[2].partition("</svg>")[0]
    assert picture.count('data-area="') == GRIDS_EACH
    assert f"第2网格（{MAZHUANG}002）：居民 10 人" in picture
    assert say("zh", "grid_none") in page
    assert f'<td class="figure">{RESIDENTS_EACH}</td>' in page


@pytest.mark.integration
def test_the_map_shows_where_it_is_and_that_it_is_a_sketch(mazhuang: Visitor) -> None:
    page = mazhuang.get(f"/village/{MAZHUANG}").text
    picture = page.partition("<svg")[2].partition("</svg>")[0]
    assert 'class="buildings"' in picture
    assert 'class="outline"' in picture
    assert re.search(r"<text[^>]*>\d+ (米|公里)</text>", picture)
    assert "北</text>" in picture
    assert say("zh", "map_note") in page
    # Neighbours by name alone.
    assert any(name in picture for name in ("唐庄村委会", "权台村委会", "荒里村委会", "潘安村委会", "西大吴村委会"))
    assert not any(code in page for code in VILLAGES if code != MAZHUANG)


@pytest.mark.integration
def test_products_come_with_rows_version_condition_and_columns(portal_hub: Hub, mazhuang: Visitor) -> None:
    page = mazhuang.get(f"/village/{MAZHUANG}").text
    for product in portal_hub.contracts.products.values():
        assert (product.title in page) is (product.subscriber_kind == "village")
    roster = page.partition('aria-labelledby="product-village_resident_roster"')[2].partition("</article>")[0]
    assert f"{RESIDENTS_EACH} 条" in roster
    assert "仅限本村（社区）基层治理使用" in roster
    assert "有条件共享" in roster
    assert say("zh", "note_masked_when") in roster
    assert all(c.title in roster for c in portal_hub.contracts.products["village_resident_roster"].columns)
    care = page.partition('aria-labelledby="product-village_care_list"')[2].partition("</article>")[0]
    assert "0 条" in care
    # Lists of people first.
    assert page.index("village_care_list.xlsx") < page.index("village_address_book.xlsx")


@pytest.mark.integration
def test_the_page_names_nobody_but_the_operator(mazhuang: Visitor) -> None:
    assert "居民204号" not in mazhuang.get(f"/village/{MAZHUANG}").text
    assert "居民204号" not in mazhuang.get(f"/api/v1/village/{MAZHUANG}").text


@pytest.mark.integration
def test_english_is_asked_for_once_and_kept(mazhuang: Visitor) -> None:
    page = mazhuang.get(f"/village/{MAZHUANG}?lang=en").text
    assert '<html lang="en">' in page
    assert "Aged 65 and over" in page
    assert "As of</dt><dd>1 November 2026" in page
    assert '<html lang="en">' in mazhuang.get(f"/village/{MAZHUANG}").text
    mazhuang.get(f"/village/{MAZHUANG}?lang=fr")
    assert '<html lang="en">' in mazhuang.get(f"/village/{MAZHUANG}").text
    assert '<html lang="zh-CN">' in mazhuang.get(f"/village/{MAZHUANG}?lang=zh").text


@pytest.mark.integration
def test_a_village_without_figures_says_so(portal_hub: Hub, visitor: Visitor) -> None:
    visitor.sign_in(*grant_for(portal_hub, "320305005001"))
    page = visitor.get("/village/320305005001")
    assert page.status_code == 200
    assert "<svg" not in page.text
    assert "西段庄社区居委会" in page.text


@pytest.mark.integration
def test_the_notice_is_the_operators_own(portal_hub: Hub, mazhuang: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'class="notice"' not in mazhuang.get("/").text
    monkeypatch.setenv("HUB_NOTICE", "人员与单位均为<虚构>。")
    assert "人员与单位均为&lt;虚构&gt;。" in mazhuang.get("/").text


@pytest.mark.integration
@pytest.mark.parametrize(
    "path", ["/", f"/village/{MAZHUANG}", "/village/1", f"/division/{TOWN}", "/healthz", "/nowhere"]
)
def test_nothing_of_a_page_is_kept_or_run_from_elsewhere(mazhuang: Visitor, path: str) -> None:
    answer = mazhuang.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r'\sstyle="|\son\w+="|<script>|<style|https?://', answer.text)


@pytest.mark.integration
def test_style_and_script_are_served_from_here(visitor: Visitor) -> None:
    page = visitor.get("/").text
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(addresses) == 4
    for address in {*addresses, "/static/tiles.svg"}:
        answer = visitor.get(address)
        assert answer.status_code == 200
        assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")
        assert answer.headers["Cache-Control"].startswith("public")
    assert visitor.get("/static/../app.py").status_code == 404


@pytest.mark.integration
def test_a_fault_of_ours_shows_a_page_and_no_inside(portal_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    operator, code = grant_for(portal_hub, MAZHUANG)
    with Visitor(create_app(portal_hub), raise_server_exceptions=False) as visitor:
        visitor.sign_in(operator, code)

        def broken(*_: object) -> None:
            raise RuntimeError("居民204号")

        monkeypatch.setattr("hub.portal.pages.village", broken)
        answer = visitor.get(f"/village/{MAZHUANG}")
        assert answer.status_code == 500
        assert say("zh", "error_500") in answer.text
        assert "居民204号" not in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
