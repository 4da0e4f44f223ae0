"""History on two axes: what the governance database said at every release, and from which day on it held.

A row of schema `governance` carries `release_number`, the release that recorded it, and `holds_from`, the day from
which what it says holds; none where it was ever so, as far as anybody knows. Before a release replaces or deletes a
row, the row goes into the table of the same name in schema `history`, in the same transaction: only what changes is
written, and what was written is never changed.

`history.<entity>_believed(believed_on, about)` answers what the hub believed on one day about another; see
`hub.believing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.schema import CreateSchema

from hub.believing import FACTS_DAY, HOLDS_FROM_DAY, believed_body, last_day
from hub.contracts import BaseContract, Column
from hub.derive import RECKONED
from hub.governance import SCHEMA
from hub.residing import FACTS_AS_OF

__all__ = ["FACTS_AS_OF", "FACTS_ON", "HISTORY", "HOLDS_FROM", "Keeper", "align_history", "kept"]

HISTORY = "history"
"""The schema of what was replaced; departments that connect directly have no right to it."""

HOLDS_FROM = Column(
    name=HOLDS_FROM_DAY, physical_name=HOLDS_FROM_DAY, title="内容自何日起成立（空：一向如此）", kind="date"
)
FACTS_ON = Column(name=FACTS_DAY, physical_name=FACTS_DAY, title="所据部门数据最近更新日期", kind="date")
"""Columns that each governance table has beside its contract's."""

_FIRST_DAYS = ("start_date", "valid_from", "since", "birth_date", "established_date", "opened_date")
"""Columns by which an entity itself says from when it is."""

_ASKED_BY = ("person_key",)
"""Columns besides the key by which rows of history are looked up."""

_EVENTS = ("death_date", "registration_end_date")
"""Columns with the day of what happened to an entity that goes on being one."""


def kept(contracts: Mapping[str, BaseContract]) -> dict[str, BaseContract]:
    """Base contracts as the database keeps their tables: with `holds_from` and `facts_as_of`."""
    return {
        name: replace(contract, columns=(*contract.columns, HOLDS_FROM, FACTS_ON))
        for name, contract in contracts.items()
    }


@dataclass(frozen=True)
class Keeper:
    """Statements by which a release keeps what it replaces of one table, and reckons from when the new rows hold.

    Attributes:
        target: The governance table.
        history: Its table in schema `history`.
        number: The release.
        as_of: The day its data are of.
    """

    target: sa.Table
    history: sa.Table
    number: int
    as_of: date

    def gone(self, which: sa.ColumnElement[bool]) -> sa.Insert:
        """Keep rows that are about to be deleted."""
        return self._keep(self.target, which, self._day)

    def replaced(self, staged: sa.FromClause, which: sa.ColumnElement[bool]) -> sa.Insert:
        """Keep rows that are about to be replaced by staged ones."""
        return self._keep(sa.join(self.target, staged, which), sa.true(), sa.cast(sa.null(), sa.Date()))

    def was_kept(self, *, gone: bool) -> sa.ColumnElement[bool]:
        """Whether a governance row was kept by this release, as one that goes or one that is replaced."""
        same = [self.history.c[column.name] == column for column in self.target.primary_key]
        ended = self.history.c.gone_on.is_not(None) if gone else self.history.c.gone_on.is_(None)
        found = sa.exists().where(*same, self.history.c.recorded_to == self.number, ended)
        return found.correlate(self.target)

    def opening(self) -> sa.Select[tuple[bool]]:
        """Ask whether the table neither has a row nor ever had one."""
        filled = (sa.exists(sa.select(1).select_from(table)) for table in (self.target, self.history))
        return sa.select(~sa.or_(*filled))

    def recorded(self, staged: sa.FromClause, holds_from: sa.ColumnElement[date]) -> dict[str, sa.ColumnElement[Any]]:
        """What stands in a new row, or a new version, beside the contract's columns."""
        return {
            "release_number": sa.literal(self.number),
            HOLDS_FROM.name: holds_from,
            FACTS_ON.name: staged.c[FACTS_AS_OF],
        }

    def opening_rows(self, staged: pa.RecordBatch) -> pa.RecordBatch:
        """Staged rows as a table opens with them: the contract's columns and, as `recorded` and `begins` say, more."""
        stated = [staged[name] for name in self._columns(_FIRST_DAYS)]
        days = [staged[FACTS_AS_OF], pa.scalar(self.as_of)] if self._is_reckoned else []
        more = {
            "release_number": pa.repeat(self.number, staged.num_rows),
            HOLDS_FROM.name: pc.coalesce(*stated, *days, pa.nulls(staged.num_rows, pa.date32())),
            FACTS_ON.name: staged[FACTS_AS_OF],
        }
        told = {name: staged[name] for name in staged.schema.names if name != FACTS_AS_OF} | more
        return pa.RecordBatch.from_pydict(told)

    def begins(self, staged: sa.FromClause, *, opening: bool) -> sa.ColumnElement[date]:
        """From when a new row holds: the day it states itself.

        Else the rows with which a table opens hold from ever, for nobody says when they came to be; one that joins them
        later holds from its freshest claim's day, else the release's. So does what the hub itself reckons for a day.
        """
        stated = [staged.c[name] for name in self._columns(_FIRST_DAYS)]
        if opening and not self._is_reckoned:
            return sa.func.coalesce(*stated, sa.cast(sa.null(), sa.Date()))
        return sa.func.coalesce(*stated, staged.c[FACTS_AS_OF], self._day)

    def goes_on(self, staged: sa.FromClause) -> sa.ColumnElement[date]:
        """From when a row's new version holds.

        A newly stated first day: from then. Else from the earliest day on which something differs: the day of a death,
        a cancellation or an end, as it is told now or was before; that of fresher claims. Where nothing has a day of
        its own, as when the hub finds out itself, from the day of the release.
        """
        old = self.target.c
        differs = {name: staged.c[name].is_distinct_from(old[name]) for name in self._columns((*_FIRST_DAYS, *_EVENTS))}
        begun = [(differs[name] & staged.c[name].is_not(None), staged.c[name]) for name in self._columns(_FIRST_DAYS)]
        last = last_day(self.target)
        events = [*self._columns(_EVENTS), *([last] if last else [])]
        days = [
            sa.case((staged.c[name].is_distinct_from(old[name]), sa.func.least(staged.c[name], old[name])))
            for name in events
        ]
        is_fresher = old[FACTS_DAY].is_(None) | (staged.c[FACTS_AS_OF] > old[FACTS_DAY])
        days.append(sa.case((is_fresher, staged.c[FACTS_AS_OF])))
        else_ = sa.func.coalesce(sa.func.least(*days), self._day)
        return sa.case(*begun, else_=else_) if begun else else_

    def _columns(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if name in self.target.c]

    @property
    def _is_reckoned(self) -> bool:
        return self.target.name in RECKONED

    @property
    def _day(self) -> sa.ColumnElement[date]:
        return sa.cast(sa.literal(self.as_of.isoformat()), sa.Date())

    def _keep(self, rows: sa.FromClause, which: sa.ColumnElement[bool], gone_on: sa.ColumnElement[date]) -> sa.Insert:
        names = [column.name for column in self.target.columns if column.name != "release_number"]
        values = [self.target.c[name] for name in names]
        chosen = sa.select(*values, self.target.c.release_number, sa.literal(self.number), gone_on)
        told = [*names, "recorded_from", "recorded_to", "gone_on"]
        return sa.insert(self.history).from_select(told, chosen.select_from(rows).where(which))


