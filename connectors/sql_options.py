"""Options of kind `sql`."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from connectors.options import Count, Number, Options, PullOptions, quoted

__all__ = ["SqlConnection", "SqlPull"]

_TABLE: Final = re.compile(r"\w+(\.\w+)?")
_COLUMN: Final = re.compile(r"\w+")


def _table(name: str) -> str:
    if not _TABLE.fullmatch(name):
        raise ValueError(f"{quoted(name)} is not a plain name of letters, digits and _, or schema.name of such")
    return name


def _column(name: str) -> str:
    if not _COLUMN.fullmatch(name):
        raise ValueError(f"{quoted(name)} is not a plain name of letters, digits and _")
    return name


Column = Annotated[str, AfterValidator(_column)]


class SqlConnection(Options):
    """A database needs nothing beside its URL."""

    page: ClassVar[str] = "docs/connectors/sql.md"


class SqlPull(PullOptions):
    """Which table is read, and how; docs/connectors/sql.md has each option's meaning."""

    page: ClassVar[str] = "docs/connectors/sql.md"
    table: Annotated[str, AfterValidator(_table)]
    cursor: Column | None = Field(default=None, validate_default=True)
    overlap_hours: Number = 24
    split_by: Column | None = None
    chunk_rows: Count = 200_000
    audit_days: Annotated[int, Field(strict=True, ge=0)] | None = None

    @field_validator("cursor")
    @classmethod
    def _an_increment_needs_it(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("mode") == "increment":
            raise ValueError("an increment needs it: the column that grows with every change")
        return value
