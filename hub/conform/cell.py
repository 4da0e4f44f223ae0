"""What all operations of `conform` share: the column being read, its working columns, and the trimming of texts.

An operation is a list of stages. Each stage makes working columns from those of the stage before, so that a long
rule stays a row of short expressions; the last one makes `value` and `reason` (a code of `hub.reasons`, or null).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import cast

import ibis
import ibis.expr.types as ir

from hub.contracts import Codelist, Column

__all__ = ["BLANKS", "Cell", "Stage", "cleaned", "first_reason", "half_width", "original_text", "weighted_sum"]

BLANKS = r"\t-\r \x{a0}\x{200b}\x{3000}\x{feff}"
"""Inside a regular expression's brackets: ASCII blanks, no-break, zero-width and ideographic space, byte-order mark."""

_OUTER_BLANKS = rf"^[{BLANKS}]+|[{BLANKS}]+$"
_FULL_WIDTH = "".join(chr(code) for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B)))
_HALF_WIDTH = "".join(chr(ord(character) - 0xFEE0) for character in _FULL_WIDTH)


@dataclass(frozen=True)
class Cell:
    """One column of the table being read.

    Attributes:
        table: Holds the working columns `<column>__<part>`: from the start `original`, and `raw` where it is typed.
        as_of: The day ages and two-digit years are reckoned on.
        keeps_unknown: Whether a code that is in no list goes on as it came (`drift.unknown_codes: evolve`).
        codelists: All code lists, by name.
    """

    table: ibis.Table
    column: Column
    as_of: date
    keeps_unknown: bool = False
    codelists: Mapping[str, Codelist] = field(default_factory=dict)

    @property
    def codelist(self) -> Codelist | None:
        """The column's code list, where it has one."""
        return self.codelists.get(self.column.codelist or "")

    def __getitem__(self, part: str) -> ir.Value:
        """Return one of the column's working columns."""
        return self.of(self.column.name, part)

    def text(self, part: str) -> ir.StringValue:
        """Return a working column that is a string."""
        return cast(ir.StringValue, self[part])

    def of(self, column: str, part: str) -> ir.Value:
        """Return a working column of another column."""
        return self.table[f"{column}__{part}"]


Stage = Callable[[Cell], Mapping[str, ir.Value]]


def original_text(raw: ir.Value) -> ir.StringValue:
    """Write a raw value as the text that stands for it in issues; whole floats lose their `.0`."""
    kind = raw.type()
    if kind.is_string():
        return cast(ir.StringValue, raw)
    if kind.is_floating():
        whole = cast(ir.FloatingValue, raw).try_cast("int64")
        is_whole = (whole.cast("float64") == raw.cast("float64")).fill_null(False)
        return cast(ir.StringValue, ibis.ifelse(is_whole, whole.cast("string"), raw.cast("string")))
    return cast(ir.StringValue, raw.cast("string"))


def half_width(text: ir.StringValue) -> ir.StringValue:
    """Turn full-width digits and letters into ASCII."""
    # The search is five times cheaper than the translation, and rarely finds anything.
    return cast(
        ir.StringValue, ibis.ifelse(text.re_search("[０-９Ａ-Ｚａ-ｚ]"), text.translate(_FULL_WIDTH, _HALF_WIDTH), text)
    )


def cleaned(cell: Cell) -> dict[str, ir.Value]:
    """First stage of most operations: `clean` is the text without outer blanks, null where nothing is left."""
    return {"clean": cell.text("original").re_replace(_OUTER_BLANKS, "").nullif("")}


def first_reason(*cases: tuple[ir.BooleanValue, str]) -> ir.StringValue:
    """Return the reason of the first condition that holds, or null. A condition that is null does not hold."""
    return cast(ir.StringValue, ibis.cases(*((when, ibis.literal(str(reason))) for when, reason in cases)))


def weighted_sum(text: ir.StringValue, alphabet: str, weights: Sequence[int]) -> ir.IntegerValue:
    """Add up the places of a text's first characters in an alphabet, each times its weight."""
    values = ibis.literal(alphabet)
    terms = [values.find(text.substr(place, 1)) * weight for place, weight in enumerate(weights)]
    return cast(ir.IntegerValue, sum(terms[1:], terms[0]))
