"""Alembic's entry: runs the migrations on the connection that `hub.ledger.migrate` hands over."""

from __future__ import annotations

from typing import Any

from alembic import context

from hub.ledger.models import LedgerBase


def _ours(_item: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    return not (kind == "table" and name == "alembic_version")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=LedgerBase.metadata,
    version_table_schema="ledger",
    include_schemas=True,
    include_name=lambda name, kind, _parents: kind != "schema" or name == "ledger",
    include_object=_ours,
)
context.run_migrations()
