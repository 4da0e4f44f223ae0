"""Two villages become one between two walks: people, products, packs and grids follow; the old code still answers."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable

from hub import borders, following
from hub.context import Hub
from hub.divisions import DivisionHistory, Succession
from hub.errors import ScopeError
from hub.exchange import extract as extracts
from hub.exchange.extract import count_rows, extract, follow
from hub.exchange.grants import create_grant
from hub.indicators.forms import HIDDEN, read_indicators, write_forms
from hub.steps.deliver import Delivery, deliver
from hub.steps.link import link
from hub.steps.merge import merge
from hub.steps.publish import publish
from hub.steps.release import release
from tests.hub.mini import DAUGHTER, MAZHUANG, NEIGHBOUR, fill, opened

pytestmark = pytest.mark.integration
ROSTER = "village_resident_roster"
MERGED = Succession(NEIGHBOUR, MAZHUANG, 1.0, dt.date(2026, 11, 1), "absorb", "邻村并入马庄村")


def build(hub: Hub) -> list[Delivery]:
    link(hub)
    merge(hub)
    release(hub)
    publish(hub)
    return deliver(hub)


def rows(hub: Hub, entity: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DeltaTable(str(hub.lake.base(entity))).to_pyarrow_table().to_pylist()
    return found


@pytest.fixture(scope="module")
def walked_twice(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Any]:
    """The miniature hub before and after its two villages became one."""
    with (
        pytest.MonkeyPatch.context() as patch,
        opened(tmp_path_factory.mktemp("merger"), module_database_url) as hub,
    ):
        fill(hub)
        build(hub)
        before = {entity: rows(hub, entity) for entity in ("person", "residence", "household")}
        for module in (following, borders, extracts):
            patch.setattr(module, "read_history", lambda *_: DivisionHistory((MERGED,)))
        yield hub, before, build(hub)


@pytest.fixture(scope="module")
def hub(walked_twice: Any) -> Hub:
    return walked_twice[0]  # type: ignore[no-any-return]


def test_people_live_in_the_one_that_followed_and_keep_their_keys(walked_twice: Any) -> None:
    hub, before, _ = walked_twice
    after = {row["person_key"]: row for row in rows(hub, "person")}
    assert set(after) == {row["person_key"] for row in before["person"]}
    daughter = next(row for row in after.values() if row["id_number"] == DAUGHTER)
    assert (daughter["residence_division_code"], daughter["residence_grid_code"]) == (MAZHUANG, f"{MAZHUANG}002")
    for entity, column in (("person", "registered_division_code"), ("household", "division_code")):
        assert NEIGHBOUR not in {row[column] for row in rows(hub, entity)}
    assert NEIGHBOUR in {row["division_code"] for row in before["residence"]}
    assert {row["division_code"] for row in rows(hub, "residence")} == {MAZHUANG}
    assert {row["residence_key"] for row in rows(hub, "residence")} == {
        row["residence_key"] for row in before["residence"]
    }


def test_the_ended_village_stays_in_the_list_with_its_last_day(hub: Hub) -> None:
    with hub.database.connect() as connection:
        found = connection.execute(
            sa.text("SELECT valid_to, successor_codes FROM governance.division WHERE division_code = :code"),
            {"code": NEIGHBOUR},
        ).one()
        grids = connection.execute(sa.text("SELECT grid_code FROM governance.grid ORDER BY 1")).scalars().all()
    assert tuple(found) == (dt.date(2026, 10, 31), MAZHUANG)
    assert grids == [f"{MAZHUANG}001", f"{MAZHUANG}002"]


def test_the_pack_goes_to_the_one_that_followed_and_none_to_the_other(walked_twice: Any) -> None:
    hub, _, sent = walked_twice
    assert [delivery.receiver for delivery in sent if delivery.receiver_kind == "village"] == [MAZHUANG]
    newest = sorted((hub.lake.outbox() / "village" / MAZHUANG).glob("*.zip"))[-1]
    with zipfile.ZipFile(io.BytesIO(newest.read_bytes())) as pack:
        texts = "".join(pack.read(name).decode("utf-8-sig") for name in pack.namelist() if name.endswith(".csv"))
    assert "甲某" in texts
    assert "乙某" in texts
    assert NEIGHBOUR not in texts


def test_the_summary_lists_the_ended_village_no_more(hub: Hub, tmp_path: Path) -> None:
    extract(hub, "village_summary", "320305", "parquet", tmp_path / "s.parquet", actor="test")
    found = {row["division_code"]: row for row in pq.read_table(tmp_path / "s.parquet").to_pylist()}
    assert len(found) == 133
    assert NEIGHBOUR not in found
    assert found[MAZHUANG]["residents"] == 4


def test_the_old_code_gives_the_successors_rows_and_the_file_says_so(hub: Hub, tmp_path: Path) -> None:
    assert count_rows(hub, ROSTER, NEIGHBOUR) == count_rows(hub, ROSTER, MAZHUANG) == 4
    extract(hub, ROSTER, NEIGHBOUR, "xlsx", tmp_path / "r.xlsx", actor="test")
    caption = openpyxl.load_workbook(tmp_path / "r.xlsx").active["A1"].value
    assert "邻村并入马庄村（2026-11-01起）" in caption
    assert follow(hub, NEIGHBOUR).note == "邻村并入马庄村（2026-11-01起）"
    assert follow(hub, MAZHUANG).note == ""
    with hub.database.connect() as connection:
        details = connection.execute(
            sa.text("SELECT details FROM ledger.audit WHERE action = 'extract' ORDER BY number DESC LIMIT 1")
        ).scalar_one()
    assert (details["division"], details["followed"]) == (NEIGHBOUR, [MAZHUANG])


def test_a_grant_for_the_old_village_does_not_open_the_whole_new_one(hub: Hub, tmp_path: Path) -> None:
    old, _ = create_grant(hub, holder="街道", operator="旧村", division=NEIGHBOUR, purpose="走访")
    with pytest.raises(ScopeError, match="outside the grant"):
        extract(hub, ROSTER, NEIGHBOUR, "csv", tmp_path / "x.csv", actor="旧村", grant=old)
    new, _ = create_grant(hub, holder="街道", operator="新村", division=MAZHUANG, purpose="走访")
    assert extract(hub, ROSTER, NEIGHBOUR, "csv", tmp_path / "y.csv", actor="新村", grant=new) == 4


def test_indicators_and_forms_of_the_old_code_are_those_of_the_new_one(hub: Hub, tmp_path: Path) -> None:
    found = read_indicators(hub, NEIGHBOUR)
    assert found.value(MAZHUANG, "residents") == 4
    assert found.value(MAZHUANG, "aged_65_share") == HIDDEN
    assert found.value(MAZHUANG, "visits_general") is None
    cells = write_forms(hub, NEIGHBOUR, tmp_path / "forms.xlsx", actor="test")
    book = openpyxl.load_workbook(tmp_path / "forms.xlsx")
    sheet = book["表1 人口"]
    assert "填报单位：马庄" in sheet["A2"].value
    assert "邻村并入马庄村" in sheet["A2"].value
    row = {header.value: cell.value for header, cell in zip(sheet[3], sheet[4], strict=True)}
    assert (row["区划代码"], row["常住居民数（人）"], row["65岁及以上占比（%）"]) == (MAZHUANG, 4, HIDDEN)
    assert cells > 10
    assert [name for name in book.sheetnames if "数据鲜度" in name or "指标说明" in name] == [
        "表6 数据鲜度和质量",
        "表7 指标说明",
    ]


def test_forms_of_a_town_list_its_villages_below_it(hub: Hub, tmp_path: Path) -> None:
    write_forms(hub, "320305005", tmp_path / "forms.xlsx", actor="test")
    sheet = openpyxl.load_workbook(tmp_path / "forms.xlsx")["表1 人口"]
    codes = [cell.value for cell in sheet["A"][3:]]
    assert codes[0] == "320305005000"
    assert codes[1:] == sorted(codes[1:])
    assert MAZHUANG in codes
    assert NEIGHBOUR not in codes
    with pytest.raises(ScopeError):
        write_forms(hub, "110000", tmp_path / "x.xlsx", actor="test")
    assert not (tmp_path / "x.xlsx").exists()
