"""Custom expectation on several columns of a row, for the check step: a condition that every row meets."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import (
    multicolumn_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_map_metric_provider import (
    MulticolumnMapMetricProvider,
)

__all__ = ["ExpectRowsToSatisfy"]


class MulticolumnValuesSatisfy(MulticolumnMapMetricProvider):
    """Whether a row meets an SQL condition."""

    condition_metric_name = "multicolumn_values.satisfy"
    condition_value_keys = ("condition",)

    @multicolumn_condition_partial(engine=SqlAlchemyExecutionEngine)  # type: ignore[untyped-decorator]
    def _sqlalchemy(cls, column_list: Any, condition: str, **kwargs: Any) -> sa.ColumnElement[bool]:
        return sa.literal_column(f"({condition})", sa.Boolean)


class ExpectRowsToSatisfy(MulticolumnMapExpectation):
    """Rows meet an SQL condition over the columns of `column_list`, e.g. `end_date >= start_date`.

    Where the condition is null, because one of its values is, the row is left alone.
    """

    condition: str
    ignore_row_if: Literal["all_values_are_missing", "any_value_is_missing", "never"] = "never"

    map_metric: ClassVar[str] = "multicolumn_values.satisfy"
    success_keys: ClassVar[tuple[str, ...]] = ("condition", "mostly")
