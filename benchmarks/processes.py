"""One measured piece of work in a process of its own, so that neither imports nor memory of another count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["measured", "peak_mb", "timed"]


def measured(module: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """Run `python -m module arguments …` and return the JSON object it prints last.

    Raises:
        RuntimeError: It failed.
    """
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[3:])} ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def peak_mb() -> float:
    """Most resident memory this process has had, in MB.

    From the kernel's own mark, which begins anew with a program; `getrusage` passes on what the parent had.
    """
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    raise RuntimeError("this kernel does not tell the peak of resident memory")


def timed(work: Any) -> tuple[float, Any]:
    """Return the seconds a call took, and its result."""
    began = time.monotonic()
    result = work()
    return time.monotonic() - began, result
