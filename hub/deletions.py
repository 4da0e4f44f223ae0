"""Rows that vanish from a department's system: found by comparing keys, told as tombstones, braked when too many.

A list that comes whole says by its absence who is gone; a list that comes in increments says nothing, so its keys are
read now and then and held against those the hub has.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.base import Connector, Offer, Request, Withheld
from hub.asking import Awake
from hub.context import CHINA, Hub
from hub.contracts import SourceContract
from hub.errors import SetAsideError
from hub.landing import write_manifest
from hub.ledger import Batch

if TYPE_CHECKING:
    import duckdb

__all__ = ["DELETED", "KEPT", "Comparison", "brake", "brake_snapshot", "compare_keys", "open_duckdb", "raw_keys"]

DELETED = "_deleted"
"""Column of a tombstone batch's accepted rows: true, and nothing else but the key is known."""

KEPT = ("landed", "conformed", "checked", "held")
"""States of a batch whose rows the hub has."""
_DEFAULT_SHARE = 0.3
_FEWEST = 20
"""Fewer rows than this may vanish at once from the smallest list."""


def brake(contract: SourceContract, gone: int, known: int) -> None:
    """Refuse to believe that a large share of a dataset is gone at once.

    Raises:
        SetAsideError: `deletions_braked`: more than `deletions.max_delete_share` of the rows would vanish.
    """
    share = float(contract.deletions.get("max_delete_share", _DEFAULT_SHARE))
    if gone >= _FEWEST and gone > share * known:
        raise SetAsideError(
            where=contract.tail,
            came=f"{gone} of {known} rows are gone at once",
            allowed=f"at most {share:.0%} of them, or fewer than {_FEWEST}",
            do="ask the department; if they are really gone, pull once more with --accept-deletions",
            reason="deletions_braked",
        )


def brake_snapshot(hub: Hub, contract: SourceContract, fresh: Path) -> None:
    """Hold a complete list that has just been read against the one before it.

    Args:
        hub: The opened hub.
        contract: A snapshot dataset.
        fresh: Folder with the parts just read.

    Raises:
        SetAsideError: `deletions_braked`.
    """
    earlier = [batch for batch in hub.ledger.batches(contract.tail) if batch.mode == "snapshot" and batch.landed]
    earlier = [batch for batch in earlier if batch.state in KEPT]
    keys = raw_keys(contract)
    if not earlier or not _all_have(keys, fresh, hub.lake.raw(contract.tail, earlier[-1].id)):
        return
    before = f"{hub.lake.raw(contract.tail, earlier[-1].id)}/part-*.parquet"
    with open_duckdb(hub) as duck:
        listed = ", ".join(f'CAST("{key}" AS VARCHAR)' for key in keys)
        same = f"SELECT DISTINCT {listed} FROM read_parquet(?, union_by_name = true)"  # noqa: S608  names of the contract
        known = _count(duck, f"SELECT count(*) FROM ({same})", [before])  # noqa: S608
        gone = _count(
            duck,
            f"SELECT count(*) FROM ({same} EXCEPT {same})",  # noqa: S608
            [before, f"{fresh}/part-*.parquet"],
        )
    brake(contract, gone, known)


def _all_have(keys: list[str], *folders: Path) -> bool:
    return bool(keys) and all(
        set(keys) <= set(pq.read_schema(folder / "part-00000.parquet").names) for folder in folders
    )


def open_duckdb(hub: Hub) -> duckdb.DuckDBPyConnection:
    """Open a database in memory, within the memory and threads of the settings."""
    import duckdb  # most pulls compare nothing

    memory = f"{hub.settings.memory_limit_mb}MB"
    return duckdb.connect(config={"memory_limit": memory, "threads": hub.settings.threads})


def _count(duck: duckdb.DuckDBPyConnection, query: str, values: list[Any]) -> int:
    return int(duck.execute(query, values).fetchall()[0][0])


def raw_keys(contract: SourceContract) -> list[str]:
    """Return the department's names of the key's columns."""
    return list(dict.fromkeys(contract.by_name[key].physical_name for key in contract.keys))


@dataclass(frozen=True)
class Comparison:
    """What the comparison of keys found.

    Attributes:
        batch: The tombstones of keys that are gone; None where none is.
        late: Keys the department has and the hub never read: rows that were committed behind the mark.
    """

    batch: Batch | None
    late: int


