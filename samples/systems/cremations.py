"""火化登记: whom the funeral homes cremated, a GB18030 CSV for each month; the first one has the year before.

It tells of nearly all the dead, also of those without a medical certificate.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from samples.book import Book
from samples.community import NUMBERS_A_COUNTY, Community, picked, rosters_name
from samples.dates import dashed_text, day_of
from samples.divisions import County
from samples.draw import between, digits, generator, join, take
from samples.faults import PERSON, Spoil, Spoiled, duplicate, spoil
from samples.newcomers import calendar
from samples.plan import Plan
from samples.residence import NONE
from samples.sheets import csv_bytes, with_keys
from samples.spoils import another_id, code_spoils, date_spoils, division_spoil, id_spoils, name_spoils, rare_name

DATASET = "civil_affairs/cremation"
STEM = "火化登记"
CREMATED_SHARE = 0.93
WITHIN_DAYS = 4
FORMER_NAME_SHARE = 0.2
SEX_LABELS = ("女", "男")
COLUMNS = (
    *("火化证编号", "姓名", "身份证号", "性别", "出生日期", "死亡日期", "火化日期", "火化地点"),
    *("户籍区划代码", "户籍村居名称"),
)


def collect(community: Community) -> pa.Table:
    """The true rows of one county, of the last year."""
    plan, person, residence, county = community.plan, community.attributes, community.residence, community.county
    rng = generator(plan.seed, "cremations", county.code)
    size = len(residence.death)
    day = residence.death + between(rng, 1, WITHIN_DAYS, size)
    rows = np.flatnonzero((residence.death != NONE) & (day < plan.today) & (rng.random(size) < CREMATED_SHARE))
    home = community.unit_code_at(community.registered_address[rows])
    titles = {unit.code: unit.title for unit in county.units}
    return pa.table(
        {
            "火化证编号": join(f"HH{county.prefix}{plan.as_of:%Y%m}", digits(np.arange(1, len(rows) + 1), 5)),
            "姓名": rosters_name(community, rng, FORMER_NAME_SHARE).take(pa.array(rows)),
            "身份证号": picked(person.id_number, rows),
            "性别": take(SEX_LABELS, community.members.male[rows].astype(np.int64)),
            "出生日期": dashed_text(community.members.birth[rows]),
            "死亡日期": dashed_text(residence.death[rows]),
            "火化日期": dashed_text(day[rows]),
            "火化地点": pa.array([_place(county)] * len(rows), pa.string()),
            "户籍区划代码": home,
            "户籍村居名称": pa.array([titles.get(code) for code in home.to_pylist()], pa.string()),
            PERSON: pa.array(community.person_id[rows]),
        }
    )


def of_month(
    rng: np.random.Generator, book: Book, counties: list[County], days: tuple[int, int], told: set[int]
) -> pa.Table:
    """The true rows of a month: who died in it, or shortly before, and was cremated in it.

    Args:
        rng: the stream of chance.
        book: the people, with what has happened.
        counties: all that were made.
        days: the first day of the month, and the one after its last.
        told: people whom the months before have told of.
    """
    known = {county.position: county for county in counties}
    titles = {unit.code: unit.title for county in counties for unit in county.units}
    lately = np.flatnonzero(book.days("death_date") >= days[0] - WITHIN_DAYS).tolist()
    rows: list[dict[str, Any]] = []
    for place in sorted({*lately, *(event.place for event in book.events if event.kind == "died")}):
        person = book.row(place)
        cremated = day_of(person["death_date"]) + int(rng.integers(1, WITHIN_DAYS + 1))
        if person["person_id"] in told or not days[0] <= cremated < days[1] or rng.random() >= CREMATED_SHARE:
            continue
        county, code = known[person["person_id"] // NUMBERS_A_COUNTY], person["registered_division_code"]
        number = sum(row["火化地点"] == _place(county) for row in rows) + 1
        rows.append(
            {
                "火化证编号": f"HH{county.prefix}{calendar(days[1]):%Y%m}{number:05d}",
                "姓名": person["person_name"],
                "身份证号": person["id_number"],
                "性别": SEX_LABELS[person["sex_code"] == "1"],
                "出生日期": f"{person['birth_date']:%Y-%m-%d}",
                "死亡日期": f"{person['death_date']:%Y-%m-%d}",
                "火化日期": f"{calendar(cremated):%Y-%m-%d}",
                "火化地点": _place(county),
                "户籍区划代码": code,
                "户籍村居名称": titles.get(code),
                PERSON: person["person_id"],
            }
        )
    schema = pa.schema([*((name, pa.string()) for name in COLUMNS), (PERSON, pa.int64())])
    return pa.Table.from_pylist(rows, schema)


def deliver(plan: Plan, table: pa.Table, directory: Path) -> Spoiled:
    """Spoil the rows and write the file of the plan's month."""
    rng = generator(plan.seed, "faults", DATASET, f"{plan.as_of:%Y%m}")
    name = f"{STEM}_{plan.as_of:%Y%m}.csv"
    table = with_keys(duplicate(rng, table, plan.faults, "身份证号"), name, 2)
    spoiled = spoil(rng, table, DATASET, faults(), plan.faults)
    (directory / name).write_bytes(csv_bytes(spoiled.table))
    return spoiled


def faults() -> list[Spoil]:
    """The kinds of faults the rows have."""
    return [
        *id_spoils("身份证号"),
        another_id("身份证号", "姓名", "出生日期"),
        *name_spoils("姓名"),
        rare_name("姓名"),
        *date_spoils("死亡日期", "dash"),
        *code_spoils("性别", "未录"),
        division_spoil("户籍区划代码"),
    ]


def _place(county: County) -> str:
    return f"{county.title}殡仪馆"
