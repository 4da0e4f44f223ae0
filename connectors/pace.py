"""A pace: how many rows a second may be asked of a department's system, over all connections of one pull."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Pace"]


class Pace:
    """Holds its callers back so that on average no more than so many rows a second are taken.

    Args:
        rows_per_second: The cap; None: no cap.
        clock: Seconds that only grow.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        rows_per_second: int | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rows_per_second
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._free_at = clock()

    def __call__(self, rows: int) -> None:
        """Account for rows that have come, and wait until the next may be asked for."""
        if self._rate is None:
            return
        with self._lock:
            self._free_at = max(self._free_at, self._clock()) + rows / self._rate
            wait = self._free_at - self._clock()
        if wait > 0:
            self._sleep(wait)
