"""`python -m samples make|advance|serve`: make an invented county, take it a month on, run its systems on loopback."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from samples.advance import advance
from samples.make import Made, make
from samples.plan import Plan

app = typer.Typer(help="An invented county behind real interfaces.", no_args_is_help=True, add_completion=False)
Output = Annotated[Path, typer.Option("--output", help="Folder of the county.", file_okay=False)]


@app.command("make")
def make_command(
    output: Output,
    county: Annotated[str, typer.Option(help="County code; a prefecture or province code makes all its counties.")] = (
        "320305"
    ),
    people: Annotated[int, typer.Option(help="People, outsiders included.")] = 60_000,
    seed: Annotated[int, typer.Option(help="Seed of all chance.")] = 1,
    faults: Annotated[float, typer.Option(help="Share of rows that are spoiled, 0 to 0.2.")] = 0.01,
    as_of: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day the systems are as of.")] = (
        "2026-11-01"  # type: ignore[assignment]
    ),
) -> None:
    """Make a county: systems/ as the departments have it, truth/ as it is, county.json about both."""
    console = Console(stderr=True)
    try:
        with console.status("samples") as status:
            plan = Plan(county, people, seed, faults, as_of.date())
            made = make(plan, output, lambda stage: status.update(f"samples: {stage}"))
    except (ValueError, FileExistsError) as error:
        _refuse(console, error)
    Console().print(summary(made))


@app.command("advance")
def advance_command(output: Output) -> None:
    """Take a made county one month on, once: new drops and changed tables, truth/ and county.json brought along."""
    console = Console(stderr=True)
    try:
        with console.status("samples") as status:
            made = advance(output, lambda stage: status.update(f"samples: {stage}"))
    except (ValueError, FileNotFoundError) as error:
        _refuse(console, error)
    Console().print(summary(made))


@app.command("serve")
def serve_command(
    output: Output,
    police_url: Annotated[
        str | None,
        typer.Option(
            envvar="SAMPLES_POLICE_URL",
            help="SQLAlchemy URL of PostgreSQL or MariaDB, with a database's name; else an embedded PostgreSQL.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address the HTTP systems listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the HTTP systems; 0 takes a free one.")] = 0,
) -> None:
    """Run the systems of a made county until stopped; their places are written to places.env."""
    from samples import serve  # servers are not needed to make a county

    try:
        serve.main(output, police_url=police_url, host=host, port=port)
    except (ValueError, OSError) as error:
        _refuse(Console(stderr=True), error)


def _refuse(console: Console, error: Exception) -> NoReturn:
    console.print(str(error), style="red", highlight=False, markup=False)
    raise typer.Exit(2) from error


def summary(made: Made) -> Any:
    """A table of what was made, for people to read."""
    about = made.description
    table = Table(title=f"{about['name']} · {about['people']} people · {about['villages']} villages · {made.directory}")
    table.add_column("dataset")
    table.add_column("rows", justify="right")
    for dataset, rows in about["counts"].items():
        table.add_row(dataset, f"{rows:,}")
    table.add_row("faulty rows", f"{about['faulty_rows']:,}")
    return table
