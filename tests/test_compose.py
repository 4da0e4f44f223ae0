"""The production shape cannot be run in a test; everything it names must at least exist, and be wired together."""

from __future__ import annotations

import copy
import importlib.resources
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
import yaml

from hub.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = (ROOT / "docker-compose.yml").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
SYSTEMS = [yaml.safe_load(path.read_text("utf-8")) for path in sorted((ROOT / "connectors/systems").glob("*.yml"))]
OWN_IMAGE = "community-data-hub"

ONCE = {"airflow-init", "sample-walk"}
DEMO_ONLY = {"HUB_PORTAL_PORT", "HUB_AIRFLOW_PORT"}

ASK_AIRFLOW = """
import json, sys, yaml, pathlib, warnings
warnings.simplefilter("ignore")
import airflow
from airflow.cli.cli_parser import get_parser
from airflow.providers.celery.get_provider_info import get_provider_info
for command in json.loads(sys.argv[1]):
    get_parser().parse_args(command)
core = yaml.safe_load((pathlib.Path(airflow.__file__).parent / "config_templates/config.yml").read_text())
known = {}
for sections in (core, get_provider_info()["config"]):
    for section, content in sections.items():
        for option, facts in content["options"].items():
            known[f"AIRFLOW__{section}__{option}".upper()] = bool((facts or {}).get("sensitive"))
print(json.dumps(known))
"""


ASK_CELERY = """
import sys
from celery.app.utils import find_app
from celery.bin.control import inspect
app = find_app(sys.argv[1])
given = {option for parameter in inspect.params for option in parameter.opts}
from celery.worker.control import Panel
print(type(app).__name__, sys.argv[3] in Panel.meta and sys.argv[4] in given)
"""
ASK_SIGN_IN = """
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
print(*(user.username for user in SimpleAuthManager.get_users()), SimpleAuthManager.get_generated_password_file())
"""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(compose["services"])


def own(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services.items() if service["image"].startswith(OWN_IMAGE)}


def words(service: dict[str, Any]) -> list[list[str]]:
    """A service's commands, word by word; a shell line may hold several."""
    if service.get("entrypoint", [])[-1:] == ["-c"]:
        parts = re.split(r"\|\||;|&&", service["command"][0])
        return [[word for word in part.split() if word != "exec"] for part in parts]
    return [service["command"]]


def option_names(app: Any, command: str) -> set[str]:
    return {option for parameter in typer.main.get_command(app).commands[command].params for option in parameter.opts}


def schema() -> Any:
    """The Compose Specification's own schema, as check-jsonschema brings it along."""
    path = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    return json.loads(path.read_text("utf-8"))


def test_it_is_valid_by_the_compose_specification(compose: dict[str, Any]) -> None:
    validator = jsonschema.validators.validator_for(schema())(schema())
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose)] == []
    for break_it in (
        lambda one: one["services"]["redis"].update(comand=["x"]),
        lambda one: one["services"]["redis"].update(restart=1),
        lambda one: one["services"]["airflow-worker"]["depends_on"]["redis"].update(condition="healthy"),
        lambda one: one["services"]["hub-portal"]["healthcheck"].update(retry=3),
    ):
        broken = copy.deepcopy(compose)
        break_it(broken)
        assert not validator.is_valid(broken)


