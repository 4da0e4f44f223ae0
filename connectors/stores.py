"""Where deliveries lie, as all file connectors see it: listing, copying here, writing; over any fsspec file system."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Final

from fsspec import AbstractFileSystem

from connectors.errors import RetryError, StopError

__all__ = ["Item", "Listing", "Spool", "Store", "file_errors", "grouped"]

_AWS_CODE: Final = re.compile(r"AWS Error ([A-Z_]+)")
_FOR_A_PERSON: Final = frozenset(
    {
        "ACCESS_DENIED",
        "INVALID_ACCESS_KEY_ID",
        "INVALID_CLIENT_TOKEN_ID",
        "INVALID_SIGNATURE",
        "MISSING_AUTHENTICATION_TOKEN",
        "NO_SUCH_BUCKET",
        "SIGNATURE_DOES_NOT_MATCH",
        "UNRECOGNIZED_CLIENT",
    }
)
"""AWS error codes that repeating does not cure."""


@dataclass(frozen=True)
class Item:
    """A file, or a folder that is one delivery (FileGDB), as a listing shows it.

    Attributes:
        name: Its path below the store's place, with `/`.
        state: Size and time of change: equal means unchanged.
        folder: Whether it is a folder.
    """

    name: str
    state: tuple[int, str]
    folder: bool = False


@dataclass
class Listing:
    """What a pattern picked, and everything beside it.

    Attributes:
        picked: In order of their names.
        beside: Name -> item, of all folders the pattern leads to.
    """

    picked: list[Item] = field(default_factory=list)
    beside: dict[str, Item] = field(default_factory=dict)


class Spool:
    """A folder of its own, closed to others, that goes when nothing holds it any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="hub-spool-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@contextmanager
