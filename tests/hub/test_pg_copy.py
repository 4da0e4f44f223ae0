"""COPY of Arrow rows: every value comes back as it went, files lacking a column give nulls, a refusal keeps nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql.base import PGDialect

from hub.contracts import load_contracts
from hub.governance import SCHEMA, governance_tables
from hub.history import FACTS_AS_OF, Keeper, kept
from hub.pg import libpq_uri
from hub.pg_copy import copy_rows, parquet_rows

pytestmark = pytest.mark.integration
CONTRACTS = load_contracts()
SCHEMA_OF_ALL = pa.schema(
    [
        ("text", pa.string()),
        ("whole", pa.int64()),
        ("number", pa.float64()),
        ("truth", pa.bool_()),
        ("day", pa.date32()),
        ("moment", pa.timestamp("us")),
        ("shape", pa.binary()),
    ]
)
TYPES = ("text", "bigint", "double precision", "boolean", "date", "timestamp", "bytea")
MADE = ", ".join(f"{name} {kind}" for name, kind in zip(SCHEMA_OF_ALL.names, TYPES, strict=True))
MOMENT = dt.datetime(2026, 2, 28, 23, 59, 59, 999_999)  # noqa: DTZ001 - departments' timestamps carry no zone
ROWS: list[tuple[Any, ...]] = [
    (None, None, None, None, None, None, None),
    ("", 0, -0.0, False, dt.date(1, 1, 1), dt.datetime(1, 1, 1), b""),  # noqa: DTZ001
    ('"引号", 逗号', -(2**63), 0.1 + 0.2, True, dt.date(9999, 12, 31), MOMENT, bytes(range(256))),
    ("\\.", 2**63 - 1, 1e-308, True, dt.date(2026, 2, 28), MOMENT, b"\\x00"),
    ("行\r\n\t\\N", 7, float("inf"), None, None, None, b'"'),
    ("NULL", None, 117.123456789012345, None, None, None, None),
]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(libpq_uri(database_url)) as connection:
        connection.execute(f"CREATE TABLE kept ({MADE})".encode())
        yield connection
        connection.rollback()


def batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = [list(column) for column in zip(*rows, strict=True)]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA_OF_ALL, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA_OF_ALL)


@pytest.mark.parametrize("freeze", [False, True])
def test_every_value_comes_back_as_it_went(connection: psycopg.Connection[Any], freeze: bool) -> None:
    with connection.cursor() as cursor:
        copied = copy_rows(cursor, sql.Identifier("kept"), [batch(ROWS[:2]), batch(ROWS[2:])], freeze=freeze)
        found = cursor.execute("SELECT * FROM kept").fetchall()
    assert (copied, found) == (len(ROWS), ROWS)


def test_no_rows_are_no_copy(connection: psycopg.Connection[Any]) -> None:
    with connection.cursor() as cursor:
        assert copy_rows(cursor, sql.Identifier("kept"), [], freeze=True) == 0


def test_an_error_while_rows_are_read_is_the_one_that_is_told(connection: psycopg.Connection[Any]) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield batch(ROWS)
        raise OSError("the disk is gone")

    with connection.cursor() as cursor, pytest.raises(OSError, match="the disk is gone"):
        copy_rows(cursor, sql.Identifier("kept"), broken(), freeze=False)


def test_files_are_read_in_the_order_and_types_of_the_schema(tmp_path: Path) -> None:
    schema = pa.schema([("day", pa.date32()), ("text", pa.string()), ("whole", pa.int64())])
    pq.write_table(pa.table({"whole": pa.array([1, 2], pa.int32()), "text": ["a", None]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"text": pa.array(["b"], pa.large_string())}), tmp_path / "2.parquet")
    rows = pa.Table.from_batches(parquet_rows([tmp_path / "1.parquet", tmp_path / "2.parquet"], schema), schema)
    assert rows.to_pydict() == {"day": [None] * 3, "text": ["a", None, "b"], "whole": [1, 2, None]}


@pytest.mark.parametrize("entity", sorted(CONTRACTS.base))
def test_rows_on_their_way_say_what_sql_says_of_staged_ones(connection: psycopg.Connection[Any], entity: str) -> None:
    """`Keeper.opening_rows` and `Keeper.recorded` with `Keeper.begins` reckon the same of an opening table."""
    target = governance_tables(kept(CONTRACTS.base), postgis=False).tables[f"{SCHEMA}.{entity}"]
    keeper = Keeper(target, target, 7, dt.date(2026, 11, 1))
    days = [column.name for column in CONTRACTS.base[entity].columns if column.kind == "date"]
    schema = CONTRACTS.base[entity].arrow_schema.append(pa.field(FACTS_AS_OF, pa.date32()))
    rows: list[dict[str, Any]] = [{}, {FACTS_AS_OF: dt.date(2026, 3, 3)}]
    rows += [{name: dt.date(2001, 1, number), FACTS_AS_OF: rows[1][FACTS_AS_OF]} for number, name in enumerate(days, 1)]
    [staged] = pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema=schema).to_batches()
    names = [sa.Column(name, sa.Date()) for name in (*days, FACTS_AS_OF)]
    table = sa.Table("staged", sa.MetaData(), *names, prefixes=["TEMPORARY"])
    recorded = keeper.recorded(table, keeper.begins(table, opening=True))
    with connection.cursor() as cursor:
        cursor.execute(compiled(sa.schema.CreateTable(table)))
        copy_rows(cursor, sql.Identifier("staged"), [staged.select([*days, FACTS_AS_OF])], freeze=False)
        found = cursor.execute(compiled(sa.select(*recorded.values()).select_from(table))).fetchall()
    opening = keeper.opening_rows(staged).select([*recorded])
    assert [tuple(row.values()) for row in opening.to_pylist()] == found


def compiled(statement: sa.ClauseElement) -> bytes:
    dialect = PGDialect()  # type: ignore[no-untyped-call]
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).encode()