def test_services_wait_for_each_other_only_in_ways_that_can_come_true(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in services[other], (name, other)
            # A service of every start may not wait for one of the demo alone.
            assert set(services[other].get("profiles", [])) <= set(service.get("profiles", [])), (name, other)


def test_every_lasting_service_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    assert {name for name, service in services.items() if "healthcheck" not in service} == ONCE
    assert {name for name, service in services.items() if service.get("restart") == "no"} == ONCE


def test_volumes_secrets_and_configs_are_declared_and_used(compose: dict[str, Any]) -> None:
    used: dict[str, set[str]] = {"volumes": set(), "secrets": set(), "configs": set()}
    for service in compose["services"].values():
        named = [volume for volume in service.get("volumes", []) if isinstance(volume, str)]
        used["volumes"] |= {volume.partition(":")[0] for volume in named}
        used["secrets"] |= set(service.get("secrets", []))
        used["configs"] |= {config["source"] for config in service.get("configs", [])}
    for kind, names in used.items():
        assert names == set(compose[kind]), kind
    head = COMPOSE.partition("name: ")[0]
    for name, secret in compose["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert name in head, "the head says how to make each secret"


def test_a_secret_file_is_read_only_where_it_is_given(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        read = set(re.findall(r"/run/secrets/(\w+)", json.dumps(service)))
        assert read <= set(service.get("secrets", [])), name


def test_workers_get_the_secrets_of_every_department(services: dict[str, dict[str, Any]]) -> None:
    named = {one["secret"] for system in SYSTEMS for one in system["connections"].values() if "secret" in one}
    assert named
    assert named <= set(services["airflow-worker"]["secrets"])


def test_no_secret_stands_in_the_file(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|CONN|BROKER|RESULT_BACKEND", variable):
                assert variable.endswith(("_CMD", "_FILE", "_DIR")), (name, variable)
                assert "/run/secrets" in value, (name, variable)


def test_the_parts_of_airflow_and_the_hub_are_all_there(services: dict[str, dict[str, Any]]) -> None:
    commands = {" ".join(service["command"][:3]) for service in own(services).values()}
    wanted = {"api-server", "scheduler", "dag-processor", "triggerer", "celery worker", "db migrate"}
    assert {f"airflow {part}" for part in wanted} <= commands
    assert any(command.startswith("hub serve") for command in commands)
    assert {"postgres", "redis"} <= set(services)
    assert services["postgres"]["image"].startswith("postgis/")
    demo = {name for name, service in services.items() if service.get("profiles") == ["demo"]}
    assert demo == {"sample-front-database", "sample-departments", "sample-walk"}


def test_commands_of_the_hub_and_the_samples_exist(services: dict[str, dict[str, Any]]) -> None:
    from hub.cli import app as hub_app
    from samples.cli import app as samples_app

    found = 0
    for name, service in own(services).items():
        for command in words(service):
            given = {word for word in command if word.startswith("--")}
            if command[0] == "hub":
                assert given <= option_names(hub_app, command[1]), name
                found += 1
            elif command[:2] == ["python", "-m"]:
                assert importlib.util.find_spec(f"{command[2]}.__main__"), name
                assert command[2] == "samples"
                assert given <= option_names(samples_app, command[3]), name
                found += 1
    assert found == 3


def test_commands_and_settings_of_airflow_exist(services: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    commands = [service["command"][1:] for service in own(services).values() if service["command"][0] == "airflow"]
    checks = [service["healthcheck"]["test"][2:] for service in own(services).values() if "healthcheck" in service]
    commands += [check for check in checks if check[:2] == ["jobs", "check"]]
    in_shells = re.findall(r"airflow ([a-z ]+[a-z]) \"", " ".join(services["sample-walk"]["command"]))
    assert in_shells == ["dags trigger"]
    commands += [[*command.split(), "pull__x"] for command in in_shells]
    done = subprocess.run(
        [sys.executable, "-c", ASK_AIRFLOW, json.dumps(commands)],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    known = json.loads(done.stdout.splitlines()[-1])

    from hub.demo.airflow import environment

    demo = environment(tmp_path, "postgresql+psycopg://hub@/airflow?host=x", 1, {})
    variables = {name for service in services.values() for name in service.get("environment", {})} | set(demo)
    for variable in sorted(name for name in variables if name.startswith("AIRFLOW__")):
        base = variable.removesuffix("_CMD")
        assert base in known, variable
        assert base == variable or known[base], f"{variable}: Airflow runs a command only for sensitive options"


def test_the_demo_pulls_every_department_at_once(services: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    told = tmp_path / "triggered"
    stand_in = tmp_path / "airflow"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    stand_in.chmod(0o755)
    command = [part.replace("$$", "$") for part in services["sample-walk"]["command"]]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=True)
    assert told.read_text().split("\n")[:-1] == [f"dags trigger pull__{system['system']}" for system in SYSTEMS]
    assert services["sample-walk"]["depends_on"]["sample-departments"] == {"condition": "service_healthy"}


def test_the_demo_is_told_where_its_departments_are_and_production_is_not(services: dict[str, dict[str, Any]]) -> None:
    made = services["sample-departments"]
    places = f"{made['volumes'][0].partition(':')[2]}/places.env"
    assert f"HUB_ENV_FILE={places} docker compose --profile demo" in COMPOSE.partition("name: ")[0]
    assert services["airflow-worker"]["environment"]["HUB_ENV_FILE"] == "${HUB_ENV_FILE:-}"
    assert made["volumes"][0] in services["airflow-worker"]["volumes"]


def test_folders_of_deliveries_are_mounted_and_cannot_be_written(services: dict[str, dict[str, Any]]) -> None:
    (mount,) = (volume for volume in services["airflow-worker"]["volumes"] if isinstance(volume, dict))
    assert mount["read_only"] is True
    head = COMPOSE.partition("name: ")[0]
    drops = [one for system in SYSTEMS for one in system["connections"].values() if one["kind"] in ("file", "geo_file")]
    assert len(drops) == 4
    for drop in drops:
        variable = drop["place"].strip("${}")
        assert re.search(rf"{variable}={mount['target']}/\w+$", head, re.MULTILINE), variable


def test_the_workers_health_check_asks_celery_by_names_that_exist(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    test = services["airflow-worker"]["healthcheck"]["test"]
    words = test[1].replace('"', "").split()
    assert (test[0], words[:2], words[3:6]) == ("CMD-SHELL", ["celery", "--app"], ["inspect", "ping", "-d"])
    asked = subprocess.run(
        [sys.executable, "-c", ASK_CELERY, *words[2:6]],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr[-2000:]
    assert asked.stdout.splitlines()[-1] == "Celery True"


def test_its_head_says_where_airflows_password_is(services: dict[str, dict[str, Any]]) -> None:
    home = re.search(r"AIRFLOW_HOME=(\S+)", DOCKERFILE)
    assert home is not None
    asked = subprocess.run(
        [sys.executable, "-c", ASK_SIGN_IN],
        env={**os.environ, "AIRFLOW_HOME": home[1]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr[-2000:]
    *users, file = asked.stdout.splitlines()[-1].split()
    head = COMPOSE.partition("name: ")[0]
    assert f"docker compose exec airflow-apiserver cat {file}\n" in head
    assert [f"as {user};" in head for user in users] == [True]
    assert f"airflow-data:{home[1]}" in services["airflow-apiserver"]["volumes"]


def test_hub_variables_exist() -> None:
    settings = {f"HUB_{name.upper()}" for name in Settings.model_fields}
    for text in (COMPOSE, DOCKERFILE):
        named = {name for name in re.findall(r"\bHUB_[A-Z_]+\b", text) if not name.startswith("HUB_PLACE_")}
        assert named
        assert named <= settings


def test_the_image_has_every_package_and_what_is_locked() -> None:
    copied = set(re.findall(r"^COPY (\S+) \1$", DOCKERFILE, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = {name.partition(".")[0] for name in project["tool"]["setuptools"]["packages"]}
    assert {"hub", "connectors", "dags", "expectations", "samples"} <= packages
    assert copied == packages | {"schemas"}
    assert DOCKERFILE.count("--require-hashes") == 2
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert kept == copied | {"requirements.txt", "requirements-uv.txt"}


def test_the_image_does_not_run_as_root() -> None:
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["hub"]


def test_the_example_names_every_setting_once_and_explains_it() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    named = re.findall(r"^(?:# )?(HUB_[A-Z_]+)=", text, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == {f"HUB_{name.upper()}" for name in Settings.model_fields} | DEMO_ONLY
    for block in text.strip().split("\n\n"):
        assert block.startswith("# ")


def test_the_example_gives_the_defaults() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    for variable, value in re.findall(r"^(HUB_[A-Z_]+)=(.*)$", text, re.MULTILINE):
        assert str(Settings.model_fields[variable.removeprefix("HUB_").lower()].default) == value
