"""Shows the walk while it goes: which step, how many rows, how long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from hub.walk import STEPS, Event, Notify

__all__ = ["line", "showing"]

_TITLES = {step.name: step.title for step in STEPS}
_NUMBERS = {step.name: number for number, step in enumerate(STEPS, 1)}


def line(event: Event) -> str:
    """An event as one line: `3 check 校验  public_security/registered_resident  60,000 rows  1.2 s`."""
    name = f"{_NUMBERS[event.step]} {event.step} {_TITLES[event.step]}"
    return f"{name:<14}{event.subject:<44}{event.rows:>12,} rows {event.seconds:>8.1f} s"


@contextmanager
def showing(quiet: bool = False) -> Iterator[Notify]:
    """Yield a listener that prints each finished piece of work to standard error, under a live clock at a terminal."""
    console = Console(stderr=True)
    if quiet:
        yield lambda event: None
        return
    with console.status("数据中枢运行中 the walk is running …"):
        yield lambda event: console.print(line(event), highlight=False, soft_wrap=True)
