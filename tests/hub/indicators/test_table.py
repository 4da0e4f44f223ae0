"""The table of indicators on a town of three villages: sums, ratios, levels, and who is too few to be shown."""

from __future__ import annotations

import datetime as dt
from itertools import permutations
from typing import Any
from unittest.mock import patch

import ibis
import pyarrow as pa
import pytest

from hub.contracts import load_contracts
from hub.indicators.suppression import LEAST_SHOWN
from hub.indicators.table import indicator

AS_OF = dt.date(2026, 11, 1)
COUNTY, TOWN = "320305000000", "320305005000"
URBAN, RURAL, EMPTY = "320305005001", "320305005204", "320305005205"
ENDED = "320305005206"
ENTITIES = (
    "address", "division", "facility", "grid", "legal_entity", "person", "residence", "tag", "visit",
)  # fmt: skip
Found = dict[tuple[str, str], dict[str, Any]]


def division(code: str, level: str, kind: str | None = None, **changed: Any) -> dict[str, Any]:
    facts = {"division_code": code, "division_name": code, "division_level_code": level, "area_m2": 1_000_000.0}
    return {**facts, "urban_rural_code": kind, **changed}


def settlers(code: str, count: int, births: dt.date, first: int = 0) -> tuple[list[Any], list[Any]]:
    """People of a village, two to a household, all at home."""
    keys = [f"P{code[-3:]}{number}" for number in range(first, first + count)]
    people = [
        {"person_key": key, "birth_date": births, "sex_code": "2", "person_status_code": "alive"}
        | {"registered_division_code": code, "is_registration_consistent": place % 4 != 0}
        for place, key in enumerate(keys)
    ]
    homes = [
        {"residence_key": key, "person_key": key, "division_code": code, "grid_code": f"{code}001", "is_current": True}
        | {"household_key": f"H{code}{place // 2}"}
        for place, key in enumerate(keys)
    ]
    return people, homes


def reckoned(**rows: list[dict[str, Any]]) -> Found:
    con = ibis.duckdb.connect(threads=1)
    base = load_contracts().base
    for entity in ENTITIES:
        con.con.register(entity, pa.Table.from_pylist(rows.get(entity, []), schema=base[entity].arrow_schema))
    made = indicator({entity: con.table(entity) for entity in ENTITIES}, AS_OF).to_pyarrow().to_pylist()
    assert len({row["indicator_key"] for row in made}) == len(made)
    return {(row["division_code"], row["indicator_code"]): row for row in made}


DIVISIONS = [
    division("320000000000", "province"),
    division("320300000000", "prefecture"),
    division(COUNTY, "county"),
    division(TOWN, "town"),
    division(URBAN, "village", "111"),
    division(RURAL, "village", "220"),
    division(EMPTY, "village", "220"),
    division(ENDED, "village", "220", valid_to=dt.date(2025, 12, 31)),
]


@pytest.fixture(scope="module")
def found() -> Found:
    """The figures themselves, with nothing hidden: this county has few people of each kind."""
    with patch("hub.indicators.table.suppress"):
        return of_few_people()


def of_few_people() -> Found:
    grown, homes = settlers(URBAN, 20, dt.date(1990, 1, 1))
    old, old_homes = settlers(RURAL, 10, dt.date(1950, 1, 1))
    return reckoned(
        division=DIVISIONS,
        person=[*grown, *old],
        residence=[*homes, *old_homes],
        facility=[
            {
                "facility_no": "1",
                "division_code": URBAN,
                "floor_area_m2": 2.0,
                "activity_area_m2": 1.0,
                "worker_count": 3,
            },
            {
                "facility_no": "2",
                "division_code": RURAL,
                "floor_area_m2": 3.0,
                "activity_area_m2": 2.0,
                "worker_count": 1,
            },
        ],
        grid=[
            {"grid_code": f"{URBAN}001", "division_code": URBAN},
            {"grid_code": f"{URBAN}001001", "division_code": URBAN},
        ],
        tag=[
            {"tag_key": f"t{number}", "person_key": f"P204{number}", "tag_code": "living_alone", "division_code": RURAL}
            for number in range(6)
        ],
        visit=[
            {
                "person_key": f"P204{number}",
                "visit_tier_code": "high" if number < 2 else "key",
                "is_overdue": number == 0,
            }
            | {"division_code": RURAL}
            for number in range(6)
        ],
        legal_entity=[
            {"entity_key": kind, "entity_kind_code": kind, "entity_status_code": "active", "division_code": RURAL}
            for kind in ("association", "enterprise")
        ],
    )


