"""民政: monthly drops, five GB18030 CSVs (one of them in `samples/systems/cremations.py`) and two Excel rolls."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from samples.care import Care
from samples.community import Community, rosters_name, unit_titles
from samples.dates import dashed_text
from samples.draw import Bools, Ints, Texts, between, digits, generator, join, take, where
from samples.faults import PERSON, Spoil, Spoiled, duplicate, spoil
from samples.organisations import FACILITY_KINDS, ORGANISATION_KINDS, Facilities, Organisations
from samples.people import phones
from samples.plan import Plan
from samples.residence import NONE
from samples.sheets import Sheet, csv_bytes, with_keys, write_excel
from samples.spoils import (
    another_id,
    code_spoils,
    credit_spoil,
    date_spoils,
    division_spoil,
    id_spoils,
    name_spoils,
    rare_name,
)
from samples.systems import cremations
from samples.visits import VISIT_METHODS, Visits

LOW_INCOME = "civil_affairs/low_income_household"
DESTITUTE = "civil_affairs/destitute_person"
ELDERLY = "civil_affairs/elderly_allowance"
ORGANISATION = "civil_affairs/social_organization"
FACILITY = "civil_affairs/service_facility"
VISIT = "civil_affairs/visit"
FILES = {
    DESTITUTE: ("特困人员名册", ".csv"),
    ELDERLY: ("高龄津贴发放名册", ".csv"),
    ORGANISATION: ("社会组织名录", ".csv"),
    VISIT: ("关爱探访台账", ".csv"),
    LOW_INCOME: ("最低生活保障对象花名册", ".xlsx"),
    FACILITY: ("城乡社区服务设施统计表", ".xlsx"),
}
FORMER_NAME_SHARE = 0.5
OTHER_PHONE_SHARE = 0.2
RELATION_LABELS = {"02": "户主", "12": "妻", "11": "夫", "51": "父", "52": "母", "20": "子", "30": "女", "40": "孙辈"}
SUPPORT = ("分散供养", "集中供养")
SELF_CARE = ("全自理", "半护理", "全护理")
LOW_INCOME_HEADERS = (
    "家庭编号",
    "户主/姓名",
    "户主/身份证号",
    "成员/姓名",
    "成员/身份证号",
    "成员/与户主关系",
    "保障/月保障金（元）",
    "保障/批准日期",
    "村居代码",
    "村居名称",
)
FACILITY_HEADERS = (
    "设施编号",
    "设施名称",
    "类型",
    "面积/建筑面积（平方米）",
    "面积/居民活动区面积（平方米）",
    "社区工作者（人）",
    "启用日期",
    "地址",
    "村居代码",
)


def collect(
    community: Community, care: Care, organisations: Organisations, facilities: Facilities, visits: Visits
) -> dict[str, pa.Table]:
    """The true rows of one county."""
    return {
        LOW_INCOME: _low_income(community, care),
        DESTITUTE: _destitute(community, care),
        ELDERLY: _elderly(community, care),
        ORGANISATION: _organisations(community, organisations),
        FACILITY: _facilities(community, facilities),
        VISIT: _visits(community, visits),
        cremations.DATASET: cremations.collect(community),
    }


def deliver(plan: Plan, tables: dict[str, pa.Table], directory: Path) -> dict[str, Spoiled]:
    """Spoil the rows and write the seven files of the month."""
    directory.mkdir(parents=True)
    delivered = {cremations.DATASET: cremations.deliver(plan, tables[cremations.DATASET], directory)}
    for dataset in FILES:
        rng, table = generator(plan.seed, "faults", dataset), tables[dataset]
        if dataset in (DESTITUTE, ELDERLY, VISIT):
            table = duplicate(rng, table, plan.faults, "身份证号")
        name = file_name(dataset, plan)
        first_row = 2 if name.endswith(".csv") else sheet_of(dataset, plan, table).first_row
        spoiled = spoil(rng, with_keys(table, name, first_row), dataset, faults_of(dataset), plan.faults)
        write(dataset, plan, spoiled.table, directory / name)
        delivered[dataset] = spoiled
    return delivered


def file_name(dataset: str, plan: Plan) -> str:
    """The name of a dataset's file as of a plan's day."""
    stem, ending = FILES[dataset]
    return f"{stem}_{plan.as_of:%Y%m}{ending}"


def write(dataset: str, plan: Plan, table: pa.Table, path: Path) -> None:
    """Write a dataset's file of the month."""
    if path.suffix == ".csv":
        path.write_bytes(csv_bytes(table))
    else:
        write_excel(path, sheet_of(dataset, plan, table), table, plan.midnight)


