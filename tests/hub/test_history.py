"""History on two axes: what was believed on one day about another, over three releases of the miniature hub."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from deltalake import DeltaTable

from hub.beliefs import believed, versions_of
from hub.context import Hub
from hub.errors import StopError
from hub.releases import find_release, live_release, release_table
from hub.steps.link import link
from hub.steps.merge import merge
from hub.steps.release import release
from tests.hub.mini import CHILD, DAUGHTER, HEAD, MAZHUANG, NEIGHBOUR, fill, opened, put

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]

DAY = dt.date
# The day each release went live; the data of each are of the day before.
LIVE = {1: DAY(2026, 11, 2), 2: DAY(2026, 12, 2), 3: DAY(2027, 1, 2)}
POLICE = {"operation_code": "U", "household_no": "H1", "division_code": MAZHUANG}


def stamp(month: int, day: int) -> dt.datetime:
    return dt.datetime(2026, month, day)  # noqa: DTZ001 - the departments' timestamps carry no zone


def build(hub: Hub, number: int) -> Hub:
    """Release what is there as the numbered release, live on its day."""
    dated = replace(hub, as_of=LIVE[number] - dt.timedelta(days=1))
    link(dated)
    merge(dated)
    made = release(dated)
    assert made is not None
    assert made.number == number
    with hub.database.begin() as connection:
        moment = dt.datetime.combine(LIVE[number], dt.time(1), dt.UTC)
        connection.execute(
            sa.text("UPDATE ledger.release SET released_at = :m WHERE number = :n"), {"m": moment, "n": number}
        )
    return dated


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    """November: as the miniature is. December: the head has another name, the daughter moved back, the child's death is
    withdrawn. January: the daughter's name changes."""
    with opened(tmp_path_factory.mktemp("history"), module_database_url) as hub:
        fill(hub)
        build(hub, 1)
        put(
            hub,
            "public_security/registered_resident",
            [
                {
                    "id_number": HEAD,
                    "person_name": "甲新",
                    "relation_code": "02",
                    "source_id": 1,
                    "updated_at": stamp(11, 9),
                }
                | POLICE
            ],
        )
        gone = {
            "id_type_code": "111",
            "id_number": DAUGHTER,
            "person_name": "乙",
            "source_id": 1,
            "operation_code": "D",
        }
        put(
            hub, "public_security/floating_resident", [gone | {"division_code": NEIGHBOUR, "updated_at": stamp(11, 20)}]
        )
        build(hub, 2)
        # Told late: it was so since October, before what December's release knew.
        late = {"id_number": DAUGHTER, "person_name": "乙改", "relation_code": "30", "source_id": 2}
        put(
            hub,
            "public_security/registered_resident",
            [late | {"address_code": "A1", "updated_at": stamp(12, 24)} | POLICE],
        )
        yield build(hub, 3)


def query(hub: Hub, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with hub.database.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement), values)]


def key_of(hub: Hub, number: str) -> str:
    [(key,)] = query(hub, "SELECT person_key FROM governance.person WHERE id_number = :n", n=number)
    return str(key)


def name_on(hub: Hub, number: str, known: dt.date, about: dt.date) -> str | None:
    found = believed(hub, "person", key_of(hub, number), known, about)
    return found["person_name"] if found else None


def test_first_release_writes_no_history_and_later_ones_what_they_replace(hub: Hub) -> None:
    recorded = query(
        hub, "SELECT recorded_from, recorded_to, person_name, gone_on FROM history.person ORDER BY 2, 1, 3"
    )
    assert [row for row in recorded if row[1] == 1] == []
    assert (1, 2, "甲某", None) in recorded
    assert (2, 3, "乙某", None) in recorded
    assert query(hub, "SELECT count(*) FROM history.division") == [(0,)]


