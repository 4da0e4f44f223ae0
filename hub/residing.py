"""Who lives where on a day, by the residences and the days of death and cancellation that are known.

Merge asks for the hub's day (`hub.derive`); the functions of schema `history` ask for any other day by the same
expressions, written in PostgreSQL's SQL (`hub.believing`). So they hold no value of a run: the day is column `DAY`.
"""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

__all__ = [
    "DAY",
    "FACTS_AS_OF",
    "PERSON_RULES",
    "RESIDENCE_RULES",
    "confirmed",
    "credible_death",
    "latest_first",
    "residing",
    "with_states",
]

DAY = "_day"
"""Column of the residences with the day that is asked about."""

FACTS_AS_OF = "_as_of"
"""Column of a base table in the lake: the day on which the freshest claim behind a row was stated."""

RESIDENCE_RULES: Mapping[str, str] = {
    "end_date": "户籍止于公安注销之日，尚未注销的止于死亡之日；居住止于部门所报截止日期与死亡之日中较早者",
    "residence_status_code": "户籍：公安已注销的为已结束，已故未注销的为待公安注销，其余有效；"
    "居住：已到期或本人已故的为已结束，其余有效",
    "confirmed_on": "居住登记早于本人户籍迁入的，取部门最近一次更新该登记的日期，据以判断是否仍住该处；其余为空",
    "is_current": "本人有效的居住关系中日期最晚的一条：户籍取迁入日期，"
    "居住取登记日期与最近确认日期中较晚者；同日以居住为准",
}
"""Derived column of a residence -> its rule, as people are told."""

PERSON_RULES: Mapping[str, str] = {
    "household_key": "户籍所在的家庭户；无户籍的取居住登记所附的家庭户",
    "registered_division_code": "户籍居住关系所在村（居）",
    "residence_division_code": "现住居住关系所在村（居）；已故或无有效居住关系的为空",
    "residence_grid_code": "现住居住关系所在网格；已故或无有效居住关系的为空",
    "is_registration_consistent": "现住村（居）与户籍村（居）相同",
    "death_date": "按权威次序取死亡日期；早于出生日期的不采用，另列为存疑死亡日期",
    "disputed_death_date": "部门所报死亡日期早于出生日期的，不采用，列于此处，由相关部门核实",
    "person_status_code": "公安因死亡注销的为已故；卫健或民政报死亡而公安未注销的为已故待公安注销；"
    "公安以其他原因注销且无有效居住关系的为已迁出；其余在世",
}
"""Derived column of a person -> its rule, as people are told."""


def credible_death(person: ibis.Table) -> ir.DateValue:
    """The day a person died; none where it lies before the birth, for nobody can say which of the two is wrong."""
    is_contradictory = (person.death_date < person.birth_date).fill_null(False)
    death: ir.DateValue = is_contradictory.ifelse(ibis.null("date"), person.death_date)
    return death


def with_states(residence: ibis.Table, person: ibis.Table) -> ibis.Table:
    """Add to each residence its state and end, and whether it is where the person lives on `DAY`.

    A death closes the registered residence at once as `pending_cancellation` (待公安注销) until the police cancel it.
    Of the residences in force the latest counts, see `latest_first`.

    Args:
        residence: Residences with `DAY` and, of those that `confirmed` asks for, the day of their confirmation.
        person: Persons with `death_date`, `registration_end_date` and `registration_end_reason_code`.
    """
    people = person.select(
        _person="person_key",
        _death="death_date",
        _cancelled="registration_end_date",
        _reason="registration_end_reason_code",
    )
    joined = residence.left_join(people, residence.person_key == people["_person"])
    registered = joined.residence_kind_code == "registered"
    by_police = joined["_reason"] == "death"
    ended = registered.ifelse(
        ibis.coalesce(joined["_cancelled"], joined["_death"]),
        ibis.coalesce(joined["_death"], by_police.ifelse(joined["_cancelled"], ibis.null("date"))),
    )
    dead = joined["_death"].notnull() | by_police.fill_null(False)
    state = ibis.cases(
        (registered & (joined["_cancelled"].notnull() | joined["_reason"].notnull()), "ended"),
        (registered & dead, "pending_cancellation"),
        (registered, "active"),
        (dead | (joined.end_date < joined[DAY]).fill_null(False), "ended"),
        else_="active",
    )
    return _with_present(joined.mutate(residence_status_code=state, end_date=ibis.least(joined.end_date, ended)))


def _with_present(residence: ibis.Table) -> ibis.Table:
    active = residence.residence_status_code == "active"
    order_by = [active.ifelse(0, 1), *latest_first(residence, residence.confirmed_on), residence.residence_key]
    place = ibis.row_number().over(group_by=residence.person_key, order_by=order_by)
    return residence.mutate(is_current=active & (place == 0))


def latest_first(residence: ibis.Table, confirmed_on: ibis.Value) -> list[ir.Value]:
    """The order of a person's residences in force, where they live before where they lived.

    A registered one is of the day the person moved in, a living one of the day it began or, if that is later, was last
    confirmed. So a living place that nobody has confirmed since the person registered elsewhere gives way to the
    register; of one day, it outranks it.
    """
    is_living = residence.residence_kind_code == "living"
    since = is_living.ifelse(ibis.greatest(residence.start_date, confirmed_on), residence.start_date)
    return [ibis.desc(since, nulls_first=False), is_living.ifelse(0, 1)]


def confirmed(residence: ibis.Table) -> ir.DateValue:
    """When a living place was last confirmed, where that is asked: it began before its person registered elsewhere.

    For all others it would change a row each time a department touches its own, and decide nothing.
    """
    if FACTS_AS_OF not in residence.columns:
        return ibis.null("date")
    is_home = residence.residence_kind_code == "registered"
    moved_in = residence.start_date.max(where=is_home).over(ibis.window(group_by=residence.person_key))
    is_asked = ~is_home & (residence.start_date.isnull() | (residence.start_date < moved_in)) & moved_in.notnull()
    found: ir.DateValue = is_asked.fill_null(False).ifelse(residence[FACTS_AS_OF], ibis.null("date"))
    return found


def residing(person: ibis.Table, residence: ibis.Table) -> ibis.Table:
    """Add to each person household, present village and grid, 人户一致, and whether alive, from the residences.

    Args:
        person: Persons.
        residence: Their residences, one of a kind each, as `with_states` gives them.
    """
    registered, living = (residence.residence_kind_code == kind for kind in ("registered", "living"))
    homes = residence.group_by("person_key").aggregate(
        _home=residence.division_code.max(where=registered),
        _household=residence.household_key.max(where=registered),
        _living_household=residence.household_key.max(where=living),
        _division=residence.division_code.max(where=residence.is_current),
        _grid=residence.grid_code.max(where=residence.is_current),
        _lives_here=residence.is_current.any(),
    )
    joined = person.left_join(homes.rename(_of="person_key"), person.person_key == homes.person_key)
    reason, cancelled = joined.registration_end_reason_code, joined.registration_end_date.notnull()
    status = ibis.cases(
        ((reason == "death").fill_null(False), "deceased"),
        (joined.death_date.notnull() & cancelled, "deceased"),
        (joined.death_date.notnull(), "deceased_unregistered"),
        (reason.notnull() & ~joined["_lives_here"].fill_null(False), "moved_out"),
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
