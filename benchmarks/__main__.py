"""`python -m benchmarks NAME …` prints one JSON object; `make bench` is `walk`, the others are asked for by name."""

from __future__ import annotations

import json

import typer

from benchmarks.pull import pull
from benchmarks.quality import quality
from benchmarks.walk import walk

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Measure the hub; each command prints one JSON object."
)


@app.command("walk")
def walk_command(
    people: int = 60_000,
    county: str = "320305",
    seed: int = 1,
    faults: float = 0.01,
    json_only: bool = typer.Option(False, "--json"),
) -> None:
    """Time the eight steps of `hub run` on an invented county."""
    print(json.dumps(walk(people, county, seed, faults), indent=None if json_only else 1))


@app.command("pull")
def pull_command(
    rows: int = 1_000_000,
    rest_rows: int = 500_000,
    check_rows: int = 5_000_000,
    rounds: int = 3,
    json_only: bool = typer.Option(False, "--json"),
) -> None:
    """Time pulls and checks beside dlt, pandas, requests and Great Expectations' pandas engine."""
    print(json.dumps(pull(rows, rest_rows, check_rows, rounds), indent=None if json_only else 1))


@app.command("quality")
def quality_command(
    people: int = 20_000,
    county: str = "320305",
    seed: int = 1,
    faults: list[float] = [0.01, 0.05],  # noqa: B006 - Typer copies it
    json_only: bool = typer.Option(False, "--json"),
) -> None:
    """Hold links, villages and merged fields of an invented county against its truth, at each share of faulty rows."""
    print(json.dumps(quality(people, county, seed, tuple(faults)), indent=None if json_only else 1))


if __name__ == "__main__":
    app()
