"""GCJ-02 and BD-09: public vectors, and the way back to a tenth of a millimetre."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Geod
from pyproj.exceptions import CRSError

from connectors.coordinates import Shifted, declared_crs

GCJ, BD = Shifted.GCJ_02, Shifted.BD_09


def points(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


# True -> GCJ-02, as the map libraries' own tests have it; the last is in Nanjing.
VECTORS = [
    ((116.404, 39.915), (116.41024449916938, 39.91640428150164)),
    ((118.7969, 32.0603), (118.8020836, 32.0582243)),
]


@pytest.mark.parametrize(("true", "shifted"), VECTORS)
def test_public_vectors(true: tuple[float, float], shifted: tuple[float, float]) -> None:
    assert GCJ.from_true(points(true))[0] == pytest.approx(shifted, abs=5e-8)
    assert GCJ.to_true(points(shifted))[0] == pytest.approx(true, abs=5e-8)


def test_public_vector_of_bd_09() -> None:
    # GCJ-02 116.404, 39.915 is BD-09 116.41036949371029, 39.92133699351022.
    true = GCJ.to_true(points((116.404, 39.915)))
    assert BD.from_true(true)[0] == pytest.approx((116.41036949371029, 39.92133699351022), abs=1e-9)


def test_shift_in_nanjing_is_as_measured() -> None:
    (true,), shifted = points(VECTORS[1][0]), VECTORS[1][1]
    azimuth, _, metres = Geod(ellps="WGS84").inv(*true, *shifted)
    assert metres * np.sin(np.radians(azimuth)) == pytest.approx(489, abs=1)
    assert metres * np.cos(np.radians(azimuth)) == pytest.approx(-230, abs=1)


@given(st.sampled_from(Shifted), st.floats(73.5, 135.0), st.floats(18.0, 53.5))
def test_there_and_back(shifted: Shifted, longitude: float, latitude: float) -> None:
    true = points((longitude, latitude))
    moved = shifted.from_true(true)
    assert 1e-4 < np.abs(moved - true).max() < 0.03
    assert np.abs(shifted.to_true(moved) - true).max() < 1e-9
    assert np.abs(shifted.from_true(shifted.to_true(true)) - true).max() < 1e-9


@given(st.sampled_from(Shifted), st.floats(-180, 180), st.floats(-90, 90))
def test_nothing_moves_outside_of_the_country(shifted: Shifted, longitude: float, latitude: float) -> None:
    if 72.004 <= longitude <= 137.8347 and 0.8293 <= latitude <= 55.8271:
        return
    place = points((longitude, latitude))
    assert (shifted.from_true(place) == place).all()
    assert (shifted.to_true(place) == place).all()


@pytest.mark.parametrize("place", [(np.nan, 32.0), (118.0, np.inf), (np.inf, np.nan), (39_500_000.0, 3_790_000.0)])
def test_what_is_no_place_stays(place: tuple[float, float]) -> None:
    both = points(place, (118.7969, 32.0603))
    moved = GCJ.to_true(GCJ.from_true(both))
    assert np.array_equal(moved[0], both[0], equal_nan=True)
    assert moved[1] == pytest.approx(both[1], abs=1e-9)


def test_nothing_becomes_nothing_and_the_given_stays() -> None:
    assert BD.to_true(points()).shape == (0, 2)
    given_points = points((118.0, 32.0))
    GCJ.to_true(given_points)
    assert given_points[0].tolist() == [118.0, 32.0]


@pytest.mark.parametrize("name", ["GCJ-02", "gcj02", "GCJ_02", "gcj 02"])
def test_names_of_gcj_02(name: str) -> None:
    assert declared_crs(name) is GCJ


def test_other_names() -> None:
    assert declared_crs("bd-09") is BD
    assert declared_crs("EPSG:4549") == CRS.from_epsg(4549)
    for wrong in ("GCJ-03", "", None, 7.5):
        with pytest.raises(CRSError):
            declared_crs(wrong)
