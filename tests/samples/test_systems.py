"""What every system delivers fits its contract: columns, codes, keys, forms; the contracts are read as files."""

import csv
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
import yaml

from samples.systems.natural_resources import numeral

ROOT = Path(__file__).parents[2]
CONTRACTS = sorted((ROOT / "schemas" / "sources").rglob("*.yml"))
FILES = {
    "public_security/registered_resident": "hj_rkxx.parquet",
    "public_security/floating_resident": "ld_rkxx.parquet",
    "public_security/cancelled_registration": "zx_rkxx.parquet",
    "market_regulation/legal_entity": "legal_entity.parquet",
    "natural_resources/standard_address": "bzdz.parquet",
}


def property_of(entry: dict[str, Any], name: str) -> Any:
    found = [item["value"] for item in entry.get("customProperties", []) if item["property"] == name]
    return found[0] if found else None


@cache
def allowed(codelist: str) -> frozenset[str]:
    with (ROOT / "schemas" / "codelists" / f"{codelist}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return frozenset(
        value for row in rows for value in (row["code"], row["title"], *row["synonyms"].split("|")) if value
    )


def read_rows(systems: Path, dataset: str, pull: dict[str, Any]) -> list[dict[str, Any]]:
    folder = systems / dataset.split("/")[0]
    if dataset in FILES:
        rows: list[dict[str, Any]] = pq.read_table(folder / FILES[dataset]).to_pylist()
        return rows
    paths = sorted(folder.glob(pull["pattern"]))
    assert paths
    if pull.get("format") == "csv":
        texts = [path.read_bytes().decode("gb18030").splitlines() for path in paths]
        return [row for lines in texts for row in csv.DictReader(lines)]
    if pull.get("format") == "excel":
        return read_excel(paths[0], pull)
    meta, table = pyogrio.read_arrow(paths[0], layer=pull.get("layer"), encoding=pull.get("encoding"))
    assert meta["crs"] == pull["crs"]
    geometry = next(name for name in table.column_names if name in ("wkb_geometry", "geom"))
    assert shapely.is_valid(shapely.from_wkb(table[geometry].to_numpy())).all()
    return [{**row, "geometry": "there"} for row in table.drop_columns([geometry]).to_pylist()]


def read_excel(path: Path, pull: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [list(row) for row in openpyxl.load_workbook(path)[pull["sheet"]].iter_rows(values_only=True)]
    top = next(n for n, row in enumerate(rows) if row[0] == pull["header_starts_with"])
    upper, lower = list(rows[top]), rows[top + pull["header_rows"] - 1]
    for place in range(1, len(upper)):
        upper[place] = upper[place] or upper[place - 1]
    headers = [u if pull["header_rows"] == 1 or not low else f"{u}/{low}" for u, low in zip(upper, lower, strict=True)]
    found: list[dict[str, Any]] = []
    for row in rows[top + pull["header_rows"] :]:
        if str(row[0] or "").startswith(tuple(pull["stop_at"])):
            break
        record = dict(zip(headers, row, strict=True))
        for name in pull.get("fill_down", []):
            record[name] = record[name] or found[-1][name]
        found.append(record)
    return found


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_deliveries_fit_their_contract(systems: Path, path: Path):
    contract = yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = read_rows(systems, contract["id"], property_of(contract, "pull"))
    assert rows
    columns = contract["schema"][0]["properties"]
    for column in columns:
        if column["physicalName"] == "geometry" and contract["id"] in FILES:
            continue
        values = [row[column["physicalName"]] for row in rows]
        given = [value for value in values if value not in (None, "")]
        if column.get("required"):
            assert len(given) == len(values), column["physicalName"]
        codelist = property_of(column, "codelist")
        if codelist:
            assert set(given) <= allowed(codelist), column["physicalName"]
        longest = column.get("logicalTypeOptions", {}).get("maxLength")
        if longest:
            assert max((len(value) for value in given), default=0) <= longest
    names = {column["physicalName"] for column in columns}
    assert {name for name in rows[0] if name not in ("备注", "lon", "lat")} <= names
    keys = [column["physicalName"] for column in columns if column.get("primaryKey")]
    if keys == ["母亲身份证号"]:
        return
    assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows)


def test_police_tables_have_numbered_rows_in_order_of_change(systems: Path):
    table = pq.read_table(systems / "public_security" / "hj_rkxx.parquet")
    assert str(table.schema.field("xh").type) == "int64"
    assert str(table.schema.field("gxsj").type) == "timestamp[us]"
    assert table["xh"].to_pylist() == list(range(1, len(table) + 1))
    moments = table["gxsj"].to_pylist()
    assert moments == sorted(moments)
    assert {"I", "U", "D"} == set(table["czbs"].to_pylist())
    batches = table["pch"].to_pylist()
    assert batches == [f"{moment:%Y%m%d}01" for moment in moments]


def test_the_shapefile_attributes_are_gb18030_bytes(systems: Path):
    folder = systems / "natural_resources"
    (path,) = folder.glob("xzq_*.dbf")
    assert "马庄村委会".encode("gb18030") in path.read_bytes()
    assert not list(folder.glob("jzw_*.cpg"))


NUMERALS = {1: "一", 10: "十", 12: "十二", 20: "二十", 101: "一百零一", 110: "一百一十", 235: "二百三十五"}


@pytest.mark.parametrize(("value", "text"), NUMERALS.items())
def test_numerals(value, text):
    assert numeral(value) == text
