"""The gate on base tables: rules across tables, the verdict it leaves, and what it stops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from hub.base_issues import base_issues
from hub.context import Hub
from hub.errors import StopError
from hub.gate import hold
from hub.issues import export_issues
from tests.hub.mini import MAZHUANG, NEIGHBOUR, opened

pytestmark = pytest.mark.integration
DAY = date(2026, 5, 1)


@pytest.fixture
def hub(tmp_path: Path, database_url: str) -> Iterator[Hub]:
    with opened(tmp_path, database_url) as opened_hub:
        for entity in opened_hub.contracts.base:
            write(opened_hub, entity)
        yield opened_hub


def write(hub: Hub, entity: str, *rows: dict[str, Any]) -> None:
    table = pa.Table.from_pylist(list(rows), schema=hub.contracts.base[entity].arrow_schema)
    write_deltalake(str(hub.lake.base(entity)), table, mode="overwrite")


def verdict(hub: Hub, entity: str) -> dict[str, Any]:
    hold(hub, hub.contracts.base[entity], hub.lake.base(entity))
    found: dict[str, Any] = json.loads((hub.lake.root / "5-base" / f"{entity}.verdict.json").read_bytes())
    return found


def failed(hub: Hub, entity: str) -> dict[str, int]:
    return {one["rule_id"]: one["unexpected"] for one in verdict(hub, entity)["expectations"] if one["unexpected"]}


def person(key: str, **changed: Any) -> dict[str, Any]:
    return {"person_key": key, "birth_certificate_no": f"B{key}", "person_status_code": "alive", **changed}


def home(key: str, household: str, relation: str, kind: str = "registered", state: str = "active") -> dict[str, Any]:
    named = {"residence_key": f"R{key}{kind}{household}", "person_key": key, "household_key": household}
    return {**named, "relation_code": relation, "residence_kind_code": kind, "residence_status_code": state}


def household(key: str, head: str | None = None) -> dict[str, Any]:
    return {"household_key": key, "household_no": key, "head_person_key": head, "member_count": 1}


def test_a_household_has_one_head(hub: Hub) -> None:
    write(hub, "person", person("P1"), person("P2"))
    write(
        hub,
        "residence",
        home("P1", "H1", "02"),
        home("P2", "H1", "30"),
        home("P1", "H2", "02"),
        home("P2", "H2", "01"),
        home("P1", "H3", "02", "living"),
    )
    write(hub, "household", household("H1", "P1"), household("H2", "P1"), household("H3"), household("H4"))
    assert failed(hub, "household") == {"household_has_one_head": 3}


@pytest.mark.parametrize("state", ["ended", "pending_cancellation"])
def test_a_head_who_is_gone_is_no_second_head(hub: Hub, state: str) -> None:
    write(hub, "person", person("P1"), person("P2"))
    write(hub, "residence", home("P1", "H1", "02", state=state), home("P2", "H1", "02"))
    write(hub, "household", household("H1", "P2"))
    assert failed(hub, "household") == {}


def test_a_death_before_the_birth_is_told_to_the_departments_that_said_so(hub: Hub, tmp_path: Path) -> None:
    odd = {"birth_date": DAY, "disputed_death_date": DAY - timedelta(days=1)}
    write(hub, "person", person("P1", **odd), person("P2", **odd), person("P3"))
    said = [
        {"person_key": "P1", "dataset": "public_security/registered_resident", "fields": ["birth_date"]},
        {"person_key": "P1", "dataset": "civil_affairs/cremation", "fields": ["death_date"]},
        {"person_key": "P1", "dataset": "health_commission/death", "fields": ["person_name"]},
    ]
    write_deltalake(str(hub.lake.lineage("person")), pa.Table.from_pylist(said))
    # A warning: the release goes on.
    assert failed(hub, "person") == {"died_after_birth": 2}
    told = {system: base_issues(hub, system) for system in hub.contracts.systems}
    assert {system: [(one.rule, one.count) for one in found] for system, found in told.items() if found} == {
        "public_security": [("died_after_birth", 1)],
        "civil_affairs": [("died_after_birth", 1)],
        # Of whom nobody knows who said so, the rule's own addressee.
        "health_commission": [("died_after_birth", 1)],
    }
    assert [(one.rule, one.count) for one in base_issues(hub)] == [("died_after_birth", 2)]
    export_issues(hub, "civil_affairs", tmp_path / "issues.jsonl", "test")
    (line,) = map(json.loads, (tmp_path / "issues.jsonl").read_text(encoding="utf-8").splitlines())
    assert (line["来源"], line["问题代码"], line["处理结果"]) == ("P1", "died_after_birth", "提示，已入库")


def test_a_head_that_is_nobody_stops_the_release(hub: Hub) -> None:
    write(hub, "person", person("P1"))
    write(hub, "household", household("H1", "P9"))
    with pytest.raises(StopError, match="head_is_a_person fails for 1 of 1 rows"):
        verdict(hub, "household")


def test_a_persons_village_is_one_of_ours(hub: Hub) -> None:
    write(
        hub,
        "division",
        {"division_code": MAZHUANG, "division_name": "马庄", "division_level_code": "village"},
        {"division_code": "320305005000", "division_name": "街道", "division_level_code": "town"},
    )
    write(
        hub,
        "person",
        *(person(f"P{n}", residence_division_code=code) for n, code in enumerate((MAZHUANG, "320305005000", None))),
    )
    assert failed(hub, "person") == {"residence_village_exists": 1}


def test_a_table_without_a_row_can_be_asked(hub: Hub) -> None:
    write(hub, "residence", home("P1", "H1", "02"))
    with pytest.raises(StopError, match="person_exists fails for 1 of 1 rows"):
        verdict(hub, "residence")


def test_the_verdict_says_of_which_version_and_day_it_is(hub: Hub) -> None:
    write(hub, "person", person("P1"))
    found = verdict(hub, "person")
    assert found["version"] == DeltaTable(str(hub.lake.base("person"))).version() == 1
    assert found["as_of"] == "2026-11-01"
    (rule,) = (one for one in found["expectations"] if one["rule_id"] == "residence_village_exists")
    assert rule["kwargs"]["base_table"] == "division"


def test_what_is_found_is_told_to_whom_it_concerns(hub: Hub, tmp_path: Path) -> None:
    write(hub, "person", person("P1", name_claims=2), person("P2", name_claims=1))
    stated = {"care_key": "C1", "person_key": "P1", "care_kind_code": "low_income"}
    places = {"stated_division_code": NEIGHBOUR, "division_code": MAZHUANG}
    write(hub, "care_status", {**stated, **places, "source_dataset": "civil_affairs/low_income_household"})
    for entity in ("person", "care_status"):
        hold(hub, hub.contracts.base[entity], hub.lake.base(entity))
    told = [(one.tail, one.rule, one.outcome, one.count) for one in base_issues(hub)]
    assert told == [
        ("base/care_status", "lives_where_the_list_says", "warned", 1),
        ("base/person", "number_has_one_name", "warned", 1),
    ]
    assert [one.rule for one in base_issues(hub, "civil_affairs")] == ["lives_where_the_list_says"]
    assert base_issues(hub, "natural_resources") == []
    export_issues(hub, "public_security", tmp_path / "issues.jsonl", "test")
    (line,) = map(json.loads, (tmp_path / "issues.jsonl").read_text(encoding="utf-8").splitlines())
    assert (line["数据集"], line["来源"], line["问题代码"]) == ("人员", "P1", "number_has_one_name")
