"""Work done ahead by a pool's threads and taken in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

__all__ = ["in_turn"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_turn(pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """Yield what `work` makes of each item, in the order of the items, whichever is ready first.

    While one result is with the caller, at most `ahead` others are at work or wait: memory holds no more of them. What
    has not begun when the caller leaves off, or when one of them fails, is not done.

    Raises:
        Exception: What `work` raised for an item, when it is that item's turn.
    """
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) > ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()
