"""What the ledger knows of links: aliases of keys, events, pairs for people, and what two of them decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hub.errors import StopError
from hub.ledger.clock import now
from hub.ledger.models import KeyAliasRow, LinkDecisionRow, LinkEventRow, LinkReviewRow

__all__ = [
    "DIFFERENT",
    "SAME",
    "Alias",
    "LinkEvent",
    "Opinion",
    "Review",
    "Suggestion",
    "add_aliases",
    "add_events",
    "aliases_in_force",
    "decide",
    "drop_aliases",
    "events",
    "open_review",
    "queue",
    "reviews",
    "verdicts",
]

SAME, DIFFERENT = "same", "different"
"""What people can say of a pair."""

_OPINIONS = 2


@dataclass(frozen=True)
class Alias:
    """A key that stands for another.

    Attributes:
        alias: A key somebody would have.
        key: The key they have.
        reason: Why.
    """

    entity: str
    alias: str
    key: str
    reason: str


@dataclass(frozen=True)
class LinkEvent:
    """News of keys.

    Attributes:
        kind: `merge`: what bore `from_key` bears `to_key` from now on; `split`: some of `from_key` is `to_key` now.
    """

    number: int
    entity: str
    kind: str
    from_key: str
    to_key: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Suggestion:
    """A pair the model leaves to people.

    Attributes:
        left: Key of the row or person without a number.
        right: Key of whom it may be.
        probability: The model's.
        why: What agrees, joined by `+`.
    """

    entity: str
    left: str
    right: str
    probability: float | None
    why: str


@dataclass(frozen=True)
class Opinion:
    """What one person says of a pair."""

    actor: str
    verdict: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Review:
    """A pair in the queue.

    Attributes:
        state: `open`, `decided`, or `gone` where the rows no longer ask.
        verdict: What was decided: `same` or `different`.
        opinions: Who said what, the first one first.
    """

    number: int
    entity: str
    left: str
    right: str
    probability: float | None
    why: str
    state: str
    verdict: str | None
    opened_at: datetime
    decided_at: datetime | None
    opinions: tuple[Opinion, ...]


# Aliases.


def aliases_in_force(database: Engine) -> list[Alias]:
    """Every alias."""
    with Session(database) as session:
        rows = session.scalars(select(KeyAliasRow).order_by(KeyAliasRow.entity, KeyAliasRow.alias_key))
        return [Alias(row.entity, row.alias_key, row.hub_key, row.reason) for row in rows]


def add_aliases(database: Engine, aliases: Iterable[Alias]) -> None:
    """Keep aliases; one that is there already is replaced."""
    given = now()
    rows = [
        {"entity": one.entity, "alias_key": one.alias, "hub_key": one.key, "reason": one.reason, "given_at": given}
        for one in aliases
    ]
    if not rows:
        return
    statement = insert(KeyAliasRow)
    replaced = {name: statement.excluded[name] for name in ("hub_key", "reason", "given_at")}
    with Session(database) as session, session.begin():
        session.execute(statement.on_conflict_do_update(index_elements=["entity", "alias_key"], set_=replaced), rows)


def drop_aliases(database: Engine, aliases: Iterable[Alias]) -> None:
    """Forget aliases that people have decided against."""
    with Session(database) as session, session.begin():
        for one in aliases:
            session.execute(
                delete(KeyAliasRow).where(KeyAliasRow.entity == one.entity, KeyAliasRow.alias_key == one.alias)
            )


# Events.


def add_events(database: Engine, found: Iterable[tuple[str, str, str, str, str]]) -> None:
    """Record events: entity, kind, from key, to key, reason. One that is the newest of its two keys is not repeated."""
    with Session(database) as session, session.begin():
        for entity, kind, from_key, to_key, reason in found:
            pair = (LinkEventRow.from_key.in_((from_key, to_key)), LinkEventRow.to_key.in_((from_key, to_key)))
            newest = session.scalars(
                select(LinkEventRow).where(LinkEventRow.entity == entity, *pair).order_by(LinkEventRow.number.desc())
            ).first()
            if newest is None or (newest.kind, newest.from_key) != (kind, from_key):
                session.add(
                    LinkEventRow(entity=entity, kind=kind, from_key=from_key, to_key=to_key, reason=reason, at=now())
                )
                session.flush()


def events(database: Engine, since: int = 0) -> list[LinkEvent]:
    """Events with a higher number than `since`, the oldest first."""
    query = select(LinkEventRow).where(LinkEventRow.number > since).order_by(LinkEventRow.number)
    with Session(database) as session:
        return [
            LinkEvent(row.number, row.entity, row.kind, row.from_key, row.to_key, row.reason, row.at)
            for row in session.scalars(query)
        ]


# The queue of pairs for people.


def queue(database: Engine, entity: str, suggestions: Iterable[Suggestion]) -> None:
    """Make the open pairs of an entity those of a run: new ones are opened, those that no longer ask are `gone`.

    A pair that people have opened themselves, or said something of, stays.
    """
    wanted = {(one.left, one.right): one for one in suggestions}
    with Session(database) as session, session.begin():
        rows = list(session.scalars(select(LinkReviewRow).where(LinkReviewRow.entity == entity)))
        known = {(row.left_key, row.right_key): row for row in rows}
        spoken = set(session.scalars(select(LinkDecisionRow.review_number)))
        for pair, row in known.items():
            if row.state == "open" and pair not in wanted and row.number not in spoken:
                row.state = "gone"
        for pair, one in wanted.items():
            existing = known.get(pair)
            if existing is None:
                session.add(_row(one))
            elif existing.state != "decided":
                existing.state, existing.probability, existing.why = "open", one.probability, one.why


def _row(one: Suggestion) -> LinkReviewRow:
    return LinkReviewRow(
        entity=one.entity,
        left_key=one.left,
        right_key=one.right,
        probability=one.probability,
        why=one.why,
        state="open",
        opened_at=now(),
    )


def open_review(database: Engine, entity: str, left: str, right: str) -> int:
    """Put a pair that somebody has noticed into the queue and return its number; a decided one is opened again."""
    if left == right:
        raise StopError("a pair of keys", "one key twice", "two different keys", "look both up and ask again")
    with Session(database) as session, session.begin():
        same = (LinkReviewRow.left_key.in_((left, right)), LinkReviewRow.right_key.in_((left, right)))
        row = session.scalars(select(LinkReviewRow).where(LinkReviewRow.entity == entity, *same)).first()
        if row is None:
            row = _row(Suggestion(entity, left, right, None, "asked"))
            session.add(row)
        elif row.state == "decided":
            # What was decided holds until two people have said otherwise.
            session.execute(delete(LinkDecisionRow).where(LinkDecisionRow.review_number == row.number))
        row.state = "open"
        session.flush()
        return row.number


def decide(database: Engine, number: int, actor: str, verdict: str, reason: str) -> Review:
    """Say what a pair is; it is decided once two different people have said the same.

    Raises:
        StopError: No such open pair, no such verdict, no reason, or the same person for the second time.
    """
    if verdict not in (SAME, DIFFERENT) or not reason.strip():
        came = "no reason" if not reason.strip() else "another verdict"
        raise StopError(f"pair {number}", came, f"{SAME} or {DIFFERENT}, with a reason", "say both")
    with Session(database) as session, session.begin():
        row = session.get(LinkReviewRow, number, with_for_update=True)
        if row is None or row.state != "open":
            raise StopError(f"pair {number}", "it is not open", "a number of `hub link queue`", "look there")
        if session.get(LinkDecisionRow, (number, actor)) is not None:
            raise StopError(
                f"pair {number}", "you have decided it already", "a second, different person", "let somebody else look"
            )
        session.add(
            LinkDecisionRow(review_number=number, actor=actor, verdict=verdict, reason=reason.strip(), at=now())
        )
        session.flush()
        agreeing = select(func.count()).where(
            LinkDecisionRow.review_number == number, LinkDecisionRow.verdict == verdict
        )
        if (session.scalar(agreeing) or 0) >= _OPINIONS:
            row.state, row.verdict, row.decided_at = "decided", verdict, now()
    return next(one for one in reviews(database, state=None) if one.number == number)


def reviews(database: Engine, state: str | None = "open") -> list[Review]:
    """Pairs of the queue in a state, or all, by number."""
    query = select(LinkReviewRow).order_by(LinkReviewRow.number)
    query = query.where(LinkReviewRow.state == state) if state else query
    with Session(database) as session:
        rows = list(session.scalars(query))
        said: dict[int, list[Opinion]] = {}
        for one in session.scalars(select(LinkDecisionRow).order_by(LinkDecisionRow.at)):
            said.setdefault(one.review_number, []).append(Opinion(one.actor, one.verdict, one.reason, one.at))
        return [
            Review(
                row.number,
                row.entity,
                row.left_key,
                row.right_key,
                row.probability,
                row.why,
                row.state,
                row.verdict,
                row.opened_at,
                row.decided_at,
                tuple(said.get(row.number, ())),
            )
            for row in rows
        ]


def verdicts(database: Engine) -> dict[tuple[str, frozenset[str]], str]:
    """What two people have decided: entity and both keys -> `same` or `different`; it outranks the model."""
    decided = or_(LinkReviewRow.verdict == SAME, LinkReviewRow.verdict == DIFFERENT)
    with Session(database) as session:
        rows = session.scalars(select(LinkReviewRow).where(decided).order_by(LinkReviewRow.number))
        return {(row.entity, frozenset((row.left_key, row.right_key))): str(row.verdict) for row in rows}
