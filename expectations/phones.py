"""Custom expectation on telephone numbers, for the check step: numbers that can be dialled, none typed in as filler."""

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

__all__ = ["ExpectColumnValuesToBePhoneNumbers"]

_FIXED = "0(10|2[0-9])[2-8][0-9]{7}|0[3-9][0-9]{2}[2-8][0-9]{6,7}"
"""Area code, then a local number: eight digits in the largest cities, seven or eight elsewhere, none from 0, 1 or 9."""
_ALIKE = 7
"""So many equal digits at the end are what a form is filled with that demands a number."""
_RUNS = ("01234567890", "09876543210")


class ColumnValuesPhoneNumber(ColumnMapMetricProvider):
    """Whether the value is a mobile number, or a fixed one with its area code, and not a filler."""

    condition_metric_name = "column_values.phone_number"
    condition_value_keys = ("mobile",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: sa.ColumnElement[str], mobile: str, **kwargs: Any) -> sa.ColumnElement[bool]:
        end = sa.func.right(column, _ALIKE)
        is_filler = sa.or_(
            sa.func.replace(end, sa.func.right(column, 1), "") == "",
            *(sa.func.strpos(run, end) > 0 for run in _RUNS),
        )
        return sa.and_(sa.func.regexp_full_match(column, f"{mobile}|{_FIXED}"), sa.not_(is_filler))


class ExpectColumnValuesToBePhoneNumbers(ColumnMapExpectation):
    """Values are telephone numbers of digits alone, mobile or fixed with area code, and no fillers; nulls left alone.

    A filler ends in seven equal digits (13800000000) or in a run of seven (13801234567). `mobile` is the pattern of
    mobile numbers: `1[3-9][0-9]{9}` lets only those pass that are given out at present.
    """

    mobile: str = "1[0-9]{10}"

    map_metric: ClassVar[str] = "column_values.phone_number"
    success_keys: ClassVar[tuple[str, ...]] = ("mobile", "mostly")
