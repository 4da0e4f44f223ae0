"""公安, a month on: rows of the front-end database are updated, added and struck out in place, with new times."""

from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samples.book import Book, Event
from samples.draw import Texts
from samples.life import Homes
from samples.newcomers import calendar
from samples.people import ORIGINS, RESIDENT_ID
from samples.standing import Standing
from samples.systems.public_security import CANCELLED_AND_DELETED, WITHOUT_ADDRESS_CODE

REGISTERED, FLOATING, CANCELLED = "hj_rkxx", "ld_rkxx", "zx_rkxx"
UPDATES = ("moved", "phone", "renamed")
ARRIVALS = ("numbered", "moved_in")


class Police:
    """Writes what happened into the three tables."""

    def __init__(self, rng: np.random.Generator, book: Book, homes: Homes, tables: dict[str, Standing]) -> None:
        self.rng, self.book, self.homes, self.tables = rng, book, homes, tables

    def write(self, days: tuple[int, int]) -> None:
        """Go through the month: `days` are its first and the one after its last."""
        self._let_renew(days)
        for event in sorted(self.book.events, key=lambda event: (event.day, event.place)):
            if event.kind in UPDATES:
                self._update(event)
            elif event.kind == "renewed":
                self._renew(event)
            elif event.kind in ARRIVALS:
                self._arrive(event)
            elif event.kind in ("moved_out", "left", "cancelled"):
                self._strike_out(event)
        for table in self.tables.values():
            for place in table.mend(self.rng):
                operation = "D" if table.row(place)["czbs"] == "D" else "U"
                table.change(place, self._stamp(int(self.rng.integers(*days)), operation), spoilable=False)

    def _let_renew(self, days: tuple[int, int]) -> None:
        """Whoever comes from elsewhere, stays, and whose registration runs out in the month has it renewed."""
        rows, day = self.tables[FLOATING].table, calendar(days[1])
        due = pc.and_(pc.less(rows["dqrq"], f"{day:%Y%m%d}"), pc.not_equal(rows["czbs"], "D"))
        for person in sorted(set(rows["_person"].filter(due.fill_null(False)).to_pylist())):
            if self.book.row(self.book.place_of(person))["living_address_code"]:
                self.book.note(person, "renewed", int(self.rng.integers(*days)))

    def _renew(self, event: Event) -> None:
        table = self.tables[FLOATING]
        for place in table.current(self.book.row(event.place)["person_id"]):
            until = date.fromisoformat(table.row(place)["dqrq"]) + timedelta(days=365)
            table.change(place, {"dqrq": f"{until:%Y%m%d}"} | self._stamp(event.day, "U"))

    def _update(self, event: Event) -> None:
        row = self.book.row(event.place)
        for name, told in ((REGISTERED, self._told_registered), (FLOATING, self._told_floating)):
            values = told(event, row)
            for place in self.tables[name].current(row["person_id"]) if values else ():
                self.tables[name].change(place, values | self._stamp(event.day, "U"))

    def _told_registered(self, event: Event, row: dict[str, Any]) -> dict[str, Any]:
        values = _of_person(event, row) | ({"cym": row["former_name"]} if "former_name" in event.changed else {})
        if "registered_address_code" in event.changed:
            values |= self._place(row["registered_address_code"], "hjdz") | {"qrrq": f"{calendar(event.day):%Y%m%d}"}
        return values

    def _told_floating(self, event: Event, row: dict[str, Any]) -> dict[str, Any]:
        values = _of_person(event, row)
        if "living_address_code" in event.changed:
            values |= self._place(row["living_address_code"], "xzdz")
        return values

    def _place(self, code: str, text: str) -> dict[str, Any]:
        home = self.homes.at(code)
        told = None if self.rng.random() < WITHOUT_ADDRESS_CODE else code
        return {text: home["full_address"], "dzbm": told, "xzqh": home["division_code"]}

    def _arrive(self, event: Event) -> None:
        row = self.book.row(event.place)
        name = REGISTERED if row["registered_address_code"] else FLOATING
        told = self._registered(event, row) if name == REGISTERED else self._floating(event, row)
        self._add(name, row, told, event.day)

    def _registered(self, event: Event, row: dict[str, Any]) -> dict[str, Any]:
        return {
            "gmsfhm": row["id_number"],
            "cym": row["former_name"],
            "hyzk": row["marital_status_code"],
            "whcd": row["education_code"],
            "hh": row["household_no"],
            "yhzgx": row["relation_code"],
            **_about(row),
            **self._place(row["registered_address_code"], "hjdz"),
            "qrrq": f"{calendar(event.day):%Y%m%d}",
        }

    def _floating(self, event: Event, row: dict[str, Any]) -> dict[str, Any]:
        return {
            "zjlx": RESIDENT_ID,
            "zjhm": row["id_number"],
            "hjdqh": ORIGINS[int(self.rng.integers(0, len(ORIGINS)))],
            **_about(row),
            **self._place(row["living_address_code"], "xzdz"),
            "zslx": "2" if self.rng.random() < 0.8 else "3",
            "djrq": f"{calendar(event.day):%Y%m%d}",
            "dqrq": f"{calendar(event.day + 365):%Y%m%d}",
        }

    def _strike_out(self, event: Event) -> None:
        """Mark the row as deleted, and list whoever leaves the register among the cancelled."""
        row = self.book.row(event.place)
        name = FLOATING if event.kind == "left" else REGISTERED
        if event.kind != "cancelled" or self.rng.random() < CANCELLED_AND_DELETED:
            for place in self.tables[name].current(row["person_id"]):
                self.tables[name].change(place, self._stamp(event.day, "D"), spoilable=False)
        if event.kind != "left":
            reason = "2" if event.kind == "moved_out" else "1"
            told = {"gmsfhm": row["id_number"], "xm": row["person_name"], "zxyy": reason}
            self._add(CANCELLED, row, told | {"zxrq": f"{calendar(event.day):%Y%m%d}"}, event.day)

    def _add(self, name: str, row: dict[str, Any], values: dict[str, Any], day: int) -> None:
        table = self.tables[name]
        serial = len(table.table) + len(table.new) + 1
        table.add(row["person_id"], values | self._stamp(day, "I") | {"xh": serial})

    def _stamp(self, day: int, operation: str) -> dict[str, Any]:
        seconds = int(self.rng.integers(8 * 3600, 18 * 3600))
        moment = datetime.combine(calendar(day), time()) + timedelta(seconds=seconds)
        return {"gxsj": moment, "czbs": operation, "pch": f"{moment:%Y%m%d}01"}


def _of_person(event: Event, row: dict[str, Any]) -> dict[str, Any]:
    told = {"phone": "lxdh", "person_name": "xm"}
    return {column: row[name] for name, column in told.items() if name in event.changed}


def _about(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "xm": row["person_name"],
        "xb": row["sex_code"],
        "csrq": f"{row['birth_date']:%Y%m%d}",
        "mz": row["ethnicity_code"],
        "lxdh": row["phone"],
    }


def keyed(table: pa.Table) -> pa.Table:
    """Name rows by their serial number `xh`."""
    serial: Texts = table["xh"].combine_chunks().cast(pa.string())
    return table.append_column("_key", serial)
