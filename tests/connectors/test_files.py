"""Deliveries of every format through the connector; the decoders' own cases are in tests of their names."""

from __future__ import annotations

import csv
import html
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from connectors import parquet_file, text_chunks
from connectors.base import BATCH_ROWS, Connection, Request, Withheld, connect
from connectors.errors import RetryError, SetAsideError, StopError
from tests.connectors.suite import HOSTILE_NAMES, SECRET, ConnectorSuite, Source, offer_of, rows_of, steps
from tests.connectors.test_drops import DROP, put

ROWS: list[dict[str, Any]] = [
    {"编号": "01", "姓名": "张　三", "住址": '湖㳇镇,"一"村'},
    {"编号": "02", "姓名": "", "住址": "第一行\n第二行"},
]
FIELDS = tuple(ROWS[0])


@pytest.fixture(autouse=True)
def chunks_of_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small enough that `many` rows of a text are more than one."""
    monkeypatch.setattr(text_chunks, "_ROWS_A_CHUNK", 20_000)


HOSTILE: list[dict[str, Any]] = [{name: f"{row}{name}" for name in HOSTILE_NAMES} for row in (1, 2)]


def source_of(folder: Path, rows: list[dict[str, Any]], fields: Sequence[str] = FIELDS, **options: Any) -> Source:
    connection = Connection("civil_affairs", "monthly_drop", "file", str(folder), SECRET)
    return Source(connection, Request("civil_affairs/roster", tuple(fields), options), rows)


def numbered(count: int = BATCH_ROWS + 1) -> list[dict[str, Any]]:
    return [{"编号": str(number), "姓名": "", "住址": ""} for number in range(count)]


def csv_text(rows: Sequence[dict[str, Any]], fields: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([fields, *(row.values() for row in rows)])
    return text.getvalue()


CSV = {"pattern": "名册_*.csv", "format": "csv", "encoding": "gb18030"}


def csv_source(folder: Path, rows: list[dict[str, Any]], text: str, fields: Sequence[str] = FIELDS) -> Source:
    (folder / "名册_202611.csv").write_bytes(text.encode("gb18030"))
    return source_of(folder, rows, fields, **CSV)


class TestCsv(ConnectorSuite):
    @pytest.fixture
    def source(self, drop: Path) -> Source:
        text = '编号,姓名,备注,住址\r\n01,张　三,x,"湖㳇镇,""一""村"\r\n\r\n02,,,"第一行\n第二行"\r\n'
        return csv_source(drop, ROWS, text)

    @pytest.fixture
    def empty(self, drop: Path) -> Source:
        return csv_source(drop, [], "编号,姓名,住址")

    @pytest.fixture
    def many(self, drop: Path) -> Source:
        return csv_source(drop, numbered(), csv_text(numbered(), FIELDS))

    @pytest.fixture
    def hostile(self, drop: Path) -> Source:
        return csv_source(drop, HOSTILE, csv_text(HOSTILE, HOSTILE_NAMES), HOSTILE_NAMES)


class TestZippedCsv(ConnectorSuite):
    """A CSV beside other members."""

    @staticmethod
    def zipped(folder: Path, rows: list[dict[str, Any]], fields: Sequence[str] = FIELDS) -> Source:
        with zipfile.ZipFile(folder / "名册_202611.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("说明.txt", "x")
            archive.writestr("数据/名册.csv", csv_text(rows, fields).encode("gb18030"))
        return source_of(folder, rows, fields, **CSV | {"pattern": "名册_*.zip", "member": "*.csv"})

    @pytest.fixture
    def source(self, drop: Path) -> Source:
        return self.zipped(drop, ROWS)

    @pytest.fixture
    def empty(self, drop: Path) -> Source:
        return self.zipped(drop, [])

    @pytest.fixture
    def many(self, drop: Path) -> Source:
        return self.zipped(drop, numbered())

    @pytest.fixture
    def hostile(self, drop: Path) -> Source:
        return self.zipped(drop, HOSTILE, HOSTILE_NAMES)


def excel_source(folder: Path, rows: list[dict[str, Any]], fields: Sequence[str] = FIELDS) -> Source:
    with xlsxwriter.Workbook(folder / "名册_202611.xlsx", {"strings_to_formulas": False}) as book:
        sheet = book.add_worksheet("名册")
        sheet.write(0, 0, "持证残疾人名册")
        for column, name in enumerate(("序号", *fields)):
            sheet.write_string(2, column, name)
        for number, row in enumerate(rows, start=3):
            for column, value in enumerate((number, *row.values())):
                sheet.write(number, column, value) if value is not None else None
    options = {"pattern": "名册_*.xlsx", "format": "excel", "sheet": "名册", "header_starts_with": fields[0]}
    return source_of(folder, rows, fields, **options)


class TestExcel(ConnectorSuite):
    @pytest.fixture
    def source(self, drop: Path) -> Source:
        return excel_source(drop, [ROWS[0], {**ROWS[1], "姓名": None}])

    @pytest.fixture
    def empty(self, drop: Path) -> Source:
        return excel_source(drop, [])

    @pytest.fixture
    def many(self, drop: Path) -> Source:
        return excel_source(drop, [{"编号": str(number)} for number in range(BATCH_ROWS + 1)])

    @pytest.fixture
    def hostile(self, drop: Path) -> Source:
        return excel_source(drop, HOSTILE, HOSTILE_NAMES)


class TestWebPageNamedXls(ConnectorSuite):
    @staticmethod
    def page(folder: Path, rows: list[dict[str, Any]], fields: Sequence[str] = FIELDS) -> Source:
        lines = [fields, *(row.values() for row in rows)]
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell or '').replace(chr(10), '<br>')}</td>" for cell in line) + "\n"
            for line in lines
        )
        text = f"<html><meta charset=gb2312><body><table border=1>{body}</table></body></html>"
        (folder / "名册_202611.xls").write_bytes(text.encode("gb18030"))
        return source_of(folder, rows, fields, pattern="名册_*.xls", format="excel")

    @pytest.fixture
    def source(self, drop: Path) -> Source:
        return self.page(drop, [ROWS[0], {**ROWS[1], "姓名": None}])

    @pytest.fixture
    def empty(self, drop: Path) -> Source:
        return self.page(drop, [])

    @pytest.fixture
    def many(self, drop: Path) -> Source:
        return self.page(drop, [{"编号": str(number), "姓名": None, "住址": None} for number in range(BATCH_ROWS + 1)])

    @pytest.fixture
    def hostile(self, drop: Path) -> Source:
        return self.page(drop, HOSTILE, HOSTILE_NAMES)


class TestFixedWidth(ConnectorSuite):
    """Places are counted in bytes of GB18030, in which 㳇 takes four."""

    ROWS = (ROWS[0], {"编号": "02", "姓名": "", "住址": "x"})

    @staticmethod
    def text(folder: Path, rows: Sequence[dict[str, Any]], fields: Sequence[str] = FIELDS) -> Source:
        columns = [{"name": name, "start": 1 + 30 * place, "width": 30} for place, name in enumerate(fields)]
        lines = [b"".join(cell.encode("gb18030").ljust(30) for cell in row.values()) for row in rows]
        (folder / "RK_202611.txt").write_bytes(b"".join(line + b"\r\n" for line in lines))
        options = {"pattern": "RK_*.txt", "format": "fixed_width", "encoding": "gb18030", "columns": columns}
        return source_of(folder, list(rows), fields, **options)

    @pytest.fixture
    def source(self, drop: Path) -> Source:
        return self.text(drop, self.ROWS)

    @pytest.fixture
    def empty(self, drop: Path) -> Source:
        return self.text(drop, [])

    @pytest.fixture
    def many(self, drop: Path) -> Source:
        return self.text(drop, numbered())

    @pytest.fixture
    def hostile(self, drop: Path) -> Source:
        return self.text(drop, HOSTILE, HOSTILE_NAMES)


class TestJsonLines(ConnectorSuite):
    @staticmethod
    def lines(folder: Path, rows: list[dict[str, Any]], fields: Sequence[str] = FIELDS) -> Source:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / "名册_202611.jsonl").write_text(text, encoding="utf-8")
        return source_of(folder, rows, fields, pattern="名册_*.jsonl", format="json_lines")

    @pytest.fixture
    def source(self, drop: Path) -> Source:
        return self.lines(drop, [ROWS[0], {**ROWS[1], "姓名": None}])

    @pytest.fixture
    def empty(self, drop: Path) -> Source:
        return self.lines(drop, [])

    @pytest.fixture
    def many(self, drop: Path) -> Source:
        return self.lines(drop, numbered())

    @pytest.fixture
    def hostile(self, drop: Path) -> Source:
        return self.lines(drop, HOSTILE, HOSTILE_NAMES)


class TestParquet(ConnectorSuite):
    """Read by chunks of row groups."""

    @pytest.fixture(autouse=True)
    def small_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquet_file, "_ROWS_A_CHUNK", 40_000)

    @staticmethod
    def table(folder: Path, rows: list[dict[str, Any]], fields: Sequence[str] = FIELDS) -> Source:
        columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in fields}
        table = pa.table({**columns, "备注": pa.array([1.5] * len(rows), pa.float64())})
        pq.write_table(table, folder / "名册_202611.parquet", row_group_size=30_000)
        return source_of(folder, rows, fields, pattern="名册_*.parquet", format="parquet")

    @pytest.fixture
    def source(self, drop: Path) -> Source:
        return self.table(drop, [ROWS[0], {**ROWS[1], "姓名": None}])

    @pytest.fixture
    def empty(self, drop: Path) -> Source:
        return self.table(drop, [])

    @pytest.fixture
    def many(self, drop: Path) -> Source:
        return self.table(drop, numbered(65_537))

    @pytest.fixture
    def hostile(self, drop: Path) -> Source:
        return self.table(drop, HOSTILE, HOSTILE_NAMES)

    def test_chunks_are_neighbouring_row_groups(self, many: Source) -> None:
        offer = offer_of(many)
        assert offer.parallel
        assert list(offer.plan()) == [{"row_groups": [0, 2]}, {"row_groups": [2, 3]}]
        assert [sum(batch.num_rows for batch in offer.read(chunk)) for chunk in offer.plan()] == [60_000, 5_537]
        assert offer.expected_rows == len(many.rows)

    def test_half_a_file_is_withheld(self, source: Source, drop: Path) -> None:
        path = drop / "名册_202611.parquet"
        path.write_bytes(path.read_bytes()[:-9])
        (found,) = connect(source.connection).offers(source.request, None)
        assert isinstance(found, Withheld)
        assert found.reason == "unreadable"

    def test_manifest_is_held_against_the_file_before_it_is_read(self, source: Source, drop: Path) -> None:
        (drop / "名册_202611.json").write_text('{"rows": 3}')
        asked = Request(source.request.tail, FIELDS, {**source.request.options, "manifest": ".json"})
        (found,) = connect(source.connection).offers(asked, None)
        assert isinstance(found, Withheld)
        assert (found.reason, "2 rows where the manifest tells 3" in found.message) == ("manifest_count", True)

    def test_zipped_it_is_one_chunk(self, source: Source, drop: Path) -> None:
        with zipfile.ZipFile(drop / "名册.zip", "w") as archive:
            archive.write(drop / "名册_202611.parquet", "a.parquet")
        pull = {"pattern": "名册.zip", "format": "parquet", "member": "*.parquet"}
        offer = offer_of(Source(source.connection, Request(source.request.tail, FIELDS, pull), source.rows))
        assert list(offer.plan()) == [{}]
        assert rows_of(offer) == source.rows


def dropped(folder: Path, **options: Any) -> Source:
    given = {"pattern": "WJ_*.csv", "format": "csv", "encoding": "gb18030", **DROP, **options}
    connection = Connection("health", "daily_drop", "file", str(folder))
    return Source(connection, Request("health/death", ("a",), given, "increment"), [])


def test_offer_tells_what_the_manifest_tells(drop: Path) -> None:
    put(drop, "WJ_1")
    offer = offer_of(dropped(drop))
    assert (offer.name, offer.expected_rows) == ("WJ_1.csv", 1)
    assert rows_of(offer) == [{"a": "1"}]


@pytest.mark.parametrize("told", [0, 2])
def test_wrong_manifest_count_sets_the_delivery_aside(drop: Path, told: int) -> None:
    put(drop, "WJ_1", rows=told)
    with pytest.raises(SetAsideError, match=f"1 rows where the manifest tells {told}") as caught:
        rows_of(offer_of(dropped(drop)))
    assert caught.value.reason == "manifest_count"


def test_withheld_is_passed_on_and_the_rest_is_offered(drop: Path) -> None:
    put(drop, "WJ_1")
    put(drop, "WJ_2").with_suffix(".ok").unlink()
    source = dropped(drop)
    first, second = connect(source.connection).offers(source.request, None)
    assert not isinstance(first, Withheld)
    assert isinstance(second, Withheld)


def test_available_names_columns_nobody_asked_for(drop: Path) -> None:
    put(drop, "WJ_1", b"a,b\r\n1,2\r\n")
    offer = offer_of(dropped(drop))
    list(steps(offer))
    assert offer.available == {"a": "text", "b": "text"}


def test_local_store_needs_no_mark(drop: Path) -> None:
    put(drop, "WJ_1")
    offer = offer_of(dropped(drop))
    assert offer.mark([None]) is None


def test_file_written_to_while_it_is_read_is_an_outage(drop: Path) -> None:
    path = put(drop, "WJ_1")
    offer = offer_of(dropped(drop))
    stream = offer.read()
    next(stream)
    path.write_bytes(path.read_bytes() + b"2\r\n")
    with pytest.raises(RetryError, match="it changed while it was read"):
        list(stream)


def test_file_that_went_is_an_outage(drop: Path) -> None:
    path = put(drop, "WJ_1")
    offer = offer_of(dropped(drop))
    path.unlink()
    with pytest.raises(RetryError, match=r"WJ_1\.csv: FileNotFoundError"):
        rows_of(offer)


def test_unknown_format_stops(drop: Path) -> None:
    with pytest.raises(StopError, match=r"format: 'word' is none; allowed: csv, excel, fixed_width, js"):
        offer_of(dropped(drop, format="word"))
