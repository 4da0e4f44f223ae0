"""GeoJSON feature collections as answers: properties as text, geometries as WKB; for `ogc_features` and `wfs`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa
import requests
import shapely

from connectors.base import Request
from connectors.geo_options import GEOMETRY
from connectors.rest_answers import json_of
from connectors.rest_chunks import value_of
from connectors.rows import as_text

__all__ = ["feature_batch", "features_of", "geometry_types", "total_told"]

_LONGEST_TOTAL: Final = 15

Features = tuple[Mapping[str, Any], list[dict[str, Any]], list[str], list[bytes | None]]
"""The collection, and of its features the properties, the names as far as they have some, and the geometries."""


def features_of(response: requests.Response, *, shapes: bool) -> Features:
    """Read a page of GeoJSON: numbers of properties as the text they came in, geometries as WKB.

    What GeoJSON does not allow as a geometry is null, so that one feature cannot hold up the rest.

    Args:
        response: The answer.
        shapes: Whether the geometries are wanted; else there are none.

    Raises:
        ValueError: It is no feature collection.
    """
    body = json_of(response)
    features = body.get("features") if isinstance(body, dict) else None
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise ValueError("no feature collection")
    records = [properties if isinstance(properties := f.get("properties"), dict) else {} for f in features]
    names = [str(feature["id"]) for feature in features if feature.get("id") is not None]
    return body, records, names, _shapes(response.content) if shapes else []


def _shapes(content: bytes) -> list[bytes | None]:
    try:
        features = orjson.loads(content)["features"]
    except orjson.JSONDecodeError:
        features = json.loads(content)["features"]  # what orjson refuses (NaN, half a surrogate pair), Python reads
    texts = [_geometry(feature.get("geometry")) for feature in features]
    shapes: list[bytes | None] = shapely.to_wkb(shapely.from_geojson(texts, on_invalid="ignore")).tolist()
    return shapes


def _geometry(value: Any) -> str | None:
    if not isinstance(value, dict) or not value:
        return None
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return None


def feature_batch(
    request: Request, records: Sequence[Mapping[str, Any]], shapes: Sequence[bytes | None]
) -> pa.RecordBatch:
    """Return features as Arrow, exactly the wanted columns, the geometry as binary and all else as text."""
    columns = [
        pa.array(shapes, pa.binary())
        if name == GEOMETRY
        else pa.array([as_text(value_of(record, request.names_of(name))) for record in records], pa.string())
        for name in request.fields
    ]
    return pa.record_batch(columns, names=list(request.fields))


def geometry_types(columns: Sequence[str]) -> dict[str, str]:
    """Return the types of properties met, and of the geometry."""
    return {**dict.fromkeys(columns, "json"), GEOMETRY: "geometry"}


def total_told(value: Any) -> int | None:
    """Return a count of features as a service tells it; None where it is `unknown` or left out."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_TOTAL else None
