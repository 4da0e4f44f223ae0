"""CSV and Excel deliveries through the connector; the decoders' own cases are in test_csv_file and test_excel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from connectors.base import BATCH_ROWS, Connection, Request, Withheld, connect
from connectors.errors import RetryError, SetAsideError, StopError
from tests.connectors.suite import SECRET, ConnectorSuite, Source, offer_of, rows_of
from tests.connectors.test_drops import DROP, put

ROWS: list[dict[str, Any]] = [
    {"编号": "01", "姓名": "张　三", "住址": '湖㳇镇,"一"村'},
    {"编号": "02", "姓名": "", "住址": "第一行\n第二行"},
]


def csv_source(folder: Path, rows: list[dict[str, Any]], text: str) -> Source:
    (folder / "名册_202611.csv").write_bytes(text.encode("gb18030"))
    options = {"pattern": "名册_*.csv", "format": "csv", "encoding": "gb18030"}
    connection = Connection("civil_affairs", "monthly_drop", "file", str(folder), SECRET)
    return Source(connection, Request("civil_affairs/roster", tuple(ROWS[0]), options), rows)


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
        rows = [{"编号": str(number), "姓名": "", "住址": ""} for number in range(BATCH_ROWS + 1)]
        return csv_source(drop, rows, "编号,姓名,住址\n" + "".join(f"{row['编号']},,\n" for row in rows))


def excel_source(folder: Path, rows: list[dict[str, Any]]) -> Source:
    with xlsxwriter.Workbook(folder / "名册_202611.xlsx") as book:
        sheet = book.add_worksheet("名册")
        sheet.write(0, 0, "持证残疾人名册")
        for column, name in enumerate(("序号", *ROWS[0])):
            sheet.write(2, column, name)
        for number, row in enumerate(rows, start=3):
            for column, value in enumerate((number, *row.values())):
                sheet.write(number, column, value) if value is not None else None
    options = {"pattern": "名册_*.xlsx", "format": "excel", "sheet": "名册", "header_starts_with": "编号"}
    connection = Connection("federation", "quarterly_drop", "file", str(folder), SECRET)
    return Source(connection, Request("federation/roster", tuple(ROWS[0]), options), rows)


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
    with pytest.raises(StopError, match=r"format 'parquet'. Allowed: csv, excel"):
        offer_of(dropped(drop, format="parquet"))
