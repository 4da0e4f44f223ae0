"""Custom expectations on identifiers, for the check step: resident IDs and unified social credit codes."""

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

__all__ = [
    "ExpectColumnValuesToBeCreditCodes",
    "ExpectColumnValuesToBeResidentIds",
    "ExpectResidentIdAgesToBeBetween",
]

Text = sa.ColumnElement[str]

_RESIDENT_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT_ID_CHECKS = "10X98765432"
_CREDIT_CODE_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_CODE_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def _birth_date(column: Text) -> sa.ColumnElement[date]:
    """The date in a resident ID's digits 7 to 14, null where there is no such day."""
    return sa.cast(sa.func.try_strptime(sa.func.substr(column, 7, 8), "%Y%m%d"), sa.Date)


def _resident_id_check(column: Text) -> sa.ColumnElement[str]:
    """The check digit that the first 17 digits ask for."""
    # Digits are cut out of one number: seventeen text operations a row would cost ten times as much.
    number = sa.cast(sa.func.substr(column, 1, 17), sa.BigInteger)
    digits = (sa.func.mod(sa.func.divide(number, 10 ** (16 - place)), 10) for place in range(17))
    total = sum((digit * weight for digit, weight in zip(digits, _RESIDENT_ID_WEIGHTS, strict=True)), sa.literal(0))
    return sa.func.substr(_RESIDENT_ID_CHECKS, sa.func.mod(total, 11) + 1, 1)


class ColumnValuesResidentId(ColumnMapMetricProvider):
    """Whether the value is an 18-digit resident ID: characters, a day that exists, check digit."""

    condition_metric_name = "column_values.resident_id"
    condition_value_keys = ("only_if",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Text, only_if: str, **kwargs: Any) -> sa.ColumnElement[bool]:
        well_formed = sa.func.regexp_full_match(column, "[0-9]{17}[0-9X]")
        valid = sa.and_(_birth_date(column).is_not(None), _resident_id_check(column) == sa.func.substr(column, 18, 1))
        # A case is evaluated in its order, so that no text which is not a number is ever cast to one.
        exempt: sa.ColumnElement[bool] = sa.func.coalesce(sa.literal_column(f"NOT ({only_if})"), sa.true())
        return sa.case((exempt, sa.true()), (well_formed, valid), else_=sa.false())


class ExpectColumnValuesToBeResidentIds(ColumnMapExpectation):
    """Values are resident IDs of 18 characters, by GB 11643-1999; nulls are left alone.

    `only_if` is an SQL condition on the row, for columns that hold other documents too: `id_type_code = '111'`.
    """

    only_if: str = "true"

    map_metric: ClassVar[str] = "column_values.resident_id"
    success_keys: ClassVar[tuple[str, ...]] = ("only_if", "mostly")


class ColumnValuesCreditCode(ColumnMapMetricProvider):
    """Whether the value is a unified social credit code: 18 characters of the alphabet, check character."""

    condition_metric_name = "column_values.credit_code"

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Text, **kwargs: Any) -> sa.ColumnElement[bool]:
        places = (sa.func.strpos(_CREDIT_CODE_ALPHABET, sa.func.substr(column, place, 1)) - 1 for place in range(1, 18))
        total = sum((value * weight for value, weight in zip(places, _CREDIT_CODE_WEIGHTS, strict=True)), sa.literal(0))
        check = sa.func.substr(_CREDIT_CODE_ALPHABET, sa.func.mod(31 - sa.func.mod(total, 31), 31) + 1, 1)
        well_formed = sa.func.regexp_full_match(column, f"[{_CREDIT_CODE_ALPHABET}]{{18}}")
        return sa.case((well_formed, check == sa.func.substr(column, 18, 1)), else_=sa.false())


class ExpectColumnValuesToBeCreditCodes(ColumnMapExpectation):
    """Values are unified social credit codes, by GB 32100-2015; nulls are left alone."""

    map_metric: ClassVar[str] = "column_values.credit_code"


class ColumnValuesResidentIdAge(ColumnMapMetricProvider):
    """Whether the person a resident ID names is of an age between two bounds on a day."""

    condition_metric_name = "column_values.resident_id_age"
    condition_value_keys = ("min_age", "max_age", "as_of")

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls, column: Text, min_age: int, max_age: int, as_of: date, **kwargs: Any
    ) -> sa.ColumnElement[bool]:
        age = sa.func.date_sub("year", _birth_date(column), sa.cast(sa.literal(as_of.isoformat()), sa.Date))
        return age.between(min_age, max_age)


class ExpectResidentIdAgesToBeBetween(ColumnMapExpectation):
    """The persons whom resident IDs name have, on the day `as_of`, completed `min_age` to `max_age` years.

    What is not a resident ID is left alone: that is for `expect_column_values_to_be_resident_ids` to say.
    """

    min_age: int = 0
    max_age: int = 120
    as_of: date | SuiteParameterDict[str, Any]

    map_metric: ClassVar[str] = "column_values.resident_id_age"
    success_keys: ClassVar[tuple[str, ...]] = ("min_age", "max_age", "as_of", "mostly")
