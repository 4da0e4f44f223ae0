"""What step 1 makes of a delivery as a whole: by what it is known again, and what is remarked on one that is taken."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, datetime

from connectors.base import Offer
from hub.context import CHINA
from hub.contracts import SourceContract
from hub.cycles import CYCLE_DAYS, is_cycle
from hub.landing import Landed
from hub.ledger import Batch
from hub.reasons import Outcome, Reason

__all__ = ["content_of", "is_no_news", "remarks"]


def content_of(offer: Offer, landed: Landed) -> str:
    """Return the digest a delivery is known by.

    Files without a row are alike whatever day they are of, so to those the name belongs as well.
    """
    digest = offer.fingerprint or landed.sha256
    is_empty_file = offer.fingerprint is not None and landed.rows == 0
    return hashlib.sha256(f"{digest} {offer.name}".encode()).hexdigest() if is_empty_file else digest


def is_no_news(contract: SourceContract, offer: Offer, landed: Landed) -> bool:
    """Whether nothing came: the hub asked for what is new, and there was nothing. An empty file says something."""
    return contract.mode == "increment" and landed.rows == 0 and offer.fingerprint is None


def remarks(
    contract: SourceContract, batch: Batch, offer: Offer, before: Iterable[Batch]
) -> list[tuple[str, str, str, int]]:
    """Return the issues of a whole delivery that is taken all the same, as the ledger counts them.

    Late is what a department sends by itself, once more days than its cycle has lie between this and the last before.

    Args:
        contract: The dataset.
        batch: The delivery as it landed.
        offer: What it came as.
        before: The deliveries before it, some of which may be withheld.
    """
    arrived = max((one.pulled_at for one in before if one.state != "withheld"), default=batch.pulled_at)
    found = []
    if offer.fingerprint is not None and (_day(batch.pulled_at) - _day(arrived)).days > _days(contract.cycle):
        found.append(Reason.DELIVERY_LATE)
    if not batch.landed:
        found.append(Reason.DELIVERY_EMPTY)
    return [(str(reason), "", str(Outcome.WARNED), 1) for reason in found]


def _days(cycle: str) -> float:
    return int(cycle[:-1]) * CYCLE_DAYS[cycle[-1]] if is_cycle(cycle) else float("inf")


def _day(moment: datetime) -> date:
    return moment.astimezone(CHINA).date()
