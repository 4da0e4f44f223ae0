"""The ten families of faults that feeds have, a case at a time: each is said, and the page of reason codes lists it."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.context import Hub
from hub.settings import ROOT
from tests.connectors.hostile import Generator
from tests.connectors.test_hostile import landed, sorted_out
from tests.hub.drops import Drops
from tests.hub.fault_cells import CELLS, Cell
from tests.hub.fault_feeds import FEEDS
from tests.hub.fault_maps import MAPS
from tests.hub.mini import opened

pytestmark = pytest.mark.integration

ELSEWHERE = (
    (8, "household with two heads", "household_has_one_head", "tests/hub/test_gate.py"),
    (8, "number known under two names", "number_has_one_name", "tests/hub/test_gate.py"),
    (8, "person registered in two villages", "two_places", "tests/hub/steps/test_check.py"),
    (9, "deletions missing from what is new", "rows_vanished", "tests/hub/test_recount.py"),
)
"""Cases that show only once rows are joined or held against earlier ones: family, name, code, and who seeds them."""


@pytest.fixture(scope="module")
def opened_hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[tuple[Hub, Drops]]:
    folder = tmp_path_factory.mktemp("faults")
    drops = Drops(folder)
    with opened(folder, module_database_url, env_file=drops.env_file) as hub:
        yield hub, drops


@pytest.fixture
def hub(opened_hub: tuple[Hub, Drops]) -> Hub:
    hub, drops = opened_hub
    drops.clear()
    shutil.rmtree(hub.lake.root, ignore_errors=True)
    hub.lake.root.mkdir()
    with hub.database.begin() as connection:
        connection.execute(sa.text("TRUNCATE ledger.batch, ledger.notice, ledger.audit CASCADE"))
    return hub


def of_datasets() -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = defaultdict(list)
    for cell in CELLS:
        found[cell.tail].append(cell)
    return found


@pytest.mark.parametrize("tail", of_datasets())
def test_a_wrong_cell_is_said_and_its_row_is_not_lost(hub: Hub, tail: str) -> None:
    cells, generator = of_datasets()[tail], Generator(hub.contracts, tail)
    rows = []
    for number, cell in enumerate(cells):
        good = generator.good(number)
        text = cell.value if isinstance(cell.value, str) else ""
        own = text.replace("{good18}", str(good[cell.column])[:18]).replace("{good}", str(good[cell.column]))
        papers = {"zjlx": "414"} if cell.name == "foreigner's passport" else {}
        rows.append({**good, **papers, cell.column: own if isinstance(cell.value, str) else cell.value})
    found = sorted_out(hub, landed(hub, tail, rows))
    assert found.batch.landed == found.batch.accepted + found.batch.quarantined + found.batch.duplicate == len(rows)
    said: dict[str, set[str]] = {}
    for number, cell in enumerate(cells, 1):
        names = [column.name for column in generator.columns(cell.column)]
        issues = {found.issues[number][name]["rule"] for name in names if name in found.issues[number]}
        # Where a cell was read, the rules that its row fails speak of it.
        said[cell.name] = issues or {rule for name in names for rule in found.rules[number][name]}
    assert said == {cell.name: {cell.code} - {""} for cell in cells}


@pytest.mark.parametrize(("name", "code"), [(name, code) for _, name, code, _ in FEEDS])
def test_a_faulty_delivery_is_said(opened_hub: tuple[Hub, Drops], hub: Hub, name: str, code: str) -> None:
    case = next(case for _, known, _, case in FEEDS if known == name)
    said = case(hub, opened_hub[1])
    assert (code in said) if code else (said == set()), said


@pytest.mark.parametrize(("name", "code"), [(name, code) for _, name, code, _ in MAPS])
def test_a_faulty_map_is_said(tmp_path: Path, name: str, code: str) -> None:
    case = next(case for _, known, _, case in MAPS if known == name)
    assert code in case(tmp_path)


def test_the_page_lists_every_case_with_its_code() -> None:
    page = (ROOT / "docs" / "reason-codes.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d+) \S+ \| ([^|`]+) \| ([^|]+) \| 1 \|$", page, re.MULTILINE)
    cells = [(cell.family, cell.name, cell.code) for cell in CELLS]
    others = [(family, name, code) for family, name, code, _ in (*FEEDS, *MAPS, *ELSEWHERE)]
    cases = sorted([*cells, *others], key=lambda case: case[0])
    expected = [(str(family), name, f"`{code}`" if code else "read as it is meant") for family, name, code in cases]
    assert listed == expected


def test_cases_seeded_elsewhere_are_there() -> None:
    for _, name, code, file in ELSEWHERE:
        assert code in (ROOT / file).read_text(encoding="utf-8"), name
