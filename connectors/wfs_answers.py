"""What a WFS 2.0.0 (OGC 09-025r2) answers: capabilities, a type's columns, counts, and pages of GML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import requests
from lxml import etree
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
from pyogrio.raw import read

from connectors.errors import RetryError, StopError
from connectors.rest_answers import at_path, shown
from connectors.rest_features import features_of, total_told

__all__ = ["Collection", "Service", "collection_of", "columns_of", "matched_of", "service_of"]

_GML: Final = "http://www.opengis.net/gml"
_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_PASSING: Final = ("NoApplicableCode", "OperationProcessingFailed", "ServerBusy")
"""Codes of a server that failed at a request it understood (OWS Common, table 27; WFS, table 3)."""


@dataclass(frozen=True)
class Service:
    """What the capabilities say of one feature type.

    Attributes:
        json_format: The output format that is GeoJSON; None where only GML is offered.
        crs: Names of the CRS in which the type is given.
    """

    json_format: str | None
    crs: tuple[str, ...]


@dataclass(frozen=True)
class Collection:
    """A page of features.

    Attributes:
        records: Properties of each, as text.
        names: The names the features have.
        shapes: WKB of each geometry.
        crs: The CRS the page tells, empty where it tells none.
        matched: How many features there are in all; None where the page does not tell.
    """

    records: list[dict[str, Any]]
    names: list[str]
    shapes: list[bytes | None]
    crs: str
    matched: int | None


def _tree(response: requests.Response, where: str) -> Any:
    """Return an answer's root; entities are not resolved and nothing is fetched.

    Raises:
        ValueError: No XML, or one with a document type.
        StopError: The service refuses the request.
        RetryError: The service failed at it.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(response.content, parser)
    except etree.LxmlError:
        if not response.ok:
            raise _refused(where, f"HTTP {response.status_code}") from None
        raise ValueError("no XML") from None
    if root.getroottree().docinfo.doctype:
        raise ValueError("a document type")
    if _local(root) != "ExceptionReport":
        if not response.ok:
            raise _refused(where, f"HTTP {response.status_code}")
        return root
    codes = [str(node.get("exceptionCode")) for node in root.iter("{*}Exception")]
    code = codes[0] if codes else ""
    if code in _PASSING:
        raise RetryError(
            where, f"the service answers {code}", "features", "run again later; if it stays, ask the department"
        )
    raise _refused(where, f"the service answers {shown(code)}")


def _refused(where: str, came: str) -> StopError:
    return StopError(
        where,
        came,
        "an answer of WFS 2.0.0",
        "check place, type_name, sort_by, crs and credentials with the department",
    )


def _local(node: Any) -> str:
    """A tag without its namespace; a comment has none."""
    return str(node.tag).rpartition("}")[2] if isinstance(node.tag, str) else ""


def service_of(response: requests.Response, type_name: str, where: str) -> Service:
    """Read the capabilities.

    Raises:
        ValueError: They are no capabilities.
        StopError: The service does not have the type, or refuses.
    """
    root = _tree(response, where)
    if _local(root) != "WFS_Capabilities":
        raise ValueError("no capabilities")
    named = [node for node in root.iter("{*}FeatureType") if (node.findtext("{*}Name") or "").strip() == type_name]
    if not named:
        raise StopError(
            where, "no such feature type", "one that the service names", "correct `type_name` in the contract's pull"
        )
    kind = named[0]
    formats = [_text(node) for node in kind.findall("{*}OutputFormats/{*}Format")]
    for operation in root.iter("{*}Operation"):
        if operation.get("name") == "GetFeature":
            formats += [
                _text(value) for p in operation if p.get("name") == "outputFormat" for value in p.iter("{*}Value")
            ]
    crs = [_text(node) for node in kind if _local(node) in ("DefaultCRS", "OtherCRS")]
    return Service(next((form for form in formats if _is_geojson(form)), None), tuple(crs))


def _text(node: Any) -> str:
    return (node.text or "").strip()


def _is_geojson(form: str) -> bool:
    form = form.lower()
    return "json" in form and "jsonp" not in form and "topojson" not in form


