"""Extracts: what is refused before a row is read; what files hold, the tests of step 7 say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.errors import ScopeError, StopError
from hub.exchange.extract import count_rows, extract
from hub.exchange.grants import create_grant
from hub.exchange.versions import ProductVersion, newest_version, newest_versions, record_version
from hub.ledger.models import ReleaseRow
from tests.hub.mini import MAZHUANG, NEIGHBOUR, opened

pytestmark = pytest.mark.integration
ROSTER, SUMMARY = "village_resident_roster", "village_summary"
AT = datetime(2026, 11, 2, tzinfo=UTC)


def version(name: str, number: int, release: int = 1) -> ProductVersion:
    return ProductVersion(name, number, release, 4, 2, "0" * 64, AT, date(2026, 11, release))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    with opened(tmp_path_factory.mktemp("extract"), module_database_url) as opened_hub:
        with Session(opened_hub.database) as session, session.begin():
            for number in (1, 2):
                day = date(2026, 11, number)
                session.add(ReleaseRow(number=number, as_of_date=day, released_at=AT, tables={}, state="live"))
        for made in (version(ROSTER, 9), version(ROSTER, 10, 2), version(ROSTER, 8), version(ROSTER, 10, 2)):
            record_version(opened_hub, made)
        record_version(opened_hub, version(SUMMARY, 0))
        yield opened_hub


def audited(hub: Hub) -> list[str]:
    with hub.database.connect() as connection:
        return list(connection.execute(sa.text("SELECT action FROM ledger.audit ORDER BY number")).scalars())


def test_newest_version_is_the_highest_and_brings_its_releases_day(hub: Hub) -> None:
    assert newest_version(hub, ROSTER) == version(ROSTER, 10, 2)
    assert newest_version(hub, "village_care_list") is None
    assert newest_versions(hub) == [version(ROSTER, 10, 2), version(SUMMARY, 0)]


# 3203050052 and 32030500520 become village 320305005200 when filled up: they must not stand for all that begin so.
@pytest.mark.parametrize(
    "division", ["3203050052", "32030500520", "32030500", "110000", "320305999", "", "３２", "32_"]
)
def test_what_is_no_division_of_this_hub_is_refused(hub: Hub, tmp_path: Path, division: str) -> None:
    with pytest.raises(ScopeError, match="a division code inside 320305"):
        count_rows(hub, ROSTER, division)
    with pytest.raises(ScopeError):
        extract(hub, ROSTER, division, "csv", tmp_path / "x.csv", actor="test")
    assert list(tmp_path.iterdir()) == []


def test_a_grant_for_a_neighbour_is_refused_and_the_attempt_is_audited(hub: Hub, tmp_path: Path) -> None:
    grant, _ = create_grant(hub, holder="街道", operator="邻村", division=NEIGHBOUR, purpose="走访")
    with pytest.raises(ScopeError, match="outside the grant"):
        extract(hub, ROSTER, MAZHUANG, "csv", tmp_path / "x.csv", actor="邻村", grant=grant)
    assert audited(hub)[-1] == "extract_refused"
    assert list(tmp_path.iterdir()) == []


def test_unknown_and_unpublished_products_and_formats_are_told_apart(hub: Hub, tmp_path: Path) -> None:
    before = audited(hub)
    with pytest.raises(StopError, match=r"product 'roster'.*village_resident_roster"):
        extract(hub, "roster", MAZHUANG, "csv", tmp_path / "x.csv", actor="test")
    with pytest.raises(StopError, match=r"not published yet.*run `hub run` first"):
        extract(hub, "village_care_list", MAZHUANG, "csv", tmp_path / "x.csv", actor="test")
    with pytest.raises(StopError, match=r"format 'pdf'.*csv, xlsx, parquet, geojson, jsonl"):
        extract(hub, ROSTER, MAZHUANG, "pdf", tmp_path / "x.pdf", actor="test")
    assert audited(hub) == before


def test_no_folder_is_made_for_a_name_that_was_mistyped(hub: Hub, tmp_path: Path) -> None:
    before = audited(hub)
    with pytest.raises(StopError, match="nowhere is no folder"):
        extract(hub, ROSTER, MAZHUANG, "csv", tmp_path / "nowhere" / "x.csv", actor="test")
    assert list(tmp_path.iterdir()) == []
    assert audited(hub) == before
