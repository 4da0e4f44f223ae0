"""Commands of `hub` about quality: issues and their correction, the configuration's faults, pages and scorecards."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hub.base_issues import base_issues
from hub.cli_output import AsJson, actor, console, opened, print_json, table
from hub.config_check import report_on
from hub.context import Hub
from hub.correction_forms import FORMATS
from hub.corrections import import_corrections
from hub.data_docs import KEEP_RUNS, build_docs, docs_folder
from hub.issues import export_issues
from hub.scorecard_page import write_scorecards
from hub.volume import release_batch

__all__ = ["add_quality_commands"]


def add_quality_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("issues")(issues_command)
    app.command("check-config")(check_config_command)
    app.command("scorecard")(scorecard_command)
    app.command("data-docs")(data_docs_command)


def issues_command(
    system: Annotated[str | None, typer.Option(help="Only this department's.")] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the rows to correct to this .xlsx or .json file, or every cell to a .csv or .jsonl."),
    ] = None,
    import_: Annotated[
        Path | None, typer.Option("--import", help="Replay the rows that a department has corrected in such a form.")
    ] = None,
    release: Annotated[str | None, typer.Option(help="Let this held batch go on as it is.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what was repaired, set aside or refused; export it to be mended, take it in again, release a held batch."""
    if sum(one is not None for one in (export, import_, release)) > 1:
        raise typer.BadParameter("--export, --import and --release each stand alone")
    with opened() as hub:
        if system is not None:
            hub.contracts.of_system(system)  # a wrong name is not one without issues
        if export is not None:
            _export_issues(hub, system, export, as_json)
        elif import_ is not None:
            _import_corrections(hub, system, import_, as_json)
        elif release is not None:
            _release_batch(hub, release, as_json)
        else:
            _show_issues(hub, system, as_json)


def _show_issues(hub: Hub, system: str | None, as_json: bool) -> None:
    found = [*hub.ledger.issues(system), *base_issues(hub, system)]
    if as_json:
        print_json([vars(issue) for issue in found])
        return
    table(
        "问题数据 Issues",
        ["dataset", "rule", "column", "outcome", "count"],
        [[i.tail, i.rule, i.column, i.outcome, i.count] for i in found],
    )


def _export_issues(hub: Hub, system: str | None, path: Path, as_json: bool) -> None:
    rows = export_issues(hub, system, path, actor=actor())
    if as_json:
        print_json({"file": str(path), "rows": rows})
    else:
        console.print(f"{path}: {rows:,} {'rows' if path.suffix in FORMATS else 'cells'}")


def _import_corrections(hub: Hub, system: str | None, path: Path, as_json: bool) -> None:
    replayed = [asdict(one) for one in import_corrections(hub, path, actor(), system)]
    if as_json:
        print_json(replayed)
        return
    names = ["dataset", "sent", "unchanged", "not_waiting", "sent_before", "accepted", "duplicate", "still_open"]
    table("更正 Corrections", names, [[one[name] for name in names] for one in replayed])


def _release_batch(hub: Hub, batch_id: str, as_json: bool) -> None:
    batch = release_batch(hub, batch_id, actor())
    if as_json:
        print_json({"batch": batch.id, "state": batch.state})
    else:
        console.print(f"{batch.id} is released: the next build uses it")


def check_config_command(
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="On the machine that pulls: a place or secret that is not set or not taken, a fault."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check every contract, system, suite, code list and setting before any data is touched; all faults at once."""
    report = report_on(deep=deep)
    if as_json:
        print_json({"faults": report.faults, "warnings": report.warnings})
    else:
        for kind, texts in (("fault", report.faults), ("warning", report.warnings)):
            for text in texts:
                typer.echo(f"{kind}: {text}", err=True)
    if report.faults:
        raise typer.Exit(1)
    if as_json:
        return
    contracts = report.contracts
    console.print(
        f"{len(contracts.systems)} systems, {len(contracts.sources)} datasets, {len(contracts.base)} base tables, "
        f"{len(contracts.products)} products, {len(contracts.codelists)} code lists: no fault"
    )


def scorecard_command(
    month: Annotated[str, typer.Option(help="The month, YYYY-MM.")],
    output: Annotated[Path, typer.Option(help="The folder to write to.")],
    system: Annotated[str | None, typer.Option(help="Only this department; none: all of them.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a month's scorecard of each department: what came, how good it was, what waits for it."""
    with opened() as hub:
        files = write_scorecards(hub, month, system, output, actor())
    if as_json:
        print_json([str(path) for path in files])
        return
    for path in files:
        console.print(f"wrote {path}")


def data_docs_command(
    keep: Annotated[int, typer.Option(min=1, help="How many runs the site shows.")] = KEEP_RUNS,
    as_json: AsJson = False,
) -> None:
    """Add Great Expectations' pages of all new verdicts to the site in the lake."""
    with opened() as hub:
        added, index = build_docs(hub, keep), docs_folder(hub) / "index.html"
    if as_json:
        print_json({"pages": added, "index": str(index)})
    else:
        console.print(f"{added:,} new pages; {index}")
