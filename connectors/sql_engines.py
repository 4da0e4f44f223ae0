"""From a connection to an SQLAlchemy engine: the password joins the place only in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from connectors.base import Connection
from connectors.errors import StopError

__all__ = ["open_engine"]

_DRIVERS: Final[Mapping[str, str]] = {
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
"""A URL that names no driver gets the one installed."""

_CONNECT_SECONDS: Final = "10"
_PASSWORDS: Final = frozenset({"password", "passwd", "pwd", "sslpassword"})
"""Words of a URL's query by which drivers take a password as well."""


def open_engine(connection: Connection) -> Engine:
    """Return an engine for a connection; nothing is opened yet.

    Raises:
        StopError: The place is no SQLAlchemy URL, carries a password, or its driver is not installed.
    """
    where = f"connection {connection.where}"
    allowed = "dialect://user@host:port/database, the password apart as the connection's secret"
    do = f"correct the place's variable named in connectors/systems/{connection.system}.yml"
    try:
        url = make_url(connection.place)
        if url.password or _PASSWORDS & {word.lower() for word in url.query}:
            raise StopError(where, "a place with a password in it", allowed, do)
        return create_engine(_complete(url, connection.secret), poolclass=NullPool, hide_parameters=True)
    except (NoSuchModuleError, ImportError) as error:
        raise StopError(where, f"a dialect without driver ({error})", allowed, "install the driver") from None
    except (ArgumentError, ValueError):
        raise StopError(where, "a place that is no database URL", allowed, do) from None


def _complete(url: URL, secret: str) -> URL:
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if secret:
        url = url.set(password=secret)
    if url.get_backend_name() != "postgresql":
        return url
    # Without a word of it, libpq would offer the department what PGPASSWORD holds: the hub's own password.
    own = {} if secret else {"password": ""}
    # Texts come as UTF-8 whatever the database holds them in: Arrow knows nothing else.
    asked = {"connect_timeout": _CONNECT_SECONDS, **dict(url.query), **own, "client_encoding": "UTF8"}
    return url.update_query_dict(asked)
