"""What every DAG must keep to: it imports fast and alone, is the same each time, and has tags, owner and retries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from hub.contracts import load_contracts
from hub.cycles import calendar_of

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for path in (ROOT / "dags").glob("*.py") if path.name not in {"__init__.py", "policy.py"})
SYSTEMS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / "connectors/systems").glob("*.yml")}
VERBS = {"pull", "conform", "check", "link", "merge", "release", "publish", "deliver", "upkeep"}
HEAVY = ["great_expectations", "ibis", "pandas", "numpy", "pyarrow", "duckdb", "deltalake", "hub.contracts", "hub.walk"]
PARSE = """
import json, runpy, socket, sys, time, warnings
warnings.simplefilter("ignore")
import airflow.sdk, airflow.providers.standard.operators.empty
def closed(*args, **kwargs):
    raise RuntimeError("the network is touched at parse")
socket.socket.connect = socket.getaddrinfo = closed
found = {}
for path in sys.argv[2:]:
    begun = time.perf_counter()
    runpy.run_path(path)
    took = time.perf_counter() - begun
    found[path] = {"seconds": took, "heavy": sorted(set(json.loads(sys.argv[1])) & set(sys.modules))}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def parsed(airflow_home: Path) -> Any:
    """What parsing each file costs in a process that has imported nothing but Airflow."""
    command = [sys.executable, "-c", PARSE, json.dumps(HEAVY), *map(str, FILES)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def tasks(dagbag: Any, dag_id: str) -> dict[str, Any]:
    return dagbag.dags[dag_id].task_dict


def test_all_dags_import(dagbag: Any) -> None:
    assert dagbag.import_errors == {}
    assert set(dagbag.dags) == {*(f"pull__{name}" for name in SYSTEMS), "build", "publish", "deliver", "upkeep"}
    assert set(SYSTEMS) == set(load_contracts().systems)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_parses_in_a_second_without_network_and_heavy_imports(path: Path, parsed: Any) -> None:
    assert parsed[str(path)]["heavy"] == []
    assert parsed[str(path)]["seconds"] < 1


def test_dags_are_byte_equal_when_read_and_serialised_twice(dagbag: Any, read_dags: Callable[[], Any]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    def serialised(bag: Any) -> dict[str, str]:
        return {name: json.dumps(DagSerialization.to_dict(dag)) for name, dag in bag.dags.items()}

    assert serialised(dagbag) == serialised(read_dags())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_in_a_dag_file_varies_from_parse_to_parse(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL", "error")
    from airflow.utils.dag_version_inflation_checker import check_dag_file_stability

    checked = check_dag_file_stability(str(path))
    assert checked.check_level.value == "error"
    assert checked.format_warnings() is None


def test_every_dag_has_tags_of_the_walk_and_one_run_at_a_time(dagbag: Any) -> None:
    for name, dag in dagbag.dags.items():
        assert dag.tags, name
        assert set(dag.tags) <= VERBS | set(SYSTEMS), name
        assert dag.max_active_runs == 1, name
        assert dag.catchup is False, name
        assert dag.description, name
        assert dag.doc_md, name


def test_every_task_has_an_owner_and_the_retry_policy(dagbag: Any) -> None:
    from dags.policy import ErrorGroupPolicy

    for name, dag in dagbag.dags.items():
        for task in dag.tasks:
            assert task.owner not in {"", "airflow"}, (name, task.task_id)
            assert isinstance(task.retry_policy, ErrorGroupPolicy), (name, task.task_id)
            assert task.retries == 5, (name, task.task_id)
            assert task.execution_timeout <= timedelta(hours=6), (name, task.task_id)


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_a_department_is_pulled_by_its_calendar_and_owned_by_its_unit(dagbag: Any, system: str) -> None:
    dag = dagbag.dags[f"pull__{system}"]
    contracts = load_contracts()
    cycles = [contract.cycle for contract in contracts.of_system(system)]
    assert dag.timetable.expression == calendar_of(contracts.systems[system].schedule, cycles)
    assert str(dag.timetable.timezone) == "Asia/Shanghai"
    assert system in dag.tags
    assert {task.owner for task in dag.tasks} == {f"{SYSTEMS[system]['title']} {SYSTEMS[system]['owner']['unit']}"}


def test_the_calendar_follows_the_contracts(dagbag: Any) -> None:
    found = {name: dagbag.dags[f"pull__{name}"].timetable.expression for name in SYSTEMS}
    assert found == {
        "civil_affairs": "30 1 * * 1",  # its own, with the reason: lists of a month come on any day
        "disabled_federation": "30 4 1 * *",
        "health_commission": "0 4 * * *",
        "market_regulation": "0 3 * * *",
        "natural_resources": "0 1 * * *",
        "public_security": "0 2 * * *",
    }
    for name in SYSTEMS:
        for contract in load_contracts().of_system(name):
            assert f"| {contract.title} `{contract.tail}` | {contract.cycle} |" in dagbag.dags[f"pull__{name}"].doc_md


@pytest.mark.parametrize(("run_type", "due_only"), [("scheduled", True), ("manual", False), ("asset_triggered", False)])
def test_only_a_run_by_the_calendar_leaves_out_what_is_not_due(
    dagbag: Any, monkeypatch: pytest.MonkeyPatch, run_type: str, due_only: bool
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("hub.context.open_hub", lambda: nullcontext(None))
    monkeypatch.setattr("hub.walk.pull_system", lambda hub, name, how: asked.append((name, how.due_only)) or [])
    pull = tasks(dagbag, "pull__civil_affairs")["pull"].python_callable
    pull(params={}, dag_run=SimpleNamespace(run_type=run_type))
    assert asked == [("civil_affairs", due_only)]


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_what_landed_is_taken_in_even_after_a_failed_pull_which_still_fails_the_run(dagbag: Any, system: str) -> None:
    found = tasks(dagbag, f"pull__{system}")
    assert found["take_in"].upstream_task_ids == {"pull"}
    assert found["take_in"].trigger_rule.value == "all_done"
    # The run's state is that of its leaves: the only leaf succeeds only if both tasks did.
    assert [name for name, task in found.items() if not task.downstream_task_ids] == ["end"]
    assert found["end"].upstream_task_ids == {"pull", "take_in", "data_docs"}
    assert found["end"].trigger_rule.value == "all_success"


def test_a_failed_build_is_a_failed_run(dagbag: Any) -> None:
    found = tasks(dagbag, "build")
    assert found["data_docs"].trigger_rule.value == "all_done", "what was checked is shown even then"
    assert [name for name, task in found.items() if not task.downstream_task_ids] == ["end"]
    assert found["end"].upstream_task_ids == {"build", "data_docs"}
    assert found["end"].trigger_rule.value == "all_success"


class _Hub:
    """As much of a hub as a build asks for."""

    ledger = SimpleNamespace(newest_release=lambda: 3)


@pytest.mark.parametrize(("waiting", "told"), [(["a", "b"], "build waits for pull of a, b"), ([], "nothing is due")])
def test_a_build_that_does_nothing_says_what_it_waits_for(
    dagbag: Any, monkeypatch: pytest.MonkeyPatch, waiting: list[str], told: str
) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    monkeypatch.setattr("hub.context.open_hub", lambda: nullcontext(_Hub()))
    monkeypatch.setattr("hub.walk.waits_for", lambda hub: waiting)
    monkeypatch.setattr("hub.walk.build_is_due", lambda hub: bool(waiting))
    monkeypatch.setattr("hub.exchange.versions.newest_versions", lambda hub: [SimpleNamespace(release_number=3)])
    with pytest.raises(AirflowSkipException, match=told):
        tasks(dagbag, "build")["build"].python_callable()


@pytest.mark.parametrize("dag", ["build", *(f"pull__{name}" for name in sorted(SYSTEMS))])
def test_the_pages_of_a_runs_checks_are_named_in_its_log(
    dagbag: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, dag: str
) -> None:
    begun = datetime(2026, 11, 1, tzinfo=UTC)
    asked: list[Any] = []

    def links(_hub: Any, part: str, since: datetime) -> dict[str, str]:
        asked.append((part, since))
        return {"x.y.000001": "http://127.0.0.1/quality/docs/y.html"}

    monkeypatch.setattr("hub.context.open_hub", lambda: nullcontext(_Hub()))
    monkeypatch.setattr("hub.data_docs.build_docs", lambda hub: asked.append("built"))
    monkeypatch.setattr("hub.data_docs.page_links", links)
    caplog.set_level("INFO")
    task = tasks(dagbag, dag)["data_docs"]
    assert task.python_callable(*task.op_args, dag_run=SimpleNamespace(start_date=begun)) == links(None, "", begun)
    assert asked[:2] == ["built", ("base" if dag == "build" else dag.removeprefix("pull__"), begun)]
    assert "data docs of x.y.000001: http://127.0.0.1/quality/docs/y.html" in caplog.text


def test_upkeep_writes_the_scorecards_of_last_month(dagbag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = SimpleNamespace(lake=SimpleNamespace(root=Path("lake")))
    monkeypatch.setattr("hub.context.open_hub", lambda: nullcontext(hub))
    monkeypatch.setattr(
        "hub.scorecard_page.write_last_month", lambda hub, actor: [hub.lake.root / "docs" / f"{actor}.html"]
    )
    assert tasks(dagbag, "upkeep")["scorecards"].python_callable() == ["docs/airflow:upkeep.html"]


def test_assets_wake_the_next_dag(dagbag: Any) -> None:
    def outlets(dag: str, task: str) -> set[str]:
        return {asset.uri for asset in tasks(dagbag, dag)[task].outlets}

    def woken_by(dag: str) -> set[str]:
        return {asset.uri for asset in dagbag.dags[dag].timetable.asset_condition.objects}

    accepted = {uri for name in SYSTEMS for uri in outlets(f"pull__{name}", "take_in")}
    assert accepted == {f"hub://accepted/{name}" for name in SYSTEMS} == woken_by("build")
    assert type(dagbag.dags["build"].timetable.asset_condition).__name__ == "AssetAny"
    assert outlets("build", "build") == {"hub://release/"} == woken_by("publish")
    assert outlets("publish", "publish") == {"hub://products/"} == woken_by("deliver")


def test_nothing_is_mapped(dagbag: Any) -> None:
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    for dag in dagbag.dags.values():
        assert not any(isinstance(task, MappedOperator) for task in dag.tasks)
