"""Takes a made county one month on: what departments have then, and the truth about it.

Lives go on (`samples/life.py`, `samples/month_care.py`), and the departments write down what they hear of it
(`samples/month_*.py`). Tables that are served are changed in place; files are only added.
"""

import calendar
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from samples import month_market, month_police, truth
from samples.book import Book
from samples.divisions import County, find_counties
from samples.draw import generator
from samples.faults import Spoil, Spoiled
from samples.life import Homes, Life
from samples.make import DESCRIPTION, Made, Tell, describe
from samples.month_care import care
from samples.month_files import LISTS, ListFile
from samples.month_health import drops
from samples.month_lists import Lists
from samples.plan import Plan
from samples.sheets import visible
from samples.standing import Standing
from samples.systems import cremations, health_commission, market_regulation, public_security

MARKET_FILE = "market_regulation/legal_entity.parquet"


def advance(directory: Path, tell: Tell = lambda _: None) -> Made:
    """Take a made county one month on, once.

    Files that were delivered stay as they are. `county.json` is taken away before anything is written, and written
    last: where it is, all is there.

    Args:
        directory: the county's folder, as `make` wrote it.
        tell: is called with the name of each stage as it begins.

    Raises:
        FileNotFoundError: the folder holds no complete county.
        ValueError: it is in its second month already, or its files and its truth do not agree.
    """
    about = _about(directory)
    before = Plan(about["county"], about["people"], about["seed"], about["faults"], date.fromisoformat(about["as_of"]))
    month = _Month(directory, before, replace(before, as_of=next_month(before.as_of)))
    tell("people")
    month.live()
    tell("departments")
    month.hear()
    tell("truth")
    return month.write()


def next_month(day: date) -> date:
    """The same day of the next month, or its last one."""
    year, month = day.year + day.month // 12, day.month % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _about(directory: Path) -> dict[str, Any]:
    path = directory / DESCRIPTION
    if not path.is_file():
        raise FileNotFoundError(
            f"{directory}: no complete county; make one first: python -m samples make --output {directory}"
        )
    about: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if about["month"] != 1:
        raise ValueError(f"samples: {directory} is in month {about['month']}; make the county again to begin anew")
    return about


