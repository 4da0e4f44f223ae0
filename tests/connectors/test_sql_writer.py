"""Writing into a department's table: all or none, twice is once, nothing touched that is not delivered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, oracle

from connectors.base import Connection, Outgoing, Receipt, writer_of
from connectors.errors import RetryError, StopError
from connectors.sql_writer import merge_statements, staging_table

METADATA = sa.MetaData()
TARGET = sa.Table(
    "hub_push",
    METADATA,
    # As many front-end databases are: no key, no index, a column of the department's own.
    sa.Column("gmsfhm", sa.String(18)),
    sa.Column("ny", sa.String(6)),
    sa.Column("xm", sa.String(50)),
    sa.Column("nl", sa.Integer),
    sa.Column("bz", sa.String(50), comment="the department's own"),
)
RECEIPTS = sa.Table(
    "hub_receipts",
    METADATA,
    sa.Column("delivery", sa.String(100), primary_key=True),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
)
COLUMNS = ("gmsfhm", "ny", "xm", "nl")
KEYS = ("gmsfhm", "ny")


def batch(*rows: tuple[str | None, str | None, int | None]) -> pa.RecordBatch:
    ids, names, ages = zip(*rows, strict=True) if rows else ((), (), ())
    cells = [pa.array(ids, pa.string()), pa.array(["202611"] * len(rows), pa.string())]
    return pa.record_batch([*cells, pa.array(names, pa.string()), pa.array(ages, pa.int64())], names=list(COLUMNS))


def outgoing(delivery: str = "d1", keys: tuple[str, ...] = KEYS, **options: Any) -> Outgoing:
    return Outgoing(delivery, "elderly", COLUMNS, keys, {"table": "hub_push", **options})


class WriteSuite:
    """What holds for every database; a class gives `url`."""

    @pytest.fixture
    def engine(self, url: sa.URL) -> Iterator[sa.Engine]:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        METADATA.drop_all(engine)
        METADATA.create_all(engine)
        yield engine
        METADATA.drop_all(engine)
        engine.dispose()

    @pytest.fixture
    def connection(self, engine: sa.Engine, url: sa.URL) -> Connection:
        place = url.set(password=None).render_as_string()
        return Connection("police", "return_database", "sql", place, url.password or "")

    def rows(self, engine: sa.Engine) -> list[tuple[object, ...]]:
        with engine.connect() as link:
            return [tuple(row) for row in link.execute(sa.select(TARGET).order_by(TARGET.c.gmsfhm, TARGET.c.ny))]

    def write(self, connection: Connection, told: Outgoing, *batches: pa.RecordBatch) -> Receipt:
        return writer_of(connection).write(told, batches)

    def test_the_table_holds_what_was_delivered(self, engine: sa.Engine, connection: Connection) -> None:
        receipt = self.write(connection, outgoing(), batch(("a", "甲", 1)), batch(("b", None, None)), batch())
        assert (receipt.delivery, receipt.rows, receipt.in_hand, receipt.repeated) == ("d1", 2, True, False)
        assert self.rows(engine) == [("a", "202611", "甲", 1, None), ("b", "202611", None, None, None)]

    def test_of_a_snapshot_what_is_gone_goes_and_of_an_increment_it_stays(
        self, engine: sa.Engine, connection: Connection
    ) -> None:
        self.write(connection, outgoing("d1"), batch(("a", "甲", 1), ("b", "乙", 2)))
        self.write(connection, outgoing("d2", mode="increment"), batch(("b", "乙's", 3), ("c", "丙", 4)))
        assert [row[:1] + row[2:4] for row in self.rows(engine)] == [("a", "甲", 1), ("b", "乙's", 3), ("c", "丙", 4)]
        self.write(connection, outgoing("d3"), batch(("c", "丙", 4)))
        assert [row[0] for row in self.rows(engine)] == ["c"]

    def test_what_is_not_delivered_is_left_as_it_is(self, engine: sa.Engine, connection: Connection) -> None:
        self.write(connection, outgoing("d1"), batch(("a", "甲", 1)))
        with engine.begin() as link:
            link.execute(sa.update(TARGET).values(bz="seen in March"))
        self.write(connection, outgoing("d2"), batch(("a", "甲", 2), ("b", "乙", 2)))
        assert [row[3:] for row in self.rows(engine)] == [(2, "seen in March"), (2, None)]

    def test_many_keys_are_no_trouble(self, engine: sa.Engine, connection: Connection) -> None:
        for delivery in ("d1", "d2"):
            rows = [(f"k{number:05d}", delivery, number) for number in range(12_000)]
            assert self.write(connection, outgoing(delivery), batch(*rows)).rows == 12_000
        assert len(self.rows(engine)) == 12_000
        assert {row[2] for row in self.rows(engine)} == {"d2"}

    def test_a_delivery_whose_receipt_is_there_is_not_written_again(
        self, engine: sa.Engine, connection: Connection
    ) -> None:
        told = outgoing("d1", receipts="hub_receipts")
        first = self.write(connection, told, batch(("a", "甲", 1)))
        with engine.begin() as link:
            link.execute(sa.delete(TARGET))
        again = self.write(connection, told, batch(("a", "甲", 1)))
        assert (again.repeated, again.rows, again.sha256) == (True, first.rows, first.sha256)
        assert self.rows(engine) == []
        self.write(connection, outgoing("d2", receipts="hub_receipts"), batch(("a", "甲", 1)))
        assert len(self.rows(engine)) == 1

    def test_without_receipts_a_second_time_changes_nothing(self, engine: sa.Engine, connection: Connection) -> None:
        for _ in range(2):
            receipt = self.write(connection, outgoing(), batch(("a", "甲", 1), ("b", "乙", 2)))
            assert not receipt.repeated
        assert len(self.rows(engine)) == 2

    def test_a_delivery_that_breaks_off_leaves_nothing(self, engine: sa.Engine, connection: Connection) -> None:
        self.write(connection, outgoing("d1"), batch(("z", "甲", 1)))

        def breaking() -> Iterator[pa.RecordBatch]:
            yield batch(("a", "甲", 1))
            raise KeyError("source broke")

        with pytest.raises(KeyError):
            writer_of(connection).write(outgoing("d2", receipts="hub_receipts"), breaking())
        assert [row[0] for row in self.rows(engine)] == ["z"]
        assert not self.write(connection, outgoing("d2", receipts="hub_receipts"), batch(("a", "甲", 1))).repeated

    @pytest.mark.parametrize("table", ["no_table", "a b", "x; drop table hub_push", "", "a.b.c"])
    def test_a_table_that_is_none_stops(self, connection: Connection, table: str) -> None:
        with pytest.raises(StopError, match="table"):
            self.write(connection, outgoing(table=table), batch(("a", "甲", 1)))

    def test_a_column_the_table_has_not_stops(self, engine: sa.Engine, connection: Connection) -> None:
        told = Outgoing("d1", "elderly", ("gmsfhm", "other"), ("gmsfhm",), {"table": "hub_push"})
        wrong = pa.record_batch({"gmsfhm": pa.array(["a"]), "other": pa.array(["x"])})
        with pytest.raises(StopError, match="other"):
            self.write(connection, told, wrong)
        with pytest.raises(StopError, match="row_count"):
            self.write(connection, outgoing(receipts="hub_push"), batch(("a", "甲", 1)))
        assert self.rows(engine) == []

    @pytest.mark.parametrize(
        ("rows", "came"),
        [
            ([("a", "甲", 1), ("a", "乙", 2)], "several rows with the same keys"),
            ([("a", "甲", 1), (None, "乙", 2)], "a row without gmsfhm"),
        ],
    )
    def test_keys_that_tell_no_row_stop(
        self, engine: sa.Engine, connection: Connection, rows: list[Any], came: str
    ) -> None:
        with pytest.raises(StopError, match=came):
            self.write(connection, outgoing(), batch(*rows))
        with pytest.raises(StopError, match="no keys"):
            self.write(connection, outgoing(keys=()), batch(("a", "甲", 1)))
        assert self.rows(engine) == []


class TestSqlite(WriteSuite):
    @pytest.fixture
    def url(self, tmp_path: Path) -> sa.URL:
        return sa.make_url(f"sqlite:///{tmp_path}/front.db")


@pytest.mark.integration
class TestPostgresql(WriteSuite):
    @pytest.fixture
    def url(self, postgresql: sa.URL) -> sa.URL:
        return postgresql

    def test_a_row_the_table_does_not_take_stops(self, engine: sa.Engine, connection: Connection) -> None:
        with pytest.raises(StopError, match=r"a row that the table does not take \(DataError\)") as caught:
            self.write(connection, outgoing(), batch(("a", "甲" * 51, 1)))
        assert "甲" not in str(caught.value)
        assert self.rows(engine) == []


@pytest.mark.integration
class TestMariadb(WriteSuite):
    @pytest.fixture
    def url(self, mariadb: sa.URL) -> sa.URL:
        return mariadb

    def test_a_value_that_is_too_long_is_not_cut(self, engine: sa.Engine, connection: Connection, url: sa.URL) -> None:
        lax = url.update_query_dict({"init_command": "SET SESSION sql_mode = ''"})
        place = Connection("police", "lax", "sql", lax.set(password=None).render_as_string(), url.password or "")
        with pytest.raises(StopError, match="a row that the table does not take"):
            self.write(place, outgoing(), batch(("a", "甲" * 51, 1)))
        assert self.rows(engine) == []


@pytest.mark.integration
def test_a_server_that_is_away_is_tried_later() -> None:
    away = Connection("police", "return_database", "sql", "mysql+pymysql://hub@127.0.0.1:1/x")
    with pytest.raises(RetryError) as caught:
        writer_of(away).write(outgoing(), [batch(("a", "甲", 1))])
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize("dialect", [mssql.dialect(), oracle.dialect()], ids=["mssql", "oracle"])
def test_statements_of_databases_that_are_not_here_are_whole(dialect: Any) -> None:
    told = outgoing()
    staging = staging_table(dialect.name, TARGET, told, "here")
    made = str(sa.schema.CreateTable(staging).compile(dialect=dialect))
    assert {"mssql": "CREATE TABLE [#hub_delivery]", "oracle": "CREATE PRIVATE TEMPORARY TABLE"}[dialect.name] in made
    texts = [
        str(one.compile(dialect=dialect)) for one in merge_statements(dialect.name, TARGET, staging, told, "snapshot")
    ]
    assert [text.split()[0] for text in texts] == ["DELETE", "UPDATE", "UPDATE", "INSERT"]
    assert not any(" IN (" in text or "JOIN" in text for text in texts)
    assert (" FROM hub_push, [#hub_delivery]" in texts[1]) is (dialect.name == "mssql")


def test_a_database_without_a_table_for_one_session_is_refused() -> None:
    with pytest.raises(StopError, match=r"dialect 'dm'.*deliver a file, messages or calls instead"):
        staging_table("dm", TARGET, outgoing(), "here")
