"""Landing: the digest is of values alone, files are whole or absent, and parallel reading changes nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from connectors.base import WHOLE, Chunk, Offer
from connectors.errors import RetryError
from hub.landing import _write_part, land
from hub.ledger import Batch, Ledger, migrate


def digest(path: Path, *batches: pa.RecordBatch) -> str:
    return _write_part(iter(batches), path / "part-00000.parquet", 0)[1]


def test_digest_is_of_values_alone(tmp_path: Path) -> None:
    whole = pa.record_batch({"a": pa.array([7, None, 1, 2]), "b": pa.array(["x", "", None, "yz"])})
    fresh = pa.record_batch({"a": pa.array([None, 1], pa.int64()), "b": pa.array(["", None], pa.string())})
    assert digest(tmp_path, whole.slice(1, 2)) == digest(tmp_path, fresh)
    other = pa.record_batch({"a": pa.array([None, 1], pa.int64()), "b": pa.array([None, ""], pa.string())})
    assert digest(tmp_path, fresh) != digest(tmp_path, other)


def test_a_part_is_whole_or_absent(tmp_path: Path) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": pa.array([1])})
        raise RetryError("w", "away", "", "")

    with pytest.raises(RetryError):
        _write_part(breaking(), tmp_path / "part-00000.parquet", 0)
    assert not (tmp_path / "part-00000.parquet").exists()


LANDS = """
import pathlib, sys
import pyarrow as pa
from connectors.sql_streams import _empty
from hub.landing import _write_part

_write_part(iter([_empty(pa.schema({"a": pa.string()}))]), pathlib.Path(sys.argv[1]) / "part-00000.parquet", 0)
sys.exit("pandas" in sys.modules)
"""


def test_landing_loads_no_pandas(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", LANDS, str(tmp_path)], check=False).returncode == 0


def test_rows_are_numbered_on_over_batches(tmp_path: Path) -> None:
    batches = [pa.record_batch({"a": pa.array([n] * n, pa.int64())}) for n in (2, 0, 1)]
    assert _write_part(iter(batches), tmp_path / "part-00000.parquet", 10)[0] == 3
    assert pq.read_table(tmp_path / "part-00000.parquet")["_row"].to_pylist() == [11, 12, 13]


class Ranges(Offer):
    """Chunks that may be read at once; notes how many were."""

    name = "ranges"
    parallel = True

    def __init__(self) -> None:
        self.at_once = self.most = 0
        self.lock = threading.Lock()
        self.met = threading.Barrier(2, timeout=10)

    def plan(self) -> Sequence[Chunk]:
        return [{"from": n} for n in range(4)]

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.met.wait()
        yield pa.record_batch({"a": pa.array([chunk["from"]])})
        with self.lock:
            self.at_once -= 1


@pytest.mark.integration
def test_chunks_are_read_at_once_up_to_the_cap_and_land_in_their_order(database_url: str, tmp_path: Path) -> None:
    database = sa.create_engine(database_url, poolclass=sa.NullPool)
    migrate(database)
    batch: Batch = Ledger(database).new_batch("police/person", "ranges", "snapshot")
    offer = Ranges()
    landed = land(database, batch, offer, tmp_path, connections=2)
    assert offer.most == 2
    assert (landed.rows, len(landed.parts)) == (4, 4)
    assert [pq.read_table(tmp_path / part)["a"].to_pylist() for part in landed.parts] == [[0], [1], [2], [3]]
