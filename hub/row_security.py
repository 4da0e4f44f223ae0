"""Roles of PostgreSQL for departments that connect directly: rows by division, columns by grade, or products by view.

What is granted column by column is read at the base tables and through the views of `open`, under row-level security;
what is granted as a product is a view of the role's own schema, masked as the product is. What a role may do is kept
in PostgreSQL alone: `list_roles` reads it back from there.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from hub.context import Hub
from hub.errors import RetryError, StopError
from hub.exchange.grants import DIVISION_CODE
from hub.governance import SCHEMA
from hub.references import scope_column
from hub.role_statements import LEVELS, MARK, DatabaseRole, closing, making, undoing

__all__ = ["DatabaseRole", "create_role", "drop_role", "list_roles"]

_NAME = re.compile(r"[a-z][a-z0-9_]{2,39}", re.ASCII)
_ORDINARY = ("L1", "L2")
_DAYS = 1096
_LOCK_TIMEOUT = "10s"


def create_role(
    hub: Hub,
    name: str,
    *,
    department: str,
    division: str,
    columns: Iterable[str] = (),
    products: Iterable[str] = (),
    purpose: str = "",
    days: int = 365,
) -> tuple[DatabaseRole, str]:
    """Make a login role and return it with its password, which is shown this once; the server keeps a SCRAM verifier.

    Args:
        hub: The opened hub, on a PostgreSQL server of its own.
        name: The role's name.
        department: Who answers for it.
        division: The division whose rows it may read, with everything below.
        columns: `<table>` for all its columns of grade L1 and L2, `<table>.<column>` for one of any grade.
        products: Names of products.
        purpose: What for.
        days: How long the password opens.

    Raises:
        StopError: Something asked for is unknown or may not be given; nothing was made.
        RetryError: A release is at work; the tables could not be locked in time.
    """
    _outside(hub)
    asked = (*dict.fromkeys(columns),), (*dict.fromkeys(products),)
    faults = [*_faults(hub, name, department, division, days), *_faults_asked(hub, *asked)]
    if faults:
        raise StopError(
            "database role", "; ".join(faults), "see `hub database role create --help`", "correct it and ask again"
        )
    role = DatabaseRole(
        name=name,
        department=department,
        division=_head(division),
        purpose=purpose,
        columns=_columns(hub, asked[0]),
        products=asked[1],
        until=datetime.now(UTC).replace(microsecond=0) + timedelta(days=days),
    )
    password = secrets.token_urlsafe(24)
    with _changing(hub, name) as connection:
        # Only a verifier is sent, so that no log of statements can hold the password.
        verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
        for statement in making(hub.contracts, role, connection.info.dbname, verifier):
            connection.execute(statement)
        hub.ledger.audit("database_role_created", department, _told(role))
    return role, password


def list_roles(hub: Hub) -> list[DatabaseRole]:
    """The roles of this database by name, as PostgreSQL has them."""
    query = sa.text(
        """SELECT rolname, rolvaliduntil, shobj_description(oid, 'pg_authid') AS told FROM pg_roles
           WHERE starts_with(shobj_description(oid, 'pg_authid'), :mark) ORDER BY rolname"""
    )
    with hub.database.connect() as connection:
        database = connection.scalar(sa.text("SELECT current_database()"))
        mark = json.dumps({MARK: database}, ensure_ascii=False).removesuffix("}")
        rows = connection.execute(query, {"mark": mark}).all()
    return [_role(row.rolname, row.rolvaliduntil, json.loads(row.told)) for row in rows]


def drop_role(hub: Hub, name: str) -> DatabaseRole:
    """Take a role away with everything it was given; whoever is connected by it is thrown out.

    Should the second half fail, nobody can log in by it any more all the same.

    Raises:
        StopError: It is no role of this database, or it owns objects elsewhere on the server.
        RetryError: A release is at work.
    """
    found = {role.name: role for role in list_roles(hub)}
    if name not in found:
        raise StopError("database role", f"{name!r}", "a name of `hub database role list`", "look it up there")
    with _changing(hub, name) as connection:
        for statement in closing(found[name]):
            connection.execute(statement)
    with _changing(hub, name) as connection:
        for statement in undoing(found[name], connection.info.dbname):
            connection.execute(statement)
        hub.ledger.audit("database_role_dropped", found[name].department, _told(found[name]))
    return found[name]


def _outside(hub: Hub) -> None:
    if hub.settings.database_url is None:
        raise StopError(
            where="database role",
            came="the embedded PostgreSQL, which takes no connections from outside and asks for no password",
            allowed="a PostgreSQL server with passwords and TLS",
            do="name one in HUB_DATABASE_URL",
        )


def _head(division: str) -> str:
    return next(division[:length] for length in LEVELS if not division[length:].strip("0"))


def _faults(hub: Hub, name: str, department: str, division: str, days: int) -> Iterator[str]:
    if not _NAME.fullmatch(name) or name.startswith("pg_") or name in (SCHEMA, "open", "ledger", "public"):
        yield f"the name {name!r} is not 3 to 40 small letters, digits and _, or is taken by PostgreSQL or the hub"
    if not department.strip():
        yield "the department is empty"
    full = division.ljust(12, "0")
    if not DIVISION_CODE.fullmatch(division) or full not in hub.contracts.codelists["division"].titles:
        yield f"division {division!r} is not in the code list of divisions"
    elif not full.startswith(hub.settings.division):
        yield f"division {division} lies outside this hub's division {hub.settings.division}"
    if not 1 <= days <= _DAYS:
        yield f"{days} days, allowed are 1 to {_DAYS}"


def _faults_asked(hub: Hub, columns: tuple[str, ...], products: tuple[str, ...]) -> Iterator[str]:
    if bool(columns) == bool(products):
        yield "either columns or products must be named, not both"
    for asked in columns:
        table, _, column = asked.partition(".")
        base = hub.contracts.base.get(table)
        if base is None:
            yield f"{table!r} is no base table"
        elif column and column not in base.by_name:
            yield f"{table} has no column {column!r}"
        elif scope_column(base) is None:
            yield f"{table} does not say in which division its rows lie"
    for asked in products:
        product = hub.contracts.products.get(asked)
        if product is None:
            yield f"product {asked!r} is unknown"
        elif any(column.mask and column.mask["rule"] == "token" for column in product.columns):
            yield f"product {asked} has tokens, which are made for each receiver when it is delivered"
        elif product.sharing.get("class") == "refused":
            yield f"product {asked} is not shared"


def _columns(hub: Hub, asked: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Base table -> columns that may be read, in the contract's order; keys always, so that tables can be joined."""
    wanted: dict[str, set[str]] = {}
    for one in asked:
        table, _, column = one.partition(".")
        base = hub.contracts.base[table]
        ordinary = {other.name for other in base.columns if other.grade in _ORDINARY}
        scope = scope_column(base)
        wanted.setdefault(table, {*base.keys, *filter(None, [scope])}).update([column] if column else ordinary)
    return {
        table: tuple(name for name in hub.contracts.base[table].by_name if name in names)
        for table, names in wanted.items()
    }


