"""Views for people who query: every contract gives its own, counts agree with the products, nothing is laid twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable

from hub.context import Hub
from hub.contracts import Contracts, load_contracts
from hub.errors import StopError
from hub.governance import align, governance_tables
from hub.governance_views import View, views
from hub.history import kept
from hub.pg import libpq_uri
from hub.steps.link import link
from hub.steps.merge import merge
from hub.steps.publish import publish
from hub.steps.release import release
from tests.hub.mini import fill, opened

CONTRACTS = load_contracts()
MADE: dict[str, View] = {view.name: view for view in views(governance_tables(CONTRACTS.base, postgis=False), CONTRACTS)}
LEVELS = ("town", "county", "city", "province")


def laid(database: sa.Engine, contracts: Contracts = CONTRACTS) -> list[str]:
    """Lay the views and return the statements about them."""
    with database.begin() as connection:
        statements: list[str] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *a: statements.append(a[2].strip()))
        align(connection, kept(contracts.base), contracts)
    return [text for text in statements if text.startswith(("CREATE VIEW", "DROP VIEW", "COMMENT", "INSERT"))]


@pytest.fixture
def database(database_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(database_url)
    yield engine
    engine.dispose()


def test_every_base_table_has_its_view_and_every_level_its_summary() -> None:
    assert {*CONTRACTS.base} <= set(MADE)
    assert {f"{level}_summary" for level in ("village", "grid", *LEVELS)} <= set(MADE)


@pytest.mark.parametrize("entity", CONTRACTS.base)
def test_grades_3_and_4_are_in_the_full_view_alone(entity: str) -> None:
    base = CONTRACTS.base[entity]
    shown = {column.title for column in base.columns if column.kind != "geometry"}
    close = {column.title for column in base.columns if column.grade in ("L3", "L4")}
    assert shown - close <= set(MADE[entity].columns)
    assert not close & set(MADE[entity].columns)
    assert (f"{entity}_full" in MADE) == bool(close)
    if close:
        assert shown <= set(MADE[f"{entity}_full"].columns)


@pytest.mark.parametrize("view", MADE.values(), ids=MADE)
def test_every_column_is_explained(view: View) -> None:
    assert view.title
    assert all(view.columns.values())


@pytest.mark.integration
class TestLaying:
    def test_columns_are_what_is_told_of_them(self, database: sa.Engine) -> None:
        laid(database)
        inspector = sa.inspect(database)
        assert set(inspector.get_view_names("open")) == set(MADE)
        for view in MADE.values():
            found = {str(c["name"]): c.get("comment") for c in inspector.get_columns(view.name, "open")}
            assert found == dict(view.columns), view.name
            assert inspector.get_table_comment(view.name, "open")["text"] == view.title

    def test_they_are_read_with_the_readers_own_rights(self, database: sa.Engine) -> None:
        laid(database)
        with database.connect() as connection:
            query = """SELECT relname FROM pg_class WHERE relnamespace = 'open'::regnamespace AND relkind = 'v'
                       AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)"""
            assert connection.scalars(sa.text(query)).all() == []

    def test_a_second_time_nothing_is_done(self, database: sa.Engine) -> None:
        assert laid(database)
        assert laid(database) == []

    def test_a_changed_contract_gives_new_views(self, database: sa.Engine) -> None:
        laid(database)
        facility = CONTRACTS.base["facility"]
        columns = tuple(replace(c, title="新名") if c.name == "facility_name" else c for c in facility.columns)
        changed = replace(CONTRACTS, base={**CONTRACTS.base, "facility": replace(facility, columns=columns)})
        assert laid(database, changed)
        names = {str(column["name"]) for column in sa.inspect(database).get_columns("facility", "open")}
        assert "新名" in names
        assert laid(database)

    @pytest.mark.parametrize("dropped", ["SCHEMA governance CASCADE", "TABLE governance.person CASCADE"])
    def test_what_went_with_a_table_comes_back(self, database: sa.Engine, dropped: str) -> None:
        laid(database)
        with database.begin() as connection:
            connection.exec_driver_sql(f"DROP {dropped}")
        laid(database)
        assert set(sa.inspect(database).get_view_names("open")) == set(MADE)
        with database.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM governance.code"))

    def test_what_others_built_on_them_is_not_dropped(self, database: sa.Engine) -> None:
        laid(database)
        with database.begin() as connection:
            connection.exec_driver_sql("CREATE VIEW public.mine AS SELECT * FROM open.facility")
        facility = replace(CONTRACTS.base["facility"], title="设施")
        with pytest.raises(StopError, match="something outside the hub is built on the present ones"):
            laid(database, replace(CONTRACTS, base={**CONTRACTS.base, "facility": facility}))
        assert "mine" in sa.inspect(database).get_view_names("public")
        assert laid(database) == []


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    with opened(tmp_path_factory.mktemp("views"), module_database_url) as made:
        fill(made)
        link(made)
        merge(made)
        release(made)
        laid(made.database)
        publish(made)
        yield made


def rows(hub: Hub, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(libpq_uri(hub.database.url)) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.integration
class TestCounts:
    def test_villages_agree_with_the_product(self, hub: Hub) -> None:
        names = {
            "村居代码": "division_code",
            "常住人口": "residents",
            "居住户数": "households",
            "男": "male",
            "女": "female",
            "0—14岁": "aged_0_14",
            "65岁及以上": "aged_65_up",
            "80岁及以上": "aged_80_up",
            "人户一致人数": "registration_consistent",
            "法人单位数": "legal_entities",
            "标准地址数": "addresses",
            "网格数": "grids",
            "设施面积（平方米）": "facility_area_m2",
        }
        listed = ", ".join(f'"{name}"' for name in names)
        product = DeltaTable(str(hub.lake.product("village_summary"))).to_pyarrow_table(columns=list(names.values()))
        asked = [tuple(row[name] for name in names.values()) for row in product.to_pylist()]
        assert sum(row[1] for row in asked) > 3
        assert sorted(rows(hub, f"SELECT {listed} FROM open.village_summary")) == sorted(asked)

    @pytest.mark.parametrize("level", LEVELS)
    def test_levels_above_sum_up_and_reckon_rates_anew(self, hub: Hub, level: str) -> None:
        summed = "sum(常住人口), sum(人户一致人数), sum(户籍人口)"
        assert rows(hub, f"SELECT {summed} FROM open.{level}_summary") == rows(
            hub, f"SELECT {summed} FROM open.village_summary"
        )
        rates = f'SELECT 人户一致人数, 户籍人口, "人户一致率（%）" FROM open.{level}_summary WHERE 户籍人口 > 0'
        for part, whole, rate in rows(hub, rates):
            assert float(rate) == pytest.approx(100 * part / whole, abs=0.051)
        named = rows(hub, f"SELECT 区划代码, 区划名称 FROM open.{level}_summary WHERE 常住人口 > 0")
        titles = hub.contracts.codelists["division"].titles
        assert all(name == titles[code] for code, name in named)

    def test_grids_hold_who_lives_in_them(self, hub: Hub) -> None:
        counted = rows(hub, "SELECT 网格代码, 常住人口 FROM open.grid_summary WHERE 常住人口 > 0 ORDER BY 1")
        query = "SELECT residence_grid_code, count(*) FROM governance.person WHERE residence_grid_code IS NOT NULL"
        assert counted == rows(hub, f"{query} GROUP BY 1 ORDER BY 1")
        assert counted

    def test_everybody_old_or_young_has_that_tag_by_its_rule(self, hub: Hub) -> None:
        day = "(SELECT max(as_of_date) FROM governance.release)"
        for tag, rule, condition in (
            ("一老", "满60周岁", f"birth_date <= {day} - interval '60 years'"),
            ("一小", "不满18周岁", f"birth_date > {day} - interval '18 years'"),
        ):
            found = rows(hub, f"SELECT 人员主键, 推定规则 FROM open.person_tag WHERE 标签 = '{tag}' ORDER BY 1")
            query = (
                f"SELECT person_key, '{rule}' FROM governance.person WHERE person_status_code = 'alive' AND {condition}"
            )
            assert found == rows(hub, f"{query} ORDER BY 1")
        told = rows(hub, "SELECT count(*) FROM open.person_tag WHERE 标签 NOT IN ('一老', '一小')")
        assert told == rows(hub, "SELECT count(*) FROM governance.tag")

    def test_codes_are_told_by_title_and_divisions_by_name(self, hub: Hub) -> None:
        found = rows(
            hub, "SELECT 性别, 人员状态, 现住村居代码, 现住村居, 乡镇（街道） FROM open.person WHERE 姓名 = '甲某'"
        )
        titles = hub.contracts.codelists["division"].titles
        assert found == [("男", "在世", "320305005204", titles["320305005204"], titles["320305005000"])]

    def test_a_code_without_title_stays_as_it_is(self, hub: Hub) -> None:
        with psycopg.connect(libpq_uri(hub.database.url)) as connection:
            connection.execute("UPDATE governance.person SET sex_code = 'Z' WHERE person_name = '甲某'")
            found = connection.execute("SELECT 性别 FROM open.person WHERE 姓名 = '甲某'".encode()).fetchall()
            connection.rollback()
        assert found == [("Z",)]
