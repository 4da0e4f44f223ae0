"""Step 4, link: each dataset's present rows get their hub keys, their place, and the reason for each."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from hub.context import Hub
from hub.contracts import Feed, SourceContract
from hub.deletions import DELETED
from hub.engine import Engine
from hub.geography import LOCATED, Locator
from hub.keys import identified_by, key_expression, keys_by_group
from hub.linking.bench import as_table
from hub.linking.resolve import Resolved, resolve
from hub.present import day_of, of_batches, present_batches, without_replaced
from hub.residing import latest_first
from hub.store import replacing

__all__ = ["feed_values", "link"]

LINKED = ("person", "legal_entity")
"""Entities whose rows are linked by likeness as well."""

_PLACE = ("household_key", "address_code", "division_code", "grid_code")


def link(hub: Hub) -> dict[str, int]:
    """Write `4-linked/<tail>/rows.parquet` for every dataset that has checked batches.

    A linked row has the dataset's columns, and:
        `_batch`, `_row`: where it came from;
        `_as_of`: when the department last touched it, else the day of the delivery;
        `person_key`, `household_key`, `residence_key`, `care_key`, `entity_key`: hub keys of the entities it feeds;
        `_<entity>_reason`: the columns that decided the key, `likely:` and what agrees where that is what did;
        `grid_code`, and `_division_reason`: `address` where the standard address tells the village, `address_text`
        where its text does, `address_likely` where its text is most likely a known one, `stated` where only the
        department does, `attached` beside another person.

    Beside them lies `4-linked/linking`, see `hub.linking.resolve`.

    Returns:
        Rows by dataset.
    """
    linked: dict[str, int] = {}
    with hub.engine() as engine, tempfile.TemporaryDirectory() as scratch:
        worker = _Linker(hub, engine, Path(scratch), resolve(hub, engine))
        for contract in sorted(hub.contracts.sources.values(), key=_turn):
            rows = worker.link(contract)
            if rows is not None:
                linked[contract.tail] = rows
    return linked


def _turn(contract: SourceContract) -> tuple[int, str]:
    """Grids before addresses, addresses before whoever lives there, the attached last."""
    fed = {feed.entity for feed in contract.feeds}
    turn = 0 if "grid" in fed else 1 if "address" in fed else 2 if contract.attach is None else 3
    return turn, contract.tail


def feed_values(feed: Feed, table: ibis.Table, columns: tuple[str, ...]) -> dict[str, ibis.Value]:
    """Base column -> expression, for those of `columns` that a feed can fill from a table."""
    values: dict[str, ibis.Value] = {}
    for column in columns:
        source = feed.mapping.get(column, column)
        if column in feed.constants:
            values[column] = ibis.literal(feed.constants[column])
        elif source in table.columns:
            values[column] = table[source]
    return values


@dataclass
class _Linker:
    """Links one dataset after the other, so that later ones find the places of earlier ones."""

    hub: Hub
    engine: Engine
    scratch: Path
    resolved: Resolved

    def __post_init__(self) -> None:
        self.secret = self.hub.key("hub-keys").hex()
        self.feeding: dict[str, list[Path]] = {"grid": [], "address": [], "residence": []}

    def link(self, contract: SourceContract) -> int | None:
        """Link one dataset; None where nothing of it was checked yet."""
        current = self._current(contract)
        if current is None:
            return None
        current = self._dated(contract, self.resolved.completed(contract, current))
        fed = {feed.entity for feed in contract.feeds}
        if "address" in fed:
            table = self._in_grids(contract, current)
        elif contract.attach is None:
            table = self._at_address(contract, current)
        else:
            table = self._attached(contract, current)
        for feed in contract.feeds:
            table = self._with_key(feed, table)
        table = table.drop(*(name for name in ("_found", "_why") if name in table.columns))
        with replacing(self.hub.lake.linked(contract.tail)) as folder:
            rows = self.engine.write(table, folder / "rows.parquet")
        for entity in fed & set(self.feeding):
            self.feeding[entity].append(self.hub.lake.linked(contract.tail) / "rows.parquet")
        return rows

    def _current(self, contract: SourceContract) -> ibis.Table | None:
        """The dataset as it stands: the last snapshot, or the newest row of each key over all increments; as mended."""
        batches = present_batches(self.hub, contract)
        if not batches:
            return None
        files = [self.hub.lake.checked(contract.tail, batch.id) / "accepted.parquet" for batch in batches]
        table = without_replaced(self.hub, self.engine, of_batches(self.engine, files), batches)
        as_of = table[contract.order_by] if contract.order_by else ibis.null("timestamp(6)")
        table = table.mutate(_as_of=as_of.cast("timestamp(6)"))
        if contract.mode == "increment" or len(batches) > 1:
            newest = [ibis.desc("_as_of", nulls_first=False), ibis.desc("_batch"), ibis.desc("_row")]
            place = ibis.row_number().over(group_by=list(contract.keys), order_by=newest)
            table = table.mutate(_place=place).filter(lambda rows: rows["_place"] == 0).drop("_place")
        for column, value in contract.deleted_when.items():
            table = table.filter(table[column].fill_null("") != value)
        return table.filter(~table[DELETED].fill_null(False)).drop(DELETED) if DELETED in table.columns else table

    def _dated(self, contract: SourceContract, current: ibis.Table) -> ibis.Table:
        """Give rows of which the department does not say when it touched them the day of their delivery."""
        if contract.order_by:
            return current
        days = {batch.id: day_of(self.hub, batch) for batch in present_batches(self.hub, contract)}
        known = ibis.memtable(
            {"_of": list(days), "_day": list(days.values())}, schema={"_of": "string", "_day": "date"}
        )
        joined = current.left_join(known, current["_batch"] == known["_of"])
        return joined.mutate(_as_of=joined["_day"].cast("timestamp(6)")).drop("_of", "_day")

    def _in_grids(self, contract: SourceContract, current: ibis.Table) -> ibis.Table:
        """Give addresses their longitude, latitude, and the grid and micro-grid their point lies in."""
        here = self.scratch / "addresses.parquet"
        self.engine.write(current, here)
        if self.feeding["grid"]:
            grids = self.engine.read(self.feeding["grid"]).select("grid_code", "geometry").to_pyarrow()
        else:
            grids = pa.table({"grid_code": pa.array([], pa.string()), "geometry": pa.array([], pa.binary())})
        points = pq.ParquetFile(here).iter_batches(65_536, columns=["address_code", "geometry"])
        located = self.scratch / "located.parquet"
        with pq.ParquetWriter(located, LOCATED) as writer:
            for batch in Locator.build(grids).locate(points):
                writer.write_batch(batch)
        table = self.engine.read(here).left_join(self.engine.read(located), "address_code")
        return table.drop("address_code_right").mutate(_division_reason=ibis.literal("stated"))

    def _at_address(self, contract: SourceContract, current: ibis.Table) -> ibis.Table:
        """Let the standard address, where the row has a known one, tell the village and the grid."""
        if "division_code" not in current.columns:
            return current
        if "address_code" not in current.columns or not self.feeding["address"]:
            return current.mutate(_division_reason=ibis.literal("stated"))
        places = self.engine.read(self.feeding["address"])
        found = self.resolved.by_text(contract, as_table(self.feeding["address"]))
        texts = self.engine.con.table(found) if found else None
        places = places.select(_address="address_code", _division="division_code", _grid="grid_code")
        table = current.left_join(places, current.address_code == places["_address"])
        code = village = grid = told_by = ibis.null("string")
        if texts is not None:
            table = table.left_join(texts, [table["_batch"] == texts["_of_batch"], table["_row"] == texts["_of_row"]])
            code, village, grid, told_by = (table[name] for name in ("_code", "_village", "_place", "_told_by"))
        made = table.mutate(
            address_code=ibis.coalesce(table.address_code, code),
            division_code=ibis.coalesce(table["_division"], village, table.division_code),
            grid_code=ibis.coalesce(table["_grid"], grid),
            _division_reason=ibis.cases(
                (table["_division"].notnull(), "address"), (village.notnull(), told_by), else_="stated"
            ),
        )
        scratch = ("_address", "_division", "_grid", "_of_batch", "_of_row", "_code", "_village", "_place", "_told_by")
        return made.drop(*(name for name in scratch if name in made.columns))

    def _attached(self, contract: SourceContract, current: ibis.Table) -> ibis.Table:
        """Put rows beside the person they name: household, address and village are that person's."""
        if not self.feeding["residence"] or contract.attach is None:
            return current.mutate(_division_reason=ibis.literal("stated"))
        homes = self.engine.read(self.feeding["residence"])
        # The household is that of the register, wherever the person lives now.
        homes = homes.mutate(household_key=homes.household_key.max().over(group_by="person_key"))
        is_over = (homes.end_date < self.hub.as_of).fill_null(False)
        turns = [is_over.ifelse(1, 0), *latest_first(homes, homes["_as_of"].cast("date"))]
        homes = homes.mutate(_turn=ibis.row_number().over(group_by="person_key", order_by=[*turns, "_batch", "_row"]))
        homes = homes.filter(homes["_turn"] == 0).select(
            _beside="person_key", **{f"_{column}": column for column in _PLACE}
        )
        person = self.hub.contracts.base["person"]
        named = {
            column: current[source] if source in current.columns else ibis.literal(source)
            for column, source in contract.attach.items()
        }
        other = key_expression(person, named, self.secret)
        table = current.mutate(_other=other)
        table = table.left_join(homes, table["_other"] == homes["_beside"])
        found = table["_beside"].notnull()
        return table.mutate(
            household_key=table["_household_key"],
            address_code=table["_address_code"],
            grid_code=table["_grid_code"],
            division_code=ibis.coalesce(table["_division_code"], table.division_code),
            _division_reason=found.ifelse(ibis.literal("attached"), ibis.literal("stated")),
        ).drop("_other", "_beside", *(f"_{column}" for column in _PLACE))

    def _with_key(self, feed: Feed, table: ibis.Table) -> ibis.Table:
        """Give rows the key of whom they are about, and the reason: a number, else likeness, else what they have."""
        base = self.hub.contracts.base[feed.entity]
        wanted = tuple(dict.fromkeys(column for group in base.identify_by for column in group))
        values = feed_values(feed, table, wanted)
        key = key_expression(base, values, self.secret)
        if key is None or base.key_column in table.columns:
            return table
        reason = identified_by(base, values)
        if "_found" in table.columns and feed.entity in LINKED:
            first = next(iter(keys_by_group(base, values, self.secret).values()))
            is_found = first.isnull() & table["_found"].startswith(base.key_prefix).fill_null(False)
            key, reason = is_found.ifelse(table["_found"], key), is_found.ifelse(table["_why"], reason)
        extra = {"residence_kind_code": values["residence_kind_code"]} if "residence_kind_code" in values else {}
        keyed = table.mutate(**{base.key_column: key, f"_{feed.entity}_reason": reason}, **extra)
        return self.resolved.bench.aliases.applied(feed.entity, keyed, base.key_column)
