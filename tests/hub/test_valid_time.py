"""Valid time from facts: births, moves, deaths, cancellations; what has no day of its own, and what nobody dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from hub.beliefs import believed
from hub.context import Hub
from hub.steps.link import link
from hub.steps.merge import merge
from hub.steps.release import release
from tests.hub.mini import BABY, CHILD, DAUGHTER, HEAD, MAZHUANG, NEIGHBOUR, fill, opened, put

pytestmark = pytest.mark.integration

DAY = dt.date
FIRST, SECOND = DAY(2026, 11, 2), DAY(2026, 12, 2)
"""The days on which the two releases went live; their data are of the day before."""
MOVER, VILLAGER, STAYER = "32037119800101001X", "320371197001010058", "320371198501010075"
REGISTER, FLOATING = "public_security/registered_resident", "public_security/floating_resident"


def at(month: int, day: int) -> dt.datetime:
    return dt.datetime(2026, month, day)  # noqa: DTZ001 - the departments' timestamps carry no zone


def police(number: str, serial: int, moment: dt.datetime, **said: Any) -> dict[str, Any]:
    told = {"id_number": number, "source_id": serial, "updated_at": moment, "operation_code": "U", "household_no": "H1"}
    return {**told, "division_code": MAZHUANG, **said}


def build(hub: Hub, live: dt.date) -> Hub:
    dated = replace(hub, as_of=live - dt.timedelta(days=1))
    link(dated)
    merge(dated)
    made = release(dated)
    assert made is not None
    with hub.database.begin() as connection:
        moment = dt.datetime.combine(live, dt.time(1), dt.UTC)
        connection.execute(
            sa.text("UPDATE ledger.release SET released_at = :m WHERE number = :n"), {"m": moment, "n": made.number}
        )
    return dated


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    """Three people join the miniature. In November the head dies and is cancelled, the mover is registered elsewhere,
    somebody whom only the crematorium knows of has died, and the register of one who stays where he lives changes."""
    with opened(tmp_path_factory.mktemp("valid-time"), module_database_url) as hub:
        fill(hub)
        born = {"birth_date": DAY(1980, 1, 1), "person_name": "己某", "start_date": DAY(2001, 5, 1)}
        old = {"birth_date": DAY(1970, 1, 1), "person_name": "庚某", "phone": "10000000001"}
        put(
            hub, REGISTER, [police(MOVER, 11, at(10, 1), **born), police(VILLAGER, 12, at(10, 1), **old)]
        )  # fmt: skip
        stays = {"birth_date": DAY(1985, 1, 1), "person_name": "辛某"}
        put(hub, REGISTER, [police(STAYER, 13, at(10, 1), **stays, start_date=DAY(2001, 5, 1))])
        lives = police(STAYER, 21, at(10, 1), id_type_code="111", division_code=NEIGHBOUR, start_date=DAY(2020, 1, 1))
        put(hub, FLOATING, [lives | {"person_name": "辛某"}])
        build(hub, FIRST)
        put(hub, REGISTER, [police(STAYER, 13, at(11, 11), **stays, start_date=DAY(2026, 11, 10))])
        put(hub, FLOATING, [lives | {"person_name": "辛某", "updated_at": at(11, 20)}])
        put(hub, "health_commission/death", [death(HEAD, DAY(2026, 11, 19))])
        put(hub, "civil_affairs/cremation", [death(VILLAGER, DAY(2026, 11, 21), cremation_date=DAY(2026, 11, 23))])
        moved = {**born, "start_date": DAY(2026, 11, 10), "division_code": NEIGHBOUR, "household_no": "H2"}
        put(hub, REGISTER, [police(MOVER, 11, at(11, 14), **moved)])
        cancelled = {"id_number": HEAD, "person_name": "甲某", "registration_end_reason_code": "death"}
        cancelled |= {"registration_end_date": DAY(2026, 11, 28), "operation_code": "I", "source_id": 1}
        put(hub, "public_security/cancelled_registration", [cancelled | {"updated_at": at(11, 28)}])
        yield build(hub, SECOND)


def death(number: str, day: dt.date, **said: Any) -> dict[str, Any]:
    return {
        "id_number": number,
        "person_name": "某",
        "certificate_no": "D2",
        "record_no": "C1",
        "death_date": day,
        **said,
    }


def query(hub: Hub, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with hub.database.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement), values)]


def told(hub: Hub, number: str, known: dt.date, about: dt.date, *columns: str) -> tuple[Any, ...] | None:
    named = ", ".join(columns)
    found = query(
        hub,
        f"SELECT {named} FROM history.person_believed(:known, :about) WHERE id_number = :number",
        known=known,
        about=about,
        number=number,
    )
    return found[0] if found else None


def status(hub: Hub, number: str, known: dt.date, about: dt.date) -> str | None:
    found = told(hub, number, known, about, "person_status_code")
    return found[0] if found else None


def village(hub: Hub, number: str, known: dt.date, about: dt.date) -> str | None:
    found = told(hub, number, known, about, "residence_division_code")
    return found[0] if found else None


def count(hub: Hub, entity: str, known: dt.date, about: dt.date) -> int:
    [(found,)] = query(hub, f"SELECT count(*) FROM history.{entity}_believed(:k, :a)", k=known, a=about)
    return int(found)


def test_a_person_is_there_from_birth(hub: Hub) -> None:
    assert [status(hub, HEAD, FIRST, day) for day in (DAY(1949, 12, 31), DAY(1950, 1, 1))] == [None, "alive"]
    assert [status(hub, BABY, SECOND, day) for day in (DAY(2026, 4, 30), DAY(2026, 5, 1))] == [None, "alive"]
    # All eight but the newborn of October and the child of May, months before any department touched a row.
    assert count(hub, "person", SECOND, DAY(2026, 3, 1)) == count(hub, "person", SECOND, SECOND) - 2 == 6


def test_a_death_is_so_from_its_day_whenever_it_was_told(hub: Hub) -> None:
    assert [status(hub, HEAD, SECOND, DAY(2026, 11, day)) for day in (18, 19, 27, 28)] == [
        "alive",
        "deceased_unregistered",
        "deceased_unregistered",
        "deceased",
    ]
    assert told(hub, HEAD, SECOND, DAY(2026, 11, 18), "death_date", "registration_end_date") == (None, None)
    assert told(hub, HEAD, SECOND, DAY(2026, 11, 20), "death_date", "registration_end_date") == (
        DAY(2026, 11, 19),
        None,
    )
    # Before December's release nobody knew.
    assert status(hub, HEAD, DAY(2026, 12, 1), DAY(2026, 11, 25)) == "alive"


def test_a_death_that_the_first_release_knew_was_not_so_before_it(hub: Hub) -> None:
    days = (DAY(2026, 8, 31), DAY(2026, 9, 1))
    assert [status(hub, CHILD, FIRST, day) for day in days] == ["alive", "deceased_unregistered"]
    assert [village(hub, CHILD, FIRST, day) for day in days] == [NEIGHBOUR, None]


def test_a_death_known_from_the_crematorium_alone_waits_for_the_police(hub: Hub) -> None:
    assert [status(hub, VILLAGER, SECOND, DAY(2026, 11, day)) for day in (20, 21)] == ["alive", "deceased_unregistered"]
    [row] = query(
        hub,
        "SELECT residence_status_code, end_date, is_current FROM governance.residence JOIN governance.person"
        " USING (person_key) WHERE id_number = :n",
        n=VILLAGER,
    )
    assert row == ("pending_cancellation", DAY(2026, 11, 21), False)


def test_a_move_is_so_from_the_day_of_moving_in(hub: Hub) -> None:
    assert [village(hub, MOVER, SECOND, DAY(2026, 11, day)) for day in (9, 10)] == [MAZHUANG, NEIGHBOUR]
    assert village(hub, MOVER, FIRST, DAY(2026, 11, 25)) == MAZHUANG
    # Before the first of the residences begins, nobody says where; the living place begins after the registered one.
    assert village(hub, MOVER, SECOND, DAY(2001, 4, 30)) is None
    assert [village(hub, DAUGHTER, SECOND, day) for day in (DAY(2024, 12, 31), DAY(2025, 1, 1))] == [
        MAZHUANG,
        NEIGHBOUR,
    ]


def test_who_was_seen_where_he_lives_since_he_registered_elsewhere_lives_there(hub: Hub) -> None:
    assert [village(hub, STAYER, SECOND, DAY(2026, 11, day)) for day in (9, 10, 30)] == [NEIGHBOUR] * 3
    [(known,)] = query(hub, "SELECT residence_division_code FROM governance.person WHERE id_number = :n", n=STAYER)
    assert known == NEIGHBOUR
    told_on = query(
        hub,
        "SELECT residence_kind_code, confirmed_on FROM governance.residence JOIN governance.person USING (person_key)"
        " WHERE id_number = :n ORDER BY 1",
        n=STAYER,
    )
    assert told_on == [("living", DAY(2026, 11, 20)), ("registered", None)]


def test_a_residence_is_over_after_its_last_day(hub: Hub) -> None:
    statement = (
        "SELECT residence_status_code, is_current FROM history.residence_believed(:k, :a) r"
        " JOIN governance.person p USING (person_key) WHERE p.id_number = :n"
    )
    found = [query(hub, statement, k=SECOND, a=DAY(2026, 11, day), n=HEAD) for day in (18, 19, 20)]
    assert found == [[("active", True)], [("pending_cancellation", False)], []]


def test_what_nobody_dates_is_so_from_ever(hub: Hub) -> None:
    for entity in ("address", "grid", "division"):
        assert count(hub, entity, SECOND, DAY(1900, 1, 1)) == count(hub, entity, SECOND, FIRST) > 0, entity
        assert query(hub, f"SELECT DISTINCT holds_from FROM governance.{entity}") == [(None,)]
    assert count(hub, "household", SECOND, DAY(1900, 1, 1)) == 1
    assert count(hub, "division", DAY(2026, 11, 1), FIRST) == 0, "nothing was released yet"


def test_what_joins_a_table_later_is_so_from_the_word_that_brought_it(hub: Hub) -> None:
    assert [count(hub, "household", SECOND, DAY(2026, 11, day)) for day in (13, 14)] == [1, 2]


def test_a_change_without_a_day_of_its_own_is_so_from_the_fresher_word_else_from_the_release(hub: Hub) -> None:
    holds = query(hub, "SELECT holds_from, facts_as_of FROM governance.person WHERE id_number = :n", n=MOVER)
    assert holds == [(DAY(2026, 11, 14), DAY(2026, 11, 14))]
    # That members have died or left is found by the hub itself.
    members = [
        query(
            hub, "SELECT member_count FROM history.household_believed(:k, :a) WHERE household_no = 'H1'", k=SECOND, a=a
        )
        for a in (DAY(2026, 11, 30), DAY(2026, 12, 1))
    ]
    assert members == [[(6,)], [(3,)]]


@pytest.mark.parametrize("live", [FIRST, SECOND])
def test_what_is_believed_of_its_own_day_is_what_a_release_says(hub: Hub, live: dt.date) -> None:
    names = ", ".join(hub.contracts.base["person"].by_name)
    about = live - dt.timedelta(days=1)
    found = query(hub, f"SELECT {names} FROM history.person_believed(:k, :a) ORDER BY 1", k=live, a=about)
    if live == SECOND:
        assert found == query(hub, f"SELECT {names} FROM governance.person ORDER BY 1")
    assert len(found) == 8


def test_both_tables_of_people_answer_by_key_from_the_indexes(hub: Hub) -> None:
    with hub.database.begin() as connection:
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        for entity in ("person", "residence"):
            asked = f"SELECT * FROM history.{entity}_believed('2026-12-02', '2026-11-09') WHERE person_key = 'P1'"
            plan = "\n".join(str(row[0]) for row in connection.execute(sa.text(f"EXPLAIN {asked}")))
            assert "Function Scan" not in plan
            assert "CTE Scan" not in plan
            for index in ("pk_person", "ix_residence_person_key"):
                assert f"using {index}" in plan or f"on {index}" in plan, plan
            scanned = [line for line in plan.splitlines() if "Seq Scan" in line]
            assert all(" release" in line for line in scanned), plan


def test_a_residence_is_found_by_its_own_key(hub: Hub) -> None:
    [(key,)] = query(
        hub,
        "SELECT residence_key FROM governance.residence JOIN governance.person USING (person_key) WHERE id_number = :n",
        n=MOVER,
    )
    found = believed(hub, "residence", key, SECOND, DAY(2026, 11, 9))
    assert found is not None
    assert (found["division_code"], found["is_current"], found["end_date"]) == (MAZHUANG, True, None)
    assert believed(hub, "residence", "R-nobody", SECOND, SECOND) is None
