"""The whole walk on a fresh lake: seconds, rows and peak memory of every step, as `hub run` takes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from hub.context import open_hub
from hub.settings import load_settings
from hub.walk import STEPS, Event, run

__all__ = ["walk"]

_AS_OF = "2026-11-01"


def walk(people: int, county: str, seed: int, faults: float) -> dict[str, Any]:
    """Make a county, serve its departments in another process, walk, and report.

    Returns:
        `{"people", "seconds", "peak_mb", "database_peak_mb", "rows_per_second", "steps": [{"step", "rows", "seconds",
        "peak_mb"}]}`: `seconds` from opening the hub to the last delivery. Those of the steps add up to more, since
        pulls go ahead of what is taken in; the release has the judging of its tables in it. `peak_mb` is the resident
        memory of the walking process, `database_peak_mb` that of the embedded PostgreSQL, its shared pages once.
    """
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
        place = Path(folder)
        _make(place / "county", people, county, seed, faults)
        with _served(place / "county") as env_file:
            settings = load_settings(env_file=env_file, data_dir=place / "hub", as_of=_AS_OF, database_url=None)
            return {"people": people, **_measured(settings)}


def _measured(settings: Any) -> dict[str, Any]:
    steps = {step.name: {"step": step.name, "rows": 0, "seconds": 0.0, "peak_mb": 0.0} for step in STEPS}
    with _Memory() as memory:
        began = time.monotonic()

        def notice(event: Event) -> None:
            step: Any = steps[event.step]
            step["rows"] += event.rows
            step["seconds"] = round(step["seconds"] + event.seconds, 3)
            step["peak_mb"] = max(step["peak_mb"], memory.since_last())

        with open_hub(settings) as hub:
            run(hub, notify=notice)
        seconds = time.monotonic() - began
    landed = int(str(steps["pull"]["rows"]))
    return {
        "seconds": round(seconds, 2),
        "peak_mb": memory.peak,
        "database_peak_mb": memory.database_peak,
        "rows_per_second": round(landed / seconds),
        "steps": list(steps.values()),
    }


class _Memory:
    """Watches resident memory every tenth of a second while its block runs."""

    def __init__(self) -> None:
        self.peak = 0.0
        self.database_peak = 0.0
        self._recent = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def since_last(self) -> float:
        """Peak since the last call, in MB."""
        recent, self._recent = self._recent, 0.0
        return recent

    def _watch(self) -> None:
        own = psutil.Process()
        ticks = 0
        while not self._done.wait(0.1):
            size = round(own.memory_info().rss / 1e6, 1)
            self.peak, self._recent = max(self.peak, size), max(self._recent, size)
            if ticks % 10 == 0:
                self.database_peak = max(self.database_peak, _database_mb())
            ticks += 1


def _database_mb() -> float:
    total = 0
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "postgres":
            try:
                total += process.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
    return round(total / 1e6, 1)


def _make(folder: Path, people: int, county: str, seed: int, faults: float) -> None:
    arguments = ["--county", county, "--people", str(people), "--seed", str(seed), "--faults", str(faults)]
    command = [sys.executable, "-m", "samples", "make", *arguments, "--as-of", _AS_OF, "--output", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _served(folder: Path) -> Iterator[Path]:
    """Run the sample departments in a process of their own, so that their memory is not counted."""
    places = folder / "places.env"
    command = [sys.executable, "-m", "samples", "serve", "--output", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ.copy())
    try:
        while not places.is_file():
            if process.poll() is not None:
                raise RuntimeError(f"the sample departments ended with {process.returncode}")
            time.sleep(0.2)
        yield places
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
