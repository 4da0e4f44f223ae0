"""The statements that make and undo a department's role: rights by column, policies by division, views of products."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg import sql

from hub.contracts import Contracts
from hub.governance import SCHEMA
from hub.product_views import product_query
from hub.references import scope_column

__all__ = ["LEVELS", "MARK", "DatabaseRole", "closing", "making", "undoing"]

MARK = "community_data_hub"
"""First word of a role's comment, before the name of the database it was made for."""

LEVELS = (2, 4, 6, 9, 12)
"""How many digits of a division's code name it, level by level."""

_ENDING_MS = 10_000
"""How long a connection that is thrown out may take to tidy up."""

_ALWAYS: Mapping[str, tuple[str, ...]] = {
    "division": ("division_code", "division_name", "division_level_code", "parent_code"),
    "code": ("codelist", "code", "title", "source"),
    "release": ("number", "as_of_date", "released_at"),
}
"""What every role with columns may read as well: the names behind codes, and of which day the data are."""


@dataclass(frozen=True)
class DatabaseRole:
    """What a department may read by its own connection.

    Attributes:
        division: Head of the division's code, without the zeros that only fill up.
        columns: Base table -> its columns.
        products: Products, each a view in the schema named as the role.
        until: The last moment at which the password opens; None where PostgreSQL knows none.
    """

    name: str
    department: str
    division: str
    purpose: str
    columns: Mapping[str, tuple[str, ...]]
    products: tuple[str, ...]
    until: datetime | None


def making(contracts: Contracts, role: DatabaseRole, database: str, verifier: str) -> Iterator[sql.Composed]:
    """The statements that make a role in a database whose tables are there.

    Args:
        contracts: All contracts.
        role: What it may read.
        database: Name of the database.
        verifier: What the server keeps of the password.
    """
    name = sql.Identifier(role.name)
    told = {MARK: database, **asdict(role)}
    del told["name"], told["until"]
    yield sql.SQL(
        "CREATE ROLE {} LOGIN NOSUPERUSER NOINHERIT NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        " CONNECTION LIMIT 8 VALID UNTIL {} PASSWORD {}"
    ).format(name, str(role.until), verifier)
    yield sql.SQL("COMMENT ON ROLE {} IS {}").format(name, json.dumps(told, ensure_ascii=False))
    yield sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(name)
    yield sql.SQL("ALTER ROLE {} SET statement_timeout = '5min'").format(name)
    yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), name)
    if role.columns:
        yield from _column_rights(contracts, role)
        yield from _policies(contracts, role)
    else:
        yield from _product_views(contracts, role)


def _column_rights(contracts: Contracts, role: DatabaseRole) -> Iterator[sql.Composed]:
    name = sql.Identifier(role.name)
    yield sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(SCHEMA), name)
    yield sql.SQL("ALTER ROLE {} SET search_path = open, {}").format(name, sql.Identifier(SCHEMA))
    granted = {table: dict.fromkeys([*_ALWAYS.get(table, ()), *names]) for table, names in role.columns.items()}
    for table, names in {**_ALWAYS, **granted}.items():
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        yield sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(columns, sql.Identifier(SCHEMA, table), name)


def _policies(contracts: Contracts, role: DatabaseRole) -> Iterator[sql.Composed]:
    """Every base table is closed row by row; a table without a policy shows nothing."""
    name = sql.Identifier(role.name)
    for table in contracts.base:
        yield sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(sql.Identifier(SCHEMA, table))
    for table in dict.fromkeys([*role.columns, "division"]):
        scope = sql.Identifier(str(scope_column(contracts.base[table])))
        inside = sql.SQL("{} LIKE {}").format(scope, f"{role.division}%")
        if table == "division":
            above = [role.division[:length].ljust(12, "0") for length in LEVELS if length < len(role.division)]
            inside = sql.SQL("{} OR {} = ANY ({}::text[])").format(inside, scope, above)
        place = sql.Identifier(SCHEMA, table)
        yield sql.SQL("CREATE POLICY {} ON {} FOR SELECT TO {} USING ({})").format(name, place, name, inside)


def _product_views(contracts: Contracts, role: DatabaseRole) -> Iterator[sql.Composed]:
    """A schema of the role's own, with a view for each product; they are read with the hub's rights."""
    name = sql.Identifier(role.name)
    yield sql.SQL("CREATE SCHEMA {}").format(name)
    yield sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(name, name)
    yield sql.SQL("ALTER ROLE {} SET search_path = {}").format(name, name)
    for product in (contracts.products[product] for product in role.products):
        view = sql.Identifier(role.name, product.name)
        query = product_query(contracts, product, role.division)
        # A barrier: no function of the reader's sees a row before the view has cut and masked it.
        made = sql.SQL("CREATE VIEW {} WITH (security_barrier = true) AS ").format(view)
        yield made + sql.SQL(query)
        yield sql.SQL("COMMENT ON VIEW {} IS {}").format(view, product.title)
        for column in product.columns:
            place = sql.Identifier(role.name, product.name, column.name)
            yield sql.SQL("COMMENT ON COLUMN {} IS {}").format(place, column.title)
        yield sql.SQL("GRANT SELECT ON {} TO {}").format(view, name)


def closing(role: DatabaseRole) -> Iterator[sql.Composed]:
    """The statements that let nobody in by a role any more; to be committed before `undoing`."""
    name = sql.Identifier(role.name)
    yield sql.SQL("ALTER ROLE {} NOLOGIN").format(name)
    # Who is no superuser may end the connections of roles only whose member it is.
    yield sql.SQL("GRANT {} TO CURRENT_USER").format(name)


def undoing(role: DatabaseRole, database: str) -> Iterator[sql.Composed]:
    """The statements that take a role away, its open connections first, with what they made for themselves."""
    name, schema = sql.Identifier(role.name), sql.Identifier(SCHEMA)
    yield sql.SQL(
        "SELECT pg_terminate_backend(pid, {}) FROM pg_stat_activity"
        " WHERE usename = {} AND pg_has_role(usesysid, 'USAGE')"
    ).format(_ENDING_MS, role.name)
    for table in dict.fromkeys([*role.columns, "division"]) if role.columns else ():
        yield sql.SQL("DROP POLICY IF EXISTS {} ON {}").format(name, sql.Identifier(SCHEMA, table))
    if role.products:
        yield sql.SQL("DROP SCHEMA {} CASCADE").format(name)
    yield sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}").format(schema, name)
    yield sql.SQL("REVOKE ALL ON SCHEMA {} FROM {}").format(schema, name)
    yield sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(sql.Identifier(database), name)
    yield sql.SQL("DROP ROLE {}").format(name)
