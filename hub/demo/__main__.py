"""`python -m hub.demo run|serve`: what `make run` and `make serve` call once everything is installed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import requests
import typer
from rich.console import Console

from hub.demo.airflow import taken_port
from hub.demo.county import County, read_county
from hub.demo.follow import View, failed, follow, lines, start
from hub.demo.machine import Machine, running
from hub.demo.report import displaying, example_village, print_failures, print_result
from hub.errors import RetryError, StopError
from hub.exchange.grants import create_grant

app = typer.Typer(
    help="The demo: an invented county, its departments, Airflow and the hub on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_PAPER = 110  # columns where the output is no terminal, so that no figure is cut
Home = Annotated[Path, typer.Option(help="Folder for everything the demo keeps.", file_okay=False)]
AirflowPort = Annotated[int | None, typer.Option(envvar="HUB_AIRFLOW_PORT", help="Port of Airflow's UI.")]


@app.command("run")
def run_command(
    county: Annotated[str, typer.Option(help="County code of six digits.")] = "320305",
    people: Annotated[int, typer.Option(help="People of the invented county.")] = 60_000,
    seed: Annotated[int, typer.Option(help="Seed of all chance.")] = 1,
    faults: Annotated[float, typer.Option(help="Share of spoiled rows.")] = 0.01,
    as_of: Annotated[str, typer.Option(help="The day it is, for the county and the hub.")] = "2026-11-01",
    home: Home = Path("var"),
    airflow_port: AirflowPort = None,
) -> None:
    """Walk all eight steps through Airflow, show them while they go, and print what came of it."""
    console = _console()
    asked = County(county, people, seed, faults, as_of)
    with displaying(console) as display, running(home, asked, airflow_port, display.say) as machine:
        before = machine.hub.ledger.newest_release()
        start(machine)
        view: View | None = None
        for view in follow(machine):
            display.show(lines(view, len(machine.hub.contracts.systems)))
        display.say("完成 done")
        broken = failed(view.tasks) if view else []
        print_failures(console, machine.airflow, broken)
        if not broken:
            print_result(console, machine.hub, before)
    if broken:
        raise typer.Exit(1)


@app.command("serve")
def serve_command(
    home: Home = Path("var"),
    portal_port: Annotated[int, typer.Option(envvar="HUB_PORTAL_PORT", help="Port of portal and API.")] = 8080,
    airflow_port: AirflowPort = 8081,
) -> None:
    """Serve portal, API and Airflow's UI on what `run` has made, until Ctrl-C."""
    console = _console()
    county = read_county(home.resolve() / "sample")
    if county is None:
        raise StopError(where=str(home), came="no county", allowed="what `make run` leaves", do="`make run` first")
    fault = taken_port(portal_port, "HUB_PORTAL_PORT")
    if fault is not None:
        raise fault
    with displaying(console) as display, running(home, county, airflow_port, display.say) as machine:
        _serve(machine, portal_port, console)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _PAPER)


def _serve(machine: Machine, port: int, console: Console) -> None:
    hub = machine.hub
    village = example_village(hub)
    address = f"http://127.0.0.1:{port}"
    _, code = create_grant(
        hub, holder="演示 demo", operator="demo", division=village, purpose="演示 demo", days=1, demo=True
    )
    command = [sys.executable, "-m", "hub", "serve", "--host", "127.0.0.1", "--port", str(port)]
    machine.processes.start("hub-serve", command, {**machine.environment, "HUB_PUBLIC_URL": address})
    machine.processes.wait_until("the portal", lambda: _answers(f"{address}/healthz"), 120)
    for name, value in {
        "门户 portal": f"{address}/  村居 {village}，操作员 operator demo，访问码 access code {code}",
        "接口 API": f"{address}/api/v1/openapi.json",
        "调度 Airflow": f"{machine.airflow.address}/",
    }.items():
        console.print(f"[bold]{name}[/bold]  {value}", highlight=False, soft_wrap=True)
    console.print("按 Ctrl-C 停止 Ctrl-C stops all of it", highlight=False)
    while True:
        machine.processes.check()
        time.sleep(1)


def _answers(address: str) -> bool:
    session = requests.Session()
    session.trust_env = False
    try:
        return session.get(address, timeout=5).ok
    except requests.RequestException:
        return False


def main() -> None:
    """Run a command; 0 done, 1 failed, 130 or 143 interrupted."""
    try:
        app(prog_name="python -m hub.demo")
    except (StopError, RetryError) as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
