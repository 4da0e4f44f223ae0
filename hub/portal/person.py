"""Who said what of a resident: for a village's own operators, with the columns and masks of its roster, audited."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Annotated, Any

import ibis
import pyarrow.dataset as ds
from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import Response

from hub.context import Hub
from hub.contracts import Column, ProductContract
from hub.errors import StopError
from hub.exchange.grants import Grant
from hub.explain import REASONS, Explained, FieldExplained, explain
from hub.masks import masked
from hub.portal.access import require_village, title_of
from hub.portal.frame import Portal, ThePortal, render
from hub.portal.live import LiveRelease, base_rows, live_release
from hub.portal.session import SignedIn, check_csrf

__all__ = ["ROSTER", "router"]

router = APIRouter(include_in_schema=False)

ROSTER = "village_resident_roster"
"""The product whose columns and masks the pages keep to; who may not have it finds no page."""

_FOUND_AT_MOST = 50
_ADULT_FROM = 14


def _is_child(person: Mapping[str, Any], as_of: date) -> bool:
    born = person["birth_date"]
    return born is None or (as_of.year - born.year, as_of.month, as_of.day) < (_ADULT_FROM, born.month, born.day)


_CONDITIONS: Mapping[str, Callable[[Mapping[str, Any], date], bool]] = {"_under_14": _is_child}
"""Column of the roster's query that steers a mask -> the same asked of one person; any other one masks always."""


@dataclass(frozen=True)
class Resident:
    """One line of what a search found, as the roster shows it."""

    key: str
    name: str
    sex_code: str | None
    birth_date: date | None


@router.get("/people/{code}")
def search_page(request: Request, portal: ThePortal, grant: SignedIn, code: str) -> Response:
    """Show the form that asks for a resident of a village."""
    require_village(portal, grant, code, ROSTER)
    return _people(request, portal, grant, code, query="", found=None)


