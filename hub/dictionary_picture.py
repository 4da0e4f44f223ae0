"""The picture of the base tables and their references, as SVG, drawn from the contracts.

Every table that others refer to has a line of one colour: along the top, down beside each column of boxes, and off to
the rows that refer to it. Lines run beside boxes, never through them, whatever tables there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from hub.contracts import BaseContract, Contracts
from hub.references import Reference, references

__all__ = ["picture"]

_COLUMNS = 4
_WIDTH, _HEAD, _ROW, _FOOT = 236, 30, 22, 22
_GAP, _MARGIN, _LANE = 26, 24, 9
_COLOURS = ("#2563eb", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0f766e", "#a16207", "#be185d", "#475569")
_FONT = "'Noto Sans CJK SC','Source Han Sans SC','PingFang SC','Microsoft YaHei',sans-serif"


@dataclass(frozen=True)
class _Box:
    """One table, placed.

    Attributes:
        refers: Reference -> height of its row's middle.
    """

    base: BaseContract
    column: int
    x: int
    y: int
    height: int
    refers: Mapping[Reference, int]

    @property
    def entry(self) -> int:
        """Where lines to the table arrive."""
        return self.y + _HEAD // 2


def picture(contracts: Contracts) -> str:
    """Draw the base tables: their keys, what they refer to, and how many columns else they have."""
    found = [one for one in references(contracts.root) if one.entity in contracts.base and one.target in contracts.base]
    order = _order(contracts, found)
    nets = [entity for entity in order if any(one.target == entity for one in found)]
    boxes = _placed(contracts, found, order, nets)
    colours = {entity: _COLOURS[place % len(_COLOURS)] for place, entity in enumerate(nets)}
    width = max(box.x for box in boxes) + _WIDTH + _MARGIN
    height = max(box.y + box.height for box in boxes) + _MARGIN + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="{_FONT}" font-size="13">',
        "<title>基础表及其引用</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for place, entity in enumerate(nets):
        parts += _net(entity, place, boxes, nets, colours[entity])
    for box in boxes:
        parts += _drawn(box, contracts, colours)
    parts += _legend(height - 22)
    return "\n".join([*parts, "</svg>", ""])


def _order(contracts: Contracts, found: Sequence[Reference]) -> list[str]:
    """Tables after those they refer to; where two refer to each other, the more referred to comes first."""
    waits = {entity: {one.target for one in found if one.entity == entity} - {entity} for entity in contracts.base}
    asked = {entity: sum(one.target == entity for one in found) for entity in contracts.base}
    order: list[str] = []
    while waits:
        entity = min(waits, key=lambda name: (len(waits[name] - set(order)), -asked[name], name))
        order.append(entity)
        del waits[entity]
    return order


def _placed(contracts: Contracts, found: Sequence[Reference], order: Sequence[str], nets: Sequence[str]) -> list[_Box]:
    refers = {entity: [one for one in found if one.entity == entity] for entity in order}
    heights = {
        entity: _HEAD + _ROW * (len(contracts.base[entity].keys) + len(refers[entity])) + _FOOT for entity in order
    }
    limit = sum(heights.values()) / _COLUMNS
    columns: list[list[str]] = [[]]
    for entity in order:
        filled = sum(heights[other] for other in columns[-1])
        if columns[-1] and filled + heights[entity] / 2 > limit and len(columns) < _COLUMNS:
            columns.append([])
        columns[-1].append(entity)
    boxes, x = [], _MARGIN
    for place, entities in enumerate(columns):
        x += _gutter(len(_lanes(entities, found, nets)))
        y = _MARGIN + _LANE * len(nets) + _GAP
        for entity in entities:
            first = y + _HEAD + _ROW * len(contracts.base[entity].keys) + _ROW // 2
            rows = {one: first + _ROW * row for row, one in enumerate(refers[entity])}
            boxes.append(_Box(contracts.base[entity], place, x, y, heights[entity], rows))
            y += heights[entity] + _GAP
        x += _WIDTH
    return boxes


def _lanes(entities: Sequence[str], found: Sequence[Reference], nets: Sequence[str]) -> list[str]:
    """The lines that run beside a column of boxes."""
    used = {one.target for one in found if one.entity in entities} | set(entities)
    return [entity for entity in nets if entity in used]


def _gutter(lanes: int) -> int:
    return _LANE * (lanes + 3)


def _net(entity: str, place: int, boxes: Sequence[_Box], nets: Sequence[str], colour: str) -> Iterator[str]:
    """All lines that lead to one table."""
    found = [one for box in boxes for one in box.refers]
    columns = {column: [box for box in boxes if box.column == column] for column in sorted({b.column for b in boxes})}
    meeting = [
        column
        for column, beside in columns.items()
        if any(box.base.name == entity or any(one.target == entity for one in box.refers) for box in beside)
    ]
    ends: list[int] = []
    for column in meeting:
        beside = columns[column]
        lanes = _lanes([box.base.name for box in beside], found, nets)
        edge = beside[0].x
        lane = edge - _LANE * (len(lanes) - lanes.index(entity) + 1)
        rows = [(y, one.enforced) for box in beside for one, y in box.refers.items() if one.target == entity]
        arrivals = [box.entry for box in beside if box.base.name == entity]
        met = [*arrivals, *(y for y, _ in rows)]
        # A table that is referred to in its own column only needs no line along the top.
        top = _MARGIN + _LANE * place if len(meeting) > 1 else min(met)
        ends.append(lane)
        yield _line(colour, lane, top, lane, max(met))
        for y, enforced in rows:
            yield _line(colour, lane, y, edge, y, dashed=not enforced)
            yield _dot(colour, lane, y)
        for y in arrivals:
            yield _line(colour, lane, y, edge - 5, y)
            yield f'<path d="M{edge} {y} l-9 -5 v10 z" fill="{colour}"/>'
        yield _dot(colour, lane, top)
    if len(meeting) > 1:
        yield _line(colour, min(ends), top, max(ends), top)


def _line(colour: str, x1: int, y1: int, x2: int, y2: int, *, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<path d="M{x1} {y1} L{x2} {y2}" stroke="{colour}" stroke-width="1.5" fill="none"{dashes}/>'


def _dot(colour: str, x: int, y: int) -> str:
    return f'<circle cx="{x}" cy="{y}" r="2.6" fill="{colour}"/>'


def _drawn(box: _Box, contracts: Contracts, colours: Mapping[str, str]) -> Iterator[str]:
    base, x, y = box.base, box.x, box.y
    frame = f'x="{x}" y="{y}" width="{_WIDTH}" rx="4"'
    yield f'<rect {frame} height="{box.height}" fill="#f8fafc" stroke="#334155"/>'
    yield f'<rect {frame} height="{_HEAD}" fill="#334155"/>'
    yield _text(x + 10, y + 20, base.title, "#ffffff", size=15, bold=True)
    yield _text(x + _WIDTH - 10, y + 20, base.name, "#cbd5e1", end=True)
    y += _HEAD
    for key in base.keys:
        yield _text(x + 10, y + 16, base.by_name[key].title, "#0f172a", bold=True)
        yield _text(x + _WIDTH - 10, y + 16, "主键", "#64748b", end=True)
        y += _ROW
    for one in box.refers:
        yield _text(x + 10, y + 16, base.by_name[one.column].title, "#0f172a")
        title = contracts.base[one.target].title
        yield _text(x + _WIDTH - 10, y + 16, f"→ {title}", colours[one.target], end=True)
        y += _ROW
    others = len(base.columns) - len(base.keys) - len(box.refers)
    yield _text(x + 10, y + 15, f"另 {others} 列", "#64748b", size=12)


def _text(x: int, y: int, text: str, colour: str, *, size: int = 13, bold: bool = False, end: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}"{weight}{anchor}>{escape(text)}</text>'


def _legend(y: int) -> Iterator[str]:
    yield _line("#334155", _MARGIN, y, _MARGIN + 36, y)
    yield _text(_MARGIN + 44, y + 5, "由数据库保证的引用", "#334155")
    yield _line("#334155", _MARGIN + 200, y, _MARGIN + 236, y, dashed=True)
    yield _text(_MARGIN + 244, y + 5, "照部门所填的引用，找不到的另行统计", "#334155")
