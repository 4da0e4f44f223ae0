"""What is wrong with the words of contracts and systems: options nobody reads, values out of range, secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from connectors.base import KINDS
from hub.contract_types import DRIFT_ALLOWED, Contract, Contracts, SourceContract, System
from hub.quiet import span
from hub.volume_limits import volume_faults
from hub.where import Step, item

__all__ = ["connection_options", "property_faults", "pull_options", "source_option_faults", "system_faults"]

Fault = tuple[tuple[Step, ...], str]
"""The way to what is wrong in its file, and one sentence."""

_DROP = frozenset({"pattern", "marker", "digest", "manifest", "member", "max_unzipped_mb"})
_FILE = _DROP | frozenset(
    {"format", "encoding", "delimiter", "sheet", "header_rows", "header_starts_with", "fill_down", "stop_at"}
    | {"columns", "unit", "line_width", "skip_lines", "short_lines"}
)
_PULL: Mapping[str, frozenset[str]] = {
    "sql": frozenset({"table", "cursor", "overlap_hours", "split_by", "chunk_rows"}),
    "file": _FILE,
    "geo_file": _DROP | {"layer", "crs", "encoding", "probe"},
    "ogc_features": frozenset({"collection", "page_size", "pages_a_chunk", "crs", "probe"}),
    "wfs": frozenset({"type_name", "sort_by", "format", "axis_order", "page_size", "pages_a_chunk", "crs", "probe"}),
    "delta_sharing": frozenset({"share", "schema", "table"}),
    "message": frozenset({"queue", "dead_letter_queue", "encoding", "idle_seconds", "max_messages", "max_seconds"}),
}
"""Kind -> what a contract's `pull` may say beside its mode; `rest` has a model of its own."""

_STORE = frozenset(
    {"known_hosts", "key_file", "path_encoding", "endpoint", "access_key_id", "region", "marker", "digest", "manifest"}
)
_CONNECTION: Mapping[str, frozenset[str]] = {
    "sql": frozenset(),
    "file": _STORE,
    "geo_file": _STORE,
    "ogc_features": frozenset({"auth"}),
    "wfs": frozenset({"auth"}),
    "delta_sharing": frozenset({"share_credentials_version", "expiration_time"}),
    "message": frozenset({"ca_file", "transport_options", "heartbeat_seconds"}),
}
"""Kind -> what a connection's `options` may say."""


@cache
def _rest_options() -> frozenset[str]:
    """All options of kind `rest`; a connection may state any of them for its datasets."""
    from connectors.rest_options import Pull, Push, Verify  # pydantic models: only where a system is of that kind

    return frozenset({*Pull.model_fields, *Push.model_fields, *Verify.model_fields})


def pull_options(kind: str) -> frozenset[str]:
    """Names that a contract's `pull` may use over a connection of a kind."""
    return _rest_options() if kind == "rest" else _PULL.get(kind, frozenset())


def connection_options(kind: str) -> frozenset[str]:
    """Names that the `options` of a connection of a kind may use."""
    if kind == "rest":
        return _rest_options() | {"auth", "requester_id", "secret_path"}
    return _CONNECTION.get(kind, frozenset())


_PROPERTIES: Mapping[str, frozenset[str]] = {
    "sources": frozenset({"connection", "pull", "current", "feeds", "attach", "drift", "deletions", "volume"}),
    "base": frozenset({"key", "authority", "counted", "reference", "measures", "circle"}),
    "products": frozenset({"query", "scope", "subscriber", "sharing"}),
}
_CURRENT = frozenset({"order_by", "deleted_when", "identity"})
_FEED = frozenset({"entity", "set", "map", "first"})
_DELETIONS = frozenset({"by", "max_delete_share"})
_SYSTEM = frozenset(
    {"system", "title", "english", "owner", "schedule", "max_connections", "quiet_hours", "rows_per_second"}
    | {"connections"}
)
_CONNECTION_KEYS = frozenset({"kind", "place", "secret", "options"})

