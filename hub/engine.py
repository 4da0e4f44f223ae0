"""What computes the transforms: Ibis expressions on DuckDB, in this process, under a memory limit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import ibis
import pyarrow.parquet as pq

from hub.settings import Settings

__all__ = ["Engine"]


class Engine:
    """A compute connection for one piece of work; use it as a context manager.

    Attributes:
        con: The Ibis backend.
    """

    def __init__(self, settings: Settings) -> None:
        self._spill = tempfile.TemporaryDirectory(prefix="hub-spill-")
        self.con = ibis.duckdb.connect(
            memory_limit=f"{settings.memory_limit_mb}MB", threads=settings.threads, temp_directory=self._spill.name
        )
        # Row order inside files is restored by explicit keys, so the engine may stream in any order.
        self.con.raw_sql("SET preserve_insertion_order = false")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.con.disconnect()
        self._spill.cleanup()

    def read(self, paths: Path | list[Path]) -> ibis.Table:
        """Return Parquet files as one table; columns are matched by name.

        Raises:
            ValueError: `paths` is an empty list.
        """
        files = [paths] if isinstance(paths, Path) else paths
        if not files:
            raise ValueError("no files to read")
        return self.con.read_parquet([str(path) for path in files], union_by_name=True)

    def write(self, table: ibis.Table, path: Path) -> int:
        """Stream a table into a Parquet file and return how many rows it has."""
        self.con.to_parquet(table, path, compression="zstd")
        return int(pq.read_metadata(path).num_rows)
