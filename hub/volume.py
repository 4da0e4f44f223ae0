"""The gate of step 3 on whole batches: too many rows set aside, or a delivery unlike those before, hold one back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from hub.context import Hub
from hub.contracts import SourceContract
from hub.errors import StopError
from hub.ledger import Batch
from hub.reasons import Outcome, Reason
from hub.volume_limits import LEVELS, limits_of

__all__ = ["Excess", "gated", "measure", "release_batch"]

_PULLS, _FEWEST_PULLS = 7, 3
_RELEASED = "Released by "


@dataclass(frozen=True)
class Excess:
    """One limit that a batch is beyond.

    Attributes:
        reason: `volume_share`, `volume_count` or `volume_trend`.
        level: `critical` or `warning`.
        rows: Rows concerned: those quarantined, or those landed.
        came: What was found, in words.
        allowed: The limit, in words.
    """

    reason: Reason
    level: str
    rows: int
    came: str
    allowed: str


def measure(contract: SourceContract, batch: Batch, earlier: Sequence[Batch]) -> list[Excess]:
    """Name every limit that a sorted batch is beyond, once, at its graver severity.

    Shares and trends of few rows say nothing: below `min_rows` rows only the count is looked at.

    Args:
        contract: The dataset.
        batch: The batch with its counts.
        earlier: The dataset's deliveries before it, the oldest first.
    """
    limits = limits_of(contract)
    recent = [one.landed for one in earlier[-_PULLS:]]
    usual = float(median(recent)) if len(recent) >= _FEWEST_PULLS else None
    found: list[Excess | None] = [_count(limits, batch)]
    if batch.landed >= limits["min_rows"]:
        found.append(_share(limits, batch))
    if usual is not None and max(usual, batch.landed) >= max(limits["min_rows"], 1):
        found.append(_trend(limits, batch, usual, len(recent)))
    return [excess for excess in found if excess is not None]


def _beyond(limits: Mapping[str, Any], name: str, value: float) -> tuple[str, float] | None:
    """The gravest severity whose limit a value is beyond, and that limit."""
    own = limits.get(name, {})
    return next(((level, own[level]) for level in LEVELS if level in own and value > own[level]), None)


def _count(limits: Mapping[str, Any], batch: Batch) -> Excess | None:
    level = _beyond(limits, "quarantined_count", batch.quarantined)
    if level is None:
        return None
    came = f"{batch.quarantined} rows are quarantined"
    return Excess(Reason.VOLUME_COUNT, level[0], batch.quarantined, came, f"at most {level[1]:g}")


def _share(limits: Mapping[str, Any], batch: Batch) -> Excess | None:
    share = batch.quarantined / batch.landed if batch.landed else 0.0
    level = _beyond(limits, "quarantined_share", share)
    if level is None:
        return None
    came = f"{batch.quarantined} of {batch.landed} rows ({share:.1%}) are quarantined"
    return Excess(Reason.VOLUME_SHARE, level[0], batch.quarantined, came, f"at most {level[1]:.1%}")


def _trend(limits: Mapping[str, Any], batch: Batch, usual: float, pulls: int) -> Excess | None:
    change = abs(batch.landed - usual) / usual if usual else float("inf")
    level = _beyond(limits, "trend", change)
    if level is None:
        return None
    came = f"{batch.landed} rows landed; the median of the last {pulls} pulls is {usual:g}"
    return Excess(Reason.VOLUME_TREND, level[0], batch.landed, came, f"a change of at most {level[1]:.0%}")


def gated(hub: Hub, batch: Batch) -> tuple[Batch, list[tuple[str, str, str, int]]]:
    """Put a sorted batch before the gate.

    Corrections and tombstones pass: they are asked for, and are no delivery. So does a batch that a person has let go
    before, when it is checked anew.

    Returns:
        The batch, in state `held` and with a note where a critical limit is passed, and its counts of issues: reason,
        no column, outcome, rows.
    """
    contract = hub.contracts.sources[batch.tail]
    if batch.mode != contract.mode:
        return batch, []
    known = hub.ledger.batches(batch.tail, state="checked")
    earlier = [one for one in known if one.mode == contract.mode and one.id < batch.id]
    found = [*measure(contract, batch, earlier), *_strange_codes(hub, contract, batch)]
    if _RELEASED in batch.note:
        found = [replace(one, level="warning") for one in found]
    counts = [(str(one.reason), "", str(_OUTCOMES[one.level]), one.rows) for one in found]
    grave = [f"{one.reason}: {one.came}, allowed: {one.allowed}" for one in found if one.level == "critical"]
    if not grave:
        return batch, counts
    note = f"{'; '.join(grave)}. Do: ask the department; if it is right, hub issues --release {batch.id}"
    return replace(batch, state="held", note=note), counts


def _strange_codes(hub: Hub, contract: SourceContract, batch: Batch) -> list[Excess]:
    """Codes that are in no list, where the contract freezes those."""
    if contract.drift["unknown_codes"] != "freeze":
        return []
    told = [one for one in hub.ledger.issues(batch.system) if one.batch == batch.id and one.rule == Reason.CODE_UNKNOWN]
    return [
        Excess(Reason.CODE_UNKNOWN, "critical", one.count, f"{one.count} codes of {one.column} are in no list", "none")
        for one in told
    ]


_OUTCOMES = {"critical": Outcome.HELD, "warning": Outcome.WARNED}


def release_batch(hub: Hub, batch_id: str, actor: str) -> Batch:
    """Let a held batch go on as it is: the next build uses it.

    Raises:
        StopError: No batch of that name is held.
    """
    held = {batch.id: batch for batch in hub.ledger.batches(state="held")}
    if batch_id not in held:
        raise StopError(
            where="hub issues --release",
            came=f"no batch {batch_id!r} is held",
            allowed=", ".join(held) or "nothing is held at present",
            do="see hub status for what is held",
        )
    done = replace(held[batch_id], state="checked", note=f"{held[batch_id].note} {_RELEASED}{actor}.")
    hub.ledger.save_batch(done)
    hub.ledger.audit("batch_released", actor, {"batch": done.id, "rows": done.landed, "quarantined": done.quarantined})
    return done
