"""Step 3 on conformed batches in a lake; the ledger is a list in memory."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub.context import Hub
from hub.contracts import load_contracts
from hub.errors import CountsError
from hub.ledger import Batch
from hub.reasons import Outcome, Reason
from hub.settings import load_settings
from hub.sorting import LINE
from hub.steps.check import check, check_together
from hub.store import Lake

REGISTER, DEATH, FACILITY = (
    "public_security/registered_resident",
    "health_commission/death",
    "civil_affairs/service_facility",
)
FLOATING = "public_security/floating_resident"
MAZHUANG = "320305005204"
ID, OTHER_ID = "320371195001010016", "320371195101010021"
AS_OF = dt.date(2026, 11, 1)
ISSUE = pa.schema(
    [("_row", pa.int64()), *((name, pa.string()) for name in ("column", "rule", "outcome", "original", "value"))]
)


@dataclass
class ListLedger:
    """Keeps what a step tells the ledger."""

    known: dict[str, Batch] = field(default_factory=dict)
    counts: list[tuple[str, str, str, int]] = field(default_factory=list)

    def save_batch(self, batch: Batch) -> None:
        self.known[batch.id] = batch

    def record_issues(self, batch: Batch, step: str, counts: Iterable[tuple[str, str, str, int]]) -> None:
        assert step == "check"
        self.counts = sorted(counts)

    def batches(self, tail: str, state: str) -> list[Batch]:
        found = [batch for batch in self.known.values() if (batch.tail, batch.state) == (tail, state)]
        return sorted(found, key=lambda batch: batch.id)


@pytest.fixture
def ledger() -> ListLedger:
    return ListLedger()


@pytest.fixture
def hub(tmp_path: Path, ledger: ListLedger) -> Hub:
    settings = load_settings(data_dir=tmp_path)
    return Hub(settings, load_contracts(), Lake(tmp_path), cast(Any, ledger), cast(Any, None), as_of=AS_OF)


def conformed(
    hub: Hub, tail: str, rows: list[dict[str, Any]], issues: list[dict[str, Any]] | None = None, number: int = 1
) -> Batch:
    """Lay a batch into the lake as `conform` does; rows are numbered from 1."""
    contract = hub.contracts.sources[tail]
    folder = hub.lake.conformed(tail, f"{tail.replace('/', '.')}.{number:06d}")
    folder.mkdir(parents=True)
    schema = contract.arrow_schema.append(pa.field("_row", pa.int64()))
    numbered = [{**dict.fromkeys(contract.by_name), **row, "_row": place} for place, row in enumerate(rows, 1)]
    pq.write_table(pa.Table.from_pylist(numbered, schema=schema), folder / "rows.parquet")
    pq.write_table(pa.Table.from_pylist(issues or [], schema=ISSUE), folder / "issues.parquet")
    pulled_at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    return Batch(folder.name, tail, "offer", contract.mode, "conformed", pulled_at=pulled_at, landed=len(rows))


def at(month: int, day: int) -> dt.datetime:
    return dt.datetime(2026, month, day)  # noqa: DTZ001 - the departments' timestamps carry no zone


def resident(**changed: Any) -> dict[str, Any]:
    usual = {
        "id_number": ID, "person_name": "张三", "sex_code": "1", "birth_date": dt.date(1950, 1, 1),
        "household_no": "000000001", "division_code": MAZHUANG, "start_date": dt.date(1990, 1, 1),
        "updated_at": at(10, 1), "operation_code": "I", "batch_no": "1", "source_id": 1,
    }  # fmt: skip
    return usual | changed


def death(**changed: Any) -> dict[str, Any]:
    usual = {
        "certificate_no": "D1", "person_name": "张三", "id_number": ID, "sex_code": "1",
        "birth_date": dt.date(1950, 1, 1), "death_date": dt.date(2026, 10, 1), "division_code": MAZHUANG,
    }  # fmt: skip
    return usual | changed


def file(hub: Hub, batch: Batch, name: str) -> list[dict[str, Any]]:
    table = pq.read_table(hub.lake.checked(batch.tail, batch.id) / f"{name}.parquet")
    return sorted(table.to_pylist(), key=lambda line: (line["_row"], line.get("rule_id", "")))


def numbers(hub: Hub, batch: Batch, name: str) -> list[int]:
    return [line["_row"] for line in file(hub, batch, name)]


def test_good_rows_are_accepted_whole(hub: Hub, ledger: ListLedger) -> None:
    batch = conformed(hub, DEATH, [death(), death(id_number=OTHER_ID, sex_code="2", birth_date=dt.date(1951, 1, 1))])
    done = check(hub, batch)
    assert done == replace(batch, state="checked", accepted=2)
    assert ledger.known == {batch.id: done}
    assert ledger.counts == []
    folder = hub.lake.checked(DEATH, batch.id)
    assert file(hub, done, "accepted")[0] == death() | {"_row": 1}
    assert pq.read_schema(folder / "accepted.parquet").names == [*hub.contracts.sources[DEATH].by_name, "_row"]
    names = ["accepted.parquet", "duplicates.parquet", "quarantine.parquet", "verdict.json", "warnings.parquet"]
    assert sorted(path.name for path in folder.iterdir()) == names


def test_a_refused_cell_quarantines_its_row_for_that_reason_alone(hub: Hub, ledger: ListLedger) -> None:
    issue = {"_row": 1, "column": "id_number", "rule": "id_check_digit", "outcome": "refused", "original": " 3203 "}
    kept = {"_row": 2, "column": "sex_code", "rule": "code_unknown", "outcome": "value_set_aside", "original": "7"}
    batch = conformed(hub, DEATH, [death(id_number=None), death(sex_code=None)], [issue, kept])
    done = check(hub, batch)
    assert (done.accepted, done.quarantined) == (1, 1)
    (line,) = file(hub, done, "quarantine")
    assert line == {
        "_row": 1, "rule_id": "id_check_digit", "column": "id_number", "reason": Reason.ID_CHECK_DIGIT.meaning,
        "severity": "critical", "clause": "数据契约", "acts": "health_commission", "source_key": " 3203 ",
    }  # fmt: skip
    assert tuple(line) == LINE
    assert ledger.counts == []  # conform has counted it


def test_a_row_tells_all_that_is_wrong_with_it_and_is_counted_once(hub: Hub, ledger: ListLedger) -> None:
    batch = conformed(
        hub, DEATH, [death(death_date=dt.date(1940, 1, 1), person_name=None), death(death_date=dt.date(2030, 1, 1))]
    )
    done = check(hub, batch)
    assert (done.accepted, done.quarantined) == (0, 2)
    lines = [(line["_row"], line["rule_id"], line["source_key"]) for line in file(hub, done, "quarantine")]
    assert lines == [
        (1, "died_after_birth", ID),
        (1, "person_name_required", ID),
        (2, "death_date_not_in_future", ID),
    ]
    assert ledger.counts == [
        ("death_date_not_in_future", "death_date", Outcome.QUARANTINED, 1),
        ("died_after_birth", "birth_date, death_date", Outcome.QUARANTINED, 1),
        ("person_name_required", "person_name", Outcome.QUARANTINED, 1),
    ]


def test_a_rule_that_is_not_critical_warns_and_lets_the_row_go_on(hub: Hub, ledger: ListLedger) -> None:
    rows = [resident(), resident(id_number=OTHER_ID, start_date=dt.date(1940, 1, 1), sex_code="2")]
    rows[1]["birth_date"] = dt.date(1951, 1, 1)
    done = check(hub, conformed(hub, REGISTER, rows))
    assert (done.accepted, done.quarantined) == (2, 0)
    (line,) = file(hub, done, "warnings")
    assert (line["_row"], line["rule_id"], line["severity"]) == (2, "moved_in_after_birth", "warning")
    assert (line["acts"], line["clause"], line["source_key"]) == ("public_security", "户口登记条例", OTHER_ID)
    assert ledger.counts == [("moved_in_after_birth", "birth_date, start_date", Outcome.WARNED, 1)]


def test_more_rows_than_the_library_lists_are_all_set_aside(hub: Hub) -> None:
    rows = [
        {
            "facility_no": f"F{n}",
            "facility_name": "中心",
            "facility_kind_code": "service_center",
            "division_code": MAZHUANG,
        }
        | {"floor_area_m2": -1.0 if n % 3 else 30.0}
        for n in range(900)
    ]
    done = check(hub, conformed(hub, FACILITY, rows))
    assert (done.accepted, done.quarantined, done.duplicate) == (300, 600, 0)
    assert numbers(hub, done, "quarantine") == [n + 1 for n in range(900) if n % 3]


def test_the_newest_row_of_a_key_stands_for_the_others(hub: Hub, ledger: ListLedger) -> None:
    old, new = at(1, 1), at(10, 1)
    rows = [
        resident(updated_at=new, source_id=1),
        resident(updated_at=old, source_id=2),
        resident(updated_at=new, source_id=3),
    ]
    done = check(hub, conformed(hub, REGISTER, rows))
    assert (done.accepted, done.quarantined, done.duplicate) == (1, 0, 2)
    assert numbers(hub, done, "accepted") == [3]
    assert file(hub, done, "duplicates") == [
        {"_row": row, "reason": "key_duplicate", "kept_row": 3, "kept_batch": done.id} for row in (1, 2)
    ]
    assert ledger.counts == [("key_duplicate", "id_number", Outcome.DUPLICATE, 2)]


def test_a_key_of_two_people_is_a_conflict(hub: Hub, ledger: ListLedger) -> None:
    rows = [resident(person_name="李四", updated_at=at(1, 1)), resident()]
    done = check(hub, conformed(hub, REGISTER, rows))
    assert (done.accepted, done.quarantined, done.duplicate) == (1, 1, 0)
    assert numbers(hub, done, "accepted") == [2]
    (line,) = file(hub, done, "quarantine")
    assert (line["rule_id"], line["column"], line["source_key"]) == ("key_conflict", "id_number", ID)
    assert line["reason"] == Reason.KEY_CONFLICT.meaning
    assert ledger.counts == [("key_conflict", "id_number", Outcome.QUARANTINED, 1)]


def test_variants_of_a_character_make_no_other_person(hub: Hub, ledger: ListLedger) -> None:
    rows = [resident(person_name="呂三", updated_at=at(1, 1)), resident(person_name="吕三")]
    done = check(hub, conformed(hub, REGISTER, rows))
    assert (done.accepted, done.quarantined, done.duplicate) == (1, 0, 1)
    assert numbers(hub, done, "accepted") == [2]


NEIGHBOUR = "320305005203"
IN_BOTH = f"{Reason.TWO_PLACES.meaning}：{NEIGHBOUR}、{MAZHUANG}"


def told(hub: Hub, batch: Batch) -> list[tuple[Any, ...]]:
    lines = [line for line in file(hub, batch, "warnings") if line["rule_id"] == Reason.TWO_PLACES]
    return [tuple(line[name] for name in ("_row", "column", "reason", "severity", "acts")) for line in lines]


def test_a_person_in_two_villages_is_told_to_the_police_and_goes_on(hub: Hub, ledger: ListLedger) -> None:
    rows = [resident(updated_at=at(1, 1), division_code=NEIGHBOUR, source_id=7), resident()]
    done = check(hub, conformed(hub, REGISTER, rows))
    assert (done.accepted, done.quarantined, done.duplicate) == (1, 0, 1)
    assert told(hub, done) == [(2, "division_code", IN_BOTH, "warning", "public_security")]
    assert ("two_places", "division_code", Outcome.WARNED, 1) in ledger.counts


def test_a_second_record_in_another_village_is_told_when_it_comes_later(hub: Hub) -> None:
    check(hub, conformed(hub, REGISTER, [resident()]))
    second = resident(division_code=NEIGHBOUR, source_id=7, updated_at=at(10, 20))
    done = check(hub, conformed(hub, REGISTER, [second], number=2))
    assert told(hub, done) == [(1, "division_code", IN_BOTH, "warning", "public_security")]
    # That has been told; whoever comes next has nothing to do with it.
    other = resident(id_number=OTHER_ID, sex_code="2", birth_date=dt.date(1951, 1, 1), source_id=8)
    assert told(hub, check(hub, conformed(hub, REGISTER, [other], number=3))) == []


@pytest.mark.parametrize(
    "second",
    [
        # The same record, which has moved; one that is struck out; another person's; one in the same village.
        {"source_id": 1},
        {"source_id": 7, "operation_code": "D"},
        {"source_id": 7, "person_name": "李四"},
        {"source_id": 7, "division_code": MAZHUANG},
    ],
)
def test_who_moves_is_in_one_village(hub: Hub, second: dict[str, Any]) -> None:
    rows = [resident(division_code=NEIGHBOUR, updated_at=at(1, 1)) | second, resident()]
    assert told(hub, check(hub, conformed(hub, REGISTER, rows))) == []


def test_a_record_that_moves_is_in_one_village_over_batches(hub: Hub) -> None:
    check(hub, conformed(hub, REGISTER, [resident()]))
    moved = resident(division_code=NEIGHBOUR, updated_at=at(10, 20))
    assert told(hub, check(hub, conformed(hub, REGISTER, [moved], number=2))) == []
    # The record of the old village is struck out, and another takes its place.
    rows = [resident(operation_code="D", updated_at=at(10, 21)), resident(source_id=7, updated_at=at(10, 21))]
    assert told(hub, check(hub, conformed(hub, REGISTER, rows, number=3))) == []


def test_a_row_set_aside_stands_for_no_other(hub: Hub) -> None:
    rows = [resident(updated_at=at(1, 1)), resident(birth_date=dt.date(2050, 1, 1))]
    done = check(hub, conformed(hub, REGISTER, rows))
    assert numbers(hub, done, "accepted") == [1]
    assert numbers(hub, done, "quarantine") == [2]


def test_a_key_of_two_columns_is_written_as_one(hub: Hub) -> None:
    stay = {
        "id_type_code": "111", "id_number": ID, "person_name": "张三", "sex_code": "1", "division_code": MAZHUANG,
        "updated_at": at(10, 1), "operation_code": "I", "source_id": 1,
    }  # fmt: skip
    rows = [stay, stay | {"person_name": "李四"}, stay | {"id_type_code": "414"}]
    done = check(hub, conformed(hub, FLOATING, rows))
    assert numbers(hub, done, "accepted") == [2, 3]
    assert [(line["column"], line["source_key"]) for line in file(hub, done, "quarantine")] == [
        ("id_type_code, id_number", f"111|{ID}")
    ]


def test_the_overlap_of_two_pulls_is_repeated_and_changes_are_not(hub: Hub, ledger: ListLedger) -> None:
    first = check(hub, conformed(hub, REGISTER, [resident(), resident(id_number=OTHER_ID)]))
    rows = [resident(batch_no="2", source_id=9), resident(id_number=OTHER_ID, phone="13800000000")]
    second = check(hub, conformed(hub, REGISTER, rows, number=2))
    assert (second.accepted, second.quarantined, second.duplicate) == (1, 0, 1)
    assert file(hub, second, "duplicates") == [
        {"_row": 1, "reason": "row_repeated", "kept_row": 1, "kept_batch": first.id}
    ]
    assert ("row_repeated", "id_number", Outcome.DUPLICATE, 1) in ledger.counts


def test_a_row_is_compared_with_the_newest_of_its_key(hub: Hub) -> None:
    check(hub, conformed(hub, DEATH, [death()]))
    check(hub, conformed(hub, DEATH, [death(certificate_no="D2")], number=2))
    again = check(hub, conformed(hub, DEATH, [death()], number=3))
    assert (again.accepted, again.duplicate) == (1, 0)
    same = check(hub, conformed(hub, DEATH, [death()], number=4))
    assert (same.accepted, same.duplicate) == (0, 1)


def test_batches_checked_together_are_as_if_checked_one_by_one(hub: Hub, ledger: ListLedger) -> None:
    wrong = death(id_number=OTHER_ID, death_date=dt.date(2030, 1, 1))
    deliveries = [[death(), wrong], [death()], [], [death(certificate_no="D2", sex_code=None)]]
    batches = [conformed(hub, DEATH, rows, number=number) for number, rows in enumerate(deliveries, 1)]
    done = check_together(hub, batches)
    names = ("accepted", "quarantine", "duplicates")
    found = [[file(hub, batch, name) for name in names] for batch in done]
    assert [(batch.accepted, batch.quarantined, batch.duplicate) for batch in done] == [
        (1, 1, 0), (0, 0, 1), (0, 0, 0), (1, 0, 0),
    ]  # fmt: skip
    assert [check(hub, batch) for batch in batches] == done
    assert [[file(hub, batch, name) for name in names] for batch in done] == found
    verdicts = [json.loads((hub.lake.checked(DEATH, batch.id) / "verdict.json").read_bytes()) for batch in done]
    looked_at = [
        [(rule["evaluated"], rule["unexpected"]) for rule in verdict["expectations"] if rule["rule_id"] == chosen]
        for verdict in verdicts
        for chosen in ("death_date_not_in_future", "sex_code_codes")
    ]
    assert looked_at == [[(2, 1)], [(2, 0)], [(1, 0)], [(1, 0)], [(0, 0)], [(0, 0)], [(1, 0)], [(0, 0)]]


def test_nothing_to_check_is_nothing_done(hub: Hub) -> None:
    assert check_together(hub, []) == []


def test_a_snapshot_repeats_its_rows_by_right(hub: Hub) -> None:
    facility = {"facility_no": "F", "facility_name": "中心", "facility_kind_code": "service_center"}
    rows = [facility | {"floor_area_m2": 30.0, "division_code": MAZHUANG}]
    check(hub, conformed(hub, FACILITY, rows))
    assert check(hub, conformed(hub, FACILITY, rows, number=2)).accepted == 1


def test_checking_an_old_batch_again_does_not_look_ahead(hub: Hub, ledger: ListLedger) -> None:
    batch = conformed(hub, DEATH, [death()])
    first = check(hub, batch)
    counts, found = ledger.counts, {name: file(hub, first, name) for name in ("accepted", "quarantine", "duplicates")}
    check(hub, conformed(hub, DEATH, [death()], number=2))
    assert check(hub, batch) == first
    assert {name: file(hub, first, name) for name in found} == found
    assert ledger.counts == counts


@pytest.mark.parametrize("tail", [DEATH, REGISTER, "natural_resources/standard_address"])
def test_an_empty_batch_passes(hub: Hub, tail: str) -> None:
    done = check(hub, conformed(hub, tail, []))
    assert (done.state, done.accepted, done.quarantined, done.duplicate) == ("checked", 0, 0, 0)
    assert file(hub, done, "accepted") == file(hub, done, "quarantine") == file(hub, done, "duplicates") == []


def test_a_lost_row_breaks_the_law_of_counts_and_writes_nothing(hub: Hub, ledger: ListLedger) -> None:
    batch = conformed(hub, DEATH, [death()])
    with pytest.raises(CountsError, match=r"landed 2, but accepted 1 \+ quarantined 0 \+ duplicate 0 = 1") as error:
        check(hub, replace(batch, landed=2))
    assert ID not in str(error.value)
    assert ledger.known == {}
    assert not hub.lake.checked(DEATH, batch.id).exists()


def test_the_verdict_names_every_rule_and_no_person(hub: Hub) -> None:
    done = check(hub, conformed(hub, DEATH, [death(), death(id_number=OTHER_ID, death_date=dt.date(2030, 1, 1))]))
    text = (hub.lake.checked(DEATH, done.id) / "verdict.json").read_text(encoding="utf-8")
    verdict = json.loads(text)
    assert {name: verdict[name] for name in ("batch", "landed", "accepted", "quarantined", "duplicate", "rows")} == {
        "batch": done.id, "landed": 2, "accepted": 1, "quarantined": 1, "duplicate": 0, "rows": 2,
    }  # fmt: skip
    rules = {rule["rule_id"]: rule for rule in verdict["expectations"]}
    future = rules["death_date_not_in_future"]
    assert (future["evaluated"], future["unexpected"], future["success"]) == (2, 1, False)
    assert {"id_number_required", "id_number_form", "sex_code_codes", "division_is_village"} <= set(rules)
    assert not [value for value in (ID, OTHER_ID, "张三") if value in text]


def test_many_rows_are_sorted_as_one_by_one(hub: Hub) -> None:
    chance = random.Random(1)  # noqa: S311
    rows = [
        resident(
            id_number=None,
            person_name=chance.choice(["张三", "李四"]),
            household_no=f"{chance.randint(1, 400):09d}",
            updated_at=at(1, chance.randint(1, 5)),
        )
        for _ in range(1500)
    ]
    issues = []
    for place, row in enumerate(rows, 1):
        if chance.random() < 0.1:
            issues.append({"_row": place, "column": "id_number", "rule": "id_length", "outcome": "refused"})
        else:
            row["id_number"] = identity(int(row["household_no"]))
            row["birth_date"] = dt.date(1950, 1, 1) if chance.random() < 0.9 else dt.date(2050, 1, 1)
    done = check(hub, conformed(hub, REGISTER, rows, issues))

    expected = Counter[str]()
    keys = defaultdict(list)
    for place, row in enumerate(rows, 1):
        if row["id_number"] is None or row["birth_date"] > AS_OF:
            expected["quarantined"] += 1
        else:
            keys[row["id_number"]].append((row["updated_at"], place, row["person_name"]))
    winners = {key: max(found) for key, found in keys.items()}
    for key, found in keys.items():
        for item in found:
            same = item[2] == winners[key][2]
            expected["accepted" if item == winners[key] else "duplicate" if same else "quarantined"] += 1
    assert numbers(hub, done, "accepted") == sorted(winner[1] for winner in winners.values())
    assert {name: getattr(done, name) for name in expected} == expected


def identity(number: int) -> str:
    """A well-formed ID of somebody born on 1950-01-01."""
    head = f"32{number // 1000:02d}7119500101{number % 1000:03d}"
    weights = [2 ** (17 - place) % 11 for place in range(17)]
    return head + "10X98765432"[sum(int(d) * w for d, w in zip(head, weights, strict=True)) % 11]