def _told(role: DatabaseRole) -> dict[str, Any]:
    told = asdict(role)
    del told["purpose"]
    return {**told, "until": str(role.until)}


def _role(name: str, until: datetime | None, told: Mapping[str, Any]) -> DatabaseRole:
    return DatabaseRole(
        name=name,
        department=told["department"],
        division=told["division"],
        purpose=told["purpose"],
        columns={table: tuple(names) for table, names in told["columns"].items()},
        products=tuple(told["products"]),
        until=until,
    )


@contextmanager
def _changing(hub: Hub, name: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that makes or drops a role whole, its errors told without what the server was sent."""
    try:
        with hub.database.begin() as outer:
            connection: psycopg.Connection[Any] = outer.connection.dbapi_connection  # type: ignore[assignment]
            connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_LOCK_TIMEOUT))
            yield connection
    except psycopg.errors.LockNotAvailable:
        raise RetryError(
            "database role", "the tables are held by a release", "a moment without one", "try again"
        ) from None
    except psycopg.Error as error:
        came, do = _REFUSALS.get(error.sqlstate or "", (f"SQLSTATE {error.sqlstate}", "look into the server's log"))
        raise StopError(f"database role {name}", came, "a role that can be made or dropped whole", do) from None


_REFUSALS = {
    "42501": ("the hub's own user may not make roles", "let the server's administrator give it CREATEROLE"),
    "42710": ("a role of that name is there already", "choose another name"),
    "42P06": ("a schema of that name is there already", "choose another name"),
    "42P01": ("the tables are not there yet", "make a first release: `hub run`"),
    "3F000": ("the tables are not there yet", "make a first release: `hub run`"),
    "2BP01": ("the role owns objects or has rights outside the hub", "take those away on the server first"),
}
"""SQLSTATE -> what came, what to do."""