def faults_of(dataset: str) -> list[Spoil]:
    """The kinds of faults a dataset's rows have."""
    people = [*id_spoils("身份证号"), another_id("身份证号", "姓名"), *name_spoils("姓名"), rare_name("姓名")]
    division = division_spoil("区划代码")
    return {
        DESTITUTE: [*people, *date_spoils("批准日期", "dash"), *code_spoils("自理能力", "九级"), division],
        ELDERLY: [*people, *date_spoils("发放起始年月", "dash"), division],
        VISIT: [*people, *date_spoils("最近探访日期", "dash"), *code_spoils("探访方式", "捎话"), division],
        ORGANISATION: [
            credit_spoil("统一社会信用代码"),
            *name_spoils("法定代表人"),
            *date_spoils("成立日期", "dash"),
            *code_spoils("类型", "其他组织"),
            rare_name("名称"),
            division,
        ],
        LOW_INCOME: [
            *id_spoils("成员/身份证号"),
            *name_spoils("成员/姓名"),
            *date_spoils("保障/批准日期", "dash"),
            *code_spoils("成员/与户主关系", "房客"),
        ],
        FACILITY: [*date_spoils("启用日期", "dash"), *code_spoils("类型", "不明设施"), division_spoil("村居代码")],
    }[dataset]


def sheet_of(dataset: str, plan: Plan, table: pa.Table) -> Sheet:
    """How the workbook of these rows looks."""
    month = f"{plan.as_of:%Y}年{plan.as_of.month}月"
    if dataset == FACILITY:
        return Sheet(
            name="设施",
            title=f"{month}城乡社区服务设施统计表",
            unit_row="填报单位：民政局          计量单位：平方米",
            headers=FACILITY_HEADERS,
            extra="备注",
            numbers=FACILITY_HEADERS[3:6],
            foot=(f"合计：{len(table)} 处", "填表人：（签章）          审核人：（签章）"),
        )
    families = len(set(table["家庭编号"].to_pylist()))
    return Sheet(
        name="花名册",
        title=f"{month}最低生活保障对象花名册",
        unit_row="填报单位：民政局          计量单位：元",
        headers=LOW_INCOME_HEADERS,
        extra="备注",
        numbers=("保障/月保障金（元）",),
        merged=("家庭编号", "户主/姓名", "户主/身份证号", "村居代码", "村居名称"),
        foot=(f"小计：{families} 户", f"合计：{len(table)} 人", "制表人：（签章）          审核人：（签章）"),
    )


def _low_income(community: Community, care: Care) -> pa.Table:
    plan, households = community.plan, community.households
    rng = generator(plan.seed, "low_income", community.county.code)
    rows = np.flatnonzero(care.low_income != NONE)
    rows = rows[np.lexsort((rows, care.low_income[rows]))]
    family = care.low_income[rows]
    first = np.concatenate(([True], family[1:] != family[:-1]))
    head = rows[first][np.cumsum(first) - 1]
    names = rosters_name(community, rng, FORMER_NAME_SHARE)
    numbers = community.attributes.id_number
    granted = (plan.today - between(rng, 40, 2_500, len(households)))[family]
    return pa.table(
        {
            "家庭编号": join("DB", community.household_no.take(pa.array(family))),
            "户主/姓名": names.take(pa.array(head)),
            "户主/身份证号": numbers.take(pa.array(head)),
            "成员/姓名": names.take(pa.array(rows)),
            "成员/身份证号": numbers.take(pa.array(rows)),
            "成员/与户主关系": pa.array(_relations(first, community.residence.relation[rows])),
            "保障/月保障金（元）": pa.array((between(rng, 30, 80, len(rows)) * 10).astype(np.float64)),
            "保障/批准日期": dashed_text(granted),
            **_unit_columns(community, households.unit[family], "村居代码"),
            PERSON: pa.array(community.person_id[rows]),
        }
    )


def _relations(first: Bools, codes: np.ndarray) -> list[str]:
    """Labels, with the first member as the head: the register's own head may be dead or not on allowance."""
    pairs = zip(first.tolist(), codes.tolist(), strict=True)
    return ["户主" if head else RELATION_LABELS.get(code, "其他") for head, code in pairs]


