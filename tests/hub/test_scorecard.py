"""A department's month: counts, dimensions, what waits, in words; as a page and as JSON, with no value of any row."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from lxml import html

from hub import scorecard as scorecard_module
from hub.context import CHINA, Hub
from hub.corrections import import_corrections
from hub.errors import ConfigurationError, StopError
from hub.issues import export_issues
from hub.quarantine import Tally
from hub.scorecard import DIMENSIONS, Rate, Scorecard, month_of, scorecard
from hub.scorecard_page import STYLE_SOURCE, page, to_dict, write_last_month, write_scorecards
from hub.walk import pull_system, take_in
from tests.hub.drops import DEATH, Drops, death
from tests.hub.mini import opened
from tests.hub.test_corrections import mend

FIRST, SECOND, THIRD = "320371195001010016", "320371199001010022", "320371194503030071"
WRONG = SECOND[:-1] + "9"


class TestMonths:
    def test_a_month_begins_and_ends_in_chinas_time(self) -> None:
        month = month_of("2024-02")
        assert (month.first, month.last) == (dt.date(2024, 2, 1), dt.date(2024, 2, 29))
        assert month.has(dt.datetime(2024, 1, 31, 16, 0, tzinfo=dt.UTC))
        assert not month.has(dt.datetime(2024, 2, 29, 16, 0, tzinfo=dt.UTC))

    @pytest.mark.parametrize("text", ["2024", "2024-13", "2024-1", "0000-01", "2024-02-01", "２０２４-02"])
    def test_what_is_no_month(self, text: str) -> None:
        with pytest.raises(StopError, match="YYYY-MM"):
            month_of(text)


def test_a_rate_is_the_good_share() -> None:
    assert Rate(1, 4).share == 0.75
    assert Rate(5, 4).share == 0
    assert Rate(0, 0).share is None
    assert Rate(1, 4) + Rate(0, 4) == Rate(1, 8)


@pytest.fixture
def drops(tmp_path: Path) -> Drops:
    return Drops(tmp_path)


@pytest.fixture
def hub(tmp_path: Path, database_url: str, drops: Drops) -> Iterator[Hub]:
    with opened(tmp_path, database_url, env_file=drops.env_file) as opened_hub:
        yield opened_hub


def deliver(hub: Hub) -> None:
    pull_system(hub, "health_commission")
    take_in(hub, "health_commission")


def this_month() -> str:
    return f"{dt.datetime.now(CHINA):%Y-%m}"


def card(hub: Hub, month: str | None = None) -> Scorecard:
    return scorecard(hub, "health_commission", month_of(month or this_month()))


def delivered(hub: Hub, drops: Drops) -> None:
    drops.deaths(
        "20261101",
        death(FIRST, 性别="1", 出生日期="19500101", 姓名="甲 某"),
        death(WRONG, 出生日期="19900101"),
        death(SECOND, 出生日期="19900102"),
        death(THIRD, 性别="1", 出生日期="19450303", 姓名=""),
    )
    deliver(hub)


@pytest.mark.integration
class TestOfADepartment:
    def test_counts_and_dimensions_are_those_of_the_ledger(self, hub: Hub, drops: Drops) -> None:
        delivered(hub, drops)
        found = card(hub)
        (one,) = (one for one in found.datasets if one.tail == DEATH)
        assert (one.batches, one.landed, one.accepted, one.quarantined, one.duplicate) == (1, 4, 2, 2, 0)
        assert one.waiting == Tally(2, 0, 0)
        columns = hub.contracts.sources[DEATH].columns
        required = [column for column in columns if column.required or column.key]
        assert one.rates["completeness"] == Rate(1, 4 * len(required))
        assert one.rates["validity"] == Rate(2, 4 * len(columns))  # a space in a name, a wrong check digit
        assert one.rates["uniqueness"] == Rate(0, 4)
        assert one.rates["consistency"].faulty == 1
        assert one.rates["timeliness"] == Rate(0, 1)

    def test_reasons_are_in_words_and_the_commonest_comes_first(self, hub: Hub, drops: Drops) -> None:
        delivered(hub, drops)
        found = {(one.dataset, one.column, one.words): one for one in card(hub).reasons}
        assert found["死亡医学证明", "姓名", "姓名中的空格已去除"].action == "姓名中不加空格"
        assert found["死亡医学证明", "姓名", "必填项为空"].count == 1
        counts = [one.count for one in card(hub).reasons]
        assert counts == sorted(counts, reverse=True)

    def test_corrections_and_what_they_close_are_counted(self, hub: Hub, drops: Drops, tmp_path: Path) -> None:
        delivered(hub, drops)
        export_issues(hub, "health_commission", tmp_path / "x.xlsx", actor="test")
        import_corrections(hub, mend(tmp_path / "x.xlsx", 身份证件号码="320371199001010049"), "officer")
        (one,) = (one for one in card(hub).datasets if one.tail == DEATH)
        assert (one.batches, one.landed, one.corrected) == (1, 4, 1)
        assert one.waiting == Tally(open=1, corrected=1, superseded=0)

    def test_what_was_withheld_or_held_is_told(self, hub: Hub, drops: Drops) -> None:
        drops.deaths("20261101", death(WRONG), without=".ok")
        drops.deaths("20261102", death(WRONG))
        deliver(hub)
        (batch,) = hub.ledger.batches(DEATH, state="checked")
        hub.ledger.save_batch(replace(batch, state="held"))
        (one,) = (one for one in card(hub).datasets if one.tail == DEATH)
        assert (one.withheld, one.held, one.batches, one.waiting) == (1, 1, 1, Tally(1, 0, 0))

    def test_another_month_has_nothing_and_says_so(self, hub: Hub, drops: Drops) -> None:
        delivered(hub, drops)
        found = card(hub, "2020-01")
        assert (found.total("landed"), found.reasons) == (0, ())
        assert {rate.share for rate in found.rates.values()} == {None}
        assert "本月没有问题" in page(found)

    def test_days_without_news_are_late(self, hub: Hub, drops: Drops, monkeypatch: pytest.MonkeyPatch) -> None:
        delivered(hub, drops)
        (batch,) = hub.ledger.batches(DEATH)
        moment = dt.datetime(2026, 9, 5, 3, tzinfo=dt.UTC)
        hub.ledger.save_batch(replace(batch, pulled_at=moment))
        # Day 5 and 6 are within a daily cycle, 7 to 10 are not; days before the first delivery are nobody's.
        monkeypatch.setattr(scorecard_module, "now", lambda: dt.datetime(2026, 9, 10, 3, tzinfo=dt.UTC))
        (one,) = (one for one in card(hub, "2026-09").datasets if one.tail == DEATH)
        assert one.rates["timeliness"] == Rate(4, 6)
        monkeypatch.setattr(scorecard_module, "now", lambda: dt.datetime(2026, 12, 1, 3, tzinfo=dt.UTC))
        (one,) = (one for one in card(hub, "2026-10").datasets if one.tail == DEATH)
        assert one.rates["timeliness"] == Rate(31, 31)

    def test_an_unknown_department_is_refused(self, hub: Hub) -> None:
        with pytest.raises(ConfigurationError, match="'police' is unknown"):
            scorecard(hub, "police", month_of("2026-11"))

    def test_the_json_has_every_key_and_the_same_figures(self, hub: Hub, drops: Drops) -> None:
        delivered(hub, drops)
        found = card(hub)
        told: dict[str, Any] = json.loads(json.dumps(to_dict(found)))
        assert told["landed"] == found.total("landed") == sum(one["landed"] for one in told["datasets"])
        assert set(told["dimensions"]) == set(DIMENSIONS)
        assert told["dimensions"]["validity"]["title"] == "规范性"
        assert told["quarantine"] == {"open": 2, "corrected": 0, "superseded": 0}
        assert [one["dataset"] for one in told["datasets"]] == ["health_commission/birth", DEATH]

    def test_the_page_is_one_file_with_its_charts(self, hub: Hub, drops: Drops) -> None:
        delivered(hub, drops)
        text = page(card(hub))
        document = html.fromstring(text)
        assert document.xpath("//h1")[0].text_content().startswith("卫生健康委员会 · ")
        bars, stacks = document.xpath("//svg")
        assert bars.xpath(".//g/text[1]/text()") == list(DIMENSIONS.values())
        assert len(stacks.xpath(".//g[@transform]")) == 2
        assert not document.xpath("//script | //link | //img | //@style")
        assert text.count("<style>") == 1
        assert STYLE_SOURCE.startswith("'sha256-")

    def test_files_are_written_for_each_department_and_audited(self, hub: Hub, drops: Drops, tmp_path: Path) -> None:
        delivered(hub, drops)
        month = this_month()
        files = write_scorecards(hub, month, None, tmp_path / "cards", "officer")
        assert len(files) == 2 * len(hub.contracts.systems)
        assert files[0].name == f"{next(iter(hub.contracts.systems))}_{month}.html"
        everything = "".join(path.read_text(encoding="utf-8") for path in files)
        assert not [value for value in (FIRST, WRONG, "甲某", "甲 某") if value in everything]
        with hub.database.connect() as connection:
            query = sa.text("SELECT action, details ->> 'month' FROM ledger.audit ORDER BY number DESC LIMIT 1")
            assert connection.execute(query).one() == ("scorecards_written", month)
        (only, _json) = write_scorecards(hub, month, "civil_affairs", tmp_path, "officer")
        assert only.name == f"civil_affairs_{month}.html"


@pytest.mark.integration
def test_the_last_month_is_written_once_for_every_department(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(dt.datetime):
        """The last hour of a month in UTC, when it is the next one in China."""

        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime(2026, 12, 31, 17, 0, tzinfo=dt.UTC).astimezone(tz)

    monkeypatch.setattr("hub.scorecard_page.datetime", Clock)
    written = write_last_month(hub, "airflow:upkeep")
    folder = hub.lake.root / "docs" / "scorecards" / "2026-12"
    names = {f"{system}_2026-12{suffix}" for system in hub.contracts.systems for suffix in (".html", ".json")}
    assert {path.name for path in written} == {path.name for path in folder.iterdir()} == names
    assert write_last_month(hub, "airflow:upkeep") == []
    # What was interrupted is made up for, and nothing else.
    (folder / "civil_affairs_2026-12.json").unlink()
    assert {path.name for path in write_last_month(hub, "airflow:upkeep")} == {
        "civil_affairs_2026-12.html",
        "civil_affairs_2026-12.json",
    }
