"""The pace keeps the average under the cap, over all callers."""

from __future__ import annotations

import pytest

from connectors.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_rows_cost_their_time() -> None:
    clock = Clock()
    pace = Pace(100, clock, clock.sleep)
    for _ in range(3):
        pace(50)
    assert clock.slept == pytest.approx([0.5, 0.5, 0.5])


def test_time_spent_elsewhere_counts_but_is_not_saved_up() -> None:
    clock = Clock()
    pace = Pace(100, clock, clock.sleep)
    clock.now += 60
    pace(50)
    assert clock.slept == pytest.approx([0.5])
    clock.now += 0.4
    pace(100)
    assert clock.slept[-1] == pytest.approx(1.0)


def test_without_a_cap_nobody_waits() -> None:
    clock = Clock()
    Pace(None, clock, clock.sleep)(10**9)
    assert clock.slept == []
