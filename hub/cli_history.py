"""Commands of `hub` about what is known and since when: a tail or a row shown, releases compared."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import shapely
import typer

from hub.beliefs import base_of, believed
from hub.cli_output import AsJson, actor, console, opened, print_json, table
from hub.context import CHINA, Hub
from hub.contracts import BaseContract
from hub.diff import LISTED, TableDiff, diff
from hub.errors import StopError
from hub.explain import REASONS, Claim, Explained, explain
from hub.tails import show

__all__ = ["add_history_commands"]

_NOTHING, _EVER = "—", "ever"
_GEOMETRY_LENGTH = 60


def add_history_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("show")(show_command)
    app.command("diff")(diff_command)


def show_command(
    subject: Annotated[
        str, typer.Argument(help="<department>/<dataset>, base/<entity>, products/<product>; or an entity: person …")
    ],
    key: Annotated[str | None, typer.Argument(help="A row of the entity, by its hub key or public code.")] = None,
    believed_on: Annotated[
        str | None, typer.Option(help="What was known on this day, YYYY-MM-DD; none: today.")
    ] = None,
    about: Annotated[str | None, typer.Option(help="Of this day, YYYY-MM-DD; none: the day it was known.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show everything that bears a path tail; or a row: who said what, who won and why, what was believed when."""
    is_past = believed_on is not None or about is not None
    if key is None and is_past:
        raise typer.BadParameter("--believed-on and --about ask for one row: give its entity and key")
    with opened() as hub:
        if key is None:
            _show_tail(hub, subject, as_json)
        elif is_past:
            known = _day("--believed-on", believed_on) or datetime.now(CHINA).date()
            _show_believed(hub, subject, key, known, _day("--about", about) or known, as_json)
        else:
            _show_row(hub, subject, key, as_json)


def _day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise StopError(f"hub show {option}", "something that is no day", "YYYY-MM-DD", "write it so") from None


def _show_tail(hub: Hub, tail: str, as_json: bool) -> None:
    found = show(hub, tail)
    if as_json:
        print_json(found)
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
            table(name, columns, [[row[column] for column in columns] for row in found[name]])


def _show_row(hub: Hub, entity: str, key: str, as_json: bool) -> None:
    base = base_of(hub, entity)
    hub.ledger.audit("row_explained", actor(), {"entity": entity, "key": key})
    found = explain(hub, entity, key)
    if as_json:
        print_json(_explained_json(base, found))
        return
    since = f"release {found.recorded_in}, holds from {found.holds_from or _EVER}"
    console.print(f"[bold]{entity}[/bold] {found.title} {key} · release {found.release} · last changed in {since}")
    rows = []
    for field in found.fields:
        told = [_claim_text(base, field.name, claim) for claim in field.claims]
        why = REASONS[field.why] + (f"（{field.order_since} 起的次序）" if field.order_since else "")
        rows.append([field.title, _text(base, field.name, field.value), f"r{field.since}", why, "\n".join(told)])
    table("各项来源 Who said what", ["field", "value", "since", "why", "claims"], rows)
    rules = [[field.title, field.rule] for field in found.fields if field.rule]
    if rules:
        table("推算规则 The hub's own rules", ["field", "rule"], rules)


def _claim_text(base: BaseContract, name: str, claim: Claim) -> str:
    """One claim in a line; the one that won is marked."""
    came = f"（原值 {claim.original}）" if claim.original is not None else ""
    where = f"{claim.dataset} {claim.batch.rpartition('.')[2]}:{claim.row}" if claim.batch else claim.dataset
    day = f" {claim.as_of:%Y-%m-%d}" if claim.as_of else ""
    return f"{'●' if claim.won else '○'} {_text(base, name, claim.value)}{came} {where}{day}"


def _explained_json(base: BaseContract, found: Explained) -> dict[str, Any]:
    told = asdict(found)
    for field in told["fields"]:
        field["value"] = _plain(base, field["name"], field["value"])
        for claim in field["claims"]:
            claim["value"] = _plain(base, field["name"], claim["value"])
    return told


