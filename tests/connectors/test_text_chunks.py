"""Text files in chunks of rows: together they are the file, wherever they are cut."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import text_chunks
from connectors.base import Chunk, Connection, Request
from connectors.csv_file import csv_rows
from connectors.errors import SetAsideError
from connectors.fixed_width import fixed_width_rows
from connectors.json_lines import json_lines_batches
from connectors.text_chunks import FIRST, TextChunk
from tests.connectors.suite import Source, begun, offer_of, rows_of, step, walked

Cells = list[str | None]
Reader = Callable[[Path, TextChunk], list[Cells]]
REQUEST = Request("t/d", ("a", "b"), {"encoding": "gb18030"})
COLUMNS = [{"name": "a", "start": 1, "width": 24}, {"name": "b", "start": 25, "width": 24}]


def cells_of(path: Path, chunk: TextChunk) -> list[Cells]:
    return list(csv_rows(path, REQUEST, "t/d, f", {}, chunk))


def cut(path: Path, chunk: TextChunk) -> list[Cells]:
    request = Request("t/d", ("a", "b"), {"encoding": "gb18030", "columns": COLUMNS})
    return list(fixed_width_rows(path, request, "t/d, f", {}, chunk))


def objects(path: Path, chunk: TextChunk) -> list[Cells]:
    batches = list(json_lines_batches(path, REQUEST, "t/d, f", {}, chunk))
    return [[row["a"], row["b"]] for row in pa.Table.from_batches(batches).to_pylist()]


def chunks_of(path: Path, read: Reader) -> Iterator[tuple[Chunk, list[Cells]]]:
    """Every chunk with its rows, each as another process finds it in the ledger."""
    following: Chunk | None = FIRST
    while following is not None:
        chunk = TextChunk(json.loads(json.dumps(following)))
        rows = read(path, chunk)
        yield following, rows
        note = chunk.note(("a", "b"))
        following = note if "at" in note else None


CELL = st.text(st.characters(codec="gb18030", exclude_categories=["Cc", "Cs"]), max_size=5).map(lambda t: t.strip(" "))
LINES = st.text(st.sampled_from('ab镇㳇"\r\n ;'), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(CELL | LINES, CELL), max_size=9),
    encoding=st.sampled_from(["gb18030", "utf-8-sig"]),
    size=st.integers(1, 4),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, str]], encoding: str, size: int, end: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b"])
    for row in rows:
        writer.writerow(row)
        text.write(end * (len(row[0]) % 2))  # a blank line here and there
    path = tmp_path / "f.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    monkeypatch.setattr(text_chunks, "_ROWS_A_CHUNK", size)
    found = [rows for _, rows in chunks_of(path, cells_of)]
    assert [len(part) for part in found[:-1]] == [size] * (len(found) - 1)
    assert [row for part in found for row in part] == cells_of(path, TextChunk()) == [list(row) for row in rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL), max_size=9), size=st.integers(1, 4), mark=st.booleans())
def test_fixed_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, str]], size: int, mark: bool
) -> None:
    encoding = "utf-8" if mark else "gb18030"
    lines = [b"".join(cell.encode(encoding)[:24].ljust(24) for cell in row) for row in rows]
    path = tmp_path / "f.txt"
    path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + b"".join(line + b"\r\n" for line in lines))
    monkeypatch.setattr(text_chunks, "_ROWS_A_CHUNK", size)
    found = [rows for _, rows in chunks_of(path, cut)]
    assert [row for part in found for row in part] == cut(path, TextChunk())
    assert len(found) == max(1, -(-len(rows) // size))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.tuples(CELL | LINES, CELL), max_size=9), size=st.integers(1, 4))
def test_json_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, str]], size: int) -> None:
    path = tmp_path / "f.jsonl"
    text = "".join(json.dumps({"a": a, "b": b}, ensure_ascii=False) + "\n" for a, b in rows)
    path.write_bytes(text.encode("gb18030"))
    monkeypatch.setattr(text_chunks, "_ROWS_A_CHUNK", size)
    found = [rows for _, rows in chunks_of(path, objects)]
    assert [row for part in found for row in part] == [list(row) for row in rows]


def test_no_empty_chunk_follows_the_last_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_chunks, "_ROWS_A_CHUNK", 2)
    path = tmp_path / "f.csv"
    path.write_bytes(b"a,b\n1,2\n3,4\n\n\n")
    assert [chunk for chunk, _ in chunks_of(path, cells_of)] == [{"rows": 0}]
    path.write_bytes(b"a,b\n1,2\n3,4\n\n\n5,6")
    assert [rows for _, rows in chunks_of(path, cells_of)] == [[["1", "2"], ["3", "4"]], [["5", "6"]]]


def test_lines_are_counted_over_all_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_chunks, "_ROWS_A_CHUNK", 1)
    path = tmp_path / "f.csv"
    path.write_bytes(b'a,b\n"x\ny",2\n3,4\n5,6\n7\n')
    with pytest.raises(SetAsideError, match="line 6 has 1 cells"):
        list(chunks_of(path, cells_of))


def test_column_met_in_the_first_chunk_only_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_chunks, "_ROWS_A_CHUNK", 1)
    path = tmp_path / "f.jsonl"
    path.write_text('{"a": 1, "b": 2}\n{"a": 3}\n{"a": 4, "c": 5}\n')
    source = source_of(tmp_path, "f.jsonl", format="json_lines")
    offer = offer_of(source)
    assert rows_of(offer) == [{"a": "1", "b": "2"}, {"a": "3", "b": None}, {"a": "4", "b": None}]
    assert offer.available == {"a": "json", "b": "json", "c": "json"}
    path.write_text('{"a": 1}\n{"a": 3}\n')
    with pytest.raises(SetAsideError, match=r"column\(s\) missing: b"):
        rows_of(offer_of(source))


def source_of(folder: Path, pattern: str, **options: Any) -> Source:
    given = {"pattern": pattern, "format": "csv", "encoding": "gb18030", **options}
    return Source(Connection("t", "drop", "file", str(folder)), Request("t/d", ("a", "b"), given), [])


@pytest.mark.parametrize("told", [2, 4])
def test_manifest_counts_the_rows_of_all_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: int) -> None:
    monkeypatch.setattr(text_chunks, "_ROWS_A_CHUNK", 2)
    (tmp_path / "f.csv").write_bytes(b"a,b\n1,2\n3,4\n5,6\n")
    (tmp_path / "f.json").write_text('{"rows": 3}')
    source = source_of(tmp_path, "f.csv", manifest=".json")
    assert len(rows_of(offer_of(source))) == 3
    (tmp_path / "f.json").write_text(f'{{"rows": {told}}}')
    with pytest.raises(SetAsideError, match=f"3 rows where the manifest tells {told}"):
        rows_of(offer_of(source))


def test_killed_at_any_chunk_another_process_reads_only_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_chunks, "_ROWS_A_CHUNK", 2)
    rows = "".join(f'{number},"镇\n{number}"\n' for number in range(7))
    (tmp_path / "f.csv").write_bytes(f"a,b\n{rows}".encode("gb18030"))
    source = source_of(tmp_path, "f.csv")
    whole = walked(offer_of(source))
    assert [note.get("rows") for note in whole.notes if note] == [2, 4, 6, 7]
    for read in range(1, 4):
        walk = begun(offer_of(source))
        before = offer_of(source)
        for _ in range(read):
            step(before, walk)
        later, asked = offer_of(source), list[Chunk]()
        walk = walk.through_json()
        while not walk.is_over:
            asked.append(walk.chunks[len(walk.notes)])
            step(later, walk)
        assert walk == whole
        assert len(asked) == 4 - read


def test_encoding_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_chunks, "_ROWS_A_CHUNK", 1)
    looked: list[str] = []
    monkeypatch.setattr("connectors.text_file.is_rather_utf8", lambda path, declared: looked.append(declared))
    (tmp_path / "f.csv").write_bytes(b"a,b\n1,2\n3,4\n5,6\n")
    assert len(rows_of(offer_of(source_of(tmp_path, "f.csv")))) == 3
    assert looked == ["gb18030"]
