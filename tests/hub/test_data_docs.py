"""Data Docs: a page a verdict, runs side by side, nothing of a row and nothing from the internet in them."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import html

from hub import data_docs
from hub.context import Hub
from hub.data_docs import build_docs, docs_folder, page_links
from hub.errors import RetryError, StopError
from hub.walk import pull_system, take_in
from tests.hub.drops import Drops, allowance, death
from tests.hub.mini import opened

pytestmark = pytest.mark.integration
FIRST, SECOND = "320371195001010016", "320371199001010022"


@pytest.fixture
def drops(tmp_path: Path) -> Drops:
    return Drops(tmp_path)


@pytest.fixture
def hub(tmp_path: Path, database_url: str, drops: Drops) -> Iterator[Hub]:
    with opened(tmp_path, database_url, env_file=drops.env_file) as opened_hub:
        yield opened_hub


def deliver(hub: Hub, drops: Drops, day: str = "20261101") -> None:
    died = f"202609{day[-2:]}"
    drops.deaths(day, death(FIRST, 姓名="欧阳", 死亡日期=died), death(SECOND, 姓名="司马", 死亡日期="20261201"))
    for system in ("health_commission", "civil_affairs"):
        pull_system(hub, system)
        take_in(hub, system)


def pages(hub: Hub) -> list[Path]:
    return sorted(docs_folder(hub).glob("validations/**/*.html"))


def words(page: Path) -> str:
    return " ".join(html.parse(page).getroot().text_content().split())


def test_every_verdict_has_a_page_that_the_index_leads_to(hub: Hub, drops: Drops) -> None:
    drops.allowances("202611", allowance(FIRST))
    deliver(hub, drops)
    assert build_docs(hub) == 2
    links = html.parse(docs_folder(hub) / "index.html").xpath("//table//a[@href]/@href")
    assert sorted((docs_folder(hub) / link).resolve() for link in links) == [page.resolve() for page in pages(hub)]
    assert len(pages(hub)) == 2
    shown = words(docs_folder(hub) / "index.html")
    assert "死亡医学证明" in shown
    assert "health_commission.death.000001" in shown


def test_a_page_tells_rules_in_chinese_with_clause_and_who_acts(hub: Hub, drops: Drops) -> None:
    deliver(hub, drops)
    build_docs(hub)
    (page,) = pages(hub)
    assert "死亡日期不得在将来（严重；" in words(page)
    assert "；卫生健康委员会）" in words(page)
    assert "1 unexpected values found. 50% of 2 total rows." in words(page)
    # The way back and the style are there.
    document = html.parse(page)
    for address in (*document.xpath("//header/a/@href"), *document.xpath("//link[@rel='stylesheet']/@href")):
        assert (page.parent / address).resolve().is_file()


def test_nothing_of_a_row_and_nothing_from_elsewhere_is_in_the_site(hub: Hub, drops: Drops) -> None:
    deliver(hub, drops)
    build_docs(hub)
    for path in docs_folder(hub).rglob("*"):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        assert not [value for value in (FIRST, SECOND, "欧阳", "司马", FIRST[6:14]) if value in text]
        assert not re.search(r"<script|(src|href)=.?https?:|url\(|@import", text), path


def test_runs_stand_side_by_side_and_nothing_is_made_twice(hub: Hub, drops: Drops) -> None:
    deliver(hub, drops)
    build_docs(hub)
    before = pages(hub)
    written = before[0].stat().st_mtime_ns
    assert build_docs(hub) == 0
    deliver(hub, drops, "20261102")
    assert build_docs(hub) == 1
    assert len(pages(hub)) == 2
    assert before[0].stat().st_mtime_ns == written


def test_only_the_last_runs_are_kept(hub: Hub, drops: Drops) -> None:
    for day in ("20261101", "20261102", "20261103"):
        deliver(hub, drops, day)
        build_docs(hub, keep=2)
    assert [page.stem[-1] for page in sorted(pages(hub), key=lambda page: page.stem)] == ["2", "3"]
    assert "death.000001" not in words(docs_folder(hub) / "index.html")
    assert len(list((docs_folder(hub) / "results").rglob("*.json"))) == 2


def test_an_older_hubs_verdict_is_left_out(hub: Hub, drops: Drops) -> None:
    deliver(hub, drops)
    (verdict,) = hub.lake.root.glob("3-checked/*/*/*/verdict.json")
    content = json.loads(verdict.read_bytes())
    for finding in content["expectations"]:
        del finding["kwargs"]
    verdict.write_text(json.dumps(content), encoding="utf-8")
    assert build_docs(hub) == 0


def test_a_page_that_cannot_be_written_is_told(hub: Hub, drops: Drops) -> None:
    deliver(hub, drops)
    (verdict,) = hub.lake.root.glob("3-checked/*/*/*/verdict.json")
    content = json.loads(verdict.read_bytes())
    content["expectations"][0]["kwargs"] = {"colum": "x"}
    verdict.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(StopError, match=r"data docs of health_commission\.death\.000001"):
        build_docs(hub)


def test_one_process_builds_at_a_time(hub: Hub, drops: Drops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_docs, "_PATIENCE", 0.0)
    deliver(hub, drops)
    with hub.ledger.locked("data docs"), pytest.raises(RetryError):
        build_docs(hub)


def test_a_long_past_is_not_made_up_for(hub: Hub, drops: Drops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_docs, "_FIRST_RUN", 1)
    for day in ("20261101", "20261102"):
        deliver(hub, drops, day)
    assert build_docs(hub) == 1
    assert [page.stem for page in pages(hub)] == ["health_commission.death.000002"]


def test_a_verdict_that_is_seen_late_gets_its_page_all_the_same(hub: Hub, drops: Drops) -> None:
    deliver(hub, drops)
    assert build_docs(hub) == 1
    (first,) = hub.lake.root.glob("3-checked/*/*/*/verdict.json")
    deliver(hub, drops, "20261102")
    (second,) = set(hub.lake.root.glob("3-checked/*/*/*/verdict.json")) - {first}
    # Written before the first one, by a process beside.
    os.utime(second, ns=(0, first.stat().st_mtime_ns - 5_000_000))
    assert build_docs(hub) == 1
    assert build_docs(hub) == 0
    assert len(pages(hub)) == 2


def test_a_departments_pages_of_a_run_are_linked_at_the_portal(hub: Hub, drops: Drops) -> None:
    drops.allowances("202611", allowance(FIRST))
    deliver(hub, drops)
    begun = datetime.now(UTC)
    time.sleep(0.05)
    deliver(hub, drops, "20261102")
    assert page_links(hub, "health_commission", begun) == {}, "there is no page yet"
    build_docs(hub)
    ((batch, address),) = page_links(hub, "health_commission", begun).items()
    assert batch == "health_commission.death.000002"
    where = address.removeprefix(f"{hub.settings.public_url}/quality/docs/")
    assert (docs_folder(hub) / where).is_file()
    assert page_links(hub, "civil_affairs", begun) == page_links(hub, "health", begun) == {}
    assert set(page_links(hub, "civil_affairs", begun - timedelta(hours=1))) == {
        "civil_affairs.elderly_allowance.000001"
    }
