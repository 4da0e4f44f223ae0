"""Stops the embedded PostgreSQL when its last user has gone, even one that was killed; started by `hub.pg` as a script.

It imports nothing of the hub, so that it starts at once and stays small. Arguments: the lock file that every
user holds shared, then the command that stops the server.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path


def main(lock: Path, stop: list[str]) -> None:
    """Leave the caller's process group, wait until nobody holds the lock any more, stop the server.

    Newcomers wait for the lock while the server stops; the kernel frees the lock of a process that dies.
    """
    if os.fork():
        return
    os.setsid()
    with lock.open("rb") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        subprocess.run(stop, check=False)  # noqa: S603 -- the command comes from hub.pg; it fails if already stopped


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
