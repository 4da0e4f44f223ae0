"""What a geographic file says of itself before it is read: layer, columns, CRS; and whether a shapefile is whole."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyproj import CRS
from pyproj.exceptions import CRSError

from connectors.base import Request
from connectors.coordinates import Shifted
from connectors.drops import unreadable
from connectors.errors import SetAsideError
from connectors.geo_options import GEOMETRY, GeoFilePull
from connectors.options import options_of
from connectors.rows import schema_drift

__all__ = [
    "BYTES",
    "SHAPEFILE",
    "Layer",
    "incomplete",
    "quiet",
    "read_layer",
    "shapefile_parts",
    "unreadable_by_gdal",
]

BYTES: Final = "ISO-8859-1"
"""Read in this encoding, text holds the file's bytes one to one: GDAL drops what it cannot decode without a word."""

SHAPEFILE: Final = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_NEEDED: Final = (".shp", ".shx", ".dbf")
_GEOJSON: Final = (".geojson", ".json")


@dataclass(frozen=True)
class Layer:
    """What a file's header says.

    Attributes:
        columns: Column name -> the name under which GDAL gives it.
        types: Column name -> its type there.
        encoding: Declared encoding of a shapefile's texts; None where the format knows its own.
        features: How many features there are; None where the format does not say.
    """

    columns: Mapping[str, str]
    types: Mapping[str, str]
    encoding: str | None
    features: int | None


def read_layer(path: Path, request: Request, crs: CRS | Shifted, where: str) -> Layer:
    """Read what a file says of the agreed layer, and hold its CRS against the agreed one.

    Raises:
        SetAsideError: `drop_incomplete` (half a shapefile), `schema_drift` (no such layer), `crs_mismatch` or
            `unreadable`.
    """
    shapefile = path.suffix.lower() == ".shp"
    deleted = _whole_shapefile(path, where) if shapefile else 0
    pull = options_of(GeoFilePull, request)
    encoding = pull.encoding if shapefile else None
    try:
        with quiet():
            # Else GDAL's first would be taken, and the others lost without a word.
            warnings.filterwarnings("error", "More than one layer", UserWarning)
            info = pyogrio.read_info(path, layer=pull.layer, encoding=BYTES if encoding else None)
    except (DataSourceError, FieldError, FeatureError, GeometryError, NameError, ValueError) as error:
        # NameError: pyogrio 0.13 fails so over a CRS that GDAL cannot write; ValueError: a name is no UTF-8.
        raise unreadable_by_gdal(where, error) from None
    except UserWarning:
        raise schema_drift(where, "several layers, of which the contract names none", request.fields) from None
    except DataLayerError:
        raise schema_drift(where, f"no layer {pull.layer!r}", request.fields) from None
    _same_crs(info["crs"], crs, where, is_geojson=path.suffix.lower() in _GEOJSON)
    given = [str(name) for name in info["fields"]]
    decoded = [name.encode(BYTES).decode(encoding, "replace") for name in given] if encoding else given
    columns, types = dict(zip(decoded, given, strict=True)), dict(zip(decoded, map(str, info["dtypes"]), strict=True))
    if info["geometry_type"]:
        columns[GEOMETRY], types[GEOMETRY] = GEOMETRY, str(info["geometry_type"])
    return Layer(columns, types, encoding, int(info["features"]) - deleted if info["features"] >= 0 else None)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what GDAL warns of out of the log: it names values, and all that counts of it is checked here or later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield


def shapefile_parts(path: Path) -> tuple[Path, ...]:
    """Return the files a shapefile consists of, whatever the case of their suffixes."""
    beside = sorted(path.parent.glob("*"))
    return tuple(part for part in beside if part.stem == path.stem and part.suffix.lower() in SHAPEFILE)


def _same_crs(found: str | None, declared: CRS | Shifted, where: str, *, is_geojson: bool) -> None:
    try:
        own = CRS.from_user_input(found) if found else None
    except CRSError:
        own = None
    if isinstance(declared, Shifted):
        # No file can say so: shifted coordinates come labelled as true ones, or not at all.
        fits = own is None or own.is_geographic
    elif own is None:
        fits = False
    else:
        fits = own.equals(declared, ignore_axis_order=True) or own.to_epsg() == declared.to_epsg()
        # GeoJSON cannot name another CRS than WGS 84 (RFC 7946, 4), which agrees with CGCS2000 within decimetres.
        fits = fits or (is_geojson and own.to_epsg() == 4326 and declared.to_epsg() in (4326, 4490))
    if not fits:
        raise SetAsideError(
            where,
            f"CRS {own.name}" if own else "no CRS in the file",
            declared if isinstance(declared, Shifted) else declared.name,
            "ask the department for the file in the declared CRS; of a shapefile the .prj belongs to it",
            reason="crs_mismatch",
        )


def _whole_shapefile(path: Path, where: str) -> int:
    """Assert what GDAL passes over: all three files, each as long as its header says (ESRI white paper, dBASE III).

    Returns:
        How many rows are marked as deleted: GDAL counts them, but does not give them.
    """
    parts = {part.suffix.lower(): part for part in shapefile_parts(path)}
    missing = [path.stem + suffix for suffix in _NEEDED if suffix not in parts]
    if missing:
        raise incomplete(where, f"{', '.join(missing)} missing")
    for suffix in (".shp", ".shx"):
        with parts[suffix].open("rb") as file:
            told = 2 * int.from_bytes(file.read(100)[24:28], "big")
        if told < 100 or told != parts[suffix].stat().st_size:
            raise incomplete(
                where, f"its {suffix} is {parts[suffix].stat().st_size} bytes long, its header tells {told}"
            )
    with parts[".dbf"].open("rb") as file:
        head = file.read(32)
    rows, start, width = (int.from_bytes(head[a:b], "little") for a, b in ((4, 8), (8, 10), (10, 12)))
    if len(head) < 32 or parts[".dbf"].stat().st_size < start + rows * width:
        raise incomplete(where, f"its .dbf is too short for the {rows} rows its header tells")
    return _deleted(parts[".dbf"], start, width, rows)


def _deleted(dbf: Path, start: int, width: int, rows: int) -> int:
    if not rows or not width:
        return 0
    with dbf.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        return mapped[start : start + rows * width : width].count(b"*")


def incomplete(where: str, came: str) -> SetAsideError:
    """Return the error for a delivery of which a part is missing."""
    return SetAsideError(
        where, came, "whole files", "ask the department to send it again, whole", reason="drop_incomplete"
    )


def unreadable_by_gdal(where: str, error: Exception) -> SetAsideError:
    """Return the error for a file that GDAL refuses; its own message names paths and is left out."""
    return unreadable(
        where, f"GDAL cannot read it ({type(error).__name__})", "a whole shapefile, FileGDB, GeoPackage or GeoJSON"
    )
