"""Custom expectations on texts, for the check step: patterns and code lists, written for DuckDB."""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
    ColumnMapMetricProvider,
)

__all__ = ["ExpectColumnValuesToBeInCodeList", "ExpectColumnValuesToMatchPattern"]


class ColumnValuesMatchPattern(ColumnMapMetricProvider):
    """Whether the whole text matches a regular expression."""

    condition_metric_name = "column_values.match_pattern"
    condition_value_keys = ("pattern",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: sa.ColumnElement[str], pattern: str, **kwargs: Any) -> sa.ColumnElement[bool]:
        return sa.func.regexp_full_match(column, pattern)


class ExpectColumnValuesToMatchPattern(ColumnMapExpectation):
    """Values match a regular expression (RE2) from their first character to their last; nulls are left alone.

    The library's own regex expectations refuse DuckDB, hence this one.
    """

    pattern: str

    map_metric: ClassVar[str] = "column_values.match_pattern"
    success_keys: ClassVar[tuple[str, ...]] = ("pattern", "mostly")


class ColumnValuesInCodeList(ColumnMapMetricProvider):
    """Whether the value is a code of a code list that the step has loaded as the table `codelist_<name>`."""

    condition_metric_name = "column_values.in_code_list"
    condition_value_keys = ("code_list",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: sa.ColumnElement[str], code_list: str, **kwargs: Any) -> sa.ColumnElement[bool]:
        codes = sa.table(f"codelist_{code_list}", sa.column("code"))
        return column.in_(sa.select(codes.c.code))


class ExpectColumnValuesToBeInCodeList(ColumnMapExpectation):
    """Values are codes of a list in `schemas/codelists/`, e.g. a division that exists; nulls are left alone."""

    code_list: str

    map_metric: ClassVar[str] = "column_values.in_code_list"
    success_keys: ClassVar[tuple[str, ...]] = ("code_list", "mostly")
