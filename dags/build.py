"""Steps 4 to 6 of the walk: link, merge and release, woken by any department whose rows were taken in."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.sdk import AssetAny, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.policy import DEFAULTS, RELEASE, accepted

DOC = """
### 关联、融合、发布 · link, merge, release

账本决定是否需要：仍有归集未完成，或与现行发布版无差别时跳过 /
The ledger decides: while a pull is open, or where nothing differs from the live release, the run is skipped.
所有基础表一次上线，否则都不上线 / All base tables go live together, or none does.

校验报告与质量月报 / Data Docs and scorecards: [门户·数据质量 portal]({portal}/quality)
""".format(portal=os.environ.get("HUB_PUBLIC_URL", "http://127.0.0.1:8080"))
SYSTEMS = Path(__file__).resolve().parent.parent / "connectors" / "systems"


@dag(
    dag_id="build",
    dag_display_name="构建 基础库",
    description="关联、融合并发布基层治理数据库 / link, merge and release the governance database",
    doc_md=DOC,
    schedule=AssetAny(*(accepted(path.stem) for path in sorted(SYSTEMS.glob("*.yml")))),
    catchup=False,
    max_active_runs=1,
    tags=["link", "merge", "release"],
    default_args=DEFAULTS,
)
def build_base() -> None:
    """Declare the DAG."""

    @task(outlets=[RELEASE])
    def build() -> dict[str, int]:
        from hub import walk
        from hub.context import open_hub
        from hub.exchange.versions import newest_versions

        with open_hub() as hub:
            made = walk.build(hub) if walk.build_is_due(hub) else None
            # An earlier release may still wait for its products: then publish is woken again.
            published = {version.release_number for version in newest_versions(hub)}
            if made is None and hub.ledger.newest_release() in {None, *published}:
                raise AirflowSkipException("the ledger says that nothing is due")
            return {name: table["rows"] for name, table in made.tables.items()} if made else {}

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def data_docs() -> int:
        from hub.context import open_hub
        from hub.data_docs import build_docs

        with open_hub() as hub:
            return build_docs(hub)

    build() >> data_docs()


build_base()
