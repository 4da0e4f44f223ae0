"""The table linking works at: one engine, the lake's files as SQL, the ledger's batches, aliases of keys.

SQL rather than Ibis: linking takes many small steps, and each costs Ibis ten times what it costs the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from hub.context import Hub
from hub.contracts import SourceContract
from hub.delta import delta_files
from hub.engine import Engine
from hub.ledger import Batch
from hub.linking.aliases import Aliases
from hub.present import present_batches

__all__ = ["Bench", "Built", "as_table", "own_number", "quoted"]


def as_table(paths: Sequence[Path]) -> str:
    """SQL: Parquet files as one table, columns by name, each row with its `filename`."""
    return f"read_parquet([{quoted(map(str, paths))}], union_by_name = true, filename = true)"


def quoted(values: Iterable[str]) -> str:
    """SQL: texts of the hub's own making as a list of literals; one that nothing equals where there are none."""
    return ", ".join(f"'{value}'" for value in values) or "''"


def own_number(contract: SourceContract) -> str | None:
    """The column with the department's own number of a record, which outlives a wrong number of a person."""
    physical = {column.physical_name: column.name for column in contract.columns}
    return physical.get(str(contract.pull.get("split_by")))


@dataclass(frozen=True)
class Built:
    """A base table as the last build has left it."""

    sql: str
    columns: tuple[str, ...]


@dataclass
class Bench:
    """One run's table.

    Attributes:
        aliases: Keys that stand for others.
    """

    hub: Hub
    engine: Engine
    aliases: Aliases
    _columns: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def duck(self) -> duckdb.DuckDBPyConnection:
        """The engine's own connection."""
        connection: duckdb.DuckDBPyConnection = self.engine.con.con
        return connection

    @cached_property
    def secret(self) -> str:
        """The hub's key for keys."""
        return self.hub.key("hub-keys").hex()

    @cached_property
    def batches(self) -> dict[str, list[Batch]]:
        """Dataset -> its checked batches, the oldest first."""
        found: dict[str, list[Batch]] = {}
        for batch in self.hub.ledger.batches(state="checked"):
            found.setdefault(batch.tail, []).append(batch)
        return found

    def run(self, statement: str) -> None:
        """Execute a statement."""
        self.duck.execute(statement)

    def make(self, name: str, query: str) -> None:
        """Hold a SELECT as a table."""
        self.duck.execute(f'CREATE OR REPLACE TABLE "{name}" AS {query}')

    def put(self, name: str, table: pa.Table) -> None:
        """Hold an Arrow table."""
        self.duck.register("put__now", table)
        self.make(name, "SELECT * FROM put__now")
        self.duck.unregister("put__now")

    def fetch(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query; small ones only."""
        return list(self.duck.execute(query).fetchall())

    def count(self, name: str) -> int:
        """How many rows a table has."""
        return int(self.fetch(f'SELECT count(*) FROM "{name}"')[0][0])  # noqa: S608

    def accepted_files(self, tail: str) -> list[Path]:
        """The accepted rows of a dataset, of all batches, old ones too: evidence of who is who does not age."""
        batches = [batch for batch in self.batches.get(tail, ()) if batch.accepted]
        return [self.hub.lake.checked(tail, batch.id) / "accepted.parquet" for batch in batches]

    def accepted(self, tail: str) -> str:
        """SQL: the same as a table."""
        return as_table(self.accepted_files(tail))

    def standing(self, contract: SourceContract, wanted: str) -> str:
        """SELECT those accepted rows that are the dataset as it is now, with their `_batch`.

        Args:
            contract: The dataset.
            wanted: SQL: the keys that matter; those of a large table cost a sort.
        """
        keys = ", ".join(f'"{key}"' for key in contract.keys)
        order = ", ".join(f'"{name}" DESC NULLS LAST' for name in (contract.order_by, "_batch", "_row") if name)
        present = [batch.id for batch in present_batches(self.hub, contract) if batch.accepted]
        files = [self.hub.lake.checked(contract.tail, batch) / "accepted.parquet" for batch in present]
        rows = as_table(files) if files else f"(FROM {self.accepted(contract.tail)} WHERE false)"
        return f"""
            SELECT * FROM (SELECT *, parse_path(filename)[-2] AS _batch FROM {rows}) WHERE ({keys}) IN ({wanted})
            QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {order}) = 1
        """  # noqa: S608 - names of the hub's own contracts

    def columns(self, tail: str) -> tuple[str, ...]:
        """Columns that a dataset's accepted rows have; none where there are no rows."""
        if tail not in self._columns:
            names = [name for path in self.accepted_files(tail) for name in pq.read_schema(path).names]
            self._columns[tail] = tuple(dict.fromkeys(names))
        return self._columns[tail]

    def last_build(self, entity: str) -> Built | None:
        """A base table before this run; None before the first."""
        path = self.hub.lake.base(entity)
        files = delta_files(path) if path.exists() else []
        names = [name for file in files[:1] for name in pq.read_schema(file).names]
        return Built(as_table(files), tuple(names)) if files else None

    def aliased(self, entity: str, query: str) -> str:
        """SELECT a query's rows with the keys of its column `key` that stand for others replaced by those."""
        if not self.aliases.known.get(entity):
            return query
        return (
            f"SELECT q.* REPLACE (coalesce(a.stands, q.key) AS key) FROM ({query}) AS q "  # noqa: S608
            f"LEFT JOIN {Aliases.TABLE} AS a ON a.entity = '{entity}' AND a.alias = q.key"
        )
