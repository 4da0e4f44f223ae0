"""Spoiled files: whatever bytes a delivery has, it is read or set aside, and nothing else happens.

10,000 spoiled files each of the kinds whose parsers are Python's; of those that Rust, Arrow or GDAL open, fewer, so
that all take less than a minute. Seeded: a failure names the number of the file and comes again.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import xlsxwriter
from pyogrio.raw import write

from connectors.base import Connection, Offer, Request, Withheld, connect
from connectors.csv_file import csv_rows
from connectors.errors import RetryError, SetAsideError
from connectors.excel import excel_rows
from connectors.fixed_width import fixed_width_rows
from connectors.json_lines import json_lines_batches
from connectors.parquet_file import parquet_batches, row_group_chunks
from connectors.zipped import unpacked
from tests.connectors.biff import xls

MANY, SOME, FEW = 10_000, 1_500, 300
WHERE = "t/d, f"
LINES = [("320305199001010011", "张三", "湖㳇镇"), ("320305199001010038", "李四，“甲”", "贾汪区\n二楼")]
CRUMBS = (
    *(b"", b"\0", b'"', b",", b"\t", b"\r", b"\n", b"\xff", b"\xff\xff", b"<", b">", b"{", b"}", b"[", b"]", b"\\u"),
    *(b"</table>", b"<td rowspan=0 colspan=99999>", b"<!--", b"<![", b"&#x110000;", b"1e999", b"\\ud800", b"\x80\x80"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f", "镇".encode("gb18030"), b"PK\x01\x02"),
)


def spoiled(content: bytes, chance: random.Random) -> bytes:
    """Change some bytes: overwritten, put in, taken out, repeated, or the end cut off."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        start = chance.randrange(len(found) + 1)
        end = min(len(found), start + chance.choice((1, 1, 2, 8, 64)))
        what = chance.randrange(6)
        if what == 0 and start < len(found):
            found[start] = chance.randrange(256)
        elif what == 1:
            found[start:start] = chance.choice(CRUMBS)
        elif what == 2:
            del found[start:end]
        elif what == 3:
            found[start:start] = found[start:end]
        elif what == 4:
            found[start:end] = chance.choice(CRUMBS)
        elif chance.random() < 0.3:
            del found[start:]
    return bytes(found)


def met(path: Path, contents: Iterator[bytes], read: Callable[[Path], Any]) -> Counter[str]:
    """Read each content and count what became of it; another error than ours fails with the content's number."""
    found: Counter[str] = Counter()
    for number, content in enumerate(contents):
        path.write_bytes(content)
        try:
            read(path)
            found["read"] += 1
        except SetAsideError as error:
            found["message with a path" if str(path.parent) in str(error) else error.reason] += 1
        except BaseException as error:
            raise AssertionError(f"file {number}: {type(error).__name__}: {error}") from error
    assert "message with a path" not in found
    return found


def of(content: bytes, count: int) -> Iterator[bytes]:
    chance = random.Random(20261124)  # noqa: S311
    return (spoiled(content, chance) for _ in range(count))


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
    found = met(tmp_path / name, of(content, MANY), read)
    assert found.total() == MANY
    assert found["read"] > MANY / 100
    assert found["encoding_invalid"] + found["unreadable"] > MANY / 100


