"""Brings up the demo's machine: embedded PostgreSQL, the department systems, Airflow; and takes it down again."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from hub.context import Hub, open_hub
from hub.demo.airflow import Airflow, commands, environment, free_port, taken_port
from hub.demo.county import County, finish_county, make_county, places_file, serve_county
from hub.demo.processes import Processes
from hub.pg import embedded_server, ensure_database
from hub.settings import ROOT, load_settings

__all__ = ["Machine", "Say", "running"]

Say = Callable[[str], None]
"""Told in one line what is going on."""

_START_SECONDS = 300.0  # a slow machine, or one with other work


@dataclass(frozen=True)
class Machine:
    """The demo while it runs.

    Attributes:
        hub: Opened on the demo's own folders and database.
        environment: What every process of the demo is given.
        started_at: Runs queued before are of an earlier demo.
    """

    hub: Hub
    airflow: Airflow
    processes: Processes
    environment: dict[str, str]
    started_at: datetime


@contextmanager
def running(var: Path, county: County, airflow_port: int | None, say: Say) -> Iterator[Machine]:
    """Run everything the demo needs while the block lasts; afterwards no process of it is left.

    Args:
        var: Folder for all the demo keeps: `hub`, `sample`, `airflow`, `log`.
        county: The sample county to make or find.
        airflow_port: Loopback port of Airflow's UI; None takes a free one.
        say: Told of each stage.

    Raises:
        StopError: A port is taken, a process failed, or another county is in the folder.
    """
    fault = taken_port(airflow_port, "HUB_AIRFLOW_PORT") if airflow_port else None
    if fault is not None:
        raise fault
    var = var.resolve()
    with _ending_well() as deaf, ExitStack() as stack:
        try:
            yield _bring_up(stack, var, county, airflow_port or free_port(), say)
            say("停止 stopping")
        finally:
            deaf()


def _bring_up(stack: ExitStack, var: Path, county: County, port: int, say: Say) -> Machine:
    started_at = datetime.now(UTC)
    say("启动数据库 starting PostgreSQL")
    url = stack.enter_context(embedded_server(var / "hub"))
    processes = stack.enter_context(Processes(var / "log"))
    own = _environment(var, county, url)
    settings = environment(var / "airflow", ensure_database(url, "airflow"), port, own)
    _start(processes, var, county, settings, say)
    opened = open_hub(
        load_settings(
            data_dir=var / "hub",
            database_url=url,
            env_file=places_file(var / "sample"),
            division=county.county,
            as_of=county.as_of,
        )
    )
    hub = stack.enter_context(opened)
    airflow = Airflow(var / "airflow", port)
    say("等待 Airflow waiting for Airflow")
    processes.wait_until("Airflow", airflow.healthy, _START_SECONDS)
    wanted = {"build", "publish", "deliver", "upkeep", *(f"pull__{name}" for name in hub.contracts.systems)}
    processes.wait_until("Airflow's DAGs", lambda: airflow.dags() >= wanted, _START_SECONDS)
    return Machine(hub, airflow, processes, settings, started_at)


def _environment(var: Path, county: County, url: str) -> dict[str, str]:
    return {
        **os.environ,
        "HUB_DATA_DIR": str(var / "hub"),
        "HUB_DATABASE_URL": url,
        "HUB_ENV_FILE": str(places_file(var / "sample")),
        "HUB_DIVISION": county.county,
        "HUB_AS_OF": county.as_of,
        "PYTHONPATH": str(ROOT),
    }


def _start(processes: Processes, var: Path, county: County, settings: dict[str, str], say: Say) -> None:
    """Make the county and Airflow's tables side by side, then start what stays up."""
    airflow = str(Path(sys.executable).parent / "airflow")
    migrating = processes.start("airflow-db", [airflow, "db", "migrate"], settings)
    making = make_county(processes, county, var / "sample", settings)
    say("建立 Airflow 的表" + ("，生成样例县" if making else "") + " preparing Airflow's tables and the sample county")
    processes.finish(migrating)
    for name, command in commands().items():
        processes.start(name, command, settings)
    if making:
        finish_county(processes, making, county, var / "sample")
    say("启动六个部门系统 starting the department systems")
    serve_county(processes, var / "sample", settings)
    processes.wait_until("the department systems", places_file(var / "sample").is_file, _START_SECONDS)


@contextmanager
def _ending_well() -> Iterator[Callable[[], None]]:
    """Turn SIGTERM into an ordinary exit; yield what makes the process deaf, so that nothing interrupts cleaning up."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def deaf() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    def leave(number: int, _frame: FrameType | None) -> None:
        deaf()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield deaf
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
