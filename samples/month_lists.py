"""民政 and 残联, a month on: whole lists again, with who got on them, who got off, and what has changed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from samples.book import Book, Event
from samples.community import NUMBERS_A_COUNTY
from samples.divisions import County
from samples.life import Homes
from samples.newcomers import calendar
from samples.standing import Standing
from samples.systems.civil_affairs import (
    DESTITUTE,
    ELDERLY,
    LOW_INCOME,
    ORGANISATION,
    RELATION_LABELS,
    SELF_CARE,
    SUPPORT,
    VISIT,
)
from samples.systems.disabled_federation import DATASET as DISABLED
from samples.systems.disabled_federation import VALID_DAYS

HEARD_OF = 0.7  # of the cancelled, by the departments that keep lists
TOLD = 0.5  # of new names and telephones, likewise
VISITED = 0.9
ENDS = {LOW_INCOME: "low_income_ended", DESTITUTE: "destitute_ended"}
NAME = {LOW_INCOME: "成员/姓名"}
VILLAGE = {LOW_INCOME: "村居代码"}
PHONES = (ELDERLY, DISABLED)
CLOSED = 0.003  # of the social organisations, a month


class Lists:
    """Writes what happened into the lists of people."""

    def __init__(
        self, rng: np.random.Generator, book: Book, homes: Homes, counties: list[County], lists: Mapping[str, Standing]
    ) -> None:
        self.rng, self.book, self.homes, self.lists = rng, book, homes, lists
        self.titles = {unit.code: unit.title for county in counties for unit in county.units}
        self.prefixes = {county.position: county.prefix for county in counties}

    def write(self, days: tuple[int, int]) -> None:
        """Go through the month: `days` are its first and the one after its last."""
        for event in sorted(self.book.events, key=lambda event: (event.day, event.place)):
            for dataset in (LOW_INCOME, DESTITUTE, ELDERLY, VISIT, DISABLED):
                self._tell(dataset, event)
            if event.kind in self._newly:
                self._newly[event.kind](event, self.book.row(event.place))
        self._visits(days)
        self._organisations(days)
        for standing in self.lists.values():
            standing.mend(self.rng)

    def _tell(self, dataset: str, event: Event) -> None:
        standing = self.lists[dataset]
        row = self.book.row(event.place)
        places = standing.of(row["person_id"])
        if not places:
            return
        heard = event.kind == "cancelled" and self.rng.random() < HEARD_OF
        if heard or event.kind in ("moved_out", ENDS.get(dataset, "")):
            standing.remove(places)
            return
        values = self._told(dataset, event, row)
        for place in places if values else ():
            standing.change(place, values)

    def _told(self, dataset: str, event: Event, row: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lives = "living" if dataset == VISIT else "registered"
        if f"{lives}_division_code" in event.changed and event.kind == "moved":
            values |= self._village(dataset, row[f"{lives}_division_code"])
        if dataset == DISABLED and "living_address_code" in event.changed and event.kind == "moved":
            values["现住址"] = self.homes.at(row["living_address_code"])["full_address"]
        if event.kind == "renamed" and self.rng.random() < TOLD:
            values[NAME.get(dataset, "姓名")] = row["person_name"]
        if event.kind == "phone" and dataset in PHONES and self.rng.random() < TOLD:
            values["联系电话"] = row["phone"]
        if dataset == DISABLED and event.kind == "disability_regraded":
            values |= _certificate(row)
        return values

    def _village(self, dataset: str, code: str) -> dict[str, Any]:
        column = VILLAGE.get(dataset, "区划代码")
        return {column: code} | ({} if dataset == DISABLED else {"村居名称": self.titles[code]})

    # Who gets on a list.

    @property
    def _newly(self) -> dict[str, Any]:
        return {
            "low_income": self._granted,
            "destitute": self._supported,
            "elderly_allowance": self._old,
            "disability": self._certified,
        }

    def _granted(self, event: Event, row: dict[str, Any]) -> None:
        family = self.book.places("household_no", {row["household_no"]})
        members = [self.book.row(place) for place in family]
        head = next(member for member in members if member["low_income"])
        relation = RELATION_LABELS.get(row["relation_code"], "其他")
        told = {
            "家庭编号": f"DB{row['household_no']}",
            "户主/姓名": head["person_name"],
            "户主/身份证号": head["id_number"],
            "成员/姓名": row["person_name"],
            "成员/身份证号": row["id_number"],
            "成员/与户主关系": "户主" if row["person_id"] == head["person_id"] else relation,
            "保障/月保障金（元）": float(self.rng.integers(30, 81) * 10),
            "保障/批准日期": f"{calendar(event.day):%Y-%m-%d}",
        }
        self.lists[LOW_INCOME].add(row["person_id"], told | self._village(LOW_INCOME, row["registered_division_code"]))

    def _supported(self, event: Event, row: dict[str, Any]) -> None:
        standing = self.lists[DESTITUTE]
        prefix = self.prefixes[row["person_id"] // NUMBERS_A_COUNTY]
        known = [number for number in standing.table["编号"].to_pylist() if number.startswith(f"TK{prefix}")]
        known += [new["编号"] for new in standing.new if new["编号"].startswith(f"TK{prefix}")]
        last = max((int(number[8:]) for number in known), default=0)
        told = {
            "编号": f"TK{prefix}{last + 1:05d}",
            "供养方式": SUPPORT[int(self.rng.random() < 0.2)],
            "自理能力": SELF_CARE[int(self.rng.integers(0, len(SELF_CARE)))],
            "批准日期": f"{calendar(event.day):%Y-%m-%d}",
        }
        self._add(DESTITUTE, row, told)
        visited = {"最近探访日期": f"{calendar(event.day):%Y-%m-%d}", "探访方式": "上门"}
        if not self.lists[VISIT].of(row["person_id"]):
            self._add(VISIT, row, visited | {"网格员": self._worker(row)})

    def _worker(self, row: dict[str, Any]) -> str:
        """Who visits in a village; anybody who visits where nobody does yet, and else a neighbour of the office."""
        table = self.lists[VISIT].table
        pairs = zip(table["区划代码"].to_pylist(), table["网格员"].to_pylist(), strict=True)
        workers = sorted(set(pairs), key=lambda pair: (pair[0] != row["living_division_code"], pair))
        return str(workers[0][1]) if workers else str(self.book.row(0)["person_name"])

    def _old(self, event: Event, row: dict[str, Any]) -> None:
        told = {
            "年龄段": "80-89岁",
            "月津贴（元）": "80",
            "发放起始年月": f"{calendar(event.day).replace(day=1):%Y-%m-%d}",
            "联系电话": row["phone"],
        }
        self._add(ELDERLY, row, told)

    def _certified(self, event: Event, row: dict[str, Any]) -> None:
        told = {
            "残疾类别": row["disability_kind_code"],
            "发证日期": f"{calendar(event.day):%Y-%m-%d}",
            "有效期至": f"{calendar(event.day + VALID_DAYS):%Y-%m-%d}",
            "联系电话": row["phone"],
            "现住址": self.homes.at(row["living_address_code"])["full_address"],
            "姓名": row["person_name"],
            **_certificate(row),
            **self._village(DISABLED, row["registered_division_code"]),
        }
        self.lists[DISABLED].add(row["person_id"], told)

    def _add(self, dataset: str, row: dict[str, Any], values: dict[str, Any]) -> None:
        about = {"姓名": row["person_name"], "身份证号": row["id_number"]}
        lives = "living" if dataset == VISIT else "registered"
        village = self._village(dataset, row[f"{lives}_division_code"])
        self.lists[dataset].add(row["person_id"], values | about | village)

    # What is written anew each month.

    def _visits(self, days: tuple[int, int]) -> None:
        """Most have been visited again; the dead and those who left the county have not."""
        standing = self.lists[VISIT]
        for place, person in enumerate(standing.table["_person"].to_pylist()):
            at_home = self.book.row(self.book.place_of(person))["living_address_code"] is not None
            if at_home and place not in standing.gone and self.rng.random() < VISITED:
                day = calendar(int(self.rng.integers(*days)))
                standing.change(place, {"最近探访日期": f"{day:%Y-%m-%d}"}, spoilable=False)

    def _organisations(self, days: tuple[int, int]) -> None:
        standing = self.lists[ORGANISATION]
        states = standing.table["状态"].to_pylist()
        active = [place for place, state in enumerate(states) if state == "正常" and place not in standing.marked]
        count = min(max(round(len(active) * CLOSED), 1), len(active))
        for place in sorted(self.rng.choice(active, count, replace=False).tolist()) if active else ():
            standing.change(place, {"状态": "注销"})
            person = standing.row(place)["_person"]
            self.book.note(person, "organisation_closed", int(self.rng.integers(*days)))


def _certificate(row: dict[str, Any]) -> dict[str, str]:
    kind, grade = row["disability_kind_code"], row["disability_grade_code"]
    return {"残疾证号": f"{row['id_number']}{kind}{grade}", "残疾等级": grade}
