"""What every kind that writes keeps to: rows arrive, twice is once, nothing secret shows; over real servers."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
import sqlalchemy as sa

from connectors.base import KINDS, Connection, Outgoing, Receipt, writer_of
from connectors.errors import RetryError, StopError
from connectors.write_options import WRITE_MODELS
from tests.connectors.places_to_write import Place, Rows, by_text, queue, service, sftp_folder, table
from tests.connectors.suite import SECRET, closed_port

NAMES = ("rylp", "xm", "csrq", "yz")
SCHEMA = pa.schema([("rylp", pa.string()), ("xm", pa.string()), ("csrq", pa.date32()), ("yz", pa.bool_())])
ROWS: Rows = [
    {"rylp": "t1", "xm": "湖㳇 '一' \"二\",\n三", "csrq": dt.date(1950, 1, 1), "yz": True},
    {"rylp": "t2", "xm": None, "csrq": None, "yz": False},
    {"rylp": "t3", "xm": "丙", "csrq": dt.date(1949, 10, 1), "yz": None},
]


def batches(rows: Rows = ROWS) -> list[pa.RecordBatch]:
    return pa.Table.from_pylist(rows, SCHEMA).to_batches(max_chunksize=2)


def as_json(rows: Rows) -> Rows:
    return [json.loads(json.dumps(row, default=lambda day: day.isoformat())) for row in rows]


def as_csv(rows: Rows) -> Rows:
    words = {True: "true", False: "false", None: ""}
    return [{name: words.get(value, value) for name, value in row.items()} for row in as_json(rows)]


def same(rows: Rows) -> Rows:
    return rows


class WriterSuite:
    """Inherited by a test class for each kind; it gives `place`, and how rows look there."""

    shown = staticmethod(as_json)

    def write(self, place: Place, delivery: str = "d1", rows: Rows = ROWS, **options: Any) -> Receipt:
        told = Outgoing(delivery, "elderly", NAMES, ("rylp",), {**place.options, **options}, {"release": 7})
        return writer_of(place.connection).write(told, batches(rows))

    def test_rows_arrive(self, place: Place) -> None:
        receipt = self.write(place)
        assert place.rows() == by_text(self.shown(ROWS))
        assert (receipt.delivery, receipt.rows, receipt.repeated) == ("d1", 3, False)
        # Over the rows as JSON lines, whatever they become there.
        lines = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in as_json(ROWS))
        assert receipt.sha256 == hashlib.sha256(lines.encode()).hexdigest()

    def test_the_same_delivery_twice_is_once(self, place: Place) -> None:
        first, again = self.write(place), self.write(place)
        assert place.rows() == by_text(self.shown(ROWS))
        assert (again.delivery, again.rows, again.sha256) == (first.delivery, first.rows, first.sha256)

    def test_without_a_row_nothing_is_there(self, place: Place) -> None:
        assert self.write(place, rows=[]).rows == 0
        assert place.rows() == []

    def test_an_option_that_nobody_knows_stops(self, place: Place) -> None:
        with pytest.raises(StopError, match=r"'colour' is unknown.*under `deliver` in connectors/systems/health"):
            self.write(place, colour="red")
        assert place.rows() == []

    def test_other_columns_than_announced_stop(self, place: Place) -> None:
        told = Outgoing("d1", "elderly", ("rylp", "xm"), ("rylp",), place.options)
        with pytest.raises(StopError, match="rows with columns rylp, xm, csrq, yz"):
            writer_of(place.connection).write(told, batches())
        assert place.rows() == []

    def test_an_outage_of_our_own_leaves_no_half_delivery_as_whole(self, place: Place) -> None:
        def breaking() -> Iterator[pa.RecordBatch]:
            yield batches()[0]
            raise KeyError("the lake broke")

        told = Outgoing("d1", "elderly", NAMES, ("rylp",), place.options)
        with pytest.raises(KeyError):
            writer_of(place.connection).write(told, breaking())
        assert not self.write(place).repeated
        assert self.shown(ROWS)[2] in place.rows()

    def test_a_place_that_is_away_is_tried_later(self, place: Place) -> None:
        parts = urlsplit(place.connection.place)
        user = parts.netloc.rpartition("@")[0]
        netloc = f"{user}@127.0.0.1:{closed_port()}" if user else f"127.0.0.1:{closed_port()}"
        away = replace(place, connection=replace(place.connection, place=parts._replace(netloc=netloc).geturl()))
        with pytest.raises(RetryError) as caught:
            self.write(away)
        assert str(urlsplit(away.connection.place).port) not in str(caught.value)

    def test_secret_place_and_rows_are_never_shown(self, place: Place, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        receipt = self.write(place)
        wrong = Outgoing("d2", "elderly", ("rylp",), ("rylp",), place.options)
        with pytest.raises(StopError) as caught:
            writer_of(place.connection).write(wrong, batches())
        told = [repr(receipt), str(caught.value), repr(writer_of(place.connection))]
        told += [line for line in caplog.text.splitlines() if "connectors" in line]
        for text in told:
            assert place.connection.place not in text
            assert "湖㳇" not in text
        assert SECRET not in caplog.text + "".join(told)


class _Table(WriterSuite):
    shown = staticmethod(same)

    @pytest.fixture
    def place(self, url: sa.URL) -> Iterator[Place]:
        columns = [sa.Column("rylp", sa.String(20)), sa.Column("xm", sa.String(50)), sa.Column("csrq", sa.Date)]
        with table(url, *columns, sa.Column("yz", sa.Boolean)) as found:
            yield found

    def test_taken_away_it_is_still_once(self, place: Place) -> None:
        self.write(place)
        place.empty()
        assert self.write(place).repeated
        assert place.rows() == []


@pytest.mark.integration
class TestMariadb(_Table):
    @pytest.fixture
    def url(self, mariadb: sa.URL) -> sa.URL:
        return mariadb


@pytest.mark.integration
class TestPostgresql(_Table):
    @pytest.fixture
    def url(self, postgresql: sa.URL) -> sa.URL:
        return postgresql


@pytest.mark.integration
class TestSftp(WriterSuite):
    shown = staticmethod(as_csv)

    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Place]:
        with sftp_folder(tmp_path / "served") as found:
            yield found

    def test_the_second_time_nothing_is_written(self, place: Place, tmp_path: Path) -> None:
        assert not self.write(place).in_hand
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "served").iterdir()}
        assert self.write(place).repeated
        assert {path: path.stat().st_mtime_ns for path in (tmp_path / "served").iterdir()} == before
        assert sorted(path.suffix for path in before) == [".csv", ".json", ".md5", ".ok"]

    def test_a_fixed_name_holds_the_newest_delivery(self, place: Place, tmp_path: Path) -> None:
        for delivery in ("d1", "d2"):
            assert not self.write(place, delivery, file="out/{name}").repeated
        assert {path.name for path in (tmp_path / "served" / "out").iterdir()} == {
            *("elderly.csv", "elderly.md5", "elderly.manifest.json", "elderly.ok")
        }
        told = json.loads((tmp_path / "served" / "out" / "elderly.manifest.json").read_bytes())
        assert (told["delivery"], told["dataset"], told["rows"], told["release"]) == ("d2", "elderly", 3, 7)


@pytest.mark.integration
class TestService(WriterSuite):
    @pytest.fixture
    def place(self) -> Iterator[Place]:
        with service() as found:
            yield found


@pytest.mark.integration
class TestQueue(WriterSuite):
    @pytest.fixture
    def place(self) -> Iterator[Place]:
        with queue() as found:
            yield found

    def test_receipts_of_other_products_stay_and_older_ones_go(self, place: Place) -> None:
        other = Outgoing("o1", "children", NAMES, (), place.options)
        writer_of(place.connection).write(other, batches())
        self.write(place, "d1")
        self.write(place, "d2")
        place.rows()
        assert writer_of(place.connection).write(other, batches()).repeated
        assert self.write(place, "d2").repeated
        # Only the newest is kept: what came before it is news once more.
        assert not self.write(place, "d1").repeated


def local(tmp_path: Path) -> Connection:
    return Connection("health_commission", "drop", "file", str(tmp_path))


@pytest.mark.parametrize(("form", "suffix"), [("csv", "csv"), ("json_lines", "jsonl"), ("parquet", "parquet")])
def test_formats(tmp_path: Path, form: str, suffix: str) -> None:
    told = Outgoing("d1", "elderly", NAMES, (), {"format": form})
    receipt = writer_of(local(tmp_path)).write(told, batches())
    path = tmp_path / f"d1.{suffix}"
    if form == "parquet":
        import pyarrow.parquet as pq

        assert pq.read_table(path).to_pylist() == ROWS
    elif form == "json_lines":
        assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == as_json(ROWS)
    assert writer_of(local(tmp_path)).write(told, []) == replace(receipt, repeated=True)


def test_csv_in_the_encoding_that_was_agreed(tmp_path: Path) -> None:
    told = Outgoing("d1", "elderly", NAMES, (), {"encoding": "gb18030", "file": "{name}-{delivery}"})
    writer_of(local(tmp_path)).write(told, batches())
    assert "湖㳇" in (tmp_path / "elderly-d1.csv").read_text(encoding="gb18030")


@pytest.mark.parametrize("file", ["/x", "../x", "a/../../x", "{version}", "{delivery", ""])
def test_a_file_that_leads_out_of_the_place_stops(tmp_path: Path, file: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(StopError, match="file"):
        writer_of(local(tmp_path / "in")).write(Outgoing("d1", "x", NAMES, (), {"file": file}), batches())
    assert list(tmp_path.rglob("*.csv")) == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_stops(tmp_path: Path, value: float) -> None:
    told = Outgoing("d1", "x", ("a",), (), {"format": "json_lines"})
    with pytest.raises(StopError, match="a number in a that JSON does not have"):
        writer_of(local(tmp_path)).write(told, [pa.record_batch({"a": pa.array([1.5, None, value])})])
    assert list(tmp_path.iterdir()) == []


def test_kinds_that_write_have_their_options_and_the_others_say_that_they_only_read() -> None:
    classes = {kind: target.split(":") for kind, target in KINDS.items()}
    writing = {
        kind for kind, (module, name) in classes.items() if hasattr(getattr(import_module(module), name), "write")
    }
    assert writing == set(WRITE_MODELS)
    for kind in ("ogc_features", "wfs"):
        with pytest.raises(StopError, match=f"kind '{kind}', which only reads"):
            writer_of(Connection("police", "one", kind, "http://127.0.0.1:1"))
