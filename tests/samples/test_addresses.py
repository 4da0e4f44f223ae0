"""Buildings stand inside their grids and apart; addresses have the form of the standard and a point in their grid."""

import re

import numpy as np
import shapely

from samples.addresses import RESIDENTIAL
from samples.community import Community

CODE = re.compile(r"32030[0-9]{16}")


def test_buildings_stand_in_their_grid_and_touch_no_other(community: Community):
    buildings, grids = community.buildings, community.territory.grids
    assert shapely.contains(grids[buildings.grid], buildings.shape).all()
    left, right = shapely.STRtree(buildings.shape).query(buildings.shape, predicate="intersects")
    assert np.array_equal(left, right)
    codes = buildings.code.to_pylist()
    assert len(set(codes)) == len(codes)
    assert all(len(code) == 17 for code in codes)


def test_addresses_are_unique_and_lie_in_their_grid(community: Community):
    addresses = community.addresses
    codes, texts = addresses.code.to_pylist(), addresses.text.to_pylist()
    assert len(set(codes)) == len(codes) == len(set(texts))
    assert all(CODE.fullmatch(code) for code in codes)
    grid = community.buildings.grid[addresses.building]
    assert shapely.contains_xy(community.territory.grids[grid], addresses.point).all()
    building = community.buildings.code.to_pylist()
    assert all(code[:17] == building[place] for code, place in zip(codes, addresses.building.tolist(), strict=True))


def test_villages_have_groups_and_towns_have_estates(community: Community):
    addresses = community.addresses
    urban = np.array([unit.urban for unit in community.county.units])[addresses.unit]
    home = addresses.use == RESIDENTIAL
    texts = np.array(addresses.text.to_pylist())
    rural_form = re.compile(r"江苏省徐州市贾汪区.+(街道|镇|场|园区|管委会).+村.*\d+组\d+号")
    urban_form = re.compile(r"江苏省徐州市贾汪区.+路\d+号.+(花园|家园|名苑|新村|小区)\d+幢\d单元\d{3,4}室")
    assert all(rural_form.fullmatch(text) for text in texts[home & ~urban])
    assert all(urban_form.fullmatch(text) for text in texts[home & urban])
    parts = {name: part.to_pylist() for name, part in addresses.parts.items()}
    row = int(np.flatnonzero(home & ~urban)[0])
    assert parts["xqmc"][row] == parts["ldh"][row] == parts["dyh"][row] == parts["fjh"][row] == "无"
    assert all(value for part in parts.values() for value in part)


def test_each_dwelling_has_an_address_of_its_own_in_its_unit(community: Community):
    address = community.dwelling_address
    assert len(set(address.tolist())) == len(address)
    assert np.array_equal(community.addresses.unit[address], community.households.unit)
    assert np.all(community.addresses.use[address] == RESIDENTIAL)
