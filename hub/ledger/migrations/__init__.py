"""Alembic's folder: one file in `versions/` for each change of the ledger or non-additive change of the base tables."""
