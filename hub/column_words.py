"""What people are told of a column, in Chinese: its codes, its sources in their order, its grade.

Comments in the database and the pages of `docs/dictionary/` say the same because both ask here.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from hub.contracts import BaseContract, Column, Contracts

__all__ = ["GRADES", "KINDS", "codes_told", "column_comment", "fillers", "source_title", "standards", "table_comment"]

GRADES: Mapping[str, str] = {"L1": "一级", "L2": "二级", "L3": "三级", "L4": "四级"}
"""Grade of a contract -> as people say it; the higher, the closer the hand on it."""

KINDS: Mapping[str, str] = {
    "string": "文本",
    "integer": "整数",
    "number": "小数",
    "boolean": "是否",
    "date": "日期",
    "timestamp": "日期时间",
    "geometry": "图形（CGCS2000）",
}
"""Type of a contract -> as people say it."""

_FEW = 9
"""A list of so many codes is written out."""


@cache
def standards(root: Path, codelist: str) -> tuple[str, ...]:
    """Where a code list comes from: standards, or the hub itself."""
    with (root / "schemas" / "codelists" / f"{codelist}.csv").open(encoding="utf-8", newline="") as lines:
        named = dict.fromkeys(row.get("source") or "" for row in csv.DictReader(lines))
    return tuple("中枢自定" if name == "hub" else name for name in named if name)


def codes_told(contracts: Contracts, codelist: str) -> str:
    """A code list in one phrase: its name, its standard, and its codes where they are few."""
    known = contracts.codelists[codelist]
    phrase = "；".join((codelist, *standards(contracts.root, codelist)))
    if len(known.titles) > _FEW:
        return f"{phrase}；{len(known.titles)} 项"
    return f"{phrase}；" + "，".join(f"{code} {title}" for code, title in known.titles.items())


def fillers(contracts: Contracts, base: BaseContract, column: str) -> tuple[str, ...]:
    """Tails of the sources that can fill a column of a base table, the winner first; none: the hub reckons it."""
    able = [
        source.tail
        for source in contracts.sources.values()
        for feed in source.feeds
        if feed.entity == base.name and (column in feed.constants or feed.mapping.get(column, column) in source.by_name)
    ]
    if base.reference and column in base.reference["map"]:
        able.append(f"codelists/{base.reference['codelist']}")
    ranked = base.ranked(column)
    order = {tail: place for place, tail in enumerate(ranked)}
    return tuple(sorted(dict.fromkeys(able), key=lambda tail: (order.get(tail, len(ranked)), tail)))


def source_title(contracts: Contracts, tail: str) -> str:
    """The department and the dataset in Chinese."""
    source = contracts.sources.get(tail)
    if source is None:
        return "区划代码表" if tail.startswith("codelists/") else tail
    system = contracts.systems.get(source.department)
    return f"{system.title if system else source.department}{source.title}"


def column_comment(contracts: Contracts, base: BaseContract, column: Column) -> str:
    """What the database says of a column: title, code list, sources, grade."""
    parts = [column.title]
    if column.codelist:
        parts.append(f"代码：{codes_told(contracts, column.codelist)}")
    found = fillers(contracts, base, column.name)
    named = "、".join(source_title(contracts, tail) for tail in found)
    parts.append(f"来源{'（依次优先）' if len(found) > 1 else ''}：{named or '中枢计算'}")
    parts.append(f"分级：{GRADES.get(column.grade, column.grade)}")
    return "。".join(parts)


def table_comment(contracts: Contracts, base: BaseContract) -> str:
    """What the database says of a table: title, what it is for, its key."""
    key = "、".join(base.by_name[name].title for name in base.keys)
    return "。".join(part for part in (base.title, base.purpose, f"主键：{key}") if part)
