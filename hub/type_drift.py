"""Columns of another type where a source has no types: a text column most of whose cells cannot be read as agreed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow.dataset as ds

from hub.contracts import SourceContract
from hub.drift import Change
from hub.reasons import Outcome, Reason

__all__ = ["retyped"]

_OF_ANOTHER_TYPE = (Reason.NUMBER_FORMAT, Reason.DATE_FORMAT, Reason.TIMESTAMP_FORMAT, Reason.GEOMETRY_INVALID)
"""Said of a cell that has not the form of its type; a date that no calendar has is a date all the same."""

_FEWEST = 5
"""Fewer cells than this are slips of the pen, not another type."""


def retyped(contract: SourceContract, counts: Iterable[tuple[str, str, str, int]], rows: Path) -> list[Change]:
    """Return the columns of which more cells were lost for want of their type than could be read.

    Args:
        contract: What was agreed.
        counts: Rule, column, outcome and how often, as `conform` has counted.
        rows: The conformed rows.
    """
    lost: Counter[str] = Counter()
    for rule, name, outcome, count in counts:
        if rule in _OF_ANOTHER_TYPE and outcome in (Outcome.VALUE_SET_ASIDE, Outcome.REFUSED):
            lost[name] += count
    found = []
    for name, count in sorted(lost.items()):
        column = contract.by_name[name]
        if column.kind != "string" and count >= max(_FEWEST, _readable(rows, name) + 1):
            detail = f"列“{column.physical_name}”多数内容不是约定的类型 {column.kind} / most cells are no {column.kind}"
            found.append(Change("retyped", column.physical_name, detail))
    return found


def _readable(rows: Path, name: str) -> int:
    return int(ds.dataset(rows).count_rows(filter=ds.field(name).is_valid()))
