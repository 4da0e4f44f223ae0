"""What base tables owe to each other: the cases that the miniature of the merge tests does not have."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import ibis
import pyarrow as pa
import pytest

from hub.column_words import fillers
from hub.contracts import load_contracts
from hub.derive import DERIVED, RULES
from hub.residing import FACTS_AS_OF

AS_OF = dt.date(2026, 11, 1)
BEFORE, AFTER = dt.date(2026, 10, 31), dt.date(2026, 11, 2)
ENTITIES = ("person", "residence", "household", "care_status")
"""Those whose rules this module is about; of ended divisions, tags, visits and indicators others tell."""


def derived(**rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Apply the rules in their order; give each entity's rows by key."""
    con = ibis.duckdb.connect(threads=1)
    base = load_contracts().base
    for entity in ENTITIES:
        con.con.register(entity, pa.Table.from_pylist(rows.get(entity, []), schema=base[entity].arrow_schema))
    tables = {entity: con.table(entity) for entity in ENTITIES}
    for entity in sorted(ENTITIES, key=list(DERIVED).index):
        rule = DERIVED[entity]
        con.create_table(f"{entity}__derived", rule(tables, AS_OF).select(*base[entity].by_name))
        tables[entity] = con.table(f"{entity}__derived")
    found = {entity: con.to_pyarrow(tables[entity]).to_pylist() for entity in ENTITIES}
    result = {entity: {row[base[entity].key_column]: row for row in found[entity]} for entity in ENTITIES}
    assert {entity: len(result[entity]) for entity in ENTITIES} == {
        entity: len(rows.get(entity, [])) for entity in ENTITIES
    }, "a rule lost a row or made one"
    return result


def person(key: str = "P", **changed: Any) -> dict[str, Any]:
    return {"person_key": key, **changed}


def registered(key: str = "P", **changed: Any) -> dict[str, Any]:
    home = {"residence_key": f"{key}-registered", "person_key": key, "residence_kind_code": "registered"}
    return {**home, "division_code": "home", "household_key": "H", **changed}


def living(key: str = "P", **changed: Any) -> dict[str, Any]:
    place = {"residence_key": f"{key}-living", "person_key": key, "residence_kind_code": "living"}
    return {**place, "division_code": "away", "grid_code": "away001", **changed}


def states(**rows: list[dict[str, Any]]) -> dict[str, tuple[str, bool]]:
    found = derived(**rows)["residence"].values()
    return {row["residence_key"]: (row["residence_status_code"], row["is_current"]) for row in found}


def test_living_place_in_force_outranks_the_registered_one() -> None:
    rows = [registered(), living(end_date=AFTER)]
    assert states(person=[person()], residence=rows) == {
        "P-registered": ("active", False),
        "P-living": ("active", True),
    }


def test_living_place_that_is_over_gives_way_to_the_registered_one() -> None:
    rows = [registered(), living(end_date=BEFORE)]
    assert states(person=[person()], residence=rows) == {"P-registered": ("active", True), "P-living": ("ended", False)}


def test_last_day_of_a_living_place_still_counts() -> None:
    assert states(person=[person()], residence=[living(end_date=AS_OF)]) == {"P-living": ("active", True)}


def test_end_date_of_a_registered_residence_is_not_its_end() -> None:
    assert states(person=[person()], residence=[registered(end_date=BEFORE)]) == {"P-registered": ("active", True)}


def test_of_two_living_places_the_later_one_is_current_and_a_dateless_one_is_last() -> None:
    rows = [
        living(residence_key="undated"),
        living(residence_key="old", start_date=dt.date(2020, 1, 1)),
        living(residence_key="new", start_date=dt.date(2025, 1, 1)),
    ]
    found = states(person=[person()], residence=rows)
    assert [key for key, (_state, current) in found.items() if current] == ["new"]


JUNE, JULY = dt.date(2026, 6, 1), dt.date(2026, 7, 1)


