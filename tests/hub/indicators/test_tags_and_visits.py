"""Tags by list and by rule, and the visits they ask for."""

from __future__ import annotations

import datetime as dt
from typing import Any

import ibis
import pyarrow as pa

from hub.contracts import load_contracts
from hub.indicators.tags import RULES, tag, years_before
from hub.indicators.visits import tiers, visit
from hub.settings import ROOT

AS_OF = dt.date(2026, 11, 1)
OLD, OLDEST, GROWN, CHILD = dt.date(1960, 1, 1), dt.date(1940, 1, 1), dt.date(1990, 1, 1), dt.date(2018, 1, 1)
VILLAGE = "320305005204"
Rows = list[dict[str, Any]]


def person(key: str, birth: dt.date | None, **changed: Any) -> dict[str, Any]:
    facts = {"person_key": key, "birth_date": birth, "person_status_code": "alive", "household_key": f"H{key}"}
    return {**facts, "residence_division_code": VILLAGE, **changed}


def lives(key: str, place: str | None, **changed: Any) -> dict[str, Any]:
    return {"residence_key": f"R{key}", "person_key": key, "address_code": place, "is_current": True, **changed}


def care(key: str, kind: str, **changed: Any) -> dict[str, Any]:
    facts = {"care_key": f"C{key}{kind}", "person_key": key, "care_kind_code": kind, "source_dataset": f"list/{kind}"}
    return {**facts, "division_code": "stated", **changed}


def tables(people: Rows, homes: Rows, listed: Rows = (), visited: Rows = ()) -> dict[str, ibis.Table]:  # type: ignore[assignment]
    con = ibis.duckdb.connect(threads=1)
    base = load_contracts().base
    rows = {"person": people, "residence": homes, "care_status": listed, "visit": visited}
    for entity, own in rows.items():
        con.con.register(entity, pa.Table.from_pylist(list(own), schema=base[entity].arrow_schema))
    found = {entity: con.table(entity) for entity in rows}
    columns = list(base["tag"].by_name)
    con.create_table("tag", tag(found, AS_OF).select(*columns))
    return {**found, "tag": con.table("tag")}


def tags(people: Rows, homes: Rows, listed: Rows = ()) -> dict[str, set[str]]:  # type: ignore[assignment]
    found: dict[str, set[str]] = {row["person_key"]: set() for row in people}
    for row in tables(people, homes, listed)["tag"].to_pyarrow().to_pylist():
        found[row["person_key"]].add(row["tag_code"])
        assert row["tag_key"] == f"{row['person_key']}-{row['tag_code']}"
    return found


def test_alone_means_nobody_else_at_the_address() -> None:
    people = [person("alone", OLD), person("pair1", OLD), person("pair2", OLD), person("young", GROWN)]
    homes = [lives("alone", "A"), lives("pair1", "B"), lives("pair2", "B"), lives("young", "C")]
    assert tags(people, homes) == {
        "alone": {"living_alone"},
        "pair1": {"empty_nest"},
        "pair2": {"empty_nest"},
        "young": set(),
    }


def test_an_old_person_with_a_grown_one_is_neither_alone_nor_an_empty_nest() -> None:
    people = [person("mother", OLD), person("son", GROWN)]
    assert tags(people, [lives("mother", "A"), lives("son", "A")]) == {"mother": set(), "son": set()}


def test_of_whom_no_address_is_known_the_household_tells_and_else_nothing_is_said() -> None:
    people = [person("a", OLD, household_key="H"), person("b", GROWN, household_key="H"), person("unknown", OLD)]
    homes = [lives("a", None, household_key="H"), lives("b", None, household_key="H"), lives("unknown", None)]
    assert tags(people, homes) == {"a": set(), "b": set(), "unknown": set()}


def test_left_behind_are_those_whose_registered_children_live_elsewhere() -> None:
    people = [
        person("mother", OLD, household_key="H"),
        person("son", GROWN, household_key="H"),
        person("childless", OLD),
    ]
    homes = [lives("mother", "A"), lives("son", "B"), lives("childless", "C")]
    found = tags(people, homes)
    assert found["mother"] == {"living_alone", "left_behind_elderly"}
    assert found["childless"] == {"living_alone"}


def test_children_with_nobody_but_the_old_are_left_behind() -> None:
    people = [person("granny", OLD), person("child", CHILD), person("other", CHILD), person("father", GROWN)]
    homes = [lives("granny", "A"), lives("child", "A"), lives("other", "B"), lives("father", "B")]
    found = tags(people, homes)
    assert (found["child"], found["other"]) == ({"left_behind_child"}, set())
    assert found["granny"] == set(), "she lives with somebody who is not old"


