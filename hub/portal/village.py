"""What a village's page says: its place, figures, grids and products; the page and the API show the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pyarrow.compute as pc
from pydantic import BaseModel, Field

from hub.contracts import Column, ProductContract
from hub.exchange.grants import Grant
from hub.exchange.versions import ProductVersion, newest_versions
from hub.portal.access import title_of, village_products
from hub.portal.frame import Portal
from hub.portal.live import LiveRelease, live_release, product_dataset

__all__ = [
    "FACILITY_STANDARD",
    "SUMMARY",
    "Figure",
    "FigureGroup",
    "GridCount",
    "ProductColumn",
    "ProductEntry",
    "Village",
    "is_standard_met",
    "village",
]

SUMMARY = "village_summary"
"""The product the figures come from."""

FACILITY_STANDARD = 30.0
"""Square metres of service facilities per 100 households a village should have (苏政办发〔2022〕60号)."""

_GROUPS: Mapping[str, tuple[str, ...]] = {
    "people": ("residents", "households", "aged_0_14", "aged_65_up", "aged_80_up", "registration_consistent"),
    "care": ("low_income", "destitute", "elderly_allowance", "disability"),
    "places": ("legal_entities", "addresses", "grids", "facility_area_m2", "facility_m2_per_100_households"),
}
_NOT_FIGURES = ("division_code", "division_name", "town_name", "male", "female")
_OF_RESIDENTS = ("aged_0_14", "aged_65_up", "aged_80_up", "registration_consistent", *_GROUPS["care"])


class Figure(BaseModel):
    """One figure of the village."""

    name: str
    title: str
    value: float | int | None
    percent: float | None = Field(None, description="Share of the residents, where that says something.")


class FigureGroup(BaseModel):
    """Figures that belong together."""

    name: str
    figures: list[Figure]


class GridCount(BaseModel):
    """How many residents a grid has; a code of null are residents whose address lies in no grid."""

    grid_code: str | None
    grid_name: str | None
    grid_kind_code: str | None
    residents: int


class ProductColumn(BaseModel):
    """One column of a product, explained."""

    name: str
    title: str
    kind: str
    codelist: str | None
    mask: str | None
    grade: str


class ProductEntry(BaseModel):
    """One product as the village may take it home; without a version it is not published yet."""

    name: str
    title: str
    purpose: str
    sharing: str
    condition: str
    version: int | None
    published_at: datetime | None
    rows: int | None
    columns: list[ProductColumn]


class Village(BaseModel):
    """All that the page of a village says."""

    division_code: str
    name: str
    town: str
    county: str
    release: int | None
    as_of: date | None
    released_at: datetime | None
    male: int | None
    female: int | None
    is_facility_standard_met: bool | None
    groups: list[FigureGroup]
    grids: list[GridCount]
    products: list[ProductEntry]

    def figure(self, name: str) -> float | int | None:
        """Value of a figure by its name; None where it is missing."""
        return next((f.value for group in self.groups for f in group.figures if f.name == name), None)


def village(portal: Portal, grant: Grant, code: str) -> Village:
    """Gather a village's page.

    Args:
        portal: The portal.
        grant: The operator's grant; products and figures outside it are left out.
        code: The village's 12 digits, already known to lie inside the grant.
    """
    release = live_release(portal.hub)
    versions = {version.name: version for version in newest_versions(portal.hub)}
    # Lists of people come first: they are what is wanted most often.
    products = portal.hub.contracts.products
    names = sorted(village_products(portal, grant), key=lambda name: products[name].sharing["class"])
    summary = _summary(portal, versions.get(SUMMARY), code) if SUMMARY in names else {}
    return Village(
        division_code=code,
        name=title_of(portal, code),
        town=title_of(portal, code[:9]),
        county=title_of(portal, code[:6]),
        release=release.number if release else None,
        as_of=release.as_of if release else None,
        released_at=release.released_at if release else None,
        male=summary.get("male"),
        female=summary.get("female"),
        is_facility_standard_met=is_standard_met(summary.get("facility_m2_per_100_households")),
        groups=_groups(portal.hub.contracts.products[SUMMARY], summary) if summary else [],
        grids=_grids(portal, release, code) if release and summary else [],
        products=[_product(portal, name, versions.get(name), code) for name in names],
    )


def is_standard_met(m2_per_100_households: float | None) -> bool | None:
    """Whether the facilities reach `FACILITY_STANDARD`; None where nobody lives."""
    return None if m2_per_100_households is None else m2_per_100_households >= FACILITY_STANDARD


def _summary(portal: Portal, version: ProductVersion | None, code: str) -> dict[str, Any]:
    if version is None:
        return {}
    contract = portal.hub.contracts.products[SUMMARY]
    rows = product_dataset(portal.hub, SUMMARY, version.version).to_table(
        filter=pc.field(contract.scope_column) == code
    )
    return next(iter(rows.to_pylist()), {})


def _groups(contract: ProductContract, summary: Mapping[str, Any]) -> list[FigureGroup]:
    grouped = {name for names in _GROUPS.values() for name in names}
    others = tuple(name for name in contract.by_name if name not in grouped and name not in _NOT_FIGURES)
    groups = {**_GROUPS, "others": others}
    return [
        FigureGroup(
            name=group,
            figures=[_figure(contract.by_name[name], summary) for name in names if name in contract.by_name],
        )
        for group, names in groups.items()
        if names
    ]


def _figure(column: Column, summary: Mapping[str, Any]) -> Figure:
    value, residents = summary.get(column.name), summary.get("residents")
    has_share = column.name in _OF_RESIDENTS and value is not None and residents
    percent = round(100 * value / residents, 1) if has_share and value is not None and residents else None
    return Figure(name=column.name, title=column.title, value=value, percent=percent)


def _grids(portal: Portal, release: LiveRelease, code: str) -> list[GridCount]:
    return [
        GridCount(grid_code=grid.code, grid_name=grid.name, grid_kind_code=grid.kind_code, residents=grid.residents)
        for grid in portal.atlas.grids(release, code)
    ]


def _product(portal: Portal, name: str, version: ProductVersion | None, code: str) -> ProductEntry:
    contract = portal.hub.contracts.products[name]
    inside = pc.field(contract.scope_column) == code
    return ProductEntry(
        name=name,
        title=contract.title,
        purpose=contract.purpose,
        sharing=contract.sharing["class"],
        condition=contract.sharing["condition"],
        version=version.version if version else None,
        published_at=version.published_at if version else None,
        rows=product_dataset(portal.hub, name, version.version).count_rows(filter=inside) if version else None,
        columns=[_explained(portal, column) for column in contract.columns],
    )


def _explained(portal: Portal, column: Column) -> ProductColumn:
    return ProductColumn(
        name=column.name,
        title=column.title,
        kind=column.kind,
        codelist=column.codelist,
        mask=column.mask["rule"] + ("_when" if "when" in column.mask else "") if column.mask else None,
        grade=column.grade,
    )
