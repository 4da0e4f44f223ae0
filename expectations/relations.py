"""Custom expectation across tables, for base tables: a value occurs in another table, and how often."""

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

__all__ = ["ExpectColumnValuesToOccurInBaseTable"]


class ColumnValuesOccurInBaseTable(ColumnMapMetricProvider):
    """Whether as many rows of a base table, which the step has laid out as `base_<table>`, hold the value as asked."""

    condition_metric_name = "column_values.occur_in_base_table"
    condition_value_keys = ("base_table", "other", "where", "most")

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls, column: sa.ColumnElement[Any], base_table: str, other: str, where: str, most: int | None, **kwargs: Any
    ) -> sa.ColumnElement[bool]:
        value: sa.ColumnClause[Any] = sa.column(other)
        found = sa.select(value).select_from(sa.table(f"base_{base_table}"))
        # A null among them would make the whole question unanswerable.
        found = found.where(value.is_not(None), sa.literal_column(f"({where})", sa.Boolean)).group_by(value)
        # Written out: the library lists failing rows by a query in text, which has no place for a parameter.
        limit = found if most is None else found.having(sa.func.count() <= sa.literal_column(str(int(most))))
        return column.in_(limit)


class ExpectColumnValuesToOccurInBaseTable(ColumnMapExpectation):
    """Values occur in a column of a base table, in at most `most` rows; nulls are left alone.

    `where` is an SQL condition on the rows that count: `relation_code IN ('01', '02')`.
    """

    base_table: str
    other: str
    where: str = "true"
    most: int | None = None

    map_metric: ClassVar[str] = "column_values.occur_in_base_table"
    success_keys: ClassVar[tuple[str, ...]] = ("base_table", "other", "where", "most", "mostly")
