"""Places and secrets that systems name, looked up on this machine; their values are not told, and nothing is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.base import connect
from hub.asking import connection_to
from hub.contract_types import Contracts, System
from hub.errors import ConfigurationError, StopError
from hub.settings import Settings
from hub.where import Fault, at, file_of

__all__ = ["places_not_set", "places_refused"]


def places_not_set(contracts: Contracts, settings: Settings) -> list[str]:
    """Name every place and secret that this machine has not, with file and line."""
    return [
        f"{at(contracts.root, file_of(system), *way)}: {text}"
        for system in contracts.systems.values()
        for way, text in _not_set(system, settings)
    ]


def places_refused(contracts: Contracts, settings: Settings) -> list[str]:
    """Name every connection whose connector does not take its place, options or secret, with file and line.

    Args:
        contracts: Without a fault, and with all places and secrets set.
        settings: Look them up.
    """
    faults = []
    for system in contracts.systems.values():
        for name in system.connections:
            try:
                connect(connection_to(system, name, settings))
            except StopError as error:
                where = at(contracts.root, file_of(system), "connections", name)
                faults.append(f"{where}: connection {name} has {error.came}; allowed: {error.allowed}")
    return faults


def _not_set(system: System, settings: Settings) -> Iterator[Fault]:
    connections: Any = system.connections
    for name, entry in connections.items() if isinstance(connections, Mapping) else ():
        if not isinstance(entry, Mapping):
            continue
        for key, look_up in (("place", settings.place), ("secret", settings.secret)):
            if isinstance(entry.get(key), str):
                try:
                    look_up(entry[key])
                except ConfigurationError as error:
                    yield from ((("connections", name, key), fault) for fault in error.faults)
                except OSError as error:
                    yield (
                        ("connections", name, key),
                        f"{key} of connection {name} cannot be read ({type(error).__name__})",
                    )
