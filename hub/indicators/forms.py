"""The one set of statistical tables (一套表): a workbook of a division and its parts, filled from the indicators."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import xlsxwriter

from hub.context import Hub
from hub.errors import StopError
from hub.exchange.extract import Followed, follow
from hub.indicators.datasets import DatasetState, dataset_states
from hub.indicators.formulas import Formula, formulas
from hub.indicators.suppression import LEAST_SHOWN
from hub.scorecard import DIMENSIONS
from hub.steps.publish import register_release

__all__ = ["HIDDEN", "Indicators", "read_indicators", "write_forms"]

HIDDEN = "—"
"""What a cell shows where few people would be told."""

_TITLE = "基层治理统计一套表"
_FIRST = ("区划代码", "区划名称")
_WIDTHS = (15, 24)


@dataclass(frozen=True)
class Indicators:
    """The indicators of a division and of those right below it, as released.

    Attributes:
        asked: The division.
        release: The release's number.
        as_of: Its day.
        names: Code -> name of each division, the whole first.
        rows: (division, indicator) -> the row of the table `indicator`.
    """

    asked: Followed
    release: int
    as_of: date
    names: Mapping[str, str]
    rows: Mapping[tuple[str, str], Mapping[str, Any]]

    def value(self, division: str, indicator: str) -> float | str | None:
        """What may be shown of an indicator: its value, `HIDDEN`, or None where it has none."""
        row = self.rows.get((division, indicator))
        return None if row is None else HIDDEN if row["is_suppressed"] else row["value"]


def read_indicators(hub: Hub, division: str) -> Indicators:
    """Read the indicators of a division, or of those that followed it, and of their parts from the live release.

    Raises:
        ScopeError: It is no division of this hub.
        StopError: There is no release with indicators yet.
    """
    asked = follow(hub, division)
    number = hub.ledger.newest_release()
    if number is None:
        raise StopError("indicators", "no release yet", "a release", "run `hub run` first")
    with hub.engine() as engine:
        release = register_release(hub, engine, number)
        if "indicator" not in release.tables:
            raise StopError(
                "indicators", f"release {number} has no indicators", "a release made since they exist", "run `hub run`"
            )
        table, divisions = engine.con.table("indicator"), engine.con.table("division")
        wanted = _wanted(asked)
        in_force = divisions.filter(divisions.division_code.isin(wanted) | divisions.parent_code.isin(wanted))
        in_force = in_force.filter(in_force.valid_to.isnull())
        named = in_force.select("division_code", "division_name").order_by("division_code").to_pyarrow().to_pylist()
        rows = table.filter(table.division_code.isin([row["division_code"] for row in named])).to_pyarrow().to_pylist()
        as_of = release.as_of_date
    return Indicators(
        asked,
        number,
        as_of,
        {row["division_code"]: row["division_name"] for row in named},
        {(row["division_code"], row["indicator_code"]): row for row in rows},
    )


def _wanted(asked: Followed) -> list[str]:
    return [head.ljust(12, "0") for head in asked.heads]


def write_forms(hub: Hub, division: str, output: Path, actor: str) -> int:
    """Write the set of tables of a division as XLSX: a sheet a topic, the division first, its parts below.

    Args:
        hub: The opened hub.
        division: A division's code, from the province's 2 digits to a village's 12; an ended one gives its successors.
        output: The file; it appears whole or not at all.
        actor: Who asks, for the audit record.

    Returns:
        How many cells were filled.

    Raises:
        ScopeError: It is no division of this hub.
        StopError: There is no release with indicators yet.
    """
    found, states = read_indicators(hub, division), dataset_states(hub)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as scratch:
        path = Path(scratch) / output.name
        with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
            cells = _Forms(book, found).write(states)
        path.chmod(0o600)
        path.replace(output)
    hub.ledger.audit("forms", actor, {"division": division, "release": found.release, "cells": cells})
    return cells


class _Forms:
    """Writes the sheets of one workbook."""

    def __init__(self, book: Any, found: Indicators) -> None:
        self.book, self.found = book, found
        self.bold = book.add_format({"bold": True, "font_size": 14, "align": "center"})
        middle = {"border": 1, "text_wrap": True, "valign": "vcenter"}
        self.head = book.add_format({**middle, "bold": True, "bg_color": "#DCE9F5", "align": "center"})
        self.text = book.add_format(middle)
        self.whole = book.add_format({"border": 1, "num_format": "#,##0", "align": "right"})
        self.figure = book.add_format({"border": 1, "num_format": "#,##0.00", "align": "right"})
        self.hidden = book.add_format({"border": 1, "align": "right"})

    def write(self, states: Sequence[DatasetState]) -> int:
        """Write every sheet and return how many cells were filled."""
        topics: dict[str, list[Formula]] = {}
        for one in formulas():
            topics.setdefault(one.topic, []).append(one)
        cells = sum(self._topic(number, topic, own) for number, (topic, own) in enumerate(topics.items(), 1))
        self._datasets(len(topics) + 1, states)
        self._explained(len(topics) + 2)
        return cells

    def _sheet(self, number: int, topic: str, headers: Sequence[str], widths: Sequence[int]) -> Any:
        """Begin a sheet: number and title, who and when, the header; data begin in row 4."""
        sheet = self.book.add_worksheet(f"表{number} {topic}")
        last = max(len(headers) - 1, 1)
        sheet.merge_range(0, 0, 0, last, f"{_TITLE} 表{number} {topic}", self.bold)
        sheet.merge_range(1, 0, 1, last, self._caption())
        for place, header in enumerate(headers):
            sheet.write_string(2, place, header, self.head)
            sheet.set_column(place, place, widths[place])
        sheet.freeze_panes(3, 2)
        sheet.set_paper(9)  # A4
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(2)
        return sheet

    def _caption(self) -> str:
        found = self.found
        whole = "、".join(found.names[code] for code in _wanted(found.asked) if code in found.names)
        parts = [
            f"填报单位：{whole}（{'、'.join(_wanted(found.asked))}）",
            f"数据日期：{found.as_of}",
            f"第{found.release}期",
            f"由基础数据自动生成，{HIDDEN} 为涉及不足{LEAST_SHOWN}人的数，不予显示",
            found.asked.note,
        ]
        return "    ".join(filter(None, parts))

    def _topic(self, number: int, topic: str, own: Sequence[Formula]) -> int:
        headers = [*_FIRST, "计入村居数", *(f"{one.title}（{one.unit}）" for one in own)]
        sheet = self._sheet(number, topic, headers, [*_WIDTHS, 10, *(14 for _ in own)])
        cells = 0
        for line, (code, name) in enumerate(self._ordered(), 3):
            sheet.write_string(line, 0, code, self.text)
            sheet.write_string(line, 1, name, self.text)
            counted = next((row["village_count"] for (at, _), row in self.found.rows.items() if at == code), None)
            self._cell(sheet, line, 2, counted)
            for place, one in enumerate(own, 3):
                value = self.found.value(code, one.code)
                self._cell(sheet, line, place, value)
                cells += value is not None
        return cells

    def _ordered(self) -> list[tuple[str, str]]:
        wholes = set(_wanted(self.found.asked))
        return sorted(self.found.names.items(), key=lambda item: (item[0] not in wholes, item[0]))

    def _cell(self, sheet: Any, line: int, place: int, value: float | str | None) -> None:
        if value is None:
            sheet.write_blank(line, place, None, self.text)
        elif isinstance(value, str):
            sheet.write_string(line, place, value, self.hidden)
        else:
            sheet.write_number(line, place, value, self.whole if float(value).is_integer() else self.figure)

    def _datasets(self, number: int, states: Sequence[DatasetState]) -> None:
        rates = [f"{title}（%）" for title in DIMENSIONS.values()]
        headers = ["数据集", "名称", "数源部门", "更新周期（天）", "最近更新", "数据鲜度（周期数）", "逾期", *rates]
        sheet = self._sheet(number, "数据鲜度和质量", headers, [30, 24, 18, 12, 12, 12, 8, *(12 for _ in rates)])
        for line, one in enumerate(states, 3):
            last = one.last.isoformat() if one.last else ""
            texts = (one.tail, one.title, one.department, one.cycle_days, last, one.freshness)
            shares = [None if share is None else round(share * 100, 2) for share in one.rates.values()]
            for place, value in enumerate([*texts, "是" if one.is_overdue else "否", *shares]):
                self._cell(sheet, line, place, value)

    def _explained(self, number: int) -> None:
        headers = ["指标代码", "指标名称", "表", "单位", "分子", "分母", "目标值", "依据或来源"]
        sheet = self._sheet(number, "指标说明", headers, [26, 34, 10, 14, 26, 34, 10, 50])
        for line, one in enumerate(formulas(), 3):
            facts = (one.code, one.title, one.topic, one.unit, one.numerator, one.denominator, one.target, one.clause)
            for place, value in enumerate(facts):
                self._cell(sheet, line, place, value)