def compare_keys(
    hub: Hub, contract: SourceContract, connector: Connector, request: Request, *, awake: Awake, accept: bool
) -> Comparison:
    """Compare the keys of a dataset that comes in increments; those that are gone become a batch of tombstones.

    Args:
        hub: The opened hub.
        contract: The dataset.
        connector: The way into its system.
        request: As its rows were asked for.
        awake: Called before each question to the system.
        accept: Bury them however many they are.

    Raises:
        SetAsideError: `deletions_braked`, unless `accept`; a column of the key is missing.
        RetryError, StopError: As the connector does.
    """
    kept = [batch for batch in hub.ledger.batches(contract.tail) if batch.landed and batch.state in KEPT]
    if not kept:
        return Comparison(None, 0)
    scratch = hub.lake.raw(contract.tail, ".keys")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        present = scratch / "present.parquet"
        _write_keys(connector, _request_of_keys(contract, request), awake, present)
        with open_duckdb(hub) as duck:
            late = _lay_out(hub, contract, kept, present, duck)
            gone, known = _gone(hub, contract, kept, duck)
        if not accept:
            brake(contract, gone.num_rows, known)
        return Comparison(_bury(hub, contract, gone) if gone.num_rows else None, late)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _request_of_keys(contract: SourceContract, request: Request) -> Request:
    """All there is, at the same pace and under the same names; a key that is missing is never lent as null."""
    fields = tuple(raw_keys(contract))
    return replace(request, fields=fields, mode="snapshot", since=None, drift={})


def _write_keys(connector: Connector, request: Request, awake: Awake, path: Path) -> None:
    """Read the keys of all rows the department has."""
    writer: pq.ParquetWriter | None = None
    try:
        for batch in _key_batches(connector.offers(request, None), awake):
            if writer is None:
                writer = pq.ParquetWriter(path, batch.schema)
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()


def _key_batches(offers: Iterable[Offer | Withheld], awake: Awake) -> Iterator[pa.RecordBatch]:
    for offer in offers:
        if isinstance(offer, Withheld):
            raise SetAsideError(offer.name, offer.message, "all keys", "send it again", reason=offer.reason)
        chunks = list(offer.plan())
        while chunks:
            awake()
            chunk = chunks.pop(0)
            yield from offer.read(chunk)
            follows = offer.after(chunk, offer.note(chunk))
            chunks = [follows, *chunks] if follows is not None else chunks


def _lay_out(
    hub: Hub, contract: SourceContract, kept: list[Batch], present: Path, duck: duckdb.DuckDBPyConnection
) -> int:
    """Make the tables `present` (the department's keys) and `raw` (rows of the hub that have one); count late keys."""
    keys = raw_keys(contract)
    texts = ", ".join(f'CAST("{key}" AS VARCHAR) AS "{key}"' for key in keys)
    using = ", ".join(f'"{key}"' for key in keys)
    parts = [f"{hub.lake.raw(batch.tail, batch.id)}/part-*.parquet" for batch in kept if batch.mode != "tombstones"]
    duck.execute(f"CREATE TABLE present AS SELECT DISTINCT {texts} FROM read_parquet(?)", [str(present)])  # noqa: S608
    duck.execute(
        f"""CREATE TABLE raw AS SELECT {texts}, _row, string_split(filename, '/')[-2] AS _batch,
            {_number(contract)} AS _number FROM read_parquet(?, union_by_name = true, filename = true)""",  # noqa: S608  names of the contract
        [parts],
    )
    late = _count(duck, f"SELECT count(*) FROM present ANTI JOIN raw USING ({using})", [])  # noqa: S608
    duck.execute(f"CREATE TABLE found AS SELECT _row, _batch FROM raw SEMI JOIN present USING ({using})")  # noqa: S608
    return late


def _number(contract: SourceContract) -> str:
    """The department's own number of a record, by which it is known even where its key was written anew."""
    named = contract.pull.get("split_by")
    return f'CAST("{named}" AS VARCHAR)' if named in contract.physical_names else "NULL::VARCHAR"


