"""The fields of a model as SQL: as a dataset states them, and names as they are compared."""

from __future__ import annotations

from collections.abc import Mapping

from hub.conform.names import VARIANTS, comparable_sql
from hub.contracts import Codelist, Feed
from hub.linking.models import Model

__all__ = ["as_compared", "as_stated", "fields_of", "is_stated"]


def is_stated(feed: Feed, columns: tuple[str, ...], name: str) -> bool:
    """Whether a dataset states a field."""
    return name in feed.constants or feed.mapping.get(name, name) in columns


def as_stated(feed: Feed, columns: tuple[str, ...], name: str) -> str:
    """SQL of a field as text; null where the dataset does not have it."""
    source = feed.mapping.get(name, name)
    if name in feed.constants:
        return f"'{feed.constants[name]}'"
    return f'CAST("{source}" AS VARCHAR)' if source in columns else "NULL::VARCHAR"


def fields_of(model: Model, feed: Feed, columns: tuple[str, ...], codelists: Mapping[str, Codelist]) -> dict[str, str]:
    """SQL of a model's fields by their names, see `as_compared`."""
    return as_compared(model, {name: as_stated(feed, columns, name) for name in model.fields}, codelists)


def as_compared(model: Model, stated: Mapping[str, str], codelists: Mapping[str, Codelist]) -> dict[str, str]:
    """Write names with standard characters; `said__<field>` is each as it was stated, for people to see."""
    variants = codelists.get(VARIANTS)
    names = {name: comparable_sql(stated[name], variants) for name in model.names}
    return {**stated, **names, **{f"said__{name}": stated[name] for name in model.names}}
