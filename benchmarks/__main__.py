"""`python -m benchmarks NAME …` prints one JSON object; `make bench` runs them all."""

from __future__ import annotations

import json

import typer

from benchmarks.walk import walk

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Measure the hub; each command prints one JSON object."
)


@app.callback()
def _commands() -> None:
    """Keep the name of a benchmark as a word of its own, though there is one so far."""


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


if __name__ == "__main__":
    app()
