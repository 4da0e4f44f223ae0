"""Grants: a named operator may read one division's part of named products, for a purpose, until a day.

Those for a department's own issues are apart, in `hub.exchange.grants_system`; nobody signs in by them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.errors import ScopeError, StopError
from hub.ledger import now
from hub.ledger.models import GrantRow

__all__ = [
    "DIVISION_CODE",
    "MOST_DAYS",
    "Grant",
    "create_grant",
    "grant_in_force",
    "hash_code",
    "list_grants",
    "revoke_grant",
    "sign_in",
]

DIVISION_CODE = re.compile(r"\d{2}|\d{4}|\d{6}|\d{9}|\d{12}", re.ASCII)
"""A division's code, with or without the zeros that only fill up; any other length would be the head of several."""

MOST_DAYS = 1096
"""No grant is longer."""

_LONGEST_OPERATOR = 60
_OPERATOR = re.compile(rf"[^:\x00-\x1f]{{1,{_LONGEST_OPERATOR}}}")
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that reads like something else
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}
_OF_DIVISIONS = GrantRow.system.is_(None)


@dataclass(frozen=True)
class Grant:
    """Who may read what.

    Attributes:
        holder: The unit that answers for it: a town or street office, a department.
        operator: The person or post that signs in.
        division_code: A village's 12 digits, or the head of a higher division's code without its zeros.
        products: Names of the products it covers.
        purpose: What the data is for; recorded with every use.
    """

    id: str
    holder: str
    operator: str
    division_code: str
    products: tuple[str, ...]
    purpose: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    is_demo: bool

    def covers(self, product: str, division: str) -> bool:
        """Whether a product's rows of a division lie inside the grant."""
        return product in self.products and _head(division).startswith(self.division_code)


def _head(division: str) -> str:
    """A division's digits without the zeros that only fill up: 320305005000 -> 320305005."""
    for length in (2, 4, 6, 9):
        if division[length:] and not division[length:].strip("0"):
            return division[:length]
    return division


def create_grant(
    hub: Hub,
    *,
    holder: str,
    operator: str,
    division: str,
    purpose: str,
    days: int = 365,
    products: tuple[str, ...] | None = None,
    demo: bool = False,
) -> tuple[Grant, str]:
    """Make a grant and return it with its access code, which is shown this once and kept as a salted hash.

    Raises:
        StopError: The division or a product is unknown, the holder, operator or purpose is empty, or the operator has
            a grant in force.
    """
    village_products = tuple(p.name for p in hub.contracts.products.values() if p.subscriber_kind == "village")
    chosen = products or village_products
    operator = operator.strip()
    named = {"holder": holder, "operator": operator, "purpose": purpose}
    faults = _faults(hub, named, division, days, chosen)
    if faults:
        raise StopError(
            where="grant",
            came="; ".join(faults),
            allowed="see `hub grant create --help`",
            do="correct it and ask again",
        )
    code = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
    salt = secrets.token_bytes(16)
    row = GrantRow(
        id=secrets.token_hex(8),
        holder=holder,
        operator=operator,
        division_code=_head(division),
        products={"names": list(chosen)},
        purpose=purpose,
        created_at=now(),
        expires_at=now() + timedelta(days=days),
        revoked_at=None,
        salt=salt,
        code_hash=hash_code(code, salt),
        is_demo=demo,
    )
    with Session(hub.database, expire_on_commit=False) as session, session.begin():
        if demo:
            for old in session.scalars(select(GrantRow).where(GrantRow.operator == operator, GrantRow.is_demo)):
                old.revoked_at = old.revoked_at or now()
        session.add(row)
    grant = _grant(row)
    hub.ledger.audit("grant_created", holder, {"grant": grant.id, "division": grant.division_code, "days": days})
    return grant, code


def _faults(hub: Hub, named: Mapping[str, str], division: str, days: int, products: tuple[str, ...]) -> list[str]:
    faults = []
    full = division.ljust(12, "0")
    if not DIVISION_CODE.fullmatch(division) or full not in hub.contracts.codelists["division"].titles:
        faults.append(f"division {division!r} is not in the code list of divisions")
    elif not full.startswith(hub.settings.division):
        faults.append(f"division {division} lies outside this hub's division {hub.settings.division}")
    faults += [f"product {name!r} is unknown" for name in products if name not in hub.contracts.products]
    faults += [f"the {name} is empty" for name, text in named.items() if not text.strip()]
    if not _OPERATOR.fullmatch(named["operator"]):
        faults.append(f"the operator must be 1 to {_LONGEST_OPERATOR} characters without a colon (RFC 7617, 2)")
    if not 1 <= days <= MOST_DAYS:
        faults.append(f"{days} days, allowed are 1 to {MOST_DAYS}")
    if any(g.operator == named["operator"] and _in_force(g) and not g.is_demo for g in list_grants(hub)):
        faults.append("this operator has a grant in force; revoke it first")
    return faults


def sign_in(hub: Hub, operator: str, code: str) -> Grant | None:
    """The grant in force that an operator's code opens, or None; takes equally long either way."""
    known = "" if "\0" in operator else operator  # which PostgreSQL has no text with
    with Session(hub.database) as session:
        rows = list(session.scalars(select(GrantRow).where(GrantRow.operator == known, _OF_DIVISIONS)))
    found = None
    for row in rows:
        matches = hmac.compare_digest(hash_code(code.strip().lower(), row.salt), row.code_hash)
        if matches and _in_force(_grant(row)):
            found = _grant(row)
    if not rows:
        # An unknown operator costs what a known one does, so that time does not tell them apart.
        hash_code(code, b"\0" * 16)
    return found


def grant_in_force(hub: Hub, grant_id: str) -> Grant | None:
    """The grant with this id, or None where it is unknown, revoked or past its day."""
    with Session(hub.database) as session:
        row = session.scalars(select(GrantRow).where(GrantRow.id == grant_id, _OF_DIVISIONS)).first()
        grant = _grant(row) if row else None
    return grant if grant is not None and _in_force(grant) else None


def list_grants(hub: Hub) -> list[Grant]:
    """All grants for divisions, the newest first."""
    newest = select(GrantRow).where(_OF_DIVISIONS).order_by(GrantRow.created_at.desc())
    with Session(hub.database) as session:
        return [_grant(row) for row in session.scalars(newest)]


def revoke_grant(hub: Hub, grant_id: str) -> datetime:
    """End a grant of either kind now and return since when; whoever is signed in by it is out at the next request.

    Raises:
        ScopeError: There is no such grant.
    """
    with Session(hub.database, expire_on_commit=False) as session, session.begin():
        row = session.get(GrantRow, grant_id)
        if row is None:
            raise ScopeError("grant", f"no grant {grant_id}", "an id of `hub grant list`", "look it up there")
        row.revoked_at = row.revoked_at or now()
    hub.ledger.audit("grant_revoked", row.holder, {"grant": grant_id})
    return row.revoked_at


def _in_force(grant: Grant) -> bool:
    return grant.revoked_at is None and grant.expires_at > now()


def hash_code(code: str, salt: bytes) -> bytes:
    """Return what is kept of an access code."""
    return hashlib.scrypt(code.encode(), salt=salt, dklen=32, **_SCRYPT)


def _grant(row: GrantRow) -> Grant:
    return Grant(
        id=row.id,
        holder=row.holder,
        operator=row.operator,
        division_code=str(row.division_code),
        products=tuple(row.products["names"]),
        purpose=row.purpose,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        is_demo=row.is_demo,
    )
