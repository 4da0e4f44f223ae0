"""Kind `geo_file`: shapefiles, GeoPackages and what else GDAL reads, from a drop folder, in the declared CRS only."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError
from pyogrio.raw import open_arrow
from pyproj import CRS
from pyproj.exceptions import CRSError

from connectors.base import BATCH_ROWS, Connection, Offer, Request, Withheld
from connectors.drops import Delivery, deliveries, drop_folder, file_errors
from connectors.errors import SetAsideError, StopError
from connectors.ogc import GEOMETRY
from connectors.rows import regrouped, schema_drift

__all__ = ["GeoFileConnector"]

_SHAPEFILE: Final = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_NEEDED: Final = (".shp", ".shx", ".dbf")
_BYTES: Final = "ISO-8859-1"
"""Read in this encoding, text holds the file's bytes one to one: GDAL drops what it cannot decode without a word."""


class GeoFileConnector:
    """Reads geographic deliveries of a folder.

    Args:
        connection: `place` is the folder.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer | Withheld]:
        """Offer every delivery by name (increment) or the newest (snapshot), whole and in the declared CRS.

        Raises:
            StopError: The folder, `pattern`, `crs` or `encoding` is wrong.
            RetryError: The folder is away.
        """
        crs = _declared(request)
        for delivery in deliveries(drop_folder(self._connection), request, _parts):
            if isinstance(delivery, Withheld):
                yield delivery
                continue
            try:
                with file_errors(f"{request.tail}, {delivery.name}"):
                    yield _GeoOffer(delivery, request, _layer(delivery, request, crs))
            except SetAsideError as error:
                yield Withheld(delivery.name, error.reason, str(error), delivery.fingerprint)


@dataclass(frozen=True)
class _Layer:
    """What a file's header says.

    Attributes:
        columns: Column name -> the name under which GDAL gives it.
        encoding: Declared encoding of a shapefile's texts; None where the format knows its own.
        features: How many features there are; None where the format does not say.
    """

    columns: Mapping[str, str]
    encoding: str | None
    features: int | None


class _GeoOffer(Offer):
    """One layer of one file."""

    def __init__(self, delivery: Delivery, request: Request, layer: _Layer) -> None:
        self._delivery = delivery
        self._request = request
        self._layer = layer
        self._where = f"{request.tail}, {delivery.name}"
        self.name = delivery.name
        self.fingerprint = delivery.fingerprint
        self.expected_rows = delivery.rows if delivery.rows is not None else layer.features

    def read(self) -> Iterator[pa.RecordBatch]:
        """Stream the features, attributes in the types of the file, geometry as WKB; see `Offer.read`."""
        missing = [name for name in self._request.fields if name not in self._layer.columns]
        if missing:
            raise schema_drift(self._where, "column(s) missing: " + ", ".join(missing), self._request.fields)
        count = 0
        with file_errors(self._where):
            for batch in regrouped(self._batches()):
                count += batch.num_rows
                yield batch
        self._delivery.unchanged()
        if self.expected_rows is not None and count != self.expected_rows:
            raise _incomplete(self._where, f"{count} features where {self.expected_rows} are told")

    def _batches(self) -> Iterator[pa.RecordBatch]:
        names = {name: self._layer.columns[name] for name in self._request.fields}
        try:
            with open_arrow(
                self._delivery.path,
                layer=self._request.options.get("layer"),
                encoding=_BYTES if self._layer.encoding else None,
                columns=[given for name, given in names.items() if name != GEOMETRY],
                read_geometry=GEOMETRY in names,
                batch_size=BATCH_ROWS,
                use_pyarrow=True,
                datetime_as_string=True,
            ) as (meta, reader):
                names = {**names, GEOMETRY: meta["geometry_name"] or "wkb_geometry"} if GEOMETRY in names else names
                yield self._named(pa.RecordBatch.from_pylist([], reader.schema), names)
                for batch in reader:
                    yield self._named(batch, names)
        except (DataSourceError, DataLayerError, pa.ArrowException) as error:
            raise _unreadable(self._where, error) from None

    def _named(self, batch: pa.RecordBatch, names: Mapping[str, str]) -> pa.RecordBatch:
        columns = [self._decoded(batch.column(given)) for given in names.values()]
        return pa.record_batch(columns, names=list(names))

    def _decoded(self, column: pa.Array) -> pa.Array:
        encoding = self._layer.encoding
        if (
            encoding is None
            or not pa.types.is_string(column.type)
            or pc.all(pc.string_is_ascii(column)).as_py() is not False
        ):
            return column
        # A text cut at the field's width may end amid a character; that rest holds nothing and is left out.
        decoder = codecs.getincrementaldecoder(encoding)
        try:
            texts = [
                None if text is None else decoder("strict").decode(text.encode(_BYTES)) for text in column.to_pylist()
            ]
        except UnicodeDecodeError:
            raise SetAsideError(
                self._where,
                f"bytes that are not {encoding}",
                f"{encoding} throughout",
                "ask the department to export it again in the agreed encoding",
                reason="encoding_invalid",
            ) from None
        return pa.array(texts, pa.string())


def _declared(request: Request) -> CRS:
    encoding = request.options.get("encoding")
    try:
        codecs.lookup(str(encoding or _BYTES))
        return CRS.from_user_input(request.option("crs"))
    except (CRSError, LookupError):
        raise StopError(
            f"pull of {request.tail}",
            f"crs {request.options['crs']!r}, encoding {encoding!r}",
            "a CRS as EPSG:4490, an encoding as gb18030",
            f"correct them in schemas/sources/{request.tail}.yml",
        ) from None


def _parts(path: Path) -> tuple[Path, ...]:
    if path.suffix.lower() != ".shp":
        return (path,)
    beside = sorted(path.parent.glob(f"{path.stem}.*"))
    return tuple(part for part in beside if part.stem == path.stem and part.suffix.lower() in _SHAPEFILE)


def _layer(delivery: Delivery, request: Request, crs: CRS) -> _Layer:
    where = f"{request.tail}, {delivery.name}"
    shapefile = delivery.path.suffix.lower() == ".shp"
    if shapefile:
        _whole_shapefile(delivery.path, where)
    encoding = request.options.get("encoding") if shapefile else None
    try:
        info = pyogrio.read_info(
            delivery.path, layer=request.options.get("layer"), encoding=_BYTES if encoding else None
        )
    except DataLayerError:
        raise schema_drift(where, f"no layer {request.options.get('layer')!r}", request.fields) from None
    except DataSourceError as error:
        raise _unreadable(where, error) from None
    _same_crs(info["crs"], crs, where)
    given = [str(name) for name in info["fields"]]
    decoded = [name.encode(_BYTES).decode(encoding, "replace") for name in given] if encoding else given
    geometry = {GEOMETRY: GEOMETRY} if info["geometry_type"] else {}
    return _Layer(
        {**dict(zip(decoded, given, strict=True)), **geometry},
        encoding,
        int(info["features"]) if info["features"] >= 0 else None,
    )


def _same_crs(found: str | None, declared: CRS, where: str) -> None:
    own = CRS.from_user_input(found) if found else None
    if own is None or not (own.equals(declared, ignore_axis_order=True) or own.to_epsg() == declared.to_epsg()):
        raise SetAsideError(
            where,
            f"CRS {own.name}" if own else "no CRS in the file",
            declared.name,
            "ask the department for the file in the declared CRS; of a shapefile the .prj belongs to it",
            reason="crs_mismatch",
        )


def _whole_shapefile(path: Path, where: str) -> None:
    """Assert what GDAL passes over: all three files, each as long as its header says (ESRI white paper, dBASE III)."""
    parts = {part.suffix.lower(): part for part in _parts(path)}
    missing = [path.stem + suffix for suffix in _NEEDED if suffix not in parts]
    if missing:
        raise _incomplete(where, f"{', '.join(missing)} missing")
    for suffix in (".shp", ".shx"):
        with parts[suffix].open("rb") as file:
            told = 2 * int.from_bytes(file.read(100)[24:28], "big")
        if told < 100 or told != parts[suffix].stat().st_size:
            raise _incomplete(
                where, f"its {suffix} is {parts[suffix].stat().st_size} bytes long, its header tells {told}"
            )
    with parts[".dbf"].open("rb") as file:
        head = file.read(32)
    rows, start, width = (int.from_bytes(head[a:b], "little") for a, b in ((4, 8), (8, 10), (10, 12)))
    if len(head) < 32 or parts[".dbf"].stat().st_size < start + rows * width:
        raise _incomplete(where, f"its .dbf is too short for the {rows} rows its header tells")


def _incomplete(where: str, came: str) -> SetAsideError:
    return SetAsideError(
        where, came, "whole files", "ask the department to send it again, whole", reason="drop_incomplete"
    )


def _unreadable(where: str, error: Exception) -> SetAsideError:
    return SetAsideError(
        where,
        f"GDAL cannot read it ({type(error).__name__})",
        "a whole shapefile, GeoPackage or GeoJSON",
        "ask the department to export it again",
        reason="unreadable",
    )
