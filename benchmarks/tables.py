"""The table the pulls are measured on: a register of invented people with twelve columns, in two databases."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from benchmarks.register import TABLE
from samples.police import DATABASE, TABLES, load

__all__ = ["fill"]

_REGISTER = """
    SELECT n AS xh,
        '320372' || strftime(DATE '1930-01-01' + CAST(n % 33000 AS INTEGER), '%Y%m%d')
            || lpad(CAST(n % 1000 AS VARCHAR), 3, '0') || CAST(n % 10 AS VARCHAR) AS gmsfhm,
        chr(CAST(19968 + n % 5000 AS INTEGER)) || chr(CAST(20480 + n % 7000 AS INTEGER)) AS xm,
        CAST(1 + n % 2 AS VARCHAR) AS xb,
        strftime(DATE '1930-01-01' + CAST(n % 33000 AS INTEGER), '%Y%m%d') AS csrq,
        '01' AS mz,
        lpad(CAST(n // 3 AS VARCHAR), 9, '0') AS hh,
        lpad(CAST(1 + n % 40 AS VARCHAR), 2, '0') AS yhzgx,
        '江苏省徐州市贾汪区潘安湖街道马庄村' || CAST(n % 900 AS VARCHAR) || '号' AS hjdz,
        '320305005204' AS xzqh,
        TIMESTAMP '2020-01-01' + INTERVAL 1 SECOND * n AS gxsj,
        'I' AS czbs
    FROM range(1, ? + 1) AS numbers(n)
"""


def fill(url: str, rows: int, folder: Path) -> str:
    """Load the register into a database of its own on a server; return that database's URL.

    Args:
        url: SQLAlchemy URL of a PostgreSQL or MariaDB server, e.g. `HUB_TEST_MARIADB_URL`.
        rows: How many people.
        folder: Where the rows wait as Parquet.
    """
    with duckdb.connect() as duck:
        duck.execute(f"CREATE TABLE made AS {_REGISTER}", [rows])
        duck.sql("SELECT * FROM made").write_parquet(str(folder / f"{TABLE}.parquet"))
    empty = pa.table({"xh": pa.array([1], pa.int64()), "gxsj": pa.array([0], pa.timestamp("us"))})
    for name in set(TABLES) - {TABLE}:
        pq.write_table(empty, folder / f"{name}.parquet")
    target = sa.make_url(url).set(database=f"{DATABASE}_bench")
    _create(target)
    load(folder, target)
    return target.render_as_string(hide_password=False)


def _create(target: sa.URL) -> None:
    postgresql = target.get_backend_name() == "postgresql"
    engine = sa.create_engine(target.set(database="postgres" if postgresql else ""), isolation_level="AUTOCOMMIT")
    name = engine.dialect.identifier_preparer.quote_identifier(str(target.database))
    try:
        with engine.connect() as link:
            link.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
            link.exec_driver_sql(f"CREATE DATABASE {name}")
    finally:
        engine.dispose()
