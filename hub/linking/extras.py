"""Rows that go on after a second look, as the link step takes them: whole but for the cell that is wrong."""

from __future__ import annotations

from hub.contracts import SourceContract
from hub.linking.bench import Bench
from hub.linking.second_look import SecondLook

__all__ = ["lay_out_extras"]


def lay_out_extras(bench: Bench, contract: SourceContract, look: SecondLook, found: str | None) -> str:
    """Make the table of a dataset's further rows and return its name.

    A row whose key could be read goes on unless the dataset, as it is now, has a good row of that key. One without goes
    on if it was linked, or if it was accepted before its number turned out to be another's: then also without anybody's
    key.

    Args:
        bench: Holds the tables.
        contract: The dataset.
        look: What a second look at it found.
        found: Table of `_batch`, `_row`, `_found` and `_why`, if any of its rows were linked by likeness.

    Returns:
        Name of a table with the contract's columns, `_batch`, `_row`, `_as_of`, `_found` and `_why`.
    """
    name = look.table("extras")
    bench.make(name, _extras(bench, contract, look, found))
    if {"household_no", "division_code"} <= set(contract.by_name):
        bench.run(_at_home(bench, contract, name))
    return name


def _extras(bench: Bench, contract: SourceContract, look: SecondLook, found: str | None) -> str:
    rows, stripped = look.table("rows"), look.table("stripped")
    columns = ", ".join(f'r."{name}"' for name in contract.by_name)
    as_of = f'r."{contract.order_by}"' if contract.order_by else "NULL"
    kept = " AND ".join(f"coalesce(r.\"{name}\", '') <> '{value}'" for name, value in contract.deleted_when.items())
    whole = " AND ".join(f'r."{key}" IS NOT NULL' for key in contract.keys)
    links = f'"{found}"' if found else "(SELECT NULL AS _batch, NULL AS _row, NULL AS _found, NULL AS _why WHERE false)"
    return f"""
        SELECT {columns}, r._batch, r._row, CAST({as_of} AS TIMESTAMP) AS _as_of,
            CAST(l._found AS VARCHAR) AS _found, CAST(l._why AS VARCHAR) AS _why
        FROM "{rows}" AS r LEFT JOIN {links} AS l ON l._batch = r._batch AND l._row = r._row
        WHERE {kept or "true"} AND (
            l._found IS NOT NULL
            OR EXISTS (SELECT 1 FROM "{stripped}" AS s WHERE s._batch = r._batch AND s._row = r._row)
            OR ({whole} AND NOT ({_spoken_for(bench, contract, look)}))
        )
    """  # noqa: S608 - names of the hub's own contracts


def _spoken_for(bench: Bench, contract: SourceContract, look: SecondLook) -> str:
    """SQL condition: the dataset has a good row of the key."""
    if not bench.accepted_files(contract.tail):
        return "false"
    columns = ", ".join(f'"{key}"' for key in contract.keys)
    asked = f'SELECT ({columns}) FROM "{look.table("rows")}"'  # noqa: S608
    mine = ", ".join(f'r."{key}"' for key in contract.keys)
    return f"""({mine}) IN (
        SELECT ({columns}) FROM ({bench.standing(contract, asked)}) AS a
        ANTI JOIN "{look.table("stripped")}" AS s ON s._batch = a._batch AND s._row = a._row
    )"""  # noqa: S608


def _at_home(bench: Bench, contract: SourceContract, name: str) -> str:
    """Give rows that name no village the one of their household."""
    known = f"""
        SELECT household_no, max(division_code) AS division_code FROM {bench.accepted(contract.tail)}
        WHERE household_no IN (SELECT household_no FROM "{name}" WHERE division_code IS NULL) GROUP BY household_no
    """  # noqa: S608
    return (
        f'UPDATE "{name}" SET division_code = h.division_code FROM ({known}) AS h '  # noqa: S608
        f'WHERE "{name}".division_code IS NULL AND "{name}".household_no = h.household_no'
    )
