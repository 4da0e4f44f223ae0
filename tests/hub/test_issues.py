"""The list a department gets back: every repaired, refused, quarantined or repeated cell of a real little delivery."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.context import Hub
from hub.errors import ConfigurationError, StopError
from hub.issues import OUTCOMES, export_issues
from hub.reasons import Outcome
from hub.walk import pull_system, take_in
from tests.hub.drops import Drops, allowance, death
from tests.hub.mini import opened

pytestmark = pytest.mark.integration
FIRST, SECOND, THIRD, FOURTH = "320371195001010016", "320371199001010022", "320371194503030071", "320371194604040084"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("issues")
    drops = Drops(folder)
    drops.deaths(
        "20261101",
        death(FIRST, 性别="1", 出生日期="19500101", 姓名="甲 某"),
        death(SECOND[:-1] + "9", 出生日期="19900101"),
        death(SECOND, 出生日期="19900101", 死亡日期="20261201"),
        death(THIRD, 性别="1", 出生日期="19450303", 户籍区划代码="999"),
        death(FOURTH, 性别="2", 出生日期="19460404", 姓名="一某"),
        death(FOURTH, 性别="2", 出生日期="19460404", 姓名="二某"),
        death(THIRD, 性别="1", 出生日期="19450303"),
    )
    drops.allowances("202611", allowance(FIRST), allowance(THIRD, **{"月津贴（元）": "9000"}))
    with opened(folder, module_database_url, env_file=drops.env_file) as opened_hub:
        for system in ("civil_affairs", "health_commission"):
            pull_system(opened_hub, system)
            take_in(opened_hub, system)
        yield opened_hub


def exported(hub: Hub, path: Path, system: str | None = "health_commission") -> list[dict[str, Any]]:
    rows = export_issues(hub, system, path, actor="test")
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(found) == rows
    return found


@pytest.fixture(scope="module")
def health(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return exported(hub, tmp_path_factory.mktemp("export") / "x.jsonl")


def lines(found: list[dict[str, Any]], row: int) -> list[tuple[Any, ...]]:
    columns = ("源字段", "问题代码", "处理结果", "原值", "修正值")
    return [tuple(line[column] for column in columns) for line in found if line["行号"] == row]


def test_a_repaired_cell_shows_both_values(health: list[dict[str, Any]]) -> None:
    assert lines(health, 1) == [("姓名", "name_spaces", OUTCOMES[Outcome.REPAIRED], "甲 某", "甲某")]


def test_a_refused_cell_is_told_once_with_what_came(health: list[dict[str, Any]]) -> None:
    assert lines(health, 2) == [
        ("身份证件号码", "id_check_digit", OUTCOMES[Outcome.REFUSED], "320371199001010029", None)
    ]


def test_a_row_that_fails_a_rule_names_it_in_the_suites_words(health: list[dict[str, Any]]) -> None:
    assert lines(health, 3) == [("死亡日期", "death_date_not_in_future", OUTCOMES[Outcome.QUARANTINED], None, None)]
    (line,) = (line for line in health if line["行号"] == 3)
    assert (line["问题说明"], line["建议"]) == ("死亡日期不得在将来", "核对后在源系统中改正")


def test_a_value_set_aside_and_its_row_a_duplicate(health: list[dict[str, Any]]) -> None:
    assert lines(health, 4) == [
        ("", "key_duplicate", OUTCOMES[Outcome.DUPLICATE], None, None),
        ("户籍区划代码", "division_unknown", OUTCOMES[Outcome.VALUE_SET_ASIDE], "999", None),
    ]
    assert lines(health, 7) == []


def test_one_number_for_two_people_is_a_conflict(health: list[dict[str, Any]]) -> None:
    assert lines(health, 5) == [("身份证件号码", "key_conflict", OUTCOMES[Outcome.QUARANTINED], None, None)]
    assert lines(health, 6) == []


def test_every_line_says_where_what_and_what_to_do(health: list[dict[str, Any]]) -> None:
    for line in health:
        assert (line["数据集"], line["批次"]) == ("死亡医学证明", "health_commission.death.000001")
        assert line["来源"] == "WJ_SWZM_20261101.csv"
        assert line["问题说明"]
        assert line["建议"]


def test_a_warning_is_told_though_the_row_went_on(hub: Hub, tmp_path: Path) -> None:
    found = exported(hub, tmp_path / "x.jsonl", "civil_affairs")
    assert [(line["行号"], line["问题代码"], line["处理结果"]) for line in found] == [
        (1, "aged_80_or_more", OUTCOMES[Outcome.WARNED]),
        (2, "amount_plausible", OUTCOMES[Outcome.WARNED]),
    ]


def test_without_a_department_it_is_all_of_them(hub: Hub, tmp_path: Path, health: list[dict[str, Any]]) -> None:
    found = exported(hub, tmp_path / "x.jsonl", None)
    assert {line["数据集"] for line in found} == {"死亡医学证明", "高龄津贴"}
    assert [line for line in found if line["数据集"] == "死亡医学证明"] == health


def test_the_ledger_counts_what_the_list_shows(hub: Hub, health: list[dict[str, Any]]) -> None:
    counted = {(issue.rule, issue.count) for issue in hub.ledger.issues("health_commission")}
    listed = [line["问题代码"] for line in health]
    assert counted == {(rule, listed.count(rule)) for rule in listed}


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_every_list_has_all_lines_and_is_closed_to_others(
    hub: Hub, tmp_path: Path, health: list[dict[str, Any]], name: str
) -> None:
    path = tmp_path / "new" / "folder" / name
    assert export_issues(hub, "health_commission", path, actor="test") == len(health)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if name == "x.csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            found = [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]
        assert [row["原值"] for row in found] == [line["原值"] for line in health]
        assert list(found[0]) == list(health[0])


def test_a_form_is_closed_to_others_too(hub: Hub, tmp_path: Path) -> None:
    for name in ("x.xlsx", "x.json"):
        # Row 1 was repaired, row 4 is a duplicate: neither waits.
        assert export_issues(hub, "health_commission", tmp_path / name, actor="test") == 3
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_what_is_held_back_is_listed_too(hub: Hub, tmp_path: Path, health: list[dict[str, Any]]) -> None:
    (batch,) = hub.ledger.batches("health_commission/death")
    hub.ledger.save_batch(replace(batch, state="held"))
    assert exported(hub, tmp_path / "x.jsonl") == health
    hub.ledger.save_batch(batch)


def test_a_department_without_issues_gets_an_empty_list(hub: Hub, tmp_path: Path) -> None:
    assert exported(hub, tmp_path / "x.jsonl", "market_regulation") == []
    assert export_issues(hub, "market_regulation", tmp_path / "x.xlsx", actor="test") == 0
    assert export_issues(hub, "market_regulation", tmp_path / "x.csv", actor="test") == 0


@pytest.mark.parametrize("name", ["x.txt", "x", "x.CSV.zip"])
def test_other_files_are_refused(hub: Hub, tmp_path: Path, name: str) -> None:
    with pytest.raises(StopError, match=r"\.json, \.xlsx, \.csv, \.jsonl"):
        export_issues(hub, None, tmp_path / name, actor="test")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_department_is_refused(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'police' is unknown"):
        export_issues(hub, "police", tmp_path / "x.csv", actor="test")


def test_every_export_is_audited_with_counts_and_no_values(hub: Hub, tmp_path: Path) -> None:
    rows = export_issues(hub, "health_commission", tmp_path / "x.csv", actor="operator")
    with hub.database.connect() as connection:
        query = sa.text("SELECT action, actor, details FROM ledger.audit ORDER BY number DESC LIMIT 1")
        assert connection.execute(query).one() == (
            "issues_exported",
            "operator",
            {"system": "health_commission", "rows": rows, "format": ".csv"},
        )


def test_every_outcome_has_its_words() -> None:
    assert set(OUTCOMES) == set(Outcome)
