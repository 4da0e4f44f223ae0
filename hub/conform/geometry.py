"""Reading geometries, before the expressions: any declared CRS to EPSG:4490, longitude first, valid, in range.

Done with shapely on streamed Arrow batches; the rest of `conform` finds the result in place of the raw column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from connectors.coordinates import Shifted, declared_crs
from hub.contracts import SourceContract
from hub.errors import ConfigurationError
from hub.reasons import Reason

__all__ = ["Placed", "place_geometries", "placed", "placed_schema"]

_HUB_CRS = CRS.from_user_input("EPSG:4490")
_LOWEST, _HIGHEST = (73.0, 18.0), (136.0, 54.0)
"""The country's longitudes and latitudes."""
_BATCH_ROWS = 65_536
_PARTS = ("reason", "original", "shown")
_EWKT = re.compile(r"(?i)^SRID\s*=\s*[0-9]+\s*;\s*")
_COLLECTION = re.compile(r"(?i)collection|curve|surface")
_MOST_MEMBERS = 1000
"""A geometry as text has no more parts that may have parts."""

_Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Placed:
    """Geometries in EPSG:4490, longitude first, and what was wrong with them; all arrays have one item a row.

    Attributes:
        geometry: shapely geometries; None where there is none that can be used.
        reason: Codes of `hub.reasons`, or None.
        original: Where there is a reason, what came, as WKT in its own CRS; as hexadecimal where it is no geometry.
        shown: Where there is a reason, what it became, as WKT.
    """

    geometry: _Array
    reason: _Array
    original: _Array
    shown: _Array


def place_geometries(parts: list[Path], contract: SourceContract, target: Path) -> None:
    """Copy raw parts into one Parquet file in which every geometry column is placed.

    A placed column holds WKB in EPSG:4490; `<column>__reason`, `__original` and `__shown` stand beside it.

    Raises:
        ConfigurationError: The contract does not say in which CRS its geometries come, or names one unknown.
    """
    crs = _declared_crs(contract)
    operations = {column.physical_name: column.operation for column in contract.columns if column.kind == "geometry"}
    source = ds.dataset(parts)
    with pq.ParquetWriter(target, placed_schema(source.schema, list(operations)), compression="zstd") as writer:
        for batch in source.to_batches(batch_size=_BATCH_ROWS, batch_readahead=1):
            arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
            for name, operation in operations.items():
                found = placed(batch[name], crs, operation)
                arrays[name] = pa.array(shapely.to_wkb(found.geometry), pa.binary())
                arrays |= {f"{name}__{part}": pa.array(getattr(found, part), pa.string()) for part in _PARTS}
            writer.write_batch(pa.record_batch(arrays))


def _declared_crs(contract: SourceContract) -> CRS | Shifted:
    declared = contract.pull.get("crs")
    try:
        return declared_crs(declared)
    except CRSError as error:
        raise ConfigurationError(
            [f"{contract.tail}: its geometries need a known crs under `pull`: EPSG:4548, GCJ-02; it has {declared!r}"]
        ) from error


def placed_schema(raw: pa.Schema, geometries: list[str]) -> pa.Schema:
    """Return the schema `place_geometries` makes of a raw one."""
    fields = [pa.field(field.name, pa.binary()) if field.name in geometries else field for field in raw]
    return pa.schema([*fields, *(pa.field(f"{name}__{part}", pa.string()) for name in geometries for part in _PARTS)])


