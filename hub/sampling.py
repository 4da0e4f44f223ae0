"""A look at a source before anything is stored: what a few of its rows look like, and how they conform."""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from connectors.base import Connector, Withheld, connect
from connectors.pace import Pace
from hub.asking import connection_of, lock_of, request_of, while_awake
from hub.conform.files import conform_parts, counted
from hub.contracts import Contracts, SourceContract, System
from hub.drift import discarded
from hub.engine import Engine
from hub.errors import RetryError, SetAsideError, StopError
from hub.ledger import Ledger
from hub.pg import embedded_server
from hub.settings import Settings

__all__ = ["sample", "shape"]

_DROPS = ("file", "geo_file")
"""Kinds that copy every delivery they offer: of those the newest alone is asked for."""


def sample(contracts: Contracts, settings: Settings, tail: str, rows: int, as_of: date) -> dict[str, Any]:
    """Read the first rows a source gives and conform them; neither lake nor ledger is touched.

    The department is asked as by a pull: outside its quiet hours, at its pace, and while no pull is at it.

    Values are shown by their shape alone (`shape`): enough to see a format, too little to know a person.

    Returns:
        `{"tail", "offer", "rows", "announced", "not_agreed": [column, …], "columns": [{"source", "name", "title",
        "type", "filled", "shapes": [at most three], "conformed", "reasons": {code: count}}]}`.

    Raises:
        StopError: There is no such dataset, or the source refuses.
        RetryError: The source is away, has quiet hours, or is being pulled.
        SetAsideError: The newest delivery cannot be used.
    """
    contract = contracts.sources.get(tail)
    if contract is None:
        raise StopError("hub pull", repr(tail), "one of " + ", ".join(contracts.sources), "name a dataset")
    system = contracts.systems[contract.department]
    while_awake(system)()
    connector = connect(connection_of(contracts, settings, contract))
    with tempfile.TemporaryDirectory(prefix="hub-sample-") as scratch:
        folder = Path(scratch)
        with _alone(settings, system):
            told, available, raw = _first_rows(connector, contract, system, rows)
        part = folder / "part-00000.parquet"
        numbers = pa.array(range(1, raw.num_rows + 1), pa.int64())
        pq.write_table(raw.append_column("_row", numbers), part)
        with Engine(settings) as engine:
            drifted = discarded(contract, available, ())
            conform_parts(engine, contracts, contract, [part], folder, as_of, drifted)
            issues = counted(engine.read(folder / "issues.parquet"))
        conformed = pq.read_table(folder / "rows.parquet")
    return {**told, "rows": raw.num_rows, "columns": list(_columns(contract, raw, conformed, issues))}


def shape(value: object) -> str:
    """Return a value with every digit as 9, every letter as A or a, every Chinese character as 字; the rest stays."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return "".join(map(_shape_of, str(value)))[:40]


def _shape_of(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Nd":
        return "9" if character.isascii() else "９"
    if kind in ("Lu", "Ll"):
        return "A" if kind == "Lu" else "a"
    return "字" if kind == "Lo" else character


@contextmanager
def _alone(settings: Settings, system: System) -> Iterator[None]:
    """Hold the lock of pulls, where there is a hub yet that could be pulling."""
    with ExitStack() as stack:
        url = settings.database_url
        if url is None and (settings.data_dir / "postgresql").exists():
            url = stack.enter_context(embedded_server(settings.data_dir))
        if url is not None:
            database = sa.create_engine(url, poolclass=sa.NullPool)
            try:
                stack.enter_context(Ledger(database).locked(lock_of(system)))
            except sa.exc.OperationalError as error:
                raise RetryError(
                    where="PostgreSQL",
                    came=f"it cannot be reached ({type(error.orig).__name__})",
                    allowed="a server that tells whether a pull is running",
                    do="see that it runs and that HUB_DATABASE_URL is right, then run again",
                ) from None
        yield


def _first_rows(
    connector: Connector, contract: SourceContract, system: System, rows: int
) -> tuple[dict[str, Any], Mapping[str, str] | None, pa.Table]:
    """The first rows of the newest delivery, and all columns it has; nothing of a source is acknowledged."""
    request = request_of(contract, Pace(system.rows_per_second))
    if system.connections[contract.connection]["kind"] in _DROPS:
        request = replace(request, mode="snapshot")
    offers = list(connector.offers(request, None))
    if not offers:
        raise StopError(contract.tail, "nothing is offered", "a delivery", "see whether the department has sent one")
    offer = offers[-1]
    if isinstance(offer, Withheld):
        raise SetAsideError(offer.name, offer.message, "a whole delivery", "ask for it again", reason=offer.reason)
    batches: list[pa.RecordBatch] = []
    with closing(_streamed(offer.read(offer.plan()[0]))) as stream:
        for batch in stream:
            batches.append(batch.slice(0, rows - sum(one.num_rows for one in batches)))
            if sum(one.num_rows for one in batches) >= rows:
                break
    agreed = {name for wanted, others in contract.physical_names.items() for name in (wanted, *others)}
    told = {
        "tail": contract.tail,
        "offer": offer.name,
        "announced": offer.expected_rows,
        "not_agreed": sorted(set(offer.available or {}) - agreed),
    }
    return told, offer.available, pa.Table.from_batches(batches)


def _streamed(batches: Iterator[pa.RecordBatch]) -> Any:
    """As a generator, so that it can be closed: the source is left at once."""
    yield from batches


def _columns(
    contract: SourceContract, raw: pa.Table, conformed: pa.Table, issues: list[tuple[str, str, str, int]]
) -> Iterator[dict[str, Any]]:
    for column in contract.columns:
        came = raw[column.physical_name]
        filled = [value for value in came.to_pylist() if value not in (None, "")]
        yield {
            "source": column.physical_name,
            "name": column.name,
            "title": column.title,
            "type": str(came.type),
            "filled": len(filled),
            "shapes": list(dict.fromkeys(map(shape, filled)))[:3],
            "conformed": conformed.num_rows - conformed[column.name].null_count,
            "reasons": {rule: count for rule, name, _, count in issues if name == column.name},
        }
