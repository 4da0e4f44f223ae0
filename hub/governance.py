"""The governance database: tables made from `schemas/base/`, brought up to date by adding, never by taking away.

Schema `governance`. Its newest row of `governance.release` says what is live.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import MigrateOperation, Operations, ops
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.schema import CreateSchema, DropConstraint
from sqlalchemy.types import TypeEngine, UserDefinedType

from hub.column_words import column_comment, table_comment
from hub.contracts import BaseContract, Column, Contracts
from hub.errors import StopError
from hub.governance_views import lay_views

__all__ = ["CRS", "SCHEMA", "Geometry", "align", "governance_tables"]

SCHEMA = "governance"
CRS = 4490
"""EPSG code of CGCS2000, in which the hub keeps geometry (GB/T 2260 divisions, standard addresses)."""

_TYPES: Mapping[str, TypeEngine[Any]] = {
    "string": sa.Text(),
    "integer": sa.BigInteger(),
    "number": sa.Double(),
    "boolean": sa.Boolean(),
    "date": sa.Date(),
    "timestamp": sa.DateTime(),
}
_LOOKED_UP = ("division_code", "grid_code", "address_code", "_key", "id_number", "credit_code")
"""How columns end by which people look rows up or join them."""


class Geometry(UserDefinedType[bytes]):
    """PostGIS geometry of any shape in CGCS2000."""

    cache_ok = True

    def __init__(self, shape: str = "Geometry", srid: str = str(CRS)) -> None:
        self.shape, self.srid = shape, int(srid)

    def get_col_spec(self, **_: Any) -> str:
        """The type as `CREATE TABLE` writes it."""
        return f"geometry({self.shape},{self.srid})"


# Lets reflection recognise the type; SQLAlchemy has no other way in.
ischema_names["geometry"] = Geometry


def governance_tables(
    contracts: Mapping[str, BaseContract], *, postgis: bool, whole: Contracts | None = None
) -> sa.MetaData:
    """Return the tables that the base contracts ask for, `governance.release` and `governance.code`.

    Args:
        contracts: Base contracts by entity.
        postgis: Whether geometry is PostGIS's type; else it is WKB, longitude first, with the same meaning.
        whole: All contracts, for comments that tell codes, sources and grade; without them they are titles alone.
    """
    metadata = sa.MetaData(schema=SCHEMA, naming_convention={"pk": "pk_%(table_name)s"})
    for contract in contracts.values():
        number = sa.Column("release_number", sa.BigInteger(), nullable=False, comment="最近变更的发布号")
        columns = [_column(column, _told(whole, contract, column), postgis=postgis) for column in contract.columns]
        comment = table_comment(whole, contract) if whole else contract.title
        sa.Table(contract.name, metadata, *columns, number, *_indexes(contract, postgis=postgis), comment=comment)
    sa.Table(
        "release",
        metadata,
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False, comment="发布号"),
        sa.Column("as_of_date", sa.Date(), nullable=False, comment="数据日期"),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False, comment="发布时间"),
        sa.Column("rows", JSONB(), nullable=False, comment="各表行数"),
        comment="发布记录",
    )
    sa.Table(
        "code",
        metadata,
        sa.Column("codelist", sa.Text(), primary_key=True, comment="代码表"),
        sa.Column("code", sa.Text(), primary_key=True, comment="代码"),
        sa.Column("title", sa.Text(), nullable=False, comment="名称"),
        sa.Column("source", sa.Text(), comment="依据"),
        comment="代码及其名称",
    )
    return metadata


def _told(whole: Contracts | None, contract: BaseContract, column: Column) -> str:
    return column_comment(whole, contract, column) if whole else column.title


def _column(column: Column, comment: str, *, postgis: bool) -> sa.Column[Any]:
    geometry = Geometry() if postgis else sa.LargeBinary()
    return sa.Column(
        column.name,
        geometry if column.kind == "geometry" else _TYPES[column.kind],
        primary_key=column.key,
        nullable=not (column.required or column.key),
        comment=comment,
    )


def _indexes(contract: BaseContract, *, postgis: bool) -> Iterator[sa.Index]:
    for column in contract.columns:
        name = f"ix_{contract.name}_{column.name}"
        if column.kind == "geometry" and postgis:
            yield sa.Index(name, column.name, postgresql_using="gist")
        elif column.name.endswith(_LOOKED_UP) and contract.keys[:1] != (column.name,):
            yield sa.Index(name, column.name)


def align(
    connection: sa.Connection, contracts: Mapping[str, BaseContract], whole: Contracts | None = None
) -> sa.MetaData:
    """Create the schema, tables, columns, indexes and comments that are missing, in the caller's transaction.

    A new table stays without key and indexes: the first release builds them after the rows, which is much faster.

    Args:
        connection: A connection in a transaction; processes that come at once wait for each other.
        contracts: Base contracts by entity.
        whole: All contracts: then the comments say more, and codes and the views of schema `open` are laid as well.

    Returns:
        The tables as the contracts ask for them.

    Raises:
        StopError: Something else than an addition is needed; nothing was changed and every difference is listed.
    """
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("community-data-hub align"))))
    connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    metadata = governance_tables(contracts, postgis=_postgis(connection), whole=whole)
    context = MigrationContext.configure(connection, opts={"include_schemas": True, "include_name": _compared})
    keys = _keys(connection)
    steps = list(_flat(produce_migrations(context, metadata).upgrade_ops))
    differences = [*_key_differences(connection, metadata, keys), *filter(None, map(_difference, steps))]
    if differences:
        raise StopError(
            where=f"schema {SCHEMA}",
            came="the tables differ from schemas/base: " + "; ".join(differences),
            allowed="new tables, new columns that may be empty, new indexes, changed titles",
            do="write an Alembic migration in hub/ledger/migrations/versions that makes the change",
        )
    operations = Operations(context)
    for step in steps:
        bare = isinstance(step, ops.CreateIndexOp) and not keys.get(str(step.table_name))
        if not bare and not isinstance(step, ops.DropIndexOp):
            operations.invoke(step)
    for entity in contracts.keys() - keys.keys():
        connection.execute(DropConstraint(metadata.tables[f"{SCHEMA}.{entity}"].primary_key))
    if whole is not None:
        lay_views(connection, metadata, whole)
    return metadata


def _compared(name: str | None, kind: str, _: Any) -> bool:
    """What of the database is held against the contracts; foreign keys a release declares once the rows are there."""
    return name == SCHEMA if kind == "schema" else kind != "foreign_key_constraint"


def _postgis(connection: sa.Connection) -> bool:
    """Say whether the database has PostGIS, after creating the extension where the server offers it."""
    installed = sa.text("SELECT count(*) FROM pg_extension WHERE extname = 'postgis'")
    offered = sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'")
    if connection.scalar(installed):
        return True
    if not connection.scalar(offered):
        return False
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION postgis"))
    except sa.exc.ProgrammingError as error:
        raise StopError(
            where="extension postgis",
            came="the server offers it, but the hub's user may not create it",
            allowed="a database with the extension created",
            do="let the server's administrator run CREATE EXTENSION postgis in the hub's database",
        ) from error
    return True


def _flat(step: Any) -> Iterator[MigrateOperation]:
    for inner in step.ops:
        if isinstance(inner, ops.OpContainer):
            yield from _flat(inner)
        else:
            yield inner


def _keys(connection: sa.Connection) -> Mapping[str, list[str]]:
    """Return the primary key of every table that is there; empty where no release has filled the table yet."""
    found = sa.inspect(connection).get_multi_pk_constraint(SCHEMA)
    return {table: key["constrained_columns"] if key else [] for (_, table), key in found.items()}


def _key_differences(connection: sa.Connection, metadata: sa.MetaData, keys: Mapping[str, list[str]]) -> Iterator[str]:
    # Alembic compares all but primary keys.
    for table in metadata.tables.values():
        asked, found = [column.name for column in table.primary_key], keys.get(table.name, [])
        if found and found != asked:
            yield f"{table.name}: its key is ({', '.join(found)}), asked is ({', '.join(asked)})"
        bare = table.name in keys and not found and connection.scalar(sa.select(sa.exists().select_from(table)))
        # A first release may have come to its end in between: then the key is there by now.
        if bare and not _keys(connection).get(table.name):
            yield f"{table.name}: has rows but lost its key ({', '.join(asked)})"


def _difference(step: MigrateOperation) -> str | None:
    """Say what a step would change beyond an addition; None if it only adds."""
    if isinstance(step, ops.AddColumnOp):
        return None if step.column.nullable else f"{step.table_name}.{step.column.name}: new and required"
    if isinstance(step, ops.AlterColumnOp):
        return _column_difference(step)
    if isinstance(step, ops.DropColumnOp):
        return f"{step.table_name}.{step.column_name}: not in the contract any more"
    if isinstance(step, ops.DropTableOp):
        return f"{step.table_name}: has no contract any more"
    # An index that an operator added is the operator's; `align` leaves it.
    additions = (ops.CreateTableOp, ops.CreateIndexOp, ops.DropIndexOp, ops.CreateTableCommentOp)
    return None if isinstance(step, additions) else " ".join(map(str, step.to_diff_tuple()))


def _column_difference(step: ops.AlterColumnOp) -> str | None:
    name = f"{step.table_name}.{step.column_name}"
    if step.modify_type is not None:
        return f"{name}: its type is {step.existing_type}, asked is {step.modify_type}"
    if step.modify_nullable is not None:
        return f"{name}: " + ("no longer required" if step.modify_nullable else "now required")
    if step.modify_server_default is not False:
        return f"{name}: has a default, which no contract gives"
    return None