class _Month:
    """The month from one plan's day to the day before the other's."""

    def __init__(self, directory: Path, before: Plan, plan: Plan) -> None:
        self.directory, self.before, self.plan = directory, before, plan
        self.systems = directory / "systems"
        self.days = (before.today, plan.today)
        self.truth = {path.stem: pq.read_table(path) for path in sorted((directory / "truth").glob("*.parquet"))}
        self.book = Book(self.truth["person"])
        self.counties: list[County] = find_counties(plan.county)
        self.lives: list[Life] = []
        self.served: dict[str, Spoiled] = {}
        self.listed: dict[str, Spoiled] = {}
        self.closed: list[str] = []

    def _chance(self, *labels: str) -> np.random.Generator:
        return generator(self.plan.seed, f"{self.plan.as_of:%Y%m}", *labels)

    def live(self) -> None:
        """Let the month pass in each county."""
        people, households, entities = (self.truth[name] for name in ("person", "household", "legal_entity"))
        taken = [people["living_address_code"], people["registered_address_code"]]
        taken += [households["address_code"], entities["address_code"]]
        used = {code for column in taken for code in column.to_pylist()}
        self.homes = Homes(self.truth["address"], used, self._chance("homes"))
        for county in self.counties:
            life = Life(self._chance("life", county.code), county, self.book, self.homes, self.days)
            life.pass_by()
            care(life)
            self.lives.append(life)

    def hear(self) -> None:
        """Let each department write down what it hears; nothing is written to disk yet."""
        entities = self._standing(market_regulation.DATASET, pq.read_table(self.systems / MARKET_FILE))
        self.closed = month_market.run_on(self._chance("market"), self.book, entities, self.days)
        tables = {name: self._standing(dataset, self._police(name)) for dataset, name in public_security.TABLES.items()}
        month_police.Police(self._chance("police"), self.book, self.homes, tables).write(self.days)
        lists = {dataset: self._list(dataset) for dataset in LISTS}
        Lists(self._chance("lists"), self.book, self.homes, self.counties, lists).write(self.days)
        for standing, kinds, keyed in (
            (entities, market_regulation.faults(), month_market.keyed),
            *((table, public_security.faults_of(name), month_police.keyed) for name, table in tables.items()),
        ):
            self.served[standing.dataset] = self._finished(standing, kinds, keyed)
        for dataset, standing in lists.items():
            file = ListFile(dataset, self.plan, self.systems)
            self.listed[dataset] = self._finished(standing, file.faults, file.keyed)

    def _police(self, name: str) -> pa.Table:
        return pq.read_table(self.systems / "public_security" / f"{name}.parquet")

    def _list(self, dataset: str) -> Standing:
        """A list as it was last delivered."""
        file = ListFile(dataset, self.before, self.systems)
        rows = _of(self.truth["row"], dataset, file.path.name)
        return self._standing(dataset, file.read(len(rows)), file.path.name)

    def _standing(self, dataset: str, table: pa.Table, file: str | None = None) -> Standing:
        rows, faults = (_of(self.truth[name], dataset, file) for name in ("row", "fault"))
        return Standing(dataset, table, rows, faults.to_pylist())

    def _finished(self, standing: Standing, kinds: Sequence[Spoil], keyed: Callable[[pa.Table], pa.Table]) -> Spoiled:
        return standing.finish(self._chance("faults", standing.dataset), kinds, self.plan.faults, keyed)

    def write(self) -> Made:
        """Write what departments have now, the truth, and last the description."""
        (self.directory / DESCRIPTION).unlink()
        folder = self.systems / "health_commission"
        delivered = health_commission.deliver(self.plan, drops(self.book, self.counties, folder), folder)
        delivered[cremations.DATASET] = self._cremations()
        for dataset, spoiled in self.listed.items():
            ListFile(dataset, self.plan, self.systems).write(spoiled.table)
        for dataset, spoiled in self.served.items():
            path = (
                MARKET_FILE
                if dataset == market_regulation.DATASET
                else f"public_security/{public_security.TABLES[dataset]}.parquet"
            )
            pq.write_table(visible(spoiled.table), self.systems / path, compression="zstd")
        records = self.truth | self._people() | self._rows(delivered | self.listed)
        truth.write(self.directory / "truth", records)
        return describe(self.plan, self.counties, self.directory, records, month=2)

    def _cremations(self) -> Spoiled:
        told = set(_of(self.truth["row"], cremations.DATASET, None)["person_id"].to_pylist())
        rows = cremations.of_month(self._chance("cremations"), self.book, self.counties, self.days, told)
        return cremations.deliver(self.plan, rows, self.systems / "civil_affairs")

    # The truth.

    def _people(self) -> dict[str, pa.Table]:
        entities = self.truth["legal_entity"]
        closed = pc.is_in(entities["registration_no"], pa.array(self.closed, pa.string()))
        status = pc.if_else(closed, "cancelled", entities["entity_status_code"])
        place = entities.column_names.index("entity_status_code")
        return {
            "person": self.book.finished(),
            "change": self.book.changes(),
            "household": self._households(),
            "legal_entity": entities.set_column(place, "entity_status_code", status),
        }

    def _households(self) -> pa.Table:
        table = self.truth["household"]
        rows = {row["household_no"]: row for row in table.to_pylist()}
        heads = {row["household_no"]: row["person_id"] for row in self.book.new if row["relation_code"] == "02"}
        for life in self.lives:
            for number, home in life.rehoused.items():
                blank = {"household_no": number, "head_person_id": heads.get(number), "member_count": 0}
                place = {name: home[name] for name in ("division_code", "address_code")}
                rows[number] = rows.get(number, blank) | place
            for number, count in life.joined.items():
                rows[number]["member_count"] += count
        return pa.Table.from_pylist(list(rows.values()), table.schema)

    def _rows(self, delivered: dict[str, Spoiled]) -> dict[str, pa.Table]:
        """Rows, faults and counts: of what is served as it is now, of files all that were ever delivered."""
        served = pa.array(sorted(self.served))
        kept = {
            name: self.truth[name].filter(pc.invert(pc.is_in(self.truth[name]["dataset"], served)))
            for name in ("row", "fault", "count")
        }
        fresh = self.served | delivered
        rows = pa.concat_tables([kept["row"], truth.rows_of(fresh)])
        faults = pa.concat_tables([kept["fault"], truth.faults_of(fresh)]).sort_by(truth.FAULT_ORDER)
        sizes = {row["dataset"]: row["rows"] for row in kept["count"].to_pylist()}
        for dataset, spoiled in fresh.items():
            sizes[dataset] = sizes.get(dataset, 0) + len(spoiled.table)
        return {"row": rows, "fault": faults, "count": truth.counts_of(sizes, faults)}


def _of(table: pa.Table, dataset: str, file: str | None) -> pa.Table:
    """The rows of the truth about one dataset, or about one file of it."""
    mine = pc.equal(table["dataset"], dataset)
    return table.filter(pc.and_(mine, pc.equal(table["file"], file)) if file else mine)
