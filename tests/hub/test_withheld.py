"""Deliveries set aside whole reach their department's file: a missing marker, a wrong digest, a wrong count."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from hub.context import Hub
from hub.corrections import import_corrections
from hub.issues import export_issues
from hub.reasons import Reason
from hub.status import status
from hub.walk import pull_system, take_in
from hub.withheld import SHEET, told, withheld_deliveries
from tests.hub.drops import Drops, allowance, death
from tests.hub.mini import HEAD, opened

pytestmark = pytest.mark.integration
SYSTEM = "health_commission"
CODES = ["drop_incomplete", "digest_mismatch", "manifest_count"]


@pytest.fixture
def drops(tmp_path: Path) -> Drops:
    return Drops(tmp_path)


@pytest.fixture
def hub(tmp_path: Path, database_url: str, drops: Drops) -> Iterator[Hub]:
    """A hub to which the department has sent one good delivery and three that are not whole."""
    drops.deaths("20261101", death())
    drops.deaths("20261102", death(), without=".ok")
    drops.deaths("20261103", death(死亡日期="20260902")).with_suffix(".md5").write_text("0" * 32)
    drops.deaths("20261104", death(死亡日期="20260903"), told=7)
    with opened(tmp_path, database_url, env_file=drops.env_file) as opened_hub:
        taken_in(opened_hub)
        yield opened_hub


def taken_in(hub: Hub, system: str = SYSTEM) -> None:
    pull_system(hub, system)
    take_in(hub, system)


def codes(hub: Hub, system: str = SYSTEM) -> list[str]:
    return [one.code for one in withheld_deliveries(hub, hub.contracts.of_system(system))]


def assert_told(lines: list[dict[str, Any]], name: str) -> None:
    """Each delivery is named, with what it means and what to do in Chinese."""
    assert sorted(line["问题代码"] for line in lines) == sorted(CODES)
    for line in lines:
        reason = Reason(line["问题代码"])
        assert line[name].startswith("WJ_SWZM_202611")
        assert line["问题说明"].startswith(reason.meaning)
        assert line["建议"] == reason.action
        assert line["处理结果"] == "整批暂存，未入库"


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_they_stand_first_in_the_list(hub: Hub, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert export_issues(hub, SYSTEM, path, actor="test") == 3
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file)) if name == "x.csv" else [json.loads(line) for line in file]
    assert_told(lines, "来源")
    assert {line["行号"] for line in lines} in ({""}, {None})
    (counted,) = (line["问题说明"] for line in lines if line["问题代码"] == "manifest_count")
    assert "（1 rows where" in counted


def test_the_form_has_a_sheet_of_them_that_nobody_need_send_back(hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    assert export_issues(hub, SYSTEM, path, actor="test") == 3
    book = CalamineWorkbook.from_path(str(path))
    assert book.sheet_names == [SHEET]
    caption, empty, head, *rows = book.get_sheet_by_name(SHEET).to_python()
    assert caption[0].startswith("以下报送整批未入库")
    assert not any(empty)
    assert_told([dict(zip(head, row, strict=True)) for row in rows], "报送")
    assert import_corrections(hub, path, "test") == []


def test_the_form_as_json_lists_them_apart_from_the_rows(hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert export_issues(hub, SYSTEM, path, actor="test") == 3
    form = json.loads(path.read_bytes())
    assert form["datasets"] == []
    assert {line["dataset"] for line in form["withheld"]} == {"health_commission/death"}
    assert_told(form["withheld"], "报送")
    assert import_corrections(hub, path, "test") == []


def test_they_stand_beside_rows_to_correct(hub: Hub, drops: Drops, tmp_path: Path) -> None:
    drops.deaths("20261105", death(死亡日期="20271201"))
    taken_in(hub)
    path = tmp_path / "x.xlsx"
    assert export_issues(hub, SYSTEM, path, actor="test") == 4
    assert CalamineWorkbook.from_path(str(path)).sheet_names == ["死亡医学证明", SHEET]
    assert import_corrections(hub, path, "test")[0].unchanged == 1


def test_what_is_sent_anew_is_told_no_longer(hub: Hub, drops: Drops) -> None:
    assert codes(hub) == CODES
    drops.deaths("20261102", death())
    taken_in(hub)
    assert codes(hub) == CODES[1:]
    drops.deaths("20261103", death(死亡日期="20260902"), told=9)
    taken_in(hub)
    assert codes(hub) == ["manifest_count", "manifest_count"], "the same file, now wrong in another way, is told once"
    assert [one["code"] for one in status(hub)["withheld"]] == [*CODES, "manifest_count"], "nothing is forgotten"


def test_a_whole_list_is_told_until_the_next_one_came(hub: Hub, drops: Drops) -> None:
    drops.allowances("202610", allowance(HEAD)).write_bytes(b"\xff\xfe\xff")
    taken_in(hub, "civil_affairs")
    assert len(codes(hub, "civil_affairs")) == 1
    drops.allowances("202611", allowance(HEAD))
    taken_in(hub, "civil_affairs")
    assert codes(hub, "civil_affairs") == []


def test_status_says_it_in_chinese_first(hub: Hub) -> None:
    for one in status(hub)["withheld"]:
        reason = Reason(one["code"])
        assert one["reason"].startswith(f"{reason.meaning}；{reason.action} / {reason}: ")


def test_a_reason_nobody_knows_stays_as_it_is() -> None:
    assert told("odd: x") == "odd: x"
    assert told("") == ""
