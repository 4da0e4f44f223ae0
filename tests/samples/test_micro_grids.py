"""Micro-grids tile the urban grids that have many households; nobody's home lies outside of them."""

from datetime import date

import numpy as np
import pytest
import shapely

from samples.community import Community, found
from samples.divisions import find_counties
from samples.micro_grids import HOUSEHOLDS_A_MICRO_GRID, MicroGrids, cut_micro_grids
from samples.plan import Plan
from samples.systems.natural_resources import GRIDS, collect


@pytest.fixture(scope="module")
def town() -> Community:
    """贾汪区 with so many people that urban grids have more households than a micro-grid."""
    return found(Plan("320305", 40_000, 7, 0.0, date(2026, 11, 1)), find_counties("320305")[0], 40_000)


@pytest.fixture(scope="module")
def micro(town: Community) -> MicroGrids:
    return cut_micro_grids(town)


def test_the_parts_of_a_grid_tile_it(town: Community, micro: MicroGrids) -> None:
    cut = np.unique(micro.grid)
    assert len(cut) > 20
    assert np.allclose(
        np.bincount(micro.grid, shapely.area(micro.shape))[cut], shapely.area(town.territory.grids[cut]), rtol=1e-9
    )
    assert min(np.bincount(micro.grid)[cut]) > 1


def test_only_urban_grids_are_cut_and_each_part_has_few_households(town: Community, micro: MicroGrids) -> None:
    urban = np.array([unit.urban for unit in town.county.units])
    assert urban[town.territory.grid_unit[micro.grid]].all()
    homes = town.addresses.point[town.dwelling_address]
    within = [int(shapely.contains_xy(shape, homes).sum()) for shape in micro.shape]
    # Homes of one building lie at one point, so a strip may have a building more.
    assert max(within) <= 2 * HOUSEHOLDS_A_MICRO_GRID


def test_codes_have_18_digits_behind_those_of_their_grid(town: Community, micro: MicroGrids) -> None:
    rows = collect(town)[GRIDS].to_pylist()
    codes = [row["wgdm"] for row in rows]
    assert len(set(codes)) == len(codes)
    smaller = [row for row in rows if row["wglx"] == "微网格"]
    assert len(smaller) == len(micro.grid)
    assert all(len(row["wgdm"]) == 18 and row["wgdm"][:15] in codes for row in smaller)
    assert all(row["wgdm"].startswith(row["xzqdm"]) and row["wgmc"].endswith("微网格") for row in smaller)


def test_a_small_county_has_none(community: Community) -> None:
    assert len(cut_micro_grids(community).grid) == 0
    assert {row["wglx"] for row in collect(community)[GRIDS].to_pylist()} == {"综合"}
