"""Geometries: any declared CRS to longitude and latitude, in range, valid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import CRS

from connectors.coordinates import Shifted
from hub.conform.geometry import Placed, place_geometries, placed
from hub.errors import ConfigurationError
from hub.reasons import Reason
from tests.hub.conform.reading import column, contract

DEGREES = CRS.from_user_input("OGC:CRS84")
BOW_TIE = "POLYGON ((117 34, 118 35, 118 34, 117 35, 117 34))"


def place(*geometries: str | bytes | None, crs: CRS = DEGREES, operation: str = "point") -> Placed:
    wkb = [shapely.from_wkt(item).wkb if isinstance(item, str) else item for item in geometries]
    return placed(pa.array(wkb, pa.binary()), crs, operation)


def test_points_in_degrees() -> None:
    found = place("POINT (117.4 34.2)", "POINT Z (117.4 34.2 30)", None)
    assert [item and item.wkt for item in found.geometry] == ["POINT (117.4 34.2)", "POINT (117.4 34.2)", None]
    assert not found.reason.any()
    assert not found.original.any()


def test_swapped_coordinates_are_put_right() -> None:
    found = place("POINT (34.2 117.4)", crs=CRS.from_epsg(4490))
    assert (found.geometry[0].x, found.geometry[0].y) == (117.4, 34.2)
    assert (found.reason[0], found.original[0], found.shown[0]) == (
        Reason.COORDINATES_SWAPPED,
        "POINT (34.2 117.4)",
        "POINT (117.4 34.2)",
    )


@pytest.mark.parametrize("text", ["POINT (0 0)", "POINT (39500000 3790000)", "POINT (17 34)", "POINT (nan 34)"])
def test_points_elsewhere_are_refused(text: str) -> None:
    found = place("POINT (117.4 34.2)", text)
    assert found.geometry[0] is not None
    assert (found.geometry[1], found.reason[1], found.shown[1]) == (
        None,
        Reason.GEOMETRY_INVALID
        if "nan" in text.lower() and shapely.from_wkt(text).is_empty
        else Reason.COORDINATES_OUTSIDE,
        None,
    )
    assert found.original[1].startswith("POINT")


@pytest.mark.parametrize("spoiled", ["POINT EMPTY", "LINESTRING (117 34, 118 35)", b"\x01\x02"])
def test_what_is_no_point_is_refused(spoiled: str | bytes) -> None:
    found = place(spoiled)
    assert (found.geometry[0], found.reason[0]) == (None, Reason.GEOMETRY_INVALID)
    assert found.original[0] == (spoiled.hex() if isinstance(spoiled, bytes) else spoiled)


@pytest.mark.parametrize(("epsg", "meridian"), [(4548, 117.0), (4549, 120.0)])
def test_projected_metres_become_degrees(epsg: int, meridian: float) -> None:
    # On the central meridian: false easting 500 km; a degree of latitude is about 110.9 km there.
    found = place("POINT (500000 3790000)", crs=CRS.from_epsg(epsg))
    assert found.geometry[0].x == pytest.approx(meridian, abs=1e-9)
    assert found.geometry[0].y == pytest.approx(34.24, abs=0.01)
    assert not found.reason.any()


@pytest.mark.parametrize("shifted", list(Shifted))
def test_shifted_coordinates_become_true(shifted: Shifted) -> None:
    true = np.array([[118.7969, 32.0603], [118.8, 32.1]])
    came = shapely.linestrings(shifted.from_true(true))
    wkb = pa.array([came.wkb, shapely.Point(0, 0).wkb], pa.binary())
    found = placed(wkb, shifted, "geometry")
    assert shapely.get_coordinates(found.geometry[0]) == pytest.approx(true, abs=1e-9)
    assert list(found.reason) == [None, Reason.COORDINATES_OUTSIDE]


def test_swapped_axes_of_shifted_coordinates_are_put_right() -> None:
    (moved,) = Shifted.GCJ_02.from_true(np.array([[118.7969, 32.0603]]))
    found = placed(pa.array([shapely.Point(moved[::-1]).wkb], pa.binary()), Shifted.GCJ_02, "point")
    assert shapely.get_coordinates(found.geometry)[0] == pytest.approx([118.7969, 32.0603], abs=1e-9)
    assert found.reason[0] == Reason.COORDINATES_SWAPPED


def test_contract_may_declare_a_shift(tmp_path: Path) -> None:
    (moved,) = Shifted.GCJ_02.from_true(np.array([[118.7969, 32.0603]]))
    pq.write_table(pa.table({"place": pa.array([shapely.Point(moved).wkb])}), tmp_path / "part.parquet")
    agreed = contract(column("point", "geometry", "geometry", physical="place"), pull={"crs": "GCJ-02"})
    place_geometries([tmp_path / "part.parquet"], agreed, tmp_path / "placed.parquet")
    (wkb,) = pq.read_table(tmp_path / "placed.parquet")["place"].to_pylist()
    assert shapely.get_coordinates(shapely.from_wkb(wkb))[0] == pytest.approx([118.7969, 32.0603], abs=1e-9)


def test_polygons_are_made_valid() -> None:
    found = place("POLYGON ((117 34, 118 34, 118 35, 117 34))", BOW_TIE, operation="geometry")
    assert shapely.is_valid(found.geometry).all()
    assert list(found.reason) == [None, Reason.GEOMETRY_REPAIRED]
    assert found.original[1] == BOW_TIE
    assert found.geometry[1].geom_type == "MultiPolygon"
    assert found.geometry[1].area == pytest.approx(0.5)


def test_only_polygons_remain_of_a_polygon() -> None:
    spike = "POLYGON ((117 34, 118 34, 118 35, 118 36, 118 35, 117 35, 117 34))"
    flat = "POLYGON ((117 34, 118 34, 117 34, 117 34))"
    found = place(spike, flat, "POLYGON EMPTY", operation="geometry")
    assert found.geometry[0].geom_type == "Polygon"
    assert found.geometry[0].area == pytest.approx(1)
    assert list(found.geometry[1:]) == [None, None]
    assert list(found.reason) == [Reason.GEOMETRY_REPAIRED, Reason.GEOMETRY_INVALID, Reason.GEOMETRY_INVALID]


def test_nothing_is_placed_in_nothing() -> None:
    found = place()
    assert [len(part) for part in (found.geometry, found.reason, found.original, found.shown)] == [0, 0, 0, 0]


@pytest.mark.parametrize("pull", [{}, {"crs": "EPSG:0"}])
def test_a_source_must_declare_its_crs(pull: dict[str, str], tmp_path: Path) -> None:
    agreed = contract(column("point", "geometry", "geometry"), pull=pull)
    with pytest.raises(ConfigurationError, match="department/dataset: its geometries need a known crs"):
        place_geometries([], agreed, tmp_path / "placed.parquet")


def test_parts_are_streamed_into_one_file_in_order(tmp_path: Path) -> None:
    count = 70_000
    points = shapely.to_wkb(shapely.points(np.linspace(117, 118, count), 34.0))
    parts = []
    for number, some in enumerate(np.array_split(np.arange(count), 2)):
        parts.append(tmp_path / f"part-{number:05d}.parquet")
        pq.write_table(pa.table({"place": pa.array(points[some]), "_row": pa.array(some + 1, pa.int64())}), parts[-1])
    agreed = contract(column("point", "geometry", "geometry", physical="place"), pull={"crs": "EPSG:4490"})
    place_geometries(parts, agreed, tmp_path / "placed.parquet")
    table = pq.read_table(tmp_path / "placed.parquet")
    assert table.column_names == ["place", "_row", "place__reason", "place__original", "place__shown"]
    assert table["_row"].to_pylist() == list(range(1, count + 1))
    assert shapely.get_x(shapely.from_wkb(table["place"].to_numpy())) == pytest.approx(np.linspace(117, 118, count))


@pytest.mark.parametrize(
    "text",
    [
        "POINT (117.4 34.2)",
        "  point z (117.4 34.2 30) ",
        "SRID=4490;POINT (117.4 34.2)",
        '{"type": "Point", "coordinates": [117.4, 34.2]}',
        shapely.Point(117.4, 34.2).wkb_hex,
        shapely.to_wkb(shapely.set_srid(shapely.Point(117.4, 34.2), 4490), hex=True, include_srid=True).lower(),
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_geometry_may_come_as_text(text: str, kind: pa.DataType) -> None:
    found = placed(pa.array([text, None, "", "  "], kind), DEGREES, "point")
    assert [item and item.wkt for item in found.geometry] == ["POINT (117.4 34.2)", None, None, None]
    assert not found.reason.any()


def test_text_that_is_no_geometry_is_kept_as_it_came() -> None:
    texts = ["湖边", "{}", "0", "00zz", '{"type": "Point"}', "POINT (34.2 117.4)", "POLYGON ((1 1, 2 2))"]
    found = placed(pa.array(texts), DEGREES, "point")
    assert list(found.reason[:5]) == [Reason.GEOMETRY_INVALID] * 5
    assert list(found.original[:5]) == texts[:5]
    assert (found.reason[5], found.shown[5]) == (Reason.COORDINATES_SWAPPED, "POINT (117.4 34.2)")
    assert (found.reason[6], found.geometry[6]) == (Reason.GEOMETRY_INVALID, None)


@pytest.mark.parametrize("text", ["GEOMETRYCOLLECTION (", '{"type": "GeometryCollection", "geometries": ['])
def test_collections_in_collections_do_not_end_the_process(text: str) -> None:
    found = placed(pa.array([text * 200_000]), DEGREES, "geometry")
    assert list(found.reason) == [Reason.GEOMETRY_INVALID]


@pytest.mark.parametrize("kind", [pa.string(), pa.binary()])
def test_no_row_at_all(kind: pa.DataType) -> None:
    assert len(placed(pa.array([], kind), DEGREES, "point").geometry) == 0
