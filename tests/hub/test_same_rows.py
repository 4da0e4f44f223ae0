"""One register, many ways in: whatever interface a department has, the accepted rows are the same."""

from __future__ import annotations

import csv
import io
import json
import os
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
import xlsxwriter

from connectors.base import Connection
from connectors.rest_sorted import signature
from hub.context import Hub
from hub.ledger import Batch
from hub.steps.check import check
from hub.steps.conform import conform
from hub.steps.pull import pull
from tests.connectors.pygeoapi_server import pygeoapi
from tests.connectors.servers import Asked, Platform, WebServer
from tests.connectors.sharing_server import NAMES, PREFIX, Commit, Sharing, Stored, parquet
from tests.connectors.store_servers import SftpServer, s3_server
from tests.connectors.suite import SECRET
from tests.connectors.test_message import Queue
from tests.connectors.web_servers import Shop, Wfs, parameters, shop_pull
from tests.hub.drops import DEATH, death
from tests.hub.mini import CHILD, DAUGHTER, HEAD, opened

pytestmark = pytest.mark.integration

Way = tuple[Connection, dict[str, Any]]

ROWS = [
    dict(death()),
    dict(death(HEAD, 姓名="湖㳇 镇", 性别="男", 出生日期="1950/1/1")),
    dict(death(DAUGHTER, 死亡日期="2026.09.01", 性别="9x")),
    dict(death("320371195001010017", 证明编号="D00099")),
    dict(death(CHILD, 证明编号="D00100")),
]
"""What a department really sends: repairs, an unknown code, a wrong check digit, the same person twice."""
FIELDS = list(ROWS[0])


def _csv(folder: Path, name: str = "WJ.csv") -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(ROWS)
    (folder / name).write_bytes(text.getvalue().encode("gb18030"))
    return folder


def _excel(folder: Path) -> Path:
    with xlsxwriter.Workbook(str(folder / "WJ.xlsx"), {"strings_to_numbers": False}) as book:
        sheet = book.add_worksheet("名册")
        for number, row in enumerate([FIELDS, *(list(row.values()) for row in ROWS)]):
            for place, value in enumerate(row):
                sheet.write_string(number, place, value)
    return folder


def _page(folder: Path) -> Path:
    lines = ["".join(f"<td>{value}</td>" for value in row) for row in [FIELDS, *(row.values() for row in ROWS)]]
    page = "<html><meta charset=utf-8><table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table></html>"
    (folder / "WJ.xls").write_text(page, encoding="utf-8")
    return folder


