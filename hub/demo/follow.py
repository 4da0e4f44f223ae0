"""Follows a walk through Airflow to its end, by Airflow's runs and by the ledger, which has the last word."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.demo.airflow import Run, TaskRun
from hub.demo.machine import Machine
from hub.errors import StopError
from hub.exchange.versions import newest_versions
from hub.ledger import Batch
from hub.ledger.models import DeliveryRow, ReleaseRow
from hub.walk import build_is_due

__all__ = ["Line", "View", "awaited", "failed", "follow", "lines", "start"]

_WAKES = (("take_in", "build"), ("build", "publish"), ("publish", "deliver"))
"""Task with an outlet -> DAG that its asset wakes."""
_PAUSE = 1.0
_PATIENCE = 90.0  # how long the ledger may hold something due that no run takes up


@dataclass(frozen=True)
class View:
    """What is known at one moment.

    Attributes:
        runs: DAG runs of this walk.
        tasks: Their tasks.
        batches: Batches pulled by this walk.
        released: Rows of the base tables this walk released.
        products: Rows of the products this walk published.
        receivers: How many receivers this walk has served.
    """

    runs: Sequence[Run]
    tasks: Sequence[TaskRun]
    batches: Sequence[Batch]
    released: int
    products: int
    receivers: int


@dataclass(frozen=True)
class Line:
    """One step as it stands, for people to read."""

    step: str
    title: str
    state: str
    detail: str
    rows: int
    seconds: float


def awaited(runs: Sequence[Run], tasks: Sequence[TaskRun]) -> list[str]:
    """DAGs that an asset has called and that have not been queued since."""
    found = []
    for task, dag in _WAKES:
        calls = [one.ended_at for one in tasks if one.task == task and one.state == "success" and one.ended_at]
        answers = [run.queued_at for run in runs if run.dag == dag and run.queued_at]
        if calls and (not answers or max(answers) < max(calls)):
            found.append(dag)
    return found


def failed(tasks: Sequence[TaskRun]) -> list[TaskRun]:
    """Tasks that ended badly and are not tried again."""
    return [task for task in tasks if task.state == "failed"]


def lines(view: View, systems: int) -> list[Line]:
    """The steps as they stand.

    Args:
        view: What is known.
        systems: How many departments are pulled.
    """
    checked = [batch for batch in view.batches if batch.state == "checked"]
    landed = sum(batch.landed for batch in view.batches)
    return [
        _line("pull", "归集", view, systems, f"{len(view.batches)} batches", landed),
        _line("take_in", "转换·校验", view, systems, f"{len(checked)} batches", sum(one.landed for one in checked)),
        _line("build", "关联·融合·发布", view, 1, "", view.released),
        _line("publish", "产品", view, 1, "", view.products),
        _line("deliver", "推送", view, 1, f"{view.receivers} receivers", view.receivers),
    ]


def _line(task: str, title: str, view: View, expected: int, detail: str, rows: int) -> Line:
    found = [one for one in view.tasks if one.task == task]
    ended = [one.state for one in found if one.state in {"success", "skipped"}]
    starts = [one.started_at for one in found if one.started_at]
    is_active = any(one.state == "running" for one in found)
    ends = [one.ended_at for one in found if one.ended_at]
    until = datetime.now(UTC) if is_active else max(ends, default=None)
    return Line(
        step=task,
        title=title,
        state=_state(found, is_active, ended, expected),
        detail=(f"{len(ended)}/{expected} " if expected > 1 else "") + detail,
        rows=rows,
        seconds=(until - min(starts)).total_seconds() if starts and until else 0.0,
    )


def _state(found: Sequence[TaskRun], is_active: bool, ended: Sequence[str], expected: int) -> str:
    if failed(found):
        return "failed"
    if any(one.state == "up_for_retry" for one in found):
        return "will retry"
    if is_active:
        return "running"
    if set(ended) == {"skipped"}:
        return "not due"
    return "done" if len(ended) >= expected else "waiting"


def start(machine: Machine) -> None:
    """Announce and start the pull of every department."""
    hub, airflow = machine.hub, machine.airflow
    # What a killed demo left behind would keep its DAG's only place.
    for run in airflow.active_runs():
        if run.queued_at and run.queued_at < machine.started_at:
            airflow.give_up(run)
    hub.ledger.expect_pulls(hub.contracts.systems)
    for name in hub.contracts.systems:
        airflow.trigger(f"pull__{name}")


def follow(machine: Machine) -> Iterator[View]:
    """Yield what is known about once a second until the walk is through, or all that can still run has run.

    Raises:
        StopError: A process of the demo ended, or something is due and no run takes it up.
    """
    idle_since = time.monotonic()
    while True:
        machine.processes.check()
        view = _look(machine)
        yield view
        if any(run.is_active for run in view.runs):
            idle_since = time.monotonic()
        else:
            due = _due(machine, view)
            if not due or failed(view.tasks):
                return
            if time.monotonic() - idle_since > _PATIENCE:
                raise StopError(
                    where="Airflow",
                    came=f"{', '.join(due)} due and not begun for {_PATIENCE:.0f} s",
                    allowed="a run for all that is due",
                    do=f"see {machine.processes.logs}/airflow-scheduler.log",
                )
        time.sleep(_PAUSE)


def _look(machine: Machine) -> View:
    hub, since = machine.hub, machine.started_at
    runs = [run for run in machine.airflow.runs(since) if run.queued_at and run.queued_at >= since]
    known = {(run.dag, run.id) for run in runs}
    return View(
        runs=runs,
        tasks=[task for task in machine.airflow.tasks(since) if (task.dag, task.run) in known],
        batches=[batch for batch in hub.ledger.batches() if batch.pulled_at >= since],
        released=_released(hub, since),
        products=sum(version.rows for version in newest_versions(hub) if version.published_at >= since),
        receivers=_served(hub, since),
    )


def _released(hub: Hub, since: datetime) -> int:
    newest = (
        select(ReleaseRow.tables).where(ReleaseRow.released_at >= since).order_by(ReleaseRow.number.desc()).limit(1)
    )
    with Session(hub.database) as session:
        return sum(table["rows"] for table in (session.scalar(newest) or {}).values())


def _served(hub: Hub, since: datetime) -> int:
    receiver = func.distinct(DeliveryRow.receiver_kind + "/" + DeliveryRow.receiver)
    reached = DeliveryRow.state.in_(("sent", "receipted"))
    with Session(hub.database) as session:
        return session.scalar(select(func.count(receiver)).where(DeliveryRow.delivered_at >= since, reached)) or 0


def _due(machine: Machine, view: View) -> list[str]:
    """What must still happen: first what Airflow's events promise, then what the ledger says."""
    waiting = awaited(view.runs, view.tasks) or [f"pull of {name}" for name in machine.hub.ledger.open_pulls()]
    if not waiting and build_is_due(machine.hub):
        return ["build"]
    return waiting
