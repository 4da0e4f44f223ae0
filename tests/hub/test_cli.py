"""The `hub` command: helps, shapes that programs read, exit codes that schedulers read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer
from click.testing import Result
from typer.testing import CliRunner

from hub import cli, cli_walk
from hub.context import Hub, open_hub
from hub.errors import ConfigurationError, RetryError, ScopeError, SetAsideError, StopError
from hub.ledger.notices import open_notice
from hub.settings import ROOT
from hub.walk import FORWARD, Backfill, Event
from tests.hub.drops import DEATH, Drops, death
from tests.hub.mini import MAZHUANG, fill

COMMANDS = {name for command in cli.app.registered_commands if (name := command.name)}


def call(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli.app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def called_json(*arguments: str) -> Any:
    return json.loads(call(*arguments, "--json").stdout)


class TestHelp:
    def test_all_promised_commands_are_there(self) -> None:
        promised = {"run", "status", "extract", "issues", "verify", "serve", "new", "show"}
        assert promised <= COMMANDS
        shown = call("--help").stdout
        assert [name for name in (*COMMANDS, "grant") if name not in shown] == []

    @pytest.mark.parametrize("command", [*sorted(COMMANDS), "grant", "grant create", "grant list", "grant revoke"])
    def test_each_explains_itself(self, command: str) -> None:
        shown = call(*command.split(), "--help").stdout
        assert f"hub {command}" in shown.replace("root ", "hub ")
        assert len(shown.split()) > 10

    def test_every_option_is_explained(self) -> None:
        group = typer.main.get_command(cli.app)
        commands = [*group.commands.values(), *group.commands["grant"].commands.values()]  # type: ignore[attr-defined]
        bare = [
            f"{command.name} {parameter.name}"
            for command in commands
            for parameter in command.params
            if not getattr(parameter, "help", None)
        ]
        assert bare == []

    def test_alone_it_shows_its_help(self) -> None:
        assert "Usage" in CliRunner().invoke(cli.app, []).output

    def test_a_program_may_read_every_answer(self) -> None:
        group = typer.main.get_command(cli.app)
        commands = {**group.commands, **group.commands["grant"].commands}  # type: ignore[attr-defined]
        speaking = {name for name, command in commands.items() if any("--json" in p.opts for p in command.params)}
        assert {"run", "status", "extract", "issues", "show", "verify", "create", "list"} <= speaking

    def test_it_starts_without_heavy_libraries(self) -> None:
        heavy = "{'great_expectations', 'airflow', 'uvicorn', 'fastapi'}"
        script = f"import sys, hub.cli; print({heavy} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout == "set()\n"


class TestExitCodes:
    @pytest.mark.parametrize(
        ("error", "code", "word"),
        [
            (RetryError("w", "c", "a", "d"), 75, "retry later: w: c. Allowed: a. Do: d."),
            (StopError("w", "c", "a", "d"), 1, "stopped: w: c. Allowed: a. Do: d."),
            (SetAsideError("w", "c", "a", "d"), 1, "stopped: w: c"),
            (ScopeError("w", "c", "a", "d"), 1, "stopped: w: c"),
            (ConfigurationError(["HUB_X: wrong"]), 1, "HUB_X: wrong"),
        ],
    )
    def test_an_error_is_one_line_and_its_group_is_the_exit_code(
        self, error: Exception, code: int, word: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def command() -> None:
            raise error

        assert cli._exit_code(command) == code
        shown = capsys.readouterr()
        assert word in shown.err
        assert len(shown.err.splitlines()) == 1
        assert shown.out == ""

    def test_done_is_0_and_a_bug_is_no_exit_code(self) -> None:
        assert cli._exit_code(lambda: None) == 0
        with pytest.raises(ZeroDivisionError):
            cli._exit_code(lambda: 1 // 0)

    def test_main_ends_the_process_with_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["hub", "status"])
        monkeypatch.setenv("HUB_THREADS", "none")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 1

    def test_it_calls_itself_hub_however_it_is_started(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["__main__.py", "--help"])
        with pytest.raises(SystemExit):
            cli.main()
        assert "Usage: hub " in capsys.readouterr().out

    @pytest.mark.parametrize(("engine", "word"), [("spark", "'spark', which is left out for now"), ("x", "'x'. All")])
    def test_another_engine_is_refused_with_the_decision(self, engine: str, word: str) -> None:
        with pytest.raises(StopError, match=word) as caught:
            call("run", "--engine", engine)
        decision = caught.value.allowed.split()[1]
        assert (ROOT / decision).is_file()

    def test_a_wrong_option_is_2(self) -> None:
        assert "No such option" in call("status", "--jason", code=2).output


class TestNew:
    def test_an_unknown_department_is_told_the_known_ones(self) -> None:
        with pytest.raises(StopError, match=r"a department of civil_affairs, .*add its system first"):
            call("new", "police/officer")

    def test_a_dataset_that_exists_is_left_alone(self) -> None:
        before = (ROOT / "schemas/sources/civil_affairs/elderly_allowance.yml").read_bytes()
        with pytest.raises(StopError, match="already there"):
            call("new", "civil_affairs/elderly_allowance")
        assert (ROOT / "schemas/sources/civil_affairs/elderly_allowance.yml").read_bytes() == before

    def test_it_says_what_it_wrote(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        contracts = replace(cli.load_contracts(), root=tmp_path)
        monkeypatch.setattr(cli, "load_contracts", lambda: contracts)
        shown = call("new", "civil_affairs/orphan").stdout
        assert "wrote schemas/sources/civil_affairs/orphan.yml" in shown
        assert (tmp_path / "schemas/sources/civil_affairs/orphan.yml").is_file()


def test_check_config_counts_what_is_well() -> None:
    assert "6 systems, 18 datasets, 13 base tables, 8 products" in call("check-config").stdout


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    """The miniature hub, where the command's own environment says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUB_DATA_DIR", str(tmp_path_factory.mktemp("cli") / "lake"))
        patch.setenv("HUB_DATABASE_URL", module_database_url)
        patch.setenv("HUB_AS_OF", "2026-11-01")
        with open_hub() as opened_hub:
            fill(opened_hub)
            yield opened_hub