def told(found: Found, division: str, code: str) -> tuple[Any, Any, Any]:
    row = found[division, code]
    return row["numerator"], row["denominator"], row["value"]


def test_a_ratio_has_numerator_denominator_and_scale(found: Found) -> None:
    assert told(found, URBAN, "residents") == (20, None, 20)
    assert told(found, URBAN, "households") == (10, None, 10)
    assert told(found, URBAN, "facility_area") == (2.0, 10, 20.0)
    assert told(found, URBAN, "workers") == (3, 20, 1500.0)
    assert told(found, URBAN, "density") == (20, 1_000_000, 20.0)
    assert told(found, URBAN, "registration_consistency") == (15, 20, 75.0)
    assert told(found, RURAL, "visits") == (5, 6, 83.33)
    assert told(found, RURAL, "visits_high") == (1, 2, 50.0)
    assert told(found, RURAL, "organisations") == (1, 1, 1.0)


def test_what_has_no_denominator_has_no_row(found: Found) -> None:
    assert (EMPTY, "aged_65_share") not in found
    assert (RURAL, "workers") not in found, "the target is that of urban villages"
    assert (URBAN, "visits") not in found


def test_higher_levels_are_sums_of_the_villages_not_means(found: Found) -> None:
    for code in (TOWN, COUNTY, "320300000000", "320000000000"):
        assert told(found, code, "residents") == (30, None, 30)
        assert told(found, code, "aged_65_share") == (10, 30, 33.33)
        assert told(found, code, "facility_area") == (5.0, 15, 33.33)
        assert told(found, code, "facility_standard") == (1, 3, 33.33)
        assert found[code, "residents"]["village_count"] == 3, "an ended village counts no more"


def test_an_ended_village_has_no_indicators(found: Found) -> None:
    assert not [code for code, _ in found if code == ENDED]


def test_micro_grids_are_no_grids(found: Found) -> None:
    assert told(found, URBAN, "grid_residents") == (20, 1, 20.0)


def test_the_period_is_the_month_and_the_key_says_where_and_what(found: Found) -> None:
    row = found[TOWN, "residents"]
    assert (row["period"], row["indicator_key"]) == ("2026-11", f"{TOWN}-residents")


def shares(counts: dict[str, int]) -> dict[str, bool]:
    """Which villages of 20 hide their share of the old, by how many are old."""
    people, homes = [], []
    for code, old in counts.items():
        for births, number, first in ((dt.date(1950, 1, 1), old, 0), (dt.date(1990, 1, 1), 20 - old, old)):
            own, places = settlers(code, number, births, first)
            people += own
            homes += places
    found = reckoned(division=DIVISIONS, person=people, residence=homes)
    return {code: found[code, "aged_65_share"]["is_suppressed"] for code in counts}


def test_few_people_and_those_who_are_left_are_hidden() -> None:
    assert LEAST_SHOWN == 5
    assert shares({URBAN: 4, RURAL: 16, EMPTY: 10}) == {URBAN: True, RURAL: True, EMPTY: False}
    assert shares({URBAN: 5, RURAL: 15, EMPTY: 0}) == {URBAN: False, RURAL: False, EMPTY: False}


def test_a_single_hidden_village_takes_the_next_smallest_along() -> None:
    # Else the town's sum less the others would tell it.
    assert shares({URBAN: 2, RURAL: 12, EMPTY: 8}) == {URBAN: True, RURAL: False, EMPTY: True}


def test_the_order_of_rows_changes_no_figure() -> None:
    # 0.1 + 2.9 + 2.7 is 5.7, in another order a bit less; of 3.2 that is 178.125 %, half a hundredth.
    people, homes = settlers(URBAN, 5, dt.date(1990, 1, 1))
    parts = [(0.1, 0.5), (2.9, 0.5), (2.7, 2.2)]
    seen = set()
    for order in permutations(range(3)):
        facilities = [
            {
                "facility_no": str(n),
                "division_code": URBAN,
                "activity_area_m2": parts[n][0],
                "floor_area_m2": parts[n][1],
            }
            for n in order
        ]
        found = reckoned(division=DIVISIONS, person=people, residence=homes, facility=facilities)
        seen.add(told(found, URBAN, "activity_area"))
    assert len(seen) == 1
