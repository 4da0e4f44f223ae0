"""Addresses without a code: the standard address whose text or whose parts they have, and the grid it lies in."""

from __future__ import annotations

from collections.abc import Sequence

from hub.conform.addresses import NARROW, VARIANTS, WIDE
from hub.conform.cell import BLANKS
from hub.contracts import Contracts
from hub.linking.bench import Bench
from hub.linking.likely_addresses import look_closer

__all__ = ["above", "canonical", "doorstep", "look_up"]

_ALIKE = "addresses__alike"
_INSIDE = "([0-9A-Za-z]+单元)?([0-9]+[层楼])?([0-9A-Za-z-]+[室户])?$"


def above(contracts: Contracts, division: str) -> tuple[str, ...]:
    """Names of a division and those above it, the highest first: what people leave out of an address."""
    titles = contracts.codelists["division"].titles
    codes = [division[:length].ljust(12, "0") for length in (2, 4, 6) if length <= len(division)]
    return tuple(titles[code] for code in codes if code in titles)


def canonical(text: str, names: Sequence[str]) -> str:
    """SQL: an address as every department would write it: half width, no blanks, 幢, no province, city and county.

    Args:
        text: SQL of the address.
        names: What may stand before the town, the highest division first.
    """
    plain = f"regexp_replace(translate({text}, '{WIDE}', '{NARROW}'), '[{BLANKS}]+', '', 'g')"
    for pattern, instead in VARIANTS:
        plain = f"regexp_replace({plain}, '{pattern}', '{instead}', 'g')"
    head = "".join(f"({name})?" for name in names)
    return f"nullif(regexp_replace({plain}, '^{head}', ''), '')"


def doorstep(text: str) -> str:
    """SQL: the part of a canonical address up to its door or building, without stair, floor and room."""
    return f"nullif(regexp_replace({text}, '{_INSIDE}', ''), '')"


def look_up(bench: Bench, wanted: str, known: str, name: str, names: Sequence[str]) -> str:
    """Look up addresses that have no code, and make a table of what is found.

    An address as a whole is known if just one standard address is written so, once all are written alike; or if one is
    likely enough to be meant, see `hub.linking.likely_addresses`. One whose door or building is known, but not its
    room, has no code, yet a village and a grid, if those are the same for all rooms.

    Args:
        bench: Holds the tables.
        wanted: SELECT `batch`, `row` and `text`.
        known: SELECT `address_code`, `full_address`, `division_code` and `grid_code`.
        name: Name of the table.
        names: See `canonical`.

    Returns:
        The name; columns `_of_batch`, `_of_row`, `_code`, `_village`, `_place` (the grid) and `_told_by`
        (`address_text`, `address_likely`), a row for each address that is known.
    """
    rest = f"{name}__rest"
    bench.make(rest, f"SELECT batch, row, text FROM ({wanted}) WHERE text IS NOT NULL")  # noqa: S608
    bench.make(name, _found(rest, f"SELECT *, full_address AS text FROM ({known})"))  # noqa: S608
    if bench.count(rest) > bench.count(name):
        _forget(bench, rest, name)
        bench.make(rest, f'SELECT batch, row, {canonical("text", names)} AS text FROM "{rest}"')  # noqa: S608
        # Written once a run: the standard addresses are the same for all datasets.
        alike = f"SELECT *, {canonical('full_address', names)} AS text FROM ({known})"  # noqa: S608
        bench.run(f"CREATE TABLE IF NOT EXISTS {_ALIKE} AS {alike}")
        bench.run(f'INSERT INTO "{name}" {_found(rest, f"SELECT * FROM {_ALIKE}")}')  # noqa: S608
        _forget(bench, rest, name)
        likely = look_closer(bench, rest, _ALIKE) if bench.count(rest) else None
        if likely:
            bench.run(f'INSERT INTO "{name}" {_meant(rest, likely)}')
            _forget(bench, rest, name)
        bench.make(rest, f'SELECT batch, row, {doorstep("text")} AS text FROM "{rest}"')  # noqa: S608
        doors = f"SELECT * REPLACE ({doorstep('text')} AS text) FROM {_ALIKE}"  # noqa: S608
        bench.run(f'INSERT INTO "{name}" {_found(rest, doors)}')
    return name


def _forget(bench: Bench, rest: str, found: str) -> None:
    bench.run(f'DELETE FROM "{rest}" WHERE (batch, row) IN (SELECT (_of_batch, _of_row) FROM "{found}")')  # noqa: S608


def _meant(wanted: str, likely: str) -> str:
    """SELECT what each wanted text most likely stands for."""
    return f"""
        SELECT w.batch, w.row, k.address_code, k.division_code, k.grid_code, 'address_likely'
        FROM "{wanted}" AS w JOIN {likely} AS l USING (text) JOIN {_ALIKE} AS k ON k.address_code = l.code
    """  # noqa: S608


def _found(wanted: str, known: str) -> str:
    """SELECT what each wanted text stands for: its only code; its village and grid, if there is but one of each."""
    return f"""
        SELECT w.batch AS _of_batch, w.row AS _of_row, e.code AS _code, e.village AS _village, e.grid AS _place,
            'address_text' AS _told_by
        FROM "{wanted}" AS w JOIN (
            SELECT text, CASE WHEN count(DISTINCT address_code) = 1 THEN max(address_code) END AS code,
                max(division_code) AS village, CASE WHEN count(DISTINCT grid_code) = 1 THEN max(grid_code) END AS grid
            FROM ({known}) WHERE text IN (SELECT text FROM "{wanted}")
            GROUP BY text HAVING count(DISTINCT division_code) = 1
        ) AS e ON e.text = w.text
    """  # noqa: S608
