"""Geographic files: encodings, CRS, and the halves GDAL passes over without a word."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyogrio.raw import write

from connectors.base import BATCH_ROWS, Connection, Request, Withheld, connect
from connectors.errors import SetAsideError, StopError
from tests.connectors.suite import HOSTILE_NAMES, SECRET, ConnectorSuite, Source, offer_of, rows_of

SHAPES = [shapely.box(500_000 + n, 3_800_000, 500_001 + n, 3_800_001, ccw=False) for n in range(3)]
ROWS: list[dict[str, Any]] = [
    {"XZQDM": "320305005204", "XZQMC": "湖㳇镇", "CS": 1, "geometry": shapely.to_wkb(SHAPES[0])},
    {"XZQDM": "320305005205", "XZQMC": "马庄", "CS": -2, "geometry": shapely.to_wkb(SHAPES[1])},
    {"XZQDM": "320305005206", "XZQMC": None, "CS": 3, "geometry": shapely.to_wkb(SHAPES[2])},
]


def put(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    names = [name for name in rows[0] if name != "geometry"] if rows else ["XZQDM", "XZQMC", "CS"]
    kinds: dict[str, Any] = {"CS": np.int64}
    given_options = {"crs": "EPSG:4548", "geometry_type": "Polygon", "encoding": "GB18030", **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(
            path,
            np.array([row["geometry"] for row in rows], dtype=object),
            [np.array([row[name] for row in rows], dtype=kinds.get(name, object)) for name in names],
            np.array(names),
            **given_options,
        )
    return path


def source_in(folder: Path, rows: list[dict[str, Any]], **options: Any) -> Source:
    pull = {"pattern": "xzq_*.shp", "crs": "EPSG:4548", "encoding": "gb18030", **options}
    connection = Connection("natural_resources", "survey_drop", "geo_file", str(folder), SECRET)
    return Source(connection, Request("natural_resources/division", tuple(ROWS[0]), pull), rows)


def shapefile(folder: Path, rows: list[dict[str, Any]] = ROWS, **options: Any) -> Path:
    return put(folder / "xzq_20261101.shp", rows, driver="ESRI Shapefile", **options)


def withheld(source: Source) -> Withheld:
    (found,) = connect(source.connection).offers(source.request, None)
    assert isinstance(found, Withheld), found
    return found


class TestShapefile(ConnectorSuite):
    @pytest.fixture
    def source(self, drop: Path) -> Source:
        shapefile(drop)
        return source_in(drop, ROWS)

    @pytest.fixture
    def empty(self, drop: Path) -> Source:
        shapefile(drop, [])
        return source_in(drop, [])

    @pytest.fixture
    def many(self, drop: Path) -> Source:
        rows = [ROWS[0]] * (BATCH_ROWS + 1)
        shapefile(drop, rows)
        return source_in(drop, rows)

    def test_rows_marked_as_deleted_are_none(self, source: Source, drop: Path) -> None:
        dbf = drop / "xzq_20261101.dbf"
        content = bytearray(dbf.read_bytes())
        start, width = (int.from_bytes(content[at : at + 2], "little") for at in (8, 10))
        content[start + width] = ord("*")
        dbf.write_bytes(content)
        offer = offer_of(source)
        assert [row["XZQDM"] for row in rows_of(offer)] == [ROWS[0]["XZQDM"], ROWS[2]["XZQDM"]]
        assert offer.expected_rows == 2


class TestGeoPackage(ConnectorSuite):
    @staticmethod
    def source_of(folder: Path, rows: list[dict[str, Any]]) -> Source:
        put(folder / "wg_20261101.gpkg", rows, driver="GPKG", layer="wg", crs="EPSG:4490", encoding=None)
        source = source_in(folder, rows)
        pull = {"pattern": "wg_*.gpkg", "layer": "wg", "crs": "EPSG:4490"}
        return replace(source, request=replace(source.request, options=pull))

    @pytest.fixture
    def source(self, drop: Path) -> Source:
        return self.source_of(drop, ROWS)

    @pytest.fixture
    def empty(self, drop: Path) -> Source:
        return self.source_of(drop, [])

    @pytest.fixture
    def many(self, drop: Path) -> Source:
        return self.source_of(drop, [ROWS[0]] * (BATCH_ROWS + 1))

    @pytest.fixture
    def hostile(self, drop: Path) -> Source:
        rows = [{name: f"{row}{name}" for name in HOSTILE_NAMES} for row in (1, 2)]
        features = [{**row, "geometry": ROWS[0]["geometry"]} for row in rows]
        put(drop / "wg_1.gpkg", features, driver="GPKG", layer="wg", crs="EPSG:4490", encoding=None)
        source = source_in(drop, rows, pattern="wg_*.gpkg", layer="wg", crs="EPSG:4490")
        return replace(source, request=replace(source.request, fields=HOSTILE_NAMES))

    def test_another_layer_is_drift(self, source: Source) -> None:
        pull = {**source.request.options, "layer": "no_layer"}
        found = withheld(replace(source, request=replace(source.request, options=pull)))
        assert (found.reason, "no layer 'no_layer'" in found.message) == ("schema_drift", True)

    def test_of_several_layers_the_contract_must_name_one(self, source: Source, drop: Path) -> None:
        put(drop / "wg_20261101.gpkg", ROWS, driver="GPKG", layer="wwg", crs="EPSG:4490", encoding=None, append=True)
        assert rows_of(offer_of(source))
        pull = {name: value for name, value in source.request.options.items() if name != "layer"}
        found = withheld(replace(source, request=replace(source.request, options=pull)))
        assert (found.reason, "several layers" in found.message) == ("schema_drift", True)

    def test_half_a_file_is_unreadable(self, source: Source, drop: Path) -> None:
        path = drop / "wg_20261101.gpkg"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert withheld(source).reason == "unreadable"

    def test_longitude_comes_first(self, drop: Path) -> None:
        # EPSG:4490 names latitude first; WKB in the hub never does.
        point = shapely.to_wkb(shapely.Point(117.5, 34.5))
        path = drop / "wg_1.gpkg"
        row = {"XZQDM": "1", "geometry": point}
        put(path, [row], driver="GPKG", layer="wg", crs="EPSG:4490", geometry_type="Point", encoding=None)
        source = source_in(drop, [], pattern="wg_*.gpkg", crs="EPSG:4490")
        source = replace(source, request=replace(source.request, fields=("geometry",)))
        assert rows_of(offer_of(source)) == [{"geometry": point}]


IN_DEGREES: list[dict[str, Any]] = [
    {**row, "CS": row["CS"], "geometry": shapely.to_wkb(shapely.box(117 + n, 34, 117.5 + n, 34.5, ccw=False))}
    for n, row in enumerate(ROWS)
]


class TestGeoJson(ConnectorSuite):
    @staticmethod
    def source_of(folder: Path, rows: list[dict[str, Any]]) -> Source:
        features = [
            {
                "type": "Feature",
                "properties": {name: value for name, value in row.items() if name != "geometry"},
                "geometry": json.loads(shapely.to_geojson(shapely.from_wkb(row["geometry"]))),
            }
            for row in rows
        ]
        text = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
        (folder / "xzq_1.geojson").write_text(text, encoding="utf-8")
        return source_in(folder, rows, pattern="xzq_*.geojson", crs="EPSG:4490", encoding=None)

    @pytest.fixture
    def source(self, drop: Path) -> Source:
        return self.source_of(drop, IN_DEGREES)

    @pytest.fixture
    def empty(self, drop: Path) -> Source:
        pytest.skip("a GeoJSON without features tells no columns")

    @pytest.fixture
    def many(self, drop: Path) -> Source:
        return self.source_of(drop, [IN_DEGREES[0]] * (BATCH_ROWS + 1))

    @pytest.mark.parametrize("cut", [1, 40])
    def test_half_a_file_is_unreadable(self, source: Source, drop: Path, cut: int) -> None:
        path = drop / "xzq_1.geojson"
        path.write_bytes(path.read_bytes()[: -(path.stat().st_size // 50) * cut])
        assert withheld(source).reason == "unreadable"

    @pytest.mark.parametrize(("declared", "fits"), [("EPSG:4326", True), ("OGC:CRS84", True), ("EPSG:4549", False)])
    def test_without_a_crs_it_is_wgs_84(self, source: Source, declared: str, fits: bool) -> None:
        pull = {**source.request.options, "crs": declared}
        asked = replace(source, request=replace(source.request, options=pull))
        (found,) = connect(asked.connection).offers(asked.request, None)
        assert isinstance(found, Withheld) is not fits

    def test_with_a_crs_it_is_that(self, source: Source, drop: Path) -> None:
        path = drop / "xzq_1.geojson"
        told = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4548"}}
        path.write_text(json.dumps({"crs": told} | json.loads(path.read_bytes())), encoding="utf-8")
        assert withheld(source).reason == "crs_mismatch"
        pull = {**source.request.options, "crs": "EPSG:4548"}
        assert len(rows_of(offer_of(replace(source, request=replace(source.request, options=pull))))) == 3

    def test_texts_that_are_no_utf8_are_unreadable(self, source: Source, drop: Path) -> None:
        path = drop / "xzq_1.geojson"
        path.write_bytes(path.read_bytes().replace("马庄".encode(), b"\xff\xfe"))
        with pytest.raises(SetAsideError, match="GDAL cannot read it") as caught:
            rows_of(offer_of(source))
        assert caught.value.reason == "unreadable"


def geodatabase(path: Path, rows: list[dict[str, Any]]) -> Path:
    options = {"layer": "xzq", "crs": "EPSG:4490", "encoding": None, "TARGET_ARCGIS_VERSION": "ARCGIS_PRO_3_2_OR_LATER"}
    return put(path, rows, driver="OpenFileGDB", geometry_type="MultiPolygon", **options)


def multipart(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the kind of geometry that a FileGDB has."""
    return [
        {**row, "geometry": shapely.to_wkb(shapely.MultiPolygon([shapely.from_wkb(row["geometry"])]))} for row in rows
    ]


