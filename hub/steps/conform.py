"""Step 2, conform: renamed, decoded, typed, codes mapped; a repair keeps the original value beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hub.conform.files import conform_parts, counted
from hub.context import Hub
from hub.contracts import SourceContract
from hub.drift import Change, discarded, frozen, tell_of
from hub.errors import CountsError, SetAsideError
from hub.ledger import Batch
from hub.ledger.notices import notices, open_notice
from hub.reasons import Reason
from hub.store import replacing
from hub.type_drift import retyped

__all__ = ["conform"]


def conform(hub: Hub, batch: Batch) -> Batch:
    """Read a landed batch by its contract and write `rows.parquet` and `issues.parquet`.

    Running it again gives the same files. `rows.parquet` has the contract's columns and `_row`; `issues.parquet` has
    one row for every cell that was repaired, set aside or refused: `_row`, `column`, `rule`, `outcome`, `original`
    (the value as it came) and `value` (what it became, or null).

    Returns:
        The batch in state `conformed`, saved.

    Raises:
        SetAsideError: The batch lacks a column of the contract, or most of a column has another type and the contract
            freezes that.
        CountsError: Not every landed row came out.
    """
    contract = hub.contracts.sources[batch.tail]
    with replacing(hub.lake.conformed(batch.tail, batch.id)) as folder, hub.engine() as engine:
        parts = sorted(hub.lake.raw(batch.tail, batch.id).glob("part-*.parquet"))
        drifted = _drifted(hub, batch, contract)
        rows = conform_parts(engine, hub.contracts, contract, parts, folder, hub.as_of, drifted)
        if rows != batch.landed:
            raise CountsError(
                where=f"{batch.tail}, batch {batch.id}, step conform",
                came=f"{rows} rows of {batch.landed} landed",
                allowed="as many rows as landed",
                do="compare the raw parts with their manifest, then pull the batch again",
            )
        counts = counted(engine.read(folder / "issues.parquet"))
        if batch.mode == contract.mode:
            _hold_to_types(hub, batch, contract, retyped(contract, counts, folder / "rows.parquet"))
    hub.ledger.record_issues(batch, "conform", counts)
    _tell_of_codes(hub, batch, contract, counts)
    conformed = replace(batch, state="conformed")
    hub.ledger.save_batch(conformed)
    return conformed


def _drifted(hub: Hub, batch: Batch, contract: SourceContract) -> Mapping[str, str]:
    """What is set aside because of the columns the delivery had; new ones count until their notice is closed."""
    unanswered: set[str] = set()
    if batch.columns is not None and contract.drift["new"] == "discard_row":
        told = notices(hub.database, contract.department)
        unanswered = {one.subject for one in told if one.tail == batch.tail and one.kind == "column_new"}
    return discarded(contract, batch.columns, unanswered)


def _hold_to_types(hub: Hub, batch: Batch, contract: SourceContract, found: list[Change]) -> None:
    tell_of(hub.database, batch, found)
    stopped = frozen(contract, found)
    if stopped:
        raise SetAsideError(
            where=f"{batch.tail}, {batch.offer}",
            came="; ".join(change.detail for change in stopped),
            allowed="the agreed types: the contract freezes this kind of change",
            do="agree the change with the department, correct the contract and pull again",
            reason=str(Reason.SCHEMA_DRIFT),
        )


def _tell_of_codes(hub: Hub, batch: Batch, contract: SourceContract, counts: list[tuple[str, str, str, int]]) -> None:
    """Open a notice for every column with codes that are in no list: a spoilt cell, or a list that has grown."""
    for name in sorted({column for rule, column, _, _ in counts if rule == Reason.CODE_UNKNOWN}):
        column = contract.by_name[name]
        detail = f"“{column.title}”有代码表 {column.codelist} 之外的代码 / codes that the list does not have"
        open_notice(hub.database, batch, "code_unknown", column.physical_name, detail)
