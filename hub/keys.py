"""Hub keys: stable over runs and engines, and of no use to anyone who tries to guess the numbers behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis

from hub.contracts import BaseContract

__all__ = ["identified_by", "key_expression", "key_sql", "keys_by_group", "record_key_sql"]

_KEY_LENGTH = 20


def _parts(group: tuple[str, ...], values: Mapping[str, ibis.Value]) -> list[ibis.Value] | None:
    return [values[column] for column in group] if all(column in values for column in group) else None


def _hashed(base: BaseContract, text: ibis.Value) -> ibis.Value:
    return ibis.literal(base.key_prefix) + text.hexdigest("sha256").substr(0, _KEY_LENGTH)


def keys_by_group(
    base: BaseContract, values: Mapping[str, ibis.Value], secret: str
) -> dict[tuple[str, ...], ibis.Value]:
    """The key each identity group gives, for the groups a dataset has columns for; null where a group is not whole.

    A generated key is the head of SHA-256(secret, entity, group, values): ID numbers can be enumerated, so an unkeyed
    hash of one would tell it.
    """
    keys: dict[tuple[str, ...], ibis.Value] = {}
    for group in base.identify_by:
        parts = _parts(group, values)
        if parts is None:
            continue
        text = ibis.literal(f"{secret}|{base.name}|{'+'.join(group)}")
        whole = ibis.literal(True)
        for part in parts:
            text = text + "|" + part.cast("string")
            whole = whole & part.notnull()
        keys[group] = whole.ifelse(_hashed(base, text), ibis.null("string"))
    return keys


def key_expression(base: BaseContract, values: Mapping[str, ibis.Value], secret: str) -> ibis.Value | None:
    """Build the hub key of a base entity from the columns a dataset has: the first whole identity group decides.

    Args:
        base: The entity's contract.
        values: Base column -> expression.
        secret: The hub's key for keys, as hex.

    Returns:
        A string expression, null where no group is whole; None where the dataset has no group's columns at all.
    """
    if not base.key_prefix:
        return values.get(base.key_column)
    choices = keys_by_group(base, values, secret)
    return ibis.coalesce(*choices.values()) if choices else None


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


# The same as SQL of DuckDB, for what is written in it.


def _hashed_sql(base: BaseContract, head: str, parts: Sequence[str]) -> str:
    text = " || '|' || ".join([f"'{head}'", *(f"CAST({part} AS VARCHAR)" for part in parts)])
    return f"'{base.key_prefix}' || substr(sha256({text}), 1, {_KEY_LENGTH})"


def key_sql(base: BaseContract, values: Mapping[str, str], secret: str) -> str:
    """What `key_expression` makes, as SQL: base column -> SQL expression; NULL where a dataset has no group at all."""
    choices = [
        _hashed_sql(base, f"{secret}|{base.name}|{'+'.join(group)}", [values[column] for column in group])
        for group in base.identify_by
        if all(column in values for column in group)
    ]
    return f"coalesce({', '.join(choices)})" if choices else "NULL::VARCHAR"


def record_key_sql(base: BaseContract, tail: str, record: str, secret: str) -> str:
    """The key of somebody whom no number tells, as SQL: of the dataset and what its department knows the record by."""
    return _hashed_sql(base, f"{secret}|{base.name}|record|{tail}", [record])
