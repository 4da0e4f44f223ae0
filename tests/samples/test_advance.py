"""A county a month on: repeatable, as life goes, nothing delivered is touched, and the truth knows what happened."""

import csv
import json
import shutil
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from samples.advance import advance, next_month
from samples.cli import app
from samples.make import Made, digest, make
from samples.plan import Plan
from tests.samples.test_make import FILE_FAULTS, Cells, read, whole

AS_OF, NEXT = date(2026, 11, 1), date(2026, 12, 1)
PEOPLE, SEED, FAULTS = 3_000, 1, 0.05
KINDS = {
    "died", "cancelled", "born", "numbered", "moved", "moved_in", "moved_out", "left", "renewed", "phone", "renamed",
    "low_income", "low_income_ended", "destitute", "destitute_ended", "elderly_allowance", "disability",
    "disability_regraded", "entity_closed", "entity_phone", "organisation_closed",
}  # fmt: skip
SERVED = ("public_security/hj_rkxx", "public_security/ld_rkxx", "public_security/zx_rkxx",
          "market_regulation/legal_entity")  # fmt: skip

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(Plan("320305", PEOPLE, SEED, FAULTS, AS_OF), tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def after(before: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("second") / "county"
    shutil.copytree(before.directory, folder)
    return advance(folder)


def served(made: Made, name: str) -> dict[str, dict[str, Any]]:
    rows: Rows = pq.read_table(made.directory / "systems" / f"{name}.parquet").to_pylist()
    return {str(row.get("xh") or row["zch"]): row for row in rows}


def people(made: Made) -> dict[int, dict[str, Any]]:
    return {row["person_id"]: row for row in read(made, "person")}


def test_the_same_county_has_the_same_second_month(after: Made, before: Made, tmp_path: Path):
    shutil.copytree(before.directory, tmp_path / "again")
    assert advance(tmp_path / "again").description == after.description
    assert after.description["digest"] == digest(after.directory) != before.description["digest"]


def test_what_was_delivered_stays_as_it_is_and_the_month_is_added(before: Made, after: Made):
    first, second = before.directory / "systems", after.directory / "systems"
    kept = [path.relative_to(first) for path in first.rglob("*") if path.is_file()]
    changed = {
        path.with_suffix("").as_posix() for path in kept if (first / path).read_bytes() != (second / path).read_bytes()
    }
    assert changed == set(SERVED)
    added = {path.name for path in second.rglob("*") if path.is_file()} - {path.name for path in kept}
    assert {name for name in added if "202612" not in name} == set()
    assert {name for name in added if name.endswith("_01.csv")} == {
        "WJ_CSZM_20261201_01.csv",
        "WJ_SWZM_20261201_01.csv",
    }
    assert len([name for name in added if name.endswith(("_202612.csv", "_202612.xlsx"))]) == 7


def test_the_description_tells_the_new_month(before: Made, after: Made):
    about = json.loads((after.directory / "county.json").read_text(encoding="utf-8"))
    assert about == after.description
    assert (before.description["month"], about["month"], about["as_of"]) == (1, 2, NEXT.isoformat())
    assert about["counts"] == {row["dataset"]: row["rows"] for row in read(after, "count")}
    rows = Counter(row["dataset"] for row in read(after, "row"))
    assert {name: about["counts"][name] for name in rows} == dict(rows)
    assert about["people"] == len(read(after, "person"))
    assert about["faulty_rows"] == len(read(after, "fault"))


def test_as_much_happens_as_in_life(after: Made):
    found = Counter(row["kind"] for row in read(after, "change"))
    assert set(found) == KINDS
    limits = {"died": 5, "born": 4, "moved": 25, "phone": 20, "renamed": 2, "moved_in": 5, "moved_out": 3, "left": 4}
    assert {kind: found[kind] for kind, most in limits.items() if not 1 <= found[kind] <= most} == {}
    assert all(AS_OF <= row["date"] < NEXT for row in read(after, "change"))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_small_county_has_one_of_each_kind_that_somebody_qualifies_for(tmp_path: Path, seed: int):
    make(Plan("320305", 600, seed, 0.02, AS_OF), tmp_path)
    found = {row["kind"] for row in read(advance(tmp_path), "change")}
    # Who has no number, or turns eighty, or is destitute, is not in every county of 600.
    assert KINDS - found <= {"numbered", "elderly_allowance", "destitute_ended", "renewed"}


def test_a_person_has_changed_in_what_the_truth_says_and_in_nothing_else(before: Made, after: Made):
    was, told = people(before), Counter[tuple[int, str]]()
    for event in read(after, "change"):
        told.update((event["person_id"], name) for name in event["changed"].split(",") if name)
    for number, row in people(after).items():
        if number in was:
            differ = {name for name, value in row.items() if value != was[number][name]}
            assert differ <= {name for person, name in told if person == number}, number
        else:
            assert {event["kind"] for event in read(after, "change") if event["person_id"] == number} <= {
                "born",
                "moved_in",
            }
    assert was.keys() <= people(after).keys()


def test_the_people_of_the_truth_hold_together(after: Made):
    rows = read(after, "person")
    numbers = [row["id_number"] for row in rows if row["id_number"]]
    assert len(set(numbers)) == len(numbers)
    address = {row["address_code"]: row for row in read(after, "address")}
    household = {row["household_no"]: row for row in read(after, "household")}
    registered = Counter(row["household_no"] for row in rows if row["household_no"])
    assert {number: row["member_count"] for number, row in household.items()} == registered
    for row in rows:
        away = row["death_date"] or row["outside"] or row["moved_out_date"] or row["left"]
        assert (row["living_division_code"] is None) == bool(away)
        assert row["newborn_unregistered"] is (row["id_number"] is None)
        if not away:
            assert row["living_division_code"] == address[row["living_address_code"]]["division_code"]
        if row["household_no"] and not row["death_date"]:
            assert row["registered_address_code"] == household[row["household_no"]]["address_code"]


def test_police_rows_change_in_place_with_a_new_moment(before: Made, after: Made):
    changes = Counter[str]()
    for name in SERVED[:3]:
        was, now = served(before, name), served(after, name)
        assert was.keys() <= now.keys()
        for serial, row in now.items():
            if row != was.get(serial):
                assert AS_OF <= row["gxsj"].date() < NEXT
                assert row["pch"] == f"{row['gxsj']:%Y%m%d}01"
                assert serial in was or row["czbs"] == "I"
                changes[row["czbs"]] += 1
    assert min(changes[kind] for kind in "IUD") >= 1


def test_who_has_died_or_moved_away_is_struck_out(after: Made):
    cancelled = {row["gmsfhm"].strip(" '") for row in served(after, "public_security/zx_rkxx").values()}
    by_person = people(after)
    struck = [
        by_person[event["person_id"]] for event in read(after, "change") if event["kind"] in ("cancelled", "moved_out")
    ]
    spoiled = {f["true_value"]: f["spoiled_value"].strip(" '") for f in read(after, "fault") if f["column"] == "gmsfhm"}
    assert all({row["id_number"], spoiled.get(row["id_number"])} & cancelled for row in struck)


def test_rows_say_what_is_true_now_unless_they_are_spoiled(after: Made):
    by_person = people(after)
    spoiled = {(fault["dataset"], fault["key"]) for fault in read(after, "fault")}
    dataset = "public_security/registered_resident"
    of = {row["key"]: by_person[row["person_id"]] for row in read(after, "row") if row["dataset"] == dataset}
    rows = served(after, "public_security/hj_rkxx")
    assert of.keys() == rows.keys()
    for key, row in rows.items():
        if (dataset, key) not in spoiled and not of[key]["death_date"]:
            told = (row["gmsfhm"], row["xm"], row["cym"], row["xzqh"], row["lxdh"], row["hh"])
            names = ("id_number", "person_name", "former_name", "registered_division_code", "phone", "household_no")
            assert told == tuple(of[key][name] for name in names)


def test_every_fault_of_both_months_is_in_its_cell(before: Made, after: Made):
    cells, faults = Cells(after), read(after, "fault")
    for fault in faults:
        if fault["kind"] not in FILE_FAULTS and fault["column"] is not None:
            assert cells.cell(fault) == fault["spoiled_value"], fault
    places = [(fault["dataset"], fault["file"], fault["key"]) for fault in faults if fault["key"]]
    assert len(set(places)) == len(places)
    # Some rows of the first month were mended, and some new ones are faulty.
    first = {(f["dataset"], f["key"], f["kind"]) for f in read(before, "fault") if f["file"] is None}
    second = {(f["dataset"], f["key"], f["kind"]) for f in faults if f["file"] is None}
    assert first - second
    assert second - first


def test_an_exact_county_stays_exact(tmp_path: Path):
    make(Plan("320305", 1_200, 3, 0.0, AS_OF), tmp_path)
    assert read(advance(tmp_path), "fault") == []


def test_lists_come_whole_and_drops_with_their_companions(after: Made):
    systems = after.directory / "systems"
    broken = {fault["file"] for fault in read(after, "fault") if fault["kind"] in FILE_FAULTS}
    drops = sorted((systems / "health_commission").glob("*_20261201_*.csv"))
    assert {path.name for path in drops if not whole(path)} == {name for name in broken if "20261201" in name}
    with (systems / "civil_affairs" / "高龄津贴发放名册_202612.csv").open(encoding="gb18030", newline="") as file:
        rows = list(csv.DictReader(file))
    own = [row for row in read(after, "row") if row["file"] == "高龄津贴发放名册_202612.csv"]
    assert len(rows) == len(own)
    listed = {row["person_id"] for row in own}
    by_person = people(after)
    granted = [event["person_id"] for event in read(after, "change") if event["kind"] == "elderly_allowance"]
    assert set(granted) <= listed
    assert all(by_person[number]["elderly_allowance"] for number in granted)
    assert not {number for number in listed if by_person[number]["moved_out_date"]}


def test_counties_of_a_prefecture_go_on_each_for_itself(tmp_path: Path):
    make(Plan("3211", 900, 2, 0.0, AS_OF), tmp_path)
    made = advance(tmp_path)
    rows = read(made, "person")
    assert len({row["person_id"] for row in rows}) == len(rows)
    born = [event["person_id"] // 10_000_000 for event in read(made, "change") if event["kind"] == "born"]
    assert len(set(born)) == len(born) >= 5
    certificates = [row for path in (tmp_path / "systems/health_commission").glob("WJ_CSZM_*_01.csv")
                    for row in csv.reader(path.read_bytes().decode("gb18030").splitlines()[1:])]  # fmt: skip
    assert len({row[0] for row in certificates}) == len(certificates)


def test_a_county_goes_on_once_and_only_where_there_is_one(after: Made, tmp_path: Path):
    known = {path: path.stat().st_mtime_ns for path in after.directory.rglob("*")}
    with pytest.raises(ValueError, match="is in month 2"):
        advance(after.directory)
    assert {path: path.stat().st_mtime_ns for path in after.directory.rglob("*")} == known
    with pytest.raises(FileNotFoundError, match="no complete county"):
        advance(tmp_path)


def test_files_that_the_truth_does_not_know_stop_it(tmp_path: Path):
    make(Plan("320305", 300, 1, 0.0, AS_OF), tmp_path)
    path = tmp_path / "systems" / f"{SERVED[0]}.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(ValueError, match="make the county again"):
        advance(tmp_path)
    assert (tmp_path / "county.json").exists()


@pytest.mark.parametrize(
    ("day", "then"),
    [(AS_OF, NEXT), (date(2026, 12, 1), date(2027, 1, 1)), (date(2027, 1, 31), date(2027, 2, 28))],
)
def test_next_month(day, then):
    assert next_month(day) == then


def test_the_command_says_what_there_is_and_refuses_a_second_time(tmp_path: Path):
    make(Plan("321371", 200, 1, 0.01, AS_OF), tmp_path)
    result = CliRunner().invoke(app, ["advance", "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "public_security/registered_resident" in result.output
    assert CliRunner().invoke(app, ["advance", "--output", str(tmp_path)]).exit_code == 2
