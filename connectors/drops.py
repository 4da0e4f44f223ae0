"""Drop folders: which files of a folder are deliveries, and whether a delivery is whole (marker, digest, manifest)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from connectors.base import Connection, Request, Withheld
from connectors.errors import RetryError, StopError

__all__ = ["Delivery", "deliveries", "drop_folder", "file_errors"]

_COMPANIONS: Final = ("marker", "digest", "manifest")
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Delivery:
    """One whole delivery.

    Attributes:
        path: Its main file.
        name: The main file's path below the folder.
        fingerprint: sha256 of the bytes of all its files, and of the row count its manifest promises.
        rows: That count, where a manifest is agreed.
    """

    path: Path
    name: str
    fingerprint: str
    rows: int | None
    _state: tuple[tuple[int, int], ...]
    _parts: tuple[Path, ...]

    def unchanged(self) -> None:
        """Assert that the files are those that were fingerprinted.

        Raises:
            RetryError: One was written to meanwhile.
        """
        with file_errors(self.name):
            if _state(self._parts) != self._state:
                raise RetryError(self.name, "it changed while it was read", "a file at rest", "pull again")


@contextmanager
def file_errors(where: str) -> Iterator[None]:
    """Turn what the file system raises into the hub's groups.

    Raises:
        StopError: The hub may not read here.
        RetryError: Everything else: a folder of another machine that is away, a file that just went.
    """
    try:
        yield
    except PermissionError:
        raise StopError(where, "no right to read", "read access", "give the hub's user that right") from None
    except OSError as error:
        raise RetryError(where, f"{type(error).__name__} {error.errno}", "readable files", "run again later") from None


def drop_folder(connection: Connection) -> Path:
    """Return a connection's place as a folder.

    Raises:
        StopError: There is no such folder.
    """
    folder = Path(connection.place)
    if not connection.place or not folder.is_dir():
        raise StopError(
            f"connection {connection.where}",
            "a place that is no folder here",
            "an existing folder",
            f"mount it, or correct the place's variable named in connectors/systems/{connection.system}.yml",
        )
    return folder


def deliveries(
    folder: Path, request: Request, parts: Callable[[Path], tuple[Path, ...]] = lambda path: (path,)
) -> Iterator[Delivery | Withheld]:
    """Name the deliveries of a dataset by file name, oldest first; of a snapshot only the newest.

    Args:
        folder: The drop folder.
        request: Its `pattern` picks the main files; `marker`, `digest` and `manifest` are the suffixes that replace
            the main file's where such companions are agreed.
        parts: All files a main file consists of.

    Raises:
        StopError: `pattern` is missing or leads out of the folder, or the folder may not be read.
        RetryError: The folder is away.
    """
    pattern = str(request.option("pattern"))
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise StopError(
            f"pull of {request.tail}", f"pattern {pattern!r}", "a pattern below the folder", "correct the contract"
        )
    with file_errors(request.tail):
        # ~$ and . begin the lock and part files that office programs and copying tools leave beside a file.
        paths = sorted(
            (path for path in folder.glob(pattern) if path.is_file() and not path.name.startswith((".", "~$"))),
            key=lambda path: path.relative_to(folder).as_posix(),
        )
    for path in paths[-1:] if request.mode == "snapshot" else paths:
        name = path.relative_to(folder).as_posix()
        with file_errors(f"{request.tail}, {name}"):
            found = _inspect(path, name, request, parts(path))
        yield found


def _inspect(path: Path, name: str, request: Request, parts: tuple[Path, ...]) -> Delivery | Withheld:
    companions = {role: path.with_suffix(str(request.options[role])) for role in _COMPANIONS if role in request.options}
    state = _state(parts)
    whole = _digest("sha256", parts)
    present = [companion for companion in companions.values() if companion.is_file()]
    condition = hashlib.sha256(f"{whole} {_digest('sha256', present)} {[item.name for item in present]}".encode())

    def withheld(reason: str, came: str, allowed: str) -> Withheld:
        message = f"{request.tail}, {name}: {came}. Allowed: {allowed}. Do: ask the department to send it again, whole."
        return Withheld(name, reason, message, condition.hexdigest())

    missing = [item.name for item in companions.values() if item not in present]
    if missing:
        return withheld("drop_incomplete", f"{', '.join(missing)} missing", "all files of the drop")
    if "digest" in companions:
        algorithm = companions["digest"].suffix.lstrip(".").lower()
        told = companions["digest"].read_text(encoding="utf-8", errors="replace").split()
        if _digest(algorithm, (path,), request.tail) not in [word.lower() for word in told[:1]]:
            return withheld("digest_mismatch", f"its {algorithm} is not the one sent", "the bytes that were digested")
    rows = _manifest_rows(companions["manifest"]) if "manifest" in companions else None
    if rows is None and "manifest" in companions:
        return withheld("drop_incomplete", "its manifest tells no number of rows", '{"rows": n, …}')
    told_rows = "" if rows is None else f" rows={rows}"
    fingerprint = hashlib.sha256(f"{whole}{told_rows}".encode()).hexdigest() if told_rows else whole
    return Delivery(path, name, fingerprint, rows, state, parts)


def _manifest_rows(path: Path) -> int | None:
    try:
        told: Any = json.loads(path.read_bytes())
    except ValueError:
        return None
    rows = told.get("rows") if isinstance(told, dict) else None
    return rows if isinstance(rows, int) and not isinstance(rows, bool) and rows >= 0 else None


def _digest(algorithm: str, paths: tuple[Path, ...] | list[Path], tail: str = "") -> str:
    try:
        digest = hashlib.new(algorithm, usedforsecurity=False)
    except ValueError:
        raise StopError(
            f"pull of {tail}",
            f"digest suffix .{algorithm}",
            ", .".join(sorted(hashlib.algorithms_guaranteed)),
            "correct it",
        ) from None
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_CHUNK):
                digest.update(block)
    return digest.hexdigest()


def _state(parts: tuple[Path, ...]) -> tuple[tuple[int, int], ...]:
    stats = [part.stat() for part in parts]
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in stats)
