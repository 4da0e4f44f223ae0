"""The hub's errors, in the three groups of `connectors.errors`: stop, retry, set aside."""

from __future__ import annotations

from connectors.errors import ChangedError, ColumnsMissingError, RetryError, SetAsideError, StopError

__all__ = [
    "ChangedError",
    "ColumnsMissingError",
    "ConfigurationError",
    "CountsError",
    "RetryError",
    "ScopeError",
    "SetAsideError",
    "StopError",
]


class ConfigurationError(StopError):
    """Settings or contracts are wrong; every fault is listed at once, before any I/O.

    Args:
        faults: One sentence a fault, each naming its file or variable.
    """

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__(
            where="configuration",
            came=f"{len(faults)} fault(s): " + "; ".join(faults),
            allowed="what docs/settings.md and docs/add-a-dataset.md describe",
            do="mend each of them and start again",
        )

    def __reduce__(self) -> tuple[type[ConfigurationError], tuple[list[str]]]:  # type: ignore[override]
        return type(self), (self.faults,)


class CountsError(StopError):
    """The law of counts is broken: landed is not accepted + quarantined + duplicate."""


class ScopeError(StopError):
    """Somebody asked for what is not theirs."""
