"""The ledger's first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
        schema="ledger",
    )
    op.create_index(op.f("ix_audit_action"), "audit", ["action"], unique=False, schema="ledger")
    op.create_table(
        "batch",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tail", sa.Text(), nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=True),
        sa.Column("landed", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), nullable=False),
        sa.Column("mark", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("pulled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        schema="ledger",
    )
    op.create_index(op.f("ix_batch_content_hash"), "batch", ["content_hash"], unique=False, schema="ledger")
    op.create_index(op.f("ix_batch_state"), "batch", ["state"], unique=False, schema="ledger")
    op.create_index(op.f("ix_batch_tail"), "batch", ["tail"], unique=False, schema="ledger")
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("receiver_kind", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("release_number", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("receipted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("receipted_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        schema="ledger",
    )
    op.create_index(op.f("ix_delivery_receiver"), "delivery", ["receiver"], unique=False, schema="ledger")
    op.create_index(op.f("ix_delivery_receiver_kind"), "delivery", ["receiver_kind"], unique=False, schema="ledger")
    op.create_index(op.f("ix_delivery_release_number"), "delivery", ["release_number"], unique=False, schema="ledger")
    op.create_index(op.f("ix_delivery_state"), "delivery", ["state"], unique=False, schema="ledger")
    op.create_table(
        "grant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("division_code", sa.Text(), nullable=False),
        sa.Column("products", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("is_demo", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant")),
        schema="ledger",
    )
    op.create_index(op.f("ix_grant_division_code"), "grant", ["division_code"], unique=False, schema="ledger")
    op.create_table(
        "pull",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pull")),
        schema="ledger",
    )
    op.create_index(op.f("ix_pull_state"), "pull", ["state"], unique=False, schema="ledger")
    op.create_index(op.f("ix_pull_system"), "pull", ["system"], unique=False, schema="ledger")
    op.create_table(
        "release",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("as_of_date", sa.Date(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tables", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_release")),
        schema="ledger",
    )
    op.create_table(
        "issue",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["ledger.batch.id"], name=op.f("fk_issue_batch_id_batch"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", "step", "rule", "column", "outcome", name=op.f("pk_issue")),
        schema="ledger",
    )
    op.create_table(
        "product",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("release_number", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("villages", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_number"], ["ledger.release.number"], name=op.f("fk_product_release_number_release")
        ),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_product")),
        schema="ledger",
    )
    op.create_index(op.f("ix_product_release_number"), "product", ["release_number"], unique=False, schema="ledger")


def downgrade() -> None:
    """Take the change back."""
    op.drop_index(op.f("ix_product_release_number"), table_name="product", schema="ledger")
    op.drop_table("product", schema="ledger")
    op.drop_table("issue", schema="ledger")
    op.drop_table("release", schema="ledger")
    op.drop_index(op.f("ix_pull_system"), table_name="pull", schema="ledger")
    op.drop_index(op.f("ix_pull_state"), table_name="pull", schema="ledger")
    op.drop_table("pull", schema="ledger")
    op.drop_index(op.f("ix_grant_division_code"), table_name="grant", schema="ledger")
    op.drop_table("grant", schema="ledger")
    op.drop_index(op.f("ix_delivery_state"), table_name="delivery", schema="ledger")
    op.drop_index(op.f("ix_delivery_release_number"), table_name="delivery", schema="ledger")
    op.drop_index(op.f("ix_delivery_receiver_kind"), table_name="delivery", schema="ledger")
    op.drop_index(op.f("ix_delivery_receiver"), table_name="delivery", schema="ledger")
    op.drop_table("delivery", schema="ledger")
    op.drop_index(op.f("ix_batch_tail"), table_name="batch", schema="ledger")
    op.drop_index(op.f("ix_batch_state"), table_name="batch", schema="ledger")
    op.drop_index(op.f("ix_batch_content_hash"), table_name="batch", schema="ledger")
    op.drop_table("batch", schema="ledger")
    op.drop_index(op.f("ix_audit_action"), table_name="audit", schema="ledger")
    op.drop_table("audit", schema="ledger")
