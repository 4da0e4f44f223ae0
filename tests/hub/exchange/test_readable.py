"""Products as people read them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import ibis
import pyarrow as pa
import pytest

from hub.contracts import Codelist, Column, ProductContract, load_contracts
from hub.exchange.readable import csv_bytes, readable

SEX = Codelist("sex", {"1": "男", "2": "女"}, {})
DIVISION = Codelist("division", {str(number): f"第{number}村" for number in range(5_000)}, {})
INDUSTRY = Codelist("industry", {f"{number:04}": f"第{number}类" for number in range(2_000)}, {})


@pytest.fixture(scope="module")
def product() -> ProductContract:
    columns = (
        Column("sex_code", "sex_code", "性别", "string", codelist="sex"),
        Column("division_code", "division_code", "村居代码", "string", codelist="division"),
        Column("industry_code", "industry_code", "行业", "string", codelist="industry"),
        Column("is_consistent", "is_consistent", "人户一致", "boolean"),
        Column("residents", "residents", "人数", "integer"),
    )
    return replace(load_contracts().products["village_summary"], columns=columns)


def read(product: ProductContract, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    table = ibis.memtable(pa.Table.from_pylist(list(rows), schema=product.arrow_schema))
    codelists = {"sex": SEX, "division": DIVISION, "industry": INDUSTRY}
    found: list[dict[str, Any]] = readable(table, product, codelists).to_pyarrow().to_pylist()
    return found


def test_titles_stand_for_names_and_codes_in_the_contracts_order(product: ProductContract) -> None:
    (row,) = read(product, {"residents": 3, "is_consistent": True, "sex_code": "2", "division_code": "7"})
    assert list(row.items()) == [("性别", "女"), ("村居代码", "7"), ("行业", None), ("人户一致", "是"), ("人数", 3)]


def test_long_code_lists_stay_codes(product: ProductContract) -> None:
    assert read(product, {"division_code": "7"})[0]["村居代码"] == "7"


def test_industries_are_many_and_still_read(product: ProductContract) -> None:
    assert read(product, {"industry_code": "0007"})[0]["行业"] == "第7类"


def test_a_code_without_title_stays_as_it_is(product: ProductContract) -> None:
    assert read(product, {"sex_code": "9"})[0]["性别"] == "9"


def test_unknown_is_neither_yes_nor_no(product: ProductContract) -> None:
    assert [row["人户一致"] for row in read(product, {"is_consistent": False}, {"is_consistent": None})] == ["否", None]
    assert read(product, {})[0]["性别"] is None


def test_csv_has_a_mark_for_excel_and_quotes_what_needs_it() -> None:
    schema = pa.schema([("姓名", pa.string()), ("人数", pa.int64())])
    rows = [{"姓名": '甲"乙,\n丙', "人数": 1}, {"姓名": None, "人数": None}]
    content = csv_bytes([pa.RecordBatch.from_pylist([row], schema=schema) for row in rows], schema)
    assert content.startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))) == [
        ["姓名", "人数"],
        ['甲"乙,\n丙', "1"],
        ["", ""],
    ]
    assert not csv_bytes([], schema, bom=False).startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("text", ["=HYPERLINK(D3)", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_compute_is_text(text: str) -> None:
    schema = pa.schema([("单位名称", pa.string()), ("人数", pa.int64())])
    batch = pa.RecordBatch.from_pylist(
        [{"单位名称": text, "人数": -1}, {"单位名称": "甲=乙", "人数": None}], schema=schema
    )
    rows = list(csv.reader(io.StringIO(csv_bytes([batch], schema, bom=False).decode(), newline="")))
    assert rows[1:] == [[f"'{text}", "-1"], ["甲=乙", ""]]
