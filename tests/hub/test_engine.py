"""The engine: files by name, held tables, streams, Parquet out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub.engine import Engine
from hub.settings import load_settings


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(load_settings(memory_limit_mb=256, threads=1)) as opened:
        yield opened


def numbers(engine: Engine, count: int) -> ibis.Table:
    return engine.keep("numbers", ibis.range(count).unnest().name("n").as_table())


def test_files_are_read_together_and_columns_meet_by_name(engine: Engine, tmp_path: Path) -> None:
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pq.write_table(pa.table({"x": [1], "y": ["one"]}), paths[0])
    pq.write_table(pa.table({"y": ["two"], "x": [2]}), paths[1])
    both = engine.read(paths).order_by("x").to_pyarrow().to_pylist()
    assert both == [{"x": 1, "y": "one"}, {"x": 2, "y": "two"}]
    assert engine.read(paths[1]).count().to_pyarrow().as_py() == 1


def test_no_files_is_an_error_not_an_empty_table(engine: Engine) -> None:
    with pytest.raises(ValueError, match="no files"):
        engine.read([])


def test_kept_table_replaces_the_one_of_that_name_even_made_from_it(engine: Engine) -> None:
    first = numbers(engine, 3)
    second = engine.keep("numbers", first.mutate(n=first.n * 10))
    assert sorted(second.n.to_pyarrow().to_pylist()) == [0, 10, 20]
    assert engine.con.raw_sql("SELECT table_name FROM duckdb_tables()").fetchall() == [("numbers",)]


def test_kept_table_replaces_a_view_of_that_name(engine: Engine) -> None:
    numbers(engine, 3)
    engine.define("numbers_twice", "SELECT n * 2 AS n FROM numbers")
    kept = engine.keep("numbers_twice", engine.con.table("numbers_twice"))
    assert sorted(kept.n.to_pyarrow().to_pylist()) == [0, 2, 4]


def test_defined_view_follows_its_tables(engine: Engine) -> None:
    numbers(engine, 3)
    engine.define("total", "SELECT sum(n) AS n FROM numbers")
    view = engine.con.table("total")
    assert view.n.to_pyarrow().to_pylist() == [3]
    numbers(engine, 4)
    assert view.n.to_pyarrow().to_pylist() == [6]


def test_stream_comes_in_batches_of_bounded_size_and_in_order(engine: Engine) -> None:
    sizes, seen = [], []
    for batch in engine.batches(numbers(engine, 5_000).order_by("n"), 2_048):
        sizes.append(batch.num_rows)
        seen += batch["n"].to_pylist()
    assert seen == list(range(5_000))
    assert max(sizes) <= 2_048


def test_stream_of_an_empty_table_still_tells_its_columns(engine: Engine) -> None:
    reader = engine.batches(numbers(engine, 0))
    assert reader.schema.names == ["n"]
    assert sum(batch.num_rows for batch in reader) == 0


def test_written_file_has_all_rows_compressed(engine: Engine, tmp_path: Path) -> None:
    assert engine.write(numbers(engine, 1_000), tmp_path / "x.parquet") == 1_000
    metadata = pq.read_metadata(tmp_path / "x.parquet")
    assert (metadata.num_rows, metadata.row_group(0).column(0).compression) == (1_000, "ZSTD")
    assert engine.write(numbers(engine, 0), tmp_path / "y.parquet") == 0


def test_a_select_is_written_as_it_is_and_files_are_seen_under_a_name(engine: Engine, tmp_path: Path) -> None:
    numbers(engine, 3)
    odd = tmp_path / "o'clock"
    odd.mkdir()
    assert engine.write("SELECT n FROM numbers WHERE n > 0", odd / "x.parquet") == 2
    assert engine.write("SELECT n, 'a' AS word FROM numbers WHERE n > 1", odd / "y.parquet") == 1
    assert pq.read_metadata(odd / "x.parquet").row_group(0).column(0).compression == "ZSTD"
    engine.define_files("seen", [odd / "x.parquet", odd / "y.parquet"])
    found = engine.con.table("seen").order_by("n", "word").to_pyarrow().to_pylist()
    assert found == [{"n": 1, "word": None}, {"n": 2, "word": "a"}, {"n": 2, "word": None}]
    engine.define_files("seen", odd / "y.parquet")
    assert engine.con.table("seen").to_pyarrow().num_rows == 1


def test_memory_threads_and_spill_are_bounded_and_gone_afterwards() -> None:
    with Engine(load_settings(memory_limit_mb=256, threads=1)) as opened:
        found = opened.con.raw_sql("SELECT name, value FROM duckdb_settings()").fetchall()
        settings = dict(found)
        assert settings["threads"] == "1"
        assert settings["memory_limit"] == "244.1 MiB"
        spill = Path(settings["temp_directory"])
        assert spill.is_dir()
    assert not spill.exists()
