"""Chunks of a pull, notices of drift, and the columns each delivery had."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply the change."""
    op.add_column("batch", sa.Column("columns", postgresql.JSONB(), nullable=True), schema="ledger")
    op.create_table(
        "chunk",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("note", postgresql.JSONB(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["ledger.batch.id"], name=op.f("fk_chunk_batch_id_batch"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", "number", name=op.f("pk_chunk")),
        schema="ledger",
    )
    op.create_table(
        "notice",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tail", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_notice")),
        schema="ledger",
    )
    op.create_index(op.f("ix_notice_tail"), "notice", ["tail"], unique=False, schema="ledger")


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("notice", schema="ledger")
    op.drop_table("chunk", schema="ledger")
    op.drop_column("batch", "columns", schema="ledger")