def align_history(
    connection: sa.Connection, governance: sa.MetaData, contracts: Mapping[str, BaseContract]
) -> dict[str, sa.Table]:
    """Create what is missing of schema `history`, in the caller's transaction: tables, columns, functions.

    Args:
        connection: A connection that has just aligned the governance tables, and so holds their lock.
        governance: The governance tables, with `holds_from`.
        contracts: Base contracts by entity.

    Returns:
        The history tables by entity. A column that a contract has no more stays in them.
    """
    connection.execute(CreateSchema(HISTORY, if_not_exists=True))
    metadata = sa.MetaData(schema=HISTORY, naming_convention={"pk": "pk_%(table_name)s"})
    known = sa.inspect(connection).get_multi_columns(HISTORY)
    tables = {entity: _history_table(governance.tables[f"{SCHEMA}.{entity}"], metadata) for entity in contracts}
    operations = Operations(MigrationContext.configure(connection))
    for entity, table in tables.items():
        if (HISTORY, entity) not in known:
            table.create(connection)
        there = {column["name"] for column in known.get((HISTORY, entity), [])} or {*table.c.keys()}
        for column in table.columns:
            if column.name not in there:
                added = sa.Column(column.name, column.type, comment=column.comment)
                operations.add_column(entity, added, schema=HISTORY)
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    pairs = {entity: (governance.tables[f"{SCHEMA}.{entity}"], table) for entity, table in tables.items()}
    for entity, (target, _) in pairs.items():
        _define(connection, target, believed_body(entity, pairs, contracts))
    return tables


def _history_table(target: sa.Table, metadata: sa.MetaData) -> sa.Table:
    keys = {column.name for column in target.primary_key}
    copied = [
        sa.Column(column.name, column.type, primary_key=column.name in keys, comment=column.comment)
        for column in target.columns
        if column.name != "release_number"
    ]
    return sa.Table(
        target.name,
        metadata,
        *copied,
        sa.Column("recorded_from", sa.BigInteger(), primary_key=True, comment="自此发布号起如此记录"),
        sa.Column("recorded_to", sa.BigInteger(), nullable=False, comment="自此发布号起被替换或删除"),
        sa.Column("gone_on", sa.Date(), comment="自此日起不再存在（仅限删除）"),
        sa.Index(f"ix_{target.name}_recorded_to", "recorded_to"),
        *(sa.Index(f"ix_{target.name}_{name}", name) for name in _ASKED_BY if name in target.c and name not in keys),
        comment=f"{target.comment}（历史）",
    )


def _define(connection: sa.Connection, target: sa.Table, query: str) -> None:
    """Make the function that answers from an entity's history, unless it is there in this very form."""
    name = f"{target.name}_believed"
    result = ", ".join(_result(connection, target))
    # PostgreSQL keeps a body as it was written, so that comparing texts tells whether types or columns changed.
    body = f"/* {result} */\n{query}"
    there = "SELECT prosrc FROM pg_proc WHERE pronamespace = 'history'::regnamespace AND proname = :name"
    if connection.scalar(sa.text(there), {"name": name}) == body:
        return
    connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {HISTORY}.{name}")
    connection.exec_driver_sql(
        f"CREATE FUNCTION {HISTORY}.{name}(believed_on date, about date) RETURNS TABLE ({result})"
        f" LANGUAGE sql STABLE AS $body${body}$body$"
    )
    title = f"{target.comment}：某日（believed_on）所知的另一日（about）情形"
    connection.exec_driver_sql(f"COMMENT ON FUNCTION {HISTORY}.{name} IS '{title}'")


def _result(connection: sa.Connection, target: sa.Table) -> Iterator[str]:
    for column in target.columns:
        if column.name != "release_number":
            yield f"{column.name} {column.type.compile(connection.dialect)}"
    yield "recorded_from bigint"
