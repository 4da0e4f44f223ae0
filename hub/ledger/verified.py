"""Answers and quotas of verified persons: what `connectors.rest_verify` keeps between runs, for all processes.

A question is known by its keyed digest and an answer is sealed under a key that is not in the database, so that neither
the tables nor a copy of them tell of anybody.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hub.ledger.clock import now
from hub.ledger.models import VerifyAnswerRow, VerifyTryRow

__all__ = ["LedgerVerifyStore"]

_NONCE_BYTES = 12
_KEEP_TRIES = timedelta(days=400)


class LedgerVerifyStore:
    """The `VerifyStore` of one service.

    Args:
        database: The ledger's.
        tail: `<department>/<service>`, whose quota it is.
        key: 32 bytes that seal the answers.
    """

    def __init__(self, database: Engine, tail: str, key: bytes) -> None:
        self._database, self._tail, self._seal = database, tail, AESGCM(key)

    def get(self, question: str, now: datetime) -> Mapping[str, Any] | None:
        """Return the answer kept for a question; None where there is none, its time is over, or the key is another."""
        with Session(self._database) as session:
            row = session.get(VerifyAnswerRow, question)
        if row is None or row.until <= now:
            return None
        nonce, sealed = row.sealed[:_NONCE_BYTES], row.sealed[_NONCE_BYTES:]
        try:
            answer: Mapping[str, Any] = orjson.loads(self._seal.decrypt(nonce, sealed, question.encode()))
        except InvalidTag:
            return None
        return answer

    def put(self, question: str, answer: Mapping[str, Any], until: datetime) -> None:
        """Keep an answer until a time, and forget those whose time is over."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._seal.encrypt(nonce, orjson.dumps(dict(answer)), question.encode())
        row = insert(VerifyAnswerRow).values(question=question, sealed=sealed, until=until)
        renewed = row.on_conflict_do_update(index_elements=["question"], set_={"sealed": sealed, "until": until})
        with Session(self._database) as session, session.begin():
            session.execute(renewed)
            session.execute(delete(VerifyAnswerRow).where(VerifyAnswerRow.until <= now()))

    def used(self, day: date) -> int:
        """Return how many tries a day has had."""
        mine = select(VerifyTryRow.tries).where(VerifyTryRow.tail == self._tail, VerifyTryRow.day == day)
        with Session(self._database) as session:
            return session.scalar(mine) or 0

    def spend(self, day: date, quota: int) -> bool:
        """Count one try in one statement, so that processes at once never count past the quota."""
        first = insert(VerifyTryRow).values(tail=self._tail, day=day, tries=1)
        more = first.on_conflict_do_update(
            index_elements=["tail", "day"],
            set_={"tries": VerifyTryRow.tries + 1},
            where=VerifyTryRow.tries < quota,
        ).returning(VerifyTryRow.tries)
        with Session(self._database) as session, session.begin():
            session.execute(delete(VerifyTryRow).where(VerifyTryRow.day < day - _KEEP_TRIES))
            return session.scalar(more) is not None
