"""Release: all tables or none, only what differs is touched, and any interruption leaves the old release live."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely
import sqlalchemy as sa
from deltalake import write_deltalake

from hub.context import Hub
from hub.errors import RetryError, StopError
from hub.steps import release as step
from hub.steps.release import Release, release
from tests.hub.mini import opened

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[3]
POINT = shapely.to_wkb(shapely.Point(117.5, 34.5))
# Stands in for a person's data: no message may hold it.
PRIVATE = "绝密姓名"


@pytest.fixture
def hub(tmp_path: Path, database_url: str) -> Iterator[Hub]:
    """A hub whose base tables are there: two persons, an address, a facility, the others empty."""
    with opened(tmp_path, database_url) as hub:
        for entity in hub.contracts.base:
            put(hub, entity)
        put(hub, "person", person("P1"), person("P2", birth_date=dt.date(2016, 1, 1), is_registration_consistent=False))
        put(hub, "address", {"address_code": "A1", "longitude": 117.5, "geometry": POINT})
        put(hub, "facility", {"facility_no": "F1", "floor_area_m2": 400.0})
        yield hub


def person(key: str, **fields: Any) -> dict[str, Any]:
    return {"person_key": key, "person_name": PRIVATE, **fields}


def put(hub: Hub, entity: str, *rows: dict[str, Any]) -> None:
    """Write the base table anew, as the step merge does."""
    contract = hub.contracts.base[entity]
    whole = [{**dict.fromkeys(contract.by_name), **row} for row in rows]
    table = pa.Table.from_pylist(whole, schema=contract.arrow_schema)
    write_deltalake(str(hub.lake.base(entity)), table, mode="overwrite", schema_mode="overwrite")


def query(hub: Hub, statement: str) -> list[tuple[Any, ...]]:
    with hub.database.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def keys(hub: Hub) -> list[tuple[Any, ...]]:
    """Each person's key and the release in which the row last changed."""
    return query(hub, "SELECT person_key, release_number FROM governance.person ORDER BY 1")


def made(found: Release | None) -> Release:
    assert found is not None
    return found


def test_first_release_shows_every_base_table(hub: Hub) -> None:
    first = made(release(hub))
    assert (first.number, first.as_of) == (1, hub.as_of)
    assert {entity: table["rows"] for entity, table in first.tables.items() if table["rows"]} == {
        "person": 2,
        "address": 1,
        "facility": 1,
    }
    assert set(first.tables) == set(hub.contracts.base)
    assert query(hub, "SELECT person_key, birth_date, is_registration_consistent, phone FROM governance.person") == [
        ("P1", None, None, None),
        ("P2", dt.date(2016, 1, 1), False, None),
    ]
    assert query(hub, "SELECT floor_area_m2 FROM governance.facility") == [(400.0,)]
    [(live, when, rows)] = query(hub, "SELECT number, released_at, rows FROM governance.release")
    assert (live, when, rows["person"]) == (1, first.released_at, 2)
    assert query(hub, "SELECT number, as_of_date, tables, state FROM ledger.release") == [
        (1, hub.as_of, first.tables, "live")
    ]
    kept = json.loads(hub.lake.release(1).read_text(encoding="utf-8"))
    assert (kept["number"], kept["as_of"], kept["tables"]) == (1, hub.as_of.isoformat(), first.tables)


def test_geometry_keeps_its_meaning(hub: Hub) -> None:
    release(hub)
    [(geometry,)] = query(hub, "SELECT geometry FROM governance.address")
    if isinstance(geometry, str):  # PostGIS answers in hexadecimal EWKB
        assert shapely.get_srid(shapely.from_wkb(geometry)) == 4490
    assert shapely.equals(shapely.from_wkb(geometry), shapely.Point(117.5, 34.5))


def test_first_release_builds_keys_and_indexes(hub: Hub) -> None:
    release(hub)
    inspector = sa.inspect(hub.database)
    for entity, contract in hub.contracts.base.items():
        assert inspector.get_pk_constraint(entity, "governance")["constrained_columns"] == list(contract.keys)
    indexed = {index["column_names"][0] for index in inspector.get_indexes("person", "governance")}
    assert {"id_number", "household_key", "residence_division_code", "registered_division_code"} <= indexed


def test_unchanged_tables_make_no_release(hub: Hub) -> None:
    release(hub)
    assert release(hub) is None
    put(hub, "person", person("P2", birth_date=dt.date(2016, 1, 1), is_registration_consistent=False), person("P1"))
    put(hub, "address", {"address_code": "A1", "longitude": 117.5, "geometry": POINT})
    assert release(hub) is None
    assert query(hub, "SELECT number FROM ledger.release") == [(1,)]
    assert keys(hub) == [("P1", 1), ("P2", 1)]


