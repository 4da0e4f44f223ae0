"""Step 7 of the walk: products are cut from the live release, woken by it."""

from __future__ import annotations

from airflow.sdk import dag, task

from dags.policy import DEFAULTS, PRODUCTS, RELEASE

DOC = """
### 产品 · publish

按区划切行、按用途切列，生成有版本、有签名清单的数据产品 /
Rows by division, columns by purpose: versioned products with a signed manifest. An unchanged product keeps its version.
"""


@dag(
    dag_id="publish",
    dag_display_name="产品 生成",
    description="从现行发布版生成数据产品 / cut the products from the live release",
    doc_md=DOC,
    schedule=[RELEASE],
    catchup=False,
    max_active_runs=1,
    tags=["publish"],
    default_args=DEFAULTS,
)
def publish_products() -> None:
    """Declare the DAG."""

    @task(outlets=[PRODUCTS])
    def publish() -> dict[str, int]:
        from hub.context import open_hub
        from hub.steps.publish import publish as publish_due

        with open_hub() as hub:
            return {version.name: version.rows for version in publish_due(hub)}

    publish()


publish_products()
