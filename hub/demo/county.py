"""The invented county of the demo: made once, then the same for every further run."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hub.demo.processes import Child, Processes
from hub.errors import StopError
from hub.store import write_atomically

__all__ = ["County", "finish_county", "make_county", "places_file", "read_county", "serve_county"]


@dataclass(frozen=True)
class County:
    """What to ask of `python -m samples make`.

    Attributes:
        county: The county's six digits.
        people: How many people, outsiders included.
        seed: Seed of all chance.
        faults: Share of spoiled rows.
        as_of: The day the department systems are as of, YYYY-MM-DD; the hub takes it for today.
    """

    county: str
    people: int
    seed: int
    faults: float
    as_of: str


def _asked(folder: Path) -> Path:
    return folder / "asked.json"


def read_county(folder: Path) -> County | None:
    """Return what the county in a folder was made from, None if there is none or it was not finished."""
    path = _asked(folder)
    return County(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def make_county(processes: Processes, county: County, folder: Path, environment: Mapping[str, str]) -> Child | None:
    """Begin to make the county unless it is there already; hand the child to `finish_county`.

    Raises:
        StopError: Another county is there: two counties in one hub would look like one that changed.
    """
    found = read_county(folder)
    if found == county:
        return None
    if found is not None:
        asked, there = asdict(county), asdict(found)
        changed = ", ".join(f"{name} {there[name]}" for name in asked if asked[name] != there[name])
        raise StopError(
            where=str(folder),
            came=f"another sample county is there: {changed}",
            allowed="one county in one folder",
            do="run `make clean` first, or ask for the county that is there",
        )
    shutil.rmtree(folder, ignore_errors=True)
    options = [item for name, value in asdict(county).items() for item in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "samples", "make", *options, "--output", str(folder)]
    return processes.start("samples-make", command, environment)


def finish_county(processes: Processes, child: Child, county: County, folder: Path) -> None:
    """Wait until the county is made, and note what it was made from."""
    processes.finish(child)
    write_atomically(_asked(folder), json.dumps(asdict(county)).encode())


def places_file(folder: Path) -> Path:
    """The file that says where the department systems are, there as long as they run."""
    return folder / "places.env"


def serve_county(processes: Processes, folder: Path, environment: Mapping[str, str]) -> Child:
    """Start the department systems; they are up when `places_file` is there."""
    places_file(folder).unlink(missing_ok=True)
    command = [sys.executable, "-m", "samples", "serve", "--output", str(folder)]
    return processes.start("samples-serve", command, environment)