@pytest.mark.parametrize(
    ("known", "about", "name"),
    [
        (LIVE[1], DAY(2026, 10, 1), "甲某"),
        (LIVE[1], DAY(2026, 12, 31), "甲某"),
        # What December learned is from 9 November on; the weeks before stay as they were.
        (LIVE[2], DAY(2026, 11, 8), "甲某"),
        (LIVE[2], DAY(2026, 11, 9), "甲新"),
        (DAY(2026, 12, 1), DAY(2026, 11, 9), "甲某"),
        # A person is there from birth, not from the day the department last touched the row.
        (LIVE[2], DAY(2026, 9, 30), "甲某"),
        (LIVE[1], DAY(1950, 1, 1), "甲某"),
        (LIVE[1], DAY(1949, 12, 31), None),
        # Before the first release nothing was known.
        (DAY(2026, 11, 1), DAY(2026, 10, 1), None),
    ],
)
def test_what_was_believed_on_one_day_about_another(hub: Hub, known: dt.date, about: dt.date, name: str | None) -> None:
    assert name_on(hub, HEAD, known, about) == name


def test_a_later_release_leaves_what_it_does_not_change(hub: Hub) -> None:
    [(since, holds)] = query(hub, "SELECT release_number, holds_from FROM governance.person WHERE person_name = '甲新'")
    assert (since, holds) == (2, DAY(2026, 11, 9))
    names = [version["person_name"] for version in versions_of(hub, hub.contracts.base["person"], key_of(hub, HEAD))]
    assert names == ["甲新", "甲某"]


def test_a_residence_holds_from_its_own_first_day_and_is_gone_from_the_day_of_the_release(hub: Hub) -> None:
    [(key,)] = query(
        hub,
        "SELECT residence_key FROM history.residence WHERE start_date = '2025-01-01'",
    )

    def village(known: dt.date, about: dt.date) -> str | None:
        found = believed(hub, "residence", key, known, about)
        return found["division_code"] if found else None

    assert village(LIVE[1], DAY(2025, 1, 1)) == NEIGHBOUR
    assert village(LIVE[1], DAY(2024, 12, 31)) is None
    assert village(LIVE[2], DAY(2026, 11, 30)) == NEIGHBOUR
    assert village(LIVE[2], DAY(2026, 12, 1)) is None
    # Yesterday's belief stays what it was.
    assert village(LIVE[1], DAY(2026, 12, 1)) == NEIGHBOUR
    assert query(hub, "SELECT gone_on FROM history.residence WHERE residence_key = :k", k=key) == [(DAY(2026, 12, 1),)]


def test_what_the_hub_derives_holds_from_the_release(hub: Hub) -> None:
    # She moved back: her person row changed without a fresher claim of her own.
    before, after = (
        believed(hub, "person", key_of(hub, DAUGHTER), LIVE[2], day) for day in (DAY(2026, 11, 30), DAY(2026, 12, 1))
    )
    assert before is not None
    assert after is not None
    assert (before["residence_division_code"], after["residence_division_code"]) == (NEIGHBOUR, MAZHUANG)
    assert after["holds_from"] == DAY(2026, 12, 1)


def test_keys_of_unchanged_people_stay(hub: Hub) -> None:
    with hub.engine() as engine:
        months = [
            release_table(hub, engine, find_release(hub, n), "person").to_pyarrow().to_pylist() for n in (1, 2, 3)
        ]
    keys = [{row["id_number"]: row["person_key"] for row in month} for month in months]
    assert keys[0] == keys[1] == keys[2]
    assert len(keys[0]) == 5
    assert query(hub, "SELECT release_number FROM governance.person WHERE id_number = :n", n=CHILD) == [(1,)]


def test_any_release_can_be_read_again(hub: Hub) -> None:
    def head(number: int) -> str:
        with hub.engine() as engine:
            table = release_table(hub, engine, find_release(hub, number), "person")
            return str(table.filter(table.id_number == HEAD).person_name.to_pyarrow()[0])

    assert [head(number) for number in (1, 2, 3)] == ["甲某", "甲新", "甲新"]
    assert live_release(hub).number == 3
    with pytest.raises(StopError, match=r"no release 9.*1 to 3"):
        find_release(hub, 9)


