"""Custom expectation on statistical division codes of 12 digits, for the check step: form and level."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
    ColumnMapMetricProvider,
)

__all__ = ["ExpectColumnValuesToBeDivisionCodes"]

_PROVINCE = "[1-9][0-9]"
_PAIR = "(0[1-9]|[1-9][0-9])"
_UNIT = "(00[1-9]|0[1-9][0-9]|[1-5][0-9]{2})"
_FORMS = {
    "province": f"{_PROVINCE}0{{10}}",
    "prefecture": f"{_PROVINCE}{_PAIR}0{{8}}",
    "county": f"{_PROVINCE}{_PAIR}{_PAIR}0{{6}}",
    "town": f"{_PROVINCE}{_PAIR}{_PAIR}{_UNIT}000",
    "village": f"{_PROVINCE}{_PAIR}{_PAIR}{_UNIT}{_UNIT}",
}
"""Level -> what its codes look like: 2 + 2 + 2 digits of GB/T 2260, then 3 of the town and 3 of the village.

Towns and villages are numbered 001 to 599; upper levels are filled up with zeros.
"""


class ColumnValuesDivisionCode(ColumnMapMetricProvider):
    """Whether the value is a division code of one of the levels."""

    condition_metric_name = "column_values.division_code"
    condition_value_keys = ("levels",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: sa.ColumnElement[str], levels: list[str], **kwargs: Any) -> sa.ColumnElement[bool]:
        return sa.func.regexp_full_match(column, "|".join(_FORMS[level] for level in levels))


class ExpectColumnValuesToBeDivisionCodes(ColumnMapExpectation):
    """Values are division codes of 12 digits of the given levels; nulls are left alone.

    Form alone: whether a code exists is for `expect_column_values_to_be_in_code_list` to say.
    """

    levels: list[Literal["province", "prefecture", "county", "town", "village"]]

    map_metric: ClassVar[str] = "column_values.division_code"
    success_keys: ClassVar[tuple[str, ...]] = ("levels", "mostly")
