"""A miniature hub for the portal: eight real villages of two towns, released and published by hand."""

from __future__ import annotations

import uuid
import warnings
from datetime import UTC, date, datetime

import httpx
import numpy as np
import pyarrow as pa
import shapely
from deltalake import DeltaTable, write_deltalake
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.contracts import Contract
from hub.exchange.grants import create_grant
from hub.exchange.versions import ProductVersion, record_version
from hub.ledger.models import DeliveryRow, ReleaseRow

with warnings.catch_warnings():
    # It asks for a client library that has no release the rest of the hub's dependencies allow.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

MAZHUANG = "320305005204"
TOWN = "320305005"
OTHER_TOWN_VILLAGE = "320305003201"
VILLAGES = (
    "320305003201",
    "320305003202",
    "320305005200",
    "320305005201",
    "320305005202",
    "320305005203",
    MAZHUANG,
    "320305005205",
)
AS_OF = date(2026, 11, 1)
RELEASED_AT = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
GRIDS_EACH = 4
RESIDENTS_EACH = 40


def _cells(outline: shapely.Polygon, count: int, seed: int) -> list[shapely.Polygon]:
    """Cut a polygon into cells that tile it."""
    random = np.random.default_rng(seed)
    west, south, east, north = outline.bounds
    points: list[shapely.Point] = []
    while len(points) < count:
        point = shapely.Point(random.uniform(west, east), random.uniform(south, north))
        if outline.contains(point):
            points.append(point)
    cells = shapely.voronoi_polygons(shapely.MultiPoint(points), extend_to=outline)
    return [cell.intersection(outline) for cell in cells.geoms]


def _write(hub: Hub, contract: Contract, path: object, rows: list[dict[str, object]]) -> int:
    write_deltalake(str(path), pa.Table.from_pylist(rows, schema=contract.arrow_schema), mode="overwrite")
    return DeltaTable(str(path)).version()


def _base_rows(hub: Hub) -> dict[str, list[dict[str, object]]]:
    titles = hub.contracts.codelists["division"].titles
    village_codes = [code for code in VILLAGES if code in titles]
    cells = _cells(shapely.Point(117.42, 34.38).buffer(0.05), len(village_codes), 1)
    rows: dict[str, list[dict[str, object]]] = {"division": [], "grid": [], "building": [], "residence": []}
    for number, (code, cell) in enumerate(zip(village_codes, cells, strict=True)):
        rows["division"].append(
            {
                "division_code": code,
                "division_name": titles[code],
                "division_level_code": "village",
                "parent_code": code[:9] + "000",
                "geometry": shapely.to_wkb(cell),
            }
        )
        for index, part in enumerate(_cells(cell, GRIDS_EACH, 100 + number), 1):
            rows["grid"].append(
                {
                    "grid_code": f"{code}{index:03d}",
                    "grid_name": f"第{index}网格",
                    "grid_kind_code": "general",
                    "division_code": code,
                    "geometry": shapely.to_wkb(part),
                }
            )
        middle = cell.representative_point()
        rows["building"] += [
            {
                "building_code": f"{code}{index:05d}",
                "division_code": code,
                "geometry": shapely.to_wkb(shapely.box(x, y, x + 0.0002, y + 0.00015)),
            }
            for index in range(12)
            for x, y in [(middle.x + (index % 4) * 0.0004, middle.y + (index // 4) * 0.0003)]
        ]
        rows["residence"] += [
            {
                "residence_key": f"R{code}{index}",
                "person_key": f"P{code}{index}",
                "residence_kind_code": "registered",
                "division_code": code,
                # The last resident's address lies in no grid; each has an older residence that is over.
                "grid_code": None if index == 0 else f"{code}{1 + index % GRIDS_EACH:03d}",
                "is_current": current,
            }
            for index in range(RESIDENTS_EACH)
            for current in (True, False)
        ]
    return rows


def _product_rows(hub: Hub) -> dict[str, list[dict[str, object]]]:
    titles = hub.contracts.codelists["division"].titles
    rows: dict[str, list[dict[str, object]]] = {
        p.name: [] for p in hub.contracts.products.values() if p.subscriber_kind == "village"
    }
    for number, code in enumerate(VILLAGES):
        summary = {
            "division_code": code,
            "division_name": titles[code],
            "town_name": titles[code[:9] + "000"],
            **dict.fromkeys(("low_income", "destitute", "elderly_allowance", "disability"), number),
            "residents": 4_000 + number,
            "households": 1_000,
            "male": 2_000,
            "female": 2_000 + number,
            "aged_0_14": 500,
            "aged_65_up": 800,
            "aged_80_up": 100,
            "registration_consistent": 3_000,
            "legal_entities": 20,
            "addresses": 30,
            "grids": GRIDS_EACH,
            "facility_area_m2": 310.0 if number % 2 else 250.0,
            "facility_m2_per_100_households": 31.0 if number % 2 else 25.0,
        }
        rows["village_summary"].append(summary)
        rows["village_resident_roster"] += [
            {"division_code": code, "person_name": f"居民{code[-3:]}号{index}", "sex_code": "1"}
            for index in range(RESIDENTS_EACH)
        ]
        rows["village_address_book"] += [
            {"division_code": code, "address_code": f"{code}{index:09d}", "full_address": f"{titles[code]}{index}号"}
            for index in range(3)
        ]
        rows["village_enterprise_list"].append({"division_code": code, "entity_name": f"{titles[code]}商店"})
    return rows


def fill(hub: Hub) -> None:
    """Release the base tables and publish the products of the miniature."""
    contracts = hub.contracts
    versions = {
        entity: _write(hub, contracts.base[entity], hub.lake.base(entity), rows)
        for entity, rows in _base_rows(hub).items()
    }
    with Session(hub.database) as session, session.begin():
        tables = {entity: {"delta_version": version} for entity, version in versions.items()}
        session.add(ReleaseRow(number=7, as_of_date=AS_OF, released_at=RELEASED_AT, tables=tables, state="live"))
    for name, rows in _product_rows(hub).items():
        version = _write(hub, contracts.products[name], hub.lake.product(name), rows)
        record_version(hub, ProductVersion(name, version, 7, len(rows), len(VILLAGES), "0" * 64, RELEASED_AT, AS_OF))
    with Session(hub.database) as session, session.begin():
        session.add(
            DeliveryRow(
                receiver_kind="village",
                receiver=MAZHUANG,
                release_number=7,
                content_hash="0" * 64,
                state="sent",
                file="pack.zip",
                file_sha256="0" * 64,
                rows=1,
                delivered_at=RELEASED_AT,
            )
        )


class Visitor(TestClient):
    """A browser without a browser: keeps cookies, follows redirects, carries the page's CSRF token."""

    def token(self) -> str:
        """The CSRF token of the start page's form."""
        page: str = self.get("/").text
        return page.partition('name="csrf_token" value="')[2].partition('"')[0]

    def sign_in(self, operator: str, code: str, **changed: str) -> httpx.Response:
        """Send the sign-in form."""
        form = {"csrf_token": self.token(), "operator": operator, "code": code, **changed}
        answer: httpx.Response = self.post("/", data=form)
        return answer


def grant_for(hub: Hub, division: str, products: tuple[str, ...] | None = None) -> tuple[str, str]:
    """Make a grant for a new operator; return the operator and the access code."""
    operator = f"操作员{uuid.uuid4().hex[:6]}"
    _, code = create_grant(
        hub, holder="潘安湖街道办事处", operator=operator, division=division, purpose="基层治理", products=products
    )
    return operator, code
