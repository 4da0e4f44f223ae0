"""自然资源: shapefiles with a GBK attribute table, a GeoPackage of grids, the addresses of the feature service."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
from pyproj import CRS, Transformer

from samples.community import Community
from samples.draw import generator, join, running, take
from samples.faults import KEY, REPAIRED, Spoiled, spoil
from samples.geography import GEOGRAPHIC, PLANE, transform
from samples.micro_grids import cut_micro_grids
from samples.plan import Plan
from samples.spoils import division_spoil

DIVISIONS = "natural_resources/division"
BUILDINGS = "natural_resources/building"
GRIDS = "natural_resources/grid"
ADDRESSES = "natural_resources/standard_address"
BUILDING_PLANE = "EPSG:4549"  # metres, central meridian 120E
GEOMETRY = "geometry"
NUMERALS = "一二三四五六七八九"
USE_CODES = ("1", "2", "3", "4")  # as schemas/codelists/building_use.csv knows them


def collect(community: Community) -> dict[str, pa.Table]:
    """The true rows of one county; geometries are WKB in the reference system of each interface."""
    county, territory = community.county, community.territory
    towns = [code for code, _ in county.towns]
    divisions = pa.table(
        {
            "XZQDM": towns + community.unit_codes,
            "XZQMC": [name for _, name in county.towns] + [unit.title for unit in county.units],
            "CXFLDM": pa.array([None] * len(towns) + list(community.urban_rural), pa.string()),
            GEOMETRY: _wkb(np.concatenate((territory.towns, territory.units))),
        }
    )
    buildings = community.buildings
    built = pa.table(
        {
            "JZWDM": buildings.code,
            "JZWMC": buildings.name,
            "YT": take(USE_CODES, buildings.use),
            "CS": pa.array(buildings.floors.astype(np.int32)),
            "JZMJ": pa.array(buildings.area),
            "XZQDM": take(community.unit_codes, buildings.unit),
            GEOMETRY: _wkb(transform(buildings.shape, PLANE, BUILDING_PLANE, 2)),
        }
    )
    return {DIVISIONS: divisions, BUILDINGS: built, GRIDS: _grids(community), ADDRESSES: _addresses(community)}


def grid_codes(community: Community) -> Any:
    """Codes of the grids: the unit's 12 digits and a number of three."""
    owner = community.territory.grid_unit
    number = running(np.bincount(owner)) + 1
    return join(take(community.unit_codes, owner), take([f"{value:03d}" for value in range(1000)], number))


def _grids(community: Community) -> pa.Table:
    """The grids, then the micro-grids within them."""
    owner, codes = community.territory.grid_unit, grid_codes(community)
    names = pa.array([f"第{numeral(int(value))}网格" for value in running(np.bincount(owner)) + 1])
    micro = cut_micro_grids(community)
    within = pa.array(micro.grid)
    numbers = take([f"{value:03d}" for value in range(1000)], micro.number)
    ordinals = take([f"第{numeral(value)}微网格" for value in range(1, 1000)], micro.number - 1)
    shapes = np.concatenate((community.territory.grids, micro.shape))
    return pa.table(
        {
            "wgdm": pa.concat_arrays([codes, join(codes.take(within), numbers)]),
            "wgmc": pa.concat_arrays([names, join(names.take(within), ordinals)]),
            "wglx": ["综合"] * len(owner) + ["微网格"] * len(micro.grid),
            "xzqdm": take(community.unit_codes, np.concatenate((owner, owner[micro.grid]))),
            GEOMETRY: _wkb(transform(shapes, PLANE, GEOGRAPHIC, 9)),
        }
    )


def _addresses(community: Community) -> pa.Table:
    addresses = community.addresses
    convert = Transformer.from_crs(PLANE, GEOGRAPHIC, always_xy=True)
    lon, lat = convert.transform(addresses.point[:, 0], addresses.point[:, 1])
    return pa.table(
        {
            "dzbm": addresses.code,
            "dzqc": addresses.text,
            "xzqdm": take(community.unit_codes, addresses.unit),
            **addresses.parts,
            "jzwdm": community.buildings.code.take(pa.array(addresses.building)),
            "gxsj": addresses.updated,
            "lon": pa.array(np.round(lon, 7)),
            "lat": pa.array(np.round(lat, 7)),
        }
    )