def _gone(
    hub: Hub, contract: SourceContract, kept: list[Batch], duck: duckdb.DuckDBPyConnection
) -> tuple[pa.Table, int]:
    """Return the hub's keys none of whose rows are left in the source, with their newest moment, and how many it has.

    A key of the hub may stand for several of the department's: a number of 15 digits and the same one of 18. A record
    that has just come anew is left out until it is checked: only then it shows whether its key is another.
    """
    mine = ", ".join(f'"{name}"' for name in contract.keys)
    checked = [batch for batch in kept if batch.state == "checked" and batch.accepted]
    if not checked:
        return pa.table({}), 0
    moment = f'CAST("{contract.order_by}" AS TIMESTAMP)' if contract.order_by else "NULL::TIMESTAMP"
    buried = f"coalesce({DELETED}, false)" if any(batch.mode == "tombstones" for batch in checked) else "false"
    unchecked = [batch.id for batch in kept if batch.state != "checked"]
    flagged = [f"coalesce(\"{name}\" = '{value}', false)" for name, value in contract.deleted_when.items()]
    duck.execute(
        f"""CREATE TABLE accepted AS SELECT {mine}, _row, string_split(filename, '/')[-2] AS _batch,
            {moment} AS _moment, ({" OR ".join([buried, *flagged])}) AS _dead
            FROM read_parquet(?, union_by_name = true, filename = true)""",  # noqa: S608  names of the contract
        [[str(hub.lake.checked(contract.tail, batch.id) / "accepted.parquet") for batch in checked]],
    )
    duck.execute(
        f"""CREATE TABLE living AS SELECT {mine}, _moment, _batch, _row FROM accepted
            QUALIFY row_number() OVER (PARTITION BY {mine} ORDER BY _moment DESC NULLS LAST, _batch DESC, _row DESC) = 1
            AND NOT _dead"""  # noqa: S608
    )
    duck.execute(f"CREATE TABLE seen AS SELECT DISTINCT {mine} FROM accepted SEMI JOIN found USING (_batch, _row)")  # noqa: S608
    known = _count(duck, "SELECT count(*) FROM living", [])
    duck.execute("CREATE TABLE anew AS SELECT DISTINCT _number FROM raw WHERE list_contains(?, _batch)", [unchecked])
    gone = duck.sql(
        f"""SELECT {mine}, _moment FROM (SELECT living.*, _number FROM living LEFT JOIN raw USING (_batch, _row))
            ANTI JOIN seen USING ({mine}) ANTI JOIN anew USING (_number) ORDER BY {mine}"""  # noqa: S608
    )
    return gone.to_arrow_table(), known


def _bury(hub: Hub, contract: SourceContract, gone: pa.Table) -> Batch:
    """Land the vanished keys as a checked batch: nothing in it needs to be read or judged."""
    batch = hub.ledger.new_batch(contract.tail, f"{gone.num_rows} keys gone", "tombstones")
    rows = pa.array(range(1, gone.num_rows + 1), pa.int64())
    empty = {name: pa.nulls(gone.num_rows, field.type) for name, field in _fields(contract)}
    told = {name: gone[name] for name in contract.keys}
    if contract.order_by:
        told[contract.order_by] = gone["_moment"].cast(contract.arrow_schema.field(contract.order_by).type)
    table = pa.table({**empty, **told, "_row": rows, DELETED: pa.array([True] * gone.num_rows)})
    checked, raw = hub.lake.checked(contract.tail, batch.id), hub.lake.raw(contract.tail, batch.id)
    for folder in (checked, raw):
        folder.mkdir(parents=True, exist_ok=True)
    keys = table.select([*contract.keys, "_row"])
    pq.write_table(keys, raw / "part-00000.parquet", compression="zstd")
    pq.write_table(table, checked / "accepted.parquet", compression="zstd")
    write_manifest(
        raw,
        {
            "dataset": contract.tail,
            "offer": batch.offer,
            "rows": gone.num_rows,
            "pulled_at": datetime.now(CHINA).isoformat(),
            "parts": ["part-00000.parquet"],
        },
    )
    done = replace(batch, state="checked", landed=gone.num_rows, accepted=gone.num_rows)
    hub.ledger.save_batch(done)
    return done


def _fields(contract: SourceContract) -> Iterator[tuple[str, pa.Field]]:
    return ((field.name, field) for field in contract.arrow_schema)
