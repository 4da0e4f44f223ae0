"""Commands of `hub` about the walk: to run it, to see where it stands, to look at a source, notices of drift."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer

from hub.cli_output import AsJson, actor, console, day_of, opened, print_json, table
from hub.context import CHINA
from hub.contracts import load_contracts
from hub.data_docs import build_docs
from hub.errors import StopError
from hub.ledger.notices import close_notice, notices
from hub.progress import showing
from hub.sampling import sample
from hub.settings import load_settings
from hub.status import status
from hub.walk import Backfill, run

__all__ = ["add_walk_commands"]


def add_walk_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("run")(run_command)
    app.command("status")(status_command)
    app.command("pull")(pull_command)
    app.command("notices")(notices_command)


def run_command(
    system: Annotated[list[str] | None, typer.Option(help="A department to pull; again for more; none: all.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Increments begin here, if earlier than usual; China's time.",
        ),
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Conform and check anew what landed (since --since); nothing is pulled.")
    ] = False,
    accept_deletions: Annotated[
        bool, typer.Option("--accept-deletions", help="Believe that rows are gone, however many.")
    ] = False,
    engine: Annotated[str, typer.Option(help="What transforms run on: duckdb; spark not yet.")] = "duckdb",
    as_json: AsJson = False,
) -> None:
    """Walk all eight steps in this process, without Airflow."""
    if engine != "duckdb":
        raise StopError(
            "hub run --engine",
            f"{engine!r}" + (", which is left out for now" if engine == "spark" else ""),
            "duckdb; docs/decisions/0016-spark-later.md says why",
            "leave the option out; split by prefecture or county what is too big for one machine",
        )
    with opened() as hub:
        with showing(quiet=as_json) as notify:
            run(hub, system, notify, Backfill(since, accept_deletions, replay))
        build_docs(hub)
        _print_status(status(hub), as_json)


def status_command(as_json: AsJson = False) -> None:
    """Show batches and their counts, the release, products and deliveries."""
    with opened() as hub:
        _print_status(status(hub), as_json)


def _print_status(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    counts = ["landed", "accepted", "quarantined", "duplicate"]
    totals: dict[str, list[int]] = {}
    for batch in found["batches"]:
        row = totals.setdefault(f"{batch['system']}/{batch['dataset']}", [0, 0, 0, 0])
        totals[f"{batch['system']}/{batch['dataset']}"] = [a + batch[c] for a, c in zip(row, counts, strict=True)]
    table("数据集 Datasets", ["dataset", *counts], [[tail, *row] for tail, row in sorted(totals.items())])
    if found["withheld"]:
        table(
            "暂存的报送 Deliveries set aside",
            ["dataset", "delivery", "reason"],
            [[f"{w['system']}/{w['dataset']}", w["offer"], w["reason"]] for w in found["withheld"]],
        )
    if found["held"]:
        table("待放行的批次 Batches held", ["batch", "reason"], [[h["batch"], h["reason"]] for h in found["held"]])
    if found["repeated"]:
        table(
            "重复的报送 Deliveries that came twice",
            ["delivery", "is batch", "met"],
            [[r["offer"], r["batch"], r["at"][:16]] for r in found["repeated"]],
        )
    table(
        f"产品 Products of release {found['release']}",
        ["product", "version", "rows", "villages"],
        [[p["name"], p["version"], p["rows"], p["villages"]] for p in found["products"]],
    )
    deliveries = found["deliveries"]
    console.print("推送 Deliveries: " + ", ".join(f"{count} {state}" for state, count in deliveries.items()))
    if found["undelivered"]:
        names = ["receiver", "state", "reason"]
        table("未送达 Not delivered", names, [[one[name] for name in names] for one in found["undelivered"]])


def pull_command(
    tail: Annotated[str, typer.Argument(help="<department>/<dataset>")],
    rows: Annotated[int, typer.Option("--sample", min=1, max=10_000, help="How many rows to look at.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what a source gives and how it conforms, by the shapes of its values; nothing is stored."""
    settings = load_settings()
    as_of = date.fromisoformat(settings.as_of) if settings.as_of else datetime.now(CHINA).date()
    found = sample(load_contracts(), settings, tail, rows, as_of)
    if as_json:
        print_json(found)
        return
    console.print(f"[bold]{found['tail']}[/bold] {found['offer']}: {found['rows']} rows looked at")
    if found["not_agreed"]:
        console.print("未约定的列 columns nobody agreed: " + ", ".join(found["not_agreed"]))
    table(
        "样本 Sample",
        ["source", "name", "title", "type", "filled", "shapes", "conformed", "reasons"],
        [
            [
                *(column[name] for name in ("source", "name", "title", "type", "filled")),
                " | ".join(column["shapes"]),
                column["conformed"],
                ", ".join(f"{reason} {count}" for reason, count in column["reasons"].items()),
            ]
            for column in found["columns"]
        ],
    )


def notices_command(
    system: Annotated[str | None, typer.Option(help="Only this department's.")] = None,
    close: Annotated[int | None, typer.Option(help="Close the notice of this number: the owner has answered.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the numbered notices of changed columns and unknown codes, or close one."""
    with opened() as hub:
        if system is not None:
            hub.contracts.of_system(system)  # a wrong name is not one without notices
        if close is not None:
            close_notice(hub.database, close, actor())
        found = notices(hub.database, system, closed=everything)
    if as_json:
        print_json([asdict(notice) for notice in found])
        return
    table(
        "变更通知 Notices",
        ["number", "dataset", "kind", "subject", "detail", "since", "closed"],
        [[n.number, n.tail, n.kind, n.subject, n.detail, day_of(n.opened_at), n.closed_by or ""] for n in found],
    )
