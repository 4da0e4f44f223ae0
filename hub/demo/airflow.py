"""Airflow of the demo: scheduler, API server and DAG processor on loopback, and what its REST API tells."""

from __future__ import annotations

import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from hub.errors import StopError
from hub.settings import ROOT

__all__ = ["Airflow", "Run", "TaskRun", "commands", "environment", "free_port", "taken_port"]

_WARM = """
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import duckdb_engine, great_expectations
    import hub.walk, hub.contracts
hub.contracts.load_contracts()
from airflow.__main__ import main
main()
"""
"""Tasks are forks of the scheduler: what it has imported, none of them must import again, which takes seconds each."""

_PAGE = 100


def commands() -> dict[str, list[str]]:
    """Name -> command of the processes that stay up; `airflow db migrate` comes before them."""
    airflow = str(Path(sys.executable).parent / "airflow")
    return {
        # The demo reads task logs from their files; the log server would only take one more port.
        "airflow-scheduler": [sys.executable, "-c", _WARM, "scheduler", "--skip-serve-logs"],
        "airflow-api-server": [airflow, "api-server"],
        "airflow-dag-processor": [airflow, "dag-processor"],
    }


def taken_port(port: int, variable: str) -> StopError | None:
    """Return the error to raise if something listens on a loopback port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return StopError(
                where=f"port {port} on 127.0.0.1",
                came=error.strerror or "cannot be used",
                allowed="a free port",
                do=f"end what uses it, or choose another port in {variable}",
            )
    return None


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, database_url: str, port: int, base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of Airflow's processes.

    Args:
        home: Folder for Airflow's own files and logs.
        database_url: SQLAlchemy URL of Airflow's own database on a PostgreSQL server.
        port: Loopback port of UI and API.
        base: The environment to add to: the `HUB_*` variables and the caller's own.
    """
    url = sa.make_url(database_url)
    settings = {
        "CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        # Everybody who reaches this loopback port is its administrator.
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__WORKERS": "1",
        "API__SECRET_KEY": secrets.token_hex(32),
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "DATABASE__SQL_ALCHEMY_CONN": _driver(url, "postgresql+psycopg2"),
        "DATABASE__SQL_ALCHEMY_CONN_ASYNC": _driver(url, "postgresql+asyncpg"),
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
        "DAG_PROCESSOR__PRINT_STATS_INTERVAL": "0",
        "DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
        # On a busy machine the API server's first answers take long.
        "WORKERS__EXECUTION_API_TIMEOUT": "60",
        # What a killed demo left running is given up soon.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "LOGGING__COLORED_CONSOLE_LOG": "False",
    }
    return {
        **base,
        "AIRFLOW_HOME": str(home),
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        "PATH": f"{Path(sys.executable).parent}:{base.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "GX_ANALYTICS_ENABLED": "false",
        # A proxy of the site must not stand between Airflow's parts.
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def _driver(url: sa.URL, driver: str) -> str:
    return url.set(drivername=driver).render_as_string(hide_password=False)


@dataclass(frozen=True)
class Run:
    """A DAG run, as the API tells it."""

    dag: str
    id: str
    state: str
    queued_at: datetime | None

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in {"queued", "running"}


@dataclass(frozen=True)
class TaskRun:
    """A task of a DAG run, as the API tells it."""

    dag: str
    run: str
    task: str
    state: str | None
    attempt: int
    started_at: datetime | None
    ended_at: datetime | None


class Airflow:
    """Airflow's REST API on loopback."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.address = f"http://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy of the site stands before loopback
        # On a busy machine an answer may take its time; a refused connection is an answer.
        self._session.mount("http://", HTTPAdapter(max_retries=Retry(connect=0, read=3, backoff_factor=0.5)))

    def healthy(self) -> bool:
        """Whether database, scheduler and DAG processor are all well."""
        try:
            reply = self._session.get(f"{self.address}/api/v2/monitor/health", timeout=5)
        except requests.RequestException:
            return False
        parts = reply.json() if reply.ok else {}
        return all(
            (parts.get(name) or {}).get("status") == "healthy"
            for name in ("metadatabase", "scheduler", "dag_processor")
        )

    def dags(self) -> set[str]:
        """Ids of all DAGs that are ready to run.

        Raises:
            StopError: A DAG file cannot be imported.
        """
        broken = self._get("importErrors")["import_errors"]
        if broken:
            raise StopError(
                where=", ".join(str(error["filename"]) for error in broken),
                came=str(broken[0]["stack_trace"]).strip().splitlines()[-1],
                allowed="DAG files that import",
                do="run the tests of tests/dags",
            )
        return {str(dag["dag_id"]) for dag in self._get("dags", limit=_PAGE)["dags"]}

    def trigger(self, dag: str) -> None:
        """Start a run of a DAG now."""
        self._send("POST", f"dags/{dag}/dagRuns", {"logical_date": None})

    def give_up(self, run: Run) -> None:
        """Mark a run as failed, and its tasks with it."""
        self._send("PATCH", f"dags/{run.dag}/dagRuns/{run.id}", {"state": "failed"})

    def active_runs(self) -> list[Run]:
        """All runs that wait or run."""
        return self._runs(state=["queued", "running"])

    def runs(self, since: datetime) -> list[Run]:
        """All runs that changed since a moment."""
        return self._runs(updated_at_gte=since.isoformat())

    def _runs(self, **query: Any) -> list[Run]:
        found = self._get("dags/~/dagRuns", limit=_PAGE, **query)["dag_runs"]
        return [Run(one["dag_id"], one["dag_run_id"], str(one["state"]), _moment(one["queued_at"])) for one in found]

    def tasks(self, since: datetime) -> list[TaskRun]:
        """All tasks of runs that changed since a moment."""
        found = self._get("dags/~/dagRuns/~/taskInstances", limit=_PAGE, updated_at_gte=since.isoformat())
        return [
            TaskRun(
                dag=one["dag_id"],
                run=one["dag_run_id"],
                task=one["task_id"],
                state=one["state"],
                attempt=int(one["try_number"]),
                started_at=_moment(one["start_date"]),
                ended_at=_moment(one["end_date"]),
            )
            for one in found["task_instances"]
        ]

    def log(self, task: TaskRun) -> Path:
        """Where Airflow keeps the log of a task's last attempt."""
        folder = self.home / "logs" / f"dag_id={task.dag}" / f"run_id={task.run}" / f"task_id={task.task}"
        return folder / f"attempt={task.attempt}.log"

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        return dict(self._ask("GET", path, params=query).json())

    def _send(self, method: str, path: str, body: dict[str, Any]) -> None:
        self._ask(method, path, json=body)

    def _ask(self, method: str, path: str, **content: Any) -> requests.Response:
        try:
            reply = self._session.request(method, f"{self.address}/api/v2/{path}", timeout=60, **content)
            reply.raise_for_status()
        except requests.RequestException as error:
            status = "no answer" if error.response is None else f"HTTP {error.response.status_code}"
            raise StopError(
                where=f"Airflow's API, {method} {path}",
                came=f"{status} ({type(error).__name__})",
                allowed="an answer within a minute",
                do="see the log of airflow-api-server, and start again",
            ) from error
        return reply


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
