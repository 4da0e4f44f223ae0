"""docs/add-a-dataset.md promises three files and no edit: its dataset is added to a copy of the repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.settings import ROOT

pytestmark = pytest.mark.integration

TAIL = "disabled_federation/assistive_device"
TAKE_IN = f"""
import json
from hub.context import open_hub
from hub.tails import show
from hub.walk import pull_system, take_in
with open_hub() as hub:
    pull_system(hub, "disabled_federation")
    take_in(hub, "disabled_federation")
    print(json.dumps(show(hub, "{TAIL}")))
"""


NEW = """
import sys
from hub.cli import app
for department in sys.argv[1:]:
    app(["new", f"{department}/stub"], standalone_mode=False)
"""
TAKE_IN_A_MAP = """
import json
from hub.context import open_hub
from hub.steps.pull import pull
from hub.walk import take_in
with open_hub() as hub:
    pull(hub, "natural_resources/stub")
    batches = take_in(hub, "natural_resources")
    print(json.dumps([[batch.offer, batch.state, batch.landed, batch.accepted] for batch in batches]))
"""


@pytest.fixture
def copy() -> Iterator[Path]:
    """The repository without tests; not in pytest's own folder, which is closed to the embedded server's account."""
    with tempfile.TemporaryDirectory(prefix="added-") as folder:
        for name in ("connectors", "expectations", "hub", "samples", "schemas"):
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=shutil.ignore_patterns("__pycache__"))
        yield Path(folder)


def call(copy: Path, *arguments: str, **places: str) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    own |= {
        "PYTHONPATH": str(copy),
        "HUB_DATA_DIR": str(copy / "lake"),
        "HUB_AS_OF": "2026-11-01",
        "HUB_PLACE_DISABLED_FEDERATION_QUARTERLY_DROP": str(copy / "county" / "systems" / "disabled_federation"),
        **places,
    }
    done = subprocess.run([sys.executable, *arguments], cwd=copy, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_stubs_are_taken_in_as_they_are(copy: Path) -> None:
    page = (ROOT / "docs" / "add-a-dataset.md").read_text(encoding="utf-8")
    assert f"hub new {TAIL}\n" in page
    before = {path for path in copy.rglob("*") if path.is_file()}
    call(copy, "-m", "hub", "new", TAIL)
    made = {
        path.relative_to(copy).as_posix() for path in set(copy.rglob("*.*")) - before if "__pycache__" not in str(path)
    }
    assert {name for name in made if (copy / name).is_file()} == set(
        re.findall(rf"^\| `(\S+{TAIL}\S*)` \|", page, re.M)
    )
    call(copy, "-m", "samples", "make", "--people", "60", "--output", str(copy / "county"))
    found = json.loads(call(copy, "-c", TAKE_IN))
    assert [(b["offer"], b["state"], b["landed"], b["accepted"]) for b in found["batches"]] == [
        ("assistive_device_20261101.csv", "checked", 1, 1)
    ]
    assert found["dag"] == "pull__disabled_federation"
    assert f"`{found['dag']}`" in page


def test_after_a_stub_for_each_department_every_command_still_works(copy: Path) -> None:
    departments = sorted(path.stem for path in (copy / "connectors" / "systems").glob("*.yml"))
    assert len(departments) == 6
    call(copy, "-c", NEW, *departments)
    assert len(list(copy.glob("schemas/sources/*/stub.yml"))) == 6
    told = call(copy, "-m", "hub", "check-config")
    assert f"{len(list(copy.glob('schemas/sources/*/*.yml')))} datasets" in told
    assert json.loads(call(copy, "-m", "hub", "status", "--json"))["batches"] == []


def test_a_stub_of_a_map_is_taken_in_as_it_is(copy: Path) -> None:
    call(copy, "-m", "hub", "new", "natural_resources/stub")
    place = {"HUB_PLACE_NATURAL_RESOURCES_SURVEY_DROP": str(copy / "samples" / "drops" / "natural_resources" / "stub")}
    found = json.loads(call(copy, "-c", TAKE_IN_A_MAP, **place))
    assert found == [["stub_20261101.geojson", "checked", 1, 1]]
