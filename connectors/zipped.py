"""Zip deliveries: the member a contract names, unpacked within limits; hostile archives are refused before."""

from __future__ import annotations

import errno
import lzma
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from connectors.base import Request
from connectors.drops import unreadable
from connectors.errors import SetAsideError
from connectors.file_options import Zipped
from connectors.options import part_of

__all__ = ["bounded_archive", "unpacked", "unpacked_whole"]

MEGABYTE: Final = 1 << 20
_LARGEST_MB: Final = 8192
"""No archive holds more, unless the contract says so."""
_RATIO: Final = 250
_SMALL: Final = 64 * MEGABYTE
"""A member may shrink as it likes below this; above it, only to a part that real tables and maps reach."""
_MOST_MEMBERS: Final = 10_000
_ENCRYPTED: Final = 0x1
_FAULTS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    IndexError,
)
"""What `zipfile` raises over bytes that are no archive, or one of a kind it does not know."""
_NAMES: Final = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})
_ALLOWED: Final = "a whole zip archive without password, of the agreed members and of a sensible size"


@contextmanager
def unpacked(path: Path, request: Request, where: str) -> Iterator[Path]:
    """Give the file to read: the delivery itself or, where option `member` is set, that member of the zip it is.

    Args:
        path: The delivery.
        request: `member` is a pattern that fits one member's path or last name; `max_unzipped_mb` (default 8192) bounds
            what all members hold together.
        where: The delivery as errors name it.

    Raises:
        SetAsideError: `unreadable`; no archive, a member that leads out of it, a bomb, none or several that fit.
        StopError: `max_unzipped_mb` is no number.
    """
    options = part_of(Zipped, request)
    if options.member is None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="hub-zip-") as folder:
        with _opened(path, where) as archive:
            members = _bounded(archive, options.max_unzipped_mb * MEGABYTE, where)
            target = _extract(archive, _one(members, options.member, where), Path(folder), where)
        yield target


def unpacked_whole(path: Path, request: Request, where: str, folder: Path) -> Path:
    """Unpack all members and return the one that option `member` fits, a file or a folder.

    Raises:
        SetAsideError: As `unpacked`.
    """
    options = part_of(Zipped, request)
    with _opened(path, where) as archive:
        members = _bounded(archive, options.max_unzipped_mb * MEGABYTE, where)
        names = {_path(info) for info in members}
        parents = {parent for name in names for parent in name.parents if parent.name}
        fitting = sorted(name for name in names | parents if _fits(name, options.member or "*"))
        if len(fitting) != 1:
            raise _not_one(len(fitting), where)
        for info in members:
            _extract(archive, info, folder, where)
    return folder / fitting[0]


@contextmanager
def bounded_archive(path: Path, where: str, largest_mb: int = _LARGEST_MB) -> Iterator[zipfile.ZipFile]:
    """Open an archive once it is sure that it cannot fill the memory; faults within are those of the archive.

    Raises:
        SetAsideError: `unreadable`; no archive, or a bomb.
    """
    with _opened(path, where) as archive:
        _bounded(archive, largest_mb * MEGABYTE, where)
        yield archive


@contextmanager
def _opened(path: Path, where: str) -> Iterator[zipfile.ZipFile]:
    """Open an archive; names without the UTF-8 flag are GB18030, as Chinese Windows writes them, where they can be."""
    try:
        try:
            archive = zipfile.ZipFile(path, metadata_encoding="gb18030")
        except UnicodeDecodeError:
            archive = zipfile.ZipFile(path)
        with archive:
            yield archive
    except SetAsideError:
        raise
    except (*_FAULTS, OSError) as error:
        # A member said to begin before the file is an invalid argument to the system; bz2 raises errors without number.
        if isinstance(error, OSError) and error.errno not in (errno.EINVAL, None):
            raise
        raise unreadable(where, f"no archive that can be read ({type(error).__name__})", _ALLOWED) from None


def _bounded(archive: zipfile.ZipFile, limit: int, where: str) -> list[zipfile.ZipInfo]:
    infos = archive.infolist()
    members = [info for info in infos if not info.is_dir()]
    if len(infos) > _MOST_MEMBERS:
        raise unreadable(where, f"{len(infos)} members", f"up to {_MOST_MEMBERS} members")
    for info in infos:
        path = _path(info)
        if path.is_absolute() or ".." in path.parts or ":" in info.filename or "\0" in info.filename:
            raise unreadable(where, "a member whose name leads out of the archive", _ALLOWED)
        if info.flag_bits & _ENCRYPTED:
            raise unreadable(where, "a member with a password", _ALLOWED)
        if info.file_size > max(_SMALL, info.compress_size * _RATIO):
            raise unreadable(where, f"a member that is more than {_RATIO} times as large unpacked", _ALLOWED)
    total = sum(info.file_size for info in members)
    if total > limit:
        raise unreadable(
            where,
            f"{total // MEGABYTE} MB unpacked",
            f"up to {limit // MEGABYTE} MB",
            "ask the department for smaller deliveries, or set `max_unzipped_mb` in the contract",
        )
    return members


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(info.filename.replace("\\", "/"))


def _fits(name: PurePosixPath, pattern: str) -> bool:
    return fnmatchcase(str(name), pattern) or fnmatchcase(name.name, pattern)


def _one(members: list[zipfile.ZipInfo], pattern: str, where: str) -> zipfile.ZipInfo:
    fitting = [info for info in members if _fits(_path(info), pattern)]
    if len(fitting) != 1:
        raise _not_one(len(fitting), where)
    return fitting[0]


def _not_one(count: int, where: str) -> SetAsideError:
    return unreadable(where, f"{count} members that `member` fits", "one", "ask the department or correct the contract")


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path, where: str) -> Path:
    """Write a member's bytes; what it says of owners, rights and links is left out."""
    target = folder / _path(info)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, target.open("xb") as out:
            # zipfile gives no more than the size that was bounded, and checks the CRC at the end.
            shutil.copyfileobj(source, out, MEGABYTE)
    except OSError as error:
        if error.errno not in _NAMES:
            raise
        raise unreadable(where, "two members of one name, or a name no file can have", _ALLOWED) from None
    return target
