"""How many rows the hub has on each day of an increment's cursor, from its raw batches alone.

What the hub knows of a day is what the last batch that had the whole of it said, and what came since. A row that a
later batch shows on another day has left this one. Rows are told apart by the department's own number (`split_by`)
or, failing that, by the key; where neither is a row's own, a table keeps its old rows beside the new ones, and all
count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.slices import CHINA_HOURS, KEY_MODULUS, DayCount
from hub.context import Hub
from hub.contracts import SourceContract
from hub.deletions import KEPT, open_duckdb, raw_keys
from hub.ledger import Batch

if TYPE_CHECKING:
    import duckdb

__all__ = ["Known", "known_days"]

_EARLIEST, _LATEST = date(1, 1, 1), date(9999, 12, 31)


@dataclass(frozen=True)
class Known:
    """What the hub has.

    Attributes:
        days: Day -> its rows; days without rows are left out.
        is_exact: Whether rows can be told apart: else `days` also counts what has moved on or is gone.
    """

    days: Mapping[date, DayCount]
    is_exact: bool


def known_days(hub: Hub, contract: SourceContract, *, has_keys: bool) -> Known:
    """Count the rows of a dataset that comes in increments.

    Args:
        hub: The opened hub.
        contract: The dataset.
        has_keys: Whether the numbers of `split_by` are added up.
    """
    kept = [one for one in hub.ledger.batches(contract.tail) if one.landed and one.state in KEPT]
    kept = [one for one in kept if one.mode == contract.mode]
    parts = [f"{hub.lake.raw(one.tail, one.id)}/part-*.parquet" for one in kept]
    first = pq.read_schema(hub.lake.raw(kept[-1].tail, kept[-1].id) / "part-00000.parquet")
    with open_duckdb(hub) as duck:
        duck.register("covers", _covers(hub, kept))
        amount = f"coalesce({_quoted(contract.pull['split_by'])} % {KEY_MODULUS}, 0)" if has_keys else "0"
        for own in _own_columns(contract, first):
            _lay_out(duck, parts, str(contract.pull["cursor"]), own, amount)
            if not duck.execute("SELECT 1 FROM raw GROUP BY batch, own HAVING count(*) > 1 LIMIT 1").fetchall():
                return Known(_days(duck, _EXACT), is_exact=True)
        return Known(_days(duck, _LAX), is_exact=False)


def _own_columns(contract: SourceContract, schema: pa.Schema) -> Iterator[list[str]]:
    """What may tell rows apart, the better first."""
    number = contract.pull.get("split_by")
    if number in schema.names:
        yield [str(number)]
    yield raw_keys(contract)


def _covers(hub: Hub, kept: list[Batch]) -> pa.Table:
    """Which batch had the whole of which days."""
    told = [
        {"batch": one.id, "low": _day(low) or _EARLIEST, "high": _day(high) or _LATEST}
        for one in kept
        for low, high in _manifest(hub, one).get("covers", ())
    ]
    return pa.Table.from_pylist(told, pa.schema([("batch", pa.string()), ("low", pa.date32()), ("high", pa.date32())]))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _manifest(hub: Hub, batch: Batch) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((hub.lake.raw(batch.tail, batch.id) / "manifest.json").read_bytes())
    return found


def _lay_out(duck: duckdb.DuckDBPyConnection, parts: list[str], cursor: str, own: list[str], amount: str) -> None:
    """Make the table `raw`: batch, what tells the row apart, day and moment of its cursor, and its number."""
    names = ", ".join(_quoted(name) for name in own)
    source = "read_parquet(?, union_by_name = true, filename = true)"
    ((kind,),) = duck.execute(f"SELECT typeof({_quoted(cursor)}) FROM {source} LIMIT 1", [parts]).fetchall()  # noqa: S608
    zoned = kind == "TIMESTAMP WITH TIME ZONE"
    seen = _quoted(cursor) if zoned else f"TRY_CAST({_quoted(cursor)} AS TIMESTAMP)"
    moment = f"(epoch_us({seen}) + {CHINA_HOURS * 3_600_000_000 if zoned else 0})"
    duck.execute(
        f"""CREATE OR REPLACE TABLE raw AS
            SELECT string_split(filename, '/')[-2] AS batch, {names if len(own) == 1 else f"row({names})"} AS own,
            {moment} AS moment, CAST(make_timestamp({moment}) AS DATE) AS day, {amount} AS amount
            FROM {source}""",  # noqa: S608  names of the contract
        [parts],
    )


_COVERED = """
    CREATE OR REPLACE TABLE covered AS SELECT day, max(batch) AS since
    FROM (SELECT DISTINCT day FROM raw) JOIN covers ON day >= low AND day < high GROUP BY day"""

_EXACT = """
    SELECT seen.day, count(*), sum(seen.amount) FROM (
        SELECT max(batch) AS batch, arg_max({'day': day, 'amount': amount}, batch) AS seen FROM raw GROUP BY own)
    LEFT JOIN covered ON covered.day = seen.day
    WHERE seen.day IS NOT NULL AND batch >= coalesce(since, '') GROUP BY seen.day"""

_LAX = """
    SELECT day, sum(most), 0 FROM (
        SELECT day, max(rows) AS most FROM (
            SELECT batch, day, own, moment, count(*) AS rows FROM raw WHERE day IS NOT NULL GROUP BY ALL)
        LEFT JOIN covered USING (day)
        WHERE batch >= coalesce(since, '') GROUP BY day, own, moment)
    GROUP BY day"""


def _days(duck: duckdb.DuckDBPyConnection, query: str) -> dict[date, DayCount]:
    duck.execute(_COVERED)
    return {day: DayCount(int(rows), int(keys)) for day, rows, keys in duck.execute(query).fetchall()}


def _quoted(name: str) -> str:
    return '"' + str(name).replace('"', '""') + '"'
