"""Children of the demo: told apart when they fail, and gone afterwards with all they started."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from hub.demo.processes import Processes, tail
from hub.errors import StopError

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)
print(child.pid, flush=True)
time.sleep(60)
"""


def number(log: Path) -> int:
    while not (text := log.read_text().strip()):
        time.sleep(0.05)
    return int(text)


def test_nothing_is_left_even_of_what_ignores_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.demo.processes._PATIENCE", 1.0)
    with Processes(tmp_path / "log") as processes:
        child = processes.start("stubborn", [sys.executable, "-c", STUBBORN], os.environ)
        # Its own child sits in another process group, where the signal to the group does not reach it.
        grandchild = number(child.log)
        assert psutil.pid_exists(grandchild)
    assert child.ended
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE


def test_a_failed_child_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("maker", [sys.executable, "-c", "print('no paper'); raise SystemExit(3)"], os.environ)
        with pytest.raises(StopError, match=r"(?s)maker: it ended with code 3.*no paper"):
            processes.finish(child)


def test_waiting_ends_as_soon_as_a_child_has_failed(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start("server", [sys.executable, "-c", "raise SystemExit(1)"], os.environ)
        with pytest.raises(StopError, match="server"):
            processes.wait_until("the server", lambda: False, 60)


def test_waiting_ends_when_the_time_is_up(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start("server", [sys.executable, "-c", "import time; time.sleep(60)"], os.environ)
        with pytest.raises(StopError, match=r"the server: not so after 0 s.*server\.log"):
            processes.wait_until("the server", lambda: False, 0.2)


def test_a_child_that_did_its_work_does_not_disturb(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.finish(processes.start("maker", [sys.executable, "-c", ""], os.environ))
        processes.wait_until("anything", lambda: True, 1)
        processes.check()


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    assert tail(path) == ""
    path.write_text("1\n2\n3\n")
    assert tail(path, 2) == "2\n3"
