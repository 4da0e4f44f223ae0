"""Reads Delta tables of the lake as the Parquet files of one version, so that any engine streams them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import ibis
import pyarrow as pa
from deltalake import DeltaTable

from hub.engine import Engine

__all__ = ["delta_files", "delta_table"]


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
