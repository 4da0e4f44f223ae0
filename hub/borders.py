"""Borders: since when a division is in force and what followed it, and whether polygons tile as they should."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from hub import geography
from hub.divisions import read_aliases, read_history, statutory_county
from hub.following import Moves, moves_of
from hub.following import grid as followed_grids
from hub.geography import Shapes

__all__ = ["DIVISION_RULES", "GRID_RULES", "division", "grid"]

Tables = Mapping[str, ibis.Table]

DIVISION_RULES: Mapping[str, str] = {
    "valid_from": "区划承继表所载的启用之日；未载的为空，即启用日期不详",
    "valid_to": "区划承继表所载的最后一日；仍在用的为空",
    "successor_codes": "区划承继表所载的承继区划，逐级追至现行区划",
    "statutory_county_code": "代码的县级部分；开发区取代码对照表所载的法定县级区划",
    "area_m2": "按界线在等积球面上计算",
    "overlap_m2": "与同级其他现行区划界线重叠的面积",
    "gap_m2": "下级现行区划界线未铺满的面积",
    "geometry": "部门所报界线；并入其他区划而新界线未报的，加上并入区划的界线",
}
"""Derived column of a division -> its rule, as people are told."""

GRID_RULES: Mapping[str, str] = {
    "division_code": "网格所在的现行村（居）",
    "parent_grid_code": "微网格代码的前15位",
    "area_m2": "按界线在等积球面上计算",
    "outside_m2": "超出所在村（居）界线的面积",
    "overlap_m2": "与同类其他网格重叠的面积",
}
"""Derived column of a grid -> its rule, as people are told."""

_COVERED = 0.5
"""From this share on a successor's own border is taken to hold the ended division already."""


def division(tables: Tables, as_of: date) -> ibis.Table:
    """First and last day in force, successors, statutory county, area, and how far borders overlap or leave gaps.

    The first day is known only where the crosswalk or a claim states one: that a code stands in an edition of the list
    says nothing of when its division was founded. A division that took others in has their polygons added until its own
    new border is delivered.
    """
    table = tables["division"]
    rows = table.select("division_code", "division_level_code", "parent_code", "geometry").to_pyarrow()
    codes = rows["division_code"].to_pylist()
    history, aliases = read_history(), read_aliases()
    ended, begun = history.ended(as_of), history.begun()
    geometry = _with_taken_in(rows, moves_of(tables, as_of))
    in_force = [code not in ended for code in codes]
    measured = _measured(rows, geography.shapes_of(geometry), in_force)
    facts = pa.table(
        {
            "_code": pa.array(codes, pa.string()),
            "_from": pa.array([begun.get(code) for code in codes], pa.date32()),
            "_to": pa.array([_last_day(ended.get(code)) for code in codes], pa.date32()),
            "_successors": pa.array([_successors(history.followed(code, as_of), code) for code in codes], pa.string()),
            "_county": pa.array([statutory_county(code, aliases, as_of) for code in codes], pa.string()),
            "_geometry": geometry,
            **{f"_{name}": pa.array(values, from_pandas=True) for name, values in measured.items()},
        }
    )
    known = ibis.memtable(facts)
    joined = table.join(known, table.division_code == known["_code"])
    counties = joined.division_level_code.isin(["county", "town", "village"])
    return joined.mutate(
        valid_from=ibis.coalesce(joined["_from"], joined.valid_from),
        valid_to=joined["_to"],
        successor_codes=joined["_successors"],
        statutory_county_code=counties.ifelse(joined["_county"], ibis.null("string")),
        geometry=joined["_geometry"],
        **{name: joined[f"_{name}"] for name in measured},
    )


def _last_day(after: date | None) -> date | None:
    return after - timedelta(days=1) if after else None


def _successors(parts: Sequence[Any], code: str) -> str | None:
    others = [part.code for part in parts if part.code != code]
    return ",".join(others) or None


def _with_taken_in(rows: pa.Table, moves: Moves) -> pa.ChunkedArray:
    """The geometries, each successor's with those of the divisions it took in and does not hold yet."""
    if not moves.whole:
        return rows["geometry"]
    place_of = {code: place for place, code in enumerate(rows["division_code"].to_pylist())}
    shapes = shapely.from_wkb(np.array(rows["geometry"].to_pylist(), dtype=object))
    for old, new in sorted(moves.whole.items()):
        one, other = place_of.get(old), place_of.get(new)
        if one is None or other is None or shapes[one] is None:
            continue
        held = shapes[other] is not None and _share_inside(shapes[one], shapes[other]) >= _COVERED
        if not held:
            shapes[other] = shapes[one] if shapes[other] is None else shapely.union(shapes[other], shapes[one])
    return pa.chunked_array([pa.array(shapely.to_wkb(shapes).tolist(), pa.binary())])


def _share_inside(shape: Any, whole: Any) -> float:
    area = shapely.area(shape)
    return float(shapely.area(shapely.intersection(shape, whole)) / area) if area else 0.0


def _measured(rows: pa.Table, shapes: Shapes, in_force: Sequence[bool]) -> dict[str, npt.NDArray[np.float64]]:
    """Area of every division; overlap with others of its level, and gap within, of those in force."""
    codes, parents = rows["division_code"].to_pylist(), rows["parent_code"].to_pylist()
    now: Shapes = np.where(np.asarray(in_force), shapes, np.array(None, dtype=object))
    parts: dict[str, list[Any]] = defaultdict(list)
    for parent, shape, valid in zip(parents, shapes, in_force, strict=True):
        if valid:
            parts[parent].append(shape)
    own = [np.array(parts[code], dtype=object) for code in codes]
    levels = rows["division_level_code"].to_pylist()
    return {
        "area_m2": np.round(geography.areas(shapes), 1),
        "overlap_m2": np.round(geography.overlaps(now, levels), 1),
        "gap_m2": np.round(geography.gaps(now, own), 1),
    }


def grid(tables: Tables, as_of: date) -> ibis.Table:
    """Grids of today's villages; of each the grid it belongs to, its area, and how far it leaves its village.

    Reads the divisions as they were derived before.
    """
    table = followed_grids(tables, as_of)
    divisions = tables["division"].select(_unit="division_code", _border="geometry")
    joined = table.left_join(divisions, table.division_code == divisions["_unit"])
    rows = joined.select("grid_code", "grid_kind_code", "geometry", "_border").to_pyarrow()
    shapes = geography.shapes_of(rows["geometry"])
    kinds = [f"{kind}" for kind in rows["grid_kind_code"].to_pylist()]
    facts = pa.table(
        {
            "_grid": rows["grid_code"],
            "_area": pa.array(np.round(geography.areas(shapes), 1), from_pandas=True),
            "_outside": pa.array(
                np.round(geography.outside(shapes, geography.shapes_of(rows["_border"])), 1), from_pandas=True
            ),
            "_overlap": pa.array(np.round(geography.overlaps(shapes, kinds), 1), from_pandas=True),
        }
    )
    known = ibis.memtable(facts)
    measured = table.join(known, table.grid_code == known["_grid"])
    is_micro = measured.grid_code.length() > 15
    return measured.mutate(
        parent_grid_code=is_micro.ifelse(measured.grid_code.substr(0, 15), ibis.null("string")),
        area_m2=measured["_area"],
        outside_m2=measured["_outside"],
        overlap_m2=measured["_overlap"],
    )
