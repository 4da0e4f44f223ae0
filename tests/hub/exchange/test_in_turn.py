"""Work done ahead comes in turn, is not begun too early, and its errors come where they belong."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from hub.exchange.in_turn import in_turn


def test_results_come_in_the_order_of_the_items_whichever_is_ready_first() -> None:
    def late(number: int) -> int:
        time.sleep(0.02 if number % 2 == 0 else 0)
        return number

    with ThreadPoolExecutor(3) as pool:
        assert list(in_turn(pool, late, range(9), ahead=4)) == list(range(9))
        assert list(in_turn(pool, late, [], ahead=4)) == []


def test_no_more_than_so_many_are_begun_ahead() -> None:
    asked = []

    def items() -> object:
        for number in range(9):
            asked.append(number)
            yield number

    with ThreadPoolExecutor(1) as pool:
        results = in_turn(pool, str, items(), ahead=2)  # type: ignore[arg-type]
        assert next(results) == "0"
        assert asked == [0, 1, 2]
        assert next(results) == "1"
        assert asked == [0, 1, 2, 3]


def test_an_error_comes_when_it_is_its_turn_and_what_waits_is_not_done() -> None:
    done = []
    go_on = Event()

    def work(number: int) -> int:
        if number == 1:
            raise ValueError("the second")
        if number == 2:
            go_on.wait(5)
        done.append(number)
        return number

    with ThreadPoolExecutor(1) as pool:
        results = in_turn(pool, work, range(9), ahead=4)
        assert next(results) == 0
        with pytest.raises(ValueError, match="the second"):
            next(results)
        go_on.set()
    assert set(done) <= {0, 2}  # the third may have begun by then
