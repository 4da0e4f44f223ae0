"""What lay in a division that has ended lies in the one that followed: addresses, grids, people, businesses.

Where no division of the hub has ended, every rule gives its table back as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import shapely

from hub.divisions import read_history
from hub.geography import GridIndex

__all__ = ["Moves", "followed", "followed_by_address", "followed_place", "grid", "moves_of", "placed"]

Tables = Mapping[str, ibis.Table]

_VILLAGE, _GRID = 12, 15


@dataclass(frozen=True)
class Moves:
    """Ended divisions of the hub.

    Attributes:
        whole: Ended code -> the one that followed.
        split: Ended code -> the several that followed; where each thing of it lies, its own point must tell.
    """

    whole: Mapping[str, str]
    split: Mapping[str, tuple[str, ...]]

    def __bool__(self) -> bool:
        return bool(self.whole or self.split)


def moves_of(tables: Tables, as_of: date) -> Moves:
    """Which divisions of the hub have ended by a day, and what followed."""
    history = read_history()
    ended = list(history.ended(as_of))
    if not ended or "division" not in tables:
        return Moves({}, {})
    divisions = tables["division"]
    own = _rows(divisions.filter(divisions.division_code.isin(ended)), "division_code")
    found = history.moves({row["division_code"] for row in own}, as_of)
    whole = {old: parts[0].code for old, parts in found.items() if len(parts) == 1}
    return Moves(whole, {old: tuple(part.code for part in parts) for old, parts in found.items() if len(parts) > 1})


def _rows(table: ibis.Table, *columns: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.select(*columns).to_pyarrow().to_pylist()
    return found


def followed(table: ibis.Table, moves: Moves, column: str = "division_code") -> ibis.Table:
    """Replace ended codes of a column by the one that followed; what was split stays."""
    return _replaced(table, column, moves.whole) if moves.whole else table


def _replaced(table: ibis.Table, column: str, new_of: Mapping[str, str]) -> ibis.Table:
    old, new = f"_old_{column}", f"_new_{column}"
    known = ibis.memtable({old: list(new_of), new: list(new_of.values())}, schema={old: "string", new: "string"})
    joined = table.left_join(known, table[column] == known[old])
    return joined.mutate(**{column: ibis.coalesce(joined[new], joined[column])}).drop(old, new)


def placed(tables: Tables, entity: str, key: str, moves: Moves) -> ibis.Table:
    """Give an entity's rows the division that followed theirs, by the place of their geometry where it was split."""
    table = followed(tables[entity], moves)
    if not moves.split:
        return table
    at = f"_at_{key}"
    found = _located(tables, entity, key, moves)
    points = ibis.memtable({at: list(found), "_there": list(found.values())}, schema={at: "string", "_there": "string"})
    joined = table.left_join(points, table[key] == points[at])
    return joined.mutate(division_code=ibis.coalesce(joined["_there"], joined.division_code)).drop(at, "_there")


def _located(tables: Tables, entity: str, key: str, moves: Moves) -> dict[str, str]:
    """Key -> successor, for the rows of split divisions whose geometry lies in one of its polygons."""
    rows = tables[entity]
    wanted = rows.filter(rows.division_code.isin(list(moves.split)) & rows.geometry.notnull())
    found = _rows(wanted, key, "division_code", "geometry")
    divisions = tables["division"]
    successors = sorted({new for parts in moves.split.values() for new in parts})
    borders = _rows(divisions.filter(divisions.division_code.isin(successors)), "division_code", "geometry")
    borders = [row for row in borders if row["geometry"] is not None]
    if not found or not borders:
        return {}
    index = GridIndex.build(
        pa.table(
            {"grid_code": [row["division_code"] for row in borders], "geometry": [row["geometry"] for row in borders]}
        )
    )
    points = shapely.point_on_surface(shapely.from_wkb(np.array([row["geometry"] for row in found], dtype=object)))
    codes = index.codes_at(points)
    told = zip(found, codes, strict=True)
    return {row[key]: code for row, code in told if code in moves.split[row["division_code"]]}


