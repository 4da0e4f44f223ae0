"""Great Expectations over Parquet for steps 3, 5 and 7: each rule's verdict, and every row that fails it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from hub.contracts import Codelist, Contract
from hub.errors import CountsError
from hub.gx import Session, session
from hub.settings import Settings
from hub.suites import Expectation, load_suite, structural

__all__ = ["Finding", "Verdict", "load_suite", "structural", "validate"]

_FACTS = ("rule_id", "column", "severity", "title", "clause", "acts")


@dataclass(frozen=True)
class Finding:
    """What one expectation found.

    Attributes:
        column: Its columns, joined by commas.
        acts: Who must act on a failure: a department, or `hub`.
        evaluated: Rows it looked at; a rule on one column leaves nulls alone.
        unexpected: Rows that fail it.
    """

    rule_id: str
    type: str
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
) -> Verdict:
    """Run a suite over Parquet files in DuckDB and write every failing row's key and rule.

    Args:
        paths: The files of one table.
        contract: Names the table; its key columns, or else its required ones, identify a failing row.
        suite: Expectations, e.g. `[*structural(contract), *load_suite(contract.tail)]`. `{"$PARAMETER": "as_of"}` (the
            day) and `{"$PARAMETER": "as_of_end"}` (its last moment) stand for values of this run.
        codelists: The code lists that the suite may name.
        failures: The Parquet file to write.
        as_of: The day ages are reckoned on.
        settings: Threads and memory of DuckDB.
        key: Columns that identify a failing row, where not the contract's.

    Raises:
        StopError: An expectation could not be evaluated.
        CountsError: The failing rows found are not as many as the expectation counted.
    """
    key = tuple(key) or contract.keys or tuple(column.name for column in contract.columns if column.required)
    parameters = {"as_of": as_of, "as_of_end": datetime.combine(as_of, time.max)}
    named = sorted({item["kwargs"]["code_list"] for item in suite if "code_list" in item["kwargs"]})
    with session(contract.tail, paths, [codelists[name] for name in named], settings) as open_session:
        failing = _failing(open_session, suite, parameters, key)
        rows, present = _presence(open_session, suite)
        findings = tuple(
            _finding(item, rows, present, failing.get(item["meta"]["rule_id"]))
            for item in sorted(suite, key=lambda item: str(item["meta"]["rule_id"]))
        )
        broken = [item for item in findings if not item.success]
        queries = {rule: str(result["unexpected_index_query"]) for rule, result in failing.items()}
        _write_failures(open_session, key, broken, queries, failures)
    return Verdict(contract.tail, rows, findings, failures)


def _failing(
    open_session: Session, suite: Sequence[Expectation], parameters: Mapping[str, Any], key: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """Return, by rule id, how many rows fail each expectation that does not hold, and the query that finds them.

    The library takes twice the time for that longer answer, so first it only tells which ones hold. No answer carries
    values: they would be personal data.
    """
    held = open_session.run(suite, parameters, result_format="BOOLEAN_ONLY")
    broken = [item for item in suite if not held[item["meta"]["rule_id"]].success]
    if not broken:
        return {}
    answers = open_session.run(
        broken,
        parameters,
        result_format="BASIC",
        partial_unexpected_count=0,
        unexpected_index_column_names=list(key),
        return_unexpected_index_query=True,
    )
    return {rule: answer.result for rule, answer in answers.items()}


def _columns(item: Expectation) -> list[str]:
    """The columns an expectation is about."""
    kwargs = item["kwargs"]
    named = [kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs]
    return [*named, *kwargs.get("column_list", ())]


def _presence(open_session: Session, suite: Sequence[Expectation]) -> tuple[int, Mapping[str, int]]:
    """Count the rows, and for each column the rows in which it is not null."""
    columns = sorted({column for item in suite for column in _columns(item)})
    counts = ", ".join(["count(*)", *(f'count("{column}")' for column in columns)])
    with open_session.duckdb() as duck:
        rows, *present = duck.view("rows").aggregate(counts).fetchall()[0]
    return rows, dict(zip(columns, present, strict=True))


def _finding(item: Expectation, rows: int, present: Mapping[str, int], failed: Mapping[str, Any] | None) -> Finding:
    """Put together what is known of one expectation; `failed` is the library's result where it does not hold."""
    columns, meta = _columns(item), item["meta"]
    leaves_nulls = len(columns) == 1 and item["type"] != "expect_column_values_to_not_be_null"
    return Finding(
        rule_id=meta["rule_id"],
        type=item["type"],
        column=", ".join(columns),
        severity=item["severity"],
        title=meta["title"],
        clause=meta["clause"],
        acts=meta["acts"],
        evaluated=present[columns[0]] if leaves_nulls else rows,
        unexpected=failed["unexpected_count"] if failed else 0,
        success=failed is None,
    )


def _write_failures(
    open_session: Session, key: Sequence[str], broken: Sequence[Finding], queries: Mapping[str, str], target: Path
) -> None:
    """Write the failing rows of all expectations, and hold their number against what each one counted.

    The library lists no more than 20 failing rows on SQL, so each one's own query is run here to its end.

    Raises:
        CountsError: A query finds more or fewer rows than its expectation counted.
    """
    from duckdb import ColumnExpression, ConstantExpression

    def line(rows: Any, facts: Sequence[str]) -> Any:
        constants = (ConstantExpression(fact).alias(name) for name, fact in zip(_FACTS, facts, strict=True))
        return rows.select(*(ColumnExpression(name) for name in key), *constants)

    with open_session.duckdb() as duck:
        lines = line(duck.view("rows").limit(0), [""] * len(_FACTS))
        for item in broken:
            rows = duck.sql(queries[item.rule_id].rstrip().removesuffix(";"))
            lines = lines.union(line(rows, [getattr(item, name) for name in _FACTS]))
        lines.write_parquet(str(target), compression="zstd")
        found = dict(duck.read_parquet(str(target)).aggregate("rule_id, count(*)").fetchall())
    for item in broken:
        if found.get(item.rule_id) != item.unexpected:
            raise CountsError(
                where=f"suite {open_session.tail}, rule {item.rule_id}",
                came=f"{item.unexpected} failing rows counted, {found.get(item.rule_id, 0)} found",
                allowed="as many found as counted",
                do="write the rule so that its rows can be listed, e.g. by expect_rows_to_satisfy",
            )
