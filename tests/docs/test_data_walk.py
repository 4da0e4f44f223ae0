"""docs/data-walk.md follows one person; here the same person is followed, and every table of the page compared."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable

from hub.context import Hub
from hub.settings import ROOT

pytestmark = pytest.mark.integration

PAGE = (ROOT / "docs" / "data-walk.md").read_text(encoding="utf-8")
ALLOWANCE, REGISTER = "civil_affairs/elderly_allowance", "public_security/registered_resident"
NUMBER, VILLAGE = "320372193309043137", "320305102205"


def told(name: str) -> list[dict[str, str]]:
    """The rows of the page's table that follows the mark `<!-- check: name -->`."""
    _before, mark, after = PAGE.partition(f"<!-- check: {name} -->\n")
    assert mark, f"the page has no table {name}"
    lines = after.split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def shown(row: dict[str, Any], columns: dict[str, str]) -> dict[str, str]:
    """The columns of a row as the page writes them."""
    return {name: "" if row.get(name) is None else str(row[name]) for name in columns}


def only(folder: Path, file: str = "*.parquet") -> list[dict[str, Any]]:
    (path,) = folder.glob(f"*/{file}")
    return list(pq.read_table(path).to_pylist())


def people(hub: Hub, path: Path, column: str, value: str) -> list[dict[str, Any]]:
    return [row for row in DeltaTable(str(path)).to_pyarrow_table().to_pylist() if row[column] == value]


def test_raw_and_issue(walked: tuple[Hub, Path]) -> None:
    hub, _county = walked
    (page,) = told("raw")
    rows = [row for row in only(hub.lake.root / "1-raw" / ALLOWANCE) if NUMBER in row["身份证号"]]
    assert [shown(row, page) for row in rows] == [page]
    (page,) = told("issue")
    issues = only(hub.lake.root / "2-conformed" / ALLOWANCE, "issues.parquet")
    assert [shown(issue, page) for issue in issues if NUMBER in (issue["original"] or "")] == [page]


def test_counts(walked: tuple[Hub, Path]) -> None:
    hub, _county = walked
    for page in told("counts"):
        (batch,) = (b for b in hub.ledger.batches(page["dataset"], state="checked") if b.id.endswith("000001"))
        assert shown(vars(batch), page) | {"dataset": page["dataset"]} == page


def test_links(walked: tuple[Hub, Path]) -> None:
    hub, _county = walked
    keys = set()
    for page in told("links"):
        table = ds.dataset(hub.lake.linked(page["dataset"]) / "rows.parquet").to_table(
            filter=ds.field("id_number") == NUMBER
        )
        (row,) = table.to_pylist()
        keys.add(row["person_key"])
        found = (row["_person_reason"], row["division_code"], row["_division_reason"])
        assert found == (page["reason of the person key"], page["division_code"], page["told by"])
    assert len(keys) == 1


def test_person_and_lineage(walked: tuple[Hub, Path]) -> None:
    hub, _county = walked
    (person,) = people(hub, hub.lake.base("person"), "id_number", NUMBER)
    (page,) = told("person")
    assert shown(person, page) == page
    lineage = people(hub, hub.lake.lineage("person"), "person_key", person["person_key"])
    for page in told("lineage"):
        assert [row["dataset"] for row in lineage if page["field"] in row["fields"]] == [page["dataset"]]


def test_products_and_packs(walked: tuple[Hub, Path]) -> None:
    hub, _county = walked
    for page in told("products"):
        rows = people(hub, hub.lake.product(page["product"]), "person_name", "谢世民")
        assert [shown(row, page) | {"product": page["product"]} for row in rows] == [page]
    holders = set()
    for pack in hub.lake.outbox().glob("village/*/*.zip"):
        with zipfile.ZipFile(pack) as content:
            if any("谢世民" in content.read(name).decode("utf-8-sig") for name in content.namelist()):
                holders.add(pack.parent.name)
    assert holders == {VILLAGE}


def test_paths_of_the_lake_are_as_the_page_writes_them(walked: tuple[Hub, Path]) -> None:
    hub, _county = walked
    paths = re.findall(r"`(\d-[a-z]+/[\w./-]+)`", PAGE)
    assert len(paths) == 2
    assert [path for path in paths if not (hub.lake.root / path).exists()] == []
    assert (hub.lake.root / paths[0] / "manifest.json").is_file()


def test_the_query_of_the_page_finds_him_in_the_release_it_names(walked: tuple[Hub, Path]) -> None:
    hub, _county = walked
    (found,) = re.findall(r"as release (\d+): `(SELECT [^`]+)`", PAGE)
    with hub.database.connect() as connection:
        rows = connection.execute(sa.text(found[1])).mappings().all()
    assert [(row["person_name"], str(row["release_number"])) for row in rows] == [("谢世民", found[0])]


def test_the_page_makes_the_county_that_is_walked_here(walked: tuple[Hub, Path]) -> None:
    _hub, county = walked
    asked = json.loads((county / "county.json").read_text(encoding="utf-8"))
    told = dict(re.findall(r"--(county|seed|faults|as-of) (\S+)", PAGE))
    assert told == {name: str(asked[name.replace("-", "_")]) for name in ("county", "seed", "faults", "as-of")}
