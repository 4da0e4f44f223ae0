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
from hub.residing import DAY, PERSON_RULES, RESIDENCE_RULES, confirmed, credible_death, residing, with_states

__all__ = ["DERIVED", "RECKONED", "RULES"]

Tables = Mapping[str, ibis.Table]

_HEADS = ("01", "02")


def _residence(tables: Tables, as_of: date) -> ibis.Table:
    """State and end of each residence, and which one is the person's present one; see `hub.residing`."""
    person = tables["person"]
    residence = followed_place(tables, "residence", "residence_key", as_of)
    residence = residence.mutate(**{DAY: as_of}, confirmed_on=confirmed(residence))
    return with_states(residence, person.mutate(death_date=credible_death(person)))


def _person(tables: Tables, as_of: date) -> ibis.Table:
    """Household, present village and grid, 人户一致, and whether alive; a death before the birth is set aside."""
    person = followed(tables["person"], moves_of(tables, as_of), "registered_division_code")
    death = credible_death(person)
    person = person.mutate(death_date=death, disputed_death_date=death.isnull().ifelse(person.death_date, None))
    return residing(person, tables["residence"])


def _household(tables: Tables, as_of: date) -> ibis.Table:
    """Head and number of members, from the registered residences in force."""
    household, residence = followed_place(tables, "household", "household_key", as_of), tables["residence"]
    members = residence.filter(
        (residence.residence_kind_code == "registered") & (residence.residence_status_code == "active")
    )
    is_head = members.relation_code.isin(_HEADS)
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

RECKONED = frozenset({"tag", "visit", "indicator"})
"""Entities that the hub reckons for its day: what they say was so on that day, and nobody says what was before."""

_DIVISION = {"division_code": "所在村（居）撤并后，随承继村（居）；撤并前同部门所报"}
_PLACE = {**_DIVISION, "grid_code": "标准地址所在的网格；村（居）撤并后，随承继村（居）的网格"}

RULES: Mapping[str, Mapping[str, str]] = {
    "address": {
        **_PLACE,
        "grid_code": "坐标所在的网格；村（居）撤并后，随承继村（居）的网格",
        "micro_grid_code": "坐标所在的微网格，须在同一网格之内；村（居）撤并后，随承继村（居）的微网格",
        "longitude": "位置的经度（CGCS2000）",
        "latitude": "位置的纬度（CGCS2000）",
    },
    "building": _DIVISION,
    "facility": _DIVISION,
    "legal_entity": _PLACE,
    "residence": {**_PLACE, **RESIDENCE_RULES},
    "division": borders.DIVISION_RULES,
    "grid": borders.GRID_RULES,
    "person": PERSON_RULES,
    "household": {
        **_DIVISION,
        "head_person_key": "户籍在该户且有效、与户主关系为本人或户主的人",
        "member_count": "户籍在该户且有效的人数",
    },
    "care_status": {
        "division_code": "本人现住村（居）；本人无现住居住关系的，取名册所列村居代码",
        "stated_division_code": _DIVISION["division_code"],
        "source_dataset": "列出本人的部门名册",
    },
    "tag": {
        "tag_code": "部门名册所列，或中枢按本行“推定规则”推算",
        "tag_grade": "部门名册所列等级",
        "source_dataset": "列出本人的部门名册；推算的为空",
        "rule": "推算所依的规则；部门名册所列的为空",
        "start_date": "部门名册所列起始日期；推算为高龄的取满80周岁之日",
        "end_date": "部门名册所列截止日期",
        "division_code": "本人现住村（居）",
    },
    "visit": {
        "visit_tier_code": "高风险：独居且高龄或无自理能力；重点：独居、留守、无自理能力、特困、60岁以上重度残疾；"
        "一般：空巢、高龄、60岁以上低保",
        "reason_tag_codes": "列入探访所依的标签",
        "due_date": "最近探访日期加该等级的探访周期",
        "is_overdue": "应探访日期已过，或列入探访而从未探访",
        "division_code": "本人现住村（居）",
    },
    "indicator": {
        "division_code": "指标所统计的区划",
        "indicator_code": "指标代码表所列指标",
        "period": "数据日期所在月份",
        "numerator": "各村（居）数值之和，算法见指标代码表",
        "denominator": "各村（居）数值之和，算法见指标代码表",
        "value": "分子除以分母，再乘以指标的倍数；无分母的取分子",
        "village_count": "计入的村（居）数",
        "is_suppressed": "人数过少，或可由合计反推的，不予公布",
    },
}
"""Entity -> derived column -> the hub's rule, as people are told; columns that a department fills stand here where the
hub may put another value in their place."""
