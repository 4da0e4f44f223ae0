"""Contracts of a few columns, and what the package makes of a few values, as plain Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import duckdb
import ibis
import pyarrow as pa

from hub.conform import issues_of, read_cells, rows_of
from hub.conform.codes import SPELLINGS, is_long, spellings
from hub.contracts import Codelist, Column, SourceContract, load_contracts

AS_OF = dt.date(2026, 11, 1)
MAZHUANG = "320305005204"
CODELISTS = {
    "sex": Codelist("sex", {"1": "男", "2": "女"}, {"1": "1", "男": "1", "M": "1", "2": "2", "女": "2"}),
    **{name: load_contracts().codelists[name] for name in ("id_type", "name_variant")},
    "tangled": Codelist("tangled", {"a": "甲", "1": "乙"}, {"a": "a", "1": "a", "甲": "a", "乙": "1"}),
    "own": Codelist("own", {"a": "甲"}, {"a": "a", "甲": "a", "1": "a"}, is_own=True),
    "division": Codelist(
        "division", {MAZHUANG: "马庄", "320305005000": "潘安湖街道", "320305000000": "贾汪区"}, {MAZHUANG: MAZHUANG}
    ),
}

Issue = tuple[str, str, str | None, str | None]
"""Rule, outcome, original, value."""


@dataclass(frozen=True)
class Read:
    """Rows by `_row` and issues by (`_row`, column); no cell may have two."""

    rows: dict[int, dict[str, Any]]
    issues: dict[tuple[int, str], Issue]


def written(codelists: Mapping[str, Codelist]) -> pa.Table:
    """What may be written for the codes of divisions and of long lists."""
    lists = {name: spellings(one) for name, one in codelists.items() if is_long(one)}
    lists["division"] = {code: code for code in codelists["division"].titles} | dict(codelists["division"].readings)
    rows = [(name, text, code) for name, known in lists.items() for text, code in known.items()]
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(SPELLINGS)})


class Reader:
    """Rows and issues by way of materialised cells, as in the step; compiled once, for any number of rows."""

    def __init__(
        self, agreed: SourceContract, codelists: Mapping[str, Codelist], raw: pa.Schema, as_of: dt.date
    ) -> None:
        self.duckdb = duckdb.connect(config={"threads": 1})
        self.duckdb.register("spellings", written(codelists))
        before = ibis.table(ibis.Schema.from_pyarrow(raw), name="raw"), ibis.table(SPELLINGS, name="spellings")
        cells = read_cells(*before, agreed, codelists, as_of)
        after = ibis.table(cells.schema(), name="cells")
        tables = (cells, rows_of(after, agreed), issues_of(after, agreed))
        self._sql = [str(ibis.to_sql(table, dialect="duckdb")) for table in tables]

    def read(self, raw: pa.Table) -> tuple[pa.Table, pa.Table]:
        """Read raw rows of the schema the reader was made for."""
        cells, rows, issues = self._sql
        self.duckdb.register("raw", raw)
        self.duckdb.execute(f"CREATE OR REPLACE TABLE cells AS {cells}")
        return self.duckdb.sql(rows).to_arrow_table(), self.duckdb.sql(issues).to_arrow_table()


@cache
def reader(columns: tuple[Column, ...], raw: pa.Schema, as_of: dt.date) -> Reader:
    return Reader(contract(*columns), CODELISTS, raw, as_of)


def column(operation: str, name: str = "x", kind: str = "string", **options: Any) -> Column:
    physical = options.pop("physical", name)
    return Column(name=name, physical_name=physical, title=name, kind=kind, operation=operation, **options)


def contract(*columns: Column, **changed: Any) -> SourceContract:
    """A real contract with other columns."""
    agreed = load_contracts().sources["health_commission/death"]
    return replace(agreed, tail="department/dataset", columns=columns, **changed)


def read(columns: Sequence[Column], raw: Mapping[str, Sequence[Any]] | pa.Table, as_of: dt.date = AS_OF) -> Read:
    """Read raw columns by the given contract columns. A list of values is strings; an Arrow table has its types."""
    table = raw if isinstance(raw, pa.Table) else pa.table({name: pa.array(v, pa.string()) for name, v in raw.items()})
    table = table.append_column("_row", pa.array(range(1, table.num_rows + 1), pa.int64()))
    rows, issues = reader(tuple(columns), table.schema, as_of).read(table)
    assert [(item.name, item.type) for item in rows.schema] == [
        *((item.name, item.arrow.type) for item in columns),
        ("_row", pa.int64()),
    ]
    cells: dict[tuple[int, str], Issue] = {}
    for issue in issues.to_pylist():
        place = (issue["_row"], issue["column"])
        assert place not in cells, f"two issues for {place}"
        cells[place] = (issue["rule"], issue["outcome"], issue["original"], issue["value"])
    return Read({row.pop("_row"): row for row in sorted(rows.to_pylist(), key=lambda row: row["_row"])}, cells)


def read_values(operation: str, values: Sequence[Any], **options: Any) -> list[tuple[Any, str | None]]:
    """Read one optional column; return value and rule, or None, for each value."""
    found = read([column(operation, **options)], {"x": values})
    return [(found.rows[place]["x"], found.issues.get((place, "x"), (None,))[0]) for place in range(1, len(values) + 1)]


def agrees(operation: str, expected: Mapping[str | None, tuple[Any, str | None]], **options: Any) -> None:
    """Hold an operation against value -> (what it becomes, rule)."""
    found = read_values(operation, list(expected), **options)
    assert dict(zip(expected, found, strict=True)) == dict(expected)
