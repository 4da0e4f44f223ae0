"""SFTP and S3: the same drops, the same rows, the same errors as from a folder; against real servers on loopback."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from connectors.base import BATCH_ROWS, Connection, Offer, Request, Withheld, connect
from connectors.errors import RetryError, StopError
from connectors.places import open_store
from connectors.stores import Item, Store
from tests.connectors.store_servers import S3Server, SftpServer, s3_server
from tests.connectors.suite import SECRET, ConnectorSuite, Source, closed_port, offer_of, rows_of
from tests.connectors.test_drops import DROP, put
from tests.connectors.test_files import FIELDS, HOSTILE, ROWS, csv_text, numbered
from tests.connectors.test_geo import ROWS as FEATURES
from tests.connectors.test_geo import shapefile, source_in

CSV = {"pattern": "*/WJ_*.csv", "format": "csv", "encoding": "gb18030"}


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


Served = Callable[[Path], Connection]


@pytest.fixture(params=["folder", "sftp", "s3"])
def served(request: pytest.FixtureRequest) -> Served:
    """A function that puts a folder into a store and tells how to reach it."""

    def into_folder(folder: Path) -> Connection:
        return Connection("health", "daily_drop", "file", str(folder), SECRET)

    def into_sftp(folder: Path) -> Connection:
        server: SftpServer = request.getfixturevalue("sftp")
        server.root = folder
        return server.connection()

    def into_s3(folder: Path) -> Connection:
        server: S3Server = request.getfixturevalue("s3")
        server.put(folder)
        return server.connection()

    return {"folder": into_folder, "sftp": into_sftp, "s3": into_s3}[request.param]


def source(connection: Connection, mode: Any = "increment", **options: Any) -> Source:
    return Source(connection, Request("health/death", ("a",), {**CSV, **options}, mode), [{"a": "1"}])


def offered(source: Source, mark: dict[str, Any] | None = None) -> list[Offer | Withheld]:
    return list(connect(source.connection).offers(source.request, mark))


class _RemoteSuite(ConnectorSuite):
    """A CSV in a folder of the store; a class says how a folder gets there."""

    def at(self, request: pytest.FixtureRequest, folder: Path) -> Connection:
        raise NotImplementedError

    def stored(
        self, request: pytest.FixtureRequest, folder: Path, rows: list[dict[str, Any]], fields: tuple[str, ...] = FIELDS
    ) -> Source:
        (folder / "in").mkdir(exist_ok=True)
        (folder / "in" / "WJ_名册.csv").write_bytes(csv_text(rows, fields).encode("gb18030"))
        return Source(self.at(request, folder), Request("health/death", fields, CSV), rows)

    @pytest.fixture
    def source(self, request: pytest.FixtureRequest, drop: Path) -> Source:
        return self.stored(request, drop, ROWS)

    @pytest.fixture
    def empty(self, request: pytest.FixtureRequest, drop: Path) -> Source:
        return self.stored(request, drop, [])

    @pytest.fixture
    def many(self, request: pytest.FixtureRequest, drop: Path) -> Source:
        return self.stored(request, drop, numbered(BATCH_ROWS + 1))

    @pytest.fixture
    def hostile(self, request: pytest.FixtureRequest, drop: Path) -> Source:
        return self.stored(request, drop, HOSTILE, tuple(HOSTILE[0]))


@pytest.mark.integration
class TestSftp(_RemoteSuite):
    def at(self, request: pytest.FixtureRequest, folder: Path) -> Connection:
        server: SftpServer = request.getfixturevalue("sftp")
        server.root = folder
        return server.connection()


@pytest.mark.integration
class TestS3(_RemoteSuite):
    def at(self, request: pytest.FixtureRequest, folder: Path) -> Connection:
        server: S3Server = request.getfixturevalue("s3")
        server.put(folder)
        return server.connection()

    @pytest.fixture
    def away(self, source: Source) -> Source:
        options = {**source.connection.options, "endpoint": f"http://127.0.0.1:{closed_port()}"}
        return replace(source, connection=replace(source.connection, options=options))

    def test_source_that_is_away_is_tried_later(self, away: Source) -> None:
        with pytest.raises(RetryError, match="NETWORK_CONNECTION") as caught:
            offer_of(away)
        assert "127.0.0.1" not in str(caught.value)
        assert "deliveries" not in str(caught.value)


@pytest.fixture
def county(drop: Path) -> Path:
    """Two whole drops and a half one, below one another."""
    (drop / "2026").mkdir()
    for name in ("WJ_2", "WJ_1", "WJ_3"):
        put(drop / "2026", name)
    (drop / "2026" / "WJ_2.ok").unlink()
    return drop


@pytest.mark.integration
def test_every_store_offers_the_same(served: Served, county: Path) -> None:
    local = offered(source(Connection("health", "daily_drop", "file", str(county)), **DROP))
    found = offered(source(served(county), **DROP))
    assert [item.name for item in found] == ["2026/WJ_1.csv", "2026/WJ_2.csv", "2026/WJ_3.csv"]
    for one, other in zip(found, local, strict=True):
        assert type(one) is type(other)
        if isinstance(one, Offer) and isinstance(other, Offer):
            assert one.fingerprint == other.fingerprint
            assert one.expected_rows == other.expected_rows == 1
            assert rows_of(one) == rows_of(other) == [{"a": "1"}]
        elif isinstance(one, Withheld):
            assert (one.reason, "WJ_2.ok missing" in one.message) == ("drop_incomplete", True)


@pytest.mark.integration
def test_every_store_keeps_the_drop_contract(served: Served, drop: Path) -> None:
    (drop / "in").mkdir()
    put(drop / "in", "WJ_1").write_bytes(b"a\r\n")
    put(drop / "in", "WJ_2", rows="x")
    found = offered(source(served(drop), **DROP))
    assert [item.reason for item in found if isinstance(item, Withheld)] == ["digest_mismatch", "drop_incomplete"]


@pytest.mark.integration
def test_every_store_walks_down(served: Served, drop: Path) -> None:
    for folder in ("", "a", "a/b", "a/.hidden"):
        (drop / folder).mkdir(exist_ok=True)
        for name in ("x.csv", "~$x.csv", ".x.csv", "y.txt"):
            (drop / folder / name).write_bytes(b"a\n1\n")
    names = {
        pattern: [item.name for item in open_store(served(drop)).listed(pattern).picked]
        for pattern in ("*.csv", "*/*.csv", "**/*.csv", "a/**/x.*", "a/b/x.csv", "none/*.csv", "[x].csv", "?.csv", "**")
    }
    assert names["*.csv"] == names["[x].csv"] == names["?.csv"] == ["x.csv"]
    assert names["*/*.csv"] == ["a/x.csv"]
    assert names["**/*.csv"] == ["a/.hidden/x.csv", "a/b/x.csv", "a/x.csv", "x.csv"]
    assert names["a/**/x.*"] == ["a/.hidden/x.csv", "a/b/x.csv", "a/x.csv"]
    assert names["a/b/x.csv"] == ["a/b/x.csv"]
    assert names["none/*.csv"] == names["**"] == []


@pytest.mark.integration
def test_shapefile_with_all_its_parts(served: Served, drop: Path) -> None:
    shapefile(drop)
    local = source_in(drop, FEATURES)
    expected = offer_of(local)
    found = offer_of(replace(local, connection=replace(served(drop), kind="geo_file")))
    assert found.fingerprint == expected.fingerprint
    assert rows_of(found) == rows_of(expected) == FEATURES


@pytest.mark.integration
@pytest.mark.parametrize("served", ["sftp", "s3"], indirect=True)
def test_kept_deliveries_are_not_copied_again(served: Served, county: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = source(served(county), **DROP)
    copied: list[str] = []
    copy = Store.here

    def noting(self: Store, items: list[Item], where: str) -> Any:
        copied.append(items[0].name)
        return copy(self, items, where)

    monkeypatch.setattr(Store, "here", noting)
    first, _, third = offered(asked)
    assert isinstance(first, Offer)
    assert isinstance(third, Offer)
    first.mark([None])
    mark = third.mark([None])
    assert mark is not None
    assert [len(code) for code in mark["kept"]] == [11, 11]
    copied.clear()
    assert [type(item) for item in offered(asked, mark)] == [Withheld]
    assert copied == []
    # A backfill takes all again, and so does whoever has no mark.
    backfill = replace(asked, request=replace(asked.request, since=datetime(2026, 1, 1, tzinfo=UTC)))
    assert [item.name for item in offered(backfill, mark)] == [item.name for item in offered(asked)]
    # One that is sent anew is copied again, and of the mark remains what still lies there.
    put(county / "2026", "WJ_3", b"a\r\n1\r\n2\r\n", rows=2)
    (again,) = (item for item in offered(source(served(county), **DROP), mark) if isinstance(item, Offer))
    assert again.name == "2026/WJ_3.csv"
    after = again.mark([None])
    assert after is not None
    assert len(set(after["kept"]) - set(mark["kept"])) == len(set(mark["kept"]) - set(after["kept"])) == 1


@pytest.mark.integration
def test_file_that_changes_while_it_is_copied_is_an_outage(sftp: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    (sftp.root / "in").mkdir()
    path = sftp.root / "in" / "WJ_1.csv"
    path.write_bytes(b"a\n1\n")
    asked = source(sftp.connection())
    listed = Store.listed

    def then_grow(self: Store, *given: Any) -> Any:
        found = listed(self, *given)
        path.write_bytes(b"a\n1\n2\n")
        return found

    monkeypatch.setattr(Store, "listed", then_grow)
    with pytest.raises(RetryError, match="it changed while it was copied"):
        offered(asked)


@pytest.mark.integration
def test_copies_go_with_the_offer(sftp: SftpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spool))
    (sftp.root / "in").mkdir()
    put(sftp.root / "in", "WJ_1")
    offer = offer_of(source(sftp.connection()))
    (copy,) = spool.iterdir()
    assert copy.stat().st_mode & 0o77 == 0
    assert rows_of(offer) == [{"a": "1"}]
    del offer
    assert list(spool.iterdir()) == []


@pytest.mark.integration
def test_sftp_by_key(sftp: SftpServer, tmp_path: Path) -> None:
    (sftp.root / "in").mkdir()
    put(sftp.root / "in", "WJ_1")
    key = tmp_path / "key"
    key.write_bytes(sftp.user_key.export_private_key("pkcs8-pem", passphrase=SECRET))
    assert rows_of(offer_of(source(sftp.connection(key_file=str(key))))) == [{"a": "1"}]
    wrong = replace(sftp.connection(key_file=str(key)), secret=SECRET[::-1])
    with pytest.raises(StopError, match="known_hosts or key_file that cannot be read") as caught:
        offered(source(wrong))
    assert str(key) not in str(caught.value)


@pytest.mark.integration
def test_sftp_with_a_known_hosts_file_and_a_path(sftp: SftpServer, tmp_path: Path) -> None:
    (sftp.root / "drops" / "in").mkdir(parents=True)
    put(sftp.root / "drops" / "in", "WJ_1")
    hosts = tmp_path / "known_hosts"
    hosts.write_text(sftp.known_hosts)
    asked = source(sftp.connection("drops", known_hosts=str(hosts)))
    assert rows_of(offer_of(asked)) == [{"a": "1"}]


@pytest.mark.integration
def test_sftp_names_in_another_encoding(sftp: SftpServer) -> None:
    folder = os.fsencode(sftp.root) + b"/in"
    os.mkdir(folder)  # noqa: PTH102  a path of bytes
    with open(folder + b"/WJ_" + "名册".encode("gb18030") + b".csv", "wb") as file:  # noqa: PTH123
        file.write(b"a\n1\n")
    (offer,) = offered(source(sftp.connection(path_encoding="gb18030")))
    assert isinstance(offer, Offer)
    assert (offer.name, rows_of(offer)) == ("in/WJ_名册.csv", [{"a": "1"}])


@pytest.mark.integration
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"secret": "wrong"}, r"the store refuses \(PermissionError\)"),
        ({"options": {"known_hosts": "other ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDuqnJ"}}, "cannot be read|refuses"),
        ({"options": {"known_hosts": "/not/there"}}, "known_hosts or key_file that cannot be read"),
        ({"options": {}}, "option 'known_hosts' is not set"),
    ],
)
def test_sftp_that_a_person_must_mend(sftp: SftpServer, change: dict[str, Any], message: str) -> None:
    with pytest.raises(StopError, match=message) as caught:
        offered(source(replace(sftp.connection(), **change)))
    assert SECRET not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.integration
def test_sftp_server_with_another_key_is_refused(sftp: SftpServer, tmp_path: Path) -> None:
    with SftpServer(tmp_path) as other:
        told = other.known_hosts.replace(str(other.port), str(sftp.port))
        with pytest.raises(StopError, match=r"the store refuses \(HostKeyNotVerifiable\)"):
            offered(source(sftp.connection(known_hosts=told)))


@pytest.mark.integration
def test_sftp_server_that_hangs_up_is_away(sftp: SftpServer) -> None:
    for name in ("1", "2"):
        (sftp.root / name).mkdir()
        put(sftp.root / name, "WJ_1")
    asked = source(sftp.connection())
    stream = connect(asked.connection).offers(asked.request, None)
    next(stream)
    sftp.cut()
    with pytest.raises(RetryError) as caught:
        list(stream)
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.integration
def test_folder_that_is_not_there_is_named_by_its_connection(sftp: SftpServer) -> None:
    with pytest.raises(RetryError, match="connection health/sftp_drop: FileNotFoundError 2"):
        offered(source(sftp.connection("none")))


@pytest.fixture
def refusing() -> Iterator[tuple[str, Callable[[int, str], None]]]:
    """An endpoint that answers every call with one error, which a test sets."""
    told = [403, "AccessDenied"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<?xml version='1.0'?><Error><Code>{told[1]}</Code><Message>{SECRET}</Message></Error>".encode()
            self.send_response(int(told[0]))
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def tell(status: int, code: str) -> None:
        told[:] = [status, code]

    yield f"http://127.0.0.1:{server.server_address[1]}", tell
    server.shutdown()
    server.server_close()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", StopError),
        (403, "InvalidAccessKeyId", StopError),
        (403, "SignatureDoesNotMatch", StopError),
        (404, "NoSuchBucket", StopError),
        (503, "SlowDown", RetryError),
        (500, "InternalError", RetryError),
    ],
)
def test_s3_errors_are_grouped(refusing: Any, status: int, code: str, error: type[Exception]) -> None:
    endpoint, tell = refusing
    tell(status, code)
    options = {"access_key_id": "a", "endpoint": endpoint}
    asked = source(Connection("health", "s3_drop", "file", "s3://deliveries/in", "b", options))
    with pytest.raises(error) as caught:
        offered(asked)
    assert SECRET not in str(caught.value)
    assert "deliveries" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "secret", "options"),
    [
        ("ftp://host/path", "s", {}),
        ("sftp://host/path", "s", {"known_hosts": "x"}),
        ("sftp://user:word@host/path", "s", {"known_hosts": "x"}),
        ("sftp:///path", "s", {"known_hosts": "x"}),
        ("s3:///prefix", "s", {"access_key_id": "a"}),
        ("s3://county", "", {"access_key_id": "a"}),
        ("s3://county", "s", {}),
        ("s3://county", "s", {"access_key_id": "a", "endpoint": "minio.local"}),
        ("", "", {}),
    ],
)
def test_place_that_cannot_be_right_stops(place: str, secret: str, options: dict[str, str]) -> None:
    with pytest.raises(StopError) as caught:
        open_store(Connection("health", "drop", "file", place, secret, options))
    assert not place or place not in str(caught.value)


def test_links_are_followed(drop: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    put(tmp_path / "real", "WJ_1")
    (drop / "in").symlink_to(tmp_path / "real")
    (drop / "in2").mkdir()
    (drop / "in2" / "WJ_2.csv").symlink_to(tmp_path / "real" / "WJ_1.csv")
    (drop / "in2" / "WJ_3.csv").symlink_to(tmp_path / "not_there")
    found = open_store(Connection("health", "drop", "file", str(drop))).listed("*/WJ_*.csv").picked
    assert [item.name for item in found] == ["in/WJ_1.csv", "in2/WJ_2.csv"]


def test_names_a_server_makes_up_lead_nowhere(tmp_path: Path) -> None:
    class Lying:
        protocol = "sftp"

        def ls(self, path: str, detail: bool) -> list[dict[str, Any]]:
            names = ["/etc/WJ_passwd.csv", "../WJ_x.csv", "..", ".", "a/../../WJ_y.csv"]
            return [{"name": name, "size": 1, "mtime": 1, "type": "file"} for name in names]

    store = Store(Lying(), "/", "connection x")
    assert [item.name for item in store.listed("WJ_*.csv").picked] == ["WJ_passwd.csv", "WJ_x.csv", "WJ_y.csv"]
