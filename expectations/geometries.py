"""Custom expectation on geometries, for the check step: which kinds of WKB a column may hold."""

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

__all__ = ["ExpectColumnValuesToBeWkb"]

_HEADS = {"Point": "0101000000", "Polygon": "0103000000", "MultiPolygon": "0106000000"}
"""The first five bytes of little-endian WKB, in hexadecimal: the byte order and the geometry's kind."""


class ColumnValuesWkb(ColumnMapMetricProvider):
    """Whether the value begins as WKB of an allowed kind does."""

    condition_metric_name = "column_values.wkb"
    condition_value_keys = ("kinds",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: sa.ColumnElement[bytes], kinds: list[str], **kwargs: Any) -> sa.ColumnElement[bool]:
        head = sa.func.hex(sa.func.array_slice(column, 1, 5))
        return head.in_([_HEADS[kind] for kind in kinds])


class ExpectColumnValuesToBeWkb(ColumnMapExpectation):
    """Values are little-endian WKB of the given kinds (Point, Polygon, MultiPolygon); nulls are left alone."""

    kinds: list[str]

    map_metric: ClassVar[str] = "column_values.wkb"
    success_keys: ClassVar[tuple[str, ...]] = ("kinds", "mostly")
