"""Verifying one person at a department: asked once while the answer holds, within the day's quota, and on record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.base import Request
from connectors.rest import RestConnector
from connectors.rest_verify import Verified
from hub.asking import connection_to
from hub.context import Hub
from hub.errors import RetryError, SetAsideError, StopError
from hub.ledger.verified import LedgerVerifyStore

__all__ = ["verify_person"]

_LONGEST = 100
_RESIDENT_ID = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"


def verify_person(hub: Hub, tail: str, name: str, number: str, purpose: str, actor: str) -> Verified:
    """Ask a department whether a name and a number belong together.

    The record says who asked, what for, and of whom by a keyed digest; neither name nor number is kept anywhere.

    Args:
        hub: The opened hub.
        tail: `<department>/<service>`; the service is one of the system's `verify`.
        name: The person's name.
        number: The person's number; of a resident ID the check digit is looked at before a try is spent.
        purpose: What for.
        actor: Who asks.

    Raises:
        StopError: No such service, no purpose, or a name or number that cannot be one; or the service refuses.
        RetryError: The day's quota is used, or the service is away.
        SetAsideError: `schema_drift`; the answer lacks a wanted field.
    """
    name, number, purpose = name.strip(), number.strip().upper(), purpose.strip()
    _require(name, number, purpose)
    department, service, entry = _service(hub, tail)
    connection = connection_to(hub.contracts.systems[department], entry["connection"], hub.settings)
    own = {"connection", "name", "number", "fields"}
    options = {word: value for word, value in entry.items() if word not in own}
    request = Request(tail, tuple(entry.get("fields", ())), options)
    store = LedgerVerifyStore(hub.database, tail, hub.key("verify-answers"))
    question = {entry["name"]: name, entry["number"]: number}
    told = {"service": service, "system": department, "purpose": purpose}
    try:
        (found,) = RestConnector(connection).verify(request, [("", question)], store, hub.key("verify-questions"))
    except (StopError, RetryError, SetAsideError) as error:
        hub.ledger.audit("person_not_verified", actor, {**told, "error": type(error).__name__})
        raise
    outcome = {"question": found.question, "matched": found.matched, "asked": found.asked}
    hub.ledger.audit("person_verified", actor, {**told, **outcome})
    return found


def _service(hub: Hub, tail: str) -> tuple[str, str, Mapping[str, Any]]:
    department, _, service = tail.partition("/")
    system = hub.contracts.systems.get(department)
    if system is None or service not in system.verify:
        systems = hub.contracts.systems.values()
        known = [f"{one.name}/{name}" for one in systems for name in one.verify]
        raise StopError(
            "hub verify-person",
            f"no service {tail}",
            ", ".join(known) or "none yet",
            f"state it under `verify` in connectors/systems/{department}.yml",
        )
    return department, service, system.verify[service]


def _require(name: str, number: str, purpose: str) -> None:
    texts = {"name": name, "number": number, "purpose": purpose}
    wrong = [word for word, text in texts.items() if not text or len(text) > _LONGEST or not text.isprintable()]
    if not wrong and len(number) == len(_WEIGHTS) + 1 and not _is_resident_id(number):
        wrong = ["number"]
    if wrong:
        raise StopError(
            "hub verify-person",
            f"{' and '.join(wrong)} that cannot be one",
            "a name, a number whose check digit is right, and what they are verified for",
            "look whether they were copied whole",
        )


def _is_resident_id(number: str) -> bool:
    if not _RESIDENT_ID.fullmatch(number):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number[:-1], _WEIGHTS, strict=True))
    return _CHECKS[total % 11] == number[-1]
