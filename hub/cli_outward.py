"""Commands of `hub` that ask a department on behalf of somebody who waits: one person verified by a call."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hub.cli_output import AsJson, actor, console, opened, print_json
from hub.errors import StopError

__all__ = ["add_outward_commands"]


def add_outward_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("verify-person")(verify_person_command)


def verify_person_command(
    service: Annotated[str, typer.Argument(help="<department>/<service>, one of its `verify`.")],
    purpose: Annotated[str, typer.Option(help="What for; goes into the audit record.")],
    as_json: AsJson = False,
) -> None:
    """Ask a department whether a name and a number belong together; both come from standard input, a line each."""
    from hub.verify_person import verify_person  # the only command that needs an HTTP client

    name, number = _asked()
    with opened() as hub:
        found = verify_person(hub, service, name, number, purpose, actor())
    if as_json:
        print_json({"matched": found.matched, "asked": found.asked, "values": dict(found.values)})
        return
    console.print("一致 matched" if found.matched else "不一致 not matched")
    for field, value in found.values.items():
        console.print(f"{field}: {value or ''}")
    if not found.asked:
        console.print("答复为此前所存 answered before; the department was not asked again")


def _asked() -> tuple[str, str]:
    """Name and number: never from the command line, which every user of the machine can read."""
    if sys.stdin.isatty():
        return typer.prompt("姓名 name"), typer.prompt("证件号码 number", hide_input=True)
    lines = [line for line in sys.stdin.read(1_000).splitlines() if line.strip()]
    if len(lines) != 2:
        raise StopError(
            "hub verify-person",
            f"{len(lines)} lines on standard input",
            "two: the name, then the number",
            "write them so",
        )
    return lines[0], lines[1]
