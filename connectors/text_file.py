"""What all text deliveries share: which encoding counts, lines of bounded length, and errors that name the line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, AnyStr, Final, Generic

from connectors.base import Request
from connectors.drops import unreadable
from connectors.errors import SetAsideError, StopError

__all__ = ["Lines", "agreed_encoding", "is_encoding", "proved_encoding", "undecodable", "wrong_encoding"]

LONGEST_LINE: Final = 1 << 24
"""No line of a table is longer; a file without line breaks must not fill the memory."""

_CHUNK: Final = 1 << 20
_HEAD: Final = 4096
_CHARSET: Final = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]+)", re.IGNORECASE)
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Lines(Generic[AnyStr]):
    """Physical lines of a file, counted; `taken` holds those of the record being read.

    Raises:
        SetAsideError: `unreadable`; a line is longer than any of a table.
    """

    def __init__(self, file: IO[AnyStr], where: str) -> None:
        self._file: IO[AnyStr] = file
        self._where = where
        self.number = 0
        self.taken: list[AnyStr] = []

    def __iter__(self) -> Iterator[AnyStr]:
        return self

    def __next__(self) -> AnyStr:
        line = self._file.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == LONGEST_LINE:
            raise unreadable(self._where, f"line {self.number} does not end", f"lines below {LONGEST_LINE} characters")
        self.taken.append(line)
        return line


def is_encoding(name: str) -> bool:
    """Tell whether Python knows an encoding of text by that name."""
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def agreed_encoding(path: Path, request: Request) -> str:
    """Return the encoding agreed, option `encoding`, or UTF-8 where the file begins with its byte order mark.

    Raises:
        StopError: Python knows no such encoding.
    """
    declared = str(request.option("encoding"))
    if not is_encoding(declared):
        raise StopError(
            f"pull of {request.tail}",
            f"encoding {declared!r}",
            "gb18030, utf-8, …",
            f"correct it in schemas/sources/{request.tail}.yml",
        )
    with path.open("rb") as file:
        return "utf-8-sig" if file.read(3) == codecs.BOM_UTF8 else declared


def proved_encoding(path: Path, declared: str | None, where: str) -> str:
    """Return the encoding of a file that does not owe a certain one, decoded to its end for proof.

    By its byte order mark; else the declared one; else the first that fits of what it says itself (HTML), UTF-8 and
    GB18030.

    Raises:
        SetAsideError: `encoding_invalid`; none fits.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    marked = [name for mark, name in _MARKS if head.startswith(mark)]
    said = [word.decode() for word in _CHARSET.findall(head)[:1]]
    # Who says gb2312 or gbk writes GB18030, which holds both.
    said = ["gb18030" if name.lower() in ("gb2312", "gbk", "cp936") else name for name in said]
    candidates = marked or ([declared] if declared else [*said, "utf-8", "gb18030"])
    for encoding in candidates:
        if is_encoding(encoding) and _decodes(path, encoding):
            return encoding
    raise wrong_encoding(where, f"bytes that are not {' or '.join(candidates)}", declared or "UTF-8 or GB18030")


def _decodes(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=encoding, errors="strict", newline="") as file:
            while file.read(_CHUNK):
                pass
    except UnicodeError:
        return False
    return True


def undecodable(path: Path, encoding: str) -> str:
    """Name the first line that cannot be decoded; no line break is part of a character in the encodings met."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1):
            try:
                line.decode(encoding)
            except UnicodeError:
                return f"line {number} has bytes that are not {encoding}"
    return f"bytes that are not {encoding}"


def wrong_encoding(where: str, came: str, encoding: Any) -> SetAsideError:
    """Return the error for a file that is not in the agreed encoding."""
    return SetAsideError(
        where,
        came,
        f"{encoding} throughout, or UTF-8 with a byte order mark",
        "ask the department to export it again in the agreed encoding",
        reason="encoding_invalid",
    )