class TestFileGdb(ConnectorSuite):
    """A folder is the delivery."""

    @staticmethod
    def source_of(folder: Path, rows: list[dict[str, Any]]) -> Source:
        geodatabase(folder / "xzq_1.gdb", rows)
        return source_in(folder, rows, pattern="xzq_*.gdb", layer="xzq", crs="EPSG:4490", encoding=None)

    @pytest.fixture
    def source(self, drop: Path) -> Source:
        return self.source_of(drop, multipart(IN_DEGREES))

    @pytest.fixture
    def empty(self, drop: Path) -> Source:
        return self.source_of(drop, [])

    @pytest.fixture
    def many(self, drop: Path) -> Source:
        return self.source_of(drop, multipart([IN_DEGREES[0]]) * (BATCH_ROWS + 1))

    def test_all_its_files_are_fingerprinted(self, source: Source, drop: Path) -> None:
        before = offer_of(source).fingerprint
        part = max((drop / "xzq_1.gdb").iterdir(), key=lambda path: path.stat().st_size)
        part.write_bytes(part.read_bytes() + b"x")
        (found,) = connect(source.connection).offers(source.request, None)
        assert found.fingerprint != before

    def test_half_a_part_is_incomplete(self, source: Source, drop: Path) -> None:
        table = drop / "xzq_1.gdb" / "a00000009.gdbtable"
        table.write_bytes(table.read_bytes()[:-60])
        with pytest.raises(SetAsideError, match="features where 3 are told") as caught:
            rows_of(offer_of(source))
        assert caught.value.reason == "drop_incomplete"


