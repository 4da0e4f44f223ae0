"""Grants of the other kind: a department's own program may fetch its issues and send corrections, until a day.

Such a grant opens nothing at the portal: it is no `Grant`, and whoever looks for one does not find it.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.errors import StopError
from hub.exchange.grants import MOST_DAYS, hash_code
from hub.ledger import now
from hub.ledger.models import GrantRow

__all__ = ["SystemGrant", "create_system_grant", "grant_of_code", "list_system_grants"]

_LONGEST_CODE = 100
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class SystemGrant:
    """Which department's program may come.

    Attributes:
        holder: The unit that answers for it.
        operator: The program or post that comes.
        system: The department whose issues it opens, and no other's.
        purpose: What for.
    """

    id: str
    holder: str
    operator: str
    system: str
    purpose: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


def create_system_grant(
    hub: Hub, *, holder: str, operator: str, system: str, purpose: str, days: int = 365
) -> tuple[SystemGrant, str]:
    """Make a grant and return it with its access code, which is shown this once and kept as a salted hash.

    A department may have several at a time, so that one can follow the other without a gap.

    Raises:
        StopError: The system is unknown, holder, operator or purpose is empty, or the days are too many.
    """
    faults = [] if system in hub.contracts.systems else [f"system {system!r} is unknown"]
    named = {"holder": holder, "operator": operator, "purpose": purpose}
    faults += [f"the {name} is empty" for name, text in named.items() if not text.strip()]
    if not 1 <= days <= MOST_DAYS:
        faults.append(f"{days} days, allowed are 1 to {MOST_DAYS}")
    if faults:
        raise StopError("grant", "; ".join(faults), "see `hub grant create --help`", "correct it and ask again")
    grant_id, secret, salt = secrets.token_hex(8), secrets.token_urlsafe(32), secrets.token_bytes(16)
    row = GrantRow(
        id=grant_id,
        holder=holder,
        operator=operator,
        system=system,
        products={"names": []},
        purpose=purpose,
        created_at=now(),
        expires_at=now() + timedelta(days=days),
        salt=salt,
        code_hash=hash_code(secret, salt),
    )
    with Session(hub.database, expire_on_commit=False) as session, session.begin():
        session.add(row)
    hub.ledger.audit("grant_created", holder, {"grant": grant_id, "system": system, "days": days})
    return _grant(row), f"{grant_id}.{secret}"


def grant_of_code(hub: Hub, code: str) -> SystemGrant | None:
    """The grant in force that an access code opens, or None; takes equally long either way."""
    grant_id, _, secret = code[:_LONGEST_CODE].partition(".")
    mine = select(GrantRow).where(GrantRow.id == grant_id, GrantRow.system.is_not(None))
    with Session(hub.database) as session:
        row = session.scalars(mine).first() if _ID.fullmatch(grant_id) else None
    salt, kept = (row.salt, row.code_hash) if row else (b"\0" * 16, b"")
    matches = hmac.compare_digest(hash_code(secret, salt), kept)
    if row is None or not matches or row.revoked_at is not None or row.expires_at <= now():
        return None
    return _grant(row)


def list_system_grants(hub: Hub) -> list[SystemGrant]:
    """All grants for departments, the newest first."""
    newest = select(GrantRow).where(GrantRow.system.is_not(None)).order_by(GrantRow.created_at.desc())
    with Session(hub.database) as session:
        return [_grant(row) for row in session.scalars(newest)]


def _grant(row: GrantRow) -> SystemGrant:
    return SystemGrant(
        id=row.id,
        holder=row.holder,
        operator=row.operator,
        system=str(row.system),
        purpose=row.purpose,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
