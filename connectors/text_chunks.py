"""Text deliveries in chunks of rows: each chunk says where the next begins, so that a killed pull loses one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from connectors.base import BATCH_ROWS, WHOLE, Chunk
from connectors.text_file import Lines

__all__ = ["FIRST", "TextChunk"]

FIRST: Final[Chunk] = {"rows": 0}
"""The chunk at a file's beginning."""

_ROWS_A_CHUNK: Final = 8 * BATCH_ROWS


class TextChunk:
    """A chunk while it is read.

    Args:
        chunk: `FIRST`, what `note` said of the chunk before, or `WHOLE`: all rows of the file.

    Attributes:
        full: No more rows belong to it; a further row that is met shows that another chunk follows.
        columns: Names met in the chunks before.
    """

    def __init__(self, chunk: Chunk = WHOLE) -> None:
        self._begins = chunk if "at" in chunk else None
        self._left = None if chunk == WHOLE else _ROWS_A_CHUNK
        self._follows: dict[str, Any] | None = None
        self.rows: int = chunk.get("rows", 0)
        self.columns: list[str] = chunk.get("columns", [])
        self.full = False

    @property
    def is_first(self) -> bool:
        """Whether it begins with the file, so that what concerns the whole file is to be looked at."""
        return self._begins is None

    @property
    def is_last(self) -> bool:
        """Whether the file ended with it; known once it is read."""
        return self._follows is None

    def enter(self, lines: Lines[Any]) -> None:
        """Go to where its rows begin; called behind the header, if there is one."""
        if self._begins is not None:
            lines.go(self._begins["at"], self._begins["line"])

    def took(self, lines: Lines[Any]) -> None:
        """Count a row."""
        self.rows += 1
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self.full = True
                self._follows = {"at": lines.place(), "line": lines.number, "rows": self.rows}

    def ended(self) -> None:
        """Be told that the file has ended."""
        self._follows = None

    def note(self, columns: Iterable[str] = ()) -> Chunk:
        """Return what must be remembered: the chunk that follows, or how many rows there were in all.

        Args:
            columns: Names met so far, where they are known from the rows only.
        """
        return {**self._follows, "columns": list(columns)} if self._follows else {"rows": self.rows}
