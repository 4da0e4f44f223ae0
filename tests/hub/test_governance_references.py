"""Foreign keys: what the merge guarantees is held by the database, what a department wrote stops no release."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from hub.contracts import Contracts, load_contracts
from hub.governance import align
from hub.pg import embedded_server, libpq_uri
from hub.references import Reference, declare_references, reference_faults, references
from hub.suites import load_suite

CONTRACTS = load_contracts()
FOUND = references(CONTRACTS.root)
ENFORCED = {one.constraint for one in FOUND if one.enforced}


def test_every_reference_leads_to_a_key_and_each_is_named_once() -> None:
    assert reference_faults(CONTRACTS) == []
    assert len({one.constraint for one in FOUND}) == len(FOUND)
    assert {one.column for one in FOUND} <= {name for base in CONTRACTS.base.values() for name in base.by_name}


def test_the_merge_guarantees_persons_and_households() -> None:
    assert {one.enforced for one in FOUND if one.target in ("person", "household")} == {True}
    assert not any(one.enforced for one in FOUND if one.target in ("address", "building", "grid"))


def test_no_critical_rule_is_about_a_reference_that_is_not_enforced() -> None:
    """What stops a release by its suite is what the database may refuse; the rest warns and names its owner."""
    for one in FOUND:
        rules = [
            rule
            for rule in load_suite(f"base/{one.entity}")
            if rule["kwargs"].get("column") == one.column and rule["kwargs"].get("base_table") == one.target
        ]
        if not one.enforced:
            assert {rule["severity"] for rule in rules} <= {"warning", "info"}, one
            assert "hub" not in {rule["meta"]["acts"] for rule in rules}, one


def test_a_reference_that_leads_nowhere_is_told_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "schemas" / "base"
    shutil.copytree(CONTRACTS.root / "schemas" / "base", folder)
    text = (folder / "grid.yml").read_text(encoding="utf-8")
    (folder / "grid.yml").write_text(text.replace("division.division_code", "nowhere.code"), encoding="utf-8")
    broken = replace(CONTRACTS, root=tmp_path)
    line = next(n for n, one in enumerate(text.splitlines(), 1) if "relationships" in one)
    assert reference_faults(broken) == [
        f"schemas/base/grid.yml:{line}: column division_code refers to 'nowhere', which schemas/base/ does not have"
    ]
    fewer = replace(CONTRACTS, base={**CONTRACTS.base, "person": replace(CONTRACTS.base["person"], columns=())})
    assert any("refers to person.person_key, its key is" in fault for fault in reference_faults(fewer))


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database whose tables have keys and one village, household and person."""
    with psycopg.connect(prepared(database_url)) as made:
        yield made


