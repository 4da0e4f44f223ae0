"""Summaries of schema `open`: villages and grids counted from the base tables, four levels above, everybody's tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["SUMMARIES", "Summary"]


@dataclass(frozen=True)
class Summary:
    """One view that is more than a table with its titles.

    Attributes:
        reads: The base tables it needs.
        columns: Column -> what is said of it.
    """

    name: str
    title: str
    reads: tuple[str, ...]
    query: str
    columns: Mapping[str, str]


_LEVELS = {"town": ("乡镇（街道）", 9), "county": ("县（市、区）", 6), "city": ("市", 4), "province": ("省", 2)}
"""View -> title of its level, and how many digits of a code name a division of it."""

_COUNTED = {
    "常住人口": "现住于此且在册的人数",
    "户籍人口": "户籍在此且有效的人数",
    "居住户数": "有人现住于此的家庭户；一户分住多村的，各村各计一户",
    "男": "常住人口中的男性",
    "女": "常住人口中的女性",
    "0—14岁": "截至数据日期不满 15 周岁的常住人口",
    "60岁及以上": "截至数据日期满 60 周岁的常住人口",
    "65岁及以上": "截至数据日期满 65 周岁的常住人口",
    "80岁及以上": "截至数据日期满 80 周岁的常住人口",
    "人户一致人数": "常住人口中户籍地与现住地同村的人数",
    "关爱对象人数": "在世且有关爱记录的人数，一人多项计一次",
    "法人单位数": "登记状态为存续的法人单位",
    "标准地址数": "标准地址",
    "建筑物数": "建筑物",
    "网格数": "网格",
    "微网格数": "网格之内的微网格",
    "服务设施数": "村（社区）服务设施",
    "设施面积（平方米）": "服务设施建筑面积之和",
}
_RATES = {
    "人户一致率（%）": ("人户一致人数", "户籍人口", "人户一致人数 ÷ 户籍人口"),
    "65岁及以上占比（%）": ("65岁及以上", "常住人口", "65岁及以上 ÷ 常住人口"),
    "每百户设施面积（平方米）": ("设施面积（平方米）", "居住户数", "设施面积 ÷ 居住户数 × 100"),
}
"""Column -> numerator, denominator, what is said of it; above the village reckoned anew from the sums."""

_DAY = "WITH day AS (SELECT as_of_date FROM governance.release ORDER BY number DESC LIMIT 1)"

_LIVING = """
count(*) AS "常住人口",
count(DISTINCT r.household_key) AS "居住户数",
count(*) FILTER (WHERE p.sex_code = '1') AS "男",
count(*) FILTER (WHERE p.sex_code = '2') AS "女",
count(*) FILTER (WHERE p.birth_date > day.as_of_date - interval '15 years') AS "0—14岁",
count(*) FILTER (WHERE p.birth_date <= day.as_of_date - interval '60 years') AS "60岁及以上",
count(*) FILTER (WHERE p.birth_date <= day.as_of_date - interval '65 years') AS "65岁及以上",
count(*) FILTER (WHERE p.birth_date <= day.as_of_date - interval '80 years') AS "80岁及以上",
count(*) FILTER (WHERE p.is_registration_consistent) AS "人户一致人数"
FROM governance.residence r JOIN governance.person p USING (person_key) CROSS JOIN day
WHERE r.is_current"""

_VILLAGE = f"""{_DAY},
living AS (SELECT r.division_code, {_LIVING} GROUP BY r.division_code),
registered AS (
  SELECT division_code, count(*) AS "户籍人口" FROM governance.residence
  WHERE residence_kind_code = 'registered' AND residence_status_code = 'active' GROUP BY division_code),
care AS (
  SELECT c.division_code, count(DISTINCT c.person_key) AS "关爱对象人数"
  FROM governance.care_status c JOIN governance.person p USING (person_key)
  WHERE p.person_status_code = 'alive' GROUP BY c.division_code),
entities AS (
  SELECT division_code, count(*) AS "法人单位数" FROM governance.legal_entity
  WHERE entity_status_code = 'active' GROUP BY division_code),
places AS (SELECT division_code, count(*) AS "标准地址数" FROM governance.address GROUP BY division_code),
houses AS (SELECT division_code, count(*) AS "建筑物数" FROM governance.building GROUP BY division_code),
grids AS (
  SELECT division_code, count(*) FILTER (WHERE length(grid_code) = 15) AS "网格数",
         count(*) FILTER (WHERE length(grid_code) = 18) AS "微网格数"
  FROM governance.grid GROUP BY division_code),
facilities AS (
  SELECT division_code, count(*) AS "服务设施数", sum(floor_area_m2) AS "设施面积（平方米）"
  FROM governance.facility GROUP BY division_code),
counted AS (
  SELECT division_code AS "村居代码", d.division_name AS "村（社区）", t.name AS "乡镇（街道）",
         {{cells}}
  FROM governance.division d
  LEFT JOIN (SELECT division_code AS code, division_name AS name FROM governance.division) t ON t.code = d.parent_code
  LEFT JOIN living USING (division_code) LEFT JOIN registered USING (division_code)
  LEFT JOIN care USING (division_code) LEFT JOIN entities USING (division_code)
  LEFT JOIN places USING (division_code) LEFT JOIN houses USING (division_code)
  LEFT JOIN grids USING (division_code) LEFT JOIN facilities USING (division_code)
  WHERE d.division_level_code = 'village')
SELECT counted.*, {{rates}}, day.as_of_date AS "数据日期" FROM counted CROSS JOIN day"""  # noqa: S608  no value from outside

_ABOVE = """WITH counted AS (
  SELECT rpad(left("村居代码", {digits}), 12, '0') AS "区划代码", {cells}, max("数据日期") AS "数据日期"
  FROM open.village_summary GROUP BY 1)
