"""Whose word wins for a column, and since when: the authority of `schemas/base/`, with the days its orders hold from.

A column's authority is a plain list of datasets, or a list of `{from, order}` in the order of their days. Before a
column's first day its default's order holds; the default's first order holds before its own first day as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from hub.contract_types import BaseContract, Contracts
from hub.option_faults import Fault
from hub.where import item

__all__ = ["DEFAULT", "Order", "authority_faults", "newest_order", "order_in_force"]

DEFAULT = "default"
"""Name under which the order of all columns without one of their own stands."""

_DATED = frozenset({"from", "order"})


@dataclass(frozen=True)
class Order:
    """Which dataset wins over which.

    Attributes:
        since: The first day it holds; None: from ever.
        tails: Datasets, the winner first.
    """

    since: date | None
    tails: tuple[str, ...]

    def place(self, tail: str) -> int:
        """How far behind the winner a dataset stands; all that are not named stand last, side by side."""
        return self.tails.index(tail) if tail in self.tails else len(self.tails)


def order_in_force(base: BaseContract, column: str, day: date) -> Order:
    """Return the order that decides a column of a release whose data are of a day."""
    authority = base.properties["authority"]
    name = column if column in authority else DEFAULT
    orders = _orders(authority[name])
    begun = [order for order in orders if order.since is None or order.since <= day]
    if begun:
        return begun[-1]
    return orders[0] if name == DEFAULT else order_in_force(base, DEFAULT, day)


def newest_order(stated: Sequence[Any]) -> tuple[str, ...]:
    """Datasets of the last order that a contract states for a column."""
    return _orders(stated)[-1].tails


def _orders(stated: Sequence[Any]) -> list[Order]:
    if not stated or not isinstance(stated[0], Mapping):
        return [Order(None, tuple(stated))]
    return [Order(_day(entry["from"]), tuple(entry["order"])) for entry in stated]


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def authority_faults(contracts: Contracts, base: BaseContract) -> Iterator[Fault]:
    """What is wrong with a base table's authority: columns and datasets nobody knows, days that do not ascend."""
    authority = base.properties["authority"]
    for name in sorted(set(authority) - {*base.by_name, DEFAULT}):
        yield item("authority", name), f"authority names unknown column {name!r}"
    if DEFAULT not in authority:
        yield item("authority"), "authority has no default"
    known = {*contracts.sources, *(f"codelists/{name}" for name in contracts.codelists)}
    for name, stated in authority.items():
        form = _form_fault(stated)
        if form:
            yield item("authority", name), f"authority of {name} {form}"
            continue
        for order in _orders(stated):
            for tail in order.tails:
                if tail not in known and not contracts.is_unread(_file(tail)):
                    yield item("authority", name), f"authority of {name} names unknown {tail!r}"


def _file(tail: str) -> str:
    return f"schemas/{tail}.csv" if tail.startswith("codelists/") else f"schemas/sources/{tail}.yml"


def _form_fault(stated: Any) -> str | None:
    """Say why something is no authority of a column; None where it is one. The hub's own rules need no dataset."""
    if not isinstance(stated, list):
        return "must be a list of datasets, or of from and order"
    if not any(isinstance(entry, Mapping) for entry in stated):
        return None if all(isinstance(entry, str) for entry in stated) else "must name datasets"
    for entry in stated:
        if not isinstance(entry, Mapping) or set(entry) != _DATED or not isinstance(entry["order"], list):
            return "must give each of its orders as from and order"
        if not entry["order"] or not all(isinstance(tail, str) for tail in entry["order"]):
            return "must name datasets in each of its orders"
    try:
        days = [_day(entry["from"]) for entry in stated]
    except ValueError:
        return "has a from that is no day, YYYY-MM-DD"
    return None if days == sorted(set(days)) else "must have its days ascend, each once"
