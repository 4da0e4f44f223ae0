"""The embedded server: joined by several processes, gone after the last, also when they are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from hub.errors import StopError
from hub.pg import embedded_server, ensure_database, libpq_uri

ROOT = Path(__file__).resolve().parents[2]
# Opens the server, says where it is, and stays until its input ends.
USER = (
    "import sys; from pathlib import Path; from hub.pg import embedded_server\n"
    "with embedded_server(Path(sys.argv[1])) as url: print(url, flush=True); sys.stdin.read()"
)

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
# A comma and a colon separate several hosts.
folders = st.text(st.characters(codec="utf-8", exclude_characters="\x00,:"), min_size=1, max_size=12)


@given(user=words, password=words, database=words, folder=folders)
def test_libpq_reads_what_sqlalchemy_wrote(user: str, password: str, database: str, folder: str) -> None:
    url = sa.URL.create("postgresql+psycopg", user, password, database=database, query={"host": f"/run/{folder}"})
    options = conninfo_to_dict(libpq_uri(url.render_as_string(hide_password=False)))
    assert options == {"user": user, "password": password, "dbname": database, "host": f"/run/{folder}"}


def test_libpq_uri_keeps_host_port_and_options() -> None:
    options = conninfo_to_dict(libpq_uri("postgresql+psycopg://hub:secret@db.example:5433/hub?sslmode=require"))
    assert options == {
        "user": "hub",
        "password": "secret",
        "host": "db.example",
        "port": "5433",
        "dbname": "hub",
        "sslmode": "require",
    }


def processes_of(folder: Path) -> list[psutil.Process]:
    """The server and its keeper: whoever names the folder on the command line, but for the test's own users."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if any(str(folder / "postgresql") in part for part in line):
            found.append(process)
    return found


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(libpq_uri(url), autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def users() -> Iterator[Callable[[Path], tuple[subprocess.Popen[str], str]]]:
    """Start other processes that use the server of a folder; end those that still run."""
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", USER, str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.integration
def test_server_keeps_its_data_and_leaves_no_process(tmp_path: Path) -> None:
    with embedded_server(tmp_path) as url:
        run(url, "CREATE TABLE kept AS SELECT 7 AS n")
        assert run(url, "SHOW max_connections") == [("200",)]
        assert processes_of(tmp_path)
    wait_until(lambda: not processes_of(tmp_path))
    with embedded_server(tmp_path) as url:
        assert run(url, "SELECT n FROM kept") == [(7,)]


@pytest.mark.integration
def test_server_stays_until_the_last_process_has_left(tmp_path: Path, users: Callable) -> None:
    with embedded_server(tmp_path) as ours:
        process, theirs = users(tmp_path)
        assert theirs == ours
    assert run(theirs, "SELECT 1") == [(1,)]
    process.communicate()
    assert process.returncode == 0
    wait_until(lambda: not processes_of(tmp_path))


@pytest.mark.integration
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_server_stops_when_its_user_is_ended(tmp_path: Path, users: Callable, ending: signal.Signals) -> None:
    process, url = users(tmp_path)
    assert run(url, "SELECT 1") == [(1,)]
    process.send_signal(ending)
    process.wait()
    wait_until(lambda: not processes_of(tmp_path))
    with pytest.raises(psycopg.OperationalError):
        run(url, "SELECT 1")


@pytest.mark.integration
def test_server_recovers_from_a_crash(tmp_path: Path, users: Callable) -> None:
    _, url = users(tmp_path)
    run(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    postmaster = int((tmp_path / "postgresql/cluster/postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    with embedded_server(tmp_path) as again:
        assert run(again, "SELECT count(*) FROM kept") == [(1000,)]


@pytest.mark.integration
def test_pid_file_that_names_a_foreign_process_does_not_hinder(tmp_path: Path) -> None:
    with embedded_server(tmp_path):
        pid_file = tmp_path / "postgresql/cluster/postmaster.pid"
        lines = pid_file.read_text().splitlines(keepends=True)
    pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
    with embedded_server(tmp_path) as url:
        assert run(url, "SELECT 1") == [(1,)]


@pytest.mark.integration
def test_first_start_that_was_killed_is_made_good(tmp_path: Path) -> None:
    half_made = tmp_path / "postgresql/cluster.part"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    with embedded_server(tmp_path) as url:
        assert run(url, "SELECT 1") == [(1,)]


@pytest.mark.integration
@pytest.mark.parametrize("name", ["市" * 60, "a,b"])
def test_unsuited_data_folder_gets_a_short_private_socket(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    with embedded_server(folder) as url:
        host = Path(str(sa.make_url(url).query["host"]))
        assert len(os.fsencode(host / ".s.PGSQL.5432")) < 107
        assert host.stat().st_mode & 0o777 == 0o700
        assert run(url, "SELECT 1") == [(1,)]
    assert not host.exists()


@pytest.mark.integration
def test_folder_open_to_others_is_not_used_for_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("市" * 60)
    with embedded_server(folder) as url:
        host = Path(str(sa.make_url(url).query["host"]))
    host.mkdir(mode=0o777)
    host.chmod(0o777)
    try:
        with pytest.raises(StopError, match="open to others"), embedded_server(folder):
            pass
    finally:
        host.rmdir()


@pytest.mark.integration
def test_ensure_database_makes_it_once(postgresql_url: str) -> None:
    first = ensure_database(postgresql_url, "airflow_of_test")
    try:
        assert ensure_database(postgresql_url, "airflow_of_test") == first
        assert run(first, "SELECT current_database()") == [("airflow_of_test",)]
    finally:
        run(postgresql_url, "DROP DATABASE airflow_of_test WITH (FORCE)")
