"""Spoiled workbooks whose XML is read as a stream: read or set aside, and nothing else happens."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors import workbooks
from connectors.base import Request
from connectors.excel import excel_rows
from tests.connectors.fuzz import PERSON, chances, met, of, spoiled, tries, unhurried, written
from tests.connectors.raw_xlsx import raw_xlsx
from tests.connectors.test_xml_workbook import book, cell, row

pytestmark = unhurried

REQUEST = Request("t/d", ("a", "b"), {"fill_down": ["a"]})


def test_spoiled_xml_workbooks(tmp_path: Path) -> None:
    rows = row(cell("a"), cell("b"), Index=2) + row(cell("1", MergeDown=1), cell(PERSON)) + row(cell("x", Index=2))
    content = book(rows + row(cell("2", "Number"), cell("2026-10-01T00:00:00.000", "DateTime"))).encode("gb18030")
    path, count = tmp_path / "f.xls", tries(3_000)
    attempts = written(path, of(content, count))
    found = met(attempts, lambda: list(excel_rows(path, REQUEST, "t/d, f", {})), tmp_path)
    assert found["read"] > count / 20
    assert found["unreadable"] > count / 20


def test_spoiled_workbooks_as_a_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "_SMALL", 0)
    head = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
    body = '<row r="3"><c r="A3" s="1"><v>44927.5</v></c><c r="B3" t="inlineStr"><is><r><t>x</t></r></is></c></row>'
    styles = '<numFmts><numFmt numFmtId="200" formatCode="yyyy"/></numFmts><cellXfs><xf numFmtId="0"/>'
    texts = f"<si><t>a</t></si><si><t>b</t></si><si><t>{PERSON}</t></si>"
    whole = raw_xlsx(
        tmp_path / "whole.xlsx", head + body, texts=texts, styles=styles + '<xf numFmtId="200"/></cellXfs>'
    )
    with zipfile.ZipFile(whole) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist() if info.filename.startswith("xl/")}
    path, count = tmp_path / "f.xlsx", tries(2_000)

    def contents() -> Iterator[bytes]:
        chance = chances("sheets")
        for _ in range(count):
            target, name = io.BytesIO(), chance.choice(sorted(parts))
            with zipfile.ZipFile(target, "w") as found:
                for part, text in parts.items():
                    found.writestr(part, spoiled(text, chance) if part == name else text)
            yield target.getvalue()

    found = met(written(path, contents()), lambda: list(excel_rows(path, REQUEST, "t/d, f", {})), tmp_path)
    assert found["read"] > count / 20
    assert found["unreadable"] > count / 20
