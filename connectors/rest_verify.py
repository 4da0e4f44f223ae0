"""Verifying one person or unit a call: within the day's quota, and never twice while an answer is true."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from connectors.base import Request
from connectors.errors import RetryError
from connectors.http import Http
from connectors.rest_answers import at_path, malformed
from connectors.rest_calls import Caller
from connectors.rest_chunks import value_of
from connectors.rest_options import CHINA, Verify
from connectors.rows import as_text, missing_columns

__all__ = ["Verified", "VerifyStore", "verify_each"]


class VerifyStore(Protocol):
    """What must outlast a run: answers that are still true, and how much of the day's quota is used.

    A question is known by a keyed digest, so that the store holds no identifier it could be searched by; the answers
    are data of persons all the same.
    """

    def get(self, question: str, now: datetime) -> Mapping[str, Any] | None:
        """Return the answer kept for a question, None where there is none or its time is over."""

    def put(self, question: str, answer: Mapping[str, Any], until: datetime) -> None:
        """Keep an answer, JSON-able, until a time."""

    def used(self, day: date) -> int:
        """Return how many tries a day has had."""

    def spend(self, day: date, quota: int) -> bool:
        """Count one try, unless the day already has as many as the quota allows; several processes may ask at once."""


@dataclass(frozen=True)
class Verified:
    """One answer.

    Attributes:
        key: The asker's own name of the question.
        question: Keyed digest of what was asked, by which the store knows it.
        matched: Whether the department confirms what was asked.
        values: Each wanted field as text, null where the department gives none.
        asked: Whether the department was asked now; else the answer was kept from before.
    """

    key: str
    question: str
    matched: bool
    values: Mapping[str, str | None]
    asked: bool


def verify_each(
    caller: Caller,
    request: Request,
    options: Verify,
    questions: Iterable[tuple[str, Mapping[str, str]]],
    store: VerifyStore,
    secret: bytes,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[Verified]:
    """Verify a stream of questions, in order; nothing is asked before the stream is read.

    When the quota ends amid the stream, what was answered is kept: the same stream, given again on another day, goes on
    without asking anything twice.

    Args:
        caller: The connection.
        request: The dataset; its fields are wanted of each answer.
        options: How the service is called.
        questions: Key and parameters of each, as the department names them.
        store: Keeps answers and quota.
        secret: Keys the digest under which a question is kept. It must be ours alone: numbers are few enough to be
            tried one by one by whoever knows it.
        clock: Tells the time.

    Raises:
        RetryError: The quota of the day is used, or the service is away.
        StopError: The service refuses, or its verdict is a word the contract does not know.
        SetAsideError: `schema_drift`; an answer lacks a wanted field.
    """
    verifier = _Verifier(caller, request, options, store, clock)
    with Http(verifier.where) as http:
        for key, parameters in questions:
            question = _digest(request, parameters, secret)
            kept = store.get(question, clock())
            answer = verifier.ask(http, parameters) if kept is None else kept
            if kept is None:
                store.put(question, answer, clock() + timedelta(days=options.valid_days))
            values = {field: answer["values"].get(field) for field in request.fields}
            yield Verified(key, question, bool(answer["matched"]), values, kept is None)


class _Verifier:
    """Asks one question at a time."""

    def __init__(
        self, caller: Caller, request: Request, options: Verify, store: VerifyStore, clock: Callable[[], datetime]
    ) -> None:
        self._caller, self._request, self._options = caller, request, options
        self._store, self._clock = store, clock
        self.where = f"{request.tail}, {options.title}"

    def ask(self, http: Http, parameters: Mapping[str, str]) -> dict[str, Any]:
        answer = self._caller.call(http, self._options, parameters, before_try=self._spend).body
        verdict = as_text(_scalar(at_path(answer, self._options.matched)))
        matched = verdict in self._options.matched_words
        if not matched and verdict not in self._options.unmatched_words:
            raise malformed(self.where, "a verdict that is neither in `matched_words` nor in `unmatched_words`")
        return {"matched": matched, "values": self._values(answer) if matched else {}}

    def _values(self, answer: Any) -> dict[str, str | None]:
        found = at_path(answer, self._options.answer)
        if self._request.fields and not isinstance(found, Mapping):
            raise malformed(self.where, f"no object at {self._options.answer or 'the top'!r}")
        names = {field: self._request.names_of(field) for field in self._request.fields}
        missing = [field for field, several in names.items() if not any(name in found for name in several)]
        missing_columns(self.where, missing, self._request)
        return {field: as_text(value_of(found, several)) for field, several in names.items()}

    def _spend(self) -> None:
        day = self._clock().astimezone(CHINA).date()
        if not self._store.spend(day, self._options.quota_a_day):
            raise RetryError(
                self.where,
                f"{self._store.used(day)} tries on {day.isoformat()}",
                f"{self._options.quota_a_day} a day",
                "run again on another day; what was answered is kept",
            )


def _scalar(value: Any) -> str | bool | None:
    return value if isinstance(value, str | bool) else None


def _digest(request: Request, parameters: Mapping[str, str], secret: bytes) -> str:
    # An answer kept for fewer fields would give the others as null.
    text = json.dumps([request.tail, request.fields, sorted(parameters.items())], ensure_ascii=False)
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