def test_only_rows_that_differ_are_touched(hub: Hub) -> None:
    put(hub, "person", person("P1"), person("P2"), person("P3", phone="1"))
    release(hub)
    put(hub, "person", person("P1"), person("P3", phone=None), person("P4"))
    second = made(release(hub))
    assert second.number == 2
    counts = {name: second.tables["person"][name] for name in ("rows", "inserted", "updated", "deleted")}
    assert counts == {"rows": 3, "inserted": 1, "updated": 1, "deleted": 1}
    assert second.tables["address"] == {**second.tables["address"], "rows": 1, "inserted": 0, "updated": 0}
    assert keys(hub) == [("P1", 1), ("P3", 2), ("P4", 2)]
    assert query(hub, "SELECT phone FROM governance.person WHERE person_key = 'P3'") == [(None,)]


def test_table_filled_later_and_emptied_again(hub: Hub) -> None:
    release(hub)
    put(hub, "grid", {"grid_code": "G1", "geometry": POINT})
    assert made(release(hub)).tables["grid"]["inserted"] == 1
    put(hub, "grid")
    assert made(release(hub)).tables["grid"]["deleted"] == 1
    assert query(hub, "SELECT count(*) FROM governance.grid") == [(0,)]


@pytest.mark.parametrize("earlier", [False, True], ids=["first", "later"])
@pytest.mark.parametrize(
    "spoiled",
    [[person("P9"), person("P9")], [{"person_name": PRIVATE}]],
    ids=["key_twice", "key_missing"],
)
def test_one_bad_table_holds_back_all(hub: Hub, spoiled: list[dict[str, Any]], earlier: bool) -> None:
    if earlier:
        release(hub)
    before = query(hub, "SELECT number FROM ledger.release")
    put(hub, "address", {"address_code": "A2"})
    put(hub, "person", *spoiled)
    with pytest.raises(StopError, match=r"base/person") as stopped:
        release(hub)
    assert PRIVATE not in str(stopped.value)
    assert stopped.value.__cause__ is None
    assert query(hub, "SELECT number FROM ledger.release") == before
    assert query(hub, "SELECT address_code FROM governance.address") == ([("A1",)] if earlier else [])


def test_text_the_database_cannot_hold_is_refused(hub: Hub) -> None:
    put(hub, "person", person("P1", former_name=f"{PRIVATE}\x00"))
    with pytest.raises(StopError, match=r"base/person: .* SQLSTATE 22021") as stopped:
        release(hub)
    assert PRIVATE not in str(stopped.value)


def test_key_that_comes_twice_among_known_rows_is_found(hub: Hub) -> None:
    release(hub)
    put(hub, "person", person("P1"), person("P1", phone="2"), person("P2"))
    with pytest.raises(StopError, match="repeat the key"):
        release(hub)


