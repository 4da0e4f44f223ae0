"""What the demo prints: progress while the walk goes, and at the end what came of it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hub.context import Hub
from hub.demo.airflow import Airflow, TaskRun
from hub.demo.follow import Line
from hub.demo.processes import tail
from hub.exchange.receipts import last_hashes
from hub.status import status

__all__ = ["Display", "displaying", "example_village", "print_failures", "print_result"]

_SHOWN = "320305005204"  # 马庄村: the village the documents speak of
_COUNTS = ("landed", "accepted", "quarantined", "duplicate")
_STYLES = {"done": "green", "running": "cyan", "failed": "red", "will retry": "yellow"}


class Display(Protocol):
    """Shows how far the demo is."""

    def say(self, text: str) -> None:
        """Tell what is going on, in one line."""

    def show(self, lines: list[Line]) -> None:
        """Show the steps as they stand."""


@contextmanager
def displaying(console: Console) -> Iterator[Display]:
    """Yield a live table on a terminal, plain lines at each change elsewhere."""
    if not console.is_terminal:
        yield _Plain(console)
        return
    display = _Live()
    with Live(get_renderable=display.picture, console=console, refresh_per_second=4, transient=True):
        yield display


class _Plain:
    """One line for every change of a step's state."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._since = time.monotonic()
        self._told: dict[str, tuple[str, str]] = {}

    def say(self, text: str) -> None:
        self._console.print(f"{time.monotonic() - self._since:6.1f} s  {text}", highlight=False, soft_wrap=True)

    def show(self, lines: list[Line]) -> None:
        for line in lines:
            # Departments and states only: rows change every second.
            now = (line.state, line.detail.partition(" ")[0])
            if line.state != "waiting" and self._told.get(line.step) != now:
                self._told[line.step] = now
                self.say(
                    f"{line.title} {line.step}: {line.state}, {line.detail}, {line.rows:,} rows, {line.seconds:.1f} s"
                )


class _Live:
    """What is going on, or the steps as a table, under a running clock."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._text = ""
        self._lines: list[Line] = []

    def say(self, text: str) -> None:
        self._text, self._lines = text, []

    def show(self, lines: list[Line]) -> None:
        self._lines = lines

    def picture(self) -> RenderableType:
        """What to draw now; asked several times a second."""
        elapsed = f"{time.monotonic() - self._since:5.0f} s"
        if not self._lines:
            return Text(f"{elapsed}  {self._text}")
        table = Table(title=f"{elapsed}  归集到推送 the walk", title_justify="left")
        for name in ("步骤 step", "状态 state", "进度 progress"):
            table.add_column(name)
        for name in ("行 rows", "秒 seconds"):
            table.add_column(name, justify="right")
        for line in self._lines:
            style = _STYLES.get(line.state, "dim")
            cells = (f"{line.title} {line.step}", line.state, line.detail, f"{line.rows:,}", f"{line.seconds:.1f}")
            table.add_row(*cells, style=style)
        return table


def print_failures(console: Console, airflow: Airflow, tasks: list[TaskRun]) -> None:
    """Name every failed task, with what its log says about the error, or the log's end."""
    for task in tasks:
        log = airflow.log(task)
        console.print(f"[red]失败 failed[/red] {task.dag}.{task.task}: {log}", highlight=False, soft_wrap=True)
        entries = [_entry(line) for line in tail(log, 60).splitlines()]
        errors = [text for level, text in entries if level in {"error", "critical"}]
        for text in errors or [text for _, text in entries[-12:]]:
            console.print(f"    {text}", highlight=False, markup=False, soft_wrap=True)


def _entry(line: str) -> tuple[str, str]:
    """Level and text of a line of Airflow's log, which is JSON unless something else wrote it."""
    try:
        entry = json.loads(line)
    except ValueError:
        return "", line
    if not isinstance(entry, dict):
        return "", line
    causes = [f"{one.get('exc_type')}: {one.get('exc_value')}" for one in entry.get("error_detail") or []]
    return str(entry.get("level", "")), "; ".join([str(entry.get("event", "")), *causes])


def example_village(hub: Hub) -> str:
    """A village that got a pack: the one the documents speak of, where there is one."""
    codes = _villages(hub)
    return _SHOWN if _SHOWN in codes or not codes else codes[0]


def _villages(hub: Hub) -> list[str]:
    """The villages that the ledger says were reached: a folder of the outbox may be left of an interrupted delivery."""
    return sorted(last_hashes(hub, "village"))


def print_result(console: Console, hub: Hub, release_before: int | None) -> None:
    """Print counts by dataset, deliveries set aside, the release, the villages served, and what to try next."""
    found = status(hub)
    console.print(_datasets(found))
    if found["withheld"]:
        table = Table(title="暂存的报送 deliveries set aside", title_justify="left")
        for name in ("dataset", "delivery", "reason"):
            table.add_column(name, overflow="fold")
        for one in found["withheld"]:
            table.add_row(f"{one['system']}/{one['dataset']}", one["offer"], one["reason"])
        console.print(table)
    release = found["release"]
    changed = "" if release != release_before else f"（无变化 nothing changed since release {release}）"
    facts = {
        "发布版 release": f"{release} {changed}",
        "日期 as of": found["as_of"],
        "服务村居 villages served": str(len(_villages(hub))),
        "数据包 packs": _near(hub.lake.outbox() / "village"),
    }
    for name, value in facts.items():
        console.print(f"[bold]{name}[/bold]  {value}", highlight=False, soft_wrap=True)
    console.print("\n[bold]接下来 next[/bold]", highlight=False)
    for command in _next(hub):
        console.print(f"  {command}", highlight=False, markup=False, soft_wrap=True)


def _datasets(found: dict[str, Any]) -> Table:
    sums: dict[str, dict[str, int]] = {}
    for batch in found["batches"]:
        row = sums.setdefault(f"{batch['system']}/{batch['dataset']}", dict.fromkeys(_COUNTS, 0))
        for name in _COUNTS:
            row[name] += batch[name]
    table = Table(title="数据集 datasets: landed = accepted + quarantined + duplicate", title_justify="left")
    table.add_column("dataset", no_wrap=True)
    for name in _COUNTS:
        table.add_column(name, justify="right")
    for tail_, row in sorted(sums.items()):
        table.add_row(tail_, *(f"{row[name]:,}" for name in _COUNTS))
    table.add_section()
    table.add_row("all", *(f"{sum(row[name] for row in sums.values()):,}" for name in _COUNTS), style="bold")
    return table


def _next(hub: Hub) -> list[str]:
    command = _near(Path(sys.executable).parent / "hub")
    is_usual = _near(hub.lake.root) == str(Path("var") / "hub")
    home = "" if is_usual else f"HUB_DATA_DIR={_near(hub.lake.root)} "
    roster = f"extract village_resident_roster --division {example_village(hub)} --output roster.xlsx"
    return [
        f"{home}{command} {roster}",
        f"{home}{command} issues --system public_security --export issues.xlsx",
        "make serve" + ("" if is_usual else f" VAR={_near(hub.lake.root.parent)}"),
    ]


def _near(path: Path) -> str:
    """A path as people type it: relative, if it is below the working folder."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
