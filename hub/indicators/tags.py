"""Tags (标签): what a village must know of a person, by a department's list or by a rule that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import ibis
import ibis.expr.types as ir

__all__ = ["RULES", "tag", "years_before"]

Tables = Mapping[str, ibis.Table]

_OLD, _OLDEST, _GROWN, _CHILD = 60, 80, 18, 16
_SEVERE_GRADES = ("1", "2")
RULES: Mapping[str, str] = {
    "aged_80": "满80周岁",
    "living_alone": "满60周岁，现住地址只有本人居住",
    "empty_nest": "满60周岁，同住的都是满60周岁的人",
    "left_behind_elderly": "满60周岁，无18至59周岁的人同住，同户籍有18至59周岁的人在外居住",
    "left_behind_child": "不满16周岁，同住的都是满60周岁的人",
    "severe_disability": "残疾等级为一级或二级",
    "no_self_care": "特困人员自理能力为全护理",
}
"""Derived tag -> the rule it shows; those of a department's list name the list instead."""


def years_before(day: date, years: int) -> date:
    """The day somebody was born who has that age exactly on `day`; who was born on 29 February has it on 1 March."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def tag(tables: Tables, as_of: date) -> ibis.Table:
    """One row for every tag of every living person: those of departments' lists, then the derived ones.

    Who lives together is told by the standard address, else by the household; of whom neither is known, nothing is
    derived from it. A tag lies in the village the person lives in.
    """
    people = _people(tables, as_of)
    found = _listed(tables, as_of).union(_derived(people))
    homes = people.select(_person="person_key", division_code="division_code")
    joined = found.join(homes, found.person_key == homes["_person"]).drop("_person")
    return joined.mutate(tag_key=joined.person_key + "-" + joined.tag_code)


def _people(tables: Tables, as_of: date) -> ibis.Table:
    """Living people with where they live, how old they are by the thresholds, and who lives with them."""
    person, residence = tables["person"], tables["residence"]
    alive = person.filter(person.person_status_code == "alive")
    current = residence.filter(residence.is_current).select(
        _resident="person_key", place=ibis.coalesce(residence.address_code, residence.household_key)
    )
    care = _in_force(tables, as_of)
    allowed = care.filter(care.care_kind_code == "elderly_allowance").select(_allowed="person_key")
    joined = alive.left_join(current, alive.person_key == current["_resident"])
    joined = joined.left_join(allowed, joined.person_key == allowed["_allowed"])

    def born_by(years: int) -> ir.BooleanValue:
        aged: ir.BooleanValue = joined.birth_date <= ibis.literal(years_before(as_of, years))
        return aged

    people = joined.select(
        "person_key",
        "birth_date",
        "household_key",
        "place",
        "_allowed",
        division_code=joined.residence_division_code,
        old=born_by(_OLD),
        oldest=born_by(_OLDEST),
        working=born_by(_GROWN) & ~born_by(_OLD),
        child=~born_by(_CHILD),
    )
    together = people.filter(people.place.notnull()).group_by("place")
    company = together.aggregate(
        _all=ibis._.count(), _old=ibis._.old.fill_null(False).cast("int64").sum(), _at_work=_count("working")
    )
    registered = people.filter(people.household_key.notnull() & people.working).select(_home="household_key").distinct()
    with_company = people.left_join(company.rename(_place="place"), people.place == company.place)
    return with_company.left_join(registered, with_company.household_key == registered["_home"])


def _count(flag: str) -> ibis.Deferred:
    counted: ibis.Deferred = ibis._[flag].fill_null(False).cast("int64").sum()
    return counted


def _derived(people: ibis.Table) -> ibis.Table:
    """What rules say; who is on the roll of the old-age allowance is called aged by that, not by the rule."""
    together = people["_all"] > 1
    all_old = people["_all"] == people["_old"]
    told: dict[str, ir.Value] = {
        "aged_80": people.oldest & people["_allowed"].isnull(),
        "living_alone": people.old & (people["_all"] == 1),
        "empty_nest": people.old & together & all_old,
        "left_behind_elderly": people.old & (people["_at_work"] == 0) & people["_home"].notnull(),
        "left_behind_child": people.child & together & (people["_old"] == people["_all"] - 1),
    }
    codes = ibis.array([flag.fill_null(False).ifelse(code, ibis.null("string")) for code, flag in told.items()])
    named = people.mutate(_codes=codes.filter(lambda code: code.notnull()))
    rows = named.filter(named["_codes"].length() > 0).select(
        "person_key", "birth_date", tag_code=named["_codes"].unnest()
    )
    day = (rows.tag_code == "aged_80").ifelse(rows.birth_date + ibis.interval(years=_OLDEST), ibis.null("date"))
    return rows.select(
        "person_key",
        "tag_code",
        tag_grade=ibis.null("string"),
        source_dataset=ibis.null("string"),
        rule=ibis.cases(*((rows.tag_code == code, RULES[code]) for code in told)),
        start_date=day.cast("date"),
        end_date=ibis.null("date"),
    )


def _in_force(tables: Tables, as_of: date) -> ibis.Table:
    care = tables["care_status"]
    return care.filter(care.end_date.isnull() | (care.end_date >= ibis.literal(as_of)))


def _listed(tables: Tables, as_of: date) -> ibis.Table:
    """Departments' own words in force, and what their grades imply."""
    care = _in_force(tables, as_of)
    severe = (care.care_kind_code == "disability") & care.care_grade.isin(_SEVERE_GRADES)
    dependent = (care.care_kind_code == "destitute") & (care.care_grade == "none")
    kind = (care.care_kind_code == "elderly_allowance").ifelse("aged_80", care.care_kind_code)
    implied = ibis.cases((severe, "severe_disability"), (dependent, "no_self_care"), else_=ibis.null("string"))
    codes = ibis.array([kind, implied]).filter(lambda code: code.notnull())
    rows = care.mutate(tag_code=codes.unnest())
    implied_ones = ("severe_disability", "no_self_care")
    return rows.select(
        "person_key",
        "tag_code",
        tag_grade=rows.care_grade,
        source_dataset=rows.source_dataset,
        rule=ibis.cases(*((rows.tag_code == code, RULES[code]) for code in implied_ones), else_=ibis.null("string")),
        start_date=rows.start_date,
        end_date=rows.end_date,
    )
