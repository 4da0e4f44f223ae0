"""Locks that all processes of a hub share, kept by PostgreSQL, which frees those of a process that died."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, func, select

from hub.errors import RetryError

__all__ = ["Locks", "lock_number"]

_PAUSE = 0.1


class Locks:
    """One at a time, across all processes."""

    def __init__(self, database: Engine) -> None:
        self.database = database

    @contextmanager
    def locked(self, name: str, patience: float = 0.0) -> Iterator[None]:
        """Hold a lock that all processes of this hub share; the server frees it if the holder dies.

        Args:
            name: What is locked.
            patience: How many seconds to wait for another process that holds it.

        Raises:
            RetryError: Another process holds it.
        """
        with self.database.connect() as connection:
            if not _taken(connection, name, patience):
                raise RetryError(
                    where=name,
                    came="another process is at it",
                    allowed="one process at a time",
                    do="wait until that one has ended and run again",
                )
            try:
                yield
            finally:
                connection.execute(select(func.pg_advisory_unlock(lock_number(name))))
                connection.commit()


def _taken(connection: Connection, name: str, patience: float) -> bool:
    """Take a lock, or give up when the time is over."""
    until = time.monotonic() + patience
    while True:
        taken = bool(connection.scalar(select(func.pg_try_advisory_lock(lock_number(name)))))
        connection.commit()
        if taken or time.monotonic() >= until:
            return taken
        time.sleep(_PAUSE)


def lock_number(name: str) -> int:
    """The number by which the server knows a lock."""
    return zlib.crc32(f"community-data-hub {name}".encode())