def followed_place(tables: Tables, entity: str, key: str, as_of: date) -> ibis.Table:
    """Division and, where the entity has one, grid of rows that may lie in an ended division."""
    moves = moves_of(tables, as_of)
    if not moves:
        return tables[entity]
    if "geometry" in tables[entity].columns:
        return followed_grid(placed(tables, entity, key, moves), tables, moves)
    return followed_by_address(followed_grid(followed(tables[entity], moves), tables, moves), tables, moves)


def followed_by_address(table: ibis.Table, tables: Tables, moves: Moves) -> ibis.Table:
    """Where a division was split, a row goes where its standard address went; without one it stays where it was."""
    if not moves.split or "address_code" not in table.columns:
        return table
    address = tables["address"]
    places = address.select(_address="address_code", _division="division_code", _grid="grid_code")
    joined = table.left_join(places, table.address_code == places["_address"])
    moved = joined.division_code.isin(list(moves.split)) & joined["_division"].notnull()
    changed = {"division_code": moved.ifelse(joined["_division"], joined.division_code)}
    if "grid_code" in table.columns:
        changed["grid_code"] = moved.ifelse(joined["_grid"], joined.grid_code)
    return joined.mutate(**changed).drop("_address", "_division", "_grid")


def followed_grid(table: ibis.Table, tables: Tables, moves: Moves) -> ibis.Table:
    """Replace the codes of grids that went over to another village by their new ones."""
    if "grid_code" not in table.columns:
        return table
    new_of = {old: new for old, (new, _) in _grid_moves(tables, moves).items()}
    if not new_of:
        return table
    for column in ("grid_code", "micro_grid_code"):
        table = _replaced(table, column, new_of) if column in table.columns else table
    return table


def grid(tables: Tables, as_of: date) -> ibis.Table:
    """Grids of an ended village under the one that followed, with the next numbers that are free there.

    These numbers are provisional: they hold until the department delivers the grids of the new village.
    """
    moves = moves_of(tables, as_of)
    table = tables["grid"]
    found = _grid_moves(tables, moves) if moves else {}
    if not found:
        return table
    columns = {
        "_old": list(found),
        "_code": [new for new, _ in found.values()],
        "_division": [division for _, division in found.values()],
    }
    known = ibis.memtable(columns, schema=dict.fromkeys(columns, "string"))
    joined = table.left_join(known, table.grid_code == known["_old"])
    return joined.mutate(
        grid_code=ibis.coalesce(joined["_code"], joined.grid_code),
        division_code=ibis.coalesce(joined["_division"], joined.division_code),
    ).drop(*columns)


def _grid_moves(tables: Tables, moves: Moves) -> dict[str, tuple[str, str]]:
    """Grid code -> the code and the village it has now, for the grids of ended villages."""
    ended = {*moves.whole, *moves.split}
    targets = {*moves.whole.values(), *(new for parts in moves.split.values() for new in parts)}
    grids = tables["grid"]
    rows = _rows(grids.filter(grids.division_code.isin(sorted(ended | targets))), "grid_code", "division_code")
    located = _located(tables, "grid", "grid_code", moves) if moves.split else {}
    taken: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        if row["division_code"] in targets:
            taken[row["division_code"]].add(_number(row["grid_code"]))
    moved = {row["grid_code"]: moves.whole.get(row["division_code"]) or located.get(row["grid_code"]) for row in rows}
    return _renumbered(sorted(code for code, new in moved.items() if new), moved, taken)


def _number(code: str) -> int:
    digits = code[_VILLAGE:_GRID]
    return int(digits) if digits.isdigit() else 0


def _renumbered(
    codes: Sequence[str], village_of: Mapping[str, str | None], taken: Mapping[str, Collection[int]]
) -> dict[str, tuple[str, str]]:
    """Give each grid the next free number of its village; a micro-grid keeps its own behind its grid's."""
    used = {village: set(numbers) for village, numbers in taken.items()}
    found: dict[str, tuple[str, str]] = {}
    for code in codes:  # sorted: a grid comes before its micro-grids
        village = village_of[code] or ""
        above = found.get(code[:_GRID]) if len(code) > _GRID else None
        if above is not None and above[1] == village:
            found[code] = (above[0] + code[_GRID:], village)
            continue
        own = used.setdefault(village, set())
        number = max(own, default=0) + 1
        own.add(number)
        found[code] = (f"{village}{number:03d}{code[_GRID:]}", village)
    return found
