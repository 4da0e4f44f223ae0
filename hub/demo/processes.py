"""Child processes of the demo: each leads a session of its own, so that none of its offspring can be left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from hub.errors import StopError

__all__ = ["Child", "Processes", "tail"]

_PATIENCE = 10.0  # seconds a process gets to end by itself
_PAUSE = 0.1


@dataclass(frozen=True)
class Child:
    """One child process and the file its output goes to."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def ended(self) -> bool:
        """Whether it has ended, well or not."""
        return self.popen.poll() is not None


def tail(path: Path, lines: int = 25) -> str:
    """Return the last lines of a text file, or nothing if it is not there."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class Processes:
    """Starts child processes and, when the `with` block ends, stops them and whatever they started.

    Args:
        logs: Folder that gets `<name>.log` for each child.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Processes:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start a command in a session of its own, its output in a fresh log file."""
        log = self.logs / f"{name}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(  # noqa: S603 -- commands are the demo's own
                list(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, popen, log)
        self._children.append(child)
        return child

    def finish(self, child: Child) -> None:
        """Wait until a child that does one thing has done it.

        Raises:
            StopError: It failed; the end of its log is in the message.
        """
        if child.popen.wait() != 0:
            raise _broken(child)

    def wait_until(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until something holds, while all long-lived children stay alive.

        Raises:
            StopError: A child ended with an error, or the time is up.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                logs = ", ".join(str(child.log) for child in self._children if not child.ended)
                raise StopError(
                    where=what,
                    came=f"not so after {seconds:.0f} s",
                    allowed=f"at most {seconds:.0f} s",
                    do=f"see {logs}",
                )
            time.sleep(_PAUSE)

    def check(self) -> None:
        """Raise `StopError` if any child has ended with an error."""
        for child in self._children:
            if child.popen.poll() not in (None, 0):
                raise _broken(child)

    def stop(self) -> None:
        """Ask the children to end, the youngest first, then kill what is left of their sessions.

        Raises:
            StopError: Something cannot be killed; its process numbers are named.
        """
        for child in reversed(self._children):
            with suppress(ProcessLookupError):
                os.killpg(child.popen.pid, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        for child in reversed(self._children):
            with suppress(subprocess.TimeoutExpired):
                child.popen.wait(max(0.0, deadline - time.monotonic()))
        sessions = {child.popen.pid for child in self._children}
        self._children.clear()
        left = _members(sessions)
        deadline = time.monotonic() + _PATIENCE
        while left and time.monotonic() < deadline:
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(_PAUSE)
            left = _members(sessions)
        if left:
            raise StopError(
                where="stopping the demo",
                came="processes that cannot be killed: " + ", ".join(str(process.pid) for process in left),
                allowed="none left behind",
                do="end them by their numbers",
            )


def _members(sessions: set[int]) -> list[psutil.Process]:
    """Live processes of these sessions; one that only waits to be reaped by its parent is not alive."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _broken(child: Child) -> StopError:
    return StopError(
        where=child.name,
        came=f"it ended with code {child.popen.returncode}; the end of {child.log}:\n{tail(child.log)}\n",
        allowed="code 0",
        do="mend what the log names and start again",
    )
