"""When a walk through Airflow is through: events that were answered, tasks that failed, steps as they stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from hub.context import open_hub
from hub.demo.airflow import Run, TaskRun
from hub.demo.follow import View, _released, _served, awaited, failed, lines
from hub.ledger import Batch
from hub.ledger.models import DeliveryRow, ReleaseRow
from hub.settings import load_settings

BEGUN = datetime(2026, 11, 1, 8, tzinfo=UTC)


def at(second: int) -> datetime:
    return BEGUN + timedelta(seconds=second)


def task(dag: str, name: str, state: str | None, second: int = 0) -> TaskRun:
    return TaskRun(dag, "1", name, state, 1, at(second - 1), at(second) if state in {"success", "failed"} else None)


def run(dag: str, second: int, state: str = "success") -> Run:
    return Run(dag, f"{dag}-{second}", state, at(second))


def view(*tasks: TaskRun, batches: list[Batch] | None = None, **numbers: Any) -> View:
    return View(
        runs=[], tasks=tasks, batches=batches or [], **{"released": 0, "products": 0, "receivers": 0, **numbers}
    )


def release(number: int, moment: datetime) -> ReleaseRow:
    tables = {"person": {"rows": 10 * number}}
    return ReleaseRow(number=number, as_of_date=BEGUN.date(), released_at=moment, tables=tables, state="live")


def delivery(kind: str, receiver: str, state: str, second: int) -> DeliveryRow:
    return DeliveryRow(
        receiver_kind=kind,
        receiver=receiver,
        release_number=1,
        content_hash="0",
        state=state,
        file="x",
        file_sha256="0",
        rows=1,
        delivered_at=at(second),
    )


def test_what_was_taken_in_calls_the_build() -> None:
    taken_in = [task("pull__a", "take_in", "success", 5), task("pull__b", "take_in", "success", 9)]
    assert awaited([], taken_in) == ["build"]
    assert awaited([run("build", 7)], taken_in) == ["build"]
    assert awaited([run("build", 7), run("build", 10)], taken_in) == []


def test_a_build_that_had_nothing_to_do_calls_nobody() -> None:
    assert awaited([], [task("build", "build", "skipped", 5)]) == []


def test_release_and_products_call_the_next() -> None:
    assert awaited([], [task("build", "build", "success", 5)]) == ["publish"]
    assert awaited([run("publish", 6)], [task("publish", "publish", "success", 8)]) == ["deliver"]
    assert awaited([run("deliver", 9)], [task("publish", "publish", "success", 8)]) == []


def test_a_task_that_will_be_tried_again_has_not_failed() -> None:
    bad = task("pull__a", "pull", "failed", 3)
    assert failed([task("pull__b", "pull", "up_for_retry"), bad, task("pull__a", "end", "upstream_failed")]) == [bad]


def test_the_steps_as_they_stand() -> None:
    batch = Batch(id="a.b.000001", tail="a/b", offer="x", mode="snapshot", state="landed", pulled_at=at(0), landed=7)
    seen = view(
        task("pull__a", "pull", "success", 4),
        task("pull__b", "pull", "running", 6),
        task("pull__a", "take_in", "up_for_retry", 6),
        task("build", "build", "skipped", 8),
        batches=[batch],
        receivers=3,
    )
    pull, take_in, build, publish, deliver = lines(seen, 2)
    assert (pull.state, pull.detail, pull.rows) == ("running", "1/2 1 batches", 7)
    assert (take_in.state, take_in.detail, take_in.rows) == ("will retry", "0/2 0 batches", 0)
    assert build.state == "not due"
    assert (publish.state, publish.seconds) == ("waiting", 0.0)
    assert deliver.rows == 3


def test_a_build_that_was_called_again_before_it_had_anything_to_do_is_not_done() -> None:
    skipped = task("build", "build", "skipped", 8)
    assert lines(view(skipped, task("build", "build", None)), 1)[2].state == "not due"
    assert lines(view(skipped, task("build", "build", "running", 9)), 1)[2].state == "running"
    assert lines(view(skipped, task("build", "build", "success", 9)), 1)[2].state == "done"


def test_a_step_is_done_when_every_department_is() -> None:
    one = task("pull__a", "pull", "success", 4)
    two = task("pull__b", "pull", "success", 9)
    assert lines(view(one), 2)[0].state == "waiting"
    done = lines(view(one, two), 2)[0]
    assert (done.state, done.seconds) == ("done", 6.0)
    assert lines(view(one, task("pull__b", "pull", "failed", 9)), 2)[0].state == "failed"


@pytest.mark.integration
def test_only_what_this_walk_released_and_sent_is_counted(database_url: str, tmp_path: Path) -> None:
    with open_hub(load_settings(data_dir=tmp_path, database_url=database_url)) as hub:
        with Session(hub.database) as session, session.begin():
            session.add_all(release(number, at(second)) for number, second in ((1, -60), (2, 60)))
            session.add_all(
                [
                    delivery("village", "320305005204", "sent", -60),
                    delivery("village", "320305005204", "receipted", 61),
                    delivery("village", "320305005204", "sent", 62),
                    delivery("village", "320305005205", "due", 61),
                    delivery("department", "320305005204", "sent", 61),
                ]
            )
        assert (_released(hub, at(0)), _served(hub, at(0))) == (20, 2)
        assert (_released(hub, at(90)), _served(hub, at(90))) == (0, 0)
