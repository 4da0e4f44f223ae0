"""Delta tables of the lake: read as the Parquet files of one version, so that any engine streams them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import ibis
import pyarrow as pa
from deltalake import DeltaTable, WriterProperties

from hub.engine import Engine

__all__ = ["PARTS", "delta_files", "delta_table"]

# A row group is read by one thread: in the writer's own size, a table would be one and its readers would queue.
PARTS = WriterProperties(compression="SNAPPY", max_row_group_size=122_880, statistics_truncate_length=64)
"""How tables are written."""


def delta_files(path: Path, version: int | None = None) -> list[Path]:
    """The Parquet files of a version (none: the newest) of a Delta table, sorted."""
    table = DeltaTable(str(path), version=version)
    return sorted(Path(unquote(uri.removeprefix("file://"))) for uri in table.file_uris())


def delta_table(engine: Engine, path: Path, schema: pa.Schema, version: int | None = None) -> ibis.Table:
    """A version of a Delta table, empty where it has no files."""
    files = delta_files(path, version)
    if files:
        return engine.read(files)
    return engine.keep(f"empty__{path.name}", ibis.memtable(schema.empty_table()))
