"""Drift: what changed in a department's columns since its last delivery, and what its contract says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub.contracts import SourceContract

__all__ = ["Change", "changes", "frozen"]


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
            yield Change("missing", wanted, f"约定的列“{wanted}”缺失 / agreed column is missing")
        else:
            yield Change("renamed", wanted, f"列“{wanted}”改名为“{found}” / column is now called {found}")
    for name, kind in available.items():
        if before is not None and name not in before and _plain(name) not in agreed:
            yield Change("new", name, f"新增列“{name}”（{kind}） / new column, not taken")
        elif before is not None and before.get(name, kind) != kind and _plain(name) in agreed:
            yield Change("retyped", name, f"列“{name}”的类型由 {before[name]} 变为 {kind} / type changed")


def frozen(contract: SourceContract, found: list[Change]) -> list[Change]:
    """Those changes that withhold the delivery."""
    return [change for change in found if contract.drift[change.kind] == "freeze"]


def _plain(name: str) -> str:
    return "".join(name.split())