@pytest.mark.parametrize(
    ("home", "place", "confirmed", "here"),
    [
        # The later of the two counts, whichever it is.
        (JUNE, JULY, None, "P-living"),
        (JULY, JUNE, None, "P-registered"),
        # Of one day the living one; and whoever does not say since when gives way to who does.
        (JUNE, JUNE, None, "P-living"),
        (None, JUNE, None, "P-living"),
        (JUNE, None, None, "P-registered"),
        # A living place is as late as it was last confirmed: then it is not stale.
        (JULY, JUNE, dt.date(2026, 8, 1), "P-living"),
        (JULY, dt.date(2025, 1, 1), JUNE, "P-registered"),
        (JUNE, None, JULY, "P-living"),
    ],
)
def test_the_later_of_the_places_in_force_is_the_present_one(
    home: dt.date | None, place: dt.date | None, confirmed: dt.date | None, here: str
) -> None:
    rows = [registered(start_date=home), living(start_date=place)]
    con = ibis.duckdb.connect(threads=1)
    base = load_contracts().base
    told = pa.Table.from_pylist(rows, schema=base["residence"].arrow_schema)
    # What the register was last touched for says nothing of where the person lives.
    days = pa.array([dt.date(2026, 10, 1), confirmed], pa.date32())
    con.con.register("residence", told.append_column(FACTS_AS_OF, days))
    con.con.register("person", pa.Table.from_pylist([person()], schema=base["person"].arrow_schema))
    found = con.to_pyarrow(DERIVED["residence"]({name: con.table(name) for name in ("person", "residence")}, AS_OF))
    assert [row["residence_key"] for row in found.to_pylist() if row["is_current"]] == [here]


def test_an_expired_living_place_gives_way_to_an_older_registration() -> None:
    rows = [registered(start_date=dt.date(2000, 1, 1)), living(start_date=JULY, end_date=BEFORE)]
    assert states(person=[person()], residence=rows)["P-registered"] == ("active", True)


def ends(*residence: dict[str, Any], **facts: Any) -> dict[str, dt.date | None]:
    found = derived(person=[person(**facts)], residence=list(residence))["residence"].values()
    return {row["residence_key"].removeprefix("P-"): row["end_date"] for row in found}


def test_a_death_ends_both_residences() -> None:
    assert ends(registered(), living(), death_date=JUNE) == {"registered": JUNE, "living": JUNE}
    assert ends(living(end_date=AFTER), death_date=JUNE) == {"living": JUNE}
    assert ends(living(end_date=JUNE), death_date=JULY) == {"living": JUNE}


def test_a_cancellation_ends_the_registered_residence_and_by_death_the_living_one_too() -> None:
    moved = {"registration_end_date": JULY, "registration_end_reason_code": "moved_out"}
    assert ends(registered(), living(), **moved) == {"registered": JULY, "living": None}
    died = moved | {"registration_end_reason_code": "death"}
    assert ends(registered(), living(), **died) == {"registered": JULY, "living": JULY}
    # The police cancel some weeks later: the registration ends then, the living on the day of the death.
    assert ends(registered(), living(), **died, death_date=JUNE) == {"registered": JULY, "living": JUNE}


def test_whom_the_police_have_cancelled_for_death_lives_nowhere() -> None:
    cancelled = person(registration_end_date=JULY, registration_end_reason_code="death")
    assert states(person=[cancelled], residence=[registered(), living()]) == {
        "P-registered": ("ended", False),
        "P-living": ("ended", False),
    }


def test_a_death_before_the_birth_is_set_aside_and_shown() -> None:
    contradictory = person(birth_date=JULY, death_date=JUNE)
    rows = derived(person=[contradictory, person("Q", birth_date=JUNE, death_date=JUNE)], residence=[registered()])
    found = {
        key: (row["death_date"], row["disputed_death_date"], row["person_status_code"])
        for key, row in rows["person"].items()
    }
    assert found == {"P": (None, JUNE, "alive"), "Q": (JUNE, None, "deceased_unregistered")}
    assert rows["residence"]["P-registered"]["is_current"] is True
    assert rows["residence"]["P-registered"]["end_date"] is None


def test_every_column_that_no_department_fills_tells_its_rule() -> None:
    contracts = load_contracts()
    for entity in DERIVED:
        base = contracts.base[entity]
        silent = [name for name in base.by_name if not fillers(contracts, base, name)]
        known = RULES.get(entity, {})
        # Hub keys are made by linking, which tells the reason of each beside it.
        told = {*known, *base.counted, *base.keys, *(name for name in silent if name.endswith("_key"))}
        assert [name for name in silent if name not in told] == [], entity
        assert set(known) <= set(base.by_name), entity
        assert all(re.search("[一-鿿]", rule) for rule in known.values())