def columns_of(response: requests.Response, where: str) -> dict[str, str]:
    """Return the columns that DescribeFeatureType tells -> type, those of GML left out: they are the geometry.

    Raises:
        ValueError: It is no schema.
        StopError: The service refuses.
    """
    root = _tree(response, where)
    if _local(root) != "schema":
        raise ValueError("no schema")
    columns = {}
    for node in root.iterfind(".//{*}sequence/{*}element"):
        prefix, _, kind = str(node.get("type") or "").rpartition(":")
        if node.get("name") and not str(node.nsmap.get(prefix or None) or "").startswith(_GML):
            columns[str(node.get("name"))] = kind or "text"
    return columns


def matched_of(response: requests.Response, where: str) -> int | None:
    """Return the count that `resultType=hits` gives; None where the service does not count.

    Raises:
        ValueError: It is no collection.
        StopError: The service refuses.
    """
    return total_told(_collection(response, where).get("numberMatched"))


def _collection(response: requests.Response, where: str) -> Any:
    root = _tree(response, where)
    if _local(root) != "FeatureCollection":
        raise ValueError("no feature collection")
    return root


def collection_of(response: requests.Response, where: str, *, shapes: bool) -> Collection:
    """Read a page, GeoJSON or GML as it came.

    Args:
        response: The answer.
        where: How errors name the offer.
        shapes: Whether the geometries are wanted; else there are none, and GML tells no CRS.

    Raises:
        ValueError: It is neither, or not whole.
        StopError: The service refuses.
    """
    if not response.ok or response.content.lstrip()[:1] != b"{":
        return _gml(response, where, shapes=shapes)
    body, records, names, geometries = features_of(response, shapes=shapes)
    crs = at_path(body, "crs.properties.name")
    matched = total_told(body.get("numberMatched", body.get("totalFeatures")))
    return Collection(records, names, geometries, crs if isinstance(crs, str) else "", matched)


def _gml(response: requests.Response, where: str, *, shapes: bool) -> Collection:
    """Properties from the XML itself, since GDAL makes numbers of codes; geometries by GDAL: GML has many forms."""
    root = _collection(response, where)
    features = [feature for member in root.iterfind("{*}member") for feature in member if _local(feature)]
    if total_told(root.get("numberReturned")) not in (None, len(features)):
        raise ValueError("another number of features than told")
    names = [name for feature in features if (name := _gml_name(feature))]
    geometries: list[bytes | None] = [None] * len(features) if shapes else []
    crs = ""
    if shapes and any(map(_has_gml, features)):
        geometries, crs = _gml_shapes(response.content, len(features))
    matched = total_told(root.get("numberMatched"))
    return Collection([_properties(f) for f in features], names, geometries, crs, matched)


def _gml_name(feature: Any) -> str:
    return next((str(value) for name, value in feature.attrib.items() if name.endswith("}id") and _GML in name), "")


def _has_gml(feature: Any) -> bool:
    return any(_is_gml(inner) for node in feature for inner in node)


def _is_gml(node: Any) -> bool:
    return isinstance(node.tag, str) and node.tag.startswith("{" + _GML)


def _properties(feature: Any) -> dict[str, Any]:
    """The simple properties (GML simple features, level 0); what holds elements is no cell."""
    return {
        _local(node): None if node.get(_NIL) in ("true", "1") else node.text or ""
        for node in feature
        if _local(node) and not len(node) and not _is_gml(node)
    }


def _gml_shapes(content: bytes, count: int) -> tuple[list[bytes | None], str]:
    try:
        # A schema named in the answer is not fetched: it may lie anywhere.
        meta, _, shapes, _ = read(content, columns=[], DOWNLOAD_SCHEMA="NO")
    except (DataSourceError, DataLayerError, FeatureError, IndexError):
        # IndexError: how pyogrio 0.13 says that GDAL finds no layer at all.
        raise ValueError("GML that GDAL cannot read") from None
    if shapes is None:
        return [None] * count, ""
    if len(shapes) != count:
        raise ValueError("fewer geometries than features")
    return list(shapes), str(meta["crs"] or "")
