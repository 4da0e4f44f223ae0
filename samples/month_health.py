"""卫健, a month on: the drops of those who died and were born in the month."""

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from samples.book import Book
from samples.community import NUMBERS_A_COUNTY
from samples.divisions import County
from samples.faults import PERSON
from samples.sheets import ENCODING
from samples.systems.health_commission import BIRTH, DAY, DEATH, SEX_LABELS, STEMS, birth_block

COLUMNS = {
    DEATH: ("证明编号", "姓名", "身份证件号码", "性别", "出生日期", "死亡日期", "户籍区划代码"),
    BIRTH: (
        "出生医学证明编号",
        "新生儿姓名",
        "新生儿身份证号",
        "性别",
        "出生日期",
        "母亲姓名",
        "母亲身份证号",
        "居住区划代码",
    ),
}


def drops(book: Book, counties: list[County], directory: Path) -> dict[str, pa.Table]:
    """The true rows of the month, as `health_commission.deliver` takes them.

    Args:
        book: the people, with what has happened.
        counties: all that were made.
        directory: the department's folder; its certificates are numbered on.
    """
    known = {county.position: county for county in counties}
    rows: dict[str, list[dict[str, Any]]] = {DEATH: [], BIRTH: []}
    for dataset, kind, told in ((DEATH, "died", _death), (BIRTH, "born", _birth)):
        number = _Numbers(directory, dataset)
        for event in sorted(book.events, key=lambda event: (event.day, event.place)):
            row = book.row(event.place)
            if event.kind == kind and (kind == "born" or row["death_certified"]):
                county = known[row["person_id"] // NUMBERS_A_COUNTY]
                hidden = {PERSON: row["person_id"], DAY: event.day}
                rows[dataset].append({COLUMNS[dataset][0]: number.next(county), **told(book, row), **hidden})
    schemas = {
        dataset: pa.schema([*((name, pa.string()) for name in names), (PERSON, pa.int64()), (DAY, pa.int64())])
        for dataset, names in COLUMNS.items()
    }
    return {dataset: pa.Table.from_pylist(found, schemas[dataset]) for dataset, found in rows.items()}


class _Numbers:
    """Numbers certificates on from the last one of a county."""

    def __init__(self, directory: Path, dataset: str) -> None:
        self.is_birth = dataset == BIRTH
        self.width = 9 if self.is_birth else 7
        self.known: dict[str, list[int]] = defaultdict(list)
        for path in sorted(directory.glob(f"{STEMS[dataset]}_*_01.csv")):
            with path.open(encoding=ENCODING, newline="") as file:
                for row in list(csv.reader(file))[1:]:
                    self.known[row[0][: -self.width]].append(int(row[0][-self.width :]))

    def next(self, county: County) -> str:
        """The next number of a county."""
        head, low, size = f"SW{county.prefix}", 0, 10**self.width
        if self.is_birth:
            head, low, size = birth_block(county.position)
        last = max((number for number in self.known[head] if low < number <= low + size), default=low)
        self.known[head].append(last + 1)
        return f"{head}{last + 1:0{self.width}d}"


def _death(_: Book, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "姓名": row["person_name"],
        "身份证件号码": row["id_number"],
        "性别": SEX_LABELS[row["sex_code"] == "1"],
        "出生日期": f"{row['birth_date']:%Y-%m-%d}",
        "死亡日期": f"{row['death_date']:%Y-%m-%d}",
        "户籍区划代码": row["registered_division_code"],
    }


def _birth(book: Book, row: dict[str, Any]) -> dict[str, Any]:
    mother = book.row(book.place_of(row["mother_person_id"]))
    return {
        "新生儿姓名": row["person_name"],
        "新生儿身份证号": None,
        "性别": SEX_LABELS[row["sex_code"] == "1"],
        "出生日期": f"{row['birth_date']:%Y-%m-%d}",
        "母亲姓名": mother["person_name"],
        "母亲身份证号": mother["id_number"],
        "居住区划代码": row["living_division_code"],
    }
