"""The truth about the people of a made county, read back and carried on: who they were, and what has changed since."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samples.community import NUMBERS_A_COUNTY
from samples.draw import Bools, Ints
from samples.residence import NONE

CHANGE_SCHEMA = pa.schema(
    [("person_id", pa.int64()), ("kind", pa.string()), ("changed", pa.string()), ("date", pa.date32())]
)


@dataclass(frozen=True)
class Event:
    """What happened to somebody.

    Args:
        place: the row of the book.
        kind: died, moved, …: see `docs/samples.md`.
        day: the day number on which departments write it down.
        changed: columns of the truth that are different now; none where only a department's list is.
    """

    place: int
    kind: str
    day: int
    changed: tuple[str, ...] = ()


class Book:
    """The person table: the rows of the month before, changes to them, and new rows after them."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.new: list[dict[str, Any]] = []
        self.events: list[Event] = []
        self._changed: dict[int, dict[str, Any]] = {}
        self._place = {number: place for place, number in enumerate(table["person_id"].to_pylist())}
        self.numbers = set(table["id_number"].drop_null().to_pylist())

    def __len__(self) -> int:
        """People of the month before."""
        return len(self.table)

    def there(self, column: str) -> Bools:
        """Who had a value in a column the month before; of a column of yes and no, who had yes."""
        values = self.table[column]
        found = values if pa.types.is_boolean(values.type) else pc.is_valid(values)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)

    def days(self, column: str) -> Ints:
        """Day numbers of a column of dates the month before, -1 where there is none."""
        days = self.table[column].cast(pa.int32()).fill_null(NONE)
        return np.asarray(days.to_numpy(), dtype=np.int64)

    def of_county(self, position: int) -> Bools:
        """Whose person key is of the county at a position of the list."""
        keys = self.table["person_id"].to_numpy()
        return np.asarray(keys // NUMBERS_A_COUNTY == position, dtype=np.bool_)

    def places(self, column: str, values: set[Any]) -> list[int]:
        """Rows of the month before that had one of the values."""
        wanted = pa.array(list(values), self.table.schema.field(column).type)
        found: list[int] = np.flatnonzero(pc.is_in(self.table[column], wanted).to_numpy(zero_copy_only=False)).tolist()
        return found

    def place_of(self, person_id: int) -> int:
        """The row of a person of the month before."""
        return self._place[person_id]

    def row(self, place: int) -> dict[str, Any]:
        """A row as it is now."""
        if place >= len(self):
            return self.new[place - len(self)]
        row: dict[str, Any] = self.table.slice(place, 1).to_pylist()[0]
        return row | self._changed.get(place, {})

    def change(self, place: int, kind: str, day: int, values: Mapping[str, Any]) -> None:
        """Write down what happened to somebody of the month before."""
        self._changed.setdefault(place, {}).update(values)
        self.events.append(Event(place, kind, day, tuple(values)))

    def note(self, person_id: int, kind: str, day: int) -> None:
        """Write down what only a department's list tells of somebody of the month before."""
        self.events.append(Event(self.place_of(person_id), kind, day))

    def had(self, *kinds: str) -> Bools:
        """To whom of the month before one of these things has happened."""
        found = np.zeros(len(self), dtype=np.bool_)
        found[[event.place for event in self.events if event.kind in kinds and event.place < len(self)]] = True
        return found

    def add(self, position: int, kind: str, day: int, values: Mapping[str, Any]) -> int:
        """Write down somebody new in a county; returns the row.

        Columns that are not given are missing, or no.
        """
        blank = {field.name: False if pa.types.is_boolean(field.type) else None for field in self.table.schema}
        keys = [row["person_id"] for row in self.new if row["person_id"] // NUMBERS_A_COUNTY == position]
        last = keys[-1] if keys else pc.max(self.table["person_id"].filter(pa.array(self.of_county(position)))).as_py()
        self.new.append(blank | {"person_id": last + 1} | dict(values))
        place = len(self) + len(self.new) - 1
        self.events.append(Event(place, kind, day, tuple(values)))
        return place

    def finished(self) -> pa.Table:
        """The table as it is now: the people of before in their order, then the new ones."""
        places = sorted(self._changed)
        rows = [self.row(place) for place in places] + self.new
        kept = np.ones(len(self), dtype=np.bool_)
        kept[places] = False
        order = np.concatenate((np.flatnonzero(kept), places, len(self) + np.arange(len(self.new)))).astype(np.int64)
        whole = pa.concat_tables([self.table.filter(pa.array(kept)), pa.Table.from_pylist(rows, self.table.schema)])
        return whole.take(pa.array(np.argsort(order)))

    def changes(self) -> pa.Table:
        """What happened, by day, as the truth's table `change`."""
        events = sorted(self.events, key=lambda event: (event.day, event.place, event.kind))
        columns = (
            [self.row(event.place)["person_id"] for event in events],
            [event.kind for event in events],
            [",".join(event.changed) for event in events],
            [event.day for event in events],
        )
        arrays = [pa.array(column) for column in columns[:3]] + [pa.array(columns[3], pa.int32()).cast(pa.date32())]
        return pa.Table.from_arrays(arrays, schema=CHANGE_SCHEMA)
