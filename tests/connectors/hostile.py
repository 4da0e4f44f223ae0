"""Hostile rows from a contract alone: each is right but for one cell, wrong in one of the ways departments know.

The families are those of every grassroots feed: identity numbers, names, characters, dates, codes, sheets, places,
clocks, geometries. A row's other cells are such that the hub takes it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from hub.contracts import Codelist, Column, Contracts, SourceContract
from tests.connectors.hostile_cells import Fault, credit_code, faults_of, resident_id

MAZHUANG = "320305005204"


@dataclass(frozen=True)
class Spoiled:
    """A row with one wrong cell, under the department's names."""

    row: dict[str, Any]
    physical: str
    fault: Fault


class Generator:
    """Makes the rows of one contract."""

    def __init__(self, contracts: Contracts, tail: str) -> None:
        self.contract: SourceContract = contracts.sources[tail]
        self._codelists: Mapping[str, Codelist] = contracts.codelists
        self._villages = [code for code in contracts.codelists["division"].titles if not code.endswith("000")]
        self._physical = {column.physical_name: column for column in reversed(self.contract.columns)}

    def good(self, number: int) -> dict[str, Any]:
        """A row the hub takes; no two numbers share a key."""
        return {name: self._good(column, number) for name, column in self._physical.items()}

    def spoiled(self, first: int) -> Iterator[Spoiled]:
        """A row for every column and every way to spoil it, numbered from `first`."""
        number = first
        for physical, column in self._physical.items():
            for fault in self._faults(column, number):
                yield Spoiled({**self.good(number), physical: fault.value}, physical, fault)
                number += 1

    def columns(self, physical: str) -> list[Column]:
        """The contract's columns that read one of the department's."""
        return [column for column in self.contract.columns if column.physical_name == physical]

    # What is right

    def _good(self, column: Column, number: int) -> Any:
        if column.kind == "geometry":
            return self._wkb(self._shape(column, number))
        own = _OWN.get((self.contract.name, column.name)) or _OWN.get(("", column.name))
        if own is not None:
            return own(number)
        if column.codelist:
            return next(iter(self._codelists[column.codelist].titles))
        if column.operation == "division_code":
            return self._villages[number % len(self._villages)] if column.key else MAZHUANG
        return _BY_OPERATION[column.operation](number)

    def _shape(self, column: Column, number: int) -> BaseGeometry:
        x, y = 117.4 + number % 100 / 1000, 34.4 + number // 100 / 1000
        return shapely.Point(x, y) if column.operation == "point" else shapely.box(x, y, x + 0.001, y + 0.001)

    def _wkb(self, shape: BaseGeometry) -> bytes:
        """Longitude and latitude into what the contract says its geometries come in."""
        return bytes(shapely.to_wkb(_moved(shape, self.contract.pull["crs"])))

    # What is wrong

    def _faults(self, column: Column, number: int) -> Iterator[Fault]:
        if column.kind == "geometry":
            yield from self._geometries(column, number)
            return
        good = str(self._good(column, number))
        yield from faults_of(column, good, self._codelists.get(column.codelist or ""))

    def _geometries(self, column: Column, number: int) -> Iterator[Fault]:
        shape = self._shape(column, number)
        good = self._wkb(shape)
        x, y = shape.bounds[:2]
        is_geographic = pyproj.CRS(self.contract.pull["crs"]).is_geographic
        for name, value in {
            "no geometry": None,
            "no bytes": b"",
            "no WKB": b"POLYGON ((0 0))",
            "cut off": good[:-3],
            "empty": bytes(shapely.to_wkb(type(shape)())),
            "zeros": bytes(shapely.to_wkb(shapely.transform(shape, lambda points: points * 0))),
            "not a number": bytes(shapely.to_wkb(shapely.Point(float("nan"), 1))),
            "beyond all bounds": bytes(shapely.to_wkb(shapely.transform(shape, lambda points: points * 1e300))),
        }.items():
            yield Fault("geometries", name, value, certain=True)
        other = "EPSG:4548" if is_geographic else "EPSG:4490"
        yield Fault("geometries", "another CRS", bytes(shapely.to_wkb(_moved(shape, other))), certain=True)
        yield Fault("geometries", "a line", self._wkb(shapely.LineString([(x, y), (x + 1, y)])), certain=True)
        flipped = shapely.transform(shape, lambda points: points[:, ::-1])
        yield Fault("geometries", "latitude first", bytes(shapely.to_wkb(flipped)), certain=not is_geographic)
        crossing = shapely.Polygon([(x, y), (x + 0.001, y + 0.001), (x + 0.001, y), (x, y + 0.001)])
        yield Fault("geometries", "crossing itself", self._wkb(crossing), certain=column.operation == "point")
        yield Fault("geometries", "with heights", bytes(shapely.to_wkb(shapely.force_3d(shapely.from_wkb(good), 5))))
        tagged = shapely.set_srid(shapely.from_wkb(good), 3857)
        yield Fault("geometries", "with a number of another CRS", bytes(shapely.to_wkb(tagged, include_srid=True)))


