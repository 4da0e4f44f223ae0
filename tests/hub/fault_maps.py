"""Maps with one fault each: a delivery in another system, and borders and grids that do not fit together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import CRS

from connectors.base import Request
from connectors.coordinates import Shifted
from connectors.errors import SetAsideError
from connectors.probe import probe_of
from hub import borders
from hub.contracts import load_contracts
from hub.settings import load_settings
from hub.suites import load_suite
from hub.validation import validate
from tests.hub.mini import MAZHUANG, NEIGHBOUR

__all__ = ["MAPS"]

AS_OF = dt.date(2026, 11, 1)
TOWN = "320305005000"
CONTRACTS = load_contracts()
TOPOLOGY = {
    "borders_do_not_overlap", "border_is_its_own", "parts_cover_the_whole",
    "grid_inside_its_village", "grid_meets_its_village", "grids_do_not_overlap",
}  # fmt: skip
"""The rules on how polygons lie to each other."""

Case = Callable[[Path], set[str]]


def box(x: float, width: float = 0.01) -> bytes:
    return bytes(shapely.to_wkb(shapely.box(117 + x, 34, 117 + x + width, 34.01)))


def village(code: str, geometry: bytes, level: str = "village", parent: str = TOWN) -> dict[str, Any]:
    facts = {"division_code": code, "division_name": code, "division_level_code": level, "parent_code": parent}
    return {**facts, "geometry": geometry}


def grid(village_code: str, number: int, geometry: bytes) -> dict[str, Any]:
    facts = {"grid_code": f"{village_code}{number:03d}", "division_code": village_code, "grid_kind_code": "general"}
    return {**facts, "geometry": geometry}


def broken(folder: Path, entity: str, **rows: list[dict[str, Any]]) -> set[str]:
    """Derive a base table and return the rules of its suite on topology that some row fails."""
    con = ibis.duckdb.connect(threads=1)
    for name in ("division", "grid", "address", "residence"):
        con.con.register(name, pa.Table.from_pylist(rows.get(name, []), schema=CONTRACTS.base[name].arrow_schema))
    tables = {name: con.table(name) for name in ("division", "grid", "address", "residence")}
    derived = {"division": borders.division, "grid": borders.grid}[entity](tables, AS_OF).to_pyarrow()
    pq.write_table(derived, folder / f"{entity}.parquet")
    verdict = validate(
        [folder / f"{entity}.parquet"],
        CONTRACTS.base[entity],
        [rule for rule in load_suite(f"base/{entity}") if rule["meta"]["rule_id"] in TOPOLOGY],
        CONTRACTS.codelists,
        failures=folder / "failures.parquet",
        as_of=AS_OF,
        settings=load_settings(data_dir=folder),
    )
    return {finding.rule_id for finding in verdict.expectations if finding.unexpected}


def shifted(_: Path) -> set[str]:
    """GCJ-02 handed over as CGCS2000: the known point lies 500 metres off."""
    near = (118.7969, 32.0603)
    told = {"where": {"code": "1"}, "near": list(near), "within_m": 100}
    probe = probe_of(Request("t/d", ("code", "geometry"), {"crs": "EPSG:4490", "probe": told}), CRS.from_epsg(4490))
    assert probe is not None
    point = shapely.Point(Shifted.GCJ_02.from_true(np.array([near]))[0])
    probe.look(pa.array(["1"]), pa.array([shapely.to_wkb(point)], pa.binary()))
    with pytest.raises(SetAsideError, match="GCJ-02") as caught:
        probe.settle("t/d, f", must_be_there=True)
    return {caught.value.reason}


def grids_overlap(folder: Path) -> set[str]:
    grids = [grid(MAZHUANG, 1, box(0)), grid(MAZHUANG, 2, box(0.005, 0.005))]
    return broken(folder, "grid", division=[village(MAZHUANG, box(0))], grid=grids)


def grid_reaches_out(folder: Path) -> set[str]:
    return broken(folder, "grid", division=[village(MAZHUANG, box(0))], grid=[grid(MAZHUANG, 1, box(0.005))])


def grid_elsewhere(folder: Path) -> set[str]:
    return broken(folder, "grid", division=[village(MAZHUANG, box(0))], grid=[grid(MAZHUANG, 1, box(0.5))])


def villages(folder: Path, second: bytes) -> set[str]:
    town = village(TOWN, box(0, 0.02), "town", "320305000000")
    parts = [village(MAZHUANG, box(0)), village(NEIGHBOUR, second)]
    return broken(folder, "division", division=[town, *parts])


MAPS: tuple[tuple[int, str, str, Case], ...] = (
    (10, "GCJ-02 handed over as CGCS2000", "crs_mismatch", shifted),
    (10, "grids that overlap", "grids_do_not_overlap", grids_overlap),
    (10, "grid that reaches out of its village", "grid_inside_its_village", grid_reaches_out),
    (10, "grid elsewhere", "grid_meets_its_village", grid_elsewhere),
    (10, "sliver two villages share", "borders_do_not_overlap", lambda folder: villages(folder, box(0.008, 0.012))),
    (10, "sliver that is nobody's", "parts_cover_the_whole", lambda folder: villages(folder, box(0.012, 0.008))),
)
"""Family, name, rule or reason, and the case."""
