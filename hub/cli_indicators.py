"""Commands of `hub` about what is reckoned: indicators, datasets' freshness, the set of statistical tables."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hub.cli_output import AsJson, actor, console, opened, print_json, table
from hub.divisions import KINDS, read_history
from hub.indicators.datasets import dataset_states
from hub.indicators.forms import HIDDEN, read_indicators, write_forms
from hub.indicators.formulas import formulas

__all__ = ["add_indicator_commands"]


def add_indicator_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("indicators")(indicators_command)
    app.command("freshness")(freshness_command)
    app.command("forms")(forms_command)
    app.command("divisions")(divisions_command)


def indicators_command(
    division: Annotated[str, typer.Option(help="Division code of 2 to 12 digits; an ended one gives its successors.")],
    as_json: AsJson = False,
) -> None:
    """Show every indicator of a division: numerator, denominator, value, target."""
    with opened() as hub:
        found = read_indicators(hub, division)
    codes = [head.ljust(12, "0") for head in found.asked.heads]
    rows = [
        {**found.rows[code, one.code], "title": one.title, "unit": one.unit, "target": one.target}
        for code in codes
        for one in formulas()
        if (code, one.code) in found.rows
    ]
    if as_json:
        told = {"division": division, "release": found.release, "as_of": found.as_of, "note": found.asked.note}
        print_json({**told, "indicators": rows})
        return
    if found.asked.note:
        console.print(found.asked.note)
    columns = ["division_code", "title", "numerator", "denominator", "value", "unit", "target"]
    cells = [[HIDDEN if row[name] is None else row[name] for name in columns] for row in rows]
    table(f"治理指标 {found.as_of} 第{found.release}期", columns, cells)


def freshness_command(as_json: AsJson = False) -> None:
    """Show how old every dataset is by its declared cycle, and its quality of this month."""
    with opened() as hub:
        states = dataset_states(hub)
    if as_json:
        print_json([asdict(one) for one in states])
        return
    table(
        "数据鲜度 Freshness",
        ["dataset", "title", "cycle_days", "last", "freshness", "overdue"],
        [
            [one.tail, one.title, one.cycle_days or "", one.last or "", "" if one.freshness is None else one.freshness,
             "是" if one.is_overdue else ""]
            for one in states
        ],
    )  # fmt: skip


def forms_command(
    division: Annotated[str, typer.Option(help="Division code, from 2 to 12 digits.")],
    output: Annotated[Path, typer.Option(help="The .xlsx file to write.")],
    as_json: AsJson = False,
) -> None:
    """Write the one set of statistical tables (一套表) of a division and its parts as XLSX."""
    if output.suffix != ".xlsx":
        raise typer.BadParameter("--output must end with .xlsx")
    with opened() as hub:
        cells = write_forms(hub, division, output, actor())
    if as_json:
        print_json({"division": division, "file": str(output), "cells": cells})
    else:
        console.print(f"{output}: {cells:,} cells filled")


def divisions_command(
    code: Annotated[str, typer.Argument(help="A division's code of 12 digits, in force or ended.")],
    as_json: AsJson = False,
) -> None:
    """Show what a division code stands for today: itself, or what followed it, step by step."""
    with opened() as hub:
        history, titles = read_history(hub.contracts.root), hub.contracts.codelists["division"].titles
        full = code.ljust(12, "0")
        parts = history.followed(full, hub.as_of)
        steps = [one for one in history.successions if one.old == full and one.since <= hub.as_of]
    rows = [{"code": part.code, "title": titles.get(part.code, ""), "share": part.share} for part in parts]
    if as_json:
        told = [{"kind": one.kind, "since": one.since, "title": one.title} for one in steps]
        print_json({"code": full, "stands_for": rows, "steps": told})
        return
    for one in steps:
        console.print(f"{one.since} {KINDS[one.kind]} {one.title}")
    table(f"区划 {full}", ["code", "title", "share"], [list(row.values()) for row in rows])