@cache
def _transformer(crs: str) -> pyproj.Transformer:
    # Looking up how two systems relate takes a tenth of a second.
    return pyproj.Transformer.from_crs("EPSG:4490", crs, always_xy=True)


def _moved(shape: BaseGeometry, crs: str) -> BaseGeometry:
    return shapely.transform(shape, _transformer(crs).transform, interleaved=False)


def _born(number: int) -> dt.date:
    return dt.date(1930, 1, 1) + dt.timedelta(days=number)


def _id(number: int) -> str:
    return resident_id(_born(number), 1)


def _name(number: int) -> str:
    return "测" + chr(0x4E00 + number % 20_000)


_BY_OPERATION: Mapping[str, Callable[[int], str]] = {
    "resident_id": _id,
    "identity_document": _id,
    "disability_certificate": lambda number: _id(number) + "11",
    "disability_certificate_id": lambda number: _id(number) + "11",
    "credit_code": lambda number: credit_code("91", number),
    "person_name": _name,
    "date": lambda number: "2020-01-01",
    "timestamp": lambda number: "2026-10-01 08:00:00",
    "integer": lambda number: str(number + 1),
    "number": lambda number: "100.5",
    # Not 138 and zeros: seven equal digits at the end are taken for filler.
    "phone": lambda number: f"139{12_345_876 + number}",
    "address": lambda number: f"江苏省徐州市贾汪区马庄村{number}号1幢1单元101室",
    "address_level": lambda number: "",
    "organisation_code": lambda number: "",
    "registration_no": lambda number: f"{number:015d}",
    "text": lambda number: f"第{number}号",
}

_OWN: Mapping[tuple[str, str], Callable[[int], str]] = {
    # What rules of several columns, or of one department, ask for; the first part is the dataset, or any.
    ("", "birth_date"): lambda number: _born(number).isoformat(),
    ("", "sex_code"): lambda number: "1",
    ("", "operation_code"): lambda number: "I",
    ("", "id_type_code"): lambda number: "111",
    ("", "disability_kind_code"): lambda number: "1",
    ("", "disability_grade_code"): lambda number: "1",
    ("", "urban_rural_code"): lambda number: "220",
    ("", "end_date"): lambda number: "2025-01-01",
    ("", "floor_count"): lambda number: "3",
    ("", "activity_area_m2"): lambda number: "50",
    ("", "household_no"): lambda number: f"{number:09d}",
    ("", "origin_county_code"): lambda number: "320305",
    ("", "registration_no"): lambda number: f"{number:015d}",
    ("", "grid_code"): lambda number: f"{MAZHUANG}{number % 1000:03d}",
    ("", "building_code"): lambda number: f"{MAZHUANG}{number:05d}",
    ("", "address_code"): lambda number: f"{MAZHUANG}{number:05d}{number:08d}",
    ("", "building_no"): lambda number: "1幢",
    ("", "unit_no"): lambda number: "1单元",
    ("", "door_no"): lambda number: f"{number}号",
    ("", "room_no"): lambda number: "101室",
    ("", "entity_kind_code"): lambda number: "enterprise",
    ("low_income_household", "head_id_number"): lambda number: resident_id(dt.date(1950, 1, 1), 3),
    ("low_income_household", "head_name"): lambda number: "户主",
    ("social_organization", "credit_code"): lambda number: credit_code("51", number),
    ("social_organization", "entity_kind_code"): lambda number: "association",
    ("birth", "birth_certificate_no"): lambda number: f"Z{number:09d}",
    ("birth", "birth_date"): lambda number: "2026-10-01",
    ("birth", "id_number"): lambda number: resident_id(dt.date(2026, 10, 1), number % 500 * 2 + 1),
    ("birth", "mother_id_number"): lambda number: resident_id(dt.date(1990, 1, 1) + dt.timedelta(days=number), 2),
    ("death", "death_date"): lambda number: "2026-09-01",
}
