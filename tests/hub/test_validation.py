"""A suite over Parquet: every failing row is listed, nothing of a row is told, the library keeps to itself."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub.contracts import Column, Contract, load_contracts
from hub.errors import CountsError, StopError
from hub.settings import load_settings
from hub.suites import Expectation
from hub.validation import Verdict, validate

COLUMNS = (
    Column("code", "code", "编码", "string", required=True, key=True),
    Column("name", "name", "名称", "string"),
    Column("day", "day", "日期", "date"),
)
TABLE = Contract("base/table", "表", "", "1.0.0", COLUMNS, {})
AS_OF = dt.date(2026, 11, 1)


def rule(rule_id: str, type_: str, severity: str = "critical", **kwargs: Any) -> Expectation:
    meta = {"rule_id": rule_id, "title": f"{rule_id}的说明", "clause": "条款", "acts": "hub"}
    return {"type": type_, "kwargs": kwargs, "severity": severity, "meta": meta}


NAMED = rule("named", "expect_column_values_to_not_be_null", column="name")
SHORT = rule("short", "expect_column_value_lengths_to_be_between", "warning", column="name", max_value=3)
PAST = rule("past", "expect_column_values_to_be_between", column="day", max_value={"$PARAMETER": "as_of"})


def run(folder: Path, rows: list[dict[str, Any]], *suite: Expectation, contract: Contract = TABLE) -> Verdict:
    """Validate the rows, in two files."""
    table = pa.Table.from_pylist(rows, schema=contract.arrow_schema)
    half = len(rows) // 2
    files = []
    for number, part in enumerate((table.slice(0, half), table.slice(half))):
        files.append(folder / f"part {number} o'clock.parquet")
        pq.write_table(part, files[-1])
    return validate(
        files,
        contract,
        suite,
        load_contracts().codelists,
        failures=folder / "failures.parquet",
        as_of=AS_OF,
        settings=load_settings(data_dir=folder),
    )


def row(number: int, name: str | None = "甲", day: dt.date | None = AS_OF) -> dict[str, Any]:
    return {"code": f"{number:04d}", "name": name, "day": day}


def test_every_failing_row_is_listed_and_not_a_sample(tmp_path: Path) -> None:
    rows = [row(number, None if number % 2 else "张三丰的名字") for number in range(1000)]
    verdict = run(tmp_path, rows, NAMED, SHORT)
    lines = pq.read_table(verdict.failures).to_pylist()
    assert sorted(line["code"] for line in lines if line["rule_id"] == "named") == [
        f"{n:04d}" for n in range(1, 1000, 2)
    ]
    assert sorted(line["code"] for line in lines if line["rule_id"] == "short") == [
        f"{n:04d}" for n in range(0, 1000, 2)
    ]
    assert len(lines) == 1000


def test_a_finding_says_what_was_looked_at(tmp_path: Path) -> None:
    tomorrow = AS_OF + dt.timedelta(1)
    verdict = run(tmp_path, [row(1), row(2, None), row(3, "名字很长", tomorrow), row(4, day=None)], NAMED, SHORT, PAST)
    found = [
        (item.rule_id, item.column, item.severity, item.evaluated, item.unexpected) for item in verdict.expectations
    ]
    assert found == [
        ("named", "name", "critical", 4, 1),
        ("past", "day", "critical", 3, 1),
        ("short", "name", "warning", 3, 1),
    ]
    assert [item.rule_id for item in verdict.critical] == ["named", "past"]
    assert verdict.rows == 4


def test_lines_carry_the_key_and_the_whole_rule(tmp_path: Path) -> None:
    verdict = run(tmp_path, [row(1), row(2, None)], NAMED)
    assert pq.read_table(verdict.failures).to_pylist() == [
        {"code": "0002", "rule_id": "named", "column": "name", "severity": "critical"}
        | {"title": "named的说明", "clause": "条款", "acts": "hub"}
    ]


def test_a_table_without_a_key_is_known_by_its_required_columns(tmp_path: Path) -> None:
    columns = (Column("code", "code", "编码", "string", required=True), Column("name", "name", "名称", "string"))
    contract = Contract("products/list", "名单", "", "1.0.0", columns, {})
    verdict = run(tmp_path, [{"code": "1", "name": None}], NAMED, contract=contract)
    assert pq.read_table(verdict.failures)["code"].to_pylist() == ["1"]


def test_a_failing_key_column_can_be_the_rules_own(tmp_path: Path) -> None:
    unique = rule("unique", "expect_column_values_to_be_unique", column="code")
    verdict = run(tmp_path, [row(1), row(1), row(2)], unique)
    assert pq.read_table(verdict.failures)["code"].to_pylist() == ["0001", "0001"]


def test_the_verdict_tells_nothing_of_a_row(tmp_path: Path) -> None:
    verdict = run(tmp_path, [row(1, "欧阳上官"), row(2, "司马诸葛")], SHORT)
    assert verdict.expectations[0].unexpected == 2
    told = str(verdict.to_dict())
    assert not [value for value in ("欧阳上官", "司马诸葛", "0001", "0002") if value in told]


def test_a_rule_that_cannot_be_evaluated_stops_by_name_and_without_values(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    condition = "CAST(name AS INTEGER) > 0"
    broken = rule("broken", "expect_rows_to_satisfy", column_list=["name", "code"], condition=condition)
    with pytest.raises(StopError, match="suite base/table, rule broken") as error:
        run(tmp_path, [row(1, "欧阳上官")], NAMED, broken)
    assert "欧阳上官" not in str(error.value)
    assert "欧阳上官" not in caplog.text


def test_a_count_that_its_rows_do_not_bear_out_stops(tmp_path: Path) -> None:
    # The library counts inside the condition, but its query of the failing rows forgets it.
    only = {"type": "comparison", "column": {"name": "code"}, "operator": "==", "parameter": "0002"}
    partial = rule("partial", "expect_column_values_to_not_be_null", column="name", row_condition=only)
    with pytest.raises(CountsError, match="1 failing rows counted, 2 found"):
        run(tmp_path, [row(1, None), row(2, None)], partial)


def test_the_database_is_gone_with_the_session(tmp_path: Path) -> None:
    for _ in range(2):
        assert run(tmp_path, [row(1)], NAMED).rows == 1


def test_the_library_is_not_imported_before_it_is_needed() -> None:
    script = "import sys, hub.steps.check; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_process_that_validated_ends_silently(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from tests.hub.test_validation import NAMED, SHORT, row, run\n"
        f"assert run(Path({str(tmp_path)!r}), [row(1), row(2, None)], NAMED, SHORT).critical\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
