"""Grants for a department's own issues, receipts of deliveries, answers and quotas of verified persons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply the change."""
    op.add_column("grant", sa.Column("system", sa.Text(), nullable=True), schema="ledger")
    op.alter_column("grant", "division_code", nullable=True, schema="ledger")
    op.create_check_constraint(
        op.f("ck_grant_scope"), "grant", "(division_code IS NULL) <> (system IS NULL)", schema="ledger"
    )
    op.create_index(op.f("ix_grant_system"), "grant", ["system"], unique=False, schema="ledger")
    op.add_column("delivery", sa.Column("receipt", postgresql.JSONB(), nullable=True), schema="ledger")
    op.add_column("delivery", sa.Column("note", sa.Text(), server_default="", nullable=False), schema="ledger")
    op.create_table(
        "verify_answer",
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("question", name=op.f("pk_verify_answer")),
        schema="ledger",
    )
    op.create_index(op.f("ix_verify_answer_until"), "verify_answer", ["until"], unique=False, schema="ledger")
    op.create_table(
        "verify_try",
        sa.Column("tail", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tail", "day", name=op.f("pk_verify_try")),
        schema="ledger",
    )


def downgrade() -> None:
    """Take the change back; grants of departments end with it."""
    op.drop_table("verify_try", schema="ledger")
    op.drop_table("verify_answer", schema="ledger")
    op.drop_column("delivery", "note", schema="ledger")
    op.drop_column("delivery", "receipt", schema="ledger")
    op.execute('DELETE FROM ledger."grant" WHERE system IS NOT NULL')
    op.drop_constraint(op.f("ck_grant_scope"), "grant", schema="ledger")
    op.drop_column("grant", "system", schema="ledger")
    op.alter_column("grant", "division_code", nullable=False, schema="ledger")