def file_errors(where: str) -> Iterator[None]:
    """Turn what a file system raises into the hub's groups.

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


class Store:
    """One place; see `connectors.places`.

    Args:
        fs: The file system.
        root: The place on it.
        where: The connection as errors name it.
        remote: Whether files must be copied here to be read.
        failures: What the file system raises beside `OSError`.
    """

    def __init__(
        self,
        fs: AbstractFileSystem,
        root: str,
        where: str,
        *,
        remote: bool = True,
        failures: tuple[type[Exception], ...] = (),
    ) -> None:
        self.remote = remote
        self._fs = fs
        self._root = root
        self._where = where
        self._failures: tuple[type[Exception], ...] = (OSError, *failures)

    @contextmanager
    def errors(self, where: str) -> Iterator[None]:
        """Turn what the store raises into the hub's groups; no message of a server is passed on, for it may hold paths.

        Raises:
            StopError: Credentials or rights are wrong, or there is no such bucket.
            RetryError: Everything else: a server that is away, a file that just went.
        """
        try:
            yield
        except self._failures as error:
            raise grouped(error, where) from None

    def listed(self, pattern: str, folders: Sequence[str] = ()) -> Listing:
        """List what a pattern picks, `**` standing for any folders.

        Args:
            pattern: Relative, as `pathlib.Path.glob` takes it.
            folders: Suffixes of folders that count as one delivery.

        Raises:
            StopError: There is no such place, or the hub may not read it.
            RetryError: The place is away.
        """
        listing = Listing()
        found: dict[str, Item] = {}
        with self.errors(self._where):
            self._walk("", pattern.split("/"), tuple(folders), listing.beside, found)
        listing.picked = [found[name] for name in sorted(found)]
        return listing

    def inside(self, folder: Item) -> list[Item]:
        """List the files of a folder that is one delivery, all levels down."""
        return self.listed(f"{folder.name}/**/*").picked

    def here(self, items: Sequence[Item], where: str) -> tuple[Path, Spool | None]:
        """Return a local folder in which files have their own names; those of a remote store are copied, as streams.

        Raises:
            RetryError: A file changed while it was copied.
        """
        if not self.remote:
            return Path(self._root), None
        spool = Spool()
        for item in items:
            target = spool.path / item.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with self.errors(where):
                self._fs.get_file(self._full(item.name), str(target))
                now = _state(self._fs.info(self._full(item.name)))
            if now != item.state or target.stat().st_size != item.state[0]:
                raise RetryError(where, "it changed while it was copied", "a file at rest", "pull again")
        return spool.path, spool

    def put(self, source: Path, name: str) -> None:
        """Write a file so that it is there whole or not at all.

        Raises:
            StopError: The hub may not write here.
            RetryError: The place is away.
        """
        with self.errors(self._where):
            if self._fs.protocol == "s3":
                # An object appears when it is complete; S3 renames nothing.
                with source.open("rb") as given, self._fs.open(self._full(name), "wb") as target:
                    shutil.copyfileobj(given, target, 1 << 20)
                return
            path = PurePosixPath(self._full(name))
            part = path.with_name(f".{path.name}.part")
            self._fs.makedirs(str(path.parent), exist_ok=True)
            self._fs.put_file(str(source), str(part))
            self._fs.mv(str(part), str(path))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self.errors(self._where):
            try:
                self._fs.rm_file(self._full(name))
            except FileNotFoundError:
                return

    def _full(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    def _walk(
        self,
        below: str,
        parts: Sequence[str],
        folders: tuple[str, ...],
        beside: dict[str, Item],
        found: dict[str, Item],
    ) -> None:
        entries = self._entries(below)
        for item in entries:
            beside[item.name] = item
        wanted, rest = parts[0], parts[1:]
        if wanted == "**":
            if rest:
                self._walk(below, rest, folders, beside, found)
            for item in entries:
                if item.folder:
                    self._walk(item.name, parts, folders, beside, found)
            return
        for item in entries:
            name = PurePosixPath(item.name).name
            # ~$ and . begin the lock and part files that office programs and copying tools leave beside a file.
            if not fnmatchcase(name, wanted) or name.startswith((".", "~$")):
                continue
            if rest and item.folder:
                self._walk(item.name, rest, folders, beside, found)
            elif not rest and (not item.folder or name.lower().endswith(folders)):
                found[item.name] = item

    def _entries(self, below: str) -> list[Item]:
        try:
            infos = self._fs.ls(self._full(below), detail=True)
        except FileNotFoundError:
            if self._fs.protocol == "s3":
                return []  # a bucket has no folders, so an empty one is none
            raise
        items = []
        for info in infos:
            # Only a name's last part counts: a server may say anything.
            name = PurePosixPath(info["name"]).name
            if name in ("", ".", ".."):
                continue
            path = f"{below}/{name}" if below else name
            known = self._followed(path) if info["type"] == "link" or info.get("islink") else info
            if known is not None and known["type"] in ("file", "directory"):
                items.append(Item(path, _state(known), known["type"] == "directory"))
        return items

    def _followed(self, path: str) -> dict[str, Any] | None:
        try:
            return dict(self._fs.info(self._full(path)))
        except FileNotFoundError:
            return None  # a link to nothing is no file


def _state(info: dict[str, Any]) -> tuple[int, str]:
    return int(info["size"] or 0), str(info["mtime"])


def grouped(error: Exception, where: str) -> StopError | RetryError:
    """Return what a store raised as an error of the hub; it names the kind of fault and never what the server said."""
    code = _AWS_CODE.search(str(error))
    name = code[1] if code else type(error).__name__
    refused = isinstance(error, PermissionError) or name in (
        *_FOR_A_PERSON,
        "HostKeyNotVerifiable",
        "KeyExchangeFailed",
        "SFTPPermissionDenied",
    )
    if refused:
        return StopError(
            where,
            f"the store refuses ({name})",
            "credentials that are valid and have the rights; a server whose key is the agreed one",
            "correct the connection's user, secret or host key, or ask the department for the rights",
        )
    number = getattr(error, "errno", None)
    came = name if number is None else f"{name} {number}"
    return RetryError(where, came, "files that can be reached", "run again later")
