"""The functions `history.<entity>_believed(believed_on, about)`: what the hub believed on one day about another.

A row is of the newest version that was known on the one day and holds on the other, unless it is gone or over by then.
Where people live, and whether they are alive, follows from days that the versions themselves state: that is reckoned
for the day asked about by the expressions by which the merge reckons it for its own (`hub.residing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import ibis
import sqlalchemy as sa
import sqlglot
from sqlglot import exp

from hub.contracts import BaseContract
from hub.residing import DAY, residing, with_states

__all__ = ["FACTS_DAY", "HOLDS_FROM_DAY", "RECKONED_BY", "believed_body", "last_day"]

HOLDS_FROM_DAY, FACTS_DAY = "holds_from", "facts_as_of"

_LAST_DAYS = ("end_date", "valid_to", "until")
RECKONED_BY: Mapping[str, str] = {"residence": "person_key"}
"""Entity -> a column, the same in all versions of a row, by which its answers are reckoned together: a condition on it
reaches the indexes, one on the key alone does not."""

_LATEST_KNOWN = ("confirmed_on",)
"""Columns of which the latest known counts for every day: who is seen in a place lived there on the days before too."""

_KNOWN = "_known"
_KNOWN_ON = (
    "(SELECT max(number) FROM ledger.release WHERE (released_at AT TIME ZONE 'Asia/Shanghai')::date <= believed_on)"
)
"""The release that was live at the end of a day in China."""


def last_day(table: sa.FromClause) -> str | None:
    """The column by which an entity itself says until when it is; that day counts."""
    return next((name for name in _LAST_DAYS if name in table.c), None)


def believed_body(
    entity: str, tables: Mapping[str, tuple[sa.Table, sa.Table]], contracts: Mapping[str, BaseContract]
) -> str:
    """The query of an entity's function, with the parameters `believed_on` and `about`.

    Args:
        entity: A base table.
        tables: Entity -> its governance table, and that of its history.
        contracts: Base contracts by entity.
    """
    if entity in ("person", "residence") and {"person", "residence"} <= tables.keys():
        return _of_people(entity, tables, contracts)
    target, history = tables[entity]
    last = last_day(target)
    not_over = f"WHERE {last} IS NULL OR {last} >= about" if last else ""
    return f"SELECT {', '.join(_names(target))} FROM ({_known(target, history)}) known {not_over}"  # noqa: S608


def _names(target: sa.Table) -> Iterator[str]:
    """Columns of the answer."""
    yield from (column.name for column in target.columns if column.name != "release_number")
    yield "recorded_from"


def _known(target: sa.Table, history: sa.Table) -> str:
    """SELECT of each row the version in question, unless the row is gone.

    The keys stay plain columns throughout, so that a condition on one of them reaches the indexes.
    """
    names = [column.name for column in target.columns if column.name != "release_number"]
    by = RECKONED_BY.get(target.name)
    keys = ", ".join([*(column.name for column in target.primary_key), *([by] if by else [])])
    told = ", ".join(f"max({n}) OVER (PARTITION BY {keys}) AS {n}" if n in _LATEST_KNOWN else n for n in names)
    listed = ", ".join(names)
    return f"""
SELECT * FROM (
  SELECT DISTINCT ON ({keys}) *
  FROM (
    SELECT {told}, recorded_from, recorded_to, gone_on
    FROM (
      SELECT {listed}, release_number AS recorded_from, CAST(NULL AS bigint) AS recorded_to,
        CAST(NULL AS date) AS gone_on
      FROM {target.fullname}
      UNION ALL
      SELECT {listed}, recorded_from, recorded_to, gone_on FROM {history.fullname}
    ) every
    WHERE recorded_from <= {_KNOWN_ON}
  ) version
  WHERE {HOLDS_FROM_DAY} IS NULL OR {HOLDS_FROM_DAY} <= about
  ORDER BY {keys}, recorded_from DESC
) newest
WHERE NOT coalesce(gone_on <= about AND recorded_to <= {_KNOWN_ON}, false)
"""  # noqa: S608  names of the contract


def _of_people(
    entity: str, tables: Mapping[str, tuple[sa.Table, sa.Table]], contracts: Mapping[str, BaseContract]
) -> str:
    person, residence = (_asked(contracts[name]) for name in ("person", "residence"))
    told = _on_the_day(person)
    states = with_states(residence, told)
    if entity == "person":
        answer = residing(told, states)
    else:
        answer = states.filter(states.end_date.isnull() | (states.end_date >= states[DAY]))
    query = sqlglot.parse_one(ibis.to_sql(answer.select(*_names(tables[entity][0])), dialect="postgres"))
    for table in list(query.find_all(exp.Table)):
        known = _known(*tables[table.name.removesuffix(_KNOWN)])
        versions = f"SELECT *, about AS {DAY} FROM ({known}) known"  # noqa: S608
        table.replace(sqlglot.parse_one(versions, into=exp.Select, dialect="postgres").subquery(table.alias))
    for part in query.find_all(exp.CTE):
        # Else a part that is used twice would be reckoned for everybody, whoever is asked for.
        part.set("materialized", False)
    return query.sql(dialect="postgres", pretty=True)


def _asked(contract: BaseContract) -> ibis.Table:
    """The versions in question of an entity, as the rules read them."""
    added = {HOLDS_FROM_DAY: "date", FACTS_DAY: "date", "recorded_from": "int64", DAY: "date"}
    return ibis.table(dict(ibis.schema(contract.arrow_schema)) | added, name=f"{contract.name}{_KNOWN}")


def _on_the_day(person: ibis.Table) -> ibis.Table:
    """Persons without the death and the cancellation that came later; where they are registered, residences tell."""
    day = person[DAY]
    later = (person.registration_end_date > day).fill_null(False)
    return person.mutate(
        death_date=(person.death_date > day).fill_null(False).ifelse(ibis.null("date"), person.death_date),
        registration_end_date=later.ifelse(ibis.null("date"), person.registration_end_date),
        registration_end_reason_code=later.ifelse(ibis.null("string"), person.registration_end_reason_code),
        registered_division_code=ibis.null("string"),
    )
