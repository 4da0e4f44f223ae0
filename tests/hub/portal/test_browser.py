"""A village's clerk at a real browser: signs in, reads counts and map, takes the workbook home."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hub.context import Hub
from hub.portal import create_app
from tests.hub.portal.miniature import GRIDS_EACH, MAZHUANG, RESIDENTS_EACH, grant_for

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: install the package chromium"),
]

_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def address(portal_hub: Hub) -> Iterator[str]:
    """The portal served on loopback by a real server."""
    server = uvicorn.Server(uvicorn.Config(create_app(portal_hub), port=0, ws="none", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose console must stay silent: a refused style or script would speak there."""
    context = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert said == []


def sign_in(page: Page, address: str, hub: Hub) -> None:
    operator, code = grant_for(hub, MAZHUANG)
    page.goto(address)
    page.get_by_label("操作员").fill(operator)
    page.get_by_label("访问码", exact=True).fill(code)
    page.get_by_role("button", name="登录").click()
    expect(page).to_have_url(f"{address}/village/{MAZHUANG}")


def test_counts_map_and_workbook(page: Page, address: str, portal_hub: Hub, tmp_path: Path) -> None:
    sign_in(page, address, portal_hub)
    expect(page.get_by_role("heading", level=1)).to_have_text("马庄村委会")
    residents = page.get_by_role("listitem").filter(has_text="常住居民数")
    expect(residents.locator(".value")).to_have_text("4,006")

    picture = page.get_by_role("img", name="马庄村委会的网格示意图")
    expect(picture).to_be_visible()
    expect(picture.locator("path[data-area]")).to_have_count(GRIDS_EACH)
    # The style sheet is at work: the darkest grid is not black, and labels are drawn on it.
    colour = picture.locator("path[data-area]").last.evaluate("path => getComputedStyle(path).fill")
    assert colour not in ("rgb(0, 0, 0)", "none")
    page.get_by_role("row", name="第2网格").hover()
    assert "lit" in (picture.locator(f"path[data-area='{MAZHUANG}002']").get_attribute("class") or "")

    with page.expect_download() as coming:
        page.get_by_role("link", name="下载 XLSX：村（社区）居民名册").click()
    assert coming.value.suggested_filename == "马庄村委会_村（社区）居民名册_第7期_20261101.xlsx"
    file = tmp_path / "roster.xlsx"
    coming.value.save_as(file)
    sheet = openpyxl.load_workbook(file).active
    assert sheet is not None
    people = [row for row in sheet.iter_rows(values_only=True) if row[0] == MAZHUANG]
    assert len(people) == RESIDENTS_EACH

    page.get_by_role("button", name="退出").click()
    expect(page.get_by_role("status")).to_have_text("您已安全退出。")
    page.go_back()
    expect(page.get_by_label("操作员")).to_be_visible()


def test_the_code_can_be_looked_at_while_it_is_typed(page: Page, address: str) -> None:
    page.goto(address)
    code = page.get_by_label("访问码", exact=True)
    expect(code).to_have_attribute("type", "password")
    page.get_by_label("显示访问码").check()
    expect(code).to_have_attribute("type", "text")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_page_is_wider_than_the_screen(page: Page, address: str, portal_hub: Hub, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sign_in(page, address, portal_hub)
    page.locator("summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_everything_in_order(page: Page, address: str, portal_hub: Hub) -> None:
    page.goto(address)
    page.keyboard.press("Shift+Tab")
    sign_in(page, address, portal_hub)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("table").filter(has_text="英文名").first).to_be_visible()
