"""Pulling ahead of what is taken in."""

from __future__ import annotations

import threading

import pytest

from hub.ahead import one_at_a_time, pulled_ahead
from hub.asking import Awake
from hub.errors import RetryError

_PATIENCE = 20.0
NAMES = ("a", "b", "c")


def test_the_next_is_pulled_while_the_one_before_is_dealt_with() -> None:
    second_is_here = threading.Event()

    def pull(name: str, keep_on: Awake) -> str:
        keep_on()
        if name == "b":
            second_is_here.set()
        return name.upper()

    with pulled_ahead(NAMES, pull) as pulls:
        assert pulls["a"].result() == "A"
        assert second_is_here.wait(_PATIENCE), "nobody asked for b's result yet"
        assert [pulls[name].result() for name in NAMES] == ["A", "B", "C"]


def test_never_two_at_a_time() -> None:
    running, most = 0, 0

    def pull(name: str, keep_on: Awake) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        keep_on()
        running -= 1

    with pulled_ahead(NAMES * 5, pull) as pulls:
        for one in pulls.values():
            one.result()
    assert most == 1


def test_one_that_fails_fails_alone() -> None:
    def pull(name: str, keep_on: Awake) -> str:
        if name == "b":
            raise RetryError("b", "away", "a", "d")
        return name

    with pulled_ahead(NAMES, pull) as pulls:
        with pytest.raises(RetryError, match="away"):
            pulls["b"].result()
        assert pulls["c"].result() == "c"


def test_whoever_leaves_early_asks_no_more() -> None:
    asked: list[str] = []
    begun, left = threading.Event(), threading.Event()
    told: list[RetryError] = []

    def pull(name: str, keep_on: Awake) -> None:
        asked.append(name)
        keep_on()
        begun.set()
        assert left.wait(_PATIENCE)
        while not told:
            try:
                keep_on()
            except RetryError as error:
                told.append(error)

    def leave() -> None:
        with pulled_ahead(NAMES, pull):
            assert begun.wait(_PATIENCE)
            left.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert asked == ["a"]
    assert "the walk ended before its pulls did" in str(told[0])


def test_two_threads_do_not_tell_at_once() -> None:
    inside = threading.Lock()
    heard: list[int] = []

    def listen(news: int) -> None:
        assert inside.acquire(blocking=False), "two at once"
        heard.append(news)
        inside.release()

    tell = one_at_a_time(listen)
    threads = [threading.Thread(target=lambda: [tell(number) for number in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard) == sorted([*range(500)] * 4)