@pytest.mark.integration
class TestOnAHub:
    def test_status_has_the_promised_shape(self, hub: Hub) -> None:
        found = called_json("status")
        assert {"release", "batches", "products", "deliveries"} <= set(found)
        assert set(found["deliveries"]) == {"due", "sent", "receipted", "failed"}
        promised = {"system", "dataset", "batch", "landed", "accepted", "quarantined", "duplicate"}
        assert len(found["batches"]) == 8
        for batch in found["batches"]:
            assert promised <= set(batch)
            assert batch["landed"] == batch["accepted"] + batch["quarantined"] + batch["duplicate"]

    def test_status_for_people_adds_up_each_dataset_and_names_what_is_set_aside(self, hub: Hub) -> None:
        batch = hub.ledger.new_batch("health_commission/death", "WJ_SWZM_20261102.csv", "increment")
        hub.ledger.save_batch(replace(batch, state="withheld", note="drop_incomplete: …"))
        shown = call("status").stdout
        hub.ledger.drop_batch(batch)
        (line,) = (line for line in shown.splitlines() if "registered_resident" in line)
        assert [cell.strip() for cell in line.split("│")[2:6]] == ["4", "4", "0", "0"]
        assert "WJ_SWZM_20261102.csv" in shown
        assert "推送 Deliveries: 0 due, 0 sent, 0 receipted, 0 failed" in shown

    def test_run_walks_the_named_departments_and_prints_one_object(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[Any] = []

        def run(_hub: Hub, systems: list[str] | None, notify: Any, _backfill: Any) -> None:
            asked.append(systems)
            notify(Event("pull", "civil_affairs/x", 3, 0.1))

        monkeypatch.setattr(cli_walk, "run", run)
        assert set(called_json("run", "--system", "civil_affairs", "--system", "health_commission")) == set(
            called_json("status")
        )
        quiet = call("run", "--engine", "duckdb")
        assert asked == [["civil_affairs", "health_commission"], None]
        assert "1 pull 归集" in quiet.stderr
        assert "1 pull" not in quiet.stdout

    def test_run_may_begin_elsewhere(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Backfill] = []
        monkeypatch.setattr(cli_walk, "run", lambda _hub, _systems, _notify, how: asked.append(how))
        call("run", "--since", "2026-10-01", "--replay", "--accept-deletions")
        call("run")
        since = datetime(2026, 10, 1)  # noqa: DTZ001 - China's time, as departments write it
        assert asked == [Backfill(since, accept_deletions=True, replay=True), FORWARD]

    def test_notices_are_shown_and_closed(self, hub: Hub) -> None:
        batch = hub.ledger.batches("public_security/registered_resident")[0]
        number = open_notice(hub.database, batch, "column_new", "xin", "新增列“xin” / new column")
        (told,) = called_json("notices", "--system", "public_security")
        assert (told["number"], told["subject"], told["batch"]) == (number, "xin", batch.id)
        assert "xin" in call("notices").stdout
        assert called_json("notices", "--close", str(number)) == []
        (closed,) = called_json("notices", "--all")
        assert closed["closed_by"].startswith("cli:")

    def test_a_sample_shows_shapes_and_stores_nothing(
        self, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drops = Drops(tmp_path)
        drops.deaths("20261101", death())
        monkeypatch.setenv("HUB_ENV_FILE", str(drops.env_file))
        before = hub.ledger.batches()
        found = called_json("pull", "--sample", "5", DEATH)
        assert (found["rows"], found["columns"][0]["source"]) == (1, "身份证件号码")
        shown = call("pull", DEATH).stdout
        assert "99999999" in shown
        assert hub.ledger.batches() == before

    def test_grants_are_made_listed_and_ended(self, hub: Hub) -> None:
        asked = ["--division", MAZHUANG, "--operator", "马庄", "--holder", "潘安湖街道", "--purpose", "走访"]
        made = called_json("grant", "create", *asked, "--days", "30", "--product", "village_summary")
        assert set(made) == {"id", "operator", "code", "expires_at"}
        (listed,) = called_json("grant", "list")
        assert (listed["id"], listed["products"], listed["revoked_at"]) == (made["id"], ["village_summary"], None)
        assert made["code"] not in json.dumps(listed)
        assert made["id"] in call("grant", "list").stdout
        assert "is revoked" in call("grant", "revoke", made["id"]).stdout
        assert called_json("grant", "list")[0]["revoked_at"]
        with pytest.raises(ScopeError):
            call("grant", "revoke", "none")
        assert "access code (shown this once): " in call("grant", "create", *asked).stdout

    def test_issues_are_counted_or_exported(self, hub: Hub, tmp_path: Path) -> None:
        (batch,) = hub.ledger.batches("health_commission/death")
        hub.ledger.record_issues(batch, "conform", [("id_date", "id_number", "refused", 1)])
        (issue,) = called_json("issues")
        assert (issue["tail"], issue["rule"], issue["count"]) == ("health_commission/death", "id_date", 1)
        assert called_json("issues", "--system", "civil_affairs") == []
        assert "id_date" in call("issues").stdout
        path = tmp_path / "x.csv"
        assert "0 cells" in call("issues", "--system", "market_regulation", "--export", str(path)).stdout
        assert path.is_file()
        exported = called_json("issues", "--system", "market_regulation", "--export", str(path))
        assert exported == {"file": str(path), "rows": 0}

    @pytest.mark.parametrize(
        "command", [["issues"], ["issues", "--json"], ["issues", "--import", "x.json"], ["notices"]]
    )
    def test_a_department_nobody_knows_is_refused(self, hub: Hub, command: list[str]) -> None:
        with pytest.raises(ConfigurationError, match="'nope' is unknown; known: civil_affairs"):
            call(*command, "--system", "nope")

    def test_a_form_goes_out_and_comes_back(self, hub: Hub, tmp_path: Path) -> None:
        path = tmp_path / "form.json"
        assert "0 rows" in call("issues", "--system", "market_regulation", "--export", str(path)).stdout
        assert called_json("issues", "--import", str(path)) == []
        assert "更正 Corrections" in call("issues", "--import", str(path)).stdout
        with pytest.raises(StopError, match="no department is named"):
            call("issues", "--export", str(path))
        together = call("issues", "--export", str(path), "--import", str(path), code=2)
        assert "each stand alone" in together.output

    def test_a_held_batch_is_shown_and_released(self, hub: Hub) -> None:
        (batch,) = hub.ledger.batches("health_commission/death")
        hub.ledger.save_batch(replace(batch, state="held", note="volume_trend: …"))
        assert called_json("status")["held"][0]["batch"] == batch.id
        assert batch.id in call("status").stdout
        assert called_json("issues", "--release", batch.id) == {"batch": batch.id, "state": "checked"}
        hub.ledger.save_batch(replace(batch, state="held"))
        assert "is released" in call("issues", "--release", batch.id).stdout
        assert called_json("status")["held"] == []
        hub.ledger.save_batch(batch)

    def test_scorecards_are_written(self, hub: Hub, tmp_path: Path) -> None:
        asked = ["scorecard", "--month", "2020-01", "--output", str(tmp_path), "--system", "market_regulation"]
        assert [Path(name).suffix for name in called_json(*asked)] == [".html", ".json"]
        assert "market_regulation_2020-01.html" in call(*asked).stdout

    def test_data_docs_are_built(self, hub: Hub) -> None:
        assert called_json("data-docs")["pages"] == 0
        assert "0 new pages" in call("data-docs", "--keep", "3").stdout

    def test_show_names_files_columns_and_batches(self, hub: Hub) -> None:
        shown = call("show", "health_commission/death").stdout
        for word in ("死亡医学证明", "pull__health_commission", "schemas/sources/health_commission/death.yml", "1-raw"):
            assert word in shown
        assert called_json("show", "base/person")["tail"] == "base/person"

    def test_extract_takes_the_format_from_the_file_and_writes_nothing_it_may_not(
        self, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[tuple[Any, ...]] = []
        monkeypatch.setattr(cli, "extract", lambda hub, *what, **told: asked.append((*what, told["purpose"])) or 3)
        path = tmp_path / "x.xlsx"
        found = called_json("extract", "village_summary", "--division", MAZHUANG, "--output", str(path))
        assert (found["rows"], found["format"], found["file"]) == (3, "xlsx", str(path))
        shown = call(
            "extract", "village_summary", "--division", MAZHUANG, "--output", str(path), "--format", "csv",
            "--purpose", "走访",
        ).stdout  # fmt: skip
        assert "3 rows of village_summary" in " ".join(shown.split())
        assert asked == [
            ("village_summary", MAZHUANG, "xlsx", path, ""),
            ("village_summary", MAZHUANG, "csv", path, "走访"),
        ]

    def test_verify_is_1_on_any_break(self, hub: Hub) -> None:
        assert called_json("verify")["faults"] == []
        assert "batches: 8 checked" in call("verify").stdout
        hub.ledger.audit("test", "test", {})
        with hub.database.begin() as connection:
            connection.execute(sa.text("UPDATE ledger.audit SET actor = 'nobody'"))
        shown = call("verify", "--json", code=1).stdout
        assert len(json.loads(shown)["faults"]) == 1
        assert "broken audit record" in call("verify", code=1).stdout
        with hub.database.begin() as connection:
            connection.execute(sa.text("TRUNCATE ledger.audit"))

    def test_serve_listens_where_it_is_told_and_names_no_server(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import uvicorn

        served: dict[str, Any] = {}
        monkeypatch.setattr(uvicorn, "run", lambda app, **options: served.update(options, app=app))
        call("serve", "--port", "8099")
        assert (served["host"], served["port"], served["server_header"]) == ("127.0.0.1", 8099, False)
        assert served["app"] is not None
