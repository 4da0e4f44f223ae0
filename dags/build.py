"""Steps 4 to 6 of the walk: link, merge and release, woken by any department whose rows were taken in."""

from __future__ import annotations

from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import AssetAny, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.policy import DEFAULTS, RELEASE, accepted, data_docs

DOC = """
### 关联、融合、发布 · link, merge, release

账本决定是否需要：仍有归集未完成（日志说明在等哪个部门），或与现行发布版无差别时跳过 /
The ledger decides: while a pull is open (the log says which one), or where nothing differs from the live release, the
run is skipped. 所有基础表一次上线，否则都不上线 / All base tables go live together, or none does.

`data_docs` 的日志和返回值列出本次校验报告的地址 / its log and result name the pages of this run's checks.
"""
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
            waiting = walk.waits_for(hub)
            made = walk.build(hub) if not waiting and walk.build_is_due(hub) else None
            # An earlier release may still wait for its products: then publish is woken again.
            published = {version.release_number for version in newest_versions(hub)}
            if made is None and hub.ledger.newest_release() in {None, *published}:
                why = f"build waits for pull of {', '.join(waiting)}" if waiting else "the ledger says: nothing is due"
                raise AirflowSkipException(why)
            return {name: table["rows"] for name, table in made.tables.items()} if made else {}

    built, docs = build(), data_docs("base")
    built >> docs
    # Not a task of its own process: the scheduler marks it. It makes a failed build a failed run.
    [built, docs] >> EmptyOperator(task_id="end")


build_base()
