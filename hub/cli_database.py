"""Commands of `hub` about the governance database: roles of departments that connect directly, the dictionary."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hub.cli_output import AsJson, console, day_of, opened, print_json, table
from hub.contracts import load_contracts
from hub.dictionary import write_dictionary
from hub.row_security import create_role, drop_role, list_roles

__all__ = ["add_database_commands"]


def add_database_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    role_app = typer.Typer(help="Logins of departments that query the database themselves.", no_args_is_help=True)
    role_app.command("create")(role_create)
    role_app.command("list")(role_list)
    role_app.command("drop")(role_drop)
    database_app = typer.Typer(help="The governance database for people who query it.", no_args_is_help=True)
    database_app.add_typer(role_app, name="role")
    app.add_typer(database_app, name="database")
    app.command("dictionary")(dictionary_command)


def role_create(
    name: Annotated[str, typer.Argument(help="The login's name: small letters, digits, _.")],
    department: Annotated[str, typer.Option(help="Who answers for it.")],
    division: Annotated[str, typer.Option(help="Division code; its rows and those of everything below it.")],
    columns: Annotated[
        str | None, typer.Option(help="TABLE for its columns of grade L1 and L2, TABLE.COLUMN for any one; by commas.")
    ] = None,
    products: Annotated[str | None, typer.Option(help="Products, masked as when delivered; by commas.")] = None,
    purpose: Annotated[str, typer.Option(help="What for; goes into the audit record.")] = "",
    days: Annotated[int, typer.Option(help="How long the password opens, in days.")] = 365,
    as_json: AsJson = False,
) -> None:
    """Make a login of the database for a department and print its password, once."""
    with opened() as hub:
        role, password = create_role(
            hub,
            name,
            department=department,
            division=division,
            columns=_parts(columns),
            products=_parts(products),
            purpose=purpose,
            days=days,
        )
    if as_json:
        print_json({**asdict(role), "password": password})
        return
    console.print(f"role {role.name} for {role.department}, division {role.division}, until {day_of(role.until)}")
    for given, names in role.columns.items():
        console.print(f"{given}: {', '.join(names)}")
    for given in role.products:
        console.print(f"{role.name}.{given}")
    console.print(f"password (shown this once): [bold]{password}[/bold]")


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def role_list(as_json: AsJson = False) -> None:
    """List the logins of departments, as the database has them."""
    with opened() as hub:
        roles = list_roles(hub)
    if as_json:
        print_json([asdict(role) for role in roles])
        return
    table(
        "数据库角色 Roles",
        ["role", "department", "division", "reads", "purpose", "until"],
        [
            [r.name, r.department, r.division, ", ".join((*r.columns, *r.products)), r.purpose, day_of(r.until)]
            for r in roles
        ],
    )


def role_drop(name: Annotated[str, typer.Argument(help="The login's name.")]) -> None:
    """Take a login away; whoever is connected by it is thrown out."""
    with opened() as hub:
        drop_role(hub, name)
    console.print(f"role {name} is dropped")


def dictionary_command(
    output: Annotated[Path, typer.Option(help="The folder to write to; pages that are no longer due are removed.")],
) -> None:
    """Write the data dictionary: a page for each base table, product and dataset, and a picture of the tables."""
    pages = write_dictionary(load_contracts(), output)
    console.print(f"{output}: {len(pages):,} files")
