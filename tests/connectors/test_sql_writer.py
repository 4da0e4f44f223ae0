"""Pushing rows into a department's table: all or none, twice is once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from connectors.base import Connection
from connectors.errors import StopError
from connectors.sql_writer import push_rows

TARGET = sa.Table(
    "hub_push",
    sa.MetaData(),
    sa.Column("gmsfhm", sa.String(18), primary_key=True),
    sa.Column("xm", sa.String(50)),
    sa.Column("nl", sa.Integer),
)


def batch(*rows: tuple[str, str | None, int | None]) -> pa.RecordBatch:
    keys, names, ages = zip(*rows, strict=True)
    return pa.record_batch(
        {"gmsfhm": pa.array(keys), "xm": pa.array(names, pa.string()), "nl": pa.array(ages, pa.int64())}
    )


class PushSuite:
    """What holds for every database; a class gives `url`."""

    @pytest.fixture
    def engine(self, url: sa.URL) -> Iterator[sa.Engine]:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        TARGET.drop(engine, checkfirst=True)
        TARGET.create(engine)
        yield engine
        TARGET.drop(engine, checkfirst=True)
        engine.dispose()

    @pytest.fixture
    def connection(self, engine: sa.Engine, url: sa.URL) -> Connection:
        place = url.set(password=None).render_as_string()
        return Connection("police", "return_database", "sql", place, url.password or "")

    def rows(self, engine: sa.Engine) -> list[tuple[object, ...]]:
        with engine.connect() as link:
            return [tuple(row) for row in link.execute(sa.select(TARGET).order_by(TARGET.c.gmsfhm))]

    def test_new_rows_are_added_and_known_ones_renewed(self, engine: sa.Engine, connection: Connection) -> None:
        assert push_rows(connection, "hub_push", [batch(("a", "甲", 1), ("b", None, None))], ["gmsfhm"]) == 2
        assert push_rows(connection, "hub_push", [batch(("b", "乙's", 2)), batch(("c", "丙", 3))], ["gmsfhm"]) == 2
        assert self.rows(engine) == [("a", "甲", 1), ("b", "乙's", 2), ("c", "丙", 3)]

    def test_a_push_repeated_changes_nothing(self, engine: sa.Engine, connection: Connection) -> None:
        for _ in range(2):
            push_rows(connection, "hub_push", [batch(*((f"k{n:05d}", "x", n) for n in range(6_000)))], ["gmsfhm"])
        assert len(self.rows(engine)) == 6_000

    def test_a_push_that_breaks_off_leaves_nothing(self, engine: sa.Engine, connection: Connection) -> None:
        def breaking() -> Iterator[pa.RecordBatch]:
            yield batch(("a", "甲", 1))
            raise KeyError("source broke")

        with pytest.raises(KeyError):
            push_rows(connection, "hub_push", breaking(), ["gmsfhm"])
        assert self.rows(engine) == []

    @pytest.mark.parametrize("table", ["no_table", "a b", "x; drop table hub_push"])
    def test_a_table_that_is_none_stops(self, connection: Connection, table: str) -> None:
        with pytest.raises(StopError):
            push_rows(connection, table, [batch(("a", "甲", 1))], ["gmsfhm"])

    def test_a_column_the_table_has_not_stops(self, engine: sa.Engine, connection: Connection) -> None:
        wrong = pa.record_batch({"gmsfhm": pa.array(["a"]), "other": pa.array(["x"])})
        with pytest.raises(StopError, match="other"):
            push_rows(connection, "hub_push", [wrong], ["gmsfhm"])
        with pytest.raises(StopError, match="gmsfhm"):
            push_rows(connection, "hub_push", [pa.record_batch({"xm": pa.array(["a"])})], ["gmsfhm"])
        assert self.rows(engine) == []


class TestSqlite(PushSuite):
    @pytest.fixture
    def url(self, tmp_path: Path) -> sa.URL:
        return sa.make_url(f"sqlite:///{tmp_path}/front.db")


@pytest.mark.integration
class TestPostgresql(PushSuite):
    @pytest.fixture
    def url(self, postgresql: sa.URL) -> sa.URL:
        return postgresql


@pytest.mark.integration
class TestMariadb(PushSuite):
    @pytest.fixture
    def url(self, mariadb: sa.URL) -> sa.URL:
        return mariadb
