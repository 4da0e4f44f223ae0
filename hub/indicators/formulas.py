"""What indicators are made of: measures and circles of `schemas/base/indicator.yml`, ratios of `indicator.csv`."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot.errors import SqlglotError

from hub.contracts import Contracts, load_contracts
from hub.settings import ROOT
from hub.where import at, item

__all__ = [
    "CIRCLE_MEASURES",
    "Circle",
    "Formula",
    "circle_of",
    "formulas",
    "indicator_faults",
    "measure_names",
    "measures_of",
]

_LIST = "schemas/codelists/indicator.csv"
_CONTRACT = "schemas/base/indicator.yml"
CIRCLE_MEASURES = ("circle_residents", "near_all", "rural_residents", "near_all_rural")
"""Measures that the circles give, beside `near_<type>` for every type of business."""


@dataclass(frozen=True)
class Formula:
    """One indicator.

    Attributes:
        code: Its code.
        title: Its Chinese title.
        topic: The sheet of the set of tables it stands on.
        unit: Of the value, in Chinese.
        scale: What the ratio is multiplied by: 100 for percent.
        numerator: SQL over the sums of measures.
        denominator: The same; empty where the indicator is a count.
        target: The value that is asked for, where there is one.
        clause: The rule or source it comes from.
        is_persons: Whether it counts people, so that few of them must not be shown.
        family: Names the indicators whose numerators are parts and sum of each other; empty where it has none.
    """

    code: str
    title: str
    topic: str
    unit: str
    scale: float
    numerator: str
    denominator: str
    target: float | None
    clause: str
    is_persons: bool
    family: str


@dataclass(frozen=True)
class Circle:
    """How near a business must be.

    Attributes:
        urban_m, rural_m: Radius in metres for villages of the urban and of the rural kind (城乡分类 1xx and 2xx).
        industries: Type of business -> the classes of GB/T 4754 that are of it.
    """

    urban_m: float
    rural_m: float
    industries: Mapping[str, tuple[str, ...]]


@cache
def formulas(root: Path = ROOT) -> tuple[Formula, ...]:
    """Read the indicators in the order of their list."""
    with (root / _LIST).open(encoding="utf-8", newline="") as lines:
        return tuple(_formula(row) for row in csv.DictReader(lines))


def _formula(row: Mapping[str, str]) -> Formula:
    return Formula(
        code=row["code"],
        title=row["title"],
        topic=row["topic"],
        unit=row["unit"],
        scale=float(row["scale"]),
        numerator=row["numerator"],
        denominator=row["denominator"],
        target=float(row["target"]) if row["target"] else None,
        clause=row["source"],
        is_persons=row["counts"] == "persons",
        family=row["family"],
    )


def measures_of(contracts: Contracts | None = None) -> Mapping[str, str]:
    """Group of measures -> its SELECT, in the order they build on each other."""
    properties = (contracts or load_contracts()).base["indicator"].properties
    found: Mapping[str, str] = properties["measures"]
    return found


def measure_names(query: str) -> list[str]:
    """The measures a group's SELECT gives, beside the village they are of."""
    parsed: Any = sqlglot.parse_one(query, dialect="duckdb")
    return [name for name in parsed.named_selects if name != "division_code"]


def circle_of(contracts: Contracts | None = None) -> Circle:
    """The circles of daily life as the contract draws them."""
    drawn: Mapping[str, Any] = (contracts or load_contracts()).base["indicator"].properties["circle"]
    radius, types = drawn["radius_m"], drawn["business_types"]
    return Circle(float(radius["urban"]), float(radius["rural"]), {name: tuple(types[name]) for name in types})


def indicator_faults(contracts: Contracts) -> list[str]:
    """Say what is wrong with measures and ratios, by file and line: what is no SQL, names that lead nowhere."""
    if "indicator" not in contracts.base or contracts.is_unread(_LIST):
        return []
    known = {"division_code", "village_count", *CIRCLE_MEASURES}
    known |= {f"near_{name}" for name in circle_of(contracts).industries}
    faults = []
    for group, query in measures_of(contracts).items():
        readable = {*contracts.base, "release_date", *_before(contracts, group), *_unread(contracts)}
        names, text = _measured(contracts, query, readable)
        line = at(contracts.root, _CONTRACT, *item("measures", group))
        if group in contracts.base:
            faults.append(f"{line}: measures {group} are called like a base table")
        faults += [f"{line}: measures {group}: {text}"] if text else []
        faults += [f"{line}: measure {name} is there before" for name in sorted(names & known)]
        known |= names
    faults += [f"{line}: {text}" for line, text in _ratio_faults(contracts.root, known)]
    return faults


def _unread(contracts: Contracts) -> set[str]:
    """Base tables that are there, though nothing can be said of them."""
    return {Path(file).stem for file in contracts.unread if file.startswith("schemas/base/")}


def _before(contracts: Contracts, group: str) -> list[str]:
    names = list(measures_of(contracts))
    return names[: names.index(group)]


def _measured(contracts: Contracts, query: str, readable: set[str]) -> tuple[set[str], str]:
    """The measures a SELECT gives, and what is wrong with it."""
    try:
        select = sqlglot.parse_one(query, dialect="duckdb")
    except SqlglotError:
        return set(), "is no SQL"
    if not isinstance(select, sqlglot.exp.Query):
        return set(), "must be a SELECT"
    read = {table.name for table in select.find_all(sqlglot.exp.Table)}
    names = list(select.named_selects)
    if read - readable:
        return set(), f"reads {', '.join(sorted(read - readable))}, which is neither a base table nor measured before"
    if "division_code" not in names:
        return set(), "gives no division_code"
    return set(names) - {"division_code"}, ""


def _ratio_faults(root: Path, known: set[str]) -> Iterator[tuple[str, str]]:
    with (root / _LIST).open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        for row in reader:
            where = f"{_LIST}:{reader.line_num}"
            try:
                one = _formula(row)
            except (KeyError, ValueError) as error:
                yield where, f"misses or cannot read {error}"
                continue
            for part in (one.numerator, one.denominator):
                yield from ((where, text) for text in _part_faults(part, known))
            if not one.numerator:
                yield where, f"{one.code} has no numerator"


def _part_faults(part: str, known: set[str]) -> Iterator[str]:
    if not part:
        return
    try:
        columns = sqlglot.parse_one(part, dialect="duckdb").find_all(sqlglot.exp.Column)
        unknown = sorted({column.name for column in columns} - known)
    except SqlglotError:
        yield f"{part!r} is no SQL"
        return
    yield from (f"measure {name!r} is unknown" for name in unknown)
