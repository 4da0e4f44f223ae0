"""Views of the governance database for people who query it, in schema `open`: Chinese columns, titles for codes.

They carry no right of their own: each is read with the reader's own rights, so who may read one village sees that
village in all of them. `open.<table>` shows what is graded L1 and L2, `open.<table>_full` everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateSchema

from hub.column_words import codes_told, standards
from hub.contracts import BaseContract, Column, Contracts
from hub.errors import StopError
from hub.governance_summaries import SUMMARIES, Summary
from hub.references import references, scope_column

__all__ = ["VIEWS", "View", "lay_views", "views"]

VIEWS = "open"
"""The schema of the views."""

_OLDEST = 150000
"""The first PostgreSQL whose views can be read with the reader's own rights."""

_STILL_NEEDED = "2BP01"
_UNLISTED = "division"
"""The code list that is a table of its own."""

_ORDINARY = ("L1", "L2")
_TOWN, _WHOLE = 9, 12
"""Digits that name a town, and those of a whole division code."""


@dataclass(frozen=True)
class View:
    """One view.

    Attributes:
        query: Its SELECT.
        columns: Column -> what is said of it.
    """

    name: str
    title: str
    query: str
    columns: Mapping[str, str]


def lay_views(connection: sa.Connection, metadata: sa.MetaData, contracts: Contracts) -> None:
    """Fill `governance.code` and make the views anew, unless both are as the contracts ask for them.

    Args:
        connection: The connection of `hub.governance.align`, in its transaction.
        metadata: The tables of the governance database.
        contracts: All contracts.

    Raises:
        StopError: The server is older than PostgreSQL 15, or somebody has built views on those of the hub.
    """
    if int(connection.scalar(sa.text("SHOW server_version_num")) or 0) < _OLDEST:
        raise StopError(
            where="schema open",
            came="a server older than PostgreSQL 15",
            allowed="PostgreSQL 15 or newer, whose views can be read with the reader's own rights",
            do="let the server's administrator upgrade it",
        )
    codes, made = _codes(contracts), views(metadata, contracts)
    digest = hashlib.sha256(repr((codes, made)).encode()).hexdigest()[:16]
    comment = f"供查询的视图：中文列名，代码已译成名称（版本 {digest}）"
    laid = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :name"
    is_whole = set(_present(connection)) == {view.name for view in made}
    if is_whole and connection.scalar(sa.text(laid), {"name": VIEWS}) == comment:
        return
    table = metadata.tables["governance.code"]
    connection.execute(sa.delete(table))
    connection.execute(sa.insert(table), codes)
    connection.execute(CreateSchema(VIEWS, if_not_exists=True))
    _drop(connection)
    for statement in _statements(made, comment):
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _present(connection: sa.Connection) -> Sequence[str]:
    """Names of the views that are there."""
    return connection.scalars(sa.text("SELECT viewname FROM pg_views WHERE schemaname = :name"), {"name": VIEWS}).all()


def _drop(connection: sa.Connection) -> None:
    """Drop the views together; what others have built on them is not the hub's to drop."""
    names = ", ".join(f'{VIEWS}."{name}"' for name in _present(connection))
    if not names:
        return
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"DROP VIEW {names}")
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _STILL_NEEDED:
            raise
        raise StopError(
            where="schema open",
            came="the contracts ask for other views, but something outside the hub is built on the present ones",
            allowed="views of your own on the tables of schema governance",
            do="drop them, run again, and build them anew",
        ) from None


def views(metadata: sa.MetaData, contracts: Contracts) -> list[View]:
    """Every view, in the order in which they can be made."""
    found = []
    for base in contracts.base.values():
        found.append(_readable(metadata, contracts, base, base.name, _ORDINARY))
        if any(column.grade not in _ORDINARY for column in base.columns):
            found.append(_readable(metadata, contracts, base, f"{base.name}_full", None))
    found += [_summary(summary) for summary in SUMMARIES if set(summary.reads) <= set(contracts.base)]
    dangling = _dangling(metadata, contracts)
    return [*found, dangling] if dangling else found


def _codes(contracts: Contracts) -> list[dict[str, str]]:
    return [
        {"codelist": name, "code": code, "title": title, "source": "、".join(standards(contracts.root, name))}
        for name, codelist in contracts.codelists.items()
        if name != _UNLISTED
        for code, title in codelist.titles.items()
    ]