def _destitute(community: Community, care: Care) -> pa.Table:
    plan = community.plan
    rng = generator(plan.seed, "destitute", community.county.code)
    rows = np.flatnonzero(care.destitute)
    size = len(rows)
    return pa.table(
        {
            "编号": join(f"TK{community.county.prefix}", digits(np.arange(1, size + 1), 5)),
            "姓名": rosters_name(community, rng, FORMER_NAME_SHARE).take(pa.array(rows)),
            "身份证号": community.attributes.id_number.take(pa.array(rows)),
            "供养方式": take(SUPPORT, (rng.random(size) < 0.2).astype(np.int64)),
            "自理能力": take(SELF_CARE, np.minimum((rng.random(size) * 4).astype(np.int64), 2)),
            "批准日期": dashed_text(plan.today - between(rng, 40, 3_500, size)),
            **_unit_columns(community, _registered_unit(community, rows), "区划代码"),
            PERSON: pa.array(community.person_id[rows]),
        }
    )


def _elderly(community: Community, care: Care) -> pa.Table:
    plan = community.plan
    rng = generator(plan.seed, "elderly", community.county.code)
    rows = np.flatnonzero(care.elderly)
    size = len(rows)
    band = np.searchsorted(np.array([90, 100]), community.ages[rows], side="right")
    since = np.floor(community.members.birth[rows] + 80 * 365.2425).astype(np.int64)
    month = since.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    other = rng.random(size) < OTHER_PHONE_SHARE
    return pa.table(
        {
            "姓名": rosters_name(community, rng, FORMER_NAME_SHARE).take(pa.array(rows)),
            "身份证号": community.attributes.id_number.take(pa.array(rows)),
            "年龄段": take(("80-89岁", "90-99岁", "100岁及以上"), band),
            "月津贴（元）": take(("80", "150", "500"), band),
            "发放起始年月": dashed_text(month),
            "联系电话": where(other, phones(rng, size), community.attributes.phone.take(pa.array(rows))),
            **_unit_columns(community, _registered_unit(community, rows), "区划代码"),
            PERSON: pa.array(community.person_id[rows]),
        }
    )


def _visits(community: Community, visits: Visits) -> pa.Table:
    rng = generator(community.plan.seed, "visit_names", community.county.code)
    rows = visits.person
    return pa.table(
        {
            "姓名": rosters_name(community, rng, FORMER_NAME_SHARE).take(pa.array(rows)),
            "身份证号": community.attributes.id_number.take(pa.array(rows)),
            "最近探访日期": dashed_text(visits.day),
            "探访方式": take(VISIT_METHODS, visits.method),
            "网格员": community.attributes.name.take(pa.array(visits.visitor)),
            **_unit_columns(community, visits.unit, "区划代码"),
            PERSON: pa.array(community.person_id[rows]),
        }
    )


def _organisations(community: Community, organisations: Organisations) -> pa.Table:
    return pa.table(
        {
            "统一社会信用代码": organisations.code,
            "名称": organisations.name,
            "类型": take(ORGANISATION_KINDS, organisations.kind),
            "法定代表人": community.attributes.name.take(pa.array(organisations.person)),
            "成立日期": dashed_text(organisations.established),
            "状态": where(organisations.active, "正常", "注销"),
            "住所": community.address_text(organisations.address),
            "区划代码": take(community.unit_codes, organisations.unit),
            PERSON: pa.array(community.person_id[organisations.person]),
        }
    )


def _facilities(community: Community, facilities: Facilities) -> pa.Table:
    return pa.table(
        {
            "设施编号": facilities.number,
            "设施名称": facilities.name,
            "类型": take(FACILITY_KINDS, facilities.kind),
            "面积/建筑面积（平方米）": pa.array(facilities.area),
            "面积/居民活动区面积（平方米）": pa.array(facilities.activity_area),
            "社区工作者（人）": pa.array(facilities.workers, mask=facilities.workers == NONE),
            "启用日期": dashed_text(facilities.opened),
            "地址": community.address_text(facilities.address),
            "村居代码": take(community.unit_codes, facilities.unit),
        }
    )


def _registered_unit(community: Community, rows: Ints) -> Ints:
    return community.households.unit[community.residence.registered[rows]]


def _unit_columns(community: Community, unit: Ints, code_column: str) -> dict[str, Texts]:
    return {code_column: take(community.unit_codes, unit), "村居名称": unit_titles(community, unit)}
