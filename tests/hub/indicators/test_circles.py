"""Circles of daily life: the net of cells answers as a comparison of every point with every place does."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hub.indicators.circles import Cells, covered
from hub.indicators.formulas import Circle

CIRCLE = Circle(1000.0, 3000.0, {"shop": ("5213",), "pharmacy": ("5251",)})
DEGREE_M = 92_190
"""One degree of longitude at 34° north."""

METRES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(0, 12), st.just(2)),
    elements=st.floats(-5000, 5000, allow_nan=False).map(lambda value: round(value, 1)),
)


@given(METRES, METRES, st.sampled_from([1.0, 150.0, 1000.0, 3000.0]))
def test_near_is_what_the_distance_says(points: np.ndarray, places: np.ndarray, radius: float) -> None:
    apart = np.hypot(*(points[:, None, :] - places[None, :, :]).transpose(2, 0, 1)) if len(places) else None
    asked = np.zeros(len(points), dtype=bool) if apart is None else (apart <= radius).any(axis=1)
    sure = np.ones(len(points), dtype=bool) if apart is None else (abs(apart - radius) > 1e-6).all(axis=1)
    found = Cells.of(points).near(places, radius)
    assert (found == asked)[sure].all()


def test_exactly_so_far_is_near() -> None:
    cells = Cells.of(np.array([[0.0, 0.0], [0.0, -0.1]]))
    assert cells.near(np.array([[0.0, 1000.0]]), 1000.0).tolist() == [True, False]


def homes(*rows: tuple[str, float, int, bool]) -> pa.Table:
    names = ("division_code", "longitude", "latitude", "residents", "is_urban")
    whole = [(code, 117 + metres / DEGREE_M, 34.0, count, urban) for code, metres, count, urban in rows]
    return pa.table({name: [row[place] for row in whole] for place, name in enumerate(names)})


def shops(*rows: tuple[str, float]) -> pa.Table:
    return pa.table(
        {
            "industry_code": pa.array([code for code, _ in rows], pa.string()),
            "longitude": pa.array([117 + metres / DEGREE_M for _, metres in rows], pa.float64()),
            "latitude": pa.array([34.0 for _ in rows], pa.float64()),
        }
    )


def test_residents_are_counted_by_type_and_by_all_types_each_kind_of_village_by_its_radius() -> None:
    here = homes(("urban", 0, 10, True), ("urban", 1900, 5, True), ("rural", 0, 7, False), ("rural", 3500, 2, False))
    found = covered(here, shops(("5213", 950), ("5251", -100), ("9999", 0)), CIRCLE).to_pylist()
    assert {row.pop("division_code"): row for row in found} == {
        "rural": {
            "circle_residents": 0,
            "near_all": 0,
            "rural_residents": 9,
            "near_all_rural": 7,
            "near_shop": 0,
            "near_pharmacy": 0,
        },
        "urban": {
            "circle_residents": 15,
            "near_all": 10,
            "rural_residents": 0,
            "near_all_rural": 0,
            "near_shop": 15,
            "near_pharmacy": 10,
        },
    }


def test_without_shops_nobody_is_near_and_without_homes_there_is_no_row() -> None:
    (row,) = covered(homes(("urban", 0, 3, True)), shops(), CIRCLE).to_pylist()
    assert (row["circle_residents"], row["near_all"]) == (3, 0)
    assert covered(homes(("urban", 0, 3, True)).slice(0, 0), shops(("5213", 0)), CIRCLE).num_rows == 0
