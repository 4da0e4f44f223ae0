"""Ten failed tries a minute, then a wait, for each operator and address by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.portal.throttle import Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_eleventh_try_in_a_minute_waits_and_others_do_not() -> None:
    clock = Clock()
    throttle = Throttle(clock=clock)
    assert [throttle.wait("甲", "1.1.1.1") for _ in range(10)] == [0] * 10
    assert throttle.wait("甲", "1.1.1.1") == 61
    assert throttle.wait("乙", "1.1.1.1") == 0
    assert throttle.wait("甲", "1.1.1.2") == 0
    clock.now += 60
    assert throttle.wait("甲", "1.1.1.1") == 0


def test_a_try_that_succeeds_clears_the_account() -> None:
    throttle = Throttle(limit=2, clock=Clock())
    throttle.wait("甲", "a")
    throttle.succeeded("甲", "a")
    assert [throttle.wait("甲", "a"), throttle.wait("甲", "a")] == [0, 0]
    assert throttle.wait("甲", "a") > 0


@given(st.lists(st.floats(0, 30), max_size=60))
def test_no_minute_ever_lets_more_through_than_the_limit(pauses: list[float]) -> None:
    clock = Clock()
    throttle = Throttle(limit=3, clock=clock)
    let_through = []
    for pause in pauses:
        clock.now += pause
        if throttle.wait("甲", "a") == 0:
            let_through.append(clock.now)
    for start in let_through:
        assert sum(start <= moment < start + 60 for moment in let_through) <= 3


def test_what_is_over_is_forgotten() -> None:
    clock = Clock()
    throttle = Throttle(clock=clock)
    for number in range(10_001):
        throttle.wait(str(number), "a")
    clock.now += 61
    throttle.wait("last", "a")
    assert list(throttle._tries) == [("last", "a")]
