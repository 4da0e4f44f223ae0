"""What a contract's `volume` may say: from which share, count or change of its rows on a batch is told of, or held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hub.contract_types import SourceContract

__all__ = ["DEFAULTS", "LEVELS", "MEASURES", "limits_of", "volume_faults"]

LEVELS = ("critical", "warning")
"""Severities of the gate, the graver first: `critical` holds the batch, `warning` is an issue and the batch goes on."""

MEASURES = ("quarantined_share", "quarantined_count", "trend")

DEFAULTS: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "snapshot": {
        "quarantined_share": {"warning": 0.01, "critical": 0.05},
        "trend": {"warning": 0.3, "critical": 0.5},
    },
    # Increments swell after a holiday and shrink at weekends: that alone is nobody's fault.
    "increment": {"quarantined_share": {"warning": 0.01, "critical": 0.05}, "trend": {"warning": 0.5}},
}
"""Mode -> measure -> severity -> limit, where a contract's `volume` does not say otherwise."""

_DEFAULT_MIN_ROWS = 100


def limits_of(contract: SourceContract) -> Mapping[str, Any]:
    """Return the contract's limits over the defaults: measure -> severity -> limit, and `min_rows`."""
    own = contract.properties.get("volume", {})
    return {"min_rows": _DEFAULT_MIN_ROWS, **DEFAULTS[contract.mode], **own}


def volume_faults(volume: Any) -> Iterator[str]:
    """Say what is wrong with the value of a contract's `volume`, one sentence a fault."""
    if not isinstance(volume, Mapping):
        yield "volume must say {measure: {severity: limit}}"
        return
    for name, limits in volume.items():
        if name == "min_rows":
            if not isinstance(limits, int) or isinstance(limits, bool) or limits < 0:
                yield "volume.min_rows must be a whole number from 0 on"
        elif name not in MEASURES:
            yield f"volume.{name} is unknown; allowed: {', '.join((*MEASURES, 'min_rows'))}"
        elif not isinstance(limits, Mapping):
            yield f"volume.{name} must say {{warning: …, critical: …}}"
        else:
            yield from (f"volume.{name}{fault}" for fault in _limit_faults(name, limits))


def _limit_faults(measure: str, limits: Mapping[str, Any]) -> Iterator[str]:
    for level, limit in limits.items():
        if level not in LEVELS:
            yield f".{level} is unknown; allowed: {', '.join(LEVELS)}"
        elif isinstance(limit, bool) or not isinstance(limit, int | float) or limit < 0:
            yield f".{level} must be a number from 0 on"
        elif measure == "quarantined_share" and limit > 1:
            yield f".{level} must be a share, 0 to 1"
    numbers = [limits[level] for level in LEVELS if isinstance(limits.get(level), int | float)]
    if len(numbers) == len(LEVELS) and numbers[0] < numbers[1]:
        yield " warns later than it holds: critical is below warning"
