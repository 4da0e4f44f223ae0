"""Slows down who guesses access codes, or asks too much: so many tries a minute for one operator from one address."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Lock

__all__ = ["Throttle"]

_WINDOW_SECONDS = 60.0
_FORGET_ABOVE = 10_000


class Throttle:
    """Counts tries in a sliding minute, in this process.

    Args:
        limit: Tries a minute.
        clock: Seconds that only go forward.
    """

    def __init__(self, limit: int = 10, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._tries: dict[tuple[str, str], deque[float]] = {}
        self._lock = Lock()

    def wait(self, operator: str, address: str) -> int:
        """Note a try and return 0, or return the seconds to wait before the next one.

        A try counts before its code is looked at, so that many at once are no way around.
        """
        with self._lock:
            current = self._clock()
            if len(self._tries) > _FORGET_ABOVE:
                self._forget(current)
            tries = self._tries.setdefault((operator, address), deque())
            while tries and tries[0] <= current - _WINDOW_SECONDS:
                tries.popleft()
            if len(tries) >= self._limit:
                return int(tries[0] + _WINDOW_SECONDS - current) + 1
            tries.append(current)
            return 0

    def succeeded(self, operator: str, address: str) -> None:
        """Forget the tries of who has signed in: only failed ones count."""
        with self._lock:
            self._tries.pop((operator, address), None)

    def _forget(self, current: float) -> None:
        over = [key for key, tries in self._tries.items() if not tries or tries[-1] <= current - _WINDOW_SECONDS]
        for key in over:
            del self._tries[key]
