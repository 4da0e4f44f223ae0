"""What is wrong with the words of contracts and systems: options nobody reads, values out of range, secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connectors.base import KINDS
from connectors.geo_options import GEOGRAPHIC, GEOMETRY
from connectors.option_models import connection_faults, pull_faults
from hub.calendar_faults import calendar_faults
from hub.contract_types import DRIFT_DEFAULTS, DRIFT_WORDS, Contract, Contracts, SourceContract, System
from hub.cycles import is_cycle
from hub.volume_limits import volume_faults
from hub.where import Fault, Step, column, item

__all__ = ["Fault", "property_faults", "source_option_faults", "system_faults"]

_PROPERTIES: Mapping[str, frozenset[str]] = {
    "sources": frozenset({"connection", "pull", "current", "feeds", "attach", "drift", "deletions", "volume"}),
    "base": frozenset({"key", "authority", "counted", "reference", "measures", "circle"}),
    "products": frozenset({"query", "scope", "subscriber", "sharing"}),
}
_CURRENT = frozenset({"order_by", "deleted_when", "identity", "place"})
_FEED = frozenset({"entity", "set", "map", "first"})
_NEVER_WHOLE = ("message", "file", "geo_file")
"""Kinds whose increments come as deliveries: none of them has all keys."""
_DELETIONS = frozenset({"by", "max_delete_share"})
_SYSTEM = frozenset(
    {"system", "title", "english", "owner", "schedule", "max_connections", "quiet_hours", "rows_per_second"}
    | {"connections", "deliver", "verify"}
)
_CONNECTION_KEYS = frozenset({"kind", "place", "secret", "options"})

_SECRET_KEY = re.compile(r"(^|_)(password|passwd|pwd|secret|token|api_?key|access_key|private_key)$", re.I)
_SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]*|\$\{[A-Z][A-Z0-9_]*\}")
_USER_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]*@")


def _unknown(what: str, names: Iterable[Any], allowed: frozenset[str], *way: Step) -> Iterator[Fault]:
    for name in sorted({str(name) for name in names} - allowed):
        yield (*way, name), f"{what} {name!r} is unknown; allowed: {', '.join(sorted(allowed)) or 'none'}"


def property_faults(contract: Contract) -> Iterator[Fault]:
    """Custom properties nobody reads."""
    kind = contract.tail.partition("/")[0] if not isinstance(contract, SourceContract) else "sources"
    for name in sorted(set(contract.properties) - _PROPERTIES[kind]):
        allowed = ", ".join(sorted(_PROPERTIES[kind]))
        yield ("customProperties", ("property", name)), f"property {name!r} is unknown; allowed: {allowed}"


def source_option_faults(contracts: Contracts, source: SourceContract) -> Iterator[Fault]:
    """What is wrong with what a source says of how it is pulled, sorted, and what a change of it means."""
    kind = _kind_of(contracts, source)
    if not is_cycle(source.cycle):
        yield ("slaProperties",), "slaProperties must state the frequency: a whole number, and unit d, w, m, q or y"
    if kind in KINDS:
        yield from _pull_faults(contracts, source, str(kind))
    elif source.mode not in ("snapshot", "increment"):
        yield item("pull", "mode"), f"mode {source.mode!r} is unknown; allowed: snapshot, increment"
    yield from _unknown("word of current", source.current, _CURRENT, *item("current"))
    for place, feed in enumerate(source.properties.get("feeds", ())):
        yield from _unknown("word of a feed", feed, _FEED, *item("feeds", place))
    yield from _drift_faults(source)
    yield from _deletion_faults(source, kind)
    if "volume" in source.properties and source.mode in ("snapshot", "increment"):
        yield from ((item("volume"), fault) for fault in volume_faults(source.properties["volume"]))
    yield from _secret_faults(source.pull, item("pull"))


def _kind_of(contracts: Contracts, source: SourceContract) -> Any:
    """The kind of a source's connection; None where that is not well said, which is told elsewhere."""
    return _connection_of(contracts, source).get("kind")


def _connection_of(contracts: Contracts, source: SourceContract) -> Mapping[str, Any]:
    system = contracts.systems.get(source.department)
    connections: Any = system.connections if system else {}
    entry = connections.get(source.connection) if isinstance(connections, Mapping) else None
    return entry if isinstance(entry, Mapping) else {}


