"""Tables from contracts: what is missing is added, what would take away is listed and left to a migration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
import sqlalchemy as sa

from hub.contracts import BaseContract, Column, Contracts, load_contracts
from hub.errors import StopError
from hub.governance import SCHEMA, align

pytestmark = pytest.mark.integration
WHOLE = load_contracts()
BASE = WHOLE.base


@pytest.fixture
def database(database_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(database_url)
    yield engine
    engine.dispose()


def aligned(database: sa.Engine, contracts: Mapping[str, BaseContract], whole: Contracts | None = None) -> list[str]:
    """Align and return the statements that changed something."""
    with database.begin() as connection:
        statements: list[str] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *a: statements.append(a[2].strip().split("\n")[0]))
        align(connection, contracts, whole)
    changing = ("ALTER", "DROP", "COMMENT", "CREATE TABLE", "CREATE INDEX", "CREATE VIEW", "INSERT", "DELETE")
    return [text for text in statements if text.startswith(changing)]


def columns_of(database: sa.Engine, table: str) -> dict[str, tuple[str, bool, str | None]]:
    found = sa.inspect(database).get_columns(table, SCHEMA)
    return {str(c["name"]): (str(c["type"]), c["nullable"], c.get("comment")) for c in found}


def with_columns(contract: BaseContract, *columns: Column) -> BaseContract:
    """The contract with columns added or, where the name is there, put in place of the old."""
    named = {column.name: column for column in (*contract.columns, *columns)}
    return replace(contract, columns=tuple(named.values()))


def give_key(database: sa.Engine, table: str, key: str) -> None:
    """What the first release does."""
    with database.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE governance.{table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key})"))


def test_every_base_contract_becomes_a_table(database: sa.Engine) -> None:
    aligned(database, BASE)
    inspector = sa.inspect(database)
    assert set(inspector.get_table_names(SCHEMA)) == {*BASE, "release", "code"}
    for entity, contract in BASE.items():
        assert inspector.get_table_comment(entity, SCHEMA)["text"] == contract.title
        found = columns_of(database, entity)
        assert list(found) == [*contract.by_name, "release_number"]
        for column in contract.columns:
            assert found[column.name][1:] == (not column.required, column.title)
    facility, person = columns_of(database, "facility"), columns_of(database, "person")
    assert facility["floor_area_m2"][0] == "DOUBLE PRECISION"
    assert person["birth_date"][0] == "DATE"
    assert person["is_registration_consistent"][0] == "BOOLEAN"
    assert person["person_name"][0] == "TEXT"
    assert person["release_number"] == ("BIGINT", False, "最近变更的发布号")
    assert columns_of(database, "household")["member_count"][0] == "BIGINT"


def test_geometry_is_wkb_where_postgis_is_absent(database: sa.Engine) -> None:
    with database.connect() as connection:
        if connection.scalar(sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'")):
            pytest.skip("this server has PostGIS")
    aligned(database, BASE)
    assert columns_of(database, "address")["geometry"][0] == "BYTEA"


def test_geometry_is_a_type_where_postgis_is_there(database: sa.Engine) -> None:
    with database.connect() as connection:
        if not connection.scalar(sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'")):
            pytest.skip("this server does not offer PostGIS")
    aligned(database, BASE)
    assert columns_of(database, "address")["geometry"][0] == "geometry(Geometry,4490)"
    assert aligned(database, BASE) == []


def test_second_time_nothing_is_changed(database: sa.Engine) -> None:
    assert aligned(database, BASE)
    assert aligned(database, BASE) == []


def test_additions_are_made_and_what_an_operator_added_stays(database: sa.Engine) -> None:
    facility = BASE["facility"]
    aligned(database, {"facility": facility})
    give_key(database, "facility", "facility_no")
    with database.begin() as connection:
        connection.execute(sa.text("CREATE INDEX operators_own ON governance.facility (facility_name)"))
    code = Column("grid_code", "grid_code", "网格代码", "string")
    grown = replace(with_columns(facility, code, replace(facility.columns[1], title="新标题")), title="设施")
    aligned(database, {"facility": grown, "grid": BASE["grid"]})
    found = columns_of(database, "facility")
    assert found["grid_code"] == ("TEXT", True, "网格代码")
    assert found[facility.columns[1].name][2] == "新标题"
    inspector = sa.inspect(database)
    assert inspector.get_table_comment("facility", SCHEMA)["text"] == "设施"
    assert inspector.has_table("grid", SCHEMA)
    indexes = {index["name"] for index in inspector.get_indexes("facility", SCHEMA)}
    assert indexes == {"operators_own", "ix_facility_grid_code", "ix_facility_division_code"}


def test_all_other_differences_are_listed_at_once_and_nothing_is_changed(database: sa.Engine) -> None:
    facility, grid = BASE["facility"], BASE["grid"]
    aligned(database, {"facility": facility, "grid": grid})
    give_key(database, "facility", "facility_no")
    changed = with_columns(
        replace(facility, columns=facility.columns[:-1]),
        Column("added", "added", "新增", "string"),
        Column("added_and_required", "added_and_required", "新增必填", "string", required=True),
        replace(facility.by_name["facility_no"], key=False),
        replace(facility.by_name["facility_name"], key=True),
        replace(facility.by_name["floor_area_m2"], kind="string"),
        replace(facility.by_name["opened_date"], required=True),
    )
    before = columns_of(database, "facility")
    with pytest.raises(StopError) as stopped:
        aligned(database, {"facility": changed})
    for part in (
        "facility: its key is (facility_no), asked is (facility_name)",
        f"facility.{facility.columns[-1].name}: not in the contract any more",
        "facility.added_and_required: new and required",
        "facility.floor_area_m2: its type is DOUBLE PRECISION, asked is TEXT",
        "facility.opened_date: now required",
        "grid: has no contract any more",
    ):
        assert part in stopped.value.came
    assert "hub/ledger/migrations/versions" in stopped.value.do
    assert "facility.added:" not in stopped.value.came
    assert columns_of(database, "facility") == before


def test_table_with_rows_that_lost_its_key_is_reported(database: sa.Engine) -> None:
    aligned(database, {"facility": BASE["facility"]})
    with database.begin() as connection:
        connection.execute(sa.text("INSERT INTO governance.facility (facility_no, release_number) VALUES ('1', 1)"))
    with pytest.raises(StopError, match="facility: has rows but lost its key"):
        aligned(database, {"facility": BASE["facility"]})


def test_comments_tell_codes_sources_and_grade(database: sa.Engine) -> None:
    assert aligned(database, BASE, WHOLE)
    assert aligned(database, BASE, WHOLE) == []
    person, inspector = columns_of(database, "person"), sa.inspect(database)
    assert person["sex_code"][2] == (
        "性别。代码：sex；GB/T 2261.1-2003；0 未知，1 男，2 女，9 未说明。"
        "来源（依次优先）：公安局户籍人口、公安局流动人口、卫生健康委员会出生医学证明、卫生健康委员会死亡医学证明、民政局火化登记。分级：二级"
    )
    assert person["residence_division_code"][2] == "现住村居代码。来源：中枢计算。分级：一级"
    assert inspector.get_table_comment("person", SCHEMA)["text"] == "人员。主键：人员主键"
    for entity, contract in BASE.items():
        for column in contract.columns:
            told = columns_of(database, entity)[column.name][2] or ""
            assert told.startswith(column.title)
            assert "分级：" in told


def test_titles_alone_give_way_to_all_that_is_told(database: sa.Engine) -> None:
    aligned(database, BASE)
    assert columns_of(database, "person")["phone"][2] == "联系电话"
    changed = aligned(database, BASE, WHOLE)
    assert not [text for text in changed if text.startswith(("ALTER", "DROP", "CREATE TABLE"))]
    assert "分级：三级" in (columns_of(database, "person")["phone"][2] or "")


def test_every_code_has_its_title_and_standard(database: sa.Engine) -> None:
    aligned(database, BASE, WHOLE)
    with database.connect() as connection:
        rows = connection.execute(sa.text("SELECT codelist, code, title, source FROM governance.code")).all()
    found = {(row.codelist, row.code): row.title for row in rows}
    listed = {(name, code): t for name, one in WHOLE.codelists.items() for code, t in one.titles.items()}
    assert found == {key: title for key, title in listed.items() if key[0] != "division"}
    assert {row.source for row in rows if row.codelist == "sex"} == {"GB/T 2261.1-2003"}
    assert {row.source for row in rows if row.codelist == "person_status"} == {"中枢自定"}
