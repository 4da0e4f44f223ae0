"""Delta tables of the lake as files of one version, wherever the lake lies."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from hub.delta import delta_files, delta_table
from hub.engine import Engine
from hub.settings import load_settings

SCHEMA = pa.schema([("a", pa.int64())])


def write(path: Path, *values: int) -> None:
    write_deltalake(str(path), pa.table({"a": pa.array(values, pa.int64())}), mode="overwrite")


@pytest.mark.parametrize("folder", ["lake", "治理 数据", "a+b&c", "a#b"])
def test_files_are_found_whatever_the_folder_is_called(tmp_path: Path, folder: str) -> None:
    write(tmp_path / folder / "person", 1)
    (file,) = delta_files(tmp_path / folder / "person")
    assert file.is_file()
    assert file.parent == tmp_path / folder / "person"


def test_every_version_can_be_read(tmp_path: Path) -> None:
    write(tmp_path / "t", 1)
    write(tmp_path / "t", 2, 3)
    with Engine(load_settings(memory_limit_mb=256)) as engine:
        found = {
            version: sorted(delta_table(engine, tmp_path / "t", SCHEMA, version).a.to_pyarrow().to_pylist())
            for version in (0, 1, None)
        }
    assert found == {0: [1], 1: [2, 3], None: [2, 3]}


def test_a_table_without_files_is_empty_and_has_its_columns(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "t"), SCHEMA.empty_table())
    with Engine(load_settings(memory_limit_mb=256)) as engine:
        table = delta_table(engine, tmp_path / "t", SCHEMA)
        assert (table.columns, table.count().to_pyarrow().as_py()) == (("a",), 0)
