"""Says whether a county's folder is being served, by a lock that ends with the process that holds it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".served"


@contextmanager
def in_use(directory: Path) -> Iterator[None]:
    """Hold a folder as served while the context lasts; several servers may."""
    with (directory / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def is_in_use(directory: Path) -> bool:
    """Whether a process serves the folder now; what one that was killed has left does not count."""
    path = directory / LOCK
    if not path.is_file():
        return False
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