def zipped(target: Path, *parts: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            for path in sorted(part.rglob("*")) if part.is_dir() else [part]:
                archive.write(path, f"数据/{path.relative_to(part.parent)}")


def test_zipped_geodatabase(drop: Path, tmp_path: Path) -> None:
    rows = multipart(IN_DEGREES)
    zipped(drop / "xzq_1.zip", geodatabase(tmp_path / "m.gdb", rows))
    asked = source_in(drop, rows, pattern="*.zip", member="*.gdb", layer="xzq", crs="EPSG:4490", encoding=None)
    assert rows_of(offer_of(asked)) == rows
    assert withheld(source_in(drop, rows, pattern="*.zip", member="*.shp")).reason == "unreadable"


def test_zipped_shapefile(drop: Path, tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    zipped(drop / "xzq_1.zip", *(path.with_suffix(suffix) for suffix in (".shp", ".shx", ".dbf", ".prj")))
    assert rows_of(offer_of(source_in(drop, ROWS, pattern="*.zip", member="*.shp"))) == ROWS
    zipped(drop / "xzq_1.zip", path, path.with_suffix(".dbf"))
    assert withheld(source_in(drop, ROWS, pattern="*.zip", member="*.shp")).reason == "drop_incomplete"


@pytest.mark.parametrize("prj", [True, False])
def test_declared_shift(drop: Path, prj: bool) -> None:
    path = shapefile(drop, IN_DEGREES, crs="EPSG:4490").with_suffix(".prj")
    path.unlink() if not prj else None
    assert rows_of(offer_of(source_in(drop, IN_DEGREES, crs="GCJ-02"))) == IN_DEGREES


def test_declared_shift_of_projected_metres_withholds(drop: Path) -> None:
    shapefile(drop)
    assert withheld(source_in(drop, ROWS, crs="BD-09")).reason == "crs_mismatch"


PROBE = {"where": {"XZQMC": "马庄"}, "near": [118.25, 34.25], "within_m": 100}


def probed(folder: Path, rows: list[dict[str, Any]], fields: tuple[str, ...] = tuple(ROWS[0]), **told: Any) -> Source:
    source = source_in(folder, rows, **{"crs": "EPSG:4490", "probe": PROBE} | told)
    return replace(source, request=replace(source.request, fields=fields))


def test_probe_passes_what_is_right(drop: Path) -> None:
    shapefile(drop, IN_DEGREES, crs="EPSG:4490")
    assert rows_of(offer_of(probed(drop, IN_DEGREES))) == IN_DEGREES
    # It needs neither its column nor the geometry to be wanted.
    assert rows_of(offer_of(probed(drop, [], ("CS",)))) == [{"CS": 1}, {"CS": -2}, {"CS": 3}]


def test_probe_refuses_swapped_axes(drop: Path) -> None:
    swapped = [
        {**row, "geometry": shapely.to_wkb(shapely.transform(shapely.from_wkb(row["geometry"]), lambda p: p[:, ::-1]))}
        for row in IN_DEGREES
    ]
    shapefile(drop, swapped, crs="EPSG:4490")
    with pytest.raises(SetAsideError, match="axes swapped") as caught:
        rows_of(offer_of(probed(drop, swapped)))
    assert caught.value.reason == "crs_mismatch"


def test_probe_that_is_not_there(drop: Path) -> None:
    shapefile(drop, IN_DEGREES[:1], crs="EPSG:4490")
    with pytest.raises(SetAsideError, match="the feature of the probe is not in it"):
        rows_of(offer_of(probed(drop, [])))
    asked = probed(drop, [])
    part = replace(asked, request=replace(asked.request, mode="increment"))
    assert len(rows_of(offer_of(part))) == 1


def test_probe_by_a_column_that_is_not_there(drop: Path) -> None:
    shapefile(drop, IN_DEGREES, crs="EPSG:4490")
    told = {**PROBE, "where": {"DM": "x"}}
    with pytest.raises(SetAsideError, match="DM") as caught:
        rows_of(offer_of(probed(drop, [], probe=told)))
    assert caught.value.reason == "schema_drift"


def test_probe_of_another_form_stops(drop: Path) -> None:
    shapefile(drop, IN_DEGREES, crs="EPSG:4490")
    with pytest.raises(StopError, match=r"probe\.where: Field required; probe\.within_m: Field required"):
        offer_of(probed(drop, [], probe={"near": [118, 34]}))


def test_available_tells_types_before_it_is_read(drop: Path) -> None:
    shapefile(drop)
    assert offer_of(source_in(drop, ROWS)).available == {
        "XZQDM": "object",
        "XZQMC": "object",
        "CS": "int64",
        "geometry": "Polygon",
    }


def test_offer_tells_the_number_of_features(drop: Path) -> None:
    shapefile(drop)
    assert offer_of(source_in(drop, ROWS)).expected_rows == 3


@pytest.mark.parametrize("written", ["GBK", "GB18030"])
@pytest.mark.parametrize("cpg", [None, "UTF-8", "GBK"])
def test_declared_encoding_wins_over_a_cpg(drop: Path, written: str, cpg: str | None) -> None:
    rows = [{**ROWS[0], "XZQMC": "邨氿镇"}]
    path = shapefile(drop, rows, encoding=written).with_suffix(".cpg")
    path.unlink()
    if cpg:
        path.write_text(cpg)
    assert rows_of(offer_of(source_in(drop, rows))) == rows


def test_chinese_column_names(drop: Path) -> None:
    rows = [{"名称": "湖㳇", "geometry": ROWS[0]["geometry"]}]
    shapefile(drop, rows)
    source = source_in(drop, rows)
    assert rows_of(offer_of(replace(source, request=replace(source.request, fields=("名称", "geometry"))))) == rows


def dbf_cell(path: Path, old: bytes, new: bytes) -> None:
    content = path.with_suffix(".dbf").read_bytes()
    assert content.count(old) == 1
    assert len(old) == len(new)
    path.with_suffix(".dbf").write_bytes(content.replace(old, new))


def test_bytes_of_no_character_set_the_file_aside(drop: Path) -> None:
    # GDAL would leave the two bytes out and say nothing.
    dbf_cell(shapefile(drop), "马庄".encode("gb18030"), b"\xff\xff" + "庄".encode("gb18030"))
    with pytest.raises(SetAsideError, match="bytes that are not gb18030") as caught:
        rows_of(offer_of(source_in(drop, ROWS)))
    assert caught.value.reason == "encoding_invalid"


def test_text_cut_amid_a_character_keeps_its_whole_characters(drop: Path) -> None:
    long = "庄" * 127 + "a"
    rows = [{**ROWS[0], "XZQMC": long[:127]}]
    path = shapefile(drop, rows)
    cell = ("庄" * 127).encode("gb18030")
    dbf_cell(path, cell, b"a" + cell[:-1])
    assert rows_of(offer_of(source_in(drop, rows)))[0]["XZQMC"] == "a" + "庄" * 126


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(text=st.text(st.characters(codec="gb18030", exclude_categories=["Cc", "Zs", "Cs"]), min_size=1, max_size=12))
def test_what_was_written_is_read(drop: Path, text: str) -> None:
    if not list(drop.iterdir()):
        shapefile(drop, [{**ROWS[0], "XZQMC": "|" * 48}])
    # GDAL's own GB18030 differs from Python's in a few characters, so the bytes are put in by hand.
    dbf = drop / "xzq_20261101.dbf"
    head, _, rest = dbf.read_bytes().rpartition(b"320305005204".ljust(80))
    dbf.write_bytes(head + b"320305005204".ljust(80) + text.encode("gb18030").ljust(48) + rest[48:])
    assert rows_of(offer_of(source_in(drop, [])))[0]["XZQMC"] == text


@pytest.mark.parametrize("suffix", [".shx", ".dbf"])
def test_missing_part_withholds(drop: Path, suffix: str) -> None:
    shapefile(drop).with_suffix(suffix).unlink()
    found = withheld(source_in(drop, ROWS))
    assert (found.reason, f"xzq_20261101{suffix} missing" in found.message) == ("drop_incomplete", True)


@pytest.mark.parametrize("suffix", [".shp", ".shx", ".dbf"])
@pytest.mark.parametrize("cut", [2, 60])
def test_half_a_part_withholds(drop: Path, suffix: str, cut: int) -> None:
    part = shapefile(drop).with_suffix(suffix)
    part.write_bytes(part.read_bytes()[:-cut])
    assert withheld(source_in(drop, ROWS)).reason == "drop_incomplete"


@pytest.mark.parametrize("suffix", [".shp", ".shx", ".dbf"])
def test_empty_part_withholds(drop: Path, suffix: str) -> None:
    shapefile(drop).with_suffix(suffix).write_bytes(b"")
    assert withheld(source_in(drop, ROWS)).reason == "drop_incomplete"


def test_fewer_records_than_shapes_are_incomplete(drop: Path) -> None:
    path = shapefile(drop).with_suffix(".dbf")
    content = path.read_bytes()
    path.write_bytes(content[:4] + (2).to_bytes(4, "little") + content[8:])
    with pytest.raises(SetAsideError, match="features where 3 are told") as caught:
        rows_of(offer_of(source_in(drop, ROWS)))
    assert caught.value.reason == "drop_incomplete"


def test_another_crs_withholds(drop: Path) -> None:
    shapefile(drop, crs="EPSG:4549")
    found = withheld(source_in(drop, ROWS))
    assert found.reason == "crs_mismatch"
    assert "CM_120E" in found.message or "120E" in found.message


def test_no_crs_withholds(drop: Path) -> None:
    shapefile(drop).with_suffix(".prj").unlink()
    found = withheld(source_in(drop, ROWS))
    assert (found.reason, "no CRS in the file" in found.message) == ("crs_mismatch", True)


@pytest.mark.parametrize("suffix", [".shp", ".dbf", ".prj"])
def test_fingerprint_covers_all_parts(drop: Path, suffix: str) -> None:
    path = shapefile(drop)
    before = offer_of(source_in(drop, ROWS)).fingerprint
    part = path.with_suffix(suffix)
    content = part.read_bytes()
    part.write_bytes(content[:-1] + b" ")
    (found,) = connect(source_in(drop, ROWS).connection).offers(source_in(drop, ROWS).request, None)
    assert found.fingerprint != before


def test_parts_are_found_whatever_their_case(drop: Path) -> None:
    path = shapefile(drop)
    for part in drop.iterdir():
        part.rename(part.with_suffix(part.suffix.upper()))
    assert not path.exists()
    assert rows_of(offer_of(source_in(drop, ROWS, pattern="xzq_*.SHP"))) == ROWS


def test_what_is_no_geographic_file(drop: Path) -> None:
    (drop / "xzq_1.gpkg").write_bytes(b"hello")
    assert withheld(source_in(drop, ROWS, pattern="xzq_*.gpkg")).reason == "unreadable"


@pytest.mark.parametrize("options", [{"crs": "EPSG:99999999"}, {"crs": "moon"}, {"encoding": "klingon"}])
def test_unknown_crs_or_encoding_stops(drop: Path, options: dict[str, str]) -> None:
    shapefile(drop)
    with pytest.raises(StopError, match=f"{next(iter(options))}: '{next(iter(options.values()))}' is no"):
        offer_of(source_in(drop, ROWS, **options))


def test_null_geometry_is_null(drop: Path, tmp_path: Path) -> None:
    rows = [{**ROWS[0], "geometry": None}, ROWS[1]]
    shapefile(drop, rows)
    assert rows_of(offer_of(source_in(drop, rows))) == rows


@pytest.mark.parametrize("make", [lambda folder: shapefile(folder)])
def test_messages_name_no_place(drop: Path, make: Callable[[Path], Path]) -> None:
    make(drop).with_suffix(".prj").unlink()
    assert str(drop) not in withheld(source_in(drop, ROWS)).message