# A signalling NaN in a delivery gets its reason; numpy need not warn of it as well.
@np.errstate(invalid="ignore")
def placed(raw: pa.Array, crs: CRS | Shifted, operation: str) -> Placed:
    """Read geometries, longitude or easting first, and bring them to EPSG:4490.

    Args:
        raw: The geometries as they came: WKB, or text that is WKT, GeoJSON or WKB in hexadecimal digits.
        crs: What their source declares; of shifted coordinates the shift is taken back.
        operation: `point` takes points alone; `geometry` takes anything that is not empty.
    """
    sent = raw.to_numpy(zero_copy_only=False)
    if _is_text(raw.type):
        # What is blank in a text is not there.
        sent = np.array([None if text is None else text.strip() or None for text in sent], dtype=object)
    present = np.array([one is not None for one in sent], dtype=bool)
    came: Any = _from_text(sent) if _is_text(raw.type) else shapely.from_wkb(sent, on_invalid="ignore")
    reason = np.full(len(raw), None, dtype=object)
    fits = ~shapely.is_missing(came) & ~shapely.is_empty(came)
    if operation == "point":
        fits &= shapely.get_type_id(came) == shapely.GeometryType.POINT
    reason[present & ~fits] = str(Reason.GEOMETRY_INVALID)
    geometry = shapely.force_2d(np.where(fits, came, None))
    if isinstance(crs, Shifted) or crs.is_geographic:
        swapped = _inside(geometry, _LOWEST[::-1], _HIGHEST[::-1])
        geometry[swapped] = shapely.transform(geometry[swapped], lambda points: points[:, ::-1])
        reason[swapped] = str(Reason.COORDINATES_SWAPPED)
    geometry = _reprojected(geometry, crs)
    outside = fits & ~_inside(geometry, _LOWEST, _HIGHEST)
    geometry[outside] = None
    reason[outside] = str(Reason.COORDINATES_OUTSIDE)
    _mend(geometry, reason)
    spoken = reason.astype(bool)
    original = np.full(len(raw), None, dtype=object)
    original[spoken] = [_as_text(*pair) for pair in zip(came[spoken], sent[spoken], strict=True)]
    shown = np.full(len(raw), None, dtype=object)
    shown[spoken] = shapely.to_wkt(geometry[spoken], rounding_precision=-1)
    return Placed(geometry, reason, original, shown)


def _inside(geometry: _Array, lowest: tuple[float, ...], highest: tuple[float, ...]) -> npt.NDArray[np.bool_]:
    bounds = shapely.bounds(geometry)
    inside: npt.NDArray[np.bool_] = ((bounds[:, :2] >= lowest) & (bounds[:, 2:] <= highest)).all(axis=1)
    return inside


@cache
def _to_hub(crs: CRS) -> Transformer:
    # Looking up how two systems relate takes a second.
    return Transformer.from_crs(crs, _HUB_CRS, always_xy=True)


def _reprojected(geometry: _Array, crs: CRS | Shifted) -> _Array:
    if isinstance(crs, Shifted):
        unshifted: _Array = shapely.transform(geometry, crs.to_true)
        return unshifted
    transformer = _to_hub(crs)
    result: _Array = shapely.transform(
        geometry, lambda points: np.column_stack(transformer.transform(points[:, 0], points[:, 1]))
    )
    return result


def _mend(geometry: _Array, reason: _Array) -> None:
    """Make self-crossing geometries valid in place, keeping only parts of their own dimension."""
    for place in np.flatnonzero(~shapely.is_valid(geometry) & ~shapely.is_missing(geometry)):
        mended = shapely.make_valid(geometry[place], method="structure", keep_collapsed=False)
        parts = shapely.get_parts(mended)
        parts = parts[shapely.get_dimensions(parts) == shapely.get_dimensions(geometry[place])]
        whole = mended if len(parts) == shapely.get_num_geometries(mended) else shapely.union_all(parts)
        geometry[place] = None if whole.is_empty else whole
        reason[place] = str(Reason.GEOMETRY_INVALID if whole.is_empty else Reason.GEOMETRY_REPAIRED)


def _as_text(geometry: shapely.Geometry | None, sent: bytes | str) -> str:
    if geometry is None:
        return sent.hex() if isinstance(sent, bytes) else sent
    return str(shapely.to_wkt(geometry, rounding_precision=-1))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _from_text(texts: _Array) -> _Array:
    """Read texts by how they begin: `{` GeoJSON, `0` hexadecimal digits, else WKT."""
    # What EWKT says of its CRS does not count: the contract declares it.
    plain = np.array([None if _is_nested(text) else _EWKT.sub("", text) for text in texts], dtype=object)
    begins = np.array([(text or "")[:1] for text in plain], dtype=object)
    found = np.full(len(texts), None, dtype=object)
    for chosen, read in (
        (begins == "{", shapely.from_geojson),
        (begins == "0", shapely.from_wkb),
        ((begins != "{") & (begins != "0"), shapely.from_wkt),
    ):
        found[chosen] = read(plain[chosen], on_invalid="ignore")
    return found


def _is_nested(text: str | None) -> bool:
    """Whether a text is none, or has collections in collections until reading it would end the process."""
    return text is None or text.count("{") > _MOST_MEMBERS or len(_COLLECTION.findall(text)) > _MOST_MEMBERS
