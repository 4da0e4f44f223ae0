"""`hub link`: the queue, blocks and events at a terminal; decisions are the portal's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from hub.cli_link import add_link_commands
from hub.context import Hub
from hub.errors import StopError
from hub.ledger.decisions import SAME, Suggestion, add_events, decide, queue
from hub.linking.resolve import FOLDER
from tests.hub.mini import opened

pytestmark = pytest.mark.integration

ENVIRONMENT = ("HUB_DATA_DIR", "HUB_DATABASE_URL", "HUB_AS_OF")


@pytest.fixture
def hub(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with opened(tmp_path, database_url) as opened_hub:
        for name, value in zip(ENVIRONMENT, (tmp_path / "lake", database_url, "2026-11-01"), strict=True):
            monkeypatch.setenv(name, str(value))
        queue(opened_hub.database, "person", [Suggestion("person", "P1", "P2", 0.8, "person_name")])
        yield opened_hub


def call(*arguments: str) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    add_link_commands(app)
    return CliRunner().invoke(app, ["link", *arguments])


def test_a_terminal_does_not_decide(hub: Hub) -> None:
    assert call("decide", "1", "same", "--reason", "核实").exit_code == 2


def test_decided_pairs_are_shown_when_asked_for(hub: Hub) -> None:
    (waiting,) = json.loads(call("queue", "--json").output)
    for operator in ("甲", "乙"):
        decide(hub.database, waiting["number"], f"portal:{operator}", SAME, "核实")
    assert json.loads(call("queue", "--json").output) == []
    (decided,) = json.loads(call("queue", "--all", "--json").output)
    assert (decided["verdict"], len(decided["opinions"])) == (SAME, 2)


def test_the_queue_is_shown_by_keys_alone(hub: Hub) -> None:
    shown = call("queue").output
    assert "P1" in shown
    assert "0.800" in shown


def test_anybody_can_ask_about_two_keys(hub: Hub) -> None:
    assert "is open" in call("ask", "person", "P5", "P6").output
    assert len(json.loads(call("queue", "--json").output)) == 2
    assert isinstance(call("ask", "nobody", "P5", "P6").exception, StopError)


def test_blocks_of_the_last_build(hub: Hub) -> None:
    assert json.loads(call("blocks", "--json").output) == []
    folder = hub.lake.linked(FOLDER)
    folder.mkdir(parents=True)
    block = {"entity": "person", "block": "phone", "values": 3, "pairs": 4, "skipped_values": 1, "skipped_pairs": 9000}
    (folder / "blocks.json").write_text(json.dumps([block]), encoding="utf-8")
    assert json.loads(call("blocks", "--json").output) == [block]
    assert "9,000" in call("blocks").output


def test_events_are_written_as_lines(hub: Hub, tmp_path: Path) -> None:
    add_events(hub.database, [("person", "merge", "P1", "P2", "decided")])
    output = tmp_path / "events.jsonl"
    assert json.loads(call("events", "--output", str(output), "--json").output)["events"] == 1
    (line,) = output.read_text(encoding="utf-8").splitlines()
    assert {name: json.loads(line)[name] for name in ("kind", "from_key", "to_key")} == {
        "kind": "merge",
        "from_key": "P1",
        "to_key": "P2",
    }
    assert "0 events" in call("events", "--output", str(output), "--since", "99").output
