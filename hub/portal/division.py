"""What the page of a town, county or city says: its villages with their figures, searched and paged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from hub.exchange.grants import Grant
from hub.exchange.versions import newest_version
from hub.portal.access import title_of
from hub.portal.frame import Portal
from hub.portal.live import LiveRelease, live_release, product_dataset
from hub.portal.map import Map
from hub.portal.village import SUMMARY, is_standard_met

__all__ = ["LIST_FIGURES", "Division", "Row", "division"]

LIST_FIGURES = ("residents", "households", "aged_65_up", "legal_entities", "facility_m2_per_100_households")
"""Columns of the summary that the list shows for each village."""

_PAGE_ROWS = 200
_MAP_VILLAGES = 600
_TOTALS = ("residents", "households", "aged_65_up", "low_income", "destitute", "disability", "legal_entities")
_LENGTHS = (2, 4, 6, 9, 12)


@dataclass(frozen=True)
class Row:
    """One village of the list; figures are empty where the grant does not cover them."""

    code: str
    name: str
    town: str
    figures: Mapping[str, Any]
    is_facility_standard_met: bool | None


@dataclass(frozen=True)
class Division:
    """All that the page says.

    Attributes:
        parts: Code and name of the divisions right below that have villages here; empty for a town.
        above: Code and name of the divisions above that the grant covers, the highest first.
        totals: Column of the summary -> sum over all villages of the division.
        query: What was searched for.
        found: How many villages match, on all pages.
    """

    code: str
    name: str
    release: LiveRelease | None
    parts: Sequence[tuple[str, str]]
    above: Sequence[tuple[str, str]]
    totals: Mapping[str, int]
    villages: int
    below_standard: int
    query: str
    found: int
    page: int
    pages: int
    rows: Sequence[Row]
    map: Map | None


def division(portal: Portal, grant: Grant, code: str, query: str, page: int) -> Division:
    """Gather the page of a division.

    Args:
        portal: The portal.
        grant: The operator's grant.
        code: The division's 2, 4, 6 or 9 digits, already known to lie inside the grant.
        query: Part of a village's or town's name, or the head of a village's code.
        page: From 1; beyond the last one the last.
    """
    release = live_release(portal.hub)
    rows = _rows(portal, grant, code)
    matching = [row for row in rows if _matches(row, query)]
    pages = max(-(-len(matching) // _PAGE_ROWS), 1)
    page = min(max(page, 1), pages)
    residents = {row.code: row.figures["residents"] for row in rows if row.figures}
    small = release is not None and 0 < len(residents) <= _MAP_VILLAGES
    return Division(
        code=code,
        name=title_of(portal, code),
        release=release,
        parts=_parts(portal, code, rows),
        above=[(code[:n], title_of(portal, code[:n])) for n in _LENGTHS if len(grant.division_code) <= n < len(code)],
        totals={name: sum(row.figures.get(name) or 0 for row in rows) for name in _TOTALS} if residents else {},
        villages=len(rows),
        below_standard=sum(row.is_facility_standard_met is False for row in rows),
        query=query,
        found=len(matching),
        page=page,
        pages=pages,
        rows=matching[(page - 1) * _PAGE_ROWS : page * _PAGE_ROWS],
        map=portal.atlas.division_map(release, residents) if release and small else None,
    )


def _rows(portal: Portal, grant: Grant, code: str) -> list[Row]:
    """Every village of the division by code, with figures where they are published and covered."""
    figures = _figures(portal, code) if SUMMARY in grant.products else {}
    titles = portal.hub.contracts.codelists["division"].titles
    return [
        Row(
            code=village,
            name=name,
            town=titles.get(village[:9] + "000", ""),
            figures=figures.get(village, {}),
            is_facility_standard_met=is_standard_met(figures.get(village, {}).get("facility_m2_per_100_households")),
        )
        for village, name in sorted(titles.items())
        if village.startswith(code) and not village.endswith("000")
    ]


def _figures(portal: Portal, code: str) -> dict[str, dict[str, Any]]:
    version = newest_version(portal.hub, SUMMARY)
    if version is None:
        return {}
    scope = portal.hub.contracts.products[SUMMARY].scope_column
    inside = pc.starts_with(pc.field(scope), code)
    rows = product_dataset(portal.hub, SUMMARY, version.version).to_table(filter=inside).to_pylist()
    return {row[scope]: row for row in rows}


def _matches(row: Row, query: str) -> bool:
    return not query or query in row.name or query in row.town or row.code.startswith(query)


def _parts(portal: Portal, code: str, rows: Sequence[Row]) -> list[tuple[str, str]]:
    length = next(n for n in _LENGTHS if n > len(code))
    if length == _LENGTHS[-1]:
        return []
    return [(part, title_of(portal, part)) for part in sorted({row.code[:length] for row in rows})]
