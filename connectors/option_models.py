"""What every kind's options may be: `hub check-config` holds contracts and systems against it, before any I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connectors.auth_options import RestConnection, WebConnection, implied, secret_fault
from connectors.file_options import StoreConnection, file_faults
from connectors.geo_options import GeoFilePull, OgcPull, WfsPull
from connectors.message_options import MessageConnection, MessagePull
from connectors.options import Fault, Options, PullOptions, faults_of
from connectors.rest_options import Pull
from connectors.sharing_options import SharingConnection, SharingPull
from connectors.sql_options import SqlConnection, SqlPull

__all__ = ["connection_faults", "pull_faults"]

_PULLS: Final[Mapping[str, type[PullOptions]]] = {
    "sql": SqlPull,
    "rest": Pull,
    "geo_file": GeoFilePull,
    "ogc_features": OgcPull,
    "wfs": WfsPull,
    "delta_sharing": SharingPull,
    "message": MessagePull,
}
"""Kind of a connection -> what a contract's `pull` may say; of files it depends on their format."""

_CONNECTIONS: Final[Mapping[str, type[Options]]] = {
    "sql": SqlConnection,
    "rest": RestConnection,
    "file": StoreConnection,
    "geo_file": StoreConnection,
    "ogc_features": WebConnection,
    "wfs": WebConnection,
    "delta_sharing": SharingConnection,
    "message": MessageConnection,
}
"""Kind of a connection -> what its `options` may say."""


def pull_faults(kind: str, pull: Mapping[str, Any], connection: Mapping[str, Any]) -> list[Fault]:
    """Say all that is wrong with a contract's `pull`, its mode included.

    Args:
        kind: A key of `connectors.base.KINDS`.
        pull: What the contract says.
        connection: The options of the connection it goes over, which may imply some.
    """
    what = f"option of a {kind} pull"
    if kind == "file":
        return file_faults(pull, what)
    defaults = implied(connection) if kind == "rest" else {}
    return faults_of(_PULLS[kind], {**defaults, **pull}, what)


def connection_faults(kind: str, options: Mapping[str, Any], *, has_secret: bool) -> list[Fault]:
    """Say all that is wrong with a connection's `options`.

    Args:
        kind: A key of `connectors.base.KINDS`.
        options: What the system's file says.
        has_secret: Whether a secret is named beside them.
    """
    model = _CONNECTIONS[kind]
    found = faults_of(model, options, f"option of a {kind} connection")
    if not found and issubclass(model, WebConnection):
        fault = secret_fault(model.model_validate(options).signing, has_secret=has_secret)
        found = [(("auth",), fault)] if fault is not None else []
    return found
