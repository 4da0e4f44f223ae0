"""Grants for a department's program at the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from hub import cli
from hub.context import Hub
from hub.exchange.grants_system import grant_of_code
from tests.hub.mini import MAZHUANG, opened

pytestmark = pytest.mark.integration
ASKED = ("grant", "create", "--operator", "死因监测系统", "--holder", "信息统计科", "--purpose", "数据更正")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    with opened(tmp_path_factory.mktemp("cli"), module_database_url) as opened_hub:
        yield opened_hub


@pytest.fixture(autouse=True)
def _opened(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def this() -> Iterator[Hub]:
        yield hub

    monkeypatch.setattr(cli, "opened", this)


def call(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli.app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def called_json(*arguments: str) -> Any:
    return json.loads(call(*arguments, "--json").stdout)


def test_a_departments_grant_is_made_listed_and_ended(hub: Hub) -> None:
    made = called_json(*ASKED, "--system", "health_commission", "--days", "30")
    grant = grant_of_code(hub, made["code"])
    assert grant is not None
    assert (grant.id, grant.system, grant.operator) == (made["id"], "health_commission", "死因监测系统")
    village = called_json(*ASKED, "--division", MAZHUANG)
    listed = {one["id"]: one for one in called_json("grant", "list")}
    assert listed[made["id"]]["system"] == "health_commission"
    assert listed[village["id"]]["division_code"] == MAZHUANG
    shown = call("grant", "list").stdout
    assert made["id"] in shown
    assert "health_commission" in shown
    call("grant", "revoke", made["id"])
    assert grant_of_code(hub, made["code"]) is None
    assert "access code (shown this once): " in call(*ASKED, "--system", "civil_affairs").stdout


@pytest.mark.parametrize(
    "scope",
    [
        (),
        ("--system", "health_commission", "--division", MAZHUANG),
        ("--system", "health_commission", "--product", "village_summary"),
    ],
)
def test_a_grant_has_one_scope(scope: tuple[str, ...]) -> None:
    assert "--system" in call(*ASKED, *scope, code=2).output
