"""What stops a release: the database's errors and base tables that break their contract, told as the hub's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from hub.errors import RetryError, StopError

__all__ = ["breaks", "reported"]


@contextmanager
def reported(where: str) -> Iterator[None]:
    """Turn the database's errors into the hub's, without their details: those quote rows.

    Args:
        where: What was being released.

    Raises:
        StopError: The database refused a row.
        RetryError: The database went away or has no room.
    """
    try:
        yield
    except psycopg.Error as error:
        kind = (error.sqlstate or "")[:2]
        if kind in ("22", "23"):  # a value or a constraint
            raise breaks(where, f"the database refused a row, SQLSTATE {error.sqlstate}") from None
        if kind == "42":  # a right or a statement of ours
            raise
        raise RetryError(
            where=where,
            came=f"the database gave up, {type(error).__name__}, SQLSTATE {error.sqlstate}",
            allowed="a PostgreSQL server that stays up and has room",
            do="look into the server's log and run again; nothing of this release was kept",
        ) from None


def breaks(where: str, came: str) -> StopError:
    """Return the error of a base table that must not go live."""
    return StopError(
        where=where,
        came=came,
        allowed="the columns of the contract, each key once and every required value",
        do="run the step merge again; if it comes back, mend the contract or the merge",
    )
