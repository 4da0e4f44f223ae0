"""Options of the geographic kinds: `geo_file`, `ogc_features`, `wfs`."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from connectors.file_options import Drop, Zipped
from connectors.options import Count, Crs, Encoding, Options, PullOptions, Text, quoted

__all__ = ["CRS84", "GEOGRAPHIC", "GEOMETRY", "GeoFilePull", "OgcPull", "Probed", "WfsPull"]

GEOGRAPHIC: Final = ("geo_file", "ogc_features", "wfs")
"""Kinds that know which of their columns is the geometry."""

GEOMETRY: Final = "geometry"
"""The name that these give it, as WKB; so a contract must call it."""

CRS84: Final = "OGC:CRS84"
"""What GeoJSON is in where nothing else is agreed: longitude, latitude (RFC 7946, 4)."""

_TYPE: Final = re.compile(r"[\w.-]+(:[\w.-]+)?")
_SORT: Final = re.compile(r"[\w.:/-]+( (ASC|DESC))?(,[\w.:/-]+( (ASC|DESC))?)*")


def _type_name(text: str) -> str:
    if not _TYPE.fullmatch(text):
        raise ValueError(f"{quoted(text)} is no name as the capabilities have it: prefix:name")
    return text


def _sort_by(text: str) -> str:
    if not _SORT.fullmatch(text):
        raise ValueError(f"{quoted(text)} does not name columns that tell each feature apart: a or a,b DESC")
    return text


def _registered(name: str) -> str:
    from connectors.coordinates import Shifted, declared_crs  # PROJ is loaded where there are geometries

    found = declared_crs(name)
    if not isinstance(found, Shifted) and found.to_authority() is None:
        raise ValueError(f"{quoted(name)} is not a CRS of a register, as EPSG:4490, nor GCJ-02 or BD-09")
    return name


ServedCrs = Annotated[Crs, AfterValidator(_registered)]
"""What a service can be asked for: by the name a register has for it."""


class ProbeOptions(Options):
    """A feature whose true place is known.

    Attributes:
        where: The column that names it, and its value there.
        near: Its true longitude and latitude.
        within_m: How many metres from there its geometry may lie at most.
    """

    where: dict[str, str | int | float | bool] = Field(min_length=1, max_length=1)
    near: tuple[Annotated[float, Field(ge=-180, le=180)], Annotated[float, Field(ge=-90, le=90)]]
    within_m: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Probed(Options):
    """What every geographic kind may have."""

    probe: ProbeOptions | None = None


class GeoFilePull(PullOptions, Drop, Zipped, Probed):
    """Which layer of which files is read."""

    page: ClassVar[str] = "docs/connectors/geo.md"
    layer: Text | None = None
    crs: Crs
    encoding: Encoding | None = None


class _ServicePull(PullOptions, Probed):
    """What both services share."""

    page: ClassVar[str] = "docs/connectors/ogc-wfs.md"
    mode: Literal["snapshot"]
    page_size: Count = 1000
    pages_a_chunk: Count = 50
    axis_order: Literal["auto", "xy", "yx"] = "auto"


class OgcPull(_ServicePull):
    """Which collection is read."""

    collection: Text
    crs: ServedCrs = CRS84


class WfsPull(_ServicePull):
    """Which feature type is read; docs/connectors/ogc-wfs.md has each option's meaning."""

    type_name: Annotated[Text, AfterValidator(_type_name)]
    sort_by: Annotated[Text, AfterValidator(_sort_by)]
    format: Literal["auto", "gml"] = "auto"
    crs: ServedCrs
