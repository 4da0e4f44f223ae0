"""Airflow's environment and what its REST API tells, without an Airflow."""

from __future__ import annotations

import importlib.util
import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from hub.demo.airflow import Airflow, Run, TaskRun, commands, environment, free_port, taken_port
from hub.errors import StopError

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
RUN = {"dag_id": "build", "dag_run_id": "asset__1", "state": "running", "queued_at": "2026-11-01T00:00:05Z"}
TASK = {
    "dag_id": "build",
    "dag_run_id": "asset__1",
    "task_id": "build",
    "state": "success",
    "try_number": 2,
    "start_date": "2026-11-01T00:00:06Z",
    "end_date": None,
}


class Canned(BaseAdapter):
    """Answers requests from a table of path -> JSON, and notes what was asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__()
        self.answers = answers
        self.asked: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.asked.append(request)
        reply = requests.Response()
        path = request.path_url.partition("?")[0].removeprefix("/api/v2/")
        reply.status_code = 200 if path in self.answers else 404
        reply._content = json.dumps(self.answers.get(path)).encode()
        reply.url = str(request.url)
        return reply

    def close(self) -> None:
        pass


def airflow(**answers: Any) -> tuple[Airflow, Canned]:
    found = Airflow(Path("home"), 1)
    canned = Canned({path.replace("__", "/"): answer for path, answer in answers.items()})
    found._session.mount("http://", canned)
    return found, canned


def health(**states: str | None) -> dict[str, Any]:
    parts = {"metadatabase": "healthy", "scheduler": "healthy", "dag_processor": "healthy", "triggerer": None, **states}
    return {name: {"status": state} for name, state in parts.items()}


def test_it_is_healthy_without_a_triggerer() -> None:
    assert airflow(monitor__health=health())[0].healthy()


@pytest.mark.parametrize("part", ["metadatabase", "scheduler", "dag_processor"])
def test_it_is_not_healthy_while_a_part_is_not(part: str) -> None:
    assert not airflow(monitor__health=health(**{part: "unhealthy"}))[0].healthy()
    assert not airflow(monitor__health=health() | {part: None})[0].healthy()


def test_it_is_not_healthy_when_nobody_answers() -> None:
    assert not airflow()[0].healthy()


def test_runs_and_tasks_are_read() -> None:
    found, canned = airflow(**{"dags__~__dagRuns": {"dag_runs": [RUN]}})
    moment = datetime(2026, 11, 1, 0, 0, 5, tzinfo=UTC)
    assert found.runs(SINCE) == [Run("build", "asset__1", "running", moment)]
    assert "updated_at_gte=2026-11-01T00%3A00%3A00%2B00%3A00" in str(canned.asked[0].url)

    found, _ = airflow(**{"dags__~__dagRuns__~__taskInstances": {"task_instances": [TASK]}})
    begun = datetime(2026, 11, 1, 0, 0, 6, tzinfo=UTC)
    assert found.tasks(SINCE) == [TaskRun("build", "asset__1", "build", "success", 2, begun, None)]


@pytest.mark.parametrize(("state", "is_active"), [("queued", True), ("running", True), ("success", False)])
def test_a_run_is_active_while_it_waits_or_runs(state: str, is_active: bool) -> None:
    assert Run("build", "1", state, SINCE).is_active is is_active


def test_a_run_is_started_and_given_up() -> None:
    found, canned = airflow(dags__pull__dagRuns={}, dags__pull__dagRuns__1={})
    found.trigger("pull")
    found.give_up(Run("pull", "1", "running", SINCE))
    assert [(request.method, json.loads(request.body or b"{}")) for request in canned.asked] == [
        ("POST", {"logical_date": None}),
        ("PATCH", {"state": "failed"}),
    ]


def test_a_dag_file_that_does_not_import_stops_the_demo() -> None:
    broken = {"filename": "build.py", "stack_trace": "Traceback\nNameError: name 'x' is not defined\n"}
    found, _ = airflow(importErrors={"import_errors": [broken]})
    with pytest.raises(StopError, match=r"build\.py: NameError: name 'x' is not defined"):
        found.dags()


def test_an_answer_that_is_none_stops_the_demo() -> None:
    with pytest.raises(StopError, match=r"GET dags/~/dagRuns: HTTP 404 .*airflow-api-server"):
        airflow()[0].runs(SINCE)


def test_the_scheduler_imports_before_it_forks_what_tasks_need() -> None:
    command = commands()["airflow-scheduler"]
    for module in ("great_expectations", "hub.walk", "hub.contracts"):
        assert importlib.util.find_spec(module)
        assert module in command[2]
    compile(command[2], "scheduler", "exec")


def test_the_log_of_the_last_attempt_is_found() -> None:
    path = airflow()[0].log(TaskRun("build", "asset__1", "build", "failed", 2, None, None))
    assert path == Path("home/logs/dag_id=build/run_id=asset__1/task_id=build/attempt=2.log")


def test_its_environment_stays_on_loopback_and_keeps_what_is_given(tmp_path: Path) -> None:
    found = environment(
        tmp_path, "postgresql+psycopg://hub@/airflow?host=%2Fa", 4321, {"PATH": "/bin", "HUB_AS_OF": "x"}
    )
    assert found["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert found["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:4321/execution/"
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "postgresql+psycopg2://hub@/airflow?host=%2Fa"
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"] == "postgresql+asyncpg://hub@/airflow?host=%2Fa"
    assert found["HUB_AS_OF"] == "x"
    assert found["PATH"].endswith(":/bin")


def test_every_start_has_new_keys(tmp_path: Path) -> None:
    one, two = (environment(tmp_path, "postgresql://hub@/airflow", 1, {}) for _ in range(2))
    assert one["AIRFLOW__API_AUTH__JWT_SECRET"] != two["AIRFLOW__API_AUTH__JWT_SECRET"]


@pytest.mark.integration
def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        fault = taken_port(port, "HUB_AIRFLOW_PORT")
    assert fault is not None
    assert f"port {port} on 127.0.0.1" in str(fault)
    assert "HUB_AIRFLOW_PORT" in str(fault)
    assert taken_port(free_port(), "HUB_AIRFLOW_PORT") is None
