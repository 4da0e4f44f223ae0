"""Kind `geo_file`: GeoJSON, FileGDB, shapefiles and GeoPackages, alone or zipped, in the declared CRS only."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyogrio.errors import DataLayerError, DataSourceError
from pyogrio.raw import open_arrow
from pyproj import CRS

from connectors.base import BATCH_ROWS, WHOLE, Chunk, Connection, Offer, Request, Withheld
from connectors.coordinates import Shifted, declared_crs
from connectors.drops import Delivery, deliveries
from connectors.errors import SetAsideError
from connectors.file_options import Zipped
from connectors.geo_layer import BYTES, SHAPEFILE, incomplete, quiet, read_layer, unreadable_by_gdal
from connectors.geo_options import GEOMETRY, GeoFilePull
from connectors.options import options_of, part_of
from connectors.places import check_place, open_store
from connectors.probe import Probe, probe_of
from connectors.rows import column_positions, missing_columns, regrouped
from connectors.stores import Item, Listing, Spool, Store, file_errors
from connectors.zipped import unpacked_whole

__all__ = ["GeoFileConnector"]

_FOLDERS: Final = (".gdb",)


class GeoFileConnector:
    """Reads geographic deliveries.

    Args:
        connection: `place` is a folder, `sftp://user@host:port/path` or `s3://bucket/prefix`.

    Raises:
        StopError: The place or its options cannot be right.
    """

    def __init__(self, connection: Connection) -> None:
        check_place(connection)
        self._connection = connection

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer | Withheld]:
        """Offer every delivery by name (increment) or the newest (snapshot), whole and in the declared CRS.

        Raises:
            StopError: The place, its credentials, `pattern`, `crs`, `probe` or `encoding` is wrong.
            RetryError: The place is away.
        """
        crs = declared_crs(options_of(GeoFilePull, request).crs)
        for delivery in deliveries(open_store(self._connection), request, mark, _parts, _FOLDERS):
            if isinstance(delivery, Withheld):
                yield delivery
                continue
            try:
                with file_errors(f"{request.tail}, {delivery.name}"):
                    offer = _GeoOffer(delivery, request, crs)
            except SetAsideError as error:
                yield Withheld(delivery.name, error.reason, str(error), delivery.fingerprint)
            else:
                yield offer


class _GeoOffer(Offer):
    """One layer of one file."""

    def __init__(self, delivery: Delivery, request: Request, crs: CRS | Shifted) -> None:
        self._delivery = delivery
        self._request = request
        self._crs = crs
        self._where = f"{request.tail}, {delivery.name}"
        self._spool = Spool() if part_of(Zipped, request).member else None
        self._path = (
            unpacked_whole(delivery.path, request, self._where, self._spool.path) if self._spool else delivery.path
        )
        self._layer = read_layer(self._path, request, crs, self._where)
        self.name = delivery.name
        self.fingerprint = delivery.fingerprint
        self.expected_rows = delivery.rows if delivery.rows is not None else self._layer.features
        self.available = self._layer.types

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        """Stream the features, attributes in the types of the file, geometry as WKB; see `Offer.read`."""
        probe = probe_of(self._request, self._crs)
        given = list(self._layer.columns.values())
        positions = column_positions(list(self._layer.columns), self._request, self._where)
        names = {
            field: given[position] if position >= 0 else None
            for field, position in zip(self._request.fields, positions, strict=True)
        }
        count = 0
        with file_errors(self._where):
            for batch in regrouped(self._batches(names, probe)):
                count += batch.num_rows
                self._request.pace(batch.num_rows)
                yield batch
        self._delivery.unchanged()
        if self.expected_rows is not None and count != self.expected_rows:
            raise incomplete(self._where, f"{count} features where {self.expected_rows} are told")
        if probe is not None:
            probe.settle(self._where, must_be_there=self._request.mode == "snapshot")

    def mark(self, notes: Sequence[Chunk | None]) -> dict[str, Any] | None:
        """Return which deliveries of a remote store need not be copied again; see `Offer.mark`."""
        return self._delivery.kept()

    def _batches(self, names: dict[str, str | None], probe: Probe | None) -> Iterator[pa.RecordBatch]:
        probed = self._probed(probe)
        wanted = {name for name in (*names.values(), probed) if name is not None and name != GEOMETRY}
        try:
            with ExitStack() as stack:
                with quiet():
                    meta, reader = stack.enter_context(self._opened(sorted(wanted), names, probe))
                geometry = meta["geometry_name"] or "wkb_geometry"
                yield self._named(pa.RecordBatch.from_pylist([], reader.schema), names, geometry)
                while (batch := _next(reader)) is not None:
                    if probe is not None and probed is not None:
                        probe.look(self._decoded(batch.column(probed)), batch.column(geometry))
                    yield self._named(batch, names, geometry)
        except (DataSourceError, DataLayerError, pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the file system's own, not GDAL's by way of Arrow
            raise unreadable_by_gdal(self._where, error) from None

    def _opened(self, wanted: list[str], names: dict[str, str | None], probe: Probe | None) -> Any:
        return open_arrow(
            self._path,
            layer=options_of(GeoFilePull, self._request).layer,
            encoding=BYTES if self._layer.encoding else None,
            columns=wanted,
            read_geometry=probe is not None or GEOMETRY in names.values(),
            batch_size=BATCH_ROWS,
            use_pyarrow=True,
            datetime_as_string=True,
        )

    def _probed(self, probe: Probe | None) -> str | None:
        """Return GDAL's name of the probe's column."""
        if probe is None:
            return None
        name = self._layer.columns.get(probe.column)
        if name is None or GEOMETRY not in self._layer.columns:
            missing_columns(self._where, [probe.column], Request(self._request.tail, (probe.column, GEOMETRY)))
        return name

    def _named(self, batch: pa.RecordBatch, names: dict[str, str | None], geometry: str) -> pa.RecordBatch:
        columns = []
        for field, given in names.items():
            if given is None:
                columns.append(pa.nulls(batch.num_rows, pa.binary() if field == GEOMETRY else pa.string()))
            else:
                columns.append(self._decoded(batch.column(geometry if given == GEOMETRY else given)))
        found = pa.record_batch(columns, names=list(names))
        # GDAL passes on texts that are no UTF-8.
        found.validate(full=True)
        return found

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
                None if text is None else decoder("strict").decode(text.encode(BYTES)) for text in column.to_pylist()
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


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    with quiet():
        try:
            return reader.read_next_batch()
        except StopIteration:
            return None


def _parts(store: Store, listing: Listing, main: Item) -> Sequence[Item]:
    """Return all files of a delivery: of a shapefile those beside it, of a FileGDB those within it."""
    if main.folder:
        return store.inside(main)
    path = PurePosixPath(main.name)
    if path.suffix.lower() != ".shp":
        return (main,)
    beside = (item for name, item in sorted(listing.beside.items()) if PurePosixPath(name).parent == path.parent)
    return tuple(
        item
        for item in beside
        if PurePosixPath(item.name).stem == path.stem and PurePosixPath(item.name).suffix.lower() in SHAPEFILE
    )
