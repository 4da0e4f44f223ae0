"""市场监管, a month on: some firms close, some have another telephone."""

from datetime import datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samples.book import Book
from samples.newcomers import calendar
from samples.people import phones
from samples.standing import Standing

CLOSED, PHONE = 0.003, 0.005
ACTIVE_CODE, CANCELLED_CODE = "1", "2"


def run_on(rng: np.random.Generator, book: Book, entities: Standing, days: tuple[int, int]) -> list[str]:
    """Change a few rows of the service; each is noted as a change of the legal representative's.

    Returns:
        Registration numbers of those that have closed.
    """
    marked = pa.array(sorted(entities.marked), pa.int64())
    able = pc.and_(pc.equal(entities.table["djzt"], ACTIVE_CODE), pc.invert(pc.is_in(entities.table["_place"], marked)))
    active = np.flatnonzero(able.to_numpy(zero_copy_only=False))
    counts = [max(round(len(active) * share), 1) for share in (CLOSED, PHONE)]
    chosen = rng.choice(active, min(sum(counts), len(active)), replace=False).tolist()
    closed = chosen[: counts[0]]
    for place in sorted(closed):
        _change(rng, book, entities, place, "entity_closed", {"djzt": CANCELLED_CODE}, days)
    called = sorted(chosen[counts[0] :])
    for place, phone in zip(called, phones(rng, len(called)).to_pylist(), strict=True):
        _change(rng, book, entities, place, "entity_phone", {"lxdh": phone}, days)
    for place in entities.mend(rng):
        entities.change(place, _moment(rng, int(rng.integers(*days))), spoilable=False)
    return [entities.row(place)["zch"] for place in sorted(closed)]


def _change(
    rng: np.random.Generator,
    book: Book,
    entities: Standing,
    place: int,
    kind: str,
    values: dict[str, Any],
    days: tuple[int, int],
) -> None:
    day = int(rng.integers(*days))
    entities.change(place, values | _moment(rng, day))
    book.note(entities.row(place)["_person"], kind, day)


def _moment(rng: np.random.Generator, day: int) -> dict[str, str]:
    seconds = int(rng.integers(8 * 3600, 18 * 3600))
    moment = datetime.combine(calendar(day), time()) + timedelta(seconds=seconds)
    return {"gxsj": f"{moment:%Y-%m-%d %H:%M:%S}"}


def keyed(table: pa.Table) -> pa.Table:
    """Name rows by their registration number."""
    return table.append_column("_key", table["zch"].combine_chunks())
