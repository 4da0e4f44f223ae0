"""Digests of tables: equal rows have equal digests, in whatever order and on whatever engine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import ibis

__all__ = ["table_digest"]


def table_digest(table: ibis.Table, columns: Sequence[str], salt: str = "") -> str:
    """SHA-256 over the count and three sums of the rows' MD5 digests; row order does not matter.

    Args:
        table: The rows, bound to a backend.
        columns: The columns that count, in this order; binary ones by their hexadecimal MD5.
        salt: Further text that must be equal, e.g. a contract's version.
    """
    fields = []
    for name in columns:
        value = table[name]
        text = value.hexdigest("md5") if value.type().is_binary() else value.cast("string")
        fields.append(text.fill_null("\x00"))
    digest = table.select(row=ibis.literal("\x1e").join(fields).hexdigest("md5"))
    sums = {
        f"part_{start}": ("0x" + digest.row.substr(start, 10)).cast("int64").cast("decimal(38, 0)").sum()
        for start in (0, 10, 20)
    }
    found = digest.aggregate(rows=digest.count(), **sums).to_pyarrow().to_pylist()[0]
    line = "|".join([salt, *(f"{name}={found[name] or 0}" for name in sorted(found))])
    return hashlib.sha256(line.encode()).hexdigest()
