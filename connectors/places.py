"""Opening a place: a folder here, an SFTP server with the agreed host key, a bucket of an S3 store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from fsspec.implementations.local import LocalFileSystem

from connectors.base import Connection
from connectors.errors import StopError
from connectors.stores import Store, grouped

__all__ = ["open_store"]

_SECONDS: Final = 20.0
"""How long a server may take to answer before it counts as away."""


def open_store(connection: Connection) -> Store:
    """Open a connection's place: a folder, `sftp://user@host:port/path` or `s3://bucket/prefix`.

    Raises:
        StopError: No such place, options are missing, credentials or the server's key are wrong.
        RetryError: The server is away.
    """
    scheme, separator, _ = connection.place.partition("://")
    if not separator:
        return _local(connection)
    where = f"connection {connection.where}"
    if scheme not in ("sftp", "s3"):
        raise StopError(where, "a place of another kind", "a folder, sftp://… or s3://…", _file(connection))
    return _sftp(connection, where) if scheme == "sftp" else _s3(connection, where)


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


def _sftp(connection: Connection, where: str) -> Store:
    import asyncssh
    from sshfs import SSHFileSystem

    place = urlsplit(connection.place)
    if not place.hostname or not place.username or place.password:
        raise StopError(
            where, "a place without host or user, or with a password", "sftp://user@host/path", _file(connection)
        )
    try:
        fs = SSHFileSystem(
            place.hostname,
            port=place.port or 22,
            username=unquote(place.username),
            **_access(connection, where),
            # Nothing of the account the hub runs under: neither its SSH configuration nor its agent.
            agent_path=None,
            config=None,
            connect_timeout=_SECONDS,
            login_timeout=_SECONDS,
            keepalive_interval=_SECONDS,
            sftp_client_kwargs={"path_encoding": str(connection.options.get("path_encoding", "utf-8"))},
            skip_instance_cache=True,
        )
    except (OSError, asyncssh.Error) as error:
        raise grouped(error, where) from None
    return Store(fs, unquote(place.path) or "/", where, failures=(asyncssh.Error,))


def _access(connection: Connection, where: str) -> dict[str, Any]:
    """Return what proves the server to us and us to the server."""
    import asyncssh

    known_hosts = str(connection.option("known_hosts"))
    key_file = connection.options.get("key_file")
    try:
        # A line `host type key` stands for itself, anything else names a file.
        lines = known_hosts if " " in known_hosts else Path(known_hosts).read_text(encoding="utf-8")
        access: dict[str, Any] = {"known_hosts": asyncssh.import_known_hosts(lines)}
        if key_file:
            access["client_keys"] = [asyncssh.read_private_key(str(key_file), connection.secret or None)]
        else:
            access |= {"client_keys": None, "password": connection.secret}
    except (ValueError, OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        raise StopError(
            where, "known_hosts or key_file that cannot be read", "OpenSSH's formats", _file(connection)
        ) from None
    return access


def _s3(connection: Connection, where: str) -> Store:
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    endpoint = urlsplit(str(connection.options.get("endpoint", "")))
    place = urlsplit(connection.place)
    if not place.netloc or not connection.secret or (connection.options.get("endpoint") and not endpoint.netloc):
        raise StopError(
            where, "no bucket, no secret or an endpoint that is no web address", "s3://bucket/prefix", _file(connection)
        )
    fs = S3FileSystem(
        access_key=str(connection.option("access_key_id")),
        secret_key=connection.secret,
        endpoint_override=endpoint.netloc or None,
        scheme=endpoint.scheme or "https",
        region=str(connection.options.get("region", "us-east-1")),
        connect_timeout=_SECONDS,
        request_timeout=_SECONDS * 3,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=3),
    )
    root = (place.netloc + place.path).rstrip("/")
    return Store(ArrowFSWrapper(fs, skip_instance_cache=True), root, where)