def test_nothing_that_a_release_names_may_be_vacuumed_or_forgotten(hub: Hub) -> None:
    for entity in hub.contracts.base:
        table = DeltaTable(str(hub.lake.base(entity)))
        assert table.vacuum(dry_run=True) == []
        configuration = table.metadata().configuration
        assert {configuration[f"delta.{name}Duration"] for name in ("logRetention", "deletedFileRetention")} == {
            "interval 36500 days"
        }


def test_table_that_was_made_anew_is_not_taken_for_the_old_one(hub: Hub) -> None:
    past = replace(find_release(hub, 1), versions={"person": ("another", 0)})
    with hub.engine() as engine, pytest.raises(StopError, match="release 1: the lake does not have"):
        release_table(hub, engine, past, "person")


def test_merge_writes_only_tables_whose_rows_changed(hub: Hub) -> None:
    first, second, third = (find_release(hub, number).versions for number in (1, 2, 3))
    assert first["division"] == second["division"] == third["division"]
    assert first["care_status"] == third["care_status"]
    assert first["person"][1] < second["person"][1] < third["person"][1]
    before = {entity: DeltaTable(str(hub.lake.base(entity))).version() for entity in hub.contracts.base}
    lineage = DeltaTable(str(hub.lake.lineage("person"))).version()
    merge(hub)
    assert {entity: DeltaTable(str(hub.lake.base(entity))).version() for entity in hub.contracts.base} == before
    assert DeltaTable(str(hub.lake.lineage("person"))).version() == lineage
    assert release(hub) is None


def test_function_answers_by_key_from_the_indexes(hub: Hub) -> None:
    with hub.database.begin() as connection:
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(
            sa.text("EXPLAIN SELECT * FROM history.person_believed('2026-12-02', '2026-11-09') WHERE person_key = 'P1'")
        )
        text = "\n".join(str(row[0]) for row in plan)
    assert "pk_person" in text
    assert "Function Scan" not in text


def test_a_new_column_comes_into_history_and_its_function(hub: Hub) -> None:
    person = hub.contracts.base["person"]
    more = replace(person.by_name["phone"], name="second_phone", title="第二电话")
    grown = replace(
        hub.contracts, base={**hub.contracts.base, "person": replace(person, columns=(*person.columns, more))}
    )
    later = replace(hub, contracts=grown)
    merge(later)
    assert release(later) is None, "an empty column is no change"
    columns = {column["name"] for column in sa.inspect(hub.database).get_columns("person", "history")}
    assert "second_phone" in columns
    found = believed(later, "person", key_of(later, HEAD), LIVE[1], DAY(2026, 10, 1))
    assert found is not None
    assert (found["person_name"], found["second_phone"]) == ("甲某", None)


KILLED = """
import os, signal, sys
from hub.context import open_hub
from hub.settings import load_settings
from hub.steps import release as step

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

step._record = kill
with open_hub(load_settings(data_dir=sys.argv[1], database_url=sys.argv[2], as_of="2026-11-01")) as hub:
    step.release(hub)
"""


def test_killed_release_leaves_no_history(tmp_path: Path, database_url: str) -> None:
    with opened(tmp_path, database_url) as hub:
        fill(hub)
        build(hub, 1)
        newer = {"id_number": HEAD, "person_name": "甲新", "relation_code": "02", "source_id": 1}
        put(hub, "public_security/registered_resident", [newer | {"updated_at": stamp(11, 9)} | POLICE])
        link(hub)
        merge(hub)
        command = [sys.executable, "-c", KILLED, str(hub.lake.root), database_url]
        assert subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode == -9
        assert query(hub, "SELECT count(*) FROM history.person") == [(0,)]
        assert name_on(hub, HEAD, LIVE[1], DAY(2026, 11, 9)) == "甲某"
        build(hub, 2)
        assert query(hub, "SELECT person_name, recorded_to FROM history.person WHERE id_number = :n", n=HEAD) == [
            ("甲某", 2)
        ]
