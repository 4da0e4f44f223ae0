"""The probe: one known feature tells swapped axes and shifted coordinates from true ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from connectors.base import Request
from connectors.coordinates import Shifted
from connectors.errors import SetAsideError, StopError
from connectors.probe import probe_of

NEAR = (118.7969, 32.0603)
TRUE = CRS.from_epsg(4490)


def settle(geometry: shapely.Geometry | bytes | None, crs: CRS | Shifted = TRUE, **told: Any) -> None:
    probe = probe_of(
        Request("t/d", ("a",), {"probe": {"where": {"code": "1"}, "near": list(NEAR), "within_m": 100, **told}}), crs
    )
    assert probe is not None
    other = shapely.Point(0, 0).wkb
    wkb = geometry.wkb if isinstance(geometry, shapely.Geometry) else geometry
    probe.look(pa.array(["0", None]), pa.array([other, other], pa.binary()))
    probe.look(pa.array(["1", "2"]), pa.array([wkb, other], pa.binary()))
    probe.settle("t/d, f", must_be_there=True)


def came(geometry: shapely.Geometry | bytes | None, crs: CRS | Shifted = TRUE, **told: Any) -> str:
    with pytest.raises(SetAsideError) as caught:
        settle(geometry, crs, **told)
    assert caught.value.reason == "crs_mismatch"
    assert "118." not in str(caught.value)
    return caught.value.came


def shifted(crs: Shifted) -> shapely.Point:
    return shapely.Point(crs.from_true(np.array([NEAR]))[0])


def test_true_place_passes() -> None:
    settle(shapely.Point(NEAR))
    settle(shapely.Point(NEAR).buffer(0.01))
    settle(shapely.Point(NEAR[0] + 0.0009, NEAR[1]))
    settle(shapely.MultiPoint([(1, 1), NEAR]))


@pytest.mark.parametrize("crs", list(Shifted))
def test_declared_shift_is_taken_back(crs: Shifted) -> None:
    settle(shifted(crs), crs)


def test_projected_metres() -> None:
    crs = CRS.from_epsg(4549)
    x, y = Transformer.from_crs(TRUE, crs, always_xy=True).transform(*NEAR)
    settle(shapely.Point(x, y), crs)
    assert came(shapely.Point(y, x), crs).endswith("; axes swapped: it fits with its coordinates exchanged")


def test_swapped_axes_are_named() -> None:
    assert came(shapely.Point(NEAR[::-1])).endswith("; axes swapped: it fits with its coordinates exchanged")


def test_shifted_coordinates_are_named() -> None:
    assert came(shifted(Shifted.GCJ_02)) == "the feature of the probe is 541 m away; looks like GCJ-02"
    assert came(shifted(Shifted.BD_09)).endswith("; looks like BD-09")
    assert came(shapely.Point(NEAR), Shifted.GCJ_02).endswith(f"; looks like {TRUE.name}")


def test_wide_probe_takes_a_shift_for_nothing() -> None:
    settle(shifted(Shifted.GCJ_02), within_m=2000)


def test_elsewhere_nothing_is_guessed() -> None:
    assert came(shapely.Point(NEAR[0] + 1, NEAR[1])).endswith(" m away")
    assert came(shapely.Point(5e8, 5e8), CRS.from_epsg(4549)) == "the feature of the probe is nowhere on Earth"


@pytest.mark.parametrize("geometry", [None, b"\x01\x02", shapely.Point()])
def test_feature_without_a_place_is_not_there(geometry: Any) -> None:
    assert came(geometry) == "the feature of the probe is not in it"


def test_part_of_the_features_need_not_hold_it() -> None:
    probe = probe_of(Request("t/d", ("a",), {"probe": {"where": {"a": 1}, "near": NEAR, "within_m": 1}}), TRUE)
    assert probe is not None
    probe.settle("t/d, f", must_be_there=False)


def _is_wide(value: Any) -> bool:
    return isinstance(value, int) and abs(value) >= 2**62


@given(value=st.integers() | st.text() | st.booleans())
def test_value_is_compared_as_text(value: Any) -> None:
    probe = probe_of(Request("t/d", ("a",), {"probe": {"where": {"a": value}, "near": NEAR, "within_m": 1}}), TRUE)
    assert probe is not None
    probe.look(pa.array([value]) if not _is_wide(value) else pa.array([str(value)]), WKB)
    probe.settle("t/d, f", must_be_there=True)


WKB = pa.array([shapely.Point(NEAR).wkb], pa.binary())


def test_without_an_option_there_is_none() -> None:
    assert probe_of(Request("t/d", ("a",), {}), TRUE) is None


@pytest.mark.parametrize(
    "told",
    [
        "x",
        {},
        {"where": {}, "near": NEAR, "within_m": 1},
        {"where": {"a": 1, "b": 2}, "near": NEAR, "within_m": 1},
        {"where": "a", "near": NEAR, "within_m": 1},
        {"where": {"a": 1}, "near": [1], "within_m": 1},
        {"where": {"a": 1}, "near": [200, 32], "within_m": 1},
        {"where": {"a": 1}, "near": [32.06, 118.8], "within_m": 1},
        {"where": {"a": 1}, "near": ["x", 32], "within_m": 1},
        {"where": {"a": 1}, "near": NEAR, "within_m": 0},
        {"where": {"a": 1}, "near": NEAR},
    ],
)
def test_probe_of_another_form_stops(told: Any) -> None:
    with pytest.raises(StopError, match="probe"):
        probe_of(Request("t/d", ("a",), {"probe": told}), TRUE)
