"""Once a day: walk what an event missed, write last month's scorecards, and verify the audit record."""

from __future__ import annotations

from airflow.sdk import dag, task

from dags.policy import DEFAULTS, by_calendar

DOC = """
### 日常维护 · upkeep

事件可能合并或丢失，账本不会：这里补做账本上到期未做的构建、产品和推送，并核验审计链 /
Events may merge or get lost, the ledger does not: what it says is due is done here, and the audit chain is verified.

`scorecards` 在每月第一次运行时写出上月各部门的数据质量月报（数据湖 `docs/scorecards/`）/
writes each department's scorecard of the last month, at the first run of a month, into the lake's `docs/scorecards/`.
"""


@dag(
    dag_id="upkeep",
    dag_display_name="日常维护",
    description="补做到期未做的步骤，写出月报，核验审计链 / do what is overdue, write scorecards, verify the audit",
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
            made = walk.build(hub) if not walk.waits_for(hub) and walk.build_is_due(hub) else None
            released = hub.ledger.newest_release()
            if released is not None:
                walk.send_out(hub)
            return {"release": released or 0, "built": int(made is not None)}

    @task
    def scorecards() -> list[str]:
        from hub.context import open_hub
        from hub.scorecard_page import write_last_month

        with open_hub() as hub:
            return [str(path.relative_to(hub.lake.root)) for path in write_last_month(hub, "airflow:upkeep")]

    @task
    def verify_audit() -> int:
        from hub.context import open_hub

        with open_hub() as hub:
            return hub.ledger.verify_audit()

    walk_what_is_due()
    scorecards()
    verify_audit()


keep_up()
