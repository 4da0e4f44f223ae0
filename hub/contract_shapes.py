"""The shape of what contracts and systems say beside the standard, so that all else may rely on it.

Only whether something is a text, a list or a mapping, and what cannot be left out; what the words mean is held against
other files in `hub.option_faults` and its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from open_data_contract_standard.model import SchemaProperty
from pydantic import BaseModel, ConfigDict, ValidationError

from hub.where import Fault, column, item

__all__ = ["MalformedError", "require_column_words", "require_property_shapes", "require_system_shape"]

_GRADES = ("L1", "L2", "L3", "L4")
_OF_COLUMNS: Mapping[str, frozenset[str]] = {
    "": frozenset(field.alias or name for name, field in SchemaProperty.model_fields.items()),
    "logicalTypeOptions": frozenset({"maxLength", "pattern"}),
    "customProperties": frozenset({"codelist", "mask"}),
}
"""What a column may say (ODCS 3.2): the standard's model passes over a misspelt word, and with it a grade or a key."""


class MalformedError(Exception):
    """A file is not of the agreed shape.

    Args:
        faults: The way to each fault in the file, and one sentence.
    """

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__(f"{len(faults)} faults")


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Pull(_Shape):
    mode: Any


class _Current(_Shape):
    order_by: str | None = None
    deleted_when: dict[str, Any] = {}
    identity: list[str] = []
    place: str | None = None


class _Feed(_Shape):
    entity: str
    set: dict[str, Any] = {}
    map: dict[str, str] = {}
    first: dict[str, list[Any]] = {}


class _Source(_Shape):
    connection: str
    pull: _Pull
    current: _Current = _Current()
    attach: dict[str, str] | None = None
    feeds: list[_Feed]
    drift: dict[str, Any] = {}
    deletions: dict[str, Any] = {}


class _Key(_Shape):
    column: str
    prefix: str = ""
    identify_by: list[list[str]] = []


class _Radius(_Shape):
    urban: float
    rural: float


class _Circle(_Shape):
    radius_m: _Radius
    business_types: dict[str, list[str]]


class _Base(_Shape):
    key: _Key
    authority: dict[str, Any]
    counted: dict[str, str] = {}
    reference: dict[str, Any] | None = None
    measures: dict[str, str] = {}
    circle: _Circle | None = None


class _Scope(_Shape):
    column: str


class _Subscriber(_Shape):
    kind: str


class _Product(_Shape):
    query: str
    scope: _Scope
    subscriber: _Subscriber
    sharing: dict[str, Any]


class _System(_Shape):
    system: str
    title: str
    english: str
    owner: dict[str, Any]
    schedule: Any
    connections: Any
    quiet_hours: list[Any] = []
    deliver: list[dict[str, Any]] = []
    verify: dict[str, dict[str, Any]] = {}


_PROPERTIES: Mapping[str, type[_Shape]] = {"base": _Base, "products": _Product}


def require_column_words(raw: Any) -> None:
    """Assert that a contract's file is a mapping, and that its columns say nothing but what the hub reads.

    Raises:
        MalformedError: Names every word of a column that is unknown, and every grade that is none.
    """
    if not isinstance(raw, Mapping):
        raise MalformedError([((), "is no mapping of a contract (ODCS 3.2)")])
    tables = raw.get("schema")
    table = tables[0] if isinstance(tables, list) and tables else {}
    columns = table.get("properties") if isinstance(table, Mapping) else None
    faults = [
        (column(str(one.get("name")), *way), text)
        for one in (columns if isinstance(columns, list) else ())
        if isinstance(one, Mapping)
        for way, text in _column_faults(one)
    ]
    if faults:
        raise MalformedError(faults)


def _column_faults(one: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    options, custom = one.get("logicalTypeOptions"), one.get("customProperties")
    said: dict[str, list[Any]] = {
        "": list(one),
        "logicalTypeOptions": list(options) if isinstance(options, Mapping) else [],
        "customProperties": [item["property"] for item in custom if isinstance(item, Mapping) and "property" in item]
        if isinstance(custom, list)
        else [],
    }
    for place, words in said.items():
        known = _OF_COLUMNS[place]
        for word in words:
            if word not in known:
                way = (place,) if place else (str(word),)
                allowed = ", ".join(sorted(known))
                yield way, f"column {one.get('name')!r} says {word!r}, which nobody reads; allowed: {allowed}"
    grade = one.get("classification")
    if grade is not None and grade not in _GRADES:
        yield ("classification",), f"column {one.get('name')!r} has grade {grade!r}; allowed: {', '.join(_GRADES)}"


def require_property_shapes(tail: str, properties: Mapping[str, Any]) -> None:
    """Assert the shape of a contract's custom properties.

    Raises:
        MalformedError: Names every property that is missing or of another shape.
    """
    model = _PROPERTIES.get(tail.partition("/")[0], _Source)
    faults = [
        (item(*way) if len(way) > 1 or way[0] in properties else ("customProperties",), text)
        for way, text in _faults(model, properties)
    ]
    if faults:
        raise MalformedError(faults)


def require_system_shape(raw: Any) -> None:
    """Assert the shape of a system's file.

    Raises:
        MalformedError: Names every word that is missing or of another shape.
    """
    faults = _faults(_System, raw if isinstance(raw, Mapping) else {})
    if faults:
        raise MalformedError(faults)


def _faults(model: type[_Shape], values: Mapping[str, Any]) -> list[tuple[tuple[Any, ...], str]]:
    try:
        model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        return [(fault["loc"], _text(fault["type"], fault["loc"], fault["msg"])) for fault in found]
    return []


def _text(kind: str, way: tuple[Any, ...], text: str) -> str:
    return f"misses {way[-1]!r}" if kind == "missing" else f"{'.'.join(map(str, way))}: {text}"
