"""Rows that a department has already: some change, some come, some go, and faults stay until somebody mends them."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samples.faults import DUPLICATE, FILE, KEY, PERSON, QUARANTINED, Spoil, Spoiled, spoil

PLACE = "_place"
MENDED_SHARE = 0.3  # a month, of the rows that were set aside


class Standing:
    """The rows of one dataset. A row is known by its place; places of new rows follow those of the old ones."""

    def __init__(self, dataset: str, table: pa.Table, rows: pa.Table, faults: Sequence[Mapping[str, Any]]) -> None:
        """Lay the rows beside their truth.

        Args:
            dataset: its name.
            table: the visible columns.
            rows: the truth's `row` table of these rows, in their order.
            faults: the truth's faults of them.

        Raises:
            ValueError: the truth has more rows, or fewer.
        """
        if len(rows) != len(table):
            raise ValueError(f"samples: {dataset} has {len(table)} rows, its truth {len(rows)}; make the county again")
        self.dataset = dataset
        places = pa.array(np.arange(len(table), dtype=np.int64))
        people = rows["person_id"].combine_chunks()
        self.table = table.append_column(PERSON, people).append_column(PLACE, places)
        self.changed: dict[int, dict[str, Any]] = {}
        self.new: list[dict[str, Any]] = []
        self.gone: set[int] = set()
        self.settled: set[int] = set()
        at = {key: place for place, key in enumerate(rows["key"].to_pylist())}
        self.faults = {at[fault["key"]]: dict(fault) for fault in faults if fault["key"] is not None}
        self.partners = {place: at[f["other_key"]] for place, f in self.faults.items() if f["other_key"] is not None}
        # A row has one fault at most, ever: the accounting holds each row against one.
        self.marked = {*self.faults, *self.partners.values()}
        self._of: dict[int, list[int]] = defaultdict(list)
        for place, person in enumerate(people.to_pylist()):
            self._of[person].append(place)

    def of(self, person_id: int) -> list[int]:
        """The places of a person's rows that are there."""
        return [place for place in self._of.get(person_id, []) if place not in self.gone]

    def current(self, person_id: int) -> list[int]:
        """The same without second rows of the same person."""
        return [place for place in self.of(person_id) if self._kind(place) != DUPLICATE]

    def _kind(self, place: int) -> str:
        return str(self.faults[place]["expected"]) if place in self.faults else ""

    def row(self, place: int) -> dict[str, Any]:
        """An old row as it is now."""
        found: dict[str, Any] = self.table.slice(place, 1).to_pylist()[0]
        return found | self.changed.get(place, {})

    def change(self, place: int, values: Mapping[str, Any], *, spoilable: bool = True) -> None:
        """Write cells of an old row anew; a fault that was in one of them is over."""
        self.changed.setdefault(place, {}).update(values)
        if place in self.faults and self.faults[place]["column"] in values:
            del self.faults[place]
        if not spoilable:
            self.settled.add(place)

    def add(self, person_id: int, values: Mapping[str, Any]) -> None:
        """Add a row about somebody."""
        self.new.append({**values, PERSON: person_id, PLACE: len(self.table) + len(self.new)})

    def remove(self, places: Sequence[int]) -> None:
        """Take rows away, as lists do that come whole each time."""
        self.gone |= set(places)

    def mend(self, rng: np.random.Generator) -> list[int]:
        """Let the department mend a share of what was set aside; returns the places."""
        bad = [place for place in sorted(self.faults) if self._kind(place) == QUARANTINED and place not in self.gone]
        chosen = [place for place in bad if rng.random() < MENDED_SHARE]
        for place in chosen:
            self._mend(place)
        return chosen

    def _mend(self, place: int) -> None:
        fault = self.faults[place]
        self.change(place, {fault["column"]: fault["true_value"]}, spoilable=False)

    def finish(
        self, rng: np.random.Generator, kinds: Sequence[Spoil], rate: float, keyed: Callable[[pa.Table], pa.Table]
    ) -> Spoiled:
        """Spoil a share of the rows that are new or changed, and tell all faults there are now.

        Args:
            rng: the stream of chance.
            kinds: the faults that rows may get.
            rate: the share of rows that get one.
            keyed: adds the hidden columns `_key` and, for files, `_file`.
        """
        # Without the row whose number was taken, nothing in the list would tell that it was.
        for place in [place for place in self.faults if self.partners.get(place) in self.gone]:
            if self._kind(place) == QUARANTINED:
                self._mend(place)
        table = keyed(self._laid_out())
        fresh = {*self.changed, *(row[PLACE] for row in self.new)} - self.settled - self.marked
        spoiled = spoil(rng, _at(table, fresh), self.dataset, kinds, rate)
        table = _put(table, spoiled.table)
        return Spoiled(table.drop_columns([PLACE]), [*self._left(table), *spoiled.faults])

    def _laid_out(self) -> pa.Table:
        schema = self.table.schema
        rows = [self.row(place) for place in sorted(self.changed)] + self.new
        table = _put(self.table, pa.Table.from_pylist(rows, schema))
        return table.filter(pc.invert(pc.is_in(table[PLACE], pa.array(sorted(self.gone), pa.int64()))))

    def _left(self, table: pa.Table) -> list[dict[str, Any]]:
        """The faults that are still there, by what their rows are called now."""
        files = table[FILE].to_pylist() if FILE in table.column_names else [None] * len(table)
        names = dict(zip(table[PLACE].to_pylist(), zip(files, table[KEY].to_pylist(), strict=True), strict=True))
        found = []
        for place, fault in sorted(self.faults.items()):
            if place in names:
                file, key = names[place]
                other = names.get(self.partners.get(place, -1), (None, None))[1]
                found.append({**fault, "file": file, "key": key, "other_key": other})
        return found


def _at(table: pa.Table, places: set[int]) -> pa.Table:
    return table.filter(pc.is_in(table[PLACE], pa.array(sorted(places), pa.int64())))


def _put(table: pa.Table, rows: pa.Table) -> pa.Table:
    """The table with rows of the same place replaced, and the others added."""
    kept = table.filter(pc.invert(pc.is_in(table[PLACE], rows[PLACE].combine_chunks())))
    return pa.concat_tables([kept, rows.select(kept.column_names)]).sort_by(PLACE)
