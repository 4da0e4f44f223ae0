"""Visits (探访): who is to be visited and how often, by tags; when it was last done; who is overdue."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date
from functools import cache

import ibis
import ibis.expr.types as ir

from hub.indicators.tags import years_before
from hub.settings import ROOT

__all__ = ["tiers", "visit"]

Tables = Mapping[str, ibis.Table]

_TIERS = ROOT / "schemas" / "codelists" / "visit_tier.csv"


@cache
def tiers() -> Mapping[str, int]:
    """Tier of a visit -> every how many days, the most urgent tier first."""
    with _TIERS.open(encoding="utf-8", newline="") as lines:
        return {row["code"]: int(row["every_days"]) for row in csv.DictReader(lines)}


def visit(tables: Tables, as_of: date) -> ibis.Table:
    """Add everybody whose tags ask for visits, with tier, reason, the day the next visit is due and whether it is over.

    High risk: alone at 80 and more, or alone without being able to care for oneself. Key: alone, left behind, without
    self-care, destitute, or severely disabled at 60 and more. General: the empty nest, 80 and more, low income at 60
    and more. Who was never visited is overdue.
    """
    made, planned = tables["visit"], _planned(tables, as_of)
    done = made.select(
        _visited="person_key", last_visit_date="last_visit_date", visit_method_code="visit_method_code",
        visitor_name="visitor_name",
    )  # fmt: skip
    joined = planned.outer_join(done, planned["_person"] == done["_visited"])
    person_key = ibis.coalesce(joined["_person"], joined["_visited"])
    every = ibis.cases(
        *((joined.visit_tier_code == tier, days) for tier, days in tiers().items()), else_=ibis.null("int64")
    )
    due = (joined.last_visit_date + every.as_interval("D")).cast("date")
    overdue = joined.visit_tier_code.notnull() & (due.isnull() | (due < ibis.literal(as_of)))
    rows = joined.mutate(person_key=person_key, due_date=due, is_overdue=overdue)
    person = tables["person"].select(
        _who="person_key",
        _status="person_status_code",
        division_code="residence_division_code",
    )
    placed = rows.join(person, [("person_key", "_who")])
    return placed.filter(placed["_status"] == "alive")


def _planned(tables: Tables, as_of: date) -> ibis.Table:
    """People with a tier, and the tags that give it."""
    tags = tables["tag"]
    old = tables["person"].select(_key="person_key", _birth="birth_date")
    flags = tags.group_by("person_key").aggregate(
        codes=tags.tag_code.collect(), **{code: (tags.tag_code == code).any() for code in _REASONS}
    )
    joined = flags.join(old, flags.person_key == old["_key"])
    aged = (joined["_birth"] <= ibis.literal(years_before(as_of, 60))).fill_null(False)
    high = joined.living_alone & (joined.aged_80 | joined.no_self_care)
    key = (
        joined.living_alone | joined.left_behind_elderly | joined.left_behind_child | joined.no_self_care
        | joined.destitute | (joined.severe_disability & aged)
    )  # fmt: skip
    general = joined.empty_nest | joined.aged_80 | (joined.low_income & aged)
    tier: ir.StringValue = ibis.cases((high, "high"), (key, "key"), (general, "general"), else_=ibis.null("string"))
    reasons = ibis.array([joined[code].ifelse(code, ibis.null("string")) for code in _REASONS])
    named = joined.select(
        _person="person_key",
        visit_tier_code=tier,
        reason_tag_codes=reasons.filter(lambda code: code.notnull()).join(","),
    )
    return named.filter(named.visit_tier_code.notnull())


_REASONS = (
    "living_alone",
    "aged_80",
    "no_self_care",
    "left_behind_elderly",
    "left_behind_child",
    "destitute",
    "severe_disability",
    "empty_nest",
    "low_income",
)
"""Tags that may ask for visits, in the order they are told."""
