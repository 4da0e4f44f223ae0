"""What all writers share: options held to their model; rows held to their columns, counted and digested on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Connection, Outgoing, Receipt
from connectors.errors import StopError
from connectors.options import Options, fault_text, faults_of

__all__ = ["Counted", "where_of", "write_options"]

M = TypeVar("M", bound=Options)


def where_of(connection: Connection, outgoing: Outgoing) -> str:
    """Name a delivery as errors do; never its address."""
    return f"delivery of {outgoing.name} to {connection.where}"


def write_options(
    model: type[M], connection: Connection, outgoing: Outgoing, defaults: Mapping[str, Any] | None = None
) -> M:
    """Return the options of a delivery, what it leaves out taken from the defaults.

    Raises:
        StopError: Names every option that is missing, unknown or wrong.
    """
    values = {**(defaults or {}), **outgoing.options}
    faults = faults_of(model, values)
    if faults:
        raise StopError(
            where_of(connection, outgoing),
            fault_text(faults),
            f"the options that {model.page} tells under Writing",
            f"correct them under `deliver` in connectors/systems/{connection.system}.yml",
        )
    return model.model_validate(values)


class Counted:
    """Rows on their way out. They pass once: as batches, or as JSON lines without line ends.

    Args:
        outgoing: Whose rows.
        rows: Batches with exactly its columns.
        where: The delivery as errors name it.
    """

    def __init__(self, outgoing: Outgoing, rows: Iterable[pa.RecordBatch], where: str) -> None:
        self._outgoing, self._rows, self._where = outgoing, rows, where
        self._digest = hashlib.sha256()
        self.count = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give the batches.

        Raises:
            StopError: They have other columns, or a value that JSON has no word for.
        """
        for batch in self._rows:
            for _ in self._lines(batch):
                pass
            yield batch

    def lines(self) -> Iterator[bytes]:
        """Give each row as a JSON object: dates and decimals as text, bytes as hexadecimal digits.

        Raises:
            StopError: As for `batches`.
        """
        for batch in self._rows:
            yield from self._lines(batch)

    @property
    def sha256(self) -> str:
        """Over the rows that have passed."""
        return self._digest.hexdigest()

    def receipt(self, *, in_hand: bool) -> Receipt:
        """Return the receipt of the rows that have passed."""
        return Receipt(self._outgoing.delivery, self.count, self.sha256, in_hand)

    def _lines(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        if tuple(batch.schema.names) != self._outgoing.columns:
            raise StopError(
                self._where,
                "rows with columns " + ", ".join(batch.schema.names),
                ", ".join(self._outgoing.columns),
                "report this: the rows are not those that were announced",
            )
        self._require_numbers(batch)
        for row in batch.to_pylist():
            try:
                line = orjson.dumps(row, default=_text)
            except TypeError:
                raise self._no_json("a value") from None
            self._digest.update(line + b"\n")
            self.count += 1
            yield line

    def _require_numbers(self, batch: pa.RecordBatch) -> None:
        for field, column in zip(batch.schema, batch.columns, strict=True):
            if pa.types.is_floating(field.type) and pc.all(pc.is_finite(column)).as_py() is False:
                raise self._no_json(f"a number in {field.name}")

    def _no_json(self, what: str) -> StopError:
        return StopError(
            self._where,
            f"{what} that JSON does not have",
            "text, numbers, dates, true, false, null",
            "correct the product's query",
        )


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)