def _statements(made: Sequence[View], comment: str) -> Iterator[str]:
    yield f"COMMENT ON SCHEMA {VIEWS} IS {_text(comment)}"
    yield f"GRANT USAGE ON SCHEMA {VIEWS} TO PUBLIC"
    for view in made:
        yield f'CREATE VIEW {VIEWS}."{view.name}" WITH (security_invoker = true) AS {view.query}'
        yield f'COMMENT ON VIEW {VIEWS}."{view.name}" IS {_text(view.title)}'
        for column, told in view.columns.items():
            yield f'COMMENT ON COLUMN {VIEWS}."{view.name}"."{column}" IS {_text(told)}'
        # What may be read is decided at the tables, with the reader's own rights.
        yield f'GRANT SELECT ON {VIEWS}."{view.name}" TO PUBLIC'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _sql(query: sa.ClauseElement) -> str:
    # Named parameters, for the others double every percent sign.
    dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _summary(summary: Summary) -> View:
    return View(summary.name, summary.title, summary.query, summary.columns)


def _readable(
    metadata: sa.MetaData, contracts: Contracts, base: BaseContract, name: str, grades: tuple[str, ...] | None
) -> View:
    """A base table's columns under their titles: code titles for codes, and names beside division codes."""
    builder = _Readable(metadata, contracts, base)
    for column in base.columns:
        if column.kind != "geometry" and (grades is None or column.grade in grades):
            builder.add(column)
    query = sa.select(*builder.cells).select_from(builder.source)
    scope = "全部字段" if grades is None else "一、二级字段"
    return View(name, f"{base.title}（{scope}，代码已译成名称）", _sql(query), builder.told)


class _Readable:
    """Gathers the columns and joins of one view."""

    def __init__(self, metadata: sa.MetaData, contracts: Contracts, base: BaseContract) -> None:
        self.tables = metadata.tables
        self.contracts = contracts
        self.table = metadata.tables[f"governance.{base.name}"]
        self.divisions = {
            one.column
            for one in references(contracts.root)
            if (one.entity, one.target) == (base.name, "division") and "division" in contracts.base
        }
        self.scope = scope_column(base) if base.name != "division" else None
        self.source: sa.FromClause = self.table
        self.cells: list[sa.ColumnElement[object]] = []
        self.told: dict[str, str] = {}

    def add(self, column: Column) -> None:
        """Show a column, and beside a division's code its name."""
        cell = self.table.c[column.name]
        if column.codelist and column.codelist != _UNLISTED:
            code = self.tables["governance.code"].alias(f"code_{column.name}")
            self.source = self.source.outerjoin(code, sa.and_(code.c.codelist == column.codelist, code.c.code == cell))
            told = f"{column.name} 的名称（{codes_told(self.contracts, column.codelist)}）"
            self._show(column.title, sa.func.coalesce(code.c.title, cell), told)
            return
        self._show(column.title, cell, column.name)
        if column.name in self.divisions:
            self._name(column.title.removesuffix("代码"), cell, f"{column.name} 所指区划的名称")
            if column.name == self.scope:
                town = sa.func.rpad(sa.func.left(cell, _TOWN), _WHOLE, "0")
                self._name("乡镇（街道）", town, f"{column.name} 所属乡镇（街道）的名称")

    def _name(self, title: str, code: sa.ColumnElement[object], told: str) -> None:
        named = self.tables["governance.division"].alias(f"named_{len(self.told)}")
        self.source = self.source.outerjoin(named, named.c.division_code == code)
        self._show(title, named.c.division_name, told)

    def _show(self, title: str, cell: sa.ColumnElement[object], told: str) -> None:
        label = title if title not in self.told else f"{title}（{told}）"
        self.cells.append(cell.label(label))
        self.told[label] = told


def _dangling(metadata: sa.MetaData, contracts: Contracts) -> View | None:
    """How many rows of each table hold a key that leads nowhere, and which department's word it was."""
    counted = []
    for one in references(contracts.root):
        if one.enforced or one.entity not in contracts.base or one.target not in contracts.base:
            continue
        table, target = (metadata.tables[f"governance.{name}"] for name in (one.entity, one.target))
        other = target.alias("other")
        base = contracts.base[one.entity]
        lost = table.c[one.column].isnot(None) & ~sa.exists().where(
            other.c[one.target_column] == table.c[one.column]
        ).correlate(table)
        counted.append(
            sa.select(
                sa.literal(base.title).label("表"),
                sa.literal(base.by_name[one.column].title).label("列"),
                sa.literal(contracts.base[one.target].title).label("指向"),
                sa.literal(base.ranked(one.column)[0]).label("责任数据集"),
                sa.func.count().label("行数"),
            )
            .select_from(table)
            .where(lost)
        )
    if not counted:
        return None
    query = _sql(sa.union_all(*counted))
    told = {
        "表": "基础表",
        "列": "引用其他表的列",
        "指向": "被引用的表",
        "责任数据集": "由谁核对",
        "行数": "找不到对应行的行数",
    }
    return View("dangling_reference", "指向不明的引用：部门所填代码在基础表中找不到", query, told)
