"""What a grant opens at the portal: its own villages and divisions; for all else the page does not exist."""

from __future__ import annotations

import re

from fastapi import HTTPException

from hub.exchange.grants import Grant
from hub.portal.frame import Portal

__all__ = ["home_of", "require_division", "require_village"]

_VILLAGE_DIGITS = 12


def home_of(grant: Grant) -> str:
    """Path of the page a grant's operator begins at: the village, or the list of villages."""
    kind = "village" if len(grant.division_code) == _VILLAGE_DIGITS else "division"
    return f"/{kind}/{grant.division_code}"


def require_village(portal: Portal, grant: Grant, code: str, product: str | None = None) -> None:
    """Let pass who may see a village, and a product of it.

    Raises:
        HTTPException: 404, the same for what does not exist and for what is not theirs; the attempt is audited.
    """
    inside = code.startswith(grant.division_code) and is_village(portal, code)
    if not inside or (product is not None and product not in village_products(portal, grant)):
        _refuse(portal, grant, code)


def require_division(portal: Portal, grant: Grant, code: str) -> None:
    """Let pass who may see the list of a division's villages.

    Args:
        portal: The portal.
        grant: The operator's grant.
        code: 2, 4, 6 or 9 digits.

    Raises:
        HTTPException: 404, as for `require_village`.
    """
    known = re.fullmatch(r"[0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}", code) and title_of(portal, code)
    if not known or not code.startswith(grant.division_code):
        _refuse(portal, grant, code)


def is_village(portal: Portal, code: str) -> bool:
    """Whether a code is a village's."""
    return bool(re.fullmatch(r"[0-9]{12}", code)) and not code.endswith("000") and title_of(portal, code) != ""


def title_of(portal: Portal, code: str) -> str:
    """A division's Chinese name by its code with or without the zeros that fill up; empty where unknown."""
    return portal.hub.contracts.codelists["division"].titles.get(code.ljust(_VILLAGE_DIGITS, "0"), "")


def village_products(portal: Portal, grant: Grant) -> tuple[str, ...]:
    """Names of the products made for villages that a grant covers, in the contracts' order."""
    products = portal.hub.contracts.products.values()
    return tuple(p.name for p in products if p.subscriber_kind == "village" and p.name in grant.products)


def _refuse(portal: Portal, grant: Grant, code: str) -> None:
    # Free text from an address line has no place in the record; a code has.
    asked = code if re.fullmatch(r"[0-9]{2,12}", code) else ""
    portal.hub.ledger.audit("refused", grant.operator, {"grant": grant.id, "division": asked})
    raise HTTPException(404)
