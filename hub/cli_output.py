"""What all commands of `hub` share: the opened hub, tables for people, JSON for programs."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hub.context import CHINA, Hub, open_hub

__all__ = ["AsJson", "actor", "console", "day_of", "opened", "print_json", "table"]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
# Piped output has no width of its own; a path tail should not be broken for that.
console = Console(width=None if sys.stdout.isatty() else 160)

_NUMBERS = {
    *("landed", "accepted", "quarantined", "duplicate", "rows", "villages", "count", "version"),
    *("sent", "unchanged", "not_waiting", "sent_before", "still_open"),
}


@contextmanager
def opened() -> Iterator[Hub]:
    """Open the hub of the environment's settings."""
    with open_hub() as hub:
        yield hub


def actor() -> str:
    """Who is at the terminal, as the audit record names them."""
    return f"cli:{getpass.getuser()}"


def day_of(moment: datetime | None) -> str:
    """A moment's day by China's clocks; nothing where there is none."""
    return f"{moment.astimezone(CHINA):%Y-%m-%d}" if moment else ""


def print_json(value: Any) -> None:
    """Print a value for programs."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """Print a table for people."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    for name in columns:
        shown.add_column(name, justify="right" if name in _NUMBERS else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(shown)
