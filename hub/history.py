"""History on two axes: what the governance database said at every release, and from which day on it held.

A row of schema `governance` carries `release_number`, the release that recorded it, and `holds_from`, the day from
which what it says holds. Before a release replaces or deletes a row, the row goes into the table of the same name in
schema `history`, in the same transaction: only what changes is written, and what was written is never changed.

`history.<entity>_believed(believed_on, about)` answers what the hub believed on one day about another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.schema import CreateSchema

from hub.contracts import BaseContract, Column
from hub.governance import SCHEMA

__all__ = ["FACTS_AS_OF", "HISTORY", "HOLDS_FROM", "Keeper", "align_history", "kept"]

HISTORY = "history"
"""The schema of what was replaced; departments that connect directly have no right to it."""

FACTS_AS_OF = "_as_of"
"""Column of a base table in the lake: the day of the freshest claim behind a row, null where none says."""

HOLDS_FROM = Column(name="holds_from", physical_name="holds_from", title="内容自何日起成立", kind="date")
"""Column that each governance table has beside its contract's."""

_SPANS = (("start_date", "end_date"), ("valid_from", "valid_to"), ("since", "until"))
"""Columns by which an entity itself says from when to when it is; the last day counts."""


def kept(contracts: Mapping[str, BaseContract]) -> dict[str, BaseContract]:
    """Base contracts as the database keeps their tables: with `holds_from`."""
    return {name: replace(contract, columns=(*contract.columns, HOLDS_FROM)) for name, contract in contracts.items()}


def _first_day(table: sa.FromClause) -> str | None:
    return next((first for first, _ in _SPANS if first in table.c), None)


def _last_day(table: sa.FromClause) -> str | None:
    return next((last for first, last in _SPANS if first in table.c and last in table.c), None)


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

    def begins(self, staged: sa.FromClause) -> sa.ColumnElement[date]:
        """From when a new row holds: the day it states itself, else its freshest claim's, else the release's."""
        first = _first_day(self.target)
        stated = [staged.c[first]] if first else []
        return sa.func.coalesce(*stated, staged.c[FACTS_AS_OF], self._day)

    def goes_on(self, staged: sa.FromClause) -> sa.ColumnElement[date]:
        """From when a row's new version holds: a newly stated day, else that of fresher claims, else the release's.

        What the hub derives itself changes without a fresher claim: the row of a person who is found to have moved.
        """
        first = _first_day(self.target)
        cases = [(staged.c[FACTS_AS_OF] > self.target.c[HOLDS_FROM.name], staged.c[FACTS_AS_OF])]
        if first:
            stated = staged.c[first].is_distinct_from(self.target.c[first]) & staged.c[first].is_not(None)
            cases.insert(0, (stated, staged.c[first]))
        return sa.case(*cases, else_=self._day)

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
        _define(connection, governance.tables[f"{SCHEMA}.{entity}"], table)
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
        comment=f"{target.comment}（历史）",
    )


def _define(connection: sa.Connection, target: sa.Table, history: sa.Table) -> None:
    """Make the function that answers from an entity's history, unless it is there in this very form."""
    name = f"{target.name}_believed"
    result = ", ".join(_result(connection, target))
    # PostgreSQL keeps a body as it was written, so that comparing texts tells whether types or columns changed.
    body = f"/* {result} */\n{_body(target, history)}"
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


def _body(target: sa.Table, history: sa.Table) -> str:
    """The query: of the versions known on the one day that hold on the other, the newest, unless that one is over.

    The keys stay plain columns throughout, so that a condition on one of them reaches the indexes.
    """
    names = ", ".join(c.name for c in target.columns if c.name not in ("release_number", HOLDS_FROM.name))
    keys = ", ".join(column.name for column in target.primary_key)
    # Null in rows of releases before there was a history.
    begins = "coalesce({0}.holds_from, (SELECT r.as_of_date FROM ledger.release r WHERE r.number = {0}.{1}))"
    last = _last_day(target)
    not_over = f" AND ({last} IS NULL OR {last} >= about)" if last else ""
    live, old = begins.format("live", "release_number"), begins.format("old", "recorded_from")
    return f"""
SELECT {names}, holds_from, recorded_from
FROM (
  SELECT DISTINCT ON ({keys}) *
  FROM (
    SELECT {names}, {live} AS holds_from,
      release_number AS recorded_from, CAST(NULL AS bigint) AS recorded_to, CAST(NULL AS date) AS gone_on
    FROM {target.fullname} live
    UNION ALL
    SELECT {names}, {old} AS holds_from, recorded_from, recorded_to, gone_on
    FROM {history.fullname} old
  ) version
  WHERE holds_from <= about AND recorded_from <= {_KNOWN_ON}
  ORDER BY {keys}, recorded_from DESC
) newest
WHERE NOT coalesce(gone_on <= about AND recorded_to <= {_KNOWN_ON}, false){not_over}
"""  # noqa: S608  names of the contract


_KNOWN_ON = (
    "(SELECT max(number) FROM ledger.release WHERE (released_at AT TIME ZONE 'Asia/Shanghai')::date <= believed_on)"
)
"""The release that was live at the end of a day in China."""
