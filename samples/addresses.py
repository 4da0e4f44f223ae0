"""Buildings and standard addresses: group and house number in a village; estate, block, entrance, room in a town."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from samples.buildings import USES, doors, find_sites, footprints
from samples.dates import moment_text
from samples.divisions import County
from samples.draw import Bools, Floats, Ints, Texts, between, digits, generator, join, plain, running, take, where
from samples.geography import Territory

NOTHING = "无"  # how the address standard writes a part that does not exist
HOUSES_A_GROUP = 40
SHOPS_A_BUILDING = 10
VACANT_FLATS = 1.087
VACANT_HOUSES = 1.05
ROADS = "育才路 建设路 人民路 新华路 中山路 和平路 幸福路 文化路 朝阳路 康宁路 迎宾路 兴业路 泉山路 光明路 崇文路"
# The last one holds a character that GB18030 has and GBK has not, as names of places in the province do.
ESTATES = "锦绣 阳光 翠园 金域 龙泉 御景 紫荆 和谐 碧水 桃源 书香 云湖 金色 东方 瑞丰 枫林 水岸 祥和 春晖 㳇溪"
ESTATE_KINDS = ("花园", "家园", "名苑", "新村", "小区")
RESIDENTIAL, COMMERCIAL, PUBLIC, INDUSTRIAL = range(len(USES))


@dataclass(frozen=True)
class Buildings:
    """One entry a building; `unit` and `grid` are indices, `shape` is in metres of the plane system."""

    code: Texts
    name: Texts
    unit: Ints
    grid: Ints
    use: Ints
    floors: Ints
    area: Floats
    shape: Any


@dataclass(frozen=True)
class Addresses:
    """One entry a door or room; the points are in metres of the plane system; `rooms` are those people can live in."""

    code: Texts
    text: Texts
    unit: Ints
    building: Ints
    use: Ints
    point: Floats
    parts: dict[str, Texts]
    updated: Texts

    def of_use(self, use: int) -> Ints:
        """The indices of the addresses in buildings of one use."""
        return np.flatnonzero(self.use == use)


@dataclass(frozen=True)
class Layout:
    """How many buildings and rooms each grid has, before anything is placed or named."""

    urban: Bools
    entrances: Ints
    floors: Ints
    capacity: Ints
    counts: Ints  # one row a grid, one column a use


def plan_layout(rng: np.random.Generator, county: County, territory: Territory, dwellings: Ints, shops: Ints) -> Layout:
    """Decide how the dwellings and shops of each grid are housed: `dwellings` and `shops` count them by grid."""
    urban = np.array([unit.urban for unit in county.units])[territory.grid_unit]
    size = len(urban)
    rooms = np.where(urban, np.ceil(dwellings * VACANT_FLATS), np.ceil(dwellings * VACANT_HOUSES)).astype(np.int64)
    floors = np.where(rooms > 400, 11, np.where(rooms > 60, 6, 3))
    entrances = np.where(rooms > 120, between(rng, 3, 4, size), 2)
    capacity = np.where(urban, floors * entrances * 2, 1)
    first = np.concatenate(([True], territory.grid_unit[1:] != territory.grid_unit[:-1]))
    industry = first & (rng.random(size) < 0.5)
    homes = -(-rooms // capacity)
    counts = np.column_stack((homes, -(-shops // SHOPS_A_BUILDING), first, industry)).astype(np.int64)
    return Layout(urban, entrances, floors, capacity, counts)


def build(
    seed: int, county: County, territory: Territory, layout: Layout, as_of: int
) -> tuple[Buildings, Addresses, Ints]:
    """Place and name every building and address; also the first address of each grid, where its dwellings begin."""
    rng = generator(seed, "addresses", county.code)
    totals = layout.counts.sum(axis=1)
    grid = np.repeat(np.arange(len(totals)), totals)
    unit = territory.grid_unit[grid]
    use = np.repeat(np.tile(np.arange(len(USES)), len(totals)), layout.counts.ravel())
    urban = layout.urban[grid]
    sites = find_sites(seed, county.code, territory.grids, layout.urban, totals)
    shape, ground = footprints(sites, use, urban)
    in_unit = running(np.bincount(unit, minlength=len(county.units)))
    unit_code = take([item.code for item in county.units], unit)
    code = join(unit_code, digits(in_unit + 1, 5))
    floors = np.where(use == RESIDENTIAL, np.where(urban, layout.floors[grid], between(rng, 1, 3, len(use))), 2)
    doors_in = np.where(use == RESIDENTIAL, layout.capacity[grid], np.where(use == COMMERCIAL, SHOPS_A_BUILDING, 1))
    building = np.repeat(np.arange(len(use)), doors_in)
    parts = _parts(rng, county, territory, layout, (grid, use), building)
    address_unit = unit[building]
    text = join(_prefix(county, address_unit), *(where_given(parts[name]) for name in parts))
    addresses = Addresses(
        code=join(code.take(pa.array(building)), digits(running(doors_in) + 1, 4)),
        text=text,
        unit=address_unit,
        building=building,
        use=use[building],
        point=doors(rng, sites, building),
        parts=parts,
        updated=moment_text(as_of - between(rng, 1, 364, len(building)), between(rng, 28800, 64000, len(building))),
    )
    start = np.concatenate(([0], np.cumsum(doors_in)))
    name = _building_names(parts, start[:-1], use)
    area = np.round(ground * floors, 1)
    first_address = start[np.concatenate(([0], np.cumsum(totals)))[:-1]]
    return Buildings(code, name, unit, grid, use, floors.astype(np.int64), area, shape), addresses, first_address


def where_given(part: Texts) -> Texts:
    """A part of an address as the full text has it: nothing where it does not exist."""
    return pa.compute.if_else(pa.compute.equal(part, NOTHING), "", part)


def dwelling_slots(layout: Layout, dwellings: Ints) -> Ints:
    """Which room of its grid each dwelling takes, in order of grids, leaving some vacant between them."""
    ratio = np.where(layout.urban, VACANT_FLATS, VACANT_HOUSES)
    slots: Ints = np.floor(running(dwellings) * np.repeat(ratio, dwellings)).astype(np.int64)
    return slots


def _prefix(county: County, unit: Ints) -> Texts:
    texts = [
        f"江苏省{county.prefecture}{county.title}{county.towns[item.town][1]}{item.short}" for item in county.units
    ]
    return take(texts, unit)


def _parts(
    rng: np.random.Generator,
    county: County,
    territory: Territory,
    layout: Layout,
    placed: tuple[Ints, Ints],
    building: Ints,
) -> dict[str, Texts]:
    """The parts of each address in the order they are written: road or group, door, estate, block, entrance, room."""
    grid_of, use_of = placed
    unit_of = territory.grid_unit[grid_of]
    grid, use, unit = grid_of[building], use_of[building], unit_of[building]
    home, urban = use == RESIDENTIAL, layout.urban[grid]
    flat, house, shop = home & urban, home & ~urban, use == COMMERCIAL
    block = _number_within(unit_of, use_of)[building]
    block_in_grid = _number_within(grid_of, use_of)[building]
    door = _number_within(unit, use)
    inside = running(np.bincount(building, minlength=len(grid_of)))
    per_entrance = layout.floors[grid] * 2
    storey = inside % per_entrance
    grid_number = running(np.bincount(territory.grid_unit, minlength=len(county.units)))[grid]
    roads, estates = ROADS.split(), ESTATES.split()
    main = rng.integers(0, len(roads), len(county.units))
    road = take(roads, (main[unit] + np.where(flat, 1 + grid_number, 0)) % len(roads))
    estate_of = rng.integers(0, len(estates), len(county.units))
    estate = join(
        take(estates, (estate_of[unit] + grid_number) % len(estates)),
        take(ESTATE_KINDS, (grid_number // len(estates) + unit) % len(ESTATE_KINDS)),
    )
    group = join(digits(block // HOUSES_A_GROUP + 1), "组")
    number = np.where(house, block % HOUSES_A_GROUP + 1, np.where(flat, 18 + 20 * grid_number, door * 2 + 1))
    number = np.where(use == INDUSTRIAL, 98, np.where(shop, number + 100, number))
    parts = {
        "jlx": where(house, group, road),
        "mph": join(digits(number), "号"),
        "xqmc": where(flat, estate, NOTHING),
        "ldh": where(flat, join(digits(block_in_grid + 1), "幢"), NOTHING),
        "dyh": where(flat, join(digits(inside // per_entrance + 1), "单元"), NOTHING),
        "fjh": where(flat, join(digits((storey // 2 + 1) * 100 + storey % 2 + 1), "室"), NOTHING),
    }
    return {name: plain(part) for name, part in parts.items()}


def _number_within(group: Ints, use: Ints) -> Ints:
    """A running number of each entry among those of its group and use; entries of one group lie together."""
    order = np.lexsort((np.arange(len(group)), use, group))
    key = group[order] * len(USES) + use[order]
    starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    sizes = np.diff(np.concatenate((starts, [len(key)])))
    number = np.empty(len(group), dtype=np.int64)
    number[order] = running(sizes)
    return number


def _building_names(parts: dict[str, Texts], first: Ints, use: Ints) -> Texts:
    given = {name: where_given(part.take(pa.array(first))) for name, part in parts.items()}
    flat = np.asarray(pa.compute.not_equal(given["xqmc"], "").to_numpy(zero_copy_only=False), dtype=np.bool_)
    plainly = join(given["jlx"], given["mph"])
    suffix = take(("", "商业楼", "公共服务用房", "厂房"), use)
    return plain(where(flat, join(given["xqmc"], given["ldh"]), join(plainly, suffix)))
