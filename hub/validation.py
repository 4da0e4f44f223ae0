"""Great Expectations over Parquet for steps 3, 5 and 7: each rule's verdict, and every row that fails it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from hub.contracts import Codelist, Contract
from hub.failing_rows import FACTS, list_failures
from hub.gx import Session, session
from hub.settings import Settings
from hub.suites import Expectation, load_suite, structural

__all__ = ["Finding", "Verdict", "load_suite", "structural", "validate", "validate_each"]

_MANY_ROWS = 500_000


@dataclass(frozen=True)
class Finding:
    """What one expectation found.

    Attributes:
        column: Its columns, joined by commas.
        acts: Who must act on a failure: a department, or `hub`.
        kwargs: What it was asked, as the suite says; nothing of any row.
        evaluated: Rows it looked at; a rule on one column leaves nulls alone.
        unexpected: Rows that fail it.
    """

    rule_id: str
    type: str
    kwargs: Mapping[str, Any]
    column: str
    severity: str
    title: str
    clause: str
    acts: str
    evaluated: int
    unexpected: int
    success: bool


@dataclass(frozen=True)
class Verdict:
    """What a suite found in a table.

    Attributes:
        rows: Rows of the table.
        expectations: One finding an expectation, sorted by rule id.
        failures: Parquet, a line for each row and rule it fails: the key columns as they are in the table, then
            `rule_id`, `column`, `severity`, `title`, `clause`, `acts`.
    """

    tail: str
    rows: int
    expectations: tuple[Finding, ...]
    failures: Path

    @property
    def critical(self) -> tuple[Finding, ...]:
        """The critical expectations that fail."""
        return tuple(item for item in self.expectations if item.severity == "critical" and not item.success)

    def to_dict(self) -> dict[str, Any]:
        """The verdict without its failing rows, for JSON; holds no value of any row."""
        return {"tail": self.tail, "rows": self.rows, "expectations": [asdict(item) for item in self.expectations]}


def validate(
    paths: Sequence[Path],
    contract: Contract,
    suite: Sequence[Expectation],
    codelists: Mapping[str, Codelist],
    *,
    failures: Path,
    as_of: date,
    settings: Settings,
    key: Sequence[str] = (),
    base: Mapping[str, Sequence[Path]] | None = None,
) -> Verdict:
    """Run a suite over the Parquet files of one table in DuckDB and write every failing row's key and rule.

    Args:
        paths: The files of the table.
        contract: Names the table; its key columns, or else its required ones, identify a failing row.
        suite: Expectations, e.g. `[*structural(contract), *load_suite(contract.tail)]`. `{"$PARAMETER": "as_of"}`
            stands for the day of this run.
        codelists: The code lists that the suite may name.
        failures: The Parquet file to write.
        as_of: The day ages are reckoned on.
        settings: Threads and memory of DuckDB.
        key: Columns that identify a failing row, where not the contract's.
        base: Entity -> files of the base tables that the suite may name.

    Raises:
        StopError: An expectation could not be evaluated.
        CountsError: The failing rows found are not as many as the expectation counted.
    """
    (verdict,) = _judge([(paths, failures)], contract, suite, codelists, as_of, settings, key, base or {})
    return verdict


def validate_each(
    paths: Sequence[Path],
    contract: Contract,
    suite: Sequence[Expectation],
    codelists: Mapping[str, Codelist],
    *,
    failures: Sequence[Path],
    as_of: date,
    settings: Settings,
    key: Sequence[str] = (),
) -> list[Verdict]:
    """Run a suite once over several files and give a verdict for each, as `validate` does for a table.

    For rules on rows; of a rule on a whole column, such as uniqueness, all files together are the column.

    Args:
        paths: The files, one or more.
        contract: As in `validate`, like all that follow.
        suite: Expectations.
        codelists: The code lists that the suite may name.
        failures: The Parquet file to write for each of `paths`.
        as_of: The day ages are reckoned on.
        settings: Threads and memory of DuckDB.
        key: Columns that identify a failing row, where not the contract's.

    Raises:
        StopError: An expectation could not be evaluated.
        CountsError: The failing rows found are not as many as the expectation counted.
    """
    parts = [([path], target) for path, target in zip(paths, failures, strict=True)]
    return _judge(parts, contract, suite, codelists, as_of, settings, key, {})


def _judge(
    parts: Sequence[tuple[Sequence[Path], Path]],
    contract: Contract,
    suite: Sequence[Expectation],
    codelists: Mapping[str, Codelist],
    as_of: date,
    settings: Settings,
    key: Sequence[str],
    base: Mapping[str, Sequence[Path]],
) -> list[Verdict]:
    """Run the suite once; give a verdict for each part: some files, and where to write their failing rows."""
    key = tuple(key) or contract.keys or tuple(column.name for column in contract.columns if column.required)
    parameters = {"as_of": as_of}
    lists = [
        codelists[name] for name in sorted({i["kwargs"]["code_list"] for i in suite if "code_list" in i["kwargs"]})
    ]
    named = {i["kwargs"]["base_table"] for i in suite if "base_table" in i["kwargs"]}
    rules = sorted(suite, key=lambda item: str(item["meta"]["rule_id"]))
    files = [path for paths, _ in parts for path in paths]
    others = {entity: base[entity] for entity in sorted(named)}
    with session(contract.tail, files, lists, settings, others) as open_session:
        failing = _failing(open_session, rules, parameters, key)
        list_failures(open_session, {str(i["meta"]["rule_id"]): _facts(i) for i in rules}, failing, key)
        return [_verdict(open_session, rules, key, paths, target) for paths, target in parts]


def _failing(
    open_session: Session, suite: Sequence[Expectation], parameters: Mapping[str, Any], key: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """Return, by rule id, how many rows fail each expectation that does not hold, and the query that finds them.

    The library thinks twice as long for that longer answer, so of few rows it first only tells which ones hold; of many
    rows a second look at them would cost more. No answer carries values: they would be personal data.
    """
    broken = list(suite)
    if open_session.rows < _MANY_ROWS:
        held = open_session.run(suite, parameters, result_format="BOOLEAN_ONLY")
        broken = [item for item in suite if not held[item["meta"]["rule_id"]].success]
    if not broken:
        return {}
    answers = open_session.run(
        broken,
        parameters,
        result_format="BASIC",
        partial_unexpected_count=0,
        unexpected_index_column_names=["filename", *key],
        return_unexpected_index_query=True,
    )
    return {rule: answer.result for rule, answer in answers.items() if not answer.success}


def _verdict(
    open_session: Session, suite: Sequence[Expectation], key: Sequence[str], paths: Sequence[Path], target: Path
) -> Verdict:
    """Give the verdict on some of the files, and write their failing rows."""
    from duckdb import ColumnExpression, ConstantExpression

    inside = ColumnExpression("filename").isin(*(ConstantExpression(str(path)) for path in paths))
    columns = sorted({column for item in suite for column in _columns(item)})
    counts = ", ".join(["count(*)", *(f'count("{column}")' for column in columns)])
    with open_session.duckdb() as duck:
        rows, *present = duck.view("rows").filter(inside).aggregate(counts).fetchall()[0]
        failures = duck.table("failures").filter(inside)
        failed = dict(failures.aggregate("rule_id, count(*)").fetchall())
        failures.select(*(ColumnExpression(name) for name in (*key, *FACTS))).write_parquet(
            str(target), compression="zstd"
        )
    by_column = dict(zip(columns, present, strict=True))
    findings = tuple(_finding(item, rows, by_column, failed.get(item["meta"]["rule_id"], 0)) for item in suite)
    return Verdict(open_session.tail, rows, findings, target)


def _columns(item: Expectation) -> list[str]:
    """The columns an expectation is about."""
    kwargs = item["kwargs"]
    named = [kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs]
    return [*named, *kwargs.get("column_list", ())]


def _facts(item: Expectation) -> dict[str, str]:
    """What a failing row's line says of the rule, in the order of `FACTS`."""
    known = {**item["meta"], "column": ", ".join(_columns(item)), "severity": item["severity"]}
    return {name: known[name] for name in FACTS}


def _finding(item: Expectation, rows: int, present: Mapping[str, int], unexpected: int) -> Finding:
    """Put together what is known of one expectation; `present` has, by column, the rows in which it is not null."""
    columns = _columns(item)
    leaves_nulls = len(columns) == 1 and item["type"] != "expect_column_values_to_not_be_null"
    return Finding(
        **_facts(item),
        type=item["type"],
        kwargs=dict(item["kwargs"]),
        evaluated=present[columns[0]] if leaves_nulls else rows,
        unexpected=unexpected,
        success=not unexpected,
    )
