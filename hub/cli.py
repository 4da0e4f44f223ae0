"""The `hub` command: every promise of the hub to people at a terminal, and to programs by `--json`."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hub.context import Hub, open_hub
from hub.contracts import load_contracts
from hub.errors import RetryError, SetAsideError, StopError
from hub.exchange.extract import FORMATS, extract
from hub.exchange.grants import create_grant, list_grants, revoke_grant
from hub.issues import export_issues
from hub.progress import showing
from hub.settings import load_settings
from hub.status import status
from hub.tails import scaffold, show
from hub.verify import verify
from hub.walk import run

__all__ = ["app", "main"]

app = typer.Typer(
    help="基层治理数据中枢 · Community Data Hub: collected once, one source a field, shared down to the village.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
grant_app = typer.Typer(help="Who may read what, for which purpose, until when.", no_args_is_help=True)
app.add_typer(grant_app, name="grant")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
# Piped output has no width of its own; a path tail should not be broken for that.
console = Console(width=None if sys.stdout.isatty() else 160)


@contextmanager
def _hub() -> Iterator[Hub]:
    with open_hub() as hub:
        yield hub


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def _table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(table)


_NUMBERS = {"landed", "accepted", "quarantined", "duplicate", "rows", "villages", "count", "version"}


@app.command("run")
def run_command(
    system: Annotated[list[str] | None, typer.Option(help="A department to pull; again for more; none: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Walk all eight steps in this process, without Airflow."""
    with _hub() as hub:
        with showing(quiet=as_json) as notify:
            run(hub, system, notify)
        _print_status(status(hub), as_json)


@app.command("status")
def status_command(as_json: AsJson = False) -> None:
    """Show batches and their counts, the release, products and deliveries."""
    with _hub() as hub:
        _print_status(status(hub), as_json)


