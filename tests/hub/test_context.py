"""What every step is handed: opened together, or an error that says what to do."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hub.context import CHINA, open_hub
from hub.errors import ConfigurationError, RetryError
from hub.settings import load_settings
from tests.hub.mini import opened

pytestmark = pytest.mark.integration


def test_the_parts_belong_together(tmp_path: Path, database_url: str) -> None:
    with opened(tmp_path, database_url) as hub:
        assert hub.as_of == date(2026, 11, 1)
        assert hub.lake.root == tmp_path / "lake"
        assert hub.ledger.database is hub.database
        assert hub.ledger.batches() == []
        with hub.engine() as engine:
            assert engine.con.raw_sql("SELECT 1").fetchall() == [(1,)]


def test_the_day_is_chinas(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        """Half an hour past midnight in China, when it is still yesterday in UTC."""

        @classmethod
        def now(cls, tz: object = None) -> datetime:
            assert tz == CHINA == ZoneInfo("Asia/Shanghai")
            return datetime(2026, 11, 2, 0, 30, tzinfo=CHINA)

    assert Clock.now(CHINA).utcoffset() == timedelta(hours=8)
    monkeypatch.setattr("hub.context.datetime", Clock)
    with opened(tmp_path, database_url, as_of=None) as hub:
        assert hub.as_of == date(2026, 11, 2)


def test_a_key_is_made_once_whoever_asks_first(tmp_path: Path, database_url: str) -> None:
    with opened(tmp_path, database_url) as one, opened(tmp_path, database_url) as other:
        made = one.key("a")
        with ThreadPoolExecutor(2) as pool:
            assert set(pool.map(lambda hub: hub.key("a"), (one, other))) == {made}
        assert len(made) == 32
        assert one.key("b", size=16) != made[:16]
        path = one.lake.keys() / "a"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in sorted(path.parent.iterdir())] == ["a", "b"]


@pytest.mark.parametrize(("division", "why"), [("999999", "is not in"), ("32030", None), ("320103", "ended on 2013-")])
def test_a_division_that_is_none_or_is_no_more_stops_before_anything_is_opened(
    tmp_path: Path, database_url: str, division: str, why: str | None
) -> None:
    expected = f"HUB_DIVISION: {division} {why}" if why else "HUB_DIVISION: .*2, 4 or 6 digits"
    with (
        pytest.raises(ConfigurationError, match=expected),
        opened(tmp_path, database_url, division=division),
    ):
        pytest.fail("it was opened")
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("division", ["32", "3203", "320305", "320302"])
def test_a_province_a_prefecture_and_a_county_may_have_a_hub(tmp_path: Path, database_url: str, division: str) -> None:
    with opened(tmp_path, database_url, division=division) as hub:
        assert hub.settings.division == division


def test_a_database_that_is_away_is_worth_another_try(tmp_path: Path) -> None:
    nowhere = "postgresql+psycopg://hub:hunter2@127.0.0.1:9/hub"
    with (
        pytest.raises(RetryError, match="HUB_DATABASE_URL") as caught,
        open_hub(load_settings(data_dir=tmp_path, database_url=nowhere)),
    ):
        pytest.fail("opened without a database")
    assert "hunter2" not in str(caught.value)


def test_wrong_settings_are_told_before_anything_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DIVISION", "x")
    with pytest.raises(ConfigurationError, match="HUB_DIVISION"), open_hub():
        pytest.fail("opened with wrong settings")
