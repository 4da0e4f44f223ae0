"""The `hub` command: every promise of the hub to people at a terminal, and to programs by `--json`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli_database import add_database_commands
from hub.cli_history import add_history_commands
from hub.cli_indicators import add_indicator_commands
from hub.cli_link import add_link_commands
from hub.cli_output import AsJson, actor, console, day_of, opened, print_json, table
from hub.cli_outward import add_outward_commands
from hub.cli_quality import add_quality_commands
from hub.cli_walk import add_walk_commands
from hub.contracts import load_contracts
from hub.errors import RetryError, SetAsideError, StopError
from hub.exchange.extract import FORMATS, extract
from hub.exchange.grants import Grant, create_grant, list_grants, revoke_grant
from hub.exchange.grants_system import SystemGrant, create_system_grant, list_system_grants
from hub.tails import scaffold
from hub.verify import verify

__all__ = ["app", "main"]

app = typer.Typer(
    help="基层治理数据中枢 · Community Data Hub: collected once, one source a field, shared down to the village.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
grant_app = typer.Typer(help="Who may read what, for which purpose, until when.", no_args_is_help=True)
app.add_typer(grant_app, name="grant")
add_walk_commands(app)
add_quality_commands(app)
add_database_commands(app)
add_history_commands(app)
add_indicator_commands(app)
add_link_commands(app)
add_outward_commands(app)


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
    with opened() as hub:
        rows = extract(hub, product, division, kind, output, actor=actor(), purpose=purpose)
    if as_json:
        print_json({"product": product, "division": division, "format": kind, "rows": rows, "file": str(output)})
    else:
        console.print(f"{output}: {rows:,} rows of {product} for {division}")


@app.command("new")
def new_command(tail: Annotated[str, typer.Argument(help="<department>/<dataset>")]) -> None:
    """Write stubs for a new dataset: contract, suite, sample."""
    contracts = load_contracts()
    system = contracts.systems.get(tail.partition("/")[0])
    if system is None:
        raise StopError(
            "hub new", repr(tail), f"a department of {', '.join(contracts.systems)}", "add its system first"
        )
    made = scaffold(contracts.root, tail, system.connections)
    for path in made:
        console.print(f"wrote {path.relative_to(contracts.root)}")
    if not any("drops" in path.parts for path in made):
        console.print(f"no sample: one behind this interface is code, in samples/systems/{system.name}.py")


@app.command("verify")
def verify_command(as_json: AsJson = False) -> None:
    """Check the audit chain, manifests, signatures, packs and counts; exit 1 on any break."""
    with opened() as hub:
        found = verify(hub)
    if as_json:
        print_json(found)
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
    proxy: Annotated[
        str, typer.Option(help="Address of the reverse proxy whose X-Forwarded-For is believed; none is by itself.")
    ] = "",
) -> None:
    """Serve the portal and the API."""
    import uvicorn  # only this command needs a web server

    from hub.portal import create_app

    with opened() as hub:
        uvicorn.run(
            create_app(hub),
            host=host,
            port=port,
            log_level="warning",
            server_header=False,
            # Else anybody on this machine could give a new address with each try of an access code.
            proxy_headers=bool(proxy),
            forwarded_allow_ips=proxy,
        )


@grant_app.command("create")
def grant_create(
    operator: Annotated[str, typer.Option(help="Who signs in.")],
    holder: Annotated[str, typer.Option(help="The town, street office or department that answers for it.")],
    purpose: Annotated[str, typer.Option(help="What the data is for.")],
    division: Annotated[str | None, typer.Option(help="The division whose data may be read.")] = None,
    system: Annotated[
        str | None, typer.Option(help="Instead: the department whose program fetches its issues and sends corrections.")
    ] = None,
    days: Annotated[int, typer.Option(help="How long, in days.")] = 365,
    product: Annotated[list[str] | None, typer.Option(help="A product; none: all village products.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a grant, for a division or for a department's own issues, and print its access code, once."""
    if (division is None) is (system is None) or (system and product):
        raise typer.BadParameter("--division, with or without --product, or --system")
    grant: Grant | SystemGrant
    with opened() as hub:
        if system is not None:
            grant, code = create_system_grant(
                hub, holder=holder, operator=operator, system=system, purpose=purpose, days=days
            )
        else:
            grant, code = create_grant(
                hub,
                holder=holder,
                operator=operator,
                division=str(division),
                purpose=purpose,
                days=days,
                products=tuple(product) if product else None,
            )
    if as_json:
        print_json({"id": grant.id, "operator": operator, "code": code, "expires_at": grant.expires_at})
    else:
        console.print(f"grant {grant.id} for {operator}, until {day_of(grant.expires_at)}")
        console.print(f"access code (shown this once): [bold]{code}[/bold]")


@grant_app.command("list")
def grant_list(as_json: AsJson = False) -> None:
    """List all grants."""
    with opened() as hub:
        grants: list[Grant | SystemGrant] = [*list_grants(hub), *list_system_grants(hub)]
    if as_json:
        print_json([vars(grant) for grant in grants])
        return
    table(
        "授权 Grants",
        ["id", "holder", "operator", "scope", "purpose", "until", "revoked"],
        [
            [g.id, g.holder, g.operator, _scope(g), g.purpose, day_of(g.expires_at), day_of(g.revoked_at)]
            for g in grants
        ],
    )


def _scope(grant: Grant | SystemGrant) -> str:
    return grant.system if isinstance(grant, SystemGrant) else grant.division_code


@grant_app.command("revoke")
def grant_revoke(grant: Annotated[str, typer.Argument(help="The grant's id.")]) -> None:
    """End a grant now."""
    with opened() as hub:
        revoke_grant(hub, grant)
    console.print(f"grant {grant} is revoked")


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
    sys.exit(_exit_code(partial(app, prog_name="hub")))


if __name__ == "__main__":
    main()
