"""What lay in an ended division: who goes where when villages merge or split, and what grids are called then."""

from __future__ import annotations

import datetime as dt
from typing import Any

import ibis
import pyarrow as pa
import pytest
import shapely

from hub import borders, following
from hub.contracts import load_contracts
from hub.divisions import DivisionHistory, Succession

AS_OF = dt.date(2026, 11, 1)
WEST, EAST, SOUTH, NORTH = (f"32030500520{number}" for number in range(1, 5))
TOWN = "320305005000"
Rows = list[dict[str, Any]]


def square(x: float, y: float = 0.0, width: float = 0.01) -> bytes:
    return bytes(shapely.to_wkb(shapely.box(117 + x, 34 + y, 117 + x + width, 34 + y + 0.01)))


def point(x: float, y: float = 0.005) -> bytes:
    return bytes(shapely.to_wkb(shapely.Point(117 + x, 34 + y)))


def village(code: str, geometry: bytes | None = None, **changed: Any) -> dict[str, Any]:
    facts = {"division_code": code, "division_name": code, "division_level_code": "village", "parent_code": TOWN}
    return {**facts, "geometry": geometry, **changed}


@pytest.fixture(autouse=True)
def _no_succession(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch)


def told(monkeypatch: pytest.MonkeyPatch, *lines: tuple[str, str, float]) -> None:
    """Let the crosswalk say that codes ended at the beginning of 2026."""
    kind = "split" if len({old for old, _, _ in lines}) < len(lines) else "absorb"
    found = [Succession(old, new, share, dt.date(2026, 1, 1), kind, "改了") for old, new, share in lines]
    for module in (following, borders):
        monkeypatch.setattr(module, "read_history", lambda: DivisionHistory(tuple(found)))


def tables(**rows: Rows) -> dict[str, ibis.Table]:
    con = ibis.duckdb.connect(threads=1)
    base = load_contracts().base
    for entity in ("division", "grid", "address", "residence"):
        con.con.register(entity, pa.Table.from_pylist(rows.get(entity, []), schema=base[entity].arrow_schema))
    return {entity: con.table(entity) for entity in ("division", "grid", "address", "residence")}


def by(table: ibis.Table, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in table.to_pyarrow().to_pylist()}


def test_where_nothing_ended_every_table_is_given_back_as_it_is() -> None:
    found = tables(division=[village(WEST)], address=[{"address_code": "A", "division_code": WEST}])
    assert following.followed_place(found, "address", "address_code", AS_OF) is found["address"]
    assert following.grid(found, AS_OF) is found["grid"]


def test_a_change_of_next_year_changes_nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, (WEST, EAST, 1.0))
    found = tables(division=[village(WEST)], address=[{"address_code": "A", "division_code": WEST}])
    assert following.followed_place(found, "address", "address_code", dt.date(2025, 12, 31)) is found["address"]


def test_a_merged_village_takes_its_addresses_people_and_grids_along(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, (WEST, EAST, 1.0))
    found = tables(
        division=[village(WEST), village(EAST)],
        grid=[
            {"grid_code": f"{WEST}001", "division_code": WEST},
            {"grid_code": f"{WEST}001007", "division_code": WEST, "grid_kind_code": "micro"},
            {"grid_code": f"{WEST}002", "division_code": WEST},
            {"grid_code": f"{EAST}001", "division_code": EAST},
        ],
        address=[{"address_code": "A", "division_code": WEST, "grid_code": f"{WEST}002"}],
        residence=[
            {"residence_key": "R", "division_code": WEST, "grid_code": f"{WEST}001"},
            {"residence_key": "S", "division_code": EAST, "grid_code": f"{EAST}001"},
        ],
    )
    address = by(following.followed_place(found, "address", "address_code", AS_OF), "address_code")
    residence = by(following.followed_place(found, "residence", "residence_key", AS_OF), "residence_key")
    grids = by(following.grid(found, AS_OF), "grid_code")
    assert (address["A"]["division_code"], address["A"]["grid_code"]) == (EAST, f"{EAST}003")
    assert (residence["R"]["division_code"], residence["R"]["grid_code"]) == (EAST, f"{EAST}002")
    assert residence["S"]["grid_code"] == f"{EAST}001"
    assert sorted(grids) == [f"{EAST}001", f"{EAST}002", f"{EAST}002007", f"{EAST}003"]
    assert {row["division_code"] for row in grids.values()} == {EAST}


def test_a_split_village_is_divided_by_where_its_doors_are(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, (WEST, SOUTH, 0.5), (WEST, NORTH, 0.5))
    found = tables(
        division=[village(WEST), village(SOUTH, square(0)), village(NORTH, square(0.01))],
        grid=[{"grid_code": f"{WEST}001", "division_code": WEST, "geometry": square(0.011, width=0.005)}],
        address=[
            {"address_code": "S", "division_code": WEST, "geometry": point(0.005), "grid_code": None},
            {"address_code": "N", "division_code": WEST, "geometry": point(0.012), "grid_code": f"{WEST}001"},
            {"address_code": "outside", "division_code": WEST, "geometry": point(0.5)},
        ],
        residence=[
            {"residence_key": "s", "division_code": WEST, "address_code": "S"},
            {"residence_key": "n", "division_code": WEST, "address_code": "N", "grid_code": f"{WEST}001"},
            {"residence_key": "nobody knows", "division_code": WEST, "address_code": None},
        ],
    )
    found["address"] = ibis.memtable(
        following.followed_place(found, "address", "address_code", AS_OF).to_pyarrow()
    )  # as the merge does, before who lives there
    address = by(found["address"], "address_code")
    residence = by(following.followed_place(found, "residence", "residence_key", AS_OF), "residence_key")
    assert {key: row["division_code"] for key, row in address.items()} == {"S": SOUTH, "N": NORTH, "outside": WEST}
    assert {key: row["division_code"] for key, row in residence.items()} == {
        "s": SOUTH,
        "n": NORTH,
        "nobody knows": WEST,
    }
    assert residence["n"]["grid_code"] == address["N"]["grid_code"] == f"{NORTH}001"


