"""Keys that stand for others, events of links, the queue of pairs for people and what they decide."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "key_alias",
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("alias_key", sa.Text(), nullable=False),
        sa.Column("hub_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("entity", "alias_key", name=op.f("pk_key_alias")),
        schema="ledger",
    )
    op.create_index(op.f("ix_key_alias_hub_key"), "key_alias", ["hub_key"], unique=False, schema="ledger")
    op.create_table(
        "link_event",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_key", sa.Text(), nullable=False),
        sa.Column("to_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_link_event")),
        schema="ledger",
    )
    op.create_table(
        "link_review",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("left_key", sa.Text(), nullable=False),
        sa.Column("right_key", sa.Text(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_link_review")),
        schema="ledger",
    )
    for column in ("left_key", "right_key", "state"):
        op.create_index(op.f(f"ix_link_review_{column}"), "link_review", [column], unique=False, schema="ledger")
    op.create_table(
        "link_decision",
        sa.Column("review_number", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["review_number"],
            ["ledger.link_review.number"],
            name=op.f("fk_link_decision_review_number_link_review"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("review_number", "actor", name=op.f("pk_link_decision")),
        schema="ledger",
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("link_decision", schema="ledger")
    op.drop_table("link_review", schema="ledger")
    op.drop_table("link_event", schema="ledger")
    op.drop_table("key_alias", schema="ledger")
