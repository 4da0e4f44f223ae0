"""GeoJSON feature collections as answers: properties as text, geometries as WKB; for `ogc_features` and `wfs`."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import isfinite
from types import NoneType
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import requests
import shapely

from connectors.base import Request
from connectors.geo_options import GEOMETRY
from connectors.plain_points import wkb_of
from connectors.rest_answers import is_gb, json_of
from connectors.rest_chunks import value_of
from connectors.rows import as_text, quick_columns

__all__ = ["feature_batch", "features_of", "geometry_types", "total_told"]

_LONGEST_TOTAL: Final = 15
_MINUS_ZERO: Final = re.compile(rb"-0(?![0-9.eE])")
"""Of which orjson makes 0, another text."""
_SCALARS: Final = frozenset((str, int, bool, NoneType))
"""What is the same text however it is read; of a float only its own text has every digit."""

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
    parsed = _parsed(response.content)
    quick = _quick(parsed, response)
    body = json_of(response) if quick is None else quick
    features = _features(body)
    if features is None:
        raise ValueError("no feature collection")
    names = [str(feature["id"]) for feature in features if feature.get("id") is not None]
    if not shapes:
        return body, _records(features), names, []
    # What orjson refuses (NaN, half a surrogate pair), Python reads.
    whole = json.loads(response.content) if parsed is None else parsed
    return body, _records(features), names, _shapes([feature.get("geometry") for feature in whole["features"]])


def _parsed(content: bytes) -> Any:
    collects = gc.isenabled()
    # Of a page's many objects none is garbage yet, and for each thousand of them all others would be looked through.
    gc.disable()
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    finally:
        if collects:
            gc.enable()


def _quick(parsed: Any, response: requests.Response) -> Mapping[str, Any] | None:
    """The collection as `json_of` would read it, but for ids and geometries; None where that is not sure."""
    features = _features(parsed)
    if features is None or is_gb(response) or _MINUS_ZERO.search(response.content):
        return None
    records = _records(features)
    kinds = set(map(type, chain.from_iterable(map(dict.values, records))))
    if not kinds | {type(feature.get("id")) for feature in features} <= _SCALARS:
        return None
    try:
        orjson.dumps(features)  # refuses what nests deeply, on which `json_of` has the say
        about = orjson.dumps({name: value for name, value in parsed.items() if name != "features"})
    except orjson.JSONEncodeError:
        return None
    if int in kinds:
        for record in records:
            record.update([(name, str(value)) for name, value in record.items() if type(value) is int])
    return {**json.loads(about, parse_float=str, parse_int=str), "features": features}


def _features(body: Any) -> list[dict[str, Any]] | None:
    features = body.get("features") if isinstance(body, dict) else None
    whole = isinstance(features, list) and all(isinstance(feature, dict) for feature in features)
    return features if whole else None


def _records(features: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [properties if isinstance(properties := f.get("properties"), dict) else {} for f in features]


def _shapes(geometries: Sequence[Any]) -> list[bytes | None]:
    """Plain points all at once; each other one is written as GeoJSON once more, for shapely to read."""
    found = np.full(len(geometries), None, dtype=object)
    places = [_place(geometry) for geometry in geometries]
    plain = np.array([place is not None for place in places], dtype=bool)
    if plain.any():
        found[plain] = wkb_of(np.array([place for place in places if place is not None]))
    if not plain.all():
        texts = [_geometry(geometry) for geometry, place in zip(geometries, places, strict=True) if place is None]
        found[~plain] = shapely.to_wkb(shapely.from_geojson(texts, on_invalid="ignore"))
    shapes: list[bytes | None] = found.tolist()
    return shapes


def _place(geometry: Any) -> list[float] | None:
    """Where a point of two numbers lies that says nothing else; None of any other geometry."""
    if not isinstance(geometry, dict) or len(geometry) != 2 or geometry.get("type") != "Point":
        return None
    place = geometry.get("coordinates")
    if not isinstance(place, list) or len(place) != 2:
        return None
    x, y = place
    return place if type(x) is type(y) is float and isfinite(x) and isfinite(y) else None


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
    texts = replace(request, fields=tuple(name for name in request.fields if name != GEOMETRY))
    quick = quick_columns(records, texts)
    columns = dict(zip(texts.fields, _columns(records, texts) if quick is None else quick.columns, strict=True))
    if GEOMETRY in request.fields:
        columns[GEOMETRY] = pa.array(shapes, pa.binary())
    return pa.record_batch([columns[name] for name in request.fields], names=list(request.fields))


def _columns(records: Sequence[Mapping[str, Any]], request: Request) -> list[pa.Array]:
    """Each column in one call where all of it is text, else cell by cell."""
    columns = []
    for name in request.fields:
        values = [value_of(record, request.names_of(name)) for record in records]
        try:
            columns.append(pa.array(values, pa.string()))
        except pa.ArrowTypeError:
            columns.append(pa.array([as_text(value) for value in values], pa.string()))
    return columns


def geometry_types(columns: Sequence[str]) -> dict[str, str]:
    """Return the types of properties met, and of the geometry."""
    return {**dict.fromkeys(columns, "json"), GEOMETRY: "geometry"}


def total_told(value: Any) -> int | None:
    """Return a count of features as a service tells it; None where it is `unknown` or left out."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_TOTAL else None
