"""Steps 1 to 3 of the walk: one DAG a department, on the calendar that follows from its contracts' cycles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Param, TriggerRule, dag, task

from dags.policy import DEFAULTS, accepted, by_calendar, data_docs
from hub.cycles import calendar_of

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS, SOURCES = ROOT / "connectors" / "systems", ROOT / "schemas" / "sources"

DOC = """
### 归集 {title} · {english}

| 任务 task | 做什么 | what happens |
|---|---|---|
| `pull` | 从部门系统原样取数，计数、校验 | rows arrive untouched, counted, hashed |
| `take_in` | 转换、校验已到批次；不合格的行带原因留存 | what landed is conformed and checked; bad rows keep a reason |
| `data_docs` | 生成本次校验报告，日志和返回值列出其地址 | pages of these checks; log and result name them |
| `end` | 任一任务失败则本次运行失败 | the run fails if a task failed |

归集失败时，已到的批次照常入库 / What landed is taken in even if some dataset could not be pulled.
部门联系人 contact: {unit}, {contact}

| 数据集 dataset | 周期 cycle |
|---|---|
{cycles}

按日程运行时，本周期数据已到的数据集不再取；手动运行则全部取 /
By the calendar, datasets whose news of the present period has come are left out; a run started by hand pulls them all.
"""


PARAMS = {
    "since": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="补取起点 Backfill from",
        description="增量从此时刻取起；留空则接上次 / increments begin here; empty: where the last pull ended",
    ),
    "replay": Param(
        False,
        type="boolean",
        title="重放 Replay",
        description="不取数，对已到批次重新转换、校验 / conform and check landed batches anew instead of pulling",
    ),
    "accept_deletions": Param(
        False,
        type="boolean",
        title="确认删除 Accept deletions",
        description="部门已确认大量删除属实 / the department confirms that many rows are gone",
    ),
}


def cycles_of(name: str) -> dict[str, str]:
    """Read the title of each dataset of a department, with the cycle its contract states."""
    cycles = {}
    for path in sorted((SOURCES / name).glob("*.yml")):
        contract = yaml.safe_load(path.read_text(encoding="utf-8"))
        agreed = contract.get("slaProperties") or ()
        stated = {one["property"]: f"{one['value']}{one['unit']}" for one in agreed if "unit" in one}
        cycles[f"{contract['name']} `{contract['id']}`"] = stated.get("frequency", "")
    return cycles


def pull_dag(system: dict[str, Any]) -> None:
    """Declare the DAG of one department."""
    name, owner = system["system"], system["owner"]
    cycles = cycles_of(name)
    cron = calendar_of(system["schedule"], cycles.values())
    told = "\n".join(f"| {dataset} | {cycle} |" for dataset, cycle in cycles.items())

    @dag(
        dag_id=f"pull__{name}",
        dag_display_name=f"归集 {system['title']}",
        description=f"归集并校验{system['title']}的数据 / pull and check the data of the {system['english']}",
        doc_md=DOC.format(**owner, title=system["title"], english=system["english"], cycles=told),
        schedule=by_calendar(cron) if cron else None,
        catchup=False,
        max_active_runs=1,
        tags=["check", "conform", "pull", name],
        params=PARAMS,
        default_args={**DEFAULTS, "owner": f"{system['title']} {owner['unit']}"},
    )
    def pull_department() -> None:
        @task
        def pull(params: dict[str, Any] | None = None, dag_run: Any = None) -> dict[str, int]:
            from datetime import datetime

            from hub.context import open_hub
            from hub.walk import Backfill, pull_system

            asked = params or {}
            since = datetime.fromisoformat(asked["since"]) if asked.get("since") else None
            is_scheduled = dag_run is not None and dag_run.run_type == "scheduled"
            how = Backfill(since, bool(asked.get("accept_deletions")), bool(asked.get("replay")), due_only=is_scheduled)
            with open_hub() as hub:
                return {batch.id: batch.landed for batch in pull_system(hub, name, how=how)}

        @task(trigger_rule=TriggerRule.ALL_DONE, outlets=[accepted(name)])
        def take_in() -> dict[str, dict[str, int]]:
            from hub import walk
            from hub.context import open_hub

            with open_hub() as hub:
                return {
                    batch.id: {
                        "landed": batch.landed,
                        "accepted": batch.accepted,
                        "quarantined": batch.quarantined,
                        "duplicate": batch.duplicate,
                    }
                    for batch in walk.take_in(hub, name)
                }

        pulled, taken_in, docs = pull(), take_in(), data_docs(name)
        pulled >> taken_in >> docs
        # Not a task of its own process: the scheduler marks it. It makes a failed pull a failed run.
        [pulled, taken_in, docs] >> EmptyOperator(task_id="end")

    pull_department()


for path in sorted(SYSTEMS.glob("*.yml")):
    pull_dag(yaml.safe_load(path.read_text(encoding="utf-8")))
