"""Deliveries: which files of a store are some, and whether one is whole (marker, digest, manifest)."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from connectors.base import Request, Withheld
from connectors.errors import RetryError, SetAsideError
from connectors.file_options import Drop
from connectors.options import part_of
from connectors.stores import Item, Listing, Spool, Store, file_errors

__all__ = ["Delivery", "Kept", "companions", "deliveries", "file_digest", "unreadable"]

ROLES: Final = ("marker", "digest", "manifest")
"""What may accompany a main file, under its name with another suffix."""

_CHUNK: Final = 1 << 20

Parts = Callable[[Store, Listing, Item], Sequence[Item]]
"""Tells all files a main file consists of."""


@dataclass(frozen=True)
class Delivery:
    """One whole delivery.

    Attributes:
        path: Its main file, here; a copy where the store is another machine.
        name: The main file's path below the store's place.
        fingerprint: sha256 of the bytes of all its files, and of the row count its manifest promises.
        rows: That count, where a manifest is agreed.
        kept: To be told once it is kept.
    """

    path: Path
    name: str
    fingerprint: str
    rows: int | None
    kept: Callable[[], dict[str, Any] | None]
    _state: tuple[tuple[int, int], ...]
    _parts: tuple[Path, ...]
    _spool: Spool | None

    def unchanged(self) -> None:
        """Assert that the files are those that were fingerprinted.

        Raises:
            RetryError: One was written to meanwhile.
        """
        with file_errors(self.name):
            if _state(self._parts) != self._state:
                raise RetryError(self.name, "it changed while it was read", "a file at rest", "pull again")


class Kept:
    """The deliveries of a remote store that were kept as they lie there, so that they are not copied at every pull.

    Known by name, size and time of change of all their files; eleven characters each go into the mark.

    Args:
        mark: What `told` gave last.
        store: A local store needs no such memory, for its files are read where they lie.
    """

    def __init__(self, mark: Mapping[str, Any] | None, store: Store) -> None:
        self._codes: set[str] | None = set((mark or {}).get("kept", ())) if store.remote else None

    def __contains__(self, items: Sequence[Item]) -> bool:
        return self._codes is not None and _code(items) in self._codes

    def only(self, present: Sequence[Sequence[Item]]) -> None:
        """Forget what no longer lies there."""
        if self._codes is not None:
            self._codes &= {_code(items) for items in present}

    def told(self, items: Sequence[Item]) -> dict[str, Any] | None:
        """Remember a delivery that was kept and return the mark that says so; None where there is nothing to say."""
        if self._codes is None:
            return None
        self._codes.add(_code(items))
        return {"kept": sorted(self._codes)}


def unreadable(where: str, came: str, allowed: str, do: str = "ask the department to export it again") -> SetAsideError:
    """Return the error for a file that is not of the agreed format."""
    return SetAsideError(where, came, allowed, do, reason="unreadable")


def companions(name: str, suffixes: Mapping[str, Any]) -> dict[str, str]:
    """Return role -> name of what accompanies a main file.

    Args:
        name: The main file's.
        suffixes: Role -> the suffix that takes the place of the main file's; other keys do not count.
    """
    return {role: str(PurePosixPath(name).with_suffix(str(suffixes[role]))) for role in ROLES if suffixes.get(role)}


def deliveries(
    store: Store,
    request: Request,
    mark: Mapping[str, Any] | None = None,
    parts: Parts = lambda store, listing, item: (item,),
    folders: Sequence[str] = (),
) -> Iterator[Delivery | Withheld]:
    """Name the deliveries of a dataset by file name, oldest first; of a snapshot only the newest.

    Args:
        store: Where they lie.
        request: Its `pattern` picks the main files; `marker`, `digest` and `manifest` are the suffixes that replace
            the main file's where such companions are agreed. With `since`, what was kept is named again.
        mark: The mark of the last delivery that was kept.
        parts: All files a main file consists of.
        folders: Suffixes of folders that are one delivery.

    Raises:
        StopError: `pattern` is missing or leads out of the place, or the place may not be read.
        RetryError: The place is away.
    """
    listing = store.listed(str(PurePosixPath(part_of(Drop, request).pattern)), folders)
    picked = listing.picked[-1:] if request.mode == "snapshot" else listing.picked
    kept = Kept(None if request.since else mark, store)
    drops = [_Drop(store, request, listing, item, tuple(parts(store, listing, item))) for item in picked]
    kept.only([drop.items for drop in drops])
    for drop in drops:
        if drop.items not in kept:
            yield drop.inspected(kept)


class _Drop:
    """A main file with its parts and companions, as the listing shows them."""

    def __init__(self, store: Store, request: Request, listing: Listing, main: Item, parts: tuple[Item, ...]) -> None:
        self._store = store
        self._tail = request.tail
        self._where = f"{request.tail}, {main.name}"
        self._main = main
        self._parts = parts
        self._names = companions(main.name, part_of(Drop, request).model_dump())
        present = {role: listing.beside.get(name) for role, name in self._names.items()}
        self._present = {role: item for role, item in present.items() if item is not None and not item.folder}

    @property
    def items(self) -> tuple[Item, ...]:
        """All files of it that are there."""
        return (self._main, *self._parts, *self._present.values())

    def inspected(self, kept: Kept) -> Delivery | Withheld:
        missing = [PurePosixPath(name).name for role, name in self._names.items() if role not in self._present]
        if missing:
            # Half a drop is not read: it may still be growing.
            return self._withheld("drop_incomplete", f"{', '.join(missing)} missing", "all files of the drop")
        files = [*self._parts, *self._present.values()]
        folder, spool = self._store.here(files, self._where)
        with file_errors(self._where):
            paths = tuple(folder / item.name for item in self._parts)
            state = _state(paths)
            whole = file_digest("sha256", paths)
            fault = self._digest_fault(folder)
            if fault:
                return self._withheld("digest_mismatch", fault, "the bytes that were digested")
            rows = _manifest_rows(folder / self._present["manifest"].name) if "manifest" in self._present else None
        if rows is None and "manifest" in self._present:
            return self._withheld("drop_incomplete", "its manifest tells no number of rows", '{"rows": n, …}')
        fingerprint = whole if rows is None else hashlib.sha256(f"{whole} rows={rows}".encode()).hexdigest()
        path = folder / self._main.name
        return Delivery(path, self._main.name, fingerprint, rows, lambda: kept.told(self.items), state, paths, spool)

    def _digest_fault(self, folder: Path) -> str | None:
        if "digest" not in self._present:
            return None
        path = folder / self._present["digest"].name
        algorithm = path.suffix.lstrip(".").lower()
        told = path.read_text(encoding="utf-8", errors="replace").split()
        digested = [folder / part.name for part in self._parts] if self._main.folder else [folder / self._main.name]
        own = file_digest(algorithm, digested)
        return None if own in [word.lower() for word in told[:1]] else f"its {algorithm} is not the one sent"

    def _withheld(self, reason: str, came: str, allowed: str) -> Withheld:
        message = f"{self._where}: {came}. Allowed: {allowed}. Do: ask the department to send it again, whole."
        condition = hashlib.sha256(repr(sorted((item.name, item.state) for item in self.items)).encode())
        return Withheld(self._main.name, reason, message, condition.hexdigest())


def file_digest(algorithm: str, paths: Sequence[Path]) -> str:
    """Return the digest of files, one after the other."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_CHUNK):
                digest.update(block)
    return digest.hexdigest()


def _manifest_rows(path: Path) -> int | None:
    try:
        told: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    rows = told.get("rows") if isinstance(told, dict) else None
    return rows if isinstance(rows, int) and not isinstance(rows, bool) and rows >= 0 else None


def _code(items: Sequence[Item]) -> str:
    text = repr(sorted({(item.name, item.state) for item in items}))
    return b64encode(hashlib.blake2b(text.encode(), digest_size=8).digest())[:11].decode()


def _state(parts: Sequence[Path]) -> tuple[tuple[int, int], ...]:
    stats = [part.stat() for part in parts]
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in stats)
