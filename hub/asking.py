"""How a department's system is asked: over which connection, for what, at which pace, and when not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from connectors.base import Connection, Request
from connectors.pace import Pace
from hub.context import CHINA
from hub.contracts import Contracts, SourceContract, System
from hub.quiet import assert_not_quiet
from hub.settings import Settings

__all__ = ["Awake", "always", "connection_of", "connection_to", "lock_of", "request_of", "while_awake"]

Awake = Callable[[], None]
"""Called before each question to a system; raises `RetryError` in its quiet hours."""


def always() -> None:
    """Keep on."""


def while_awake(system: System, keep_on: Awake = always) -> Awake:
    """Return what is to be called before each question to a system; it asks `keep_on` as well."""

    def awake() -> None:
        keep_on()
        assert_not_quiet(system.name, system.quiet_hours, datetime.now(CHINA))

    return awake


def lock_of(system: System) -> str:
    """Return the lock of whoever asks a system, by which its connections and pace are kept over all processes."""
    return f"pull {system.name}"


def connection_of(contracts: Contracts, settings: Settings, contract: SourceContract) -> Connection:
    """Return the connection a dataset comes over; see `connection_to`."""
    return connection_to(contracts.systems[contract.department], contract.connection, settings)


def connection_to(system: System, name: str, settings: Settings) -> Connection:
    """Return a connection of a system, with its place and secret looked up.

    Raises:
        ConfigurationError: Place or secret is not set.
    """
    entry = system.connections[name]
    return Connection(
        system=system.name,
        name=name,
        kind=entry["kind"],
        place=settings.place(entry["place"]),
        secret=settings.secret(entry["secret"]).get_secret_value() if "secret" in entry else "",
        options=entry.get("options", {}),
        max_connections=system.max_connections,
    )


def request_of(contract: SourceContract, pace: Pace, since: datetime | None = None) -> Request:
    """Return what is wanted of a dataset, as its connector is told; a moment without zone is China's."""
    return Request(
        tail=contract.tail,
        fields=tuple(contract.physical_names),
        options=contract.pull,
        mode=contract.mode,
        since=since and since.replace(tzinfo=since.tzinfo or CHINA),
        synonyms=contract.physical_names,
        drift=contract.drift,
        pace=pace,
    )
