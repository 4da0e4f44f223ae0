"""Quality at the portal: for those who oversee the whole hub, and for nobody else."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from hub.context import CHINA, Hub
from hub.data_docs import docs_folder
from tests.hub.portal.miniature import MAZHUANG, Visitor, grant_for

pytestmark = pytest.mark.integration
MONTH = f"{datetime.now(CHINA):%Y-%m}"
DOORS = ["/quality", f"/quality/scorecard/civil_affairs/{MONTH}", "/quality/docs/index.html"]


@pytest.fixture
def county(portal_hub: Hub, visitor: Visitor) -> Visitor:
    visitor.sign_in(*grant_for(portal_hub, "320305000000"))
    return visitor


@pytest.fixture
def site(portal_hub: Hub) -> Iterator[Path]:
    folder = docs_folder(portal_hub)
    (folder / "static").mkdir(parents=True)
    (folder / "index.html").write_text('<link href="static/docs.css">校验', encoding="utf-8")
    (folder / "static" / "docs.css").write_text("main{}", encoding="utf-8")
    (folder / "built.json").write_text("{}", encoding="utf-8")
    yield folder
    for name in ("index.html", "static/docs.css", "built.json"):
        (folder / name).unlink()
    (folder / "static").rmdir()


@pytest.mark.parametrize("door", DOORS)
def test_a_village_finds_no_such_page(mazhuang: Visitor, site: Path, door: str) -> None:
    assert mazhuang.get(door).status_code == 404
    assert "/quality" not in mazhuang.get(f"/village/{MAZHUANG}").text


@pytest.mark.parametrize("door", DOORS)
def test_who_is_not_signed_in_is_asked_to(visitor: Visitor, site: Path, door: str) -> None:
    assert visitor.get(door, follow_redirects=False).headers["Location"] == "/"


def test_the_page_leads_to_every_departments_months(portal_hub: Hub, county: Visitor) -> None:
    text = county.get("/quality").text
    for name, system in portal_hub.contracts.systems.items():
        assert system.title in text
        assert f"/quality/scorecard/{name}/{MONTH}" in text
    months = re.findall(r"/quality/scorecard/civil_affairs/(\d{4}-\d{2})", text)
    assert len(set(months)) == 6
    assert months == sorted(months, reverse=True)
    assert "尚未生成校验结果页面" in text
    assert 'href="/quality"' in county.get("/division/320305").text


def test_a_scorecard_is_shown_in_its_style(county: Visitor) -> None:
    answer = county.get(f"/quality/scorecard/civil_affairs/{MONTH}")
    assert "民政局" in answer.text
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("tail", ["police/2026-11", "civil_affairs/2026-13", "civil_affairs/now"])
def test_other_scorecards_are_not_there(county: Visitor, tail: str) -> None:
    assert county.get(f"/quality/scorecard/{tail}").status_code == 404


def test_data_docs_are_served_as_they_lie(county: Visitor, site: Path) -> None:
    assert "/quality/docs/index.html" in county.get("/quality").text
    page = county.get("/quality/docs/index.html")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert county.get("/quality/docs/static/docs.css").headers["Content-Type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    ["built.json", "static", "nothing.html", "../5-base/x.html", "%2e%2e/keys/portal-session", "..%2f..%2fx.css"],
)
def test_nothing_else_of_the_lake_is_served(portal_hub: Hub, county: Visitor, site: Path, path: str) -> None:
    (portal_hub.lake.root / "5-base" / "x.html").write_text("secret", encoding="utf-8")
    assert county.get(f"/quality/docs/{path}").status_code == 404


def test_a_path_no_file_can_have_is_not_there(county: Visitor, site: Path) -> None:
    assert county.get("/quality/docs/%00").status_code == 404
