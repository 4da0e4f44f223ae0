"""What all DAGs share: the assets that wake them, their owner, how often a task is tried again, links to the checks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    Context,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryDecision,
    RetryRule,
    TriggerRule,
    task,
)

from hub.errors import RetryError, StopError

__all__ = ["DEFAULTS", "OWNER", "PRODUCTS", "RELEASE", "ErrorGroupPolicy", "accepted", "by_calendar", "data_docs"]

OWNER = "基层治理数据中枢"

# An asset's event only wakes a DAG; what is due, the ledger says.
RELEASE = Asset(name="release", uri="hub://release")
PRODUCTS = Asset(name="products", uri="hub://products")


def accepted(system: str) -> Asset:
    """The asset that stands for the accepted rows of a department."""
    return Asset(name=f"accepted/{system}", uri=f"hub://accepted/{system}")


def by_calendar(cron: str) -> CronTriggerTimetable:
    """The calendar of a cron line in China's time; a DAG seen for the first time waits for its next hour."""
    return CronTriggerTimetable(cron, timezone="Asia/Shanghai", run_immediately=timedelta(0))


class ErrorGroupPolicy(ExceptionRetryPolicy):
    """Tries again by what the error's group says should happen next.

    `RetryError`: as often as the task's `retries` allow; `StopError` and its kin (settings, counts, scope): never;
    any other error: once, because nobody has judged yet whether trying again helps.
    """

    def __init__(self) -> None:
        super().__init__(
            rules=[
                RetryRule(exception=RetryError, action=RetryAction.RETRY, reason="may succeed later"),
                RetryRule(exception=StopError, action=RetryAction.FAIL, reason="a person must act first"),
            ]
        )

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Judge one failure; `try_number` counts from 1."""
        decision = super().evaluate(exception, try_number, max_tries, context)
        if decision.action is RetryAction.DEFAULT and try_number > 1:
            return RetryDecision.fail(reason="an unknown error that came again")
        return decision


DEFAULTS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 5,
    "retry_policy": ErrorGroupPolicy(),
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=30),
    "execution_timeout": timedelta(hours=6),
}
"""`default_args` of every DAG."""


@task(trigger_rule=TriggerRule.ALL_DONE)
def data_docs(part: str, dag_run: Any = None) -> dict[str, str]:
    """Add the pages of this run's verdicts to Data Docs; name their addresses in the log and the result.

    Args:
        part: A department's short name, or `base`: first part of the tails that the run has checked.
        dag_run: Given by Airflow.
    """
    import logging

    from hub.context import open_hub
    from hub.data_docs import build_docs, page_links

    with open_hub() as hub:
        build_docs(hub)
        links = page_links(hub, part, dag_run.start_date)
    for name, address in links.items():
        logging.getLogger(__name__).info("校验报告 data docs of %s: %s", name, address)
    return links