def _pull_faults(contracts: Contracts, source: SourceContract, kind: str) -> Iterator[Fault]:
    """What the connector will not take, and what does not fit the contract's own columns."""
    options = _connection_of(contracts, source).get("options")
    found = pull_faults(kind, {**source.pull, "mode": source.mode}, options if isinstance(options, Mapping) else {})
    yield from ((item("pull", *way), text) for way, text in found)
    if source.geometry_columns and not source.pull.get("crs") and "crs" not in {way[0] for way, _ in found}:
        names = ", ".join(source.geometry_columns)
        yield item("pull"), f"crs is missing, in which {names} come; allowed: a CRS as EPSG:4490, GCJ-02 or BD-09"
    for name in source.geometry_columns if kind in GEOGRAPHIC else ():
        if source.by_name[name].physical_name != GEOMETRY:
            yield column(name), f"column {name} must have physicalName {GEOMETRY}, as a {kind} calls its geometry"
    if source.pull.get("format") == "fixed_width" and not found:
        yield from _cut_faults(source)


def _cut_faults(source: SourceContract) -> Iterator[Fault]:
    """Columns of the contract that `columns` cuts out of no line."""
    cut = {told["name"] for told in source.pull["columns"]}
    for name, others in source.physical_names.items():
        if cut.isdisjoint((name, *others)):
            yield item("pull", "columns"), f"columns of the pull have no {name!r}, which is a column of the contract"


def _drift_faults(source: SourceContract) -> Iterator[Fault]:
    for change, meaning in source.drift.items():
        if change not in DRIFT_DEFAULTS:
            yield item("drift", change), f"drift of {change!r} is unknown; allowed: {', '.join(DRIFT_DEFAULTS)}"
        elif meaning not in DRIFT_WORDS:
            yield item("drift", change), f"drift.{change} is {meaning!r}; allowed: {', '.join(DRIFT_WORDS)}"


def _deletion_faults(source: SourceContract, kind: Any) -> Iterator[Fault]:
    yield from _unknown("word of deletions", source.deletions, _DELETIONS, *item("deletions"))
    by, share = source.deletions.get("by"), source.deletions.get("max_delete_share", 0)
    if by not in (None, "key_comparison"):
        yield item("deletions", "by"), f"deletions.by is {by!r}; allowed: key_comparison"
    if by is not None and kind in _NEVER_WHOLE:
        yield item("deletions", "by"), f"deletions.by asks for all keys, which a {kind} pull cannot give"
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        yield item("deletions", "max_delete_share"), "deletions.max_delete_share must be a share, 0 to 1"


def system_faults(system: System, raw: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with a system's file, read as `raw`."""
    yield from _unknown("word of a system", raw, _SYSTEM)
    yield from calendar_faults(system)
    if not _is_count(system.max_connections):
        yield ("max_connections",), "max_connections must be a whole number from 1 on"
    pace = system.rows_per_second
    if pace is not None and (isinstance(pace, bool) or not isinstance(pace, int | float) or pace <= 0):
        yield ("rows_per_second",), "rows_per_second must be a number above 0"
    connections: Any = system.connections
    if isinstance(connections, Mapping):
        for name, entry in connections.items():
            yield from _connection_faults(name, entry)
    else:
        yield ("connections",), "connections must be names, each with kind and place"
    # Columns of a product are no secrets, whatever they are called.
    deliver = [{name: value for name, value in one.items() if name != "columns"} for one in system.deliver]
    yield from _secret_faults({**raw, "deliver": deliver}, ())


def _connection_faults(name: str, entry: Any) -> Iterator[Fault]:
    way = ("connections", name)
    if not isinstance(entry, Mapping):
        yield way, f"connection {name} must say its kind and place"
        return
    yield from _unknown("word of a connection", entry, _CONNECTION_KEYS, *way)
    yield from ((way, f"connection {name} misses {key}") for key in ("kind", "place") if not entry.get(key))
    for key in ("place", "secret"):
        if not isinstance(entry.get(key, ""), str):
            yield (*way, key), f"{key} of connection {name} must be a text"
    kind = entry.get("kind")
    if kind not in KINDS:
        yield (*way, "kind"), f"kind {kind!r} of connection {name} is unknown; allowed: {', '.join(sorted(KINDS))}"
    elif isinstance(entry.get("options", {}), Mapping):
        found = connection_faults(str(kind), entry.get("options", {}), has_secret=bool(entry.get("secret")))
        yield from (((*way, "options", *steps), text) for steps, text in found)
    else:
        yield (*way, "options"), f"options of connection {name} must be names with values"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _secret_faults(value: Any, way: tuple[Step, ...]) -> Iterator[Fault]:
    """Secrets written out, where only their name may stand; what they are is never told."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            here = (*way, str(key))
            is_text = isinstance(inner, str) and bool(inner)
            if is_text and _SECRET_KEY.search(str(key)) and not _SECRET_NAME.fullmatch(inner):
                yield here, f"{key} holds a secret itself; name it in capitals and set HUB_SECRET_<NAME>"
            else:
                yield from _secret_faults(inner, here)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _secret_faults(inner, (*way, place))
    elif isinstance(value, str) and _USER_IN_URL.search(value):
        yield way, "an address holds a user's password; write ${NAME} and set it in the environment"
