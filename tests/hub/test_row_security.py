"""Departments that connect directly: each tries its neighbour's doors on the real server, as the role itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from hub.context import Hub
from hub.errors import StopError
from hub.exchange.extract import extract
from hub.governance import align
from hub.pg import libpq_uri
from hub.row_security import DatabaseRole, create_role, drop_role, list_roles
from hub.steps.link import link
from hub.steps.merge import merge
from hub.steps.publish import publish
from hub.steps.release import release
from tests.hub.mini import HEAD, MAZHUANG, NEIGHBOUR, fill, opened

pytestmark = pytest.mark.integration
DEPARTMENT = "贾汪区教育局"
Make = Callable[..., tuple[DatabaseRole, str]]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    """The miniature county, released and published."""
    with opened(tmp_path_factory.mktemp("roles"), module_database_url) as made:
        fill(made)
        link(made)
        merge(made)
        release(made)
        with made.database.begin() as connection:
            align(connection, tables_of(made), made.contracts)
        publish(made)
        yield made


def tables_of(hub: Hub) -> Any:
    """The contracts as the release keeps their tables."""
    from hub.history import kept

    return kept(hub.contracts.base)


@pytest.fixture
def make(hub: Hub) -> Iterator[Make]:
    """Make roles that are dropped after the test; roles belong to the whole server, so their names are drawn."""
    names = []

    def made(division: str = MAZHUANG, **asked: Any) -> tuple[DatabaseRole, str]:
        name = asked.pop("name", f"dept_{uuid.uuid4().hex[:12]}")
        role = create_role(hub, name, department=DEPARTMENT, division=division, **asked)
        names.append(name)
        return role

    yield made
    for name in {role.name for role in list_roles(hub)} & set(names):
        drop_role(hub, name)


@contextmanager
def connected(hub: Hub, role: DatabaseRole, password: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the role, which has taken off what it may take off itself."""
    url = hub.database.url.set(username=role.name, password=password)
    with psycopg.connect(libpq_uri(url), autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        yield connection


def names(connection: psycopg.Connection[Any], query: str) -> list[Any]:
    return sorted(row[0] for row in connection.execute(query))


class TestColumns:
    def test_it_reads_its_own_village_and_no_other(self, hub: Hub, make: Make) -> None:
        role, password = make(columns=["person", "residence"])
        with connected(hub, role, password) as connection:
            assert names(connection, "SELECT person_name FROM governance.person") == ["甲某"]
            assert names(connection, "SELECT 姓名 FROM open.person") == ["甲某"]
            assert names(connection, "SELECT DISTINCT division_code FROM governance.residence") == [MAZHUANG]
            assert (
                names(connection, f"SELECT 1 FROM governance.person WHERE residence_division_code = '{NEIGHBOUR}'")
                == []
            )
        with hub.database.connect() as own:
            assert own.scalar(sa.text("SELECT count(*) FROM governance.person")) > 1

    def test_a_county_holds_its_villages(self, hub: Hub, make: Make) -> None:
        role, password = make("320305", columns=["person"])
        with connected(hub, role, password) as connection:
            assert {"甲某", "乙某"} <= set(names(connection, "SELECT person_name FROM governance.person"))

    def test_names_behind_codes_and_above_the_village_come_along(self, hub: Hub, make: Make) -> None:
        role, password = make(columns=["person"])
        with connected(hub, role, password) as connection:
            rows = connection.execute("SELECT 姓名, 性别, 现住村居, 乡镇（街道） FROM open.person").fetchall()
            assert [(row[0], row[1]) for row in rows] == [("甲某", "男")]
            titles = hub.contracts.codelists["division"].titles
            assert rows[0][2:] == (titles[MAZHUANG], titles["320305005000"])
            seen = names(connection, "SELECT division_code FROM governance.division")
            assert MAZHUANG in seen
            assert NEIGHBOUR not in seen

    @pytest.mark.parametrize(
        "door",
        [
            "SELECT id_number FROM governance.person",
            "SELECT * FROM governance.person",
            "SELECT count(*) FROM governance.person WHERE id_number LIKE '3%'",
            "SELECT p FROM governance.person p",
            "SELECT to_jsonb(p) FROM governance.person p",
            "SELECT 证件号码 FROM open.person_full",
            "SELECT * FROM governance.care_status",
            "SELECT entity_key FROM governance.legal_entity",
            "SELECT * FROM open.legal_entity",
            "SELECT 常住人口 FROM open.village_summary",
            "SELECT rows FROM governance.release",
            "SELECT * FROM history.person",
            "SELECT * FROM history.person_believed(current_date, current_date)",
            "SELECT * FROM ledger.audit",
            'SELECT * FROM ledger."grant"',
            "SELECT rolpassword FROM pg_authid",
            "SELECT * FROM pg_statistic",
            "SELECT pg_read_file('pg_hba.conf')",
            "SET row_security = off; SELECT person_name FROM governance.person",
            "SET ROLE {owner}",
            "SET SESSION AUTHORIZATION {owner}",
            "GRANT {owner} TO {role}",
            "ALTER ROLE {role} BYPASSRLS",
            "ALTER TABLE governance.person DISABLE ROW LEVEL SECURITY",
            "ALTER POLICY {role} ON governance.person USING (true)",
            "CREATE POLICY mine ON governance.person USING (true)",
            "GRANT SELECT ON governance.person TO {role}",
            "CREATE VIEW open.mine AS SELECT 1",
            "CREATE TABLE governance.mine (a int)",
            "CREATE FUNCTION open.mine() RETURNS int LANGUAGE sql RETURN 1",
            "CREATE TRIGGER mine AFTER INSERT ON governance.person EXECUTE FUNCTION pg_temp.none()",
            "UPDATE governance.person SET person_name = 'x'",
            "DELETE FROM governance.person",
            "INSERT INTO governance.division (division_code) VALUES ('1')",
            "TRUNCATE governance.person",
            "BEGIN; LOCK TABLE governance.person IN ACCESS EXCLUSIVE MODE",
            "COPY governance.person TO STDOUT",
            "COPY (SELECT 1) TO PROGRAM 'true'",
        ],
    )
    def test_every_other_door_is_closed(self, hub: Hub, make: Make, door: str) -> None:
        role, password = make(columns=["person"])
        owner = hub.database.url.username
        with connected(hub, role, password) as connection, pytest.raises(psycopg.Error) as refused:
            connection.execute(door.format(owner=f'"{owner}"', role=role.name).encode())
        assert refused.value.sqlstate == "42501", refused.value

    def test_a_function_of_its_own_sees_no_row_of_the_neighbour(self, hub: Hub, make: Make) -> None:
        role, password = make(columns=["person"])
        with connected(hub, role, password) as connection:
            seen: list[str] = []
            connection.add_notice_handler(lambda notice: seen.append(notice.message_primary or ""))
            connection.execute(
                "CREATE FUNCTION pg_temp.peek(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS "
                "$$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
            )
            connection.execute("SELECT person_name FROM governance.person WHERE pg_temp.peek(person_name)")
            connection.execute("SELECT 姓名 FROM open.person WHERE pg_temp.peek(姓名)")
            assert seen
            assert set(seen) == {"甲某"}

    def test_statistics_of_the_server_tell_no_values(self, hub: Hub, make: Make) -> None:
        with hub.database.begin() as own:
            own.execute(sa.text("ANALYZE governance.person"))
        role, password = make(columns=["person"])
        with connected(hub, role, password) as connection:
            query = "SELECT attname FROM pg_stats WHERE schemaname = 'governance' AND tablename = 'person'"
            assert names(connection, query) == []

    def test_a_column_of_grade_3_is_given_where_it_is_named(self, hub: Hub, make: Make) -> None:
        role, password = make(columns=["person", "person.id_number"])
        assert "id_number" in role.columns["person"]
        assert "phone" not in role.columns["person"]
        with connected(hub, role, password) as connection:
            assert names(connection, "SELECT id_number FROM governance.person") == [HEAD]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT phone FROM governance.person")

    def test_one_column_alone_brings_key_and_division_only(self, make: Make) -> None:
        role, _ = make(columns=["person.birth_date"])
        assert role.columns == {"person": ("person_key", "birth_date", "residence_division_code")}

    def test_summaries_count_its_own_rows(self, hub: Hub, make: Make) -> None:
        tables = ("person", "residence", "care_status", "legal_entity", "address", "grid", "building", "facility")
        role, password = make(columns=tables)
        with connected(hub, role, password) as connection:
            rows = connection.execute("SELECT 村居代码, 常住人口 FROM open.village_summary").fetchall()
            assert rows == [(MAZHUANG, 1)]
            assert connection.execute("SELECT 常住人口 FROM open.county_summary").fetchall() == [(1,)]

    def test_what_a_later_contract_brings_is_closed(self, hub: Hub, make: Make) -> None:
        role, password = make(columns=["person"])
        with hub.database.begin() as own:
            own.execute(sa.text("CREATE TABLE governance.later (division_code text)"))
        try:
            with connected(hub, role, password) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM governance.later")
        finally:
            with hub.database.begin() as own:
                own.execute(sa.text("DROP TABLE governance.later"))

    def test_the_hub_itself_goes_on_seeing_everything(self, hub: Hub, make: Make) -> None:
        with hub.database.connect() as own:
            before = own.scalar(sa.text("SELECT count(*) FROM governance.person"))
        make(columns=["person"])
        with hub.database.connect() as own:
            assert own.scalar(sa.text("SELECT count(*) FROM governance.person")) == before
        assert release(hub) is None


class TestProducts:
    @pytest.mark.parametrize("product", ["village_resident_roster", "village_care_list", "village_summary"])
    def test_a_view_shows_what_is_published(self, hub: Hub, make: Make, tmp_path: Path, product: str) -> None:
        role, password = make("320305", products=[product])
        extract(hub, product, "320305", "parquet", tmp_path / "rows.parquet", actor="test")
        published = pq.read_table(tmp_path / "rows.parquet")
        assert published.num_rows
        with connected(hub, role, password) as connection:
            cursor = connection.execute(f"SELECT * FROM {product}")
            assert [column.name for column in cursor.description or ()] == published.column_names
            assert sorted(map(repr, cursor.fetchall())) == sorted(
                repr(tuple(row.values())) for row in published.to_pylist()
            )

    def test_children_and_numbers_are_masked(self, hub: Hub, make: Make) -> None:
        role, password = make(NEIGHBOUR, products=["village_resident_roster"])
        with connected(hub, role, password) as connection:
            rows = dict(connection.execute("SELECT person_name, id_number FROM village_resident_roster").fetchall())
        assert set(rows) == {"丁*", "乙某", "戊*"}
        assert rows["乙某"] == "320***********0022"

    @pytest.mark.parametrize(
        "door",
        [
            "SELECT person_name FROM governance.person",
            "SELECT 1 FROM governance.code",
            "SELECT 姓名 FROM open.person",
            "SELECT * FROM ledger.audit",
            "SELECT * FROM history.person",
            "SELECT * FROM {other}.village_resident_roster",
            "CREATE VIEW {role}.mine AS SELECT 1",
            "CREATE OR REPLACE VIEW {role}.village_resident_roster AS SELECT 1",
            "ALTER VIEW {role}.village_resident_roster RESET (security_barrier)",
            "UPDATE {role}.village_resident_roster SET phone = '1'",
        ],
    )
    def test_nothing_but_the_view_is_open(self, hub: Hub, make: Make, door: str) -> None:
        other, _ = make(NEIGHBOUR, products=["village_resident_roster"])
        role, password = make(products=["village_resident_roster"])
        with connected(hub, role, password) as connection, pytest.raises(psycopg.Error) as refused:
            connection.execute(door.format(role=role.name, other=other.name).encode())
        assert refused.value.sqlstate in ("42501", "55000"), refused.value

    def test_a_function_of_its_own_sees_what_the_view_shows(self, hub: Hub, make: Make) -> None:
        role, password = make(NEIGHBOUR, products=["village_resident_roster"])
        with connected(hub, role, password) as connection:
            seen: list[str] = []
            connection.add_notice_handler(lambda notice: seen.append(notice.message_primary or ""))
            connection.execute(
                "CREATE FUNCTION pg_temp.peek(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS "
                "$$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
            )
            query = "SELECT 1 FROM village_resident_roster WHERE pg_temp.peek(person_name) AND pg_temp.peek(id_number)"
            connection.execute(query)
            assert {"丁*", "乙某", "戊*"} <= set(seen)
            assert not set(seen) & {"甲某", "丁某", "戊某", HEAD}

    def test_tokens_are_not_made_for_a_database(self, make: Make) -> None:
        with pytest.raises(StopError, match="health_elderly_residents has tokens"):
            make(products=["health_elderly_residents"])


class TestLifeOfARole:
    def test_the_server_is_sent_a_verifier_of_the_password(self, hub: Hub, make: Make) -> None:
        role, password = make(columns=["person"])
        with hub.database.connect() as own:
            query = sa.text("SELECT rolpassword FROM pg_authid WHERE rolname = :name")
            kept = own.scalar(query, {"name": role.name})
        assert password not in kept
        method, salted, keys = kept.split("$")
        rounds, salt = salted.split(":")
        derived = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
        stored = hashlib.sha256(hmac.digest(derived, b"Client Key", "sha256")).digest()
        assert method == "SCRAM-SHA-256"
        assert base64.b64decode(keys.split(":")[0]) == stored

    def test_it_may_log_in_and_nothing_else(self, hub: Hub, make: Make) -> None:
        role, _ = make(columns=["person"], days=10)
        with hub.database.connect() as own:
            query = """SELECT rolcanlogin, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication,
                              rolbypassrls FROM pg_roles WHERE rolname = :name"""
            assert tuple(own.execute(sa.text(query), {"name": role.name}).one()) == (True, *[False] * 6)
        assert role.until is not None
        assert timedelta(days=9) < role.until - datetime.now(UTC) <= timedelta(days=10)

    def test_the_list_is_what_the_server_has(self, hub: Hub, make: Make) -> None:
        first, _ = make(columns=["person", "residence.address_text"], purpose="学位规划")
        second, _ = make("320305005000", products=["village_summary"])
        found = {role.name: role for role in list_roles(hub)}
        assert found[first.name] == first
        assert found[second.name] == second
        assert second.division == "320305005"

    def test_dropped_it_is_gone_with_its_rights_and_whoever_was_connected(self, hub: Hub, make: Make) -> None:
        stays, password = make(columns=["person"])
        for asked in ({"columns": ["person", "grid"]}, {"products": ["village_summary"]}):
            role, code = make(**asked)
            with connected(hub, role, code) as connection:
                drop_role(hub, role.name)
                with pytest.raises(psycopg.OperationalError):
                    connection.execute("SELECT 1")
            with hub.database.connect() as own:
                for query in (
                    "SELECT count(*) FROM pg_roles WHERE rolname = :name",
                    "SELECT count(*) FROM pg_policies WHERE policyname = :name",
                    "SELECT count(*) FROM pg_namespace WHERE nspname = :name",
                ):
                    assert own.scalar(sa.text(query), {"name": role.name}) == 0
        with connected(hub, stays, password) as connection:
            assert names(connection, "SELECT person_name FROM governance.person") == ["甲某"]

    def test_both_are_lines_of_the_audit_record_without_the_password(self, hub: Hub, make: Make) -> None:
        role, password = make(columns=["person"])
        drop_role(hub, role.name)
        with hub.database.connect() as own:
            query = "SELECT action, actor, details FROM ledger.audit WHERE details ->> 'name' = :name ORDER BY number"
            lines = own.execute(sa.text(query), {"name": role.name}).all()
        assert [line.action for line in lines] == ["database_role_created", "database_role_dropped"]
        assert {line.actor for line in lines} == {DEPARTMENT}
        assert lines[0].details["division"] == MAZHUANG
        assert "person_name" in lines[0].details["columns"]["person"]
        assert password not in str(lines)
        hub.ledger.verify_audit()

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ({"columns": ["nobody"]}, "'nobody' is no base table"),
            ({"columns": ["person.salary"]}, "person has no column 'salary'"),
            ({"products": ["nothing"]}, "product 'nothing' is unknown"),
            ({}, "either columns or products must be named"),
            ({"columns": ["person"], "products": ["village_summary"]}, "not both"),
            ({"columns": ["person"], "division": "3203050052"}, "not in the code list"),
            ({"columns": ["person"], "division": "320311"}, "lies outside this hub's division"),
            ({"columns": ["person"], "division": "32030500520%"}, "not in the code list"),
            ({"columns": ["person"], "days": 0}, "0 days"),
            ({"columns": ["person"], "name": "Robert'); DROP TABLE"}, "is not 3 to 40 small letters"),
            ({"columns": ["person"], "name": "pg_me"}, "taken by PostgreSQL or the hub"),
            ({"columns": ["person"], "name": "governance"}, "taken by PostgreSQL or the hub"),
        ],
    )
    def test_what_may_not_be_given_is_refused_and_nothing_is_made(
        self, hub: Hub, make: Make, asked: dict[str, Any], told: str
    ) -> None:
        before = list_roles(hub)
        with pytest.raises(StopError, match=told):
            make(**asked)
        assert list_roles(hub) == before

    def test_a_name_is_given_once(self, hub: Hub, make: Make) -> None:
        role, _ = make(columns=["person"])
        with pytest.raises(StopError, match="a role of that name is there already"):
            make(name=role.name, columns=["residence"])
        assert {one.name: one for one in list_roles(hub)}[role.name] == role

    def test_a_schema_of_that_name_is_not_taken_over(self, hub: Hub, make: Make) -> None:
        name = f"dept_{uuid.uuid4().hex[:12]}"
        with hub.database.begin() as own:
            own.execute(sa.text(f"CREATE SCHEMA {name}"))
        with pytest.raises(StopError, match="a schema of that name is there already"):
            make(name=name, products=["village_summary"])
        make(name=name, columns=["person"])
        drop_role(hub, name)
        with hub.database.begin() as own:
            assert own.scalar(sa.text("SELECT count(*) FROM pg_namespace WHERE nspname = :n"), {"n": name}) == 1

    def test_only_roles_of_this_database_are_dropped(self, hub: Hub) -> None:
        with pytest.raises(StopError, match="hub database role list"):
            drop_role(hub, str(hub.database.url.username))

    def test_the_embedded_server_takes_none(self, hub: Hub) -> None:
        embedded = replace(hub, settings=hub.settings.model_copy(update={"database_url": None}))
        with pytest.raises(StopError, match="embedded PostgreSQL"):
            create_role(embedded, "dept_one", department=DEPARTMENT, division=MAZHUANG, columns=["person"])

    def test_before_a_release_there_is_nothing_to_give(self, tmp_path: Path, database_url: str) -> None:
        with opened(tmp_path, database_url) as empty, pytest.raises(StopError, match="the tables are not there yet"):
            create_role(empty, "dept_too_early", department=DEPARTMENT, division=MAZHUANG, columns=["person"])

    def test_a_hub_that_is_no_superuser_needs_createrole_and_its_own_database(
        self, tmp_path: Path, postgresql_url: str
    ) -> None:
        own, database = f"hub_{uuid.uuid4().hex[:12]}", f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(libpq_uri(postgresql_url), autocommit=True) as server:
            server.execute(f"CREATE ROLE {own} LOGIN CREATEROLE".encode())
            server.execute(f"CREATE DATABASE {database} OWNER {own}".encode())
            url = sa.make_url(postgresql_url).set(username=own, database=database)
            by_the_administrator(sa.make_url(postgresql_url).set(database=database))
            try:
                self.live_and_die(tmp_path, url.render_as_string(hide_password=False))
                server.execute(f"ALTER ROLE {own} NOCREATEROLE".encode())
                with opened(tmp_path, url.render_as_string(hide_password=False)) as hub:
                    asked: Any = {"department": DEPARTMENT, "division": MAZHUANG, "columns": ["person"]}
                    with pytest.raises(StopError, match="give it CREATEROLE"):
                        create_role(hub, "dept_refused", **asked)
            finally:
                server.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())
                server.execute(f"DROP ROLE {own}".encode())

    def live_and_die(self, folder: Path, url: str) -> None:
        with opened(folder, url) as hub:
            with hub.database.begin() as connection:
                align(connection, tables_of(hub), hub.contracts)
            for asked in ({"columns": ["person"]}, {"products": ["village_summary"]}):
                name = f"dept_{uuid.uuid4().hex[:12]}"
                given: Any = asked
                role, password = create_role(hub, name, department=DEPARTMENT, division=MAZHUANG, **given)
                with connected(hub, role, password) as connected_as:
                    connected_as.execute("CREATE TEMP TABLE its_own (a int)")
                    drop_role(hub, name)
                    with pytest.raises(psycopg.OperationalError):
                        connected_as.execute("SELECT 1")
                assert list_roles(hub) == []


def by_the_administrator(url: sa.URL) -> None:
    """Create PostGIS where the server offers it: no user of the hub's kind may."""
    with psycopg.connect(libpq_uri(url), autocommit=True) as server:
        if server.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'").fetchone():
            server.execute("CREATE EXTENSION postgis")