def prepared(url: str) -> str:
    """Make the tables as a first release leaves them, and return the libpq address."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        metadata = align(connection, CONTRACTS.base, CONTRACTS)
        for base in CONTRACTS.base.values():
            keys = ", ".join(base.keys)
            connection.exec_driver_sql(
                f"ALTER TABLE governance.{base.name} ADD CONSTRAINT pk_{base.name} PRIMARY KEY ({keys})"
            )
        rows: dict[str, dict[str, Any]] = {
            "division": {"division_code": "320305005204", "division_name": "马庄村"},
            "household": {"household_key": "H1", "division_code": "320305005204"},
            "person": {"person_key": "P1", "household_key": "H1", "residence_division_code": "320305005204"},
        }
        for table, row in rows.items():
            connection.execute(sa.insert(metadata.tables[f"governance.{table}"]).values(**row, release_number=1))
    engine.dispose()
    return libpq_uri(url)


def keys_of(connection: psycopg.Connection[Any]) -> dict[str, bool]:
    """Each foreign key and whether it is deferred."""
    query = """SELECT conname, condeferred FROM pg_constraint
               WHERE contype = 'f' AND connamespace = 'governance'::regnamespace"""
    return dict(connection.execute(query).fetchall())


def without(constraint: str) -> Contracts:
    """The contracts as if a reference were gone; the others are as they are."""
    return replace(CONTRACTS, base={n: b for n, b in CONTRACTS.base.items() if not constraint.startswith(f"fk_{n}_")})


@pytest.mark.integration
def test_enforced_references_become_deferred_foreign_keys(connection: psycopg.Connection[Any]) -> None:
    declare_references(connection.cursor(), CONTRACTS)
    found = keys_of(connection)
    assert set(found) >= ENFORCED
    assert all(deferred for name, deferred in found.items() if name in ENFORCED)
    if connection.info.server_version < 180000:
        assert set(found) == ENFORCED
    declare_references(connection.cursor(), CONTRACTS)
    assert keys_of(connection) == found


@pytest.mark.integration
def test_tables_are_filled_in_any_order_and_checked_before_the_commit(connection: psycopg.Connection[Any]) -> None:
    declare_references(connection.cursor(), CONTRACTS)
    connection.commit()
    connection.execute("INSERT INTO governance.person (person_key, household_key, release_number) VALUES ('P2','H2',2)")
    connection.execute("INSERT INTO governance.household (household_key, release_number) VALUES ('H2', 2)")
    declare_references(connection.cursor(), CONTRACTS)
    connection.commit()
    connection.execute("DELETE FROM governance.household WHERE household_key = 'H2'")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        declare_references(connection.cursor(), CONTRACTS)


@pytest.mark.integration
def test_rows_that_are_there_are_checked_when_a_key_is_declared(connection: psycopg.Connection[Any]) -> None:
    connection.execute("UPDATE governance.person SET household_key = 'nowhere'")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        declare_references(connection.cursor(), CONTRACTS)


@pytest.mark.integration
def test_a_departments_code_that_leads_nowhere_stops_nothing_and_is_counted(
    connection: psycopg.Connection[Any],
) -> None:
    declare_references(connection.cursor(), CONTRACTS)
    connection.execute("UPDATE governance.person SET residence_division_code = '320305005999'")
    connection.execute("UPDATE governance.household SET address_code = 'gone', division_code = NULL")
    declare_references(connection.cursor(), CONTRACTS)
    connection.commit()
    rows = connection.execute('SELECT * FROM open.dangling_reference WHERE 行数 > 0 ORDER BY 列 COLLATE "C"').fetchall()
    assert rows == [
        ("家庭户", "标准地址编码", "标准地址", "public_security/registered_resident", 1),
        ("人员", "现住村居代码", "区划", "public_security/registered_resident", 1),
    ]


@pytest.mark.integration
def test_a_reference_that_is_taken_back_loses_its_key_and_an_operators_own_stays(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute(
        "ALTER TABLE governance.grid ADD CONSTRAINT mine FOREIGN KEY (division_code) REFERENCES governance.division"
    )
    declare_references(connection.cursor(), CONTRACTS)
    declare_references(connection.cursor(), without("fk_care_status_person_key"))
    assert set(keys_of(connection)) >= {"mine", "fk_person_household_key"}
    assert "fk_care_status_person_key" not in keys_of(connection)


@pytest.mark.integration
def test_newer_servers_know_the_others_too_and_do_not_enforce_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    with embedded_server(tmp_path_factory.mktemp("newer")) as url, psycopg.connect(prepared(url)) as connection:
        if connection.info.server_version < 180000:
            pytest.skip("the embedded server is older than PostgreSQL 18")
        declare_references(connection.cursor(), CONTRACTS)
        query = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND NOT conenforced"
        told = {row[0] for row in connection.execute(query)}
        assert told == {one.constraint for one in FOUND} - ENFORCED
        connection.execute("UPDATE governance.person SET residence_division_code = '320305005999'")
        before = keys_of(connection)
        declare_references(connection.cursor(), CONTRACTS)
        assert keys_of(connection) == before
        connection.rollback()


def test_a_reference_has_one_name() -> None:
    assert (
        Reference("person", "household_key", "household", "household_key", True).constraint == "fk_person_household_key"
    )
