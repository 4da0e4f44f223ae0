"""Pulling ahead: one department is pulled while the one before it is taken in, so that neither waits for the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from hub.asking import Awake
from hub.errors import RetryError

__all__ = ["one_at_a_time", "pulled_ahead"]

T = TypeVar("T")


@contextmanager
def pulled_ahead(names: Sequence[str], pull: Callable[[str, Awake], T]) -> Iterator[Mapping[str, Future[T]]]:
    """Pull departments one after the other in a thread of its own, while the block deals with those that are here.

    When the block ends, however it does, no further department is asked, and the one that is being pulled stops before
    its next question; it is waited for.

    Args:
        names: The departments, in order.
        pull: Pulls one. It is given what to call before each question, which raises `RetryError` where nobody waits any
            more.

    Yields:
        What is to become of each; `result()` waits for it and raises what the pull raised.
    """
    left = threading.Event()

    def keep_on() -> None:
        if left.is_set():
            raise RetryError(
                where="pull",
                came="the walk ended before its pulls did",
                allowed="pulls that somebody waits for",
                do="run again; what has landed is kept",
            )

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as pool:
        pulls = {name: pool.submit(pull, name, keep_on) for name in names}
        try:
            yield pulls
        finally:
            left.set()
            for one in pulls.values():
                one.cancel()


def one_at_a_time(tell: Callable[[T], None]) -> Callable[[T], None]:
    """Return a listener that two threads can tell of their work without being in each other's way."""
    telling = threading.Lock()

    def tell_alone(news: T) -> None:
        with telling:
            tell(news)

    return tell_alone