def _show_believed(hub: Hub, entity: str, key: str, known: date, about: date, as_json: bool) -> None:
    base = base_of(hub, entity)
    asked = {"entity": entity, "key": key, "believed_on": known.isoformat(), "about": about.isoformat()}
    hub.ledger.audit("row_believed", actor(), asked)
    found = believed(hub, entity, key, known, about)
    if as_json:
        row = {name: _plain(base, name, value) for name, value in found.items()} if found else None
        print_json({**asked, "row": row})
        return
    if found is None:
        console.print(f"on {known} the hub knew nothing of this {entity} about {about}")
        return
    holds, release = found["holds_from"] or _EVER, found["recorded_from"]
    console.print(f"[bold]{entity}[/bold] {key} on {about}, as known on {known}: holds from {holds}, release {release}")
    rows = [[column.title, name, _text(base, name, found[name])] for name, column in base.by_name.items()]
    table(base.title, ["field", "name", "value"], rows)


def _plain(base: BaseContract, name: str, value: Any) -> Any:
    """A value as JSON holds it; geometry as WKB in hexadecimal digits."""
    if name in base.geometry_columns and value is not None:
        return shapely.to_wkb(shapely.from_wkb(value), hex=True, include_srid=False)
    return value


def _text(base: BaseContract, name: str, value: Any) -> str:
    if value is None:
        return _NOTHING
    if name in base.geometry_columns:
        text = shapely.to_wkt(shapely.from_wkb(value), rounding_precision=6)
        return text if len(text) <= _GEOMETRY_LENGTH else f"{text[:_GEOMETRY_LENGTH]}…"
    if isinstance(value, bool):
        return "是" if value else "否"
    return str(value)


def diff_command(
    before: Annotated[int, typer.Argument(help="Number of a release.")],
    after: Annotated[int, typer.Argument(help="Number of a later one.")],
    entity: Annotated[str | None, typer.Option(help="Only this table.")] = None,
    values: Annotated[bool, typer.Option("--values", help="Tell values before and after; audited.")] = False,
    rows: Annotated[int, typer.Option(min=0, help="How many changed rows of each table are listed.")] = LISTED,
    as_json: AsJson = False,
) -> None:
    """Compare two releases: rows inserted, updated and deleted by table, the columns that changed, and which rows."""
    with opened() as hub:
        found = diff(hub, before, after, actor=actor(), entity=entity, values=values, listed=rows)
        told = [_diff_json(hub, one) for one in found]
    if as_json:
        print_json({"before": before, "after": after, "tables": told})
        return
    names = ["entity", "inserted", "updated", "deleted"]
    counts = [[*(one[name] for name in names), _columns(one)] for one in told]
    table(f"发布版 {before} → {after}", [*names, "columns"], counts)
    for one in told:
        listed = [[row["change"], " ".join(map(str, row["key"])), _changes(row)] for row in one["rows"]]
        if listed:
            table(str(one["entity"]), ["change", "key", "columns"], listed)


def _diff_json(hub: Hub, one: TableDiff) -> dict[str, Any]:
    base = hub.contracts.base[one.entity]
    told = asdict(one)
    for row in told["rows"]:
        if row["values"] is not None:
            row["values"] = {
                name: [_plain(base, name, value) for value in pair] for name, pair in row["values"].items()
            }
    return told


def _columns(one: dict[str, Any]) -> str:
    told = [f"{name} {count:,}" for name, count in one["columns"].items()]
    told += [f"-{name}" for name in one["only_before"]] + [f"+{name}" for name in one["only_after"]]
    return ", ".join(told)


def _changes(row: dict[str, Any]) -> str:
    if row["values"] is None:
        return ", ".join(row["columns"])
    return ", ".join(f"{name}: {old} → {new}" for name, (old, new) in row["values"].items())