def test_age_is_reached_on_the_birthday() -> None:
    people = [person("today", dt.date(1946, 11, 1)), person("tomorrow", dt.date(1946, 11, 2)), person("undated", None)]
    homes = [lives(key, key) for key in ("today", "tomorrow", "undated")]
    assert tags(people, homes) == {
        "today": {"aged_80", "living_alone"},
        "tomorrow": {"living_alone"},
        "undated": set(),
    }
    assert years_before(dt.date(2024, 2, 29), 60) == dt.date(1964, 2, 29)
    assert years_before(dt.date(2024, 2, 29), 61) == dt.date(1963, 2, 28)


def test_lists_give_their_source_and_rules_their_words_and_the_person_the_village() -> None:
    people = [person("P", OLDEST)]
    listed = [
        care("P", "elderly_allowance"),
        care("P", "disability", care_grade="2"),
        care("P", "destitute", care_grade="none"),
        care("P", "low_income", end_date=dt.date(2026, 10, 31)),
    ]
    rows = tables(people, [lives("P", "A")], listed)["tag"].to_pyarrow().to_pylist()
    found = {row["tag_code"]: (row["source_dataset"], row["rule"]) for row in rows}
    assert found == {
        "aged_80": ("list/elderly_allowance", None),
        "disability": ("list/disability", None),
        "severe_disability": ("list/disability", RULES["severe_disability"]),
        "destitute": ("list/destitute", None),
        "no_self_care": ("list/destitute", RULES["no_self_care"]),
        "living_alone": (None, RULES["living_alone"]),
    }
    assert {row["division_code"] for row in rows} == {VILLAGE}


def test_the_dead_have_no_tags() -> None:
    people = [person("P", OLDEST, person_status_code="deceased")]
    assert tags(people, [lives("P", "A")], [care("P", "destitute")]) == {"P": set()}


def test_every_tag_a_rule_gives_is_in_the_code_list() -> None:
    assert set(RULES) <= set(load_contracts().codelists["tag"].titles)


def visits(people: Rows, homes: Rows, listed: Rows = (), visited: Rows = ()) -> dict[str, dict[str, Any]]:  # type: ignore[assignment]
    found = visit(tables(people, homes, listed, visited), AS_OF).to_pyarrow().to_pylist()
    rows = {row["person_key"]: row for row in found}
    assert len(rows) == len(found)
    return rows


def test_tiers_and_their_days_come_from_the_list() -> None:
    assert tiers() == {"high": 7, "key": 31, "general": 92}
    assert (ROOT / "schemas" / "codelists" / "visit_tier.csv").is_file()


def test_the_highest_tier_counts_and_says_why() -> None:
    people = [person("alone80", OLDEST), person("alone", OLD), person("pair80", OLDEST), person("wife", OLD)]
    homes = [lives("alone80", "A"), lives("alone", "B"), lives("pair80", "C"), lives("wife", "C")]
    found = visits(people, homes)
    assert {key: row["visit_tier_code"] for key, row in found.items()} == {
        "alone80": "high",
        "alone": "key",
        "pair80": "general",
        "wife": "general",
    }
    assert found["alone80"]["reason_tag_codes"] == "living_alone,aged_80"


def test_due_is_the_last_visit_and_the_tiers_days_and_overdue_the_day_after() -> None:
    people = [person(key, OLD) for key in ("in_time", "late", "never")]
    homes = [lives(key, key) for key in ("in_time", "late", "never")]
    last = {"in_time": dt.date(2026, 10, 1), "late": dt.date(2026, 9, 30)}
    visited = [{"person_key": key, "last_visit_date": day, "visitor_name": "甲"} for key, day in last.items()]
    found = visits(people, homes, visited=visited)
    told = {key: (row["due_date"], row["is_overdue"]) for key, row in found.items()}
    assert told == {
        "in_time": (AS_OF, False),
        "late": (dt.date(2026, 10, 31), True),
        "never": (None, True),
    }
    assert {row["division_code"] for row in found.values()} == {VILLAGE}


def test_who_is_visited_without_being_on_the_list_is_never_overdue_and_the_dead_are_not_visited() -> None:
    people = [person("guest", GROWN), person("dead", OLDEST, person_status_code="deceased")]
    visited = [{"person_key": key, "last_visit_date": dt.date(2020, 1, 1)} for key in ("guest", "dead", "stranger")]
    found = visits(people, [lives("guest", "A")], visited=visited)
    assert {key: (row["visit_tier_code"], row["is_overdue"]) for key, row in found.items()} == {"guest": (None, False)}
