"""Step 8 of the walk: every village and department gets what changed for it, woken by new products."""

from __future__ import annotations

from airflow.sdk import dag, task

from dags.policy import DEFAULTS, PRODUCTS

DOC = """
### 推送 · deliver

每个村（社区）和部门只收到与上次不同的部分，只推送一次，有回执 /
Every village and department gets what changed for it, once, with a receipt. One task for all of them.
"""


@dag(
    dag_id="deliver",
    dag_display_name="推送 到村",
    description="把变化推送到村和部门 / deliver what changed to villages and departments",
    doc_md=DOC,
    schedule=[PRODUCTS],
    catchup=False,
    max_active_runs=1,
    tags=["deliver"],
    default_args=DEFAULTS,
)
def deliver_products() -> None:
    """Declare the DAG."""

    @task
    def deliver() -> dict[str, int]:
        from hub.context import open_hub
        from hub.steps.deliver import deliver as deliver_due

        with open_hub() as hub:
            made = deliver_due(hub)
            return {"deliveries": len(made), "rows": sum(delivery.rows for delivery in made)}

    deliver()


deliver_products()