def _print_status(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(found)
        return
    counts = ["landed", "accepted", "quarantined", "duplicate"]
    totals: dict[str, list[int]] = {}
    for batch in found["batches"]:
        row = totals.setdefault(f"{batch['system']}/{batch['dataset']}", [0, 0, 0, 0])
        totals[f"{batch['system']}/{batch['dataset']}"] = [a + batch[c] for a, c in zip(row, counts, strict=True)]
    _table("数据集 Datasets", ["dataset", *counts], [[tail, *row] for tail, row in sorted(totals.items())])
    if found["withheld"]:
        _table(
            "暂存的报送 Deliveries set aside",
            ["dataset", "delivery", "reason"],
            [[f"{w['system']}/{w['dataset']}", w["offer"], w["reason"]] for w in found["withheld"]],
        )
    _table(
        f"产品 Products of release {found['release']}",
        ["product", "version", "rows", "villages"],
        [[p["name"], p["version"], p["rows"], p["villages"]] for p in found["products"]],
    )
    deliveries = found["deliveries"]
    console.print("推送 Deliveries: " + ", ".join(f"{count} {state}" for state, count in deliveries.items()))


@app.command("extract")
def extract_command(
    product: Annotated[str, typer.Argument(help="Name of a published product.")],
    division: Annotated[str, typer.Option(help="Division code; its rows and those of everything below it.")],
    output: Annotated[Path, typer.Option(help="The file to write.")],
    format: Annotated[str | None, typer.Option(help=f"One of {', '.join(FORMATS)}; none: the file's suffix.")] = None,
    purpose: Annotated[str, typer.Option(help="What for; goes into the audit record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write one product's rows of one division into a file."""
    kind = format or output.suffix.lstrip(".")
    with _hub() as hub:
        rows = extract(hub, product, division, kind, output, actor=f"cli:{getpass.getuser()}", purpose=purpose)
    if as_json:
        _print_json({"product": product, "division": division, "format": kind, "rows": rows, "file": str(output)})
    else:
        console.print(f"{output}: {rows:,} rows of {product} for {division}")


@app.command("issues")
def issues_command(
    system: Annotated[str | None, typer.Option(help="Only this department's.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write every cell to this .xlsx, .csv or .jsonl file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what was repaired, set aside or refused, and export it for the department that can mend it."""
    with _hub() as hub:
        if export is not None:
            rows = export_issues(hub, system, export, actor=f"cli:{getpass.getuser()}")
            if as_json:
                _print_json({"file": str(export), "rows": rows})
            else:
                console.print(f"{export}: {rows:,} cells")
            return
        found = hub.ledger.issues(system)
    if as_json:
        _print_json([vars(issue) for issue in found])
        return
    _table(
        "问题数据 Issues",
        ["dataset", "rule", "column", "outcome", "count"],
        [[i.tail, i.rule, i.column, i.outcome, i.count] for i in found],
    )


@app.command("show")
def show_command(
    tail: Annotated[str, typer.Argument(help="<department>/<dataset>, base/<entity> or products/<product>.")],
    as_json: AsJson = False,
) -> None:
    """Show everything that bears a path tail: files, columns, batches, issues, folders."""
    with _hub() as hub:
        found = show(hub, tail)
    if as_json:
        _print_json(found)
        return
    console.print(f"[bold]{found['tail']}[/bold] {found['title']} {found['version']} · DAG {found['dag']}")
    console.print("files: " + ", ".join(found["files"]))
    console.print("lake: " + (", ".join(found["lake"]) or "nothing yet"))
    if found["feeds"]:
        console.print("feeds: " + ", ".join(found["feeds"]))
    for name, columns in (
        ("columns", ["name", "source", "title", "type", "grade"]),
        ("batches", ["batch", "offer", "state", "landed", "accepted"]),
        ("issues", ["rule", "column", "outcome", "count"]),
    ):
        if found[name]:
            _table(name, columns, [[row[column] for column in columns] for row in found[name]])


@app.command("new")
def new_command(tail: Annotated[str, typer.Argument(help="<department>/<dataset>")]) -> None:
    """Write stubs for a new dataset: contract, suite, sample."""
    contracts = load_contracts()
    system = contracts.systems.get(tail.partition("/")[0])
    if system is None:
        raise StopError(
            "hub new", repr(tail), f"a department of {', '.join(contracts.systems)}", "add its system first"
        )
    for path in scaffold(contracts.root, tail, list(system.connections)):
        console.print(f"wrote {path.relative_to(contracts.root)}")


@app.command("verify")
def verify_command(as_json: AsJson = False) -> None:
    """Check the audit chain, manifests, signatures, packs and counts; exit 1 on any break."""
    with _hub() as hub:
        found = verify(hub)
    if as_json:
        _print_json(found)
    else:
        for name, count in found["checked"].items():
            console.print(f"{name}: {count:,} checked")
        for fault in found["faults"]:
            console.print(f"[red]broken[/red] {fault}")
    if found["faults"]:
        raise typer.Exit(1)


@app.command("serve")
def serve_command(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
) -> None:
    """Serve the portal and the API."""
    import uvicorn  # only this command needs a web server

    from hub.portal import create_app

    with _hub() as hub:
        uvicorn.run(create_app(hub), host=host, port=port, log_level="warning", server_header=False)


@grant_app.command("create")
def grant_create(
    division: Annotated[str, typer.Option(help="The division whose data may be read.")],
    operator: Annotated[str, typer.Option(help="Who signs in.")],
    holder: Annotated[str, typer.Option(help="The town, street office or department that answers for it.")],
    purpose: Annotated[str, typer.Option(help="What the data is for.")],
    days: Annotated[int, typer.Option(help="How long, in days.")] = 365,
    product: Annotated[list[str] | None, typer.Option(help="A product; none: all village products.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a grant and print its access code, once."""
    with _hub() as hub:
        grant, code = create_grant(
            hub,
            holder=holder,
            operator=operator,
            division=division,
            purpose=purpose,
            days=days,
            products=tuple(product) if product else None,
        )
    if as_json:
        _print_json({"id": grant.id, "operator": operator, "code": code, "expires_at": grant.expires_at})
    else:
        console.print(f"grant {grant.id} for {operator}, until {grant.expires_at:%Y-%m-%d}")
        console.print(f"access code (shown this once): [bold]{code}[/bold]")


@grant_app.command("list")
def grant_list(as_json: AsJson = False) -> None:
    """List all grants."""
    with _hub() as hub:
        grants = list_grants(hub)
    if as_json:
        _print_json([vars(grant) for grant in grants])
        return
    _table(
        "授权 Grants",
        ["id", "holder", "operator", "division", "purpose", "until", "revoked"],
        [
            [g.id, g.holder, g.operator, g.division_code, g.purpose, f"{g.expires_at:%Y-%m-%d}", g.revoked_at or ""]
            for g in grants
        ],
    )


@grant_app.command("revoke")
def grant_revoke(grant: Annotated[str, typer.Argument(help="The grant's id.")]) -> None:
    """End a grant now."""
    with _hub() as hub:
        revoke_grant(hub, grant)
    console.print(f"grant {grant} is revoked")


@app.command("check-config")
def check_config_command() -> None:
    """Check every contract, system, suite and setting before any data is touched; all faults at once."""
    load_settings()
    contracts = load_contracts()
    console.print(
        f"{len(contracts.systems)} systems, {len(contracts.sources)} datasets, {len(contracts.base)} base tables, "
        f"{len(contracts.products)} products, {len(contracts.codelists)} code lists: no fault"
    )


def _exit_code(command: Callable[[], Any]) -> int:
    """Run a command; 0 done, 1 stopped, 75 worth another try (as sysexits' EX_TEMPFAIL)."""
    try:
        command()
    except RetryError as error:
        typer.echo(f"retry later: {error}", err=True)
        return 75
    except (StopError, SetAsideError) as error:
        typer.echo(f"stopped: {error}", err=True)
        return 1
    return 0


def main() -> None:
    """Entry of the `hub` command."""
    sys.exit(_exit_code(app))


if __name__ == "__main__":
    main()
