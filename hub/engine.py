"""What computes the transforms: Ibis expressions on DuckDB, in this process, under a memory limit."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import ibis
import pyarrow as pa
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
        self._numbers = itertools.count()
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

    def keep(self, name: str, table: ibis.Table) -> ibis.Table:
        """Compute a table now and hold it under a name, in place of what had that name."""
        held = f"{name}__{next(self._numbers)}"
        self.con.create_table(held, table)
        self.let_go(name)
        self.con.raw_sql(f'ALTER TABLE "{held}" RENAME TO "{name}"')
        return self.con.table(name)

    def let_go(self, *names: str) -> None:
        """Free what is held under names, so that what follows need not spill; a name that holds nothing is no fault."""
        # By SQL: Ibis 12 writes its own DROP without the name (with the sqlglot of our lock).
        known = "SELECT table_type FROM information_schema.tables WHERE table_name = ?"
        for name in names:
            for (kind,) in self.con.con.execute(known, [name]).fetchall():
                self.con.raw_sql(f'DROP {"VIEW" if kind == "VIEW" else "TABLE"} "{name}"')

    def define(self, name: str, query: str) -> None:
        """Hold a SELECT over held tables as a view.

        As a view rather than by Ibis' own `sql`, which calls a name that is gone from DuckDB 2.
        """
        self.con.raw_sql(f'CREATE OR REPLACE VIEW "{name}" AS {query}')

    def define_files(self, name: str, paths: Path | Sequence[Path]) -> None:
        """Hold Parquet files as a view; columns are matched by name."""
        files = [paths] if isinstance(paths, Path) else paths
        listed = ", ".join(_quoted(path) for path in files)
        self.define(name, f"SELECT * FROM read_parquet([{listed}], union_by_name = true)")  # noqa: S608  paths of the hub, quoted

    def batches(self, table: ibis.Table, size: int = 65_536) -> pa.RecordBatchReader:
        """Stream a table made of held tables and files; one stream an engine at a time.

        By DuckDB itself: the name Ibis 12 calls for this is gone from DuckDB 2.
        """
        return self.con.con.sql(ibis.to_sql(table, dialect="duckdb")).to_arrow_reader(size)

    def write(self, table: ibis.Table | str, path: Path) -> int:
        """Stream a table, or a SELECT over held tables, into a Parquet file and return how many rows it has."""
        if isinstance(table, str):
            # As it is: as a view it would be planned twice more, which costs more than few rows do.
            self.con.raw_sql(f"COPY ({table}) TO {_quoted(path)} (FORMAT parquet, COMPRESSION zstd)")
        else:
            self.con.to_parquet(table, path, compression="zstd")
        return int(pq.read_metadata(path).num_rows)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