SELECT "区划代码", d.division_name AS "区划名称", {names}, {rates}, "数据日期"
FROM counted LEFT JOIN governance.division d ON d.division_code = "区划代码\""""

_GRID_COLUMNS = [name for name in _COUNTED if name in _LIVING] + ["关爱对象人数", "法人单位数", "标准地址数"]

_GRID = f"""{_DAY},
living AS (SELECT r.grid_code, {_LIVING} GROUP BY r.grid_code),
care AS (
  SELECT p.residence_grid_code AS grid_code, count(DISTINCT c.person_key) AS "关爱对象人数"
  FROM governance.care_status c JOIN governance.person p USING (person_key)
  WHERE p.person_status_code = 'alive' GROUP BY p.residence_grid_code),
entities AS (
  SELECT grid_code, count(*) AS "法人单位数" FROM governance.legal_entity
  WHERE entity_status_code = 'active' GROUP BY grid_code),
places AS (SELECT grid_code, count(*) AS "标准地址数" FROM governance.address GROUP BY grid_code)
SELECT g.grid_code AS "网格代码", g.grid_name AS "网格名称", g.division_code AS "村居代码",
       d.division_name AS "村（社区）", {{cells}}, day.as_of_date AS "数据日期"
FROM governance.grid g CROSS JOIN day
LEFT JOIN governance.division d ON d.division_code = g.division_code
LEFT JOIN living USING (grid_code) LEFT JOIN care USING (grid_code)
LEFT JOIN entities USING (grid_code) LEFT JOIN places USING (grid_code)
WHERE length(g.grid_code) = 15"""  # noqa: S608  no value from outside


_TAGS = f"""{_DAY},
tagged AS (
  SELECT person_key, tag_code, tag_grade, source_dataset, rule, division_code FROM governance.tag
  UNION ALL
  SELECT person_key, CASE WHEN birth_date <= day.as_of_date - interval '60 years' THEN 'elderly' ELSE 'child' END,
         NULL, NULL,
         CASE WHEN birth_date <= day.as_of_date - interval '60 years' THEN '满60周岁' ELSE '不满18周岁' END,
         residence_division_code
  FROM governance.person CROSS JOIN day
  WHERE person_status_code = 'alive' AND (birth_date <= day.as_of_date - interval '60 years'
                                          OR birth_date > day.as_of_date - interval '18 years'))
SELECT t.person_key AS "人员主键", p.person_name AS "姓名", c.title AS "标签", t.tag_grade AS "等级",
       t.source_dataset AS "来源数据集", t.rule AS "推定规则", t.division_code AS "村居代码"
FROM tagged t JOIN governance.person p USING (person_key)
LEFT JOIN governance.code c ON c.codelist = 'tag' AND c.code = t.tag_code"""  # noqa: S608  no value from outside


def _counts(names: list[str]) -> str:
    return ", ".join(f'coalesce("{name}", 0) AS "{name}"' for name in names)


def _rates() -> str:
    return ", ".join(
        f'round((100.0 * "{part}" / nullif("{whole}", 0))::numeric, 1) AS "{name}"'
        for name, (part, whole, _) in _RATES.items()
    )


def _summaries() -> Iterator[Summary]:
    rates = {name: told for name, (_, _, told) in _RATES.items()}
    day = {"数据日期": "所依发布版的数据日期"}
    people = ("person", "residence", "care_status", "legal_entity", "address", "grid", "division")
    villages = (*people, "building", "facility")
    village = _VILLAGE.format(cells=_counts(list(_COUNTED)), rates=_rates())
    place = {"村居代码": "村（社区）的区划代码", "村（社区）": "村（社区）名称", "乡镇（街道）": "所属乡镇（街道）"}
    yield Summary("village_summary", "各村（社区）概况", villages, village, {**place, **_COUNTED, **rates, **day})
    for name, (level, digits) in _LEVELS.items():
        query = _ABOVE.format(
            digits=digits,
            cells=", ".join(f'sum("{one}"){"" if "面积" in one else "::bigint"} AS "{one}"' for one in _COUNTED),
            names=", ".join(f'"{one}"' for one in _COUNTED),
            rates=_rates(),
        )
        told = {"区划代码": f"{level}的区划代码", "区划名称": f"{level}名称", **_COUNTED, **rates, **day}
        yield Summary(f"{name}_summary", f"各{level}概况，由所辖村（社区）合计", villages, query, told)
    told = {
        "网格代码": "村居代码＋3 位",
        "网格名称": "网格名称",
        "村居代码": "所属村（社区）的区划代码",
        "村（社区）": "所属村（社区）",
    }
    told |= {name: _COUNTED[name] for name in _GRID_COLUMNS}
    yield Summary("grid_summary", "各网格概况", people, _GRID.format(cells=_counts(_GRID_COLUMNS)), {**told, **day})
    told = {
        "人员主键": "person_key",
        "姓名": "person_name",
        "标签": "标签名称；一老（满60周岁）、一小（不满18周岁）只凭出生日期，不另存行，由本视图推算",
        "等级": "部门名册所列等级",
        "来源数据集": "列出本人的部门名册；推算的为空",
        "推定规则": "推算所依的规则；部门名册所列的为空",
        "村居代码": "本人现住村（居）",
    }
    yield Summary("person_tag", "人员标签，含一老一小", ("person", "tag"), _TAGS, told)


SUMMARIES: tuple[Summary, ...] = tuple(_summaries())
"""The views, each after those it reads."""
