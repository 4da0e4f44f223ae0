"""What the hub has on each day, from raw batches laid out by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.slices import KEY_MODULUS, DayCount
from hub.context import Hub
from hub.contracts import SourceContract, load_contracts
from hub.day_counts import known_days
from hub.ledger import Batch
from hub.settings import load_settings
from hub.store import Lake

AGREED = load_contracts().sources["public_security/cancelled_registration"]
FIRST, SECOND = date(2026, 10, 1), date(2026, 10, 2)
WHOLE: list[list[str | None]] = [[None, None]]

Row = tuple[int | None, str, str | None]
"""Number, key and moment."""


@dataclass
class Batches:
    """A ledger that knows batches only."""

    known: list[Batch] = field(default_factory=list)

    def batches(self, tail: str) -> list[Batch]:
        return [batch for batch in self.known if batch.tail == tail]


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    nothing = cast(Any, None)
    return Hub(load_settings(data_dir=tmp_path), nothing, Lake(tmp_path), cast(Any, Batches()), nothing, FIRST)


def land(hub: Hub, *rows: Row, covers: list[list[str | None]] | None = None, **how: Any) -> None:
    """Lay out a batch."""
    ledger = cast(Batches, hub.ledger)
    number = f"b.{len(ledger.known) + 1:06d}"
    batch = Batch(number, AGREED.tail, "offer", "increment", "landed", datetime.now(UTC), landed=len(rows))
    kind = how.pop("kind", pa.timestamp("us"))
    ledger.known.append(replace(batch, **how))
    folder = hub.lake.raw(AGREED.tail, number)
    folder.mkdir(parents=True)
    moments = pa.array([moment and datetime.fromisoformat(moment) for _, _, moment in rows], pa.timestamp("us"))
    if pa.types.is_timestamp(kind) and kind.tz:
        moments = pa.array([datetime.fromisoformat(f"{moment}+00:00") for _, _, moment in rows], kind)
    columns = {
        "xh": pa.array([number for number, _, _ in rows], pa.int64()),
        "gmsfhm": pa.array([key for _, key, _ in rows]),
        "gxsj": moments.cast(kind),
    }
    pq.write_table(pa.table(columns), folder / "part-00000.parquet")
    facts = {} if covers is None else {"covers": covers}
    (folder / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")


def days(hub: Hub, agreed: SourceContract = AGREED, *, has_keys: bool = True) -> tuple[dict[date, DayCount], bool]:
    known = known_days(hub, agreed, has_keys=has_keys)
    return dict(known.days), known.is_exact


def without_number(agreed: SourceContract = AGREED) -> SourceContract:
    return replace(agreed, pull={name: value for name, value in agreed.pull.items() if name != "split_by"})


def test_a_row_counts_on_the_day_where_it_was_seen_last(hub: Hub) -> None:
    land(hub, (1, "a", "2026-10-01T08:00:00"), (KEY_MODULUS + 2, "b", "2026-10-01T23:59:59"), covers=WHOLE)
    assert days(hub) == ({FIRST: DayCount(2, 3)}, True)
    land(hub, (1, "a", "2026-10-02T00:00:00"))
    assert days(hub) == ({FIRST: DayCount(1, 2), SECOND: DayCount(1, 1)}, True)
    land(hub, (1, "a", "2026-10-02T00:00:00"), (5, "e", None))
    assert days(hub) == ({FIRST: DayCount(1, 2), SECOND: DayCount(1, 1)}, True)
    assert days(hub, has_keys=False)[0] == {FIRST: DayCount(1, 0), SECOND: DayCount(1, 0)}


def test_a_row_that_loses_its_time_or_goes_back_in_it_is_found(hub: Hub) -> None:
    land(hub, (1, "a", "2026-10-02T08:00:00"), (2, "b", "2026-10-02T08:00:00"), covers=WHOLE)
    land(hub, (1, "a", None), (2, "b", "2026-10-01T08:00:00"))
    assert days(hub)[0] == {FIRST: DayCount(1, 2)}


def test_a_day_read_anew_is_what_that_reading_said_and_what_came_since(hub: Hub) -> None:
    land(hub, (1, "a", "2026-10-01T08:00:00"), (2, "b", "2026-10-02T08:00:00"), covers=WHOLE)
    land(hub, (3, "c", "2026-10-01T09:00:00"), covers=[["2026-10-01", "2026-10-02"]])
    assert days(hub)[0] == {FIRST: DayCount(1, 3), SECOND: DayCount(1, 2)}
    land(hub, (4, "d", "2026-10-01T10:00:00"), covers=[["2026-10-02", None]])
    assert days(hub)[0] == {FIRST: DayCount(2, 7)}, "the second day was read as well, and had no row"


def test_a_number_that_rows_share_tells_none_apart_but_the_key_may(hub: Hub) -> None:
    land(hub, (7, "a", "2026-10-01T08:00:00"), (7, "b", "2026-10-01T08:00:00"), covers=WHOLE)
    land(hub, (8, "b", "2026-10-02T08:00:00"))
    assert days(hub, has_keys=False) == ({FIRST: DayCount(1, 0), SECOND: DayCount(1, 0)}, True)
    assert days(hub, without_number(), has_keys=False)[0] == {FIRST: DayCount(1, 0), SECOND: DayCount(1, 0)}


def test_a_table_that_keeps_its_old_rows_counts_them_all(hub: Hub) -> None:
    agreed = without_number()
    land(hub, (1, "a", "2026-10-01T08:00:00"), (2, "a", "2026-10-02T08:00:00"), covers=WHOLE)
    land(hub, (2, "a", "2026-10-02T08:00:00"), (3, "a", "2026-10-02T09:00:00"))
    assert days(hub, agreed, has_keys=False) == ({FIRST: DayCount(1, 0), SECOND: DayCount(2, 0)}, False)
    land(hub, (1, "a", "2026-10-01T08:00:00"), (1, "a", "2026-10-01T08:00:00"), covers=[["2026-10-01", "2026-10-02"]])
    assert days(hub, agreed, has_keys=False)[0][FIRST].rows == 2, "two rows alike are two"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.timestamp("us", "UTC"), {FIRST: 1, SECOND: 1}),
        (pa.timestamp("us"), {FIRST: 2}),
        (pa.string(), {FIRST: 2}),
        (pa.date32(), {FIRST: 2}),
    ],
)
def test_days_are_chinas(hub: Hub, kind: pa.DataType, expected: dict[date, int]) -> None:
    land(hub, (1, "a", "2026-10-01T15:59:59"), (2, "b", "2026-10-01T16:00:00"), kind=kind, covers=WHOLE)
    assert {day: count.rows for day, count in days(hub)[0].items()} == expected


def test_only_what_landed_of_this_mode_counts(hub: Hub) -> None:
    land(hub, (1, "a", "2026-10-01T08:00:00"), covers=WHOLE)
    for state, mode in (("withheld", "increment"), ("pulling", "increment"), ("checked", "correction")):
        land(hub, (2, "b", "2026-10-01T08:00:00"), state=state, mode=mode)
    land(hub, (3, "c", "2026-10-01T08:00:00"), state="checked")
    assert days(hub)[0] == {FIRST: DayCount(2, 4)}
