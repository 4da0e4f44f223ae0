"""What the demo prints: a line for each change, the end of a failed task's log, and what came of the walk."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy.orm import Session

from hub.context import Hub, open_hub
from hub.demo.airflow import Airflow, TaskRun
from hub.demo.follow import Line
from hub.demo.report import displaying, example_village, print_failures, print_result
from hub.ledger import now
from hub.ledger.models import DeliveryRow
from hub.settings import load_settings

LINE = Line("pull", "归集", "running", "1/6 3 batches", 12_345, 4.5)


def paper(is_terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=160, force_terminal=is_terminal, no_color=True)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> Iterator[Hub]:
    with open_hub(load_settings(data_dir=tmp_path / "hub", database_url=database_url, as_of="2026-11-01")) as opened:
        yield opened


def pack(hub: Hub, *villages: str, state: str = "sent") -> None:
    """Note deliveries in the ledger, each with its folder in the outbox."""
    with Session(hub.database) as session, session.begin():
        for code in villages:
            (hub.lake.outbox() / "village" / code).mkdir(parents=True)
            facts = {"receiver_kind": "village", "receiver": code, "state": state, "delivered_at": now()}
            session.add(DeliveryRow(**facts, release_number=1, content_hash="0", file="x", file_sha256="0", rows=1))


def test_off_a_terminal_a_step_is_told_when_it_changes_and_not_for_every_row() -> None:
    console = paper()
    with displaying(console) as display:
        display.say("starting")
        for line in (
            LINE,
            replace(LINE, rows=20_000, seconds=5.5),
            replace(LINE, state="done", detail="6/6 9 batches"),
        ):
            display.show([line])
        display.show([replace(LINE, step="build", state="waiting")])
    told = text(console).splitlines()
    assert [line.partition("s  ")[2] for line in told] == [
        "starting",
        "归集 pull: running, 1/6 3 batches, 12,345 rows, 4.5 s",
        "归集 pull: done, 6/6 9 batches, 12,345 rows, 4.5 s",
    ]


def test_on_a_terminal_the_steps_are_a_table() -> None:
    console = paper(is_terminal=True)
    with displaying(console) as display:
        display.say("starting")
        display.show([LINE])
    assert "12,345" in text(console)
    assert "归集 pull" in text(console)


def test_a_failed_task_is_named_with_the_error_of_its_log(tmp_path: Path) -> None:
    airflow = Airflow(tmp_path, 1)
    task = TaskRun("pull__a", "manual__1", "take_in", "failed", 2, None, None)
    entries = [
        {"level": "info", "event": "begun"},
        {"level": "error", "event": "Task failed", "error_detail": [{"exc_type": "StopError", "exc_value": "a: b"}]},
    ]
    log = airflow.log(task)
    log.parent.mkdir(parents=True)
    log.write_text("\n".join(map(json.dumps, entries)))
    console = paper()
    print_failures(console, airflow, [task])
    assert "pull__a.take_in" in text(console)
    assert "Task failed; StopError: a: b" in text(console)
    assert "begun" not in text(console)


def test_a_log_without_an_error_is_shown_as_it_ends(tmp_path: Path) -> None:
    airflow = Airflow(tmp_path, 1)
    task = TaskRun("build", "manual__1", "build", "failed", 1, None, None)
    log = airflow.log(task)
    log.parent.mkdir(parents=True)
    log.write_text('{"level": "info", "event": "begun"}\nKilled\n3\n')
    console = paper()
    print_failures(console, airflow, [task])
    assert [line.strip() for line in text(console).splitlines()[1:]] == ["begun", "Killed", "3"]


@pytest.mark.integration
def test_the_result_adds_up_over_batches_and_says_what_to_do_next(hub: Hub) -> None:
    for _ in range(2):
        batch = hub.ledger.new_batch("health_commission/death", "x.csv", "increment")
        hub.ledger.save_batch(replace(batch, state="checked", landed=1000, accepted=990, quarantined=9, duplicate=1))
    batch = hub.ledger.new_batch("health_commission/birth", "half.csv", "increment")
    hub.ledger.save_batch(replace(batch, state="withheld", note="drop_incomplete: no .ok"))
    pack(hub, "320305001001", "320305005204")
    pack(hub, "320305001002", state="due")
    (hub.lake.outbox() / "village" / "320305001003").mkdir()
    console = paper()
    print_result(console, hub, None)
    result = text(console)
    row = next(line for line in result.splitlines() if "death" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["health_commission/death", "2,000", "1,980", "18", "2"]
    assert "half.csv" in result
    assert "drop_incomplete: no .ok" in result
    assert "villages served  2" in result
    assert "extract village_resident_roster --division 320305005204" in result


@pytest.mark.integration
def test_a_run_that_changed_nothing_says_so(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"release": 3, "as_of": "2026-11-01", "batches": [], "withheld": []}
    monkeypatch.setattr("hub.demo.report.status", lambda _hub: found)
    same, new = paper(), paper()
    print_result(same, hub, 3)
    print_result(new, hub, 2)
    assert "nothing changed since release 3" in text(same)
    assert "nothing changed" not in text(new)


@pytest.mark.integration
def test_the_village_of_the_documents_is_shown_where_it_is(hub: Hub) -> None:
    assert example_village(hub) == "320305005204"
    pack(hub, "320302001001")
    assert example_village(hub) == "320302001001"
    pack(hub, "320305005204")
    assert example_village(hub) == "320305005204"
