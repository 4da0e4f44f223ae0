"""Brings the ledger to the newest shape by Alembic's written migrations."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

__all__ = ["alembic_config", "migrate"]


def alembic_config() -> Config:
    """Alembic's configuration for the ledger, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def migrate(database: Engine) -> None:
    """Apply the migrations that are missing; processes that come at once wait for each other."""
    with database.connect() as connection, connection.begin():
        connection.execute(text("select pg_advisory_xact_lock(hashtext('community-data-hub migrate'))"))
        connection.execute(text("create schema if not exists ledger"))
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
