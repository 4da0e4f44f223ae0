"""`python -m benchmarks.checks WHO FILE FOLDER`: ten rules over a table, every failing row stored, by hub or pandas.

`hub` runs the suite as step 3 does; `pandas` is Great Expectations' own pandas engine with complete results. Both tell
`{"seconds", "failing", "peak_mb"}`, and must find the same number of failing rows for each rule.
"""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.processes import peak_mb, timed

__all__ = ["RULES", "make"]

_CODES = [f"{number:02d}" for number in range(1, 57)]
RULES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("id_required", "expect_column_values_to_not_be_null", {"column": "id_number"}),
    ("name_required", "expect_column_values_to_not_be_null", {"column": "person_name"}),
    ("village_required", "expect_column_values_to_not_be_null", {"column": "division_code"}),
    ("sex_codes", "expect_column_values_to_be_in_set", {"column": "sex_code", "value_set": ["1", "2"]}),
    ("ethnicity_codes", "expect_column_values_to_be_in_set", {"column": "ethnicity_code", "value_set": _CODES}),
    ("age_range", "expect_column_values_to_be_between", {"column": "age", "min_value": 0, "max_value": 120}),
    ("area_range", "expect_column_values_to_be_between", {"column": "area", "min_value": 1.0, "max_value": 900.0}),
    ("id_length", "expect_column_value_lengths_to_equal", {"column": "id_number", "value": 18}),
    ("name_length", "expect_column_value_lengths_to_be_between", {"column": "person_name", "max_value": 50}),
    ("dates_in_order", "expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "until", "column_B": "since"}),
)

_TABLE = """
    SELECT n AS _row,
        CASE WHEN n % 1009 = 0 THEN NULL WHEN n % 997 = 0 THEN '3203721990'
            ELSE '32037219900101' || lpad(CAST(n % 10000 AS VARCHAR), 4, '0') END AS id_number,
        CASE WHEN n % 1013 = 0 THEN NULL ELSE '某' || CAST(n % 977 AS VARCHAR) END AS person_name,
        CASE WHEN n % 1019 = 0 THEN NULL ELSE '320305005204' END AS division_code,
        CASE WHEN n % 1021 = 0 THEN '9' ELSE CAST(1 + n % 2 AS VARCHAR) END AS sex_code,
        CASE WHEN n % 1031 = 0 THEN '99' ELSE lpad(CAST(1 + n % 56 AS VARCHAR), 2, '0') END AS ethnicity_code,
        CASE WHEN n % 1033 = 0 THEN 200 ELSE n % 100 END AS age,
        CASE WHEN n % 1039 = 0 THEN -1.5 ELSE 20.0 + n % 300 END AS area,
        DATE '2020-01-01' + CAST(n % 300 AS INTEGER) AS since,
        CASE WHEN n % 1049 = 0 THEN DATE '2019-01-01' ELSE DATE '2025-01-01' END AS until
    FROM range(1, ? + 1) AS numbers(n)
"""


def make(rows: int, path: Path) -> None:
    """Write the table: about one row in a thousand fails each rule that can fail."""
    import duckdb

    with duckdb.connect() as duck:
        duck.execute(f"CREATE TABLE made AS {_TABLE}", [rows])
        duck.sql("SELECT * FROM made").write_parquet(str(path))


def hub(path: Path, folder: Path) -> None:
    """The suite in DuckDB, as step 3 runs it."""
    from hub.contracts import load_contracts
    from hub.settings import load_settings
    from hub.validation import validate

    _warm()
    suite = [
        {
            "type": kind,
            "kwargs": kwargs,
            "severity": "critical",
            "meta": {"rule_id": rule, "title": rule, "clause": "bench", "acts": "hub"},
        }
        for rule, kind, kwargs in RULES
    ]
    contract = replace(load_contracts().sources["public_security/registered_resident"])
    settings = load_settings(data_dir=folder, memory_limit_mb=1024)
    seconds, verdict = timed(
        lambda: validate(
            [path],
            contract,
            suite,
            {},
            failures=folder / "failures.parquet",
            as_of=date(2026, 11, 1),
            settings=settings,
            key=("_row",),
        )
    )
    _report(seconds, {finding.rule_id: finding.unexpected for finding in verdict.expectations})


def pandas(path: Path, folder: Path) -> None:
    """The library's pandas engine over a frame read from the same file; failing keys written as Parquet."""
    import great_expectations as gx
    import pandas as library

    _warm()

    def check() -> dict[str, int]:
        frame = library.read_parquet(path)
        context = gx.get_context(mode="ephemeral")
        batch = context.data_sources.add_pandas("bench").add_dataframe_asset("rows")
        definition = batch.add_batch_definition_whole_dataframe("all")
        suite = gx.ExpectationSuite(
            name="bench", expectations=[{"type": k, "kwargs": a, "meta": {"rule_id": r}} for r, k, a in RULES]
        )
        result = definition.get_batch({"dataframe": frame}).validate(
            suite,
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": ["_row"],
                "return_unexpected_index_query": False,
                "exclude_unexpected_values": True,
                "partial_unexpected_count": 0,
            },
        )
        found: dict[str, int] = {}
        lines: list[library.DataFrame] = []
        for item in result.results:
            rule = _rule_of(item)
            found[rule] = int(item.result["unexpected_count"])
            keys = [key for one in item.result.get("unexpected_index_list") or [] for key in _keys(one["_row"])]
            lines.append(library.DataFrame({"_row": keys, "rule_id": rule}))
        library.concat(lines).to_parquet(folder / "failures.parquet")
        return found

    seconds, found = timed(check)
    _report(seconds, found)


def _rule_of(item: Any) -> str:
    return str(item.expectation_config.meta["rule_id"])


def _keys(value: Any) -> list[int]:
    return [int(item) for item in value] if isinstance(value, list) else [int(value)]


def _warm() -> None:
    """Import the library, and what each adds to it, before the clock runs: a process pays once for it."""
    import logging

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import duckdb_engine  # noqa: F401
    import great_expectations  # noqa: F401

    from expectations import divisions, geometries, identifiers, relations, rows, texts  # noqa: F401


def _report(seconds: float, failing: dict[str, int]) -> None:
    print(json.dumps({"seconds": round(seconds, 3), "failing": failing, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    {"hub": hub, "pandas": pandas}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
