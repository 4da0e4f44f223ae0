"""Points in grids: inside, on a border, outside, without geometry."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import shapely

from hub.geography import LOCATED, GridIndex, Locator

GRIDS = pa.table(
    {
        # Not in the order of their codes, and C lies over the east of B.
        "grid_code": ["B", "C", "A"],
        "geometry": [
            shapely.to_wkb(shapely.box(1, 0, 3, 1)),
            shapely.to_wkb(shapely.box(2, 0, 3, 1)),
            shapely.to_wkb(shapely.box(0, 0, 1, 1)),
        ],
    }
)


def located(grids: pa.Table, *points: tuple[float, float] | None) -> list[dict[str, Any]]:
    wkb = [None if point is None else shapely.to_wkb(shapely.Point(point)) for point in points]
    batch = pa.record_batch(
        {"address_code": [f"a{n}" for n in range(len(points))], "geometry": pa.array(wkb, pa.binary())}
    )
    (found,) = Locator.build(grids).locate(iter([batch]))
    assert found.schema == LOCATED
    return found.to_pylist()


def grids_of(*points: tuple[float, float] | None) -> list[str | None]:
    return [row["grid_code"] for row in located(GRIDS, *points)]


def test_a_point_has_the_grid_it_lies_in_and_its_coordinates() -> None:
    (found,) = located(GRIDS, (0.5, 0.25))
    assert found == {
        "address_code": "a0",
        "longitude": 0.5,
        "latitude": 0.25,
        "grid_code": "A",
        "micro_grid_code": None,
    }


def test_a_micro_grid_is_told_beside_the_grid_it_lies_in() -> None:
    grid, other, micro = "320305005204001", "320305005204002", "320305005204001001"
    grids = pa.table(
        {
            "grid_code": [micro, grid, other],
            "geometry": [shapely.to_wkb(shapely.box(*box)) for box in ((0, 0, 1.5, 1), (0, 0, 1, 1), (1, 0, 2, 1))],
        }
    )
    found = located(grids, (0.5, 0.5), (1.2, 0.5), (1.8, 0.5))
    # The micro-grid reaches over into the other grid: there it is not told.
    told = [(row["grid_code"], row["micro_grid_code"]) for row in found]
    assert told == [(grid, micro), (other, None), (other, None)]


def test_an_index_answers_for_points_alone() -> None:
    points = shapely.points([(0.5, 0.5), (9, 9)])
    assert GridIndex.build(GRIDS).codes_at(points).tolist() == ["A", None]


def test_on_a_border_and_in_an_overlap_the_lowest_code_wins() -> None:
    assert grids_of((1, 0.5), (2.5, 0.5), (1.5, 0.5)) == ["A", "B", "B"]


def test_outside_there_is_no_grid() -> None:
    assert grids_of((9, 9), (0.5, 0.5)) == [None, "A"]


def test_without_geometry_there_are_no_coordinates_and_no_grid() -> None:
    assert located(GRIDS, None, (0.5, 0.5))[0] == {
        "address_code": "a0",
        "longitude": None,
        "latitude": None,
        "grid_code": None,
        "micro_grid_code": None,
    }


def test_batches_come_out_as_they_came_in_also_empty_ones() -> None:
    schema = pa.schema([("address_code", pa.string()), ("geometry", pa.binary())])
    batches = [
        pa.RecordBatch.from_pylist([], schema=schema),
        pa.RecordBatch.from_pylist(
            [{"address_code": "x", "geometry": shapely.to_wkb(shapely.Point(0.5, 0.5))}], schema=schema
        ),
    ]
    found = list(Locator.build(GRIDS).locate(iter(batches)))
    assert [batch.num_rows for batch in found] == [0, 1]
    assert found[0].schema == found[1].schema


def test_without_grids_nothing_is_located() -> None:
    none = GRIDS.slice(0, 0).cast(pa.schema([("grid_code", pa.string()), ("geometry", pa.binary())]))
    assert [row["grid_code"] for row in located(none, (0.5, 0.5))] == [None]
