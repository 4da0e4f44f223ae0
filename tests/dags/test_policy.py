"""How often a task is tried again, by the group of its error."""

from __future__ import annotations

from typing import Any

import pytest

from hub.errors import ConfigurationError, CountsError, RetryError, ScopeError, SetAsideError, StopError

PARTS = ("here", "this", "that", "so")


def judge(error: Exception, attempt: int) -> Any:
    from dags.policy import ErrorGroupPolicy  # Airflow must find its home of the session first

    return ErrorGroupPolicy().evaluate(error, try_number=attempt, max_tries=5)


@pytest.mark.parametrize("attempt", range(1, 6))
def test_what_may_succeed_later_is_tried_again_as_often_as_the_task_allows(attempt: int) -> None:
    decision = judge(RetryError(*PARTS), attempt)
    assert decision.action.value == "retry"
    assert decision.retry_delay is None  # the task's own delay, which doubles


@pytest.mark.parametrize(
    "error", [StopError(*PARTS), CountsError(*PARTS), ScopeError(*PARTS), ConfigurationError(["a"])]
)
def test_what_needs_a_person_fails_at_once(error: Exception) -> None:
    assert judge(error, 1).action.value == "fail"


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), OSError("x"), SetAsideError(*PARTS)])
def test_what_nobody_has_judged_is_tried_once_more(error: Exception) -> None:
    assert judge(error, 1).action.value == "default"
    assert judge(error, 2).action.value == "fail"
