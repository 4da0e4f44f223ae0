"""Hub keys: stable over runs and engines, and of no use to anyone who tries to guess the numbers behind them."""

from __future__ import annotations

from collections.abc import Mapping

import ibis

from hub.contracts import BaseContract

__all__ = ["identified_by", "key_expression"]

_KEY_LENGTH = 20


def _parts(group: tuple[str, ...], values: Mapping[str, ibis.Value]) -> list[ibis.Value] | None:
    return [values[column] for column in group] if all(column in values for column in group) else None


def key_expression(base: BaseContract, values: Mapping[str, ibis.Value], secret: str) -> ibis.Value | None:
    """Build the hub key of a base entity from the columns a dataset has.

    The first identity group whose values are all there decides. A generated key is the head of
    SHA-256(secret, entity, group, values): ID numbers can be enumerated, so an unkeyed hash of one would tell it.

    Args:
        base: The entity's contract.
        values: Base column -> expression.
        secret: The hub's key for keys, as hex.

    Returns:
        A string expression, null where no group is whole; None where the dataset has no group's columns at all.
    """
    if not base.key_prefix:
        return values.get(base.key_column)
    choices = []
    for group in base.identify_by:
        parts = _parts(group, values)
        if parts is None:
            continue
        text = ibis.literal(f"{secret}|{base.name}|{'+'.join(group)}")
        whole = ibis.literal(True)
        for part in parts:
            text = text + "|" + part.cast("string")
            whole = whole & part.notnull()
        key = ibis.literal(base.key_prefix) + text.hexdigest("sha256").substr(0, _KEY_LENGTH)
        choices.append(whole.ifelse(key, ibis.null("string")))
    return ibis.coalesce(*choices) if choices else None


def identified_by(base: BaseContract, values: Mapping[str, ibis.Value]) -> ibis.Value:
    """The reason of a link: the names of the columns that decided, joined by `+`."""
    reasons = []
    for group in base.identify_by:
        parts = _parts(group, values)
        if parts is not None:
            whole = ibis.literal(True)
            for part in parts:
                whole = whole & part.notnull()
            reasons.append(whole.ifelse(ibis.literal("+".join(group)), ibis.null("string")))
    return ibis.coalesce(*reasons) if reasons else ibis.null("string")