def test_of_two_equal_places_it_is_always_the_same_one() -> None:
    rows = [living(residence_key=key) for key in ("b", "a", "c")]
    assert [key for key, (_state, current) in states(person=[person()], residence=rows).items() if current] == ["a"]


def test_the_dead_live_nowhere() -> None:
    rows = {"person": [person(death_date=BEFORE)], "residence": [registered(), living()]}
    assert states(**rows) == {"P-registered": ("pending_cancellation", False), "P-living": ("ended", False)}
    found = derived(**rows)["person"]["P"]
    assert (found["person_status_code"], found["residence_division_code"]) == ("deceased_unregistered", None)
    assert found["household_key"] == "H", "the household keeps its dead until the police cancel them"


def test_cancelled_registration_ends_the_residence() -> None:
    cancelled = person(registration_end_date=BEFORE, registration_end_reason_code="emigration")
    assert states(person=[cancelled], residence=[registered()]) == {"P-registered": ("ended", False)}


def status(**facts: Any) -> str:
    places = facts.pop("residence", [])
    return str(derived(person=[person(**facts)], residence=places)["person"]["P"]["person_status_code"])


def test_status_of_a_person() -> None:
    assert status() == "alive"
    assert status(registration_end_reason_code="death") == "deceased"
    assert status(death_date=BEFORE) == "deceased_unregistered"
    assert status(death_date=BEFORE, registration_end_date=BEFORE) == "deceased"
    moved = {"registration_end_reason_code": "emigration", "registration_end_date": BEFORE}
    assert status(**moved) == "moved_out"
    assert status(**moved, residence=[living()]) == "alive", "who still lives here has not moved out"


def test_person_has_the_present_place_and_whether_it_is_the_registered_one() -> None:
    people = [person(key) for key in ("at_home", "away", "unregistered")]
    people.append(person("nowhere", registered_division_code="x"))
    places = [registered("at_home", grid_code="home001"), registered("away"), living("away"), living("unregistered")]
    found = derived(person=people, residence=places)["person"]
    columns = ("registered_division_code", "residence_division_code", "residence_grid_code")
    assert {key: tuple(row[column] for column in columns) for key, row in found.items()} == {
        "at_home": ("home", "home", "home001"),
        "away": ("home", "away", "away001"),
        "unregistered": (None, "away", "away001"),
        "nowhere": ("x", None, None),
    }
    assert {key: row["is_registration_consistent"] for key, row in found.items()} == {
        "at_home": True,
        "away": False,
        "unregistered": False,
        "nowhere": False,
    }


def test_registered_household_outranks_the_one_attached_to() -> None:
    people = [person("P"), person("baby")]
    places = [registered("P"), living("P", household_key="other"), living("baby", household_key="H")]
    found = derived(person=people, residence=places)["person"]
    assert {key: row["household_key"] for key, row in found.items()} == {"P": "H", "baby": "H"}


def test_household_counts_members_in_force_and_names_its_head() -> None:
    people = [person("head"), person("wife"), person("dead", death_date=BEFORE), person("guest")]
    places = [
        registered("head", relation_code="02"),
        registered("wife", relation_code="10"),
        registered("dead", relation_code="50"),
        living("guest", household_key="H"),
    ]
    households = [{"household_key": "H"}, {"household_key": "empty"}]
    found = derived(person=people, residence=places, household=households)["household"]
    assert (found["H"]["head_person_key"], found["H"]["member_count"]) == ("head", 2)
    assert (found["empty"]["head_person_key"], found["empty"]["member_count"]) == (None, 0)


def test_care_is_where_the_person_lives_else_where_the_department_says() -> None:
    care = [
        {"care_key": "C1", "person_key": "P", "division_code": "stated"},
        {"care_key": "C2", "person_key": "unknown", "division_code": "stated"},
    ]
    found = derived(person=[person()], residence=[living()], care_status=care)["care_status"]
    assert {key: row["division_code"] for key, row in found.items()} == {"C1": "away", "C2": "stated"}
