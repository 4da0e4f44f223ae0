"""火化登记: the dead of the truth, each told once, the month after those of its month."""

import csv
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from samples.advance import advance
from samples.make import Made, make
from samples.plan import Plan
from samples.systems.cremations import DATASET, WITHIN_DAYS
from tests.samples.test_make import read

AS_OF, NEXT = date(2026, 11, 1), date(2026, 12, 1)


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Made]:
    """A county without faults, and the same a month on."""
    first = make(Plan("320305", 20_000, 1, 0.0, AS_OF), tmp_path_factory.mktemp("first"))
    folder = tmp_path_factory.mktemp("second") / "county"
    shutil.copytree(first.directory, folder)
    return first, advance(folder)


def rows(made: Made, month: str) -> list[dict[str, str]]:
    path = made.directory / "systems" / "civil_affairs" / f"火化登记_{month}.csv"
    return list(csv.DictReader(path.read_bytes().decode("gb18030").splitlines()))


def people(made: Made, month: str) -> list[int]:
    told = [row for row in read(made, "row") if row["dataset"] == DATASET and row["file"] == f"火化登记_{month}.csv"]
    return [row["person_id"] for row in sorted(told, key=lambda row: int(row["key"]))]


def test_the_first_list_has_nearly_all_the_dead_as_they_died(months: tuple[Made, Made]):
    first, _ = months
    truth = {row["person_id"]: row for row in read(first, "person")}
    listed = people(first, "202611")
    told = rows(first, "202611")
    assert len(told) == len(listed) == len(set(listed))
    for number, row in zip(listed, told, strict=True):
        person = truth[number]
        assert (row["身份证号"], row["死亡日期"]) == (person["id_number"], str(person["death_date"]))
        assert row["户籍区划代码"] == (person["registered_division_code"] or "")
        assert bool(row["户籍村居名称"]) == bool(row["户籍区划代码"])
        burnt = date.fromisoformat(row["火化日期"])
        assert person["death_date"] < burnt <= person["death_date"] + timedelta(days=WITHIN_DAYS)
        assert burnt < AS_OF
    dead = {number for number, person in truth.items() if person["death_date"]}
    assert set(listed) <= dead
    assert len(listed) / len(dead) > 0.8
    # It tells of some whom no hospital certified.
    assert [number for number in listed if not truth[number]["death_certified"]] != []


def test_the_next_list_has_who_was_cremated_in_the_month(months: tuple[Made, Made]):
    first, second = months
    truth = {row["person_id"]: row for row in read(second, "person")}
    listed, told = people(second, "202612"), rows(second, "202612")
    assert len(told) == len(listed) > 0
    assert set(listed) & set(people(first, "202611")) == set()
    assert all(AS_OF <= date.fromisoformat(row["火化日期"]) < NEXT for row in told)
    assert all(truth[number]["death_date"] >= AS_OF - timedelta(days=WITHIN_DAYS) for number in listed)
    died = {number for number, row in truth.items() if row["death_date"] and row["death_date"] >= AS_OF}
    assert len(died & set(listed)) > 0
    numbers = [row["火化证编号"] for row in [*rows(first, "202611"), *told]]
    assert len(set(numbers)) == len(numbers)


def test_faults_and_second_rows_are_seeded(tmp_path: Path):
    made = make(Plan("320305", 6_000, 1, 0.1, AS_OF), tmp_path)
    kinds = {fault["kind"] for fault in read(made, "fault") if fault["dataset"] == DATASET}
    assert kinds & {"duplicate_person", "duplicate_person_fifteen_digits"}
    assert len(kinds) > 3
