"""Masks: how a product shows what must not be shown whole. No standard fixes them; these are common usage."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ibis

__all__ = ["MASKS", "masked"]


def _name(value: ibis.Value, _key: str) -> ibis.Value:
    """张三 -> 张*, 欧阳小红 -> 欧***: the first character, then one star for each of the others, at least one."""
    return value.substr(0, 1) + ibis.literal("*").repeat(ibis.greatest(value.length() - 1, 1))


def _id_number(value: ibis.Value, _key: str) -> ibis.Value:
    """First 3 and last 4 characters: enough to tell two people of a village apart, not to use the number."""
    return value.substr(0, 3) + ibis.literal("*").repeat(value.length() - 7) + value.right(4)


def _phone(value: ibis.Value, _key: str) -> ibis.Value:
    """138****1234."""
    return value.substr(0, 3) + "****" + value.right(4)


def _token(value: ibis.Value, key: str) -> ibis.Value:
    """A keyed token to join by, different for each receiver; a plain hash of an ID number could be enumerated."""
    return (ibis.literal(f"{key}|") + value + ibis.literal(f"|{key}")).hexdigest("sha256").substr(0, 32)


MASKS: Mapping[str, Callable[[ibis.Value, str], ibis.Value]] = {
    "name": _name,
    "id_number": _id_number,
    "phone": _phone,
    "token": _token,
}
"""Rule of a contract's `mask` -> what it makes of a string column."""


def masked(table: ibis.Table, column: str, mask: Mapping[str, str], key: str) -> ibis.Value:
    """Apply a column's mask: always, or where the boolean column `when` is true or unknown."""
    value = table[column].cast("string")
    short = value.length() < 8 if mask["rule"] in ("id_number", "phone") else ibis.literal(False)
    hidden = short.ifelse(ibis.literal("****"), MASKS[mask["rule"]](value, key))
    if "when" not in mask:
        return hidden
    return table[mask["when"]].fill_null(True).ifelse(hidden, value)
