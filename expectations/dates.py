"""Custom expectation on dates and moments, for the check step: days that can have been, none of them in the future."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

import sqlalchemy as sa
from great_expectations.core.suite_parameters import SuiteParameterDict
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
    ColumnMapMetricProvider,
)

__all__ = ["ExpectColumnValuesToBePlausibleDays"]

_EARLIEST = date(1900, 1, 1)
"""Before this day nobody alive was born, and nothing that a register still has began."""


class ColumnValuesPlausibleDay(ColumnMapMetricProvider):
    """Whether the day of the value is not before one day, and not too long after another."""

    condition_metric_name = "column_values.plausible_day"
    condition_value_keys = ("as_of", "earliest", "days_ahead")

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls, column: sa.ColumnElement[Any], as_of: date, earliest: date, days_ahead: int, **kwargs: Any
    ) -> sa.ColumnElement[bool]:
        first, last = (sa.cast(sa.literal(day.isoformat()), sa.Date) for day in (earliest, as_of))
        day = sa.cast(column, sa.Date)
        return sa.and_(day >= first, sa.func.date_diff("day", last, day) <= days_ahead)


class ExpectColumnValuesToBePlausibleDays(ColumnMapExpectation):
    """Values are dates or moments from `earliest` on, and no more than `days_ahead` days after the day `as_of`.

    A moment counts by its day, so that a clock a few hours ahead on the same day is no fault; nulls are left alone.
    """

    as_of: date | SuiteParameterDict[str, Any]
    earliest: date = _EARLIEST
    days_ahead: int = 0

    map_metric: ClassVar[str] = "column_values.plausible_day"
    success_keys: ClassVar[tuple[str, ...]] = ("as_of", "earliest", "days_ahead", "mostly")
