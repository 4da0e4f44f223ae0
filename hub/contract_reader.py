"""Reads the files of `schemas/` and `connectors/systems/` into the types of `hub.contract_types`."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from open_data_contract_standard.model import OpenDataContractStandard, SchemaProperty
from pydantic import ValidationError

from hub.authority import newest_order
from hub.contract_shapes import MalformedError, require_column_words, require_property_shapes, require_system_shape
from hub.contract_types import (
    DRIFT_DEFAULTS,
    BaseContract,
    Codelist,
    Column,
    Contracts,
    Feed,
    ProductContract,
    SourceContract,
    System,
)
from hub.where import at, error_line

__all__ = ["read_contracts"]


def read_contracts(root: Path) -> tuple[Contracts, list[str]]:
    """Read every contract, system and code list below `root`; return them and what is wrong with single files.

    A file that cannot be read is a fault and is left out, so that the others' faults are found as well.
    """
    reader = _Reader(root)
    base = reader.each("schemas/base/*.yml", _document(_base))
    products = reader.each("schemas/products/*.yml", _document(_product))
    contracts = Contracts(
        root=root,
        digest=_digest(root),
        systems=reader.each("connectors/systems/*.yml", _system),
        sources=reader.each("schemas/sources/*/*.yml", _document(_source)),
        base={contract.name: contract for contract in base.values()},
        products={contract.name: contract for contract in products.values()},
        codelists=reader.each("schemas/codelists/*.csv", _codelist),
    )
    return replace(contracts, unread=frozenset(reader.unread)), reader.faults


def _custom(items: Any) -> dict[str, Any]:
    return {item.property: item.value for item in items or ()}


def _column(prop: SchemaProperty) -> Column:
    custom, options = _custom(prop.customProperties), prop.logicalTypeOptions or {}
    kind = "geometry" if prop.physicalType == "geometry" else str(prop.logicalType or "string")
    codelist = custom.get("codelist")
    default_operation = "code" if codelist else ("text" if kind == "string" else kind)
    return Column(
        name=str(prop.name),
        physical_name=prop.physicalName or str(prop.name),
        title=prop.businessName or str(prop.name),
        kind=kind,
        required=bool(prop.required),
        unique=bool(prop.unique),
        key=bool(prop.primaryKey),
        operation=prop.transformLogic or default_operation,
        codelist=codelist,
        max_length=options.get("maxLength"),
        pattern=options.get("pattern"),
        mask=custom.get("mask"),
        grade=prop.classification or "L1",
        synonyms=tuple(str(item.synonym) for item in prop.synonyms or ()),
    )


def _common(document: OpenDataContractStandard) -> dict[str, Any]:
    if not document.schema_:
        raise MalformedError([((), "misses 'schema', the table and its columns")])
    properties = document.schema_[0].properties or []
    keys = sorted((prop for prop in properties if prop.primaryKey), key=lambda prop: prop.primaryKeyPosition or 99)
    ordered = [*keys, *(prop for prop in properties if not prop.primaryKey)]
    require_property_shapes(str(document.id), _custom(document.customProperties))
    return {
        "tail": str(document.id),
        "title": str(document.name),
        "purpose": (document.description.purpose if document.description else None) or "",
        "version_text": str(document.version),
        "columns": tuple(_column(prop) for prop in ordered),
        "properties": _custom(document.customProperties),
    }


def _feed(raw: Mapping[str, Any]) -> Feed:
    first = {column: tuple(values) for column, values in raw.get("first", {}).items()}
    return Feed(raw["entity"], raw.get("set", {}), raw.get("map", {}), first)


def _source(document: OpenDataContractStandard) -> SourceContract:
    common = _common(document)
    custom = common["properties"]
    frequency = next((item for item in document.slaProperties or () if item.property == "frequency"), None)
    return SourceContract(
        **common,
        department=common["tail"].partition("/")[0],
        connection=custom["connection"],
        mode=custom["pull"]["mode"],
        pull={key: value for key, value in custom["pull"].items() if key != "mode"},
        current=custom.get("current", {}),
        attach=custom.get("attach"),
        feeds=tuple(_feed(feed) for feed in custom["feeds"]),
        cycle=f"{frequency.value}{frequency.unit}" if frequency else "",
        drift={**DRIFT_DEFAULTS, **custom.get("drift", {})},
        deletions=custom.get("deletions", {}),
    )


def _base(document: OpenDataContractStandard) -> BaseContract:
    common = _common(document)
    custom = common["properties"]
    key = custom["key"]
    return BaseContract(
        **common,
        key_column=key["column"],
        key_prefix=key.get("prefix", ""),
        identify_by=tuple(tuple(group) for group in key.get("identify_by", [[key["column"]]])),
        authority={column: _newest(stated) for column, stated in custom["authority"].items()},
        reference=custom.get("reference"),
    )


def _newest(stated: Any) -> tuple[str, ...]:
    try:
        return newest_order(stated)
    except (AttributeError, KeyError, TypeError, ValueError):
        return ()  # `authority_faults` says what is wrong with it


def _product(document: OpenDataContractStandard) -> ProductContract:
    common = _common(document)
    custom = common["properties"]
    return ProductContract(
        **common,
        query=custom["query"],
        scope_column=custom["scope"]["column"],
        subscriber_kind=custom["subscriber"]["kind"],
        subscriber=custom["subscriber"].get("name"),
        sharing=custom["sharing"],
    )


def _system(path: Path) -> System:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    require_system_shape(raw)
    return System(
        name=raw["system"],
        title=raw["title"],
        english=raw["english"],
        owner=raw["owner"],
        schedule=raw["schedule"],
        max_connections=raw.get("max_connections", 1),
        connections=raw["connections"],
        quiet_hours=tuple(raw.get("quiet_hours", ())),
        rows_per_second=raw.get("rows_per_second"),
        deliver=tuple(raw.get("deliver", ())),
        verify=raw.get("verify", {}),
    )


def _codelist(path: Path) -> Codelist:
    titles: dict[str, str] = {}
    readings: dict[str, str] = {}
    sources: set[str] = set()
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            code, title = row["code"], row["title"]
            titles[code] = title
            sources.add(row.get("source") or "")
            spellings = [code, title, *(row.get("synonyms") or "").split("|")] if "synonyms" in row else [code]
            for spelling in spellings:
                if spelling:
                    readings.setdefault(spelling, code)
    return Codelist(path.stem, titles, readings, is_own=sources == {"hub"})


_MALFORMED = (
    AttributeError,
    IndexError,
    KeyError,
    MalformedError,
    OSError,
    TypeError,
    ValidationError,
    ValueError,
    csv.Error,
    yaml.YAMLError,
)
"""What reading raises at a file that is not of the agreed form, or not to be read."""


class _Reader:
    """Reads files one by one and gathers their faults instead of stopping at the first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: list[str] = []
        self.unread: set[str] = set()

    def each(self, pattern: str, parse: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path in sorted(self.root.glob(pattern)):
            try:
                item = parse(path)
            except _MALFORMED as error:
                self.faults += _told(self.root, path, error)
                self.unread.add(path.relative_to(self.root).as_posix())
                continue
            if self._same_tail(path, item):
                found[getattr(item, "tail", None) or item.name] = item
        return found

    def _same_tail(self, path: Path, item: Any) -> bool:
        tail, file = getattr(item, "tail", None), path.relative_to(self.root).as_posix()
        if tail is None and item.name != path.stem:
            self.faults.append(f"{at(self.root, file, 'system')}: is named {item.name!r}, not as its file")
        elif tail is not None and not path.with_suffix("").as_posix().endswith(f"/{tail}"):
            self.faults.append(f"{at(self.root, file, 'id')}: its id {tail!r} is not its path tail")
        else:
            return True
        self.unread.add(file)  # whoever calls it by its file's name is not to blame
        return False


def _told(root: Path, path: Path, error: Exception) -> list[str]:
    """Say what is wrong with a file of another form than agreed: by its line where that is known, without values."""
    file = path.relative_to(root).as_posix()
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_input=False, include_context=False)
        ways = [(fault["loc"], fault["msg"]) for fault in found]
        return [f"{at(root, file, *way)}: {'.'.join(map(str, way))}: {text}" for way, text in ways]
    if isinstance(error, MalformedError):
        return [f"{at(root, file, *way)}: {text}" for way, text in error.faults]
    if isinstance(error, KeyError):
        return [f"{file}:1: misses {error}"]
    if isinstance(error, OSError | UnicodeDecodeError):
        return [f"{file}:1: cannot be read ({type(error).__name__})"]
    if isinstance(error, yaml.MarkedYAMLError):
        line = error_line(error, path.read_text(encoding="utf-8"))
        return [f"{file}:{line}: {error.problem or type(error).__name__}"]
    return [f"{at(root, file)}: {str(error).replace(chr(10), ' ')}"]


def _document(build: Any) -> Any:
    def read(path: Path) -> Any:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        require_column_words(raw)
        return build(OpenDataContractStandard(**raw))

    return read


def _digest(root: Path) -> str:
    total = hashlib.sha256()
    for path in sorted((*root.glob("schemas/**/*.yml"), *root.glob("schemas/codelists/*.csv"))):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
