"""The department systems together: what the hub is told, what answers, and that nothing stays behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import requests
import sqlalchemy as sa

from samples import market, police, serve
from samples.make import make
from samples.plan import Plan


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Not pytest's own: each new pytest shuts their common parent against the database server's user."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def county(tmp_path: Path) -> Path:
    """The folder of a made county with one row of everything that is served, and empty drop folders."""
    for department in (
        "public_security",
        "market_regulation",
        "natural_resources",
        "civil_affairs",
        "health_commission",
        "disabled_federation",
    ):
        (tmp_path / "systems" / department).mkdir(parents=True)
    person = pa.table(
        {"xh": [1], "xm": ["张三"], "gxsj": pa.array([datetime.fromisoformat("2026-01-02")], pa.timestamp("us"))}
    )
    for table in police.TABLES:
        pq.write_table(person, tmp_path / "systems" / "public_security" / f"{table}.parquet")
    pq.write_table(pa.table({"zch": ["1"], "dwmc": ["便利店"]}), tmp_path / serve.MARKET_ROWS)
    addresses = pa.table(
        {
            "dzbm": ["1", "2", "3"],
            "dzqc": ["一号", "二号", "三号"],
            "lon": [117.1, 117.2, 117.3],
            "lat": [34.1, 34.2, 34.3],
        }
    )
    pq.write_table(addresses, tmp_path / serve.ADDRESSES)
    (tmp_path / "county.json").write_text(json.dumps({"county": "320305"}), "utf-8")
    return tmp_path


def read_places(county: Path) -> dict[str, str]:
    lines = (county / "places.env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def session() -> requests.Session:
    direct = requests.Session()
    direct.trust_env = False
    return direct


@pytest.mark.integration
def test_every_place_that_is_told_answers(county: Path) -> None:
    with serve.running(county) as values, session() as http:
        assert read_places(county) == values
        assert stat.S_IMODE((county / "places.env").stat().st_mode) == 0o600
        assert values["HUB_DIVISION"] == "320305"
        drops = [values[name] for name in serve.DROPS]
        assert len(set(drops)) == 4
        assert all(Path(drop).is_dir() for drop in drops)

        engine = sa.create_engine(values["HUB_PLACE_PUBLIC_SECURITY_FRONT_DATABASE"])
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT xm FROM hj_rkxx").scalars().all() == ["张三"]
        engine.dispose()

        terms, now = market.agreed_terms(), str(round(time.time() * 1000))
        appkey = values["HUB_SECRET_MARKET_REGULATION_APPKEY"]
        assert len(appkey.encode()) == 16
        headers = {
            "gjgxjhpt_rid": terms.requester_id,
            "gjgxjhpt_sid": terms.service_id,
            "gjgxjhpt_rtime": now,
            "gjgxjhpt_sign": market.sign(terms.service_id, terms.requester_id, now, appkey),
        }
        exchange = values["HUB_PLACE_MARKET_REGULATION_EXCHANGE_PLATFORM"]
        answer = http.post(exchange + terms.secret_path, headers=headers)
        assert answer.json()["code"] == "0"
    assert not (county / "places.env").exists()
    assert not (county / "police-pg" / "postmaster.pid").exists()
    with session() as http, pytest.raises(requests.ConnectionError):
        http.get(exchange)


@pytest.mark.integration
def test_gdal_reads_the_address_service(county: Path) -> None:
    with serve.running(county) as values:
        source = f"OAPIF:{values['HUB_PLACE_NATURAL_RESOURCES_ADDRESS_SERVICE']}"
        assert [name for name, _ in pyogrio.list_layers(source)] == ["bzdz"]
        _, table = pyogrio.read_arrow(source, layer="bzdz", PAGE_SIZE="2")
        assert table.column("dzqc").to_pylist() == ["一号", "二号", "三号"]


@pytest.mark.integration
def test_password_is_told_apart_from_the_address(county: Path) -> None:
    with police._embedded(county / "pg") as server:
        given = server.set(password="hidden")  # noqa: S106  nobody's password
        with serve.running(county, given.render_as_string(hide_password=False)) as values:
            assert "hidden" not in values["HUB_PLACE_PUBLIC_SECURITY_FRONT_DATABASE"]
            assert values["HUB_SECRET_PUBLIC_SECURITY_FRONT_DATABASE_PASSWORD"] == given.password
            bare = sa.make_url(values["HUB_PLACE_PUBLIC_SECURITY_FRONT_DATABASE"])
            assert (bare.username, bare.password, bare.query) == (given.username, None, given.query)


@pytest.mark.integration
def test_taken_port_is_named_and_nothing_stays_behind(county: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(OSError, match=f"port {port} on 127.0.0.1: .*choose another"),
            serve.running(county, port=port),
        ):
            pass
    assert not (county / "police-pg" / "postmaster.pid").exists()
    assert not (county / "places.env").exists()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("number", "moment"),
    [(signal.SIGTERM, "places.env"), (signal.SIGINT, "police-pg")],
    ids=["SIGTERM when up", "SIGINT while starting"],
)
def test_signal_ends_it_cleanly(county: Path, number: signal.Signals, moment: str) -> None:
    command = "import sys, pathlib, samples.serve as s; s.main(pathlib.Path(sys.argv[1]))"
    root = Path(serve.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", command, str(county)],
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (county / moment).exists():
        assert process.poll() is None
        time.sleep(0.02)
    # The whole group, as a terminal does on Ctrl-C.
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert ("HUB_PLACE_PUBLIC_SECURITY_FRONT_DATABASE=postgresql" in output) or moment == "police-pg"
    assert "HUB_SECRET" not in output
    assert not (county / "police-pg" / "postmaster.pid").exists()
    assert not (county / "places.env").exists()


def test_incomplete_county_is_refused_with_every_missing_part(county: Path) -> None:
    (county / "county.json").unlink()
    (county / serve.ADDRESSES).unlink()
    expected = "missing county.json, systems/natural_resources/bzdz.parquet; make one first: python -m samples make"
    with pytest.raises(FileNotFoundError, match=expected), serve.running(county):
        pass


@pytest.mark.integration
def test_a_county_that_is_served_is_not_made_anew_under_its_readers(county: Path) -> None:
    plan = Plan("320305", 60, 1, 0.0, date(2026, 11, 1))
    before = (county / "county.json").read_bytes()
    with serve.running(county):
        with pytest.raises(FileExistsError, match="is being served; stop"):
            make(plan, county)
        assert (county / "county.json").read_bytes() == before
    # What a killed server left behind holds nobody up.
    (county / "places.env").touch()
    assert make(plan, county).description["county"] == "320305"
