"""Every row that fails a rule of a suite: the library counts them all, but lists no more than 20 on SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlglot
from sqlglot.errors import SqlglotError

from hub.errors import CountsError
from hub.gx import Session

__all__ = ["FACTS", "list_failures"]

FACTS = ("rule_id", "column", "severity", "title", "clause", "acts")
"""What a failing row's line says of its rule."""

_OF_ROWS = re.compile(r'SELECT [\w", ]+\s+FROM rows\s+WHERE (?P<condition>.*?);?\s*', re.DOTALL)
_CONDITION_ALONE = {"expressions", "where", "kind"}


def list_failures(
    session: Session,
    facts: Mapping[str, Mapping[str, str]],
    failing: Mapping[str, Mapping[str, Any]],
    key: Sequence[str],
) -> None:
    """Make the table `failures`: `filename`, the key and `FACTS`, a line for each row and rule it fails.

    Each rule's own query is run to its end; those that are a mere condition on rows are run together, so that the files
    are read once.

    Args:
        session: Holds the view `rows`; the table is made beside it.
        facts: Rule -> what its lines say, of every rule of the suite.
        failing: Rule -> the library's result, with `unexpected_count` and `unexpected_index_query`.
        key: Columns that identify a row.

    Raises:
        CountsError: A query finds more or fewer rows than the library has counted.
    """
    queries = {rule: str(failing[rule]["unexpected_index_query"]) for rule in facts if rule in failing}
    conditions = {rule: condition for rule, query in queries.items() if (condition := _condition(query))}
    columns = ", ".join(_quoted(name) for name in ("filename", *key))
    with session.duckdb() as duck:
        duck.execute(_empty(columns))
        if conditions:
            flags = ", ".join(f"({one}) AS rule_{place}" for place, one in enumerate(conditions.values()))
            any_of_them = " OR ".join(f"({one})" for one in conditions.values())
            duck.execute(f"CREATE TABLE hits AS SELECT {columns}, {flags} FROM rows WHERE {any_of_them}")  # noqa: S608
        for place, rule in enumerate(conditions):
            duck.execute(_insert(columns, f"hits WHERE rule_{place}"), [facts[rule][name] for name in FACTS])
        for rule in queries.keys() - conditions.keys():
            query = queries[rule].rstrip().removesuffix(";")
            duck.execute(_insert(columns, f"({query})"), [facts[rule][name] for name in FACTS])
        found = dict(duck.table("failures").aggregate("rule_id, count(*)").fetchall())
    for rule, result in failing.items():
        if found.get(rule, 0) != result["unexpected_count"]:
            raise CountsError(
                where=f"suite {session.tail}, rule {rule}",
                came=f"{result['unexpected_count']} failing rows counted, {found.get(rule, 0)} found",
                allowed="as many found as counted",
                do="write the rule so that its rows can be listed, e.g. by expect_rows_to_satisfy",
            )


def _condition(query: str) -> str | None:
    """The condition of a query that only picks rows; None where it does anything else."""
    match = _OF_ROWS.fullmatch(query)
    if match is None:
        return None
    condition = match["condition"]
    try:
        parsed = sqlglot.parse_one(f"SELECT 1 WHERE {condition}", dialect="duckdb")
    except SqlglotError:
        return None
    told = {name for name, value in parsed.args.items() if value}
    return condition if isinstance(parsed, sqlglot.exp.Select) and told <= _CONDITION_ALONE else None


def _empty(columns: str) -> str:
    facts = ", ".join(f"NULL::VARCHAR AS {_quoted(name)}" for name in FACTS)
    return f"CREATE TABLE failures AS SELECT {columns}, {facts} FROM rows LIMIT 0"  # noqa: S608


def _insert(columns: str, rows: str) -> str:
    return f"INSERT INTO failures SELECT {columns}, {', '.join('?' for _ in FACTS)} FROM {rows}"  # noqa: S608


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
