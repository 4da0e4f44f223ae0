"""Once a day: walk what an event missed, and verify the audit record."""

from __future__ import annotations

from airflow.sdk import dag, task

from dags.policy import DEFAULTS, by_calendar

DOC = """
### 日常维护 · upkeep

事件可能合并或丢失，账本不会：这里补做账本上到期未做的构建、产品和推送，并核验审计链 /
Events may merge or get lost, the ledger does not: what it says is due is done here, and the audit chain is verified.
"""


@dag(
    dag_id="upkeep",
    dag_display_name="日常维护",
    description="补做到期未做的步骤，核验审计链 / do what is overdue, verify the audit chain",
    doc_md=DOC,
    schedule=by_calendar("30 6 * * *"),
    catchup=False,
    max_active_runs=1,
    tags=["upkeep"],
    default_args=DEFAULTS,
)
def keep_up() -> None:
    """Declare the DAG."""

    @task
    def walk_what_is_due() -> dict[str, int]:
        from hub import walk
        from hub.context import open_hub

        with open_hub() as hub:
            made = walk.build(hub) if walk.build_is_due(hub) else None
            released = hub.ledger.newest_release()
            if released is not None:
                walk.send_out(hub)
            return {"release": released or 0, "built": int(made is not None)}

    @task
    def verify_audit() -> int:
        from hub.context import open_hub

        with open_hub() as hub:
            return hub.ledger.verify_audit()

    walk_what_is_due()
    verify_audit()


keep_up()
