"""What a pull and a check cost beside their peers, all in one run on one machine, as ratios: more than 1 is faster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.checks import make
from benchmarks.processes import measured
from benchmarks.tables import fill

__all__ = ["pull"]


def pull(rows: int, rest_rows: int, check_rows: int, rounds: int) -> dict[str, Any]:
    """Measure pulls of a table of twelve columns, of a paged service, and a check of ten rules.

    The paged service thinks ten milliseconds a page; `…_at_once` is one that answers without thinking, which leaves
    nothing to wait for while rows are written. PostgreSQL is that of `HUB_TEST_POSTGRESQL_URL`, else the embedded
    one; MariaDB that of `HUB_TEST_MARIADB_URL`, left out where that is not set. Each figure is the median of `rounds`
    processes, contenders taking turns.

    Returns:
        `{"ratios": {"postgresql_vs_dlt", "postgresql_vs_pandas", "mariadb_vs_dlt", "mariadb_vs_pandas",
        "rest_vs_requests", "rest_vs_requests_at_once", "check_vs_gx_pandas"}, "peak_mb", "rows", "seconds": {what: …},
        "peaks_mb"}`; `peak_mb` is the most a pull of the hub held.
    """
    seconds: dict[str, float] = {}
    peaks: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as place, ExitStack() as stack:
        folder = Path(place)
        for name, url in _servers(stack, folder).items():
            made = folder / name
            made.mkdir()
            source = fill(url, rows, made)
            _turns(name, ("hub", "pandas", "dlt"), source, folder, rows, rounds, seconds, peaks)
        url = stack.enter_context(_served(folder, rest_rows))
        for name, place in (("rest", f"{url}/slow"), ("rest_at_once", url)):
            _turns(name, ("rest", "requests"), place, folder, rest_rows, rounds, seconds, peaks)
        _checks(folder, check_rows, rounds, seconds, peaks)
    return {
        "ratios": _ratios(seconds),
        "peak_mb": max(
            value for name, value in peaks.items() if name.endswith(("_hub", "_rest")) and name != "check_hub"
        ),
        "rows": {"sql": rows, "rest": rest_rows, "check": check_rows},
        "seconds": seconds,
        "peaks_mb": peaks,
    }


def _ratios(seconds: dict[str, float]) -> dict[str, float]:
    pairs = {
        "postgresql_vs_dlt": ("postgresql_dlt", "postgresql_hub"),
        "postgresql_vs_pandas": ("postgresql_pandas", "postgresql_hub"),
        "mariadb_vs_dlt": ("mariadb_dlt", "mariadb_hub"),
        "mariadb_vs_pandas": ("mariadb_pandas", "mariadb_hub"),
        "rest_vs_requests": ("rest_requests", "rest_rest"),
        "rest_vs_requests_at_once": ("rest_at_once_requests", "rest_at_once_rest"),
        "check_vs_gx_pandas": ("check_pandas", "check_hub"),
    }
    known = {name: pair for name, pair in pairs.items() if pair[0] in seconds}
    return {name: round(seconds[theirs] / seconds[ours], 2) for name, (theirs, ours) in known.items()}


def _servers(stack: ExitStack, folder: Path) -> dict[str, str]:
    from hub.pg import embedded_server

    postgresql = os.environ.get("HUB_TEST_POSTGRESQL_URL") or stack.enter_context(embedded_server(folder / "server"))
    mariadb = os.environ.get("HUB_TEST_MARIADB_URL")
    return {"postgresql": postgresql, **({"mariadb": mariadb} if mariadb else {})}


def _turns(
    name: str,
    contenders: tuple[str, ...],
    url: str,
    folder: Path,
    rows: int,
    rounds: int,
    seconds: dict[str, float],
    peaks: dict[str, float],
) -> None:
    def one(who: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=folder) as target:
            found = measured("benchmarks.contenders", who, url, target)
        if found["rows"] != rows:
            raise RuntimeError(f"{who} took {found['rows']} of {rows} rows")
        return found

    _rounds(name, contenders, one, rounds, seconds, peaks)


def _rounds(
    name: str,
    contenders: tuple[str, ...],
    one: Callable[[str], dict[str, Any]],
    rounds: int,
    seconds: dict[str, float],
    peaks: dict[str, float],
) -> None:
    """Let contenders take turns, so that a slow minute of the machine falls on all of them."""
    found: dict[str, list[dict[str, Any]]] = {who: [] for who in contenders}
    for _ in range(rounds):
        for who in contenders:
            found[who].append(one(who))
    for who, results in found.items():
        seconds[f"{name}_{who}"] = median(result["seconds"] for result in results)
        peaks[f"{name}_{who}"] = max(result["peak_mb"] for result in results)


def _checks(folder: Path, rows: int, rounds: int, seconds: dict[str, float], peaks: dict[str, float]) -> None:
    table = folder / "check.parquet"
    make(rows, table)
    failing: list[dict[str, int]] = []

    def one(who: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=folder) as target:
            found = measured("benchmarks.checks", who, str(table), target)
        failing.append(found["failing"])
        return found

    _rounds("check", ("hub", "pandas"), one, rounds, seconds, peaks)
    if any(other != failing[0] for other in failing):
        raise RuntimeError("the two engines do not find the same rows")


@contextmanager
def _served(folder: Path, rows: int) -> Iterator[str]:
    port = folder / "port"
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.pages", str(port), str(rows)])
    try:
        while not port.is_file():
            if process.poll() is not None:
                raise RuntimeError(f"the service of pages ended with {process.returncode}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port.read_text(encoding='utf-8')}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
