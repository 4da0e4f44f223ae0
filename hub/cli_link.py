"""Commands of `hub` about links: pairs that wait for people, what blocks count, news of keys.

Pairs are decided at the portal, where people sign in: a terminal cannot tell that the second one is another person.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hub.cli_output import AsJson, actor, console, opened, print_json, table
from hub.errors import StopError
from hub.ledger.decisions import open_review, reviews
from hub.linking.people import block_counts, export_events

__all__ = ["add_link_commands"]

link_app = typer.Typer(help="Who is who where no number tells.", no_args_is_help=True)


def add_link_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(link_app, name="link")


@link_app.command("queue")
def queue_command(
    everything: Annotated[
        bool, typer.Option("--all", help="Decided pairs and those that no longer ask as well.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the pairs that two people must decide; the portal shows what the rows say."""
    with opened() as hub:
        found = reviews(hub.database, None if everything else "open")
    if as_json:
        print_json([asdict(one) for one in found])
        return
    table(
        "待判断的配对 Pairs",
        ["number", "entity", "left", "right", "probability", "why", "state", "verdict", "said"],
        [
            [
                *(str(one.number), one.entity, one.left, one.right),
                "" if one.probability is None else f"{one.probability:.3f}",
                *(one.why, one.state, one.verdict or "", str(len(one.opinions))),
            ]
            for one in found
        ],
    )


@link_app.command("ask")
def ask_command(
    entity: Annotated[str, typer.Argument(help="person or legal_entity.")],
    left: Annotated[str, typer.Argument(help="One hub key.")],
    right: Annotated[str, typer.Argument(help="The other one.")],
) -> None:
    """Put a pair that you have noticed into the queue: two keys of one person, or a link that is wrong."""
    with opened() as hub:
        if entity not in hub.contracts.base:
            raise StopError("hub link ask", repr(entity), ", ".join(hub.contracts.base), "name the base table")
        number = open_review(hub.database, entity, left, right)
        hub.ledger.audit("link_asked", actor(), {"pair": number, "entity": entity})
    console.print(f"pair {number} is open")


@link_app.command("blocks")
def blocks_command(as_json: AsJson = False) -> None:
    """Show how many pairs each block of the last build made, and what was skipped since it would make too many."""
    with opened() as hub:
        found = block_counts(hub)
    if as_json:
        print_json(found)
        return
    names = ["entity", "block", "values", "pairs", "skipped_values", "skipped_pairs"]
    table("分块 Blocks", names, [[one[name] for name in names] for one in found])


@link_app.command("events")
def events_command(
    output: Annotated[Path, typer.Option(help="The file of JSON lines to write.")],
    since: Annotated[int, typer.Option(min=0, help="Only events with a higher number.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write which keys became one and which became two, for those who keep our keys."""
    with opened() as hub:
        written = export_events(hub, output, since)
    if as_json:
        print_json({"file": str(output), "events": written})
    else:
        console.print(f"{output}: {written:,} events")