def _json_lines(folder: Path) -> Path:
    lines = [json.dumps(row, ensure_ascii=False) for row in ROWS]
    (folder / "WJ.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def _parquet(folder: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "WJ.parquet")
    return folder


def _zip(folder: Path) -> Path:
    _csv(folder, "inner.csv")
    with zipfile.ZipFile(folder / "WJ.zip", "w") as archive:
        archive.write(folder / "inner.csv", "WJ.csv")
    (folder / "inner.csv").unlink()
    return folder


def _fixed(folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    width = 40
    columns = [{"name": name, "start": 1 + place * width, "width": width} for place, name in enumerate(FIELDS)]
    lines = [b"".join(value.encode("gb18030").ljust(width) for value in row.values()) for row in ROWS]
    (folder / "WJ.txt").write_bytes(b"\n".join(lines) + b"\n")
    return folder, columns


class Ways:
    """Each way: a place made for the register, and what connection and contract say of it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack

    def new(self) -> Path:
        path = self.folder / uuid.uuid4().hex
        path.mkdir()
        return path

    def _file(self, place: Path, pattern: str, form: str, **options: Any) -> Way:
        return Connection("d", "c", "file", str(place)), {"pattern": pattern, "format": form, **options}

    def csv(self) -> Way:
        return self._file(_csv(self.new()), "WJ.csv", "csv", encoding="gb18030")

    def excel(self) -> Way:
        return self._file(_excel(self.new()), "WJ.xlsx", "excel")

    def page_named_xls(self) -> Way:
        return self._file(_page(self.new()), "WJ.xls", "excel")

    def json_lines(self) -> Way:
        return self._file(_json_lines(self.new()), "WJ.jsonl", "json_lines", encoding="utf-8")

    def parquet(self) -> Way:
        return self._file(_parquet(self.new()), "WJ.parquet", "parquet")

    def zip(self) -> Way:
        return self._file(_zip(self.new()), "WJ.zip", "csv", encoding="gb18030", member="WJ.csv")

    def fixed_width(self) -> Way:
        folder, columns = _fixed(self.new())
        return self._file(folder, "WJ.txt", "fixed_width", encoding="gb18030", columns=columns)

    def sftp(self) -> Way:
        server = self.stack.enter_context(SftpServer(_csv(self.new())))
        return server.connection(), {"pattern": "WJ.csv", "format": "csv", "encoding": "gb18030"}

    def s3(self) -> Way:
        server = self.stack.enter_context(s3_server())
        server.put(_csv(self.new()))
        return server.connection(), {"pattern": "WJ.csv", "format": "csv", "encoding": "gb18030"}

    def sqlite(self) -> Way:
        return self._database(sa.make_url(f"sqlite:///{self.new()}/front.db"))

    def postgresql(self) -> Way:
        return self._database(_given("HUB_TEST_POSTGRESQL_URL"))

    def mariadb(self) -> Way:
        url = _given("HUB_TEST_MARIADB_URL").set(database="hub_test_same_rows")
        engine = sa.create_engine(url.set(database=""), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as link:
            link.exec_driver_sql("CREATE DATABASE IF NOT EXISTS hub_test_same_rows CHARACTER SET utf8mb4")
        return self._database(url)

    def _database(self, url: sa.URL) -> Way:
        name = f"wj_{uuid.uuid4().hex[:8]}"
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        table = sa.Table(name, sa.MetaData(), *(sa.Column(field, sa.String(100)) for field in FIELDS))
        table.create(engine)
        with engine.begin() as link:
            link.execute(table.insert(), ROWS)
        self.stack.callback(table.drop, engine)
        place = url.set(password=None).render_as_string()
        return Connection("d", "c", "sql", place, url.password or ""), {"table": name}

    def rest(self) -> Way:
        web = self.stack.enter_context(WebServer())
        web.respond = Shop(ROWS).respond
        return Connection("d", "c", "rest", web.url), shop_pull("page", page_size=2)

    def rest_signed_by_sorted_parameters(self) -> Way:
        def lets_in(asked: Asked) -> bool:
            sent = {name: value for name, value in parameters(asked).items() if name != "sign"}
            own = {name: asked.headers[name] for name in ("appKey", "timestamp", "nonce")}
            return asked.headers["sign"] == signature({**sent, **own}, SECRET, "SM3", "{parameters}&key={secret}")

        web = self.stack.enter_context(WebServer())
        web.respond = Shop(ROWS, lets_in=lets_in).respond
        auth = {"kind": "sorted_parameters", "app_key": "hub", "digest": "SM3"}
        return Connection("d", "c", "rest", web.url, SECRET, {"auth": auth}), shop_pull("page", page_size=2)

    def rest_of_the_national_platform(self) -> Way:
        web = self.stack.enter_context(WebServer())
        platform = Platform(SECRET, ROWS)
        web.respond = platform.respond
        options = {"requester_id": platform.requester, "secret_path": "/secret"}
        pull = {"service": platform.service, "path": "/rows", "page_size": 2}
        return Connection("d", "c", "rest", web.url, SECRET, options), pull

    def ogc_features(self) -> Way:
        point = {"type": "Point", "coordinates": [117.5, 34.5]}
        features = [
            {"type": "Feature", "id": str(number), "geometry": point, "properties": row}
            for number, row in enumerate(ROWS)
        ]
        url = self.stack.enter_context(pygeoapi(self.new(), features, "证明编号"))
        return Connection("d", "c", "ogc_features", url), {"collection": "bzdz", "page_size": 2}

    def wfs_geojson(self) -> Way:
        return self._wfs(json=True)

    def wfs_gml(self) -> Way:
        return self._wfs(json=False)

    def _wfs(self, *, json: bool) -> Way:
        web = self.stack.enter_context(WebServer())
        features = [(f"bzdz.{number}", dict(row), (117.5, 34.5)) for number, row in enumerate(ROWS)]
        web.respond = Wfs(features, json, columns=tuple(FIELDS)).respond
        pull = {"type_name": "h:bzdz", "sort_by": "证明编号", "crs": "EPSG:4490", "page_size": 2}
        return Connection("d", "c", "wfs", web.url), pull

    def delta_sharing(self) -> Way:
        web = self.stack.enter_context(WebServer())
        content = parquet(pa.Table.from_pylist(ROWS))
        sharing = Sharing(web, SECRET, dict.fromkeys(FIELDS, "string"), [Commit([Stored("a", content, len(ROWS))])])
        web.respond = sharing.respond
        share, schema, table = NAMES
        place = f"{web.url}{PREFIX}"
        return Connection("d", "c", "delta_sharing", place, SECRET), {"share": share, "schema": schema, "table": table}

    def message(self) -> Way:
        parts = urlsplit(_given_text("HUB_TEST_RABBITMQ_URL"))
        name = f"same rows {uuid.uuid4().hex[:8]}"
        place = f"amqp://{parts.username}@{parts.hostname}:{parts.port or 5672}{parts.path or '/'}"
        queue = Queue(place, parts.password or "", name)
        broker = self.stack.enter_context(queue.open())
        channel = self.stack.enter_context(broker.channel())
        channel.queue_declare(name, durable=True, auto_delete=False)
        self.stack.callback(channel.queue_delete, name)
        queue.put(*(json.dumps(row, ensure_ascii=False) for row in ROWS))
        return queue.connection, {"queue": name, "idle_seconds": 0.3, "max_seconds": 30, "mode": "increment"}


def _given(name: str) -> sa.URL:
    return sa.make_url(_given_text(name))


def _given_text(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        pytest.skip(f"{name} is not set")
    return value


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    with opened(tmp_path_factory.mktemp("same"), module_database_url) as hub:
        yield hub


def take(hub: Hub, way: Way, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """Pull, conform and check the register over a connection of its own."""
    connection, options = way
    monkeypatch.setenv("HUB_SECRET_ANY", connection.secret)
    contract, system = hub.contracts.sources[DEATH], hub.contracts.systems["health_commission"]
    entry = {"kind": connection.kind, "place": connection.place, "options": connection.options}
    entry |= {"secret": "ANY"} if connection.secret else {}
    mode = options.pop("mode", "snapshot")
    narrow = replace(contract, connection="c", mode=mode, pull=options)
    contracts = replace(
        hub.contracts,
        sources={**hub.contracts.sources, DEATH: narrow},
        systems={**hub.contracts.systems, "health_commission": replace(system, connections={"c": entry})},
    )
    mine = replace(hub, contracts=contracts)
    with hub.database.begin() as connection_:
        connection_.execute(sa.text("TRUNCATE ledger.batch CASCADE"))
    (batch,) = pull(mine, DEATH)
    return check(mine, conform(mine, batch))


def sorted_rows(hub: Hub, batch: Batch, name: str) -> list[dict[str, Any]]:
    table = pq.read_table(hub.lake.checked(DEATH, batch.id) / f"{name}.parquet").drop_columns(["_row"])
    return sorted(table.to_pylist(), key=str)


@pytest.mark.parametrize("way", [name for name in vars(Ways) if not name.startswith("_") and name != "new"])
def test_the_accepted_rows_are_those_of_the_plain_file(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    with ExitStack() as stack:
        ways = Ways(tmp_path, stack)
        plain = take(hub, ways.csv(), monkeypatch)
        expected, told = sorted_rows(hub, plain, "accepted"), sorted_rows(hub, plain, "quarantine")
        assert (plain.landed, plain.accepted, plain.quarantined, plain.duplicate) == (5, 3, 1, 1)
        make: Callable[[], Way] = getattr(ways, way)
        batch = take(hub, make(), monkeypatch)
        assert (batch.landed, batch.accepted, batch.quarantined) == (5, 3, 1)
        assert sorted_rows(hub, batch, "accepted") == expected
        assert sorted_rows(hub, batch, "quarantine") == told
