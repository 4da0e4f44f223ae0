"""Reading persons' names, and writing them alike for comparison.

A name is stored as it came but for blanks, dots and code points: the same character under another number (a private
one of GBK, a radical, a compatibility ideograph) is written with its own. Traditional, old and variant forms stay:
they are how the person is registered. Where names are compared, both sides are written with the standard characters
of the code list `name_variant`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import cast

import ibis
import ibis.expr.types as ir

from hub.conform.cell import BLANKS, Cell, Stage, cleaned, first_reason
from hub.contracts import Codelist
from hub.reasons import Reason

__all__ = ["PERSON_NAME", "VARIANTS", "comparable", "comparable_sql"]

VARIANTS = "name_variant"
"""The code list of variants: variant -> standard character."""

_LATIN_NAME = r"^[A-Za-z\x{c0}-\x{24f} .,'’·-]*$"
_NAME_DOTS = "[•．.・‧∙⋅●]"
_NOT_IN_A_NAME = (
    r"[\x{0}-\x{40}\x{5b}-\x{60}\x{7b}-\x{9f}\x{fffd}"  # ASCII but its letters, control and replacement characters
    r"\x{3001}-\x{3003}\x{3008}-\x{3011}\x{ff01}-\x{ff20}\x{ff3b}-\x{ff40}\x{ff5b}-\x{ff65}]"  # full-width signs
)
# Letters and marks are those the engine's Unicode knows; whatever it is, the ideographic planes 2 and 3 are.
_NO_CHARACTER_OF_NAMES = r"[^\p{L}\p{M}〇·\x{20000}-\x{3fffd}]"
_COMPATIBLE = ((0x2F00, 0x2FD5), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))
"""Radicals and compatibility ideographs: second numbers of characters."""
_PRIVATE = (0xE000, 0xF8FF)
_SECOND_NUMBERS = "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in (*_COMPATIBLE, _PRIVATE)) + "]"


def _is_private(character: str) -> bool:
    return _PRIVATE[0] <= ord(character) <= _PRIVATE[1]


@cache
def _compatible() -> Mapping[str, str]:
    """Every character that is another one under a second number."""
    numbers = (chr(number) for first, last in _COMPATIBLE for number in range(first, last + 1))
    plain = {character: unicodedata.normalize("NFKC", character) for character in numbers}
    return {character: own for character, own in plain.items() if own != character and len(own) == 1}


def _written_with(text: ir.StringValue, instead: Mapping[str, str], search: str) -> ir.StringValue:
    """Replace characters; the search is far cheaper than the translation, and rarely finds anything."""
    variants, standard = "".join(instead), "".join(instead.values())
    return cast(ir.StringValue, ibis.ifelse(text.re_search(search), text.translate(variants, standard), text))


def comparable(name: ir.StringValue, variants: Codelist | None) -> ir.StringValue:
    """Write a name with standard characters, as it is compared with others."""
    if variants is None or not variants.titles:
        return name
    return _written_with(name, variants.titles, f"[{''.join(variants.titles)}]")


def comparable_sql(name: str, variants: Codelist | None) -> str:
    """SQL of a name written with standard characters, see `comparable`."""
    if variants is None or not variants.titles:
        return name
    old, new = "".join(variants.titles), "".join(variants.titles.values())
    return f"CASE WHEN regexp_matches({name}, '[{old}]') THEN translate({name}, '{old}', '{new}') ELSE {name} END"


def _name_blanks(cell: Cell) -> dict[str, ir.Value]:
    # A Latin name keeps single blanks, a Han name none.
    clean, blanks = cell.text("clean"), f"[{BLANKS}]+"
    latin = clean.re_search(_LATIN_NAME)
    mended = ibis.ifelse(latin, clean.re_replace(blanks, " "), clean.re_replace(blanks, ""))
    return {"latin": latin, "closed": ibis.ifelse(clean.re_search(blanks), mended, clean)}


def _name_dots(cell: Cell) -> dict[str, ir.Value]:
    closed = cell.text("closed")
    return {"dotted": ibis.ifelse(cell["latin"], closed, closed.re_replace(_NAME_DOTS, "·"))}


def _name_numbers(cell: Cell) -> dict[str, ir.Value]:
    listed = cell.codelists[VARIANTS].titles if VARIANTS in cell.codelists else {}
    private = {variant: standard for variant, standard in listed.items() if _is_private(variant)}
    return {"own": _written_with(cell.text("dotted"), {**_compatible(), **private}, _SECOND_NUMBERS)}


def _name(cell: Cell) -> dict[str, ir.Value]:
    own, latin = cell.text("own"), cell["latin"]
    has_letter = own.re_search("[^ .,'’·-]")
    spoiled = ~has_letter | (~latin & own.re_search(_NOT_IN_A_NAME))
    return {
        "value": ibis.ifelse(spoiled, ibis.null("string"), own),
        "reason": first_reason(
            (spoiled, Reason.NAME_CHARSET),
            (~latin & own.re_search(_NO_CHARACTER_OF_NAMES), Reason.NAME_PRIVATE_USE),
            (own != cell["dotted"], Reason.NAME_CODE_POINT),
            (cell["closed"] != cell["clean"], Reason.NAME_SPACES),
            (cell["dotted"] != cell["closed"], Reason.NAME_DOT),
        ),
    }


PERSON_NAME: tuple[Stage, ...] = (cleaned, _name_blanks, _name_dots, _name_numbers, _name)
"""Han names lose inner blanks and have one kind of dot; Latin names keep single blanks."""
