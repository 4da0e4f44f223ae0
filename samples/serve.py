"""The department systems of a made county, up on this machine: what the hub's first step reaches."""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import sqlalchemy as sa
import uvicorn
from rich.console import Console
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from samples import market, ogc, police
from samples.in_use import in_use

PLACES_FILE = "places.env"
MARKET_ROWS = "systems/market_regulation/legal_entity.parquet"
ADDRESSES = "systems/natural_resources/bzdz.parquet"
DROPS = {
    "HUB_PLACE_NATURAL_RESOURCES_SURVEY_DROP": "systems/natural_resources",
    "HUB_PLACE_CIVIL_AFFAIRS_MONTHLY_DROP": "systems/civil_affairs",
    "HUB_PLACE_HEALTH_COMMISSION_DAILY_DROP": "systems/health_commission",
    "HUB_PLACE_DISABLED_FEDERATION_QUARTERLY_DROP": "systems/disabled_federation",
}
NEEDED = [
    "county.json",
    MARKET_ROWS,
    ADDRESSES,
    *(f"systems/public_security/{table}.parquet" for table in police.TABLES),
    *DROPS.values(),
]
STOP_SECONDS = 10


@contextmanager
def running(
    directory: Path, police_url: str | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[dict[str, str]]:
    """Run the systems of a made county while the context lasts, and leave nothing behind.

    Args:
        directory: the county's folder, as `python -m samples make --output` wrote it.
        police_url: SQLAlchemy URL of a PostgreSQL or MariaDB database to load the police tables into; None starts an
            embedded PostgreSQL.
        host: address the HTTP systems listen on.
        port: their one port; 0 takes a free one.

    Yields:
        The `HUB_PLACE_*` and `HUB_SECRET_*` values and `HUB_DIVISION`, which also lie in `places.env` of the folder
        (readable by the owner only) from the moment everything answers until the end.

    Raises:
        FileNotFoundError: the folder holds no complete county; every missing part is named.
        OSError: the port is taken.
        ValueError: the police URL is not of a supported kind.
    """
    directory = directory.resolve()
    county = _county(directory)
    places = directory / PLACES_FILE
    places.unlink(missing_ok=True)
    # Key of the two HTTP systems' signatures, made up anew for every start: 16 characters, as AES-128 wants.
    appkey = secrets.token_hex(8)
    # The HTTP systems first: a taken port is told before a long load.
    with (
        in_use(directory),
        _http(_systems(directory, appkey), host, port) as address,
        police.serving(directory, police_url) as database,
    ):
        _assert_answering(address)
        values = _places(directory, database, address) | {
            "HUB_SECRET_MARKET_REGULATION_APPKEY": appkey,
            "HUB_DIVISION": county,
        }
        _write(places, values)
        try:
            yield values
        finally:
            places.unlink(missing_ok=True)


def main(directory: Path, police_url: str | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
    """Run the systems until SIGTERM or SIGINT; arguments and errors are those of `running`."""
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    # Only noted, so that a signal during the start cannot leave a half-started database server behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    try:
        with running(directory, police_url, host, port) as values:
            _show(values, directory)
            stop.wait()
    except subprocess.CalledProcessError:
        # Ctrl-C reaches the whole process group, so it may be the database's own first start that it broke off.
        if not stop.is_set():
            raise


def _show(values: dict[str, str], directory: Path) -> None:
    console = Console()
    for name, value in values.items():
        if not name.startswith("HUB_SECRET_"):
            console.print(f"{name}={value}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"六个部门系统已启动：{directory / PLACES_FILE}；按 Ctrl-C 停止", style="green", soft_wrap=True)


def _county(directory: Path) -> str:
    missing = [name for name in NEEDED if not (directory / name).exists()]
    if missing:
        raise FileNotFoundError(
            f"{directory}: no complete county, missing {', '.join(missing)}; "
            f"make one first: python -m samples make --output {directory}"
        )
    return str(json.loads((directory / "county.json").read_text("utf-8"))["county"])


def _systems(directory: Path, appkey: str) -> Starlette:
    rows = market.read_rows(directory / MARKET_ROWS)
    exchange = market.Exchange(rows, market.agreed_terms(), appkey)
    features = ogc.read_features(directory / ADDRESSES)
    return Starlette(routes=[Mount("/market", market.create_app(exchange)), Mount("/ogc", ogc.create_app(features))])


@contextmanager
def _http(app: ASGIApp, host: str, port: int) -> Iterator[tuple[str, int]]:
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise OSError(
            error.errno, f"port {port} on {host}: {error.strerror}; choose another one, or 0 for a free one"
        ) from error
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="department-systems")
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the HTTP systems stopped while starting; the log above says why")
            time.sleep(0.01)
        yield listener.getsockname()[:2]
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listener.close()


def _assert_answering(address: tuple[str, int]) -> None:
    # An unsigned call is refused with 401: the market service is up, and none of its seeded faults is used up.
    for method, path, expected in (("GET", "/ogc/", 200), ("POST", "/market/secret", 401)):
        connection = http.client.HTTPConnection(*address, timeout=STOP_SECONDS)
        try:
            connection.request(method, path)
            status = connection.getresponse().status
        finally:
            connection.close()
        if status != expected:
            raise RuntimeError(f"{method} {path} answered HTTP {status} instead of {expected}")


def _places(directory: Path, database: sa.URL, address: tuple[str, int]) -> dict[str, str]:
    base = f"http://{address[0]}:{address[1]}"
    bare = sa.URL.create(
        database.drivername, database.username, None, database.host, database.port, database.database, database.query
    )
    return {
        "HUB_PLACE_PUBLIC_SECURITY_FRONT_DATABASE": bare.render_as_string(),
        "HUB_SECRET_PUBLIC_SECURITY_FRONT_DATABASE_PASSWORD": database.password or "",
        "HUB_PLACE_MARKET_REGULATION_EXCHANGE_PLATFORM": f"{base}/market",
        "HUB_PLACE_NATURAL_RESOURCES_ADDRESS_SERVICE": f"{base}/ogc",
        **{name: str(directory / folder) for name, folder in DROPS.items()},
    }


def _write(places: Path, values: dict[str, str]) -> None:
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    unfinished = places.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.replace(places)
