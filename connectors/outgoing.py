"""What goes out to a department system, and what its place says of it; `connectors.base` hands both out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Outgoing", "Receipt"]


@dataclass(frozen=True)
class Outgoing:
    """What is to be written into a department system.

    Attributes:
        delivery: Its id. What is written again under the same id is there once.
        name: What it is: a product's name.
        columns: Names the rows bear there, in order.
        keys: Columns that tell a row; needed where rows are told from those that are there already.
        options: Where and how, by kind; `connectors.write_options` has them.
        facts: What else the receiver is told, JSON-able: release, day, condition of use.
    """

    delivery: str
    name: str
    columns: tuple[str, ...]
    keys: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Receipt:
    """What a place has said of a delivery.

    Attributes:
        delivery: Its id.
        rows: How many rows it has.
        sha256: Over its rows as JSON lines, in the order they were written.
        in_hand: Whether the receiver's own system has taken it; a file only lies there.
        repeated: Whether the place had it already, so that nothing was written now.
    """

    delivery: str
    rows: int
    sha256: str
    in_hand: bool
    repeated: bool = False