def archive(member: bytes, level: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", level) as found:
        found.writestr("数据/a.csv", member)
        found.writestr("b.txt", b"x" * 50)
    return target.getvalue()


@pytest.mark.parametrize(
    ("level", "count"), [(zipfile.ZIP_DEFLATED, MANY // 2), (zipfile.ZIP_STORED, MANY // 2), (zipfile.ZIP_LZMA, FEW)]
)
def test_spoiled_archives(level: int, count: int, tmp_path: Path) -> None:
    def read(path: Path) -> None:
        with unpacked(path, request(member="*.csv"), WHERE) as member:
            member.read_bytes()

    content = archive(CSV.encode("gb18030"), level)
    found = met(tmp_path / "f.zip", of(content, count), read)
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
    content = workbook(tmp_path)
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        parts = {info.filename: whole.read(info) for info in whole.infolist()}

    def contents() -> Iterator[bytes]:
        chance = random.Random(20261124)  # noqa: S311
        for number in range(SOME):
            if number % 2:
                yield spoiled(content, chance)
                continue
            target = io.BytesIO()
            name = chance.choice(sorted(parts))
            with zipfile.ZipFile(target, "w") as found:
                for part, text in parts.items():
                    found.writestr(part, spoiled(text, chance) if part == name else text)
            yield target.getvalue()

    found = met(tmp_path / "f.xlsx", contents(), lambda path: list(excel_rows(path, request(), WHERE, {})))
    assert found["read"] > SOME / 20
    assert found["unreadable"] > SOME / 20


def test_spoiled_old_workbooks(tmp_path: Path) -> None:
    """Each in a process of its own, for some end it."""
    content = xls([("a", "b", "c"), *LINES])
    found = met(tmp_path / "f.xls", of(content, FEW), lambda path: list(excel_rows(path, request(), WHERE, {})))
    assert found["read"] > FEW / 20
    assert found["unreadable"] > FEW / 20


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_spoiled_parquet(compression: str, tmp_path: Path) -> None:
    columns = {"a": pa.array([line[0] for line in LINES] * 20), "b": pa.array(range(40)), "c": pa.array([[1.5]] * 40)}
    pq.write_table(pa.table(columns), tmp_path / "whole", row_group_size=15, compression=compression)

    def read(path: Path) -> None:
        chunks, _ = row_group_chunks(path, WHERE)
        for chunk in chunks:
            for batch in parquet_batches(path, request(), WHERE, {}, chunk):
                batch.to_pylist()

    found = met(tmp_path / "f.parquet", of((tmp_path / "whole").read_bytes(), SOME), read)
    assert found["unreadable"] > SOME / 10


GEO = {
    "shp": ("ESRI Shapefile", "EPSG:4490"),
    "dbf": ("ESRI Shapefile", "EPSG:4490"),
    "shx": ("ESRI Shapefile", "EPSG:4490"),
    "prj": ("ESRI Shapefile", "EPSG:4490"),
    "gpkg": ("GPKG", "EPSG:4490"),
    "geojson": ("GeoJSON", "EPSG:4326"),
}


@pytest.mark.parametrize("suffix", GEO)
def test_spoiled_maps(suffix: str, tmp_path: Path) -> None:
    """GDAL opens a real file each time, so only some hundred of a kind."""
    driver, crs = GEO[suffix]
    main = tmp_path / f"f.{'shp' if driver == 'ESRI Shapefile' else suffix}"
    shapes = shapely.to_wkb(np.array([shapely.box(117 + n / 10, 34, 117.05 + n / 10, 34.05) for n in range(8)]))
    names = np.array([line[1] for line in LINES] * 4, dtype=object)
    options: dict[str, Any] = {"encoding": "GB18030"} if driver == "ESRI Shapefile" else {}
    write(
        main,
        shapes,
        [names, np.arange(8)],
        np.array(["a", "b"]),
        driver=driver,
        crs=crs,
        geometry_type="Polygon",
        **options,
    )
    part = main.with_suffix(f".{suffix}")
    pull = {"pattern": main.name, "crs": crs, "encoding": "gb18030"}
    asked = Request("t/d", ("a", "b", "geometry"), pull)
    connector = connect(Connection("t", "drop", "geo_file", str(tmp_path)))

    def read(_: Path) -> None:
        (offer,) = connector.offers(asked, None)
        if isinstance(offer, Withheld):
            raise SetAsideError(WHERE, "", "", "", offer.reason)
        assert isinstance(offer, Offer)
        for batch in offer.read():
            batch.to_pylist()

    found = met(part, of(part.read_bytes(), FEW), read)
    assert found.total() == FEW
    assert found["read"] < FEW


def test_other_errors_would_be_seen(tmp_path: Path) -> None:
    def fails(_: Path) -> None:
        raise RetryError(WHERE, "", "", "")

    with pytest.raises(AssertionError, match="file 0: RetryError"):
        met(tmp_path / "f", of(b"x", 1), fails)
