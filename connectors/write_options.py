"""What a system's `deliver` may say: which product goes over which connection, and what each kind that writes needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from connectors.options import Count, Options, Text
from connectors.rest_options import Push

__all__ = ["WRITE_MODELS", "Deliver", "FileWrite", "MessageWrite", "SqlWrite", "split"]

_FILLED_IN: Final = re.compile(r"\{(?:delivery|name)\}")

Name = Annotated[str, Field(pattern=r"^\w+(\.\w+)?$")]
"""A table, also `schema.name`."""


def _file(name: str) -> str:
    path = PurePosixPath(name)
    if not path.name or path.is_absolute() or ".." in path.parts or set("{}") & set(_FILLED_IN.sub("", name)):
        raise ValueError(f"{name!r} is no path below the place; in it only {{delivery}} and {{name}} are filled in")
    return name


class Deliver(Options):
    """One product that goes to a department's own system; beside these words stand the options of the kind.

    Attributes:
        product: Its name; the department must be its subscriber.
        connection: Of the same system.
        keys: Columns of the product that tell a row.
        columns: Column of the product -> its name in the department's system; none: all, under their own names.
    """

    page: ClassVar[str] = "docs/delivering.md"
    product: Text
    connection: Text
    keys: tuple[str, ...] = ()
    columns: dict[str, str] = Field(default_factory=dict)


class SqlWrite(Options):
    """How rows come into a table.

    Attributes:
        table: It must be there.
        mode: `snapshot`: rows that are not in the delivery go; `increment`: they stay.
        receipts: A table of the deliveries it has: `delivery`, `row_count`, `sha256`.
    """

    page: ClassVar[str] = "docs/connectors/sql.md"
    table: Name
    mode: Literal["snapshot", "increment"] = "snapshot"
    receipts: Name | None = None


class FileWrite(Options):
    """How rows become a file.

    Attributes:
        format: Its format, and its suffix.
        encoding: Of CSV.
        file: Its path below the place, without suffix; `{delivery}` and `{name}` stand for the delivery's.
    """

    page: ClassVar[str] = "docs/connectors/files.md"
    format: Literal["csv", "json_lines", "parquet"] = "csv"
    encoding: Literal["utf-8", "utf-8-sig", "gb18030"] = "utf-8"
    file: Annotated[str, AfterValidator(_file)] = "{delivery}"


class MessageWrite(Options):
    """How rows become messages.

    Attributes:
        queue: It must be there.
        together: How many rows go into one message, as a list; 1: each alone, as an object.
        receipts: A queue that keeps the newest receipt of each product.
    """

    page: ClassVar[str] = "docs/connectors/message.md"
    queue: str = Field(min_length=1, max_length=255)
    together: Count = 1
    receipts: str | None = Field(default=None, min_length=1, max_length=255)


WRITE_MODELS: Final[Mapping[str, type[Options]]] = {
    "sql": SqlWrite,
    "file": FileWrite,
    "rest": Push,
    "message": MessageWrite,
}
"""Kind of a connection that writes -> its options."""


def split(entry: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the words of an entry of `deliver` that every kind has, and the kind's options."""
    common = {name: value for name, value in entry.items() if name in Deliver.model_fields}
    return common, {name: value for name, value in entry.items() if name not in common}