_SECRET_KEY = re.compile(r"(^|_)(password|passwd|pwd|secret|token|app_?key|api_?key|access_key|private_key)$", re.I)
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
    if source.mode not in ("snapshot", "increment"):
        yield item("pull", "mode"), f"mode {source.mode!r} is unknown; allowed: snapshot, increment"
    if kind in KINDS:
        yield from _unknown(f"option of a {kind} pull", source.pull, pull_options(str(kind)), *item("pull"))
    yield from _unknown("word of current", source.current, _CURRENT, *item("current"))
    for place, feed in enumerate(source.properties.get("feeds", ())):
        yield from _unknown("word of a feed", feed, _FEED, *item("feeds", place))
    yield from _drift_faults(source)
    yield from _deletion_faults(source)
    if "volume" in source.properties and source.mode in ("snapshot", "increment"):
        yield from ((item("volume"), fault) for fault in volume_faults(source.properties["volume"]))
    yield from _secret_faults(source.pull, item("pull"))


def _kind_of(contracts: Contracts, source: SourceContract) -> Any:
    """The kind of a source's connection; None where that is not well said, which is told elsewhere."""
    system = contracts.systems.get(source.department)
    connections: Any = system.connections if system else {}
    entry = connections.get(source.connection) if isinstance(connections, Mapping) else None
    return entry.get("kind") if isinstance(entry, Mapping) else None


def _drift_faults(source: SourceContract) -> Iterator[Fault]:
    for change, meaning in source.drift.items():
        allowed = DRIFT_ALLOWED.get(change)
        if allowed is None:
            yield item("drift", change), f"drift of {change!r} is unknown; allowed: {', '.join(DRIFT_ALLOWED)}"
        elif meaning not in allowed:
            yield item("drift", change), f"drift.{change} is {meaning!r}; allowed: {', '.join(allowed)}"


def _deletion_faults(source: SourceContract) -> Iterator[Fault]:
    yield from _unknown("word of deletions", source.deletions, _DELETIONS, *item("deletions"))
    by, share = source.deletions.get("by"), source.deletions.get("max_delete_share", 0)
    if by not in (None, "key_comparison"):
        yield item("deletions", "by"), f"deletions.by is {by!r}; allowed: key_comparison"
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        yield item("deletions", "max_delete_share"), "deletions.max_delete_share must be a share, 0 to 1"


def system_faults(system: System, raw: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with a system's file, read as `raw`."""
    yield from _unknown("word of a system", raw, _SYSTEM)
    if len(str(system.schedule).split()) != 5:
        yield ("schedule",), "schedule must be a cron expression of five fields"
    if not isinstance(system.max_connections, int) or system.max_connections < 1:
        yield ("max_connections",), "max_connections must be a whole number from 1 on"
    pace = system.rows_per_second
    if pace is not None and (isinstance(pace, bool) or not isinstance(pace, int | float) or pace <= 0):
        yield ("rows_per_second",), "rows_per_second must be a number above 0"
    for place, text in enumerate(system.quiet_hours):
        try:
            span(str(text))
        except ValueError as error:
            yield ("quiet_hours", place), f"quiet_hours: {error}"
    connections: Any = system.connections
    if isinstance(connections, Mapping):
        for name, entry in connections.items():
            yield from _connection_faults(name, entry)
    else:
        yield ("connections",), "connections must be names, each with kind and place"
    yield from _secret_faults(raw, ())


def _connection_faults(name: str, entry: Any) -> Iterator[Fault]:
    way = ("connections", name)
    if not isinstance(entry, Mapping):
        yield way, f"connection {name} must say its kind and place"
        return
    yield from _unknown("word of a connection", entry, _CONNECTION_KEYS, *way)
    yield from ((way, f"connection {name} misses {key}") for key in ("kind", "place") if not entry.get(key))
    kind = entry.get("kind")
    if kind not in KINDS:
        yield (*way, "kind"), f"kind {kind!r} of connection {name} is unknown; allowed: {', '.join(sorted(KINDS))}"
    elif isinstance(entry.get("options", {}), Mapping):
        allowed = connection_options(str(kind))
        yield from _unknown(f"option of a {kind} connection", entry.get("options", {}), allowed, *way, "options")
    else:
        yield (*way, "options"), f"options of connection {name} must be names with values"


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
