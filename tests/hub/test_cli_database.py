"""Commands about the database, called as at a terminal: a password shown once, a list, a drop, a dictionary."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer
from typer.testing import CliRunner

from hub import cli_database
from hub.context import Hub
from hub.contracts import load_contracts
from hub.governance import align
from hub.row_security import list_roles
from tests.hub.mini import MAZHUANG, opened


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    cli_database.add_database_commands(made)
    return made


@pytest.fixture
def hub(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with empty tables that the commands open."""
    with opened(tmp_path, database_url) as made:
        with made.database.begin() as connection:
            align(connection, made.contracts.base, made.contracts)

        @contextmanager
        def given() -> Iterator[Hub]:
            yield made

        monkeypatch.setattr(cli_database, "opened", given)
        yield made


def called(app: typer.Typer, *words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.integration
def test_a_role_is_made_listed_and_dropped(app: typer.Typer, hub: Hub) -> None:
    name = f"dept_{uuid.uuid4().hex[:12]}"
    asked = ["--department", "教育局", "--division", MAZHUANG, "--columns", "person, person.phone", "--purpose", "学位"]
    told = called(app, "database", "role", "create", name, *asked)
    password = told.rpartition("once): ")[2].strip()
    assert len(password) >= 24
    listed = called(app, "database", "role", "list")
    assert name in listed
    assert "教育局" in listed
    assert password not in listed
    [role] = json.loads(called(app, "database", "role", "list", "--json"))
    assert role["columns"]["person"].count("phone") == 1
    assert role["division"] == MAZHUANG
    assert called(app, "database", "role", "drop", name) == f"role {name} is dropped\n"
    assert list_roles(hub) == []


@pytest.mark.integration
def test_a_program_gets_the_password_as_json(app: typer.Typer, hub: Hub) -> None:
    name = f"dept_{uuid.uuid4().hex[:12]}"
    asked = [
        "--department",
        "街道",
        "--division",
        MAZHUANG,
        "--products",
        "village_summary,village_care_list",
        "--json",
    ]
    made: dict[str, Any] = json.loads(called(app, "database", "role", "create", name, *asked))
    try:
        assert made["products"] == ["village_summary", "village_care_list"]
        with hub.database.connect() as connection:
            query = "SELECT count(*) FROM pg_views WHERE schemaname = :name"
            assert connection.scalar(sa.text(query), {"name": name}) == 2
        assert len(made["password"]) >= 24
    finally:
        called(app, "database", "role", "drop", name)


def test_the_dictionary_is_written(app: typer.Typer, tmp_path: Path) -> None:
    told = called(app, "dictionary", "--output", str(tmp_path / "d"))
    assert f"{sum(1 for path in (tmp_path / 'd').rglob('*') if path.is_file())} files" in told.replace("\n", "")
    assert (tmp_path / "d" / "base" / "person.md").is_file()
    assert len(load_contracts().base) == len(list((tmp_path / "d" / "base").glob("*.md")))