@router.post("/people/{code}")
def search(
    request: Request,
    portal: ThePortal,
    grant: SignedIn,
    code: str,
    csrf_token: Annotated[str, Form(max_length=100)] = "",
    q: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """List the residents of a village who have a name or a number; posted, so that no address line holds either."""
    check_csrf(request, csrf_token)
    require_village(portal, grant, code, ROSTER)
    release = live_release(portal.hub)
    query = unicodedata.normalize("NFKC", q).strip()
    found = _found(portal.hub, release, code, query) if release and query else []
    portal.hub.ledger.audit(
        "resident_searched", grant.operator, {"grant": grant.id, "division": code, "found": len(found)}
    )
    return _people(request, portal, grant, code, query=query, found=found)


@router.get("/people/{code}/{key}")
def person_page(request: Request, portal: ThePortal, grant: SignedIn, code: str, key: str) -> Response:
    """Show of each column of the roster what the hub says of a resident, and which department said what."""
    require_village(portal, grant, code, ROSTER)
    release = live_release(portal.hub)
    person = _resident(portal.hub, release, code, key) if release else None
    if release is None or person is None:
        portal.hub.ledger.audit("refused", grant.operator, {"grant": grant.id, "division": code})
        raise HTTPException(404)
    portal.hub.ledger.audit("resident_seen", grant.operator, {"grant": grant.id, "division": code, "key": key})
    roster = portal.hub.contracts.products[ROSTER]
    try:
        whole = explain(portal.hub, "person", key)
    except StopError as error:
        # Released in the lake, not yet or no more in the database: as good as not there.
        raise HTTPException(404) from error
    shown = _as_in_roster(portal.hub, roster, whole, person, release.as_of)
    return render(
        request,
        "person.html",
        grant=grant,
        code=code,
        village=title_of(portal, code),
        release=release,
        resident=next((field.value for field in shown if field.name == "person_name"), ""),
        fields=shown,
        reasons=REASONS,
        titles=_titles(portal.hub, roster),
    )


def _people(
    request: Request, portal: Portal, grant: Grant, code: str, *, query: str, found: list[Resident] | None
) -> Response:
    return render(
        request,
        "people.html",
        grant=grant,
        code=code,
        village=title_of(portal, code),
        query=query,
        found=found,
        at_most=_FOUND_AT_MOST,
        columns=portal.hub.contracts.products[ROSTER].by_name,
        sexes=portal.hub.contracts.codelists["sex"].titles,
    )


def _found(hub: Hub, release: LiveRelease, code: str, query: str) -> list[Resident]:
    """Residents who have this name or this number, whole; parts of either would list a village."""
    roster = hub.contracts.products[ROSTER]
    columns = ["person_key", "person_name", "sex_code", "birth_date"]
    asked = (ds.field("person_name") == query) | (ds.field("id_number") == query.upper())
    here = ds.field("residence_division_code") == code
    rows = base_rows(hub, release, "person", columns, here & asked).slice(0, _FOUND_AT_MOST).to_pylist()
    column = roster.by_name["person_name"]
    names = _masked(hub, [(column, row["person_name"], row) for row in rows], release.as_of)
    return [
        Resident(row["person_key"], name or "", row["sex_code"], row["birth_date"])
        for row, name in sorted(zip(rows, names, strict=True), key=lambda pair: pair[0]["person_key"])
    ]


def _resident(hub: Hub, release: LiveRelease, code: str, key: str) -> dict[str, Any] | None:
    """A person who lives in the village now, as released; None for everybody else."""
    here = (ds.field("person_key") == key) & (ds.field("residence_division_code") == code)
    rows: list[dict[str, Any]] = base_rows(hub, release, "person", ["person_key", "birth_date"], here).to_pylist()
    return rows[0] if rows else None


def _as_in_roster(
    hub: Hub, roster: ProductContract, whole: Explained, person: Mapping[str, Any], as_of: date
) -> list[FieldExplained]:
    """The fields the roster has, each value masked as there; as it came only where nothing is masked."""
    shown = []
    for field in whole.fields:
        column = roster.by_name.get(field.name)
        if column is None:
            continue
        values = [(column, value, person) for value in (field.value, *(claim.value for claim in field.claims))]
        present, *claimed = _masked(hub, values, as_of)
        claims = tuple(
            replace(claim, value=value, original=None if column.mask else claim.original)
            for claim, value in zip(field.claims, claimed, strict=True)
        )
        shown.append(replace(field, value=present, claims=claims))
    return shown


def _masked(hub: Hub, values: Iterable[tuple[Column, Any, Mapping[str, Any]]], as_of: date) -> list[Any]:
    """Values of columns, each of a person, as the product shows them."""
    listed = list(values)
    hidden = [number for number, (column, value, person) in enumerate(listed) if _hides(column, value, person, as_of)]
    told = [value for _, value, _ in listed]
    if not hidden:
        return told
    with hub.engine() as engine:
        for number in hidden:
            column, value, _ = listed[number]
            table = ibis.memtable({"value": [value]}, schema={"value": "string"})
            rule = {"rule": (column.mask or {})["rule"]}
            told[number] = engine.con.to_pyarrow(masked(table, "value", rule, hub.key("token-village").hex()))[
                0
            ].as_py()
    return told


def _hides(column: Column, value: Any, person: Mapping[str, Any], as_of: date) -> bool:
    if column.mask is None or value is None:
        return False
    condition = _CONDITIONS.get(column.mask["when"]) if "when" in column.mask else None
    return condition is None or condition(person, as_of)


def _titles(hub: Hub, roster: ProductContract) -> Callable[[str, Any], str]:
    """How a value of a column is written for people: codes by their titles, 是 and 否."""

    def written(name: str, value: Any) -> str:
        if value is None:
            return "—"
        column = roster.by_name[name]
        if column.codelist:
            return hub.contracts.codelists[column.codelist].titles.get(str(value), str(value))
        if isinstance(value, bool):
            return "是" if value else "否"
        return f"{value:%Y-%m-%d}" if isinstance(value, date | datetime) else str(value)

    return written