def test_readers_see_the_old_release_until_all_is_there(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    release(hub)
    put(hub, "person", person("P3"))
    seen: list[list[tuple[Any, ...]]] = []
    record = step._record

    def reads_first(*arguments: Any) -> None:
        with hub.database.connect() as connection:
            connection.execute(sa.text("SET lock_timeout = '1s'"))
            seen.append([tuple(row) for row in connection.execute(sa.text("SELECT person_key FROM governance.person"))])
        record(*arguments)

    monkeypatch.setattr(step, "_record", reads_first)
    assert made(release(hub)).number == 2
    assert sorted(seen[0]) == [("P1",), ("P2",)]
    assert keys(hub) == [("P3", 2)]


KILLED = """
import os, signal, sys
from hub.context import open_hub
from hub.settings import load_settings
from hub.steps import release as step

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(step._Merge if sys.argv[3].startswith("_Merge") else step, sys.argv[3].rpartition(".")[2], kill)
with open_hub(load_settings(data_dir=sys.argv[1], database_url=sys.argv[2], as_of="2026-11-01")) as hub:
    step.release(hub)
"""


@pytest.mark.parametrize("moment", ["_Merge._fill", "_record", "_keep_record"])
def test_killed_and_run_again_gives_the_same(hub: Hub, database_url: str, moment: str) -> None:
    command = [sys.executable, "-c", KILLED, str(hub.lake.root), database_url, moment]
    assert subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode == -9
    again = release(hub)
    # Only the record in the lake was missing, if the kill came after the commit.
    assert (again is None) == (moment == "_keep_record")
    assert keys(hub) == [("P1", 1), ("P2", 1)]
    assert query(hub, "SELECT number FROM ledger.release") == [(1,)]
    assert hub.lake.release(1).is_file()
    assert query(hub, "SELECT relname FROM pg_class WHERE relname LIKE 'staged%'") == []


@pytest.mark.parametrize("number", [1, 2])
def test_second_process_waits_for_the_first(hub: Hub, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    if number == 2:
        release(hub)
        # An addition: where old rows are touched, the locks of rows alone would make the second one wait.
        put(hub, "facility", {"facility_no": "F1", "floor_area_m2": 400.0}, {"facility_no": "F2"})
    found: list[Release | None] = []
    second = threading.Thread(target=lambda: found.append(release(hub)))
    record = step._record

    def slowly(*arguments: Any) -> None:
        second.start()
        second.join(timeout=2)  # long enough to collide, if it did not wait
        record(*arguments)

    monkeypatch.setattr(step, "_record", slowly)
    assert made(release(hub)).number == number
    second.join()
    assert found == [None]


def test_record_in_the_lake_is_made_again(hub: Hub) -> None:
    release(hub)
    before = hub.lake.release(1).read_bytes()
    hub.lake.release(1).unlink()
    assert release(hub) is None
    assert hub.lake.release(1).read_bytes() == before


@pytest.mark.parametrize("dropped", ["SCHEMA governance CASCADE", "TABLE governance.person CASCADE"])
def test_what_was_dropped_is_filled_by_the_next_number(hub: Hub, dropped: str) -> None:
    release(hub)
    with hub.database.begin() as connection:
        connection.execute(sa.text(f"DROP {dropped}"))
    assert made(release(hub)).number == 2
    assert keys(hub) == [("P1", 2), ("P2", 2)]


def test_a_new_table_beside_live_ones_keeps_no_reader_waiting(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    release(hub)
    with hub.database.begin() as connection:
        connection.execute(sa.text("DROP TABLE governance.address CASCADE"))
    seen: list[list[tuple[Any, ...]]] = []
    change = step._Merge._change

    def reads_first(merge: Any, base: Any) -> Any:
        with hub.database.connect() as connection:
            connection.execute(sa.text("SET lock_timeout = '1s'"))
            seen.append(
                [tuple(row) for row in connection.execute(sa.text("SELECT address_code FROM governance.address"))]
            )
        return change(merge, base)

    monkeypatch.setattr(step._Merge, "_change", reads_first)
    put(hub, "person", person("P1"))
    second = made(release(hub))
    assert (seen, second.tables["address"]["inserted"], second.tables["person"]["deleted"]) == ([[]], 1, 1)
    assert query(hub, "SELECT address_code, release_number FROM governance.address") == [("A1", 2)]


def test_first_release_stores_rows_frozen(hub: Hub) -> None:
    """Whoever reads them later need not look up whether their transaction was committed."""
    release(hub)
    whole = "SELECT relallvisible = relpages FROM pg_class WHERE oid = 'governance.person'::regclass"
    assert query(hub, whole) == [(True,)]


@pytest.mark.parametrize("number", [1, 2])
def test_a_verdict_that_fails_undoes_what_is_there_already(hub: Hub, number: int) -> None:
    if number == 2:
        release(hub)
        put(hub, "person", person("P6"))
    before = keys(hub) if number == 2 else []
    asked: list[list[tuple[Any, ...]]] = []

    def judged() -> None:
        if number == 2:  # readers of a first release wait for it
            asked.append(keys(hub))
        raise StopError("base/person", "a rule fails", "none", "mend it")

    with pytest.raises(StopError, match="a rule fails"):
        release(hub, judged)
    assert asked == [before] * (number - 1), "nobody sees what is not judged yet"
    assert keys(hub) == before
    assert made(release(hub)).number == number


def test_missing_base_table_is_named(hub: Hub) -> None:
    hub.lake.base("grid").rename(hub.lake.root / "elsewhere")
    with pytest.raises(StopError, match="base/grid: the base table is not in the lake"):
        release(hub)
    assert query(hub, "SELECT count(*) FROM ledger.release") == [(0,)]


def test_base_table_of_other_columns_is_refused(hub: Hub) -> None:
    table = pa.table({"facility_no": ["F1"], "stray": ["x"]})
    write_deltalake(str(hub.lake.base("facility")), table, mode="overwrite", schema_mode="overwrite")
    with pytest.raises(StopError, match=r"base/facility: columns .*stray"):
        release(hub)


def test_lost_database_may_be_tried_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    release(hub)
    put(hub, "person", person("P6"))

    record = step._record

    def cut_off(*arguments: Any) -> None:
        with hub.database.begin() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"
            connection.execute(sa.text(f"{others} AND datname = current_database()"))
        record(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(step, "_record", cut_off)
        with pytest.raises(RetryError, match="the database gave up"):
            release(hub)
    assert keys(hub) == [("P1", 1), ("P2", 1)]
    assert made(release(hub)).number == 2
