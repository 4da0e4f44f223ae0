"""Opening a place: a folder here, an SFTP server with the agreed host key, a bucket of an S3 store."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from fsspec.implementations.local import LocalFileSystem

from connectors.base import Connection
from connectors.errors import StopError
from connectors.file_options import StoreConnection
from connectors.options import connection_options
from connectors.stores import Store, grouped

__all__ = ["check_place", "open_store"]

_SECONDS: Final = 20.0
"""How long a server may take to answer before it counts as away."""


def open_store(connection: Connection) -> Store:
    """Open a connection's place: a folder, `sftp://user@host:port/path` or `s3://bucket/prefix`.

    Raises:
        StopError: No such place, options are missing, credentials or the server's key are wrong.
        RetryError: The server is away.
    """
    options = check_place(connection)
    where = f"connection {connection.where}"
    if "://" not in connection.place:
        return _local(connection)
    is_sftp = connection.place.startswith("sftp:")
    return _sftp(connection, options, where) if is_sftp else _s3(connection, options, where)


def check_place(connection: Connection) -> StoreConnection:
    """Return a connection's options, once they and its place are proved to be such as can be right; nothing is opened.

    Raises:
        StopError: They are not.
    """
    options = connection_options(StoreConnection, connection)
    scheme, separator, _ = connection.place.partition("://")
    fault = _PLACES.get(scheme, _of_no_kind)(connection, options) if separator else None
    if fault is not None:
        raise StopError(f"connection {connection.where}", *fault, _file(connection))
    return options


def _of_no_kind(connection: Connection, options: StoreConnection) -> tuple[str, str]:
    return "a place of another kind", "a folder, sftp://… or s3://…"


def _sftp_fault(connection: Connection, options: StoreConnection) -> tuple[str, str] | None:
    place = urlsplit(connection.place)
    try:
        is_whole = bool(place.hostname and place.username and not place.password and place.port != 0)
    except ValueError:  # a port that is no number
        is_whole = False
    if not is_whole:
        return "a place without host or user, with a password, or with a port that is none", "sftp://user@host/path"
    if options.known_hosts is None:
        return "option 'known_hosts' is not set", "the server's key, or a file that has it"
    return None


def _s3_fault(connection: Connection, options: StoreConnection) -> tuple[str, str] | None:
    if not urlsplit(connection.place).netloc or not connection.secret:
        return "no bucket or no secret", "s3://bucket/prefix"
    if options.access_key_id is None:
        return "option 'access_key_id' is not set", "the name of the key that the secret belongs to"
    return None


_PLACES: Final[Mapping[str, Callable[[Connection, StoreConnection], tuple[str, str] | None]]] = {
    "sftp": _sftp_fault,
    "s3": _s3_fault,
}


def _file(connection: Connection) -> str:
    return f"correct the place or the options of connectors/systems/{connection.system}.yml"


def _local(connection: Connection) -> Store:
    folder = Path(connection.place)
    if not connection.place or not folder.is_dir():
        raise StopError(
            f"connection {connection.where}",
            "a place that is no folder here",
            "an existing folder",
            f"mount it, or correct the place's variable named in connectors/systems/{connection.system}.yml",
        )
    fs = LocalFileSystem(skip_instance_cache=True)
    return Store(fs, os.fspath(folder.absolute()), f"connection {connection.where}", remote=False)


def _sftp(connection: Connection, options: StoreConnection, where: str) -> Store:
    import asyncssh
    from sshfs import SSHFileSystem

    place = urlsplit(connection.place)
    try:
        fs = SSHFileSystem(
            place.hostname,
            port=place.port or 22,
            username=unquote(place.username or ""),
            **_access(connection, options, where),
            # Nothing of the account the hub runs under: neither its SSH configuration nor its agent.
            agent_path=None,
            config=None,
            connect_timeout=_SECONDS,
            login_timeout=_SECONDS,
            keepalive_interval=_SECONDS,
            sftp_client_kwargs={"path_encoding": options.path_encoding},
            skip_instance_cache=True,
        )
    except (OSError, asyncssh.Error) as error:
        raise grouped(error, where) from None
    return Store(fs, unquote(place.path) or "/", where, failures=(asyncssh.Error,))


def _access(connection: Connection, options: StoreConnection, where: str) -> dict[str, Any]:
    """Return what proves the server to us and us to the server."""
    import asyncssh

    known_hosts = str(options.known_hosts)
    try:
        # A line `host type key` stands for itself, anything else names a file.
        lines = known_hosts if " " in known_hosts else Path(known_hosts).read_text(encoding="utf-8")
        access: dict[str, Any] = {"known_hosts": asyncssh.import_known_hosts(lines)}
        if options.key_file:
            access["client_keys"] = [asyncssh.read_private_key(options.key_file, connection.secret or None)]
        else:
            access |= {"client_keys": None, "password": connection.secret}
    except (ValueError, OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        raise StopError(
            where, "known_hosts or key_file that cannot be read", "OpenSSH's formats", _file(connection)
        ) from None
    return access


def _s3(connection: Connection, options: StoreConnection, where: str) -> Store:
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    endpoint, place = urlsplit(options.endpoint or ""), urlsplit(connection.place)
    fs = S3FileSystem(
        access_key=options.access_key_id,
        secret_key=connection.secret,
        endpoint_override=endpoint.netloc or None,
        scheme=endpoint.scheme or "https",
        region=options.region,
        connect_timeout=_SECONDS,
        request_timeout=_SECONDS * 3,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=3),
    )
    root = (place.netloc + place.path).rstrip("/")
    return Store(ArrowFSWrapper(fs, skip_instance_cache=True), root, where)
