"""Digests of tables: equal rows have equal digests, in whatever order and on whatever engine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import ibis
import ibis.expr.datatypes as dt

__all__ = ["table_digest"]


@ibis.udf.scalar.builtin(name="hex")  # type: ignore[untyped-decorator]
def _hex(value: dt.binary) -> str:  # type: ignore[empty-body]
    """The engine's own function, called alike in DuckDB and Spark."""


def table_digest(table: ibis.Table, columns: Sequence[str], salt: str = "") -> str:
    """SHA-256 over the count and three sums of the rows' MD5 digests; row order does not matter.

    Args:
        table: The rows, bound to a backend.
        columns: The columns that count, in this order; binary ones as hexadecimal digits.
        salt: Further text that must be equal, e.g. a contract's version.
    """
    fields = []
    for name in columns:
        value = table[name]
        text = _hex(value) if value.type().is_binary() else value.cast("string")
        fields.append(text.fill_null("\x00"))
    digest = table.select(row=ibis.literal("\x1e").join(fields).hexdigest("md5"))
    sums = {
        f"part_{start}": ("0x" + digest.row.substr(start, 10)).cast("int64").cast("decimal(38, 0)").sum()
        for start in (0, 10, 20)
    }
    found = digest.aggregate(rows=digest.count(), **sums).to_pyarrow().to_pylist()[0]
    line = "|".join([salt, *(f"{name}={found[name] or 0}" for name in sorted(found))])
    return hashlib.sha256(line.encode()).hexdigest()