def test_borders_say_since_when_and_what_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, (WEST, SOUTH, 0.5), (WEST, NORTH, 0.5))
    rows = by(
        borders.division(tables(division=[village(code) for code in (WEST, SOUTH, NORTH)]), AS_OF), "division_code"
    )
    assert (rows[WEST]["valid_to"], rows[WEST]["successor_codes"]) == (dt.date(2025, 12, 31), f"{SOUTH},{NORTH}")
    assert (rows[SOUTH]["valid_from"], rows[SOUTH]["valid_to"]) == (dt.date(2026, 1, 1), None)
    assert rows[SOUTH]["statutory_county_code"] == "320305000000"


def test_a_first_day_is_what_somebody_states_and_no_edition_of_the_list() -> None:
    stated = dt.date(1999, 5, 1)
    rows = by(
        borders.division(tables(division=[village(WEST), village(EAST, valid_from=stated)]), AS_OF), "division_code"
    )
    assert [rows[code]["valid_from"] for code in (WEST, EAST)] == [None, stated]


def test_borders_measure_area_overlap_and_gap() -> None:
    town = village(TOWN, square(0, width=0.04), division_level_code="town", parent_code="320305000000")
    parts = [village(WEST, square(0)), village(EAST, square(0.008, width=0.012)), village(SOUTH, square(0.02))]
    rows = by(borders.division(tables(division=[town, *parts]), AS_OF), "division_code")
    hundredth = rows[WEST]["area_m2"]
    # A hundredth of a degree squared at 34° north.
    assert hundredth == pytest.approx(922 * 1112, rel=0.01)
    assert rows[WEST]["overlap_m2"] == rows[EAST]["overlap_m2"] == pytest.approx(hundredth * 0.2, rel=0.001)
    assert rows[SOUTH]["overlap_m2"] == 0
    assert rows[TOWN]["gap_m2"] == pytest.approx(hundredth, rel=0.001)
    assert rows[TOWN]["overlap_m2"] == 0, "a town does not overlap with its own villages"
    assert rows[WEST]["gap_m2"] is None


def test_without_a_part_s_border_nothing_is_said_of_gaps() -> None:
    town = village(TOWN, square(0, width=0.04), division_level_code="town")
    rows = by(
        borders.division(tables(division=[town, village(WEST, square(0)), village(EAST)]), AS_OF), "division_code"
    )
    assert rows[TOWN]["gap_m2"] is None
    assert (rows[EAST]["area_m2"], rows[EAST]["overlap_m2"]) == (None, None)


def test_a_village_that_took_another_in_has_its_land_until_its_own_border_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told(monkeypatch, (WEST, EAST, 1.0))
    old, new = village(WEST, square(0)), village(EAST, square(0.01))
    rows = by(borders.division(tables(division=[old, new]), AS_OF), "division_code")
    assert rows[EAST]["area_m2"] == pytest.approx(2 * rows[WEST]["area_m2"], rel=0.001)
    assert rows[EAST]["overlap_m2"] == 0, "what has ended overlaps with nothing"
    delivered = village(EAST, square(0, width=0.02))
    rows = by(borders.division(tables(division=[old, delivered]), AS_OF), "division_code")
    assert rows[EAST]["geometry"] == delivered["geometry"]


def test_grids_tell_how_far_they_leave_their_village_and_cover_each_other() -> None:
    found = tables(
        division=[village(WEST, square(0))],
        grid=[
            {"grid_code": f"{WEST}001", "division_code": WEST, "grid_kind_code": "general", "geometry": square(0.005)},
            {"grid_code": f"{WEST}002", "division_code": WEST, "grid_kind_code": "general", "geometry": square(0)},
            {"grid_code": f"{WEST}002001", "division_code": WEST, "grid_kind_code": "micro", "geometry": square(0)},
            {"grid_code": f"{EAST}001", "division_code": EAST, "grid_kind_code": "general", "geometry": square(1)},
        ],
    )
    rows = by(borders.grid(found, AS_OF), "grid_code")
    whole = rows[f"{WEST}002"]["area_m2"]
    assert rows[f"{WEST}001"]["outside_m2"] == pytest.approx(whole / 2, rel=0.001)
    assert rows[f"{WEST}002"]["outside_m2"] == 0
    assert rows[f"{WEST}002"]["overlap_m2"] == pytest.approx(whole / 2, rel=0.001)
    assert rows[f"{WEST}002001"]["overlap_m2"] == 0, "a micro-grid lies in its grid"
    assert rows[f"{WEST}002001"]["parent_grid_code"] == f"{WEST}002"
    assert rows[f"{EAST}001"]["outside_m2"] is None, "its village has no border"
