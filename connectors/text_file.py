"""What all text deliveries share: which encoding counts, lines of bounded length, and errors that name the line.

A file that owes GB18030 and is UTF-8 may decode without a fault, as other characters: where every Chinese text has an
even number of them. By chance a text of GB18030 is UTF-8 too, but only a short one: of eight characters in a row about
one in a million is, and what comes out then is seldom Chinese. So a file counts as UTF-8 if it is that to its end and
has a run of 16 bytes beyond ASCII, or if most of its characters beyond ASCII are of three bytes, as Chinese ones are.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, AnyStr, Final, Generic

from connectors.drops import unreadable
from connectors.errors import SetAsideError
from connectors.options import is_encoding

__all__ = [
    "Lines",
    "agreed_encoding",
    "is_rather_utf8",
    "proved_encoding",
    "undecodable",
    "wrong_encoding",
]

LONGEST_LINE: Final = 1 << 24
"""No line of a table is longer; a file without line breaks must not fill the memory."""

_CHUNK: Final = 1 << 20
_HEAD: Final = 4096
_CHARSET: Final = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([A-Za-z0-9_-]+)", re.IGNORECASE)
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BEYOND_ASCII: Final = re.compile("[^\0-\x7f]+")
_OF_THREE_BYTES: Final = re.compile("[\u0800-\U0010ffff]")
_LONG_RUN: Final = 16


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

    def place(self) -> int:
        """Return where the next line begins, as `go` takes it."""
        return self._file.tell()

    def go(self, place: int, number: int) -> None:
        """Go on with another line.

        Args:
            place: What `place` once gave.
            number: How many lines are before it.
        """
        self._file.seek(place)
        self.number = number


def agreed_encoding(path: Path, declared: str, where: str, *, look: bool = True) -> str:
    """Return the encoding agreed, or UTF-8 where the file begins with its byte order mark.

    Args:
        path: The file.
        declared: The encoding agreed.
        where: The file as errors name it.
        look: Whether to look through the file; not needed twice.

    Raises:
        SetAsideError: `encoding_invalid`: another encoding is agreed, and the file is UTF-8.
    """
    with path.open("rb") as file:
        if file.read(3) == codecs.BOM_UTF8:
            return "utf-8-sig"
    if look and is_rather_utf8(path, declared):
        raise wrong_encoding(where, "a file in UTF-8", declared)
    return declared


def is_rather_utf8(path: Path, declared: str) -> bool:
    """Tell whether a file that owes another encoding, such as GB18030, is UTF-8; this module's head tells the rule."""
    if codecs.lookup(declared).name.startswith("utf"):
        return False
    decode = codecs.getincrementaldecoder("utf-8")("strict").decode
    beyond, of_three, long = 0, 0, False
    try:
        with path.open("rb") as file:
            while block := file.read(_CHUNK):
                text = decode(block)
                if not text.isascii():
                    runs = _BEYOND_ASCII.findall(text)
                    beyond += sum(map(len, runs))
                    of_three += len(_OF_THREE_BYTES.findall(text))
                    long = long or any(len(run.encode()) >= _LONG_RUN for run in runs)
            decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return long or 2 * of_three > beyond


def proved_encoding(path: Path, declared: str | None, where: str) -> str:
    """Return the encoding of a file that does not owe a certain one, decoded to its end for proof.

    By its byte order mark; else the declared one; else the first that fits of what it says itself (HTML, XML), UTF-8
    and GB18030. None of them fits a file that is UTF-8 but itself.

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
        if is_encoding(encoding) and _decodes(path, encoding) and not is_rather_utf8(path, encoding):
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
