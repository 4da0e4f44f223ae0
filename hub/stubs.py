"""What `hub new` begins a dataset with: a contract for the connection it comes over, a suite, a sample of a drop."""

# ruff: noqa: E501 - a stub keeps one column a line, as contracts do
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connectors.auth_options import implied

__all__ = ["SAMPLES", "chosen", "contract_stub", "suite_stub"]

_CONTRACT: Final = """\
# {dataset}: one sentence on what this is and how it comes.
apiVersion: v3.2.0
kind: DataContract
id: {tail}
name: 中文名称
version: 0.1.0
status: draft
domain: population
team: {{name: {department}, description: 数源部门}}
slaProperties: [{{property: frequency, value: 1, unit: m}}]
customProperties:
  - {{property: connection, value: {connection}}}
  - {{property: pull, value: {pull}}}
{feeds}schema:
  - name: {dataset}
    businessName: 中文名称
    physicalName: {dataset}
    logicalType: object
    properties:
{columns}"""

_SUITE: Final = """\
# What must be true of {tail} beyond what its contract's types say.
name: {tail}
expectations: []
meta: {{owner: {department}}}
"""

_PERSON_FEEDS: Final = """\
  - property: feeds
    value:
      - {entity: person, set: {id_type_code: "111"}}
"""
_NO_FEEDS: Final = """\
  - {property: feeds, value: []}
"""

_PERSON: Final = """\
      - {{name: id_number, physicalName: {number}, businessName: 身份证号, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1, classification: L3, transformLogic: resident_id}}
      - {{name: person_name, physicalName: {name}, businessName: 姓名, logicalType: string, required: true, classification: L2, transformLogic: person_name}}
"""
_PLACE: Final = """\
      - {name: place_code, physicalName: code, businessName: 编码, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1, classification: L1}
      - {name: place_name, physicalName: name, businessName: 名称, logicalType: string, classification: L1}
      - {name: geometry, physicalName: geometry, businessName: 位置, logicalType: string, physicalType: geometry, required: true, classification: L1, transformLogic: point}
"""

# Their pinyin initials, as databases and services of departments name such columns.
_INITIALS: Final = {"number": "sfzh", "name": "xm"}
_HEADERS: Final = {"number": "身份证号", "name": "姓名"}

_PULLS: Final[Mapping[str, str]] = {
    "file": '{{mode: snapshot, pattern: "{dataset}_*.csv", format: csv, encoding: gb18030}}',
    "geo_file": '{{mode: snapshot, pattern: "{dataset}_*.geojson", crs: "OGC:CRS84"}}',
    "sql": "{{mode: snapshot, table: {dataset}}}",
    "rest": "{{mode: snapshot, path: /{dataset}, paging: page, page_size: 1000, records: data.list, total: data.total}}",
    "ogc_features": '{{mode: snapshot, collection: {dataset}, crs: "OGC:CRS84"}}',
    "wfs": '{{mode: snapshot, type_name: {dataset}, sort_by: code, crs: "EPSG:4490"}}',
    "delta_sharing": "{{mode: snapshot, share: share_name, schema: schema_name, table: {dataset}}}",
    "message": "{{mode: increment, queue: {dataset}}}",
}
"""Kind of a connection -> the `pull` of a stub; what only the department knows has a name to be replaced."""

_PLATFORM_PULL: Final = "{{mode: snapshot, service: service_id, path: /services/{dataset}, page_size: 1000}}"

_GEOGRAPHIC: Final = ("geo_file", "ogc_features", "wfs")

SAMPLES: Final[Mapping[str, tuple[str, str, str]]] = {
    # An invented person: the number is right in form under a county code the police never issue.
    "file": (".csv", "gb18030", "身份证号,姓名\n320372198001019950,李样例\n"),
    "geo_file": (
        ".geojson",
        "utf-8",
        '{"type": "FeatureCollection", "features": [\n'
        '{"type": "Feature", "properties": {"code": "1", "name": "样例"}, "geometry": {"type": "Point", "coordinates": [117.45, 34.45]}}\n'
        "]}\n",
    ),
}
"""Kind of a connection to which files are delivered -> suffix, encoding and text of a sample."""


def chosen(connections: Mapping[str, Mapping[str, Any]]) -> str:
    """The connection a new dataset most likely comes over: one for files where there is one, else the first."""
    kinds = {name: str(entry["kind"]) for name, entry in connections.items()}
    of_files = [name for kind in SAMPLES for name, own in kinds.items() if own == kind]
    return [*of_files, *kinds][0]


def contract_stub(tail: str, name: str, connection: Mapping[str, Any]) -> str:
    """A contract that is whole as it stands, for a dataset over a connection."""
    department, _, dataset = tail.partition("/")
    kind = str(connection["kind"])
    over_platform = kind == "rest" and "paging" in implied(connection.get("options", {}))
    pull = _PLATFORM_PULL if over_platform else _PULLS[kind]
    is_place = kind in _GEOGRAPHIC
    columns = _PLACE if is_place else _PERSON.format(**(_HEADERS if kind == "file" else _INITIALS))
    return _CONTRACT.format(
        tail=tail,
        department=department,
        dataset=dataset,
        connection=name,
        pull=pull.format(dataset=dataset),
        feeds=_NO_FEEDS if is_place else _PERSON_FEEDS,
        columns=columns,
    )


def suite_stub(tail: str) -> str:
    """A suite without a rule yet."""
    return _SUITE.format(tail=tail, department=tail.partition("/")[0])
