"""Drift: what changed in a department's columns since its last delivery, and what its contract says of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Engine

from hub.contracts import SourceContract
from hub.ledger import Batch
from hub.ledger.notices import open_notice

__all__ = ["NO_DRIFT", "ROW", "Change", "changes", "discarded", "frozen", "missing", "tell_of"]

ROW = ""
"""Stands for the row as a whole, where a change concerns no agreed column."""

NO_DRIFT: Mapping[str, str] = MappingProxyType({})
"""Nothing is set aside; see `discarded`."""


@dataclass(frozen=True)
class Change:
    """One change of a delivery's columns.

    Attributes:
        kind: `new`, `missing`, `renamed` or `retyped`.
        column: The department's name of it.
        detail: In words, for the notice.
    """

    kind: str
    column: str
    detail: str


def changes(
    contract: SourceContract, available: Mapping[str, str], before: Mapping[str, str] | None
) -> Iterator[Change]:
    """Name what changed.

    Args:
        contract: What was agreed.
        available: Every column of this delivery -> its type there.
        before: The same of the dataset's last delivery; None for the first, in which nothing is new.
    """
    own = {_plain(name): name for name in available}
    agreed: set[str] = set()
    for wanted, others in contract.physical_names.items():
        agreed |= {_plain(name) for name in (wanted, *others)}
        if _plain(wanted) in own:
            continue
        found = next((name for name in others if _plain(name) in own), None)
        if found is None:
            yield missing(wanted)
        else:
            yield Change("renamed", wanted, f"列“{wanted}”改名为“{found}” / column is now called {found}")
    for name, kind in available.items():
        if before is not None and name not in before and _plain(name) not in agreed:
            yield Change("new", name, f"新增列“{name}”（{kind}） / new column, not taken")
        elif before is not None and before.get(name, kind) != kind and _plain(name) in agreed:
            yield Change("retyped", name, f"列“{name}”的类型由 {before[name]} 变为 {kind} / type changed")


def missing(column: str) -> Change:
    """Return the change of an agreed column that is not there."""
    return Change("missing", column, f"约定的列“{column}”缺失 / agreed column is missing")


def discarded(
    contract: SourceContract, available: Mapping[str, str] | None, unanswered: Collection[str]
) -> Mapping[str, str]:
    """Return which cells or rows of a delivery are set aside because of its columns.

    Args:
        contract: What was agreed.
        available: Every column of the delivery; None where its source does not say.
        unanswered: New columns about which the owner has not answered yet.

    Returns:
        The contract's column, or `ROW` -> `discard_value` or `discard_row`. Cells of a column that is missing are
        empty anyway: of those only the rows can be set aside.
    """
    if available is None:
        return NO_DRIFT
    found: dict[str, str] = {}
    for change in changes(contract, available, None):
        word = contract.drift[change.kind]
        if word == "discard_row" or (word == "discard_value" and change.kind == "renamed"):
            found |= {column.name: word for column in contract.columns if column.physical_name == change.column}
    if contract.drift["new"] == "discard_row" and not set(unanswered).isdisjoint(available):
        found[ROW] = "discard_row"
    return found


def tell_of(database: Engine, batch: Batch, found: Iterable[Change]) -> None:
    """Open a numbered notice for every change, unless the same one is open."""
    for change in found:
        open_notice(database, batch, f"column_{change.kind}", change.column, change.detail)


def frozen(contract: SourceContract, found: list[Change]) -> list[Change]:
    """Those changes that withhold the delivery."""
    return [change for change in found if contract.drift[change.kind] == "freeze"]


def _plain(name: str) -> str:
    return "".join(name.split())