def deliver(plan: Plan, tables: dict[str, pa.Table], directory: Path) -> dict[str, Spoiled]:
    """Write the survey drops, and the addresses as Parquet for the service; only addresses are spoiled."""
    directory.mkdir(parents=True)
    day, stamp = f"{plan.as_of:%Y-%m-%d}", f"{plan.as_of:%Y%m%d}"
    with _fixed_date(day):
        shape: dict[str, Any] = {
            "driver": "ESRI Shapefile",
            "encoding": "GB18030",
            "layer_options": {"DBF_DATE_LAST_UPDATE": day, "RESIZE": "YES"},
        }
        _write(tables[DIVISIONS], directory / f"xzq_{stamp}.shp", PLANE, **shape)
        _write(tables[BUILDINGS], directory / f"jzw_{stamp}.shp", BUILDING_PLANE, **shape)
        # Departments leave the code page file out as often as not; the contract knows the encoding.
        (directory / f"jzw_{stamp}.cpg").unlink(missing_ok=True)
        _write(tables[GRIDS], directory / f"wg_{stamp}.gpkg", GEOGRAPHIC, driver="GPKG", layer="wg")
    spoiled = _spoil_addresses(plan, tables[ADDRESSES].sort_by("dzbm"))
    visible = [column for column in spoiled.table.column_names if not column.startswith("_")]
    pq.write_table(spoiled.table.select(visible), directory / "bzdz.parquet", compression="zstd")
    whole = {
        dataset: Spoiled(tables[dataset].append_column(KEY, tables[dataset].column(0)), [])
        for dataset in (DIVISIONS, BUILDINGS, GRIDS)
    }
    return {**whole, ADDRESSES: spoiled}


def _write(table: pa.Table, path: Path, crs: str, **options: Any) -> None:
    columns = [name for name in table.column_names if name != GEOMETRY]
    pyogrio.raw.write(
        path,
        geometry=np.array(table[GEOMETRY].to_pylist(), dtype=object),
        field_data=[table[name].to_numpy(zero_copy_only=False) for name in columns],
        fields=columns,
        geometry_type="MultiPolygon" if path.suffix == ".gpkg" else "Polygon",
        promote_to_multi=path.suffix == ".gpkg",
        crs=CRS.from_user_input(crs).to_wkt("WKT1_GDAL" if path.suffix == ".shp" else "WKT2_2019"),
        **options,
    )


@contextmanager
def _fixed_date(day: str) -> Iterator[None]:
    """Let GDAL write the plan's date instead of the clock's, so that files are equal each time."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{day}T00:00:00.000Z"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _spoil_addresses(plan: Plan, table: pa.Table) -> Spoiled:
    """Swap longitude and latitude of some addresses, and give some a division that does not exist."""
    table = table.append_column(KEY, table["dzbm"])
    rng = generator(plan.seed, "faults", ADDRESSES)
    spoiled = spoil(rng, table, ADDRESSES, [division_spoil("xzqdm")], plan.faults / 4)
    touched = {fault["key"] for fault in spoiled.faults}
    keys = table[KEY].to_pylist()
    wanted = max(round(plan.faults * len(table)) - len(touched), 0)
    rows = [row for row in rng.permutation(len(table))[: wanted + len(touched)].tolist() if keys[row] not in touched]
    rows = sorted(rows[:wanted])
    lon, lat = table["lon"].to_numpy().copy(), table["lat"].to_numpy().copy()
    faults = list(spoiled.faults)
    for row in rows:
        true = f"{lon[row]:.7f} {lat[row]:.7f}"
        lon[row], lat[row] = lat[row], lon[row]
        faults.append(_swapped(keys[row], true, f"{lon[row]:.7f} {lat[row]:.7f}"))
    table = spoiled.table
    for name, values in (("lon", lon), ("lat", lat)):
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    return Spoiled(table, faults)


def _swapped(key: str, true: str, spoiled: str) -> dict[str, Any]:
    return {
        "dataset": ADDRESSES,
        "file": None,
        "key": key,
        "person_id": None,
        "column": "geometry",
        "kind": "coordinates_swapped",
        "true_value": true,
        "spoiled_value": spoiled,
        "expected": REPAIRED,
        "reason": "latitude where longitude belongs",
        "other_key": None,
    }


def _wkb(shapes: Any) -> pa.Array:
    return pa.array(shapely.to_wkb(shapes).tolist(), pa.binary())


def numeral(value: int) -> str:
    """A whole number from 1 to 999 in Chinese numerals, as grid names have it."""
    hundreds, tens, ones = value // 100, value // 10 % 10, value % 10
    text = NUMERALS[hundreds - 1] + "百" if hundreds else ""
    if tens:
        text += ("" if tens == 1 and not hundreds else NUMERALS[tens - 1]) + "十"
    elif hundreds and ones:
        text += "零"
    return text + (NUMERALS[ones - 1] if ones else "")
