"""What the sample departments seed, and what the hub says of it: the counts of the page of reason codes.

A county of 2,000 people, seed 1, 5 % faulty rows, through the first three steps.
"""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks.accounting import ROW_KEYS, Fate, lines_of_files
from hub.context import Hub, open_hub
from hub.pg import ensure_database
from hub.settings import ROOT, load_settings
from hub.walk import pull_system, take_in
from samples.make import make
from samples.plan import Plan
from samples.serve import running
from tests.accounting import unaccounted

pytestmark = pytest.mark.integration

FAMILIES = {
    "id": 1,
    "credit": 1,
    "name": 2,
    "text": 3,
    "date": 4,
    "code": 5,
    "division": 7,
    "duplicate": 8,
    "file": 9,
    "coordinates": 10,
}
"""How the name of a fault of the samples begins -> the number of its family."""

NAMED = {1: "identity", 2: "names", 3: "encoding", 4: "dates", 5: "codes", 6: "sheets", 7: "places"}
NAMED |= {8: "duplicates", 9: "feeds", 10: "maps"}


@pytest.fixture(scope="module")
def taken_in() -> Iterator[tuple[Hub, Path]]:
    """The county, pulled, conformed and checked."""
    given = os.environ.get("HUB_TEST_POSTGRESQL_URL")
    with tempfile.TemporaryDirectory(prefix="counts-") as folder:
        county = Path(folder) / "county"
        make(Plan("320305", 2_000, 1, 0.05, date(2026, 11, 1)), county)
        database = ensure_database(given, f"counts_{uuid.uuid4().hex[:12]}") if given else None
        with running(county):
            settings = load_settings(
                data_dir=Path(folder) / "hub",
                database_url=database,
                env_file=county / "places.env",
                as_of="2026-11-01",
            )
            with open_hub(settings) as hub:
                for system in hub.contracts.systems:
                    pull_system(hub, system)
                    take_in(hub, system)
                yield hub, county


def said(hub: Hub, county: Path) -> Counter[tuple[int, str, str]]:
    """Family, fault and code of every seeded fault -> how often."""
    found: Counter[tuple[int, str, str]] = Counter()
    faults = pq.read_table(county / "truth" / "fault.parquet").to_pylist()
    for dataset in sorted({fault["dataset"] for fault in faults}):
        fate = Fate(hub, hub.contracts.sources[dataset], lines_of_files(county, dataset))
        withheld = {
            Path(batch.offer).name: batch.note.partition(":")[0]
            for batch in hub.ledger.batches(dataset, state="withheld")
        }
        for fault in faults:
            if fault["dataset"] == dataset:
                family = FAMILIES[fault["kind"].partition("_")[0]]
                found[family, fault["kind"], _code(fault, fate, withheld)] += 1
    return found


def _code(fault: dict[str, Any], fate: Fate, withheld: dict[str, str]) -> str:
    if fault["expected"] == "withheld":
        return withheld[Path(fault["file"]).name]
    in_files = fate.contract.department not in ROW_KEYS
    name = Path(fault["file"]).name if in_files else ""
    row, other = (f"{name}:{key}" if in_files and key else key for key in (fault["key"], fault["other_key"]))
    if {row, other} & fate.duplicate and fault["expected"] == "duplicate":
        return "key_duplicate"
    if fault["kind"] == "id_of_another_person" and {row, other} & fate.quarantined:
        return "key_conflict"
    issues = [fate.issues[row, name]["rule"] for name in fate.columns(fault["column"]) if (row, name) in fate.issues]
    return str(issues[0]) if issues else ""


def test_every_seeded_fault_is_accounted_for(taken_in: tuple[Hub, Path]) -> None:
    seeded, lost = unaccounted(*taken_in)
    assert (seeded > 300, lost) == (True, [])


def test_the_page_counts_them_by_family_fault_and_code(taken_in: tuple[Hub, Path]) -> None:
    found = said(*taken_in)
    expected = [
        f"| {family} {NAMED[family]} | `{kind}` | {f'`{code}`' if code else 'read as it is meant'} | {count} |"
        for (family, kind, code), count in sorted(found.items())
    ]
    page = (ROOT / "docs" / "reason-codes.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \d+ \S+ \| `\w+` \| .+ \| \d+ \|$", page, re.MULTILINE)
    assert listed == expected, "\n".join(["the page should have", *expected])


def test_as_many_issues_are_counted_as_faults_were_seeded(taken_in: tuple[Hub, Path]) -> None:
    hub, county = taken_in
    counted: Counter[str] = Counter()
    for issue in hub.ledger.issues():
        counted[issue.rule] += issue.count
    seeded: Counter[str] = Counter()
    for (_, _, code), count in said(hub, county).items():
        seeded[code] += count
    del seeded[""]
    assert not {code: (count, counted[code]) for code, count in seeded.items() if counted[code] < count}
