"""Spoiled files: whatever bytes a delivery has, it is read or set aside, and nothing else happens."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from connectors.base import Connection, Offer, Request, Withheld, connect
from connectors.csv_file import csv_rows
from connectors.drops import file_digest
from connectors.errors import RetryError, SetAsideError
from connectors.excel import excel_rows
from connectors.fixed_width import fixed_width_rows
from connectors.json_lines import json_lines_batches
from connectors.parquet_file import parquet_batches, row_group_chunks
from connectors.zipped import unpacked
from tests.connectors.biff import xls
from tests.connectors.fuzz import PERSON, chances, met, of, spoiled, tries, unhurried, written

pytestmark = unhurried

WHERE = "t/d, f"
LINES = [("320305199001010011", PERSON, "湖㳇镇"), ("320305199001010038", "李四，“甲”", "贾汪区\n二楼")]


def request(**options: Any) -> Request:
    return Request("t/d", ("a", "b", "c"), options)


CSV = "a,b,c\r\n" + "".join(f'{a},"{b}","{c}"\r\n' for a, b, c in LINES) * 3
PAGE = (
    '<html><meta charset="gb2312"><body><table border=1><tr><th>a</th><th>b</th><th>c</th></tr>'
    + "".join(f"<tr><td rowspan=2>{a}</td><td>{b}</td><td colspan=2>{c}</td></tr><tr><td>x</tr>" for a, b, c in LINES)
    + "</table></body></html>"
)
TABS = "a\tb\tc\r\n" + "".join(f"{a}\t{b}\tx\r\n" for a, b, _ in LINES)
JSON = "".join(json.dumps({"a": a, "b": [1.50, {"x": b}], "c": len(c)}, ensure_ascii=False) + "\n" for a, b, c in LINES)
FIXED = b"".join(a.encode() + b.encode("gb18030").ljust(20) + b"x\r\n" for a, b, _ in LINES)
COLUMNS = [
    {"name": "a", "start": 1, "width": 18},
    {"name": "b", "start": 19, "width": 20},
    {"name": "c", "start": 39, "width": 1},
]

PURE: dict[str, tuple[str, bytes, Callable[[Path], Any]]] = {
    "csv": (
        "f.csv",
        CSV.encode("gb18030"),
        lambda path: list(csv_rows(path, request(encoding="gb18030"), WHERE, {})),
    ),
    "web page": ("f.xls", PAGE.encode("gb18030"), lambda path: list(excel_rows(path, request(), WHERE, {}))),
    "text of tabs": ("f.xls", TABS.encode("gb18030"), lambda path: list(excel_rows(path, request(), WHERE, {}))),
    "fixed width": (
        "f.txt",
        FIXED,
        lambda path: list(fixed_width_rows(path, request(encoding="gb18030", columns=COLUMNS), WHERE, {})),
    ),
    "json lines": ("f.jsonl", JSON.encode(), lambda path: list(json_lines_batches(path, request(), WHERE, {}))),
}


@pytest.mark.parametrize("kind", PURE)
def test_spoiled_texts(kind: str, tmp_path: Path) -> None:
    name, content, read = PURE[kind]
    path, count = tmp_path / name, tries(4_000)
    found = met(written(path, of(content, count)), lambda: read(path), tmp_path)
    assert found.total() == count
    assert found["read"] > count / 100
    assert found["encoding_invalid"] + found["unreadable"] > count / 100


def archive(member: bytes, level: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", level) as found:
        found.writestr("数据/a.csv", member)
        found.writestr("b.txt", b"x" * 50)
    return target.getvalue()


@pytest.mark.parametrize(
    ("level", "usual"), [(zipfile.ZIP_DEFLATED, 2_500), (zipfile.ZIP_STORED, 2_500), (zipfile.ZIP_LZMA, 300)]
)
def test_spoiled_archives(level: int, usual: int, tmp_path: Path) -> None:
    path, count = tmp_path / "f.zip", tries(usual)

    def read() -> None:
        with unpacked(path, request(member="*.csv"), WHERE) as member:
            member.read_bytes()

    found = met(written(path, of(archive(CSV.encode("gb18030"), level), count)), read, tmp_path)
    assert found["unreadable"] > count / 10


def workbook(folder: Path) -> bytes:
    with xlsxwriter.Workbook(folder / "whole.xlsx") as book:
        sheet = book.add_worksheet("s")
        for number, row in enumerate([("a", "b", "c"), *LINES]):
            sheet.write_row(number, 0, row)
        sheet.merge_range(4, 0, 5, 1, "x")
    return (folder / "whole.xlsx").read_bytes()


def test_spoiled_workbooks(tmp_path: Path) -> None:
    """Half of them with whole archives around spoiled parts, or no parser would be reached."""
    content, count = workbook(tmp_path), tries(1_500)
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        parts = {info.filename: whole.read(info) for info in whole.infolist()}

    def contents() -> Iterator[bytes]:
        chance = chances("workbooks")
        for number in range(count):
            if number % 2:
                yield spoiled(content, chance)
                continue
            target = io.BytesIO()
            name = chance.choice(sorted(parts))
            with zipfile.ZipFile(target, "w") as found:
                for part, text in parts.items():
                    found.writestr(part, spoiled(text, chance) if part == name else text)
            yield target.getvalue()

    path = tmp_path / "f.xlsx"
    found = met(written(path, contents()), lambda: list(excel_rows(path, request(), WHERE, {})), tmp_path)
    assert found["read"] > count / 20
    assert found["unreadable"] > count / 20


def test_spoiled_old_workbooks(tmp_path: Path) -> None:
    """Each in a process of its own, for some end it."""
    path, count = tmp_path / "f.xls", tries(200)
    attempts = written(path, of(xls([("a", "b", "c"), *LINES]), count))
    found = met(attempts, lambda: list(excel_rows(path, request(), WHERE, {})), tmp_path)
    assert found["read"] > count / 20
    assert found["unreadable"] > count / 20


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_spoiled_parquet(compression: str, tmp_path: Path) -> None:
    columns = {"a": pa.array([line[0] for line in LINES] * 20), "b": pa.array(range(40)), "c": pa.array([[1.5]] * 40)}
    pq.write_table(pa.table(columns), tmp_path / "whole", row_group_size=15, compression=compression)
    path, count = tmp_path / "f.parquet", tries(1_500)

    def read() -> None:
        chunks, _ = row_group_chunks(path, WHERE)
        for chunk in chunks:
            for batch in parquet_batches(path, request(), WHERE, {}, chunk):
                batch.to_pylist()

    found = met(written(path, of((tmp_path / "whole").read_bytes(), count)), read, tmp_path)
    assert found["unreadable"] > count / 10


@pytest.mark.parametrize("suffix", [".md5", ".manifest.json", ".ok"])
def test_spoiled_companions(suffix: str, tmp_path: Path) -> None:
    """Markers, digests and manifests: the delivery is read as it is, or withheld."""
    (tmp_path / "f.csv").write_bytes(b"a,b,c\r\n1,2,3\r\n")
    digest = file_digest("md5", [tmp_path / "f.csv"])
    whole = {".md5": f"{digest}  f.csv\n".encode(), ".manifest.json": b'{"rows": 1, "of": "f"}', ".ok": b"done"}
    agreed = {"digest": ".md5", "manifest": ".manifest.json", "marker": ".ok"}
    role = next(role for role, ending in agreed.items() if ending == suffix)
    asked = request(pattern="f.csv", format="csv", encoding="gb18030", **{role: suffix})
    connector, count = connect(Connection("t", "drop", "file", str(tmp_path))), tries(500)

    def read() -> None:
        (offer,) = connector.offers(asked, None)
        if isinstance(offer, Withheld):
            raise SetAsideError(WHERE, offer.message, "", "", offer.reason)
        assert isinstance(offer, Offer)
        assert [batch.to_pylist() for batch in offer.read()] == [[{"a": "1", "b": "2", "c": "3"}]]

    found = met(written(tmp_path / f"f{suffix}", of(whole[suffix], count)), read, tmp_path)
    # What a marker holds does not matter.
    assert (found["read"] == count) == (suffix == ".ok")
    assert found["read"] > count / 50


def test_other_errors_would_be_seen(tmp_path: Path) -> None:
    def fails() -> None:
        raise RetryError(WHERE, "", "", "")

    with pytest.raises(AssertionError, match="attempt 0: RetryError"):
        met(written(tmp_path / "f", of(b"x", 1)), fails)


def test_a_person_in_a_message_would_be_seen() -> None:
    def fails() -> None:
        raise SetAsideError(WHERE, f"a row of {PERSON}", "", "", "unreadable")

    with pytest.raises(AssertionError):
        met([None], fails)
