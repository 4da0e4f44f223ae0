"""References between base tables, from the `relationships` of their contracts, and their foreign keys in PostgreSQL.

A reference is enforced where the merge itself makes both ends: a broken one is a fault of the hub. The others repeat
what a department wrote; a code that leads nowhere is the department's to mend and stops no release.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from open_data_contract_standard.model import OpenDataContractStandard, Relationship, SchemaProperty

from hub.contract_types import BaseContract, Contracts
from hub.where import at, column, file_of

__all__ = ["Reference", "declare_references", "reference_faults", "references", "scope_column"]

_SCOPES = ("division_code", "residence_division_code")
_NOT_ENFORCED_SINCE = 180000
"""The PostgreSQL that can keep a foreign key as knowledge alone; older ones have the enforced ones only."""


@dataclass(frozen=True)
class Reference:
    """A column of a base table that holds keys of another one.

    Attributes:
        enforced: Whether the merge guarantees it, so that the database may refuse what breaks it.
    """

    entity: str
    column: str
    target: str
    target_column: str
    enforced: bool

    @property
    def constraint(self) -> str:
        """Name of its foreign key."""
        return f"fk_{self.entity}_{self.column}"


@cache
def references(root: Path) -> tuple[Reference, ...]:
    """Read the references of `schemas/base/` below a root, by table, in the order of the columns."""
    return tuple(one for path in sorted(root.glob("schemas/base/*.yml")) for one in _of_table(path))


def _of_table(path: Path) -> Iterator[Reference]:
    document = OpenDataContractStandard.from_file(str(path))
    properties = (document.schema_ or [])[0].properties or []
    yield from (_reference(path.stem, one, way) for one in properties for way in one.relationships or ())


def _reference(entity: str, one: SchemaProperty, way: Relationship) -> Reference:
    target, _, target_column = str(way.to).partition(".")
    custom = {item.property: item.value for item in way.customProperties or ()}
    return Reference(entity, str(one.name), target, target_column, bool(custom.get("enforced", True)))


def scope_column(base: BaseContract) -> str | None:
    """The column that says in which division a row of a base table lies; None if none does."""
    return next((name for name in _SCOPES if name in base.by_name), None)


def reference_faults(contracts: Contracts) -> list[str]:
    """Name every reference that leads to no base table, or not to its key, with file and line."""
    faults = []
    readable = [contracts.root / file_of(base) for base in contracts.base.values()]
    for one in (one for path in readable for one in _of_table(path)):
        base = contracts.base.get(one.target)
        if contracts.is_unread(f"schemas/base/{one.target}.yml"):
            continue
        place = at(contracts.root, f"schemas/base/{one.entity}.yml", *column(one.column, "relationships"))
        if base is None:
            faults.append(f"{place}: column {one.column} refers to {one.target!r}, which schemas/base/ does not have")
        elif base.keys != (one.target_column,):
            keys = ", ".join(base.keys)
            faults.append(f"{place}: column {one.column} refers to {one.target}.{one.target_column}, its key is {keys}")
    return faults


class _Cursor(Protocol):
    """What ADBC's and psycopg's cursors share."""

    def execute(self, statement: str, /) -> Any: ...

    def fetchall(self) -> Any: ...


def declare_references(cursor: _Cursor, contracts: Contracts) -> None:
    """Check the enforced references and declare foreign keys that are missing, last in a release's transaction.

    Foreign keys are deferred, so tables may be filled in any order; here what they have put off is looked at, before
    the commit. A table whose rows are all new is checked by one join.

    Args:
        cursor: A cursor in the transaction that has filled the tables and given them their keys.
        contracts: All contracts.
    """
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    cursor.execute("SELECT current_setting('server_version_num')::int")
    [(version,)] = cursor.fetchall()
    wanted = {
        one.constraint: one
        for one in references(contracts.root)
        if one.entity in contracts.base and (one.enforced or version >= _NOT_ENFORCED_SINCE)
    }
    found = _declared(cursor)
    for name, (table, target, enforced) in found.items():
        one = wanted.get(name)
        if one is None or (one.entity, one.target, one.enforced) != (table, target, enforced):
            cursor.execute(f"ALTER TABLE governance.{table} DROP CONSTRAINT {name}")
    for name, one in wanted.items():
        if found.get(name) != (one.entity, one.target, one.enforced):
            manner = "DEFERRABLE INITIALLY DEFERRED" if one.enforced else "NOT ENFORCED"
            cursor.execute(
                f"ALTER TABLE governance.{one.entity} ADD CONSTRAINT {name} FOREIGN KEY ({one.column}) "
                f"REFERENCES governance.{one.target} ({one.target_column}) {manner}"
            )


def _declared(cursor: _Cursor) -> Mapping[str, tuple[str, str, bool]]:
    """The hub's foreign keys that are there: name -> table, target, whether enforced."""
    # As JSON, for the column `conenforced` is there from PostgreSQL 18 on only.
    cursor.execute(
        """SELECT conname::text, t.relname::text, r.relname::text,
                  coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true)
           FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid
           WHERE c.contype = 'f' AND c.connamespace = 'governance'::regnamespace AND c.conname LIKE 'fk\\_%'"""
    )
    return {name: (table, target, enforced) for name, table, target, enforced in cursor.fetchall()}
