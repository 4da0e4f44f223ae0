"""What base tables owe to each other: who lives where now, who heads a household, who has died unregistered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial

import ibis

from hub import borders
from hub.following import followed, followed_place, moves_of
from hub.indicators.table import indicator
from hub.indicators.tags import tag
from hub.indicators.visits import visit

__all__ = ["DERIVED"]

Tables = Mapping[str, ibis.Table]


def _residence(tables: Tables, as_of: date) -> ibis.Table:
    """State of each residence, and which one is the person's present one.

    Who was registered or lived in a division that has ended is so in the one that followed. A death closes the
    registered residence at once as `pending_cancellation` (待公安注销) until the police cancel it; of those in force
    the living one outranks the registered one.
    """
    residence, person = followed_place(tables, "residence", "residence_key", as_of), tables["person"]
    people = person.select(_person="person_key", _death="death_date", _cancelled="registration_end_date")
    joined = residence.left_join(people, residence.person_key == people["_person"])
    registered = joined.residence_kind_code == "registered"
    dead, cancelled = joined["_death"].notnull(), joined["_cancelled"].notnull()
    over = joined.end_date.notnull() & (joined.end_date < ibis.literal(as_of))
    state = ibis.cases(
        (registered & cancelled, "ended"),
        (registered & dead, "pending_cancellation"),
        (registered, "active"),
        (dead | over, "ended"),
        else_="active",
    )
    joined = joined.mutate(residence_status_code=state)
    active = joined.residence_status_code == "active"
    living_first = [
        active.ifelse(0, 1),
        (joined.residence_kind_code == "living").ifelse(0, 1),
        ibis.desc(joined.start_date, nulls_first=False),
        joined.residence_key,
    ]
    place = ibis.row_number().over(group_by=joined.person_key, order_by=living_first)
    return joined.mutate(is_current=active & (place == 0))


def _person(tables: Tables, as_of: date) -> ibis.Table:
    """Household, present village and grid, 人户一致, and whether alive, from the residences."""
    residence = tables["residence"]
    person = followed(tables["person"], moves_of(tables, as_of), "registered_division_code")
    registered = residence.filter(residence.residence_kind_code == "registered").select(
        _registered="person_key", _household="household_key", _home="division_code"
    )
    attached = residence.filter(residence.residence_kind_code == "living").select(
        _living="person_key", _living_household="household_key"
    )
    current = residence.filter(residence.is_current).select(
        _current="person_key", _division="division_code", _grid="grid_code"
    )
    joined = person.left_join(registered, person.person_key == registered["_registered"])
    joined = joined.left_join(attached, joined.person_key == attached["_living"])
    joined = joined.left_join(current, joined.person_key == current["_current"])
    by_police = joined.registration_end_reason_code == "death"
    moved_out = joined.registration_end_reason_code.notnull() & joined["_current"].isnull()
    status = ibis.cases(
        (by_police.fill_null(False), "deceased"),
        (joined.death_date.notnull() & joined.registration_end_date.notnull(), "deceased"),
        (joined.death_date.notnull(), "deceased_unregistered"),
        (moved_out, "moved_out"),
        else_="alive",
    )
    return joined.mutate(
        household_key=ibis.coalesce(joined["_household"], joined["_living_household"]),
        registered_division_code=ibis.coalesce(joined["_home"], joined.registered_division_code),
        residence_division_code=joined["_division"],
        residence_grid_code=joined["_grid"],
        is_registration_consistent=joined["_home"].notnull() & (joined["_home"] == joined["_division"]),
        person_status_code=status,
    )


def _household(tables: Tables, as_of: date) -> ibis.Table:
    """Head and number of members, from the registered residences in force."""
    household, residence = followed_place(tables, "household", "household_key", as_of), tables["residence"]
    members = residence.filter(
        (residence.residence_kind_code == "registered") & (residence.residence_status_code == "active")
    )
    is_head = members.relation_code.isin(["01", "02"])
    summed = members.group_by("household_key").aggregate(
        _head=members.person_key.min(where=is_head), _members=members.count()
    )
    summed = summed.select(_household="household_key", _head="_head", _members="_members")
    joined = household.left_join(summed, household.household_key == summed["_household"])
    return joined.mutate(head_person_key=joined["_head"], member_count=ibis.coalesce(joined["_members"], 0))


def _care_status(tables: Tables, as_of: date) -> ibis.Table:
    """The village of a care status is the one its person lives in, else the one its department states."""
    moves, person = moves_of(tables, as_of), tables["person"]
    care = followed(followed(tables["care_status"], moves), moves, "stated_division_code")
    homes = person.select(_person="person_key", _home="residence_division_code")
    joined = care.left_join(homes, care.person_key == homes["_person"])
    return joined.mutate(division_code=ibis.coalesce(joined["_home"], joined.division_code))


def _place(entity: str, key: str) -> Callable[[Tables, date], ibis.Table]:
    """The rule of an entity that only follows the divisions it lies in."""
    return partial(_followed_place, entity=entity, key=key)


def _followed_place(tables: Tables, as_of: date, entity: str, key: str) -> ibis.Table:
    return followed_place(tables, entity, key, as_of)


DERIVED: Mapping[str, Callable[[Tables, date], ibis.Table]] = {
    "address": _place("address", "address_code"),
    "building": _place("building", "building_code"),
    "facility": _place("facility", "facility_no"),
    "legal_entity": _place("legal_entity", "entity_key"),
    "residence": _residence,
    "division": borders.division,
    "grid": borders.grid,
    "person": _person,
    "household": _household,
    "care_status": _care_status,
    "tag": tag,
    "visit": visit,
    "indicator": indicator,
}
"""Entity -> its rule, in the order they build on each other: grids get new codes after all who lie in them."""
