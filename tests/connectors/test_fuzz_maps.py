"""Spoiled maps: GDAL opens each, and it is read or set aside; nothing else happens."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from pyogrio.raw import write

from connectors.base import Connection, Offer, Request, Withheld, connect
from connectors.errors import SetAsideError
from tests.connectors.fuzz import PERSON, chances, met, of, spoiled, tries, unhurried, written

pytestmark = unhurried

KINDS = {
    "shp": ("ESRI Shapefile", "EPSG:4490"),
    "dbf": ("ESRI Shapefile", "EPSG:4490"),
    "shx": ("ESRI Shapefile", "EPSG:4490"),
    "prj": ("ESRI Shapefile", "EPSG:4490"),
    "gpkg": ("GPKG", "EPSG:4490"),
    "geojson": ("GeoJSON", "EPSG:4326"),
    "gdb": ("OpenFileGDB", "EPSG:4490"),
}


def written_map(folder: Path, suffix: str) -> Path:
    """A map of eight squares in one of the formats."""
    driver, crs = KINDS[suffix]
    main = folder / f"f.{'shp' if driver == 'ESRI Shapefile' else suffix}"
    squares = [shapely.box(117 + n / 10, 34, 117.05 + n / 10, 34.05) for n in range(8)]
    shapes = [shapely.MultiPolygon([square]) for square in squares] if suffix == "gdb" else squares
    options: dict[str, Any] = {"encoding": "GB18030"} if driver == "ESRI Shapefile" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(
            main,
            shapely.to_wkb(np.array(shapes)),
            [np.array([PERSON, "李四，“甲”"] * 4, dtype=object), np.arange(8)],
            np.array(["a", "b"]),
            driver=driver,
            crs=crs,
            geometry_type=shapes[0].geom_type,
            **options,
        )
    return main


class Reader:
    """Takes the one delivery of a folder."""

    def __init__(self, main: Path, suffix: str) -> None:
        pull = {"pattern": main.name, "crs": KINDS[suffix][1], "encoding": "gb18030"}
        self.asked = Request("t/d", ("a", "b", "geometry"), pull)
        self.connector = connect(Connection("t", "drop", "geo_file", str(main.parent)))

    def __call__(self) -> None:
        (offer,) = self.connector.offers(self.asked, None)
        if isinstance(offer, Withheld):
            raise SetAsideError("t/d", offer.message, "", "", offer.reason)
        assert isinstance(offer, Offer)
        for batch in offer.read():
            batch.to_pylist()


def one_spoiled(folder: Path, count: int) -> Iterator[None]:
    """Of a folder that is one delivery, spoil one file at a time; tables more often than what leads to them."""
    whole = {path: path.read_bytes() for path in sorted(folder.iterdir()) if path.stat().st_size}
    weights = [3 if path.suffix == ".gdbtable" else 1 for path in whole]
    chance = chances("geodatabase")
    for _ in range(count):
        (path,) = chance.choices(list(whole), weights)
        path.write_bytes(spoiled(whole[path], chance))
        yield
        path.write_bytes(whole[path])


@pytest.mark.parametrize("suffix", KINDS)
def test_spoiled_maps(suffix: str, tmp_path: Path) -> None:
    main, count = written_map(tmp_path, suffix), tries(300)
    read = Reader(main, suffix)
    read()
    part = main.with_suffix(f".{suffix}")
    attempts = one_spoiled(main, count) if main.is_dir() else written(part, of(part.read_bytes(), count))
    found = met(attempts, read, tmp_path)
    assert found.total() == count
    assert 0 < found["read"] < count
