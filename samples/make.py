"""Makes the county of a plan: draws the truth, lets every department write it down, spoils a share, writes it all."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from samples import truth
from samples.care import provide
from samples.community import Community, found
from samples.divisions import County, find_counties
from samples.entities import register
from samples.faults import Spoiled
from samples.in_use import is_in_use
from samples.organisations import equip, organise
from samples.plan import Plan
from samples.systems import (
    civil_affairs,
    disabled_federation,
    health_commission,
    market_regulation,
    natural_resources,
    public_security,
)
from samples.visits import visit

SYSTEMS: dict[str, Callable[[Plan, dict[str, pa.Table], Path], dict[str, Spoiled]]] = {
    "civil_affairs": civil_affairs.deliver,
    "disabled_federation": disabled_federation.deliver,
    "health_commission": health_commission.deliver,
    "market_regulation": market_regulation.deliver,
    "natural_resources": natural_resources.deliver,
    "public_security": public_security.deliver,
}
DESCRIPTION = "county.json"
DROPS = Path(__file__).with_name("drops")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Made:
    """What was made: the description written beside it, and where."""

    directory: Path
    description: dict[str, Any]


def make(plan: Plan, output: Path, tell: Tell = lambda _: None) -> Made:
    """Make the county (or counties) of a plan under `output`.

    An earlier making in the same folder is replaced. `county.json` is written last: where it is, all is there.

    Args:
        plan: what to make.
        output: the folder; it is created.
        tell: is called with the name of each stage as it begins.

    Raises:
        ValueError: the plan names no county of the list, or too many people for it.
        FileExistsError: the folder has something else in it, or is being served.
    """
    counties = find_counties(plan.county)
    _clear(output)
    tables: dict[str, list[pa.Table]] = {}
    truths: dict[str, list[pa.Table]] = {}
    for county, people in zip(counties, _share(plan.people, counties), strict=True):
        tell(f"{county.title} {county.prefix}")
        community = found(plan, county, people)
        for name, table in _collect(community, truths):
            tables.setdefault(name, []).append(table)
    delivered: dict[str, Spoiled] = {}
    for system, deliver in SYSTEMS.items():
        tell(system)
        own = {name: pa.concat_tables(tables.pop(name)) for name in list(tables) if name.startswith(f"{system}/")}
        delivered.update(deliver(plan, own, output / "systems" / system))
    _add_drops(output / "systems")
    tell("truth")
    faults = truth.faults_of(delivered)
    records = {name: pa.concat_tables(parts) for name, parts in truths.items()}
    counts = truth.counts_of({dataset: len(spoiled.table) for dataset, spoiled in delivered.items()}, faults)
    records |= {"row": truth.rows_of(delivered), "fault": faults, "count": counts}
    truth.write(output / "truth", records)
    return describe(plan, counties, output, records)


def _add_drops(systems: Path) -> None:
    """Put files that lie in `samples/drops/<department>/<dataset>/` into the departments' folders as they are."""
    for file in sorted(DROPS.glob("*/*/*")):
        shutil.copyfile(file, systems / file.parts[-3] / file.name)


def _collect(community: Community, truths: dict[str, list[pa.Table]]) -> Iterator[tuple[str, pa.Table]]:
    care, entities = provide(community), register(community)
    for name, table in truth.describe(community, care, entities).items():
        truths.setdefault(name, []).append(table)
    yield from public_security.collect(community).items()
    yield from market_regulation.collect(community, entities).items()
    yield from natural_resources.collect(community).items()
    visits = visit(community, care)
    yield from civil_affairs.collect(community, care, organise(community), equip(community), visits).items()
    yield from health_commission.collect(community).items()
    yield from disabled_federation.collect(community, care).items()


def _share(people: int, counties: list[County]) -> list[int]:
    units = sum(len(county.units) for county in counties)
    return [max(round(people * len(county.units) / units), 1) for county in counties]


def _clear(output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    if any(output.iterdir()) and not any((output / name).exists() for name in (DESCRIPTION, "systems", "truth")):
        raise FileExistsError(
            f"samples: {output} has files that were not made here; give an empty folder or one of an earlier making"
        )
    if is_in_use(output):
        raise FileExistsError(f"samples: {output} is being served; stop `python -m samples serve` first")
    (output / DESCRIPTION).unlink(missing_ok=True)
    for name in ("systems", "truth"):
        shutil.rmtree(output / name, ignore_errors=True)


def describe(plan: Plan, counties: list[County], output: Path, records: dict[str, pa.Table], month: int = 1) -> Made:
    """Write `county.json` about what lies in a folder, and return it."""
    counts = {row["dataset"]: row["rows"] for row in records["count"].to_pylist()}
    description = {
        "county": plan.county,
        "name": "、".join(county.title for county in counties),
        "people": len(records["person"]),
        "seed": plan.seed,
        "faults": plan.faults,
        "as_of": plan.as_of.isoformat(),
        "month": month,
        "villages": sum(len(county.units) for county in counties),
        "counts": counts,
        "faulty_rows": len(records["fault"]),
        "digest": digest(output),
    }
    text = json.dumps(description, ensure_ascii=False, indent=2)
    (output / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    return Made(output, description)


def digest(output: Path) -> str:
    """SHA-256 over the names and bytes of all files that were made, in order of their paths."""
    total = hashlib.sha256()
    for part in ("systems", "truth"):
        for path in sorted((output / part).rglob("*")):
            if path.is_file():
                total.update(path.relative_to(output).as_posix().encode())
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
