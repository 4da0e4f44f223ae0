"""Writing deliveries: what was put is read as a whole drop, from any store, and never half."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Connection, Offer, Request, Withheld, connect
from connectors.errors import RetryError, StopError
from connectors.file_writer import FileWriter
from connectors.stores import Store
from tests.connectors.store_servers import BUCKET, S3Server, SftpServer, s3_server
from tests.connectors.suite import SECRET, rows_of

CONTENT = "a\r\n镇\r\n".encode("gb18030")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "own name.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[SftpServer]:
    root = tmp_path / "served"
    root.mkdir()
    with SftpServer(root) as server:
        yield server


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(params=["folder", "sftp", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Connection:
    if request.param == "folder":
        (tmp_path / "out").mkdir()
        return Connection("county", "outbox", "file", str(tmp_path / "out"))
    server: Any = request.getfixturevalue(request.param)
    found: Connection = server.connection()
    return found


def found(place: Connection) -> list[Offer | Withheld]:
    pull = {"pattern": "**/*.csv", "format": "csv", "encoding": "gb18030"}
    drop = {"marker": ".ok", "digest": ".sha256", "manifest": ".manifest.json"}
    return list(connect(place).offers(Request("county/out", ("a",), {**pull, **drop}, "increment"), None))


@pytest.mark.integration
def test_what_was_put_is_a_whole_delivery(place: Connection, source: Path) -> None:
    writer = FileWriter(place)
    assert writer.put(source, "2026/名册_1.csv", 1) == hashlib.sha256(CONTENT).hexdigest()
    writer.put(source, "名册_2.csv", 1)
    offers = found(place)
    assert [offer.name for offer in offers] == ["2026/名册_1.csv", "名册_2.csv"]
    for offer in offers:
        assert isinstance(offer, Offer)
        assert rows_of(offer) == [{"a": "镇"}]


@pytest.mark.integration
def test_putting_again_replaces(place: Connection, source: Path) -> None:
    writer = FileWriter(place)
    writer.put(source, "a.csv", 1)
    source.write_bytes(b"a\r\n1\r\n2\r\n")
    writer.put(source, "a.csv", 2)
    (offer,) = found(place)
    assert isinstance(offer, Offer)
    assert rows_of(offer) == [{"a": "1"}, {"a": "2"}]


@pytest.mark.integration
def test_marker_comes_last_and_goes_first(place: Connection, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = FileWriter(place)
    writer.put(source, "a.csv", 1)
    put, names = Store.put, list[str]()

    def failing(self: Store, given: Path, name: str) -> None:
        names.append(name)
        if name.endswith(".manifest.json"):
            raise RetryError("x", "x", "x", "x")
        put(self, given, name)

    monkeypatch.setattr(Store, "put", failing)
    with pytest.raises(RetryError):
        writer.put(source, "a.csv", 1)
    assert names == ["a.csv", "a.sha256", "a.manifest.json"]
    (half,) = found(place)
    assert isinstance(half, Withheld)
    assert (half.reason, "a.ok missing" in half.message) == ("drop_incomplete", True)


def local(tmp_path: Path, **options: str) -> FileWriter:
    (tmp_path / "out").mkdir(exist_ok=True)
    return FileWriter(Connection("county", "outbox", "file", str(tmp_path / "out"), options=options))


def test_companions(tmp_path: Path, source: Path) -> None:
    local(tmp_path).put(source, "a.csv", 7, {"dataset": "county/out", "rows": 0})
    out = tmp_path / "out"
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert sorted(path.name for path in out.iterdir()) == ["a.csv", "a.manifest.json", "a.ok", "a.sha256"]
    assert (out / "a.sha256").read_text() == f"{sha256}  a.csv\n"
    told = json.loads((out / "a.manifest.json").read_text())
    assert told == {"dataset": "county/out", "file": "a.csv", "rows": 7, "bytes": len(CONTENT), "sha256": sha256}
    assert (out / "a.ok").read_bytes() == b""


def test_agreed_suffixes(tmp_path: Path, source: Path) -> None:
    local(tmp_path, marker=".done", digest=".md5", manifest=".json").put(source, "a.csv", 1)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["a.csv", "a.done", "a.json", "a.md5"]
    assert (out / "a.md5").read_text().split()[0] == hashlib.md5(CONTENT).hexdigest()  # noqa: S324


def test_no_half_file_under_its_own_name(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.put_file", full)
    with pytest.raises(RetryError, match="OSError 28"):
        local(tmp_path).put(source, "a.csv", 1)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["../a.csv", "/a.csv", "x/../../a.csv", "", "."])
def test_name_stays_below_the_place(tmp_path: Path, source: Path, name: str) -> None:
    with pytest.raises(StopError, match="leads out of the place"):
        local(tmp_path).put(source, name, 1)


@pytest.mark.parametrize("options", [{"digest": ".crc"}, {"marker": "ok"}])
def test_suffix_that_is_none_stops(tmp_path: Path, source: Path, options: dict[str, str]) -> None:
    with pytest.raises(StopError):
        local(tmp_path, **options).put(source, "a.csv", 1)
    assert list((tmp_path / "out").iterdir()) == []


def test_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RetryError, match=r"delivery a\.csv: FileNotFoundError"):
        local(tmp_path).put(tmp_path / "none.csv", "a.csv", 1)


@pytest.mark.integration
def test_wrong_credentials_stop(sftp: SftpServer, source: Path) -> None:
    right = sftp.connection()
    wrong = Connection(right.system, right.name, right.kind, right.place, SECRET[::-1], right.options)
    with pytest.raises(StopError, match="the store refuses"):
        FileWriter(wrong).put(source, "a.csv", 1)
    assert list(sftp.root.iterdir()) == []


@pytest.mark.integration
def test_nothing_else_is_left_in_a_bucket(s3: S3Server, source: Path) -> None:
    FileWriter(s3.connection("out")).put(source, "x/a.csv", 1)
    from pyarrow.fs import FileSelector

    names = [info.path for info in s3.files.get_file_info(FileSelector(BUCKET, recursive=True)) if info.is_file]
    assert sorted(names) == [f"{BUCKET}/out/x/a{suffix}" for suffix in (".csv", ".manifest.json", ".ok", ".sha256")]
