"""Tables of the schema `ledger`; Alembic's migrations in `hub/ledger/migrations` build them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    LargeBinary,
    MetaData,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = [
    "AuditRow",
    "BatchRow",
    "ChunkRow",
    "DeliveryRow",
    "GrantRow",
    "IssueRow",
    "KeyAliasRow",
    "LedgerBase",
    "LinkDecisionRow",
    "LinkEventRow",
    "LinkReviewRow",
    "NoticeRow",
    "ProductRow",
    "PullRow",
    "ReleaseRow",
    "VerifyAnswerRow",
    "VerifyTryRow",
]


class LedgerBase(DeclarativeBase):
    """All tables live in the schema `ledger`."""

    metadata = MetaData(
        schema="ledger",
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        },
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
    }


class PullRow(LedgerBase):
    """A pull that is expected, running or ended; the build waits while one is open."""

    __tablename__ = "pull"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    system: Mapped[str] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(index=True)
    requested_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")


class BatchRow(LedgerBase):
    """One delivery of one dataset and its counts: landed = accepted + quarantined + duplicate."""

    __tablename__ = "batch"
    id: Mapped[str] = mapped_column(primary_key=True)
    tail: Mapped[str] = mapped_column(index=True)
    offer: Mapped[str]
    mode: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    content_hash: Mapped[str | None] = mapped_column(index=True)
    landed: Mapped[int] = mapped_column(default=0)
    accepted: Mapped[int] = mapped_column(default=0)
    quarantined: Mapped[int] = mapped_column(default=0)
    duplicate: Mapped[int] = mapped_column(default=0)
    mark: Mapped[dict[str, Any] | None]
    pulled_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(default="")
    columns: Mapped[dict[str, Any] | None]


class ChunkRow(LedgerBase):
    """One part of a batch that is being pulled; what is done is not read again after a kill."""

    __tablename__ = "chunk"
    batch_id: Mapped[str] = mapped_column(ForeignKey("ledger.batch.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    spec: Mapped[dict[str, Any]]
    note: Mapped[dict[str, Any] | None]
    rows: Mapped[int] = mapped_column(default=0)
    sha256: Mapped[str | None]


class NoticeRow(LedgerBase):
    """A numbered notice to the owner of a dataset: its columns or codes are no longer those that were agreed."""

    __tablename__ = "notice"
    number: Mapped[int] = mapped_column(Identity(), primary_key=True)
    tail: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str]
    batch_id: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]


class IssueRow(LedgerBase):
    """How often a rule spoke in a batch; the cells themselves stay in the lake, beside the batch."""

    __tablename__ = "issue"
    batch_id: Mapped[str] = mapped_column(ForeignKey("ledger.batch.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(primary_key=True)
    column: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class ReleaseRow(LedgerBase):
    """A release: all base tables of one date, live together."""

    __tablename__ = "release"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    as_of_date: Mapped[date] = mapped_column(Date)
    released_at: Mapped[datetime]
    tables: Mapped[dict[str, Any]]
    state: Mapped[str]


class ProductRow(LedgerBase):
    """A version of a product, cut from one release."""

    __tablename__ = "product"
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    release_number: Mapped[int] = mapped_column(ForeignKey("ledger.release.number"), index=True)
    rows: Mapped[int]
    villages: Mapped[int]
    content_hash: Mapped[str]
    published_at: Mapped[datetime]


class DeliveryRow(LedgerBase):
    """What one receiver got, once for each change, and its receipt."""

    __tablename__ = "delivery"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    receiver_kind: Mapped[str] = mapped_column(index=True)
    receiver: Mapped[str] = mapped_column(index=True)
    release_number: Mapped[int] = mapped_column(index=True)
    content_hash: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    file: Mapped[str]
    file_sha256: Mapped[str]
    rows: Mapped[int]
    delivered_at: Mapped[datetime]
    receipted_at: Mapped[datetime | None]
    receipted_by: Mapped[str | None]
    receipt: Mapped[dict[str, Any] | None]
    note: Mapped[str] = mapped_column(default="", server_default="")


class GrantRow(LedgerBase):
    """Who may read which part, for what purpose, until when; the access code is kept as a salted hash.

    A grant is for a division, or for one department's own issues.
    """

    __tablename__ = "grant"
    __table_args__ = (CheckConstraint("(division_code IS NULL) <> (system IS NULL)", name="ck_grant_scope"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    operator: Mapped[str]
    division_code: Mapped[str | None] = mapped_column(index=True)
    system: Mapped[str | None] = mapped_column(index=True)
    products: Mapped[dict[str, Any]]
    purpose: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    is_demo: Mapped[bool] = mapped_column(Boolean, default=False)


class AuditRow(LedgerBase):
    """The append-only record of who read what; each row carries the hash of the one before."""

    __tablename__ = "audit"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    action: Mapped[str] = mapped_column(index=True)
    actor: Mapped[str]
    details: Mapped[dict[str, Any]]
    previous_hash: Mapped[str]
    hash: Mapped[str]


class KeyAliasRow(LedgerBase):
    """A hub key that stands for another one, since whoever bears it was known under that before."""

    __tablename__ = "key_alias"
    entity: Mapped[str] = mapped_column(primary_key=True)
    alias_key: Mapped[str] = mapped_column(primary_key=True)
    hub_key: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str]
    given_at: Mapped[datetime]


class LinkEventRow(LedgerBase):
    """Two hub keys became one, or one became two: news for everybody who keeps our keys."""

    __tablename__ = "link_event"
    number: Mapped[int] = mapped_column(Identity(), primary_key=True)
    entity: Mapped[str]
    kind: Mapped[str]
    from_key: Mapped[str]
    to_key: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class LinkReviewRow(LedgerBase):
    """A pair that the model leaves to people: the keys of both sides; what they say stays in the lake."""

    __tablename__ = "link_review"
    number: Mapped[int] = mapped_column(Identity(), primary_key=True)
    entity: Mapped[str]
    left_key: Mapped[str] = mapped_column(index=True)
    right_key: Mapped[str] = mapped_column(index=True)
    probability: Mapped[float | None]
    why: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    verdict: Mapped[str | None]
    opened_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]


class LinkDecisionRow(LedgerBase):
    """What one person says of a pair, and why; two different people must say the same."""

    __tablename__ = "link_decision"
    review_number: Mapped[int] = mapped_column(
        ForeignKey("ledger.link_review.number", ondelete="CASCADE"), primary_key=True
    )
    actor: Mapped[str] = mapped_column(primary_key=True)
    verdict: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class VerifyAnswerRow(LedgerBase):
    """What a department has answered of one person, until when it holds; both question and answer unreadable here."""

    __tablename__ = "verify_answer"
    question: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    until: Mapped[datetime] = mapped_column(index=True)


class VerifyTryRow(LedgerBase):
    """How many tries of a day's quota a service has had, over all processes."""

    __tablename__ = "verify_try"
    tail: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    tries: Mapped[int]
