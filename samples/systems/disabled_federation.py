"""残联: the roll of disability certificates, an Excel sheet whose numbers are text cells."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from samples.care import Care
from samples.community import Community, rosters_name
from samples.dates import dashed_text
from samples.draw import between, digits, generator, join, take, where
from samples.faults import PERSON, Spoil, Spoiled, duplicate, spoil
from samples.people import phones
from samples.plan import Plan
from samples.residence import NONE
from samples.sheets import Sheet, with_keys, write_excel
from samples.spoils import another_id, certificate_spoils, code_spoils, date_spoils, division_spoil, name_spoils

DATASET = "disabled_federation/disability_certificate"
HEADERS = (
    "残疾证号",
    "姓名",
    "残疾类别",
    "残疾等级",
    "发证日期",
    "有效期至",
    "联系电话",
    "现住址",
    "区划代码",
)
KIND_LABELS = {"1": "视力", "2": "听力", "3": "言语", "4": "肢体", "5": "智力", "6": "精神", "7": "多重"}
GRADE_LABELS = {"1": "一级", "2": "二级", "3": "三级", "4": "四级"}
VALID_DAYS = 3652
FORMER_NAME_SHARE = 0.5
OTHER_PHONE_SHARE = 0.3


def collect(community: Community, care: Care) -> dict[str, pa.Table]:
    """The true rows of one county: the certificate is the ID, the kind and the grade, 20 characters."""
    plan, person = community.plan, community.attributes
    rng = generator(plan.seed, "disabled", community.county.code)
    rows = np.flatnonzero(care.disability_kind > 0)
    size, index = len(rows), pa.array(rows)
    kind, grade = digits(care.disability_kind[rows]), digits(care.disability_grade[rows])
    issued = plan.today - between(rng, 30, VALID_DAYS - 60, size)
    lives = community.living_address[rows]
    at_home = np.where(lives == NONE, community.registered_address[rows], lives)
    unit = community.households.unit[community.residence.registered[rows]]
    table = pa.table(
        {
            "残疾证号": join(person.id_number.take(index), kind, grade),
            "姓名": rosters_name(community, rng, FORMER_NAME_SHARE).take(index),
            "残疾类别": kind,
            "残疾等级": grade,
            "发证日期": dashed_text(issued),
            "有效期至": dashed_text(issued + VALID_DAYS),
            "联系电话": where(rng.random(size) < OTHER_PHONE_SHARE, phones(rng, size), person.phone.take(index)),
            "现住址": community.address_text(at_home),
            "区划代码": take(community.unit_codes, unit),
            PERSON: pa.array(community.person_id[rows]),
        }
    )
    return {DATASET: table}


def deliver(plan: Plan, tables: dict[str, pa.Table], directory: Path) -> dict[str, Spoiled]:
    """Spoil the rows and write the roll of the quarter."""
    directory.mkdir(parents=True)
    rng = generator(plan.seed, "faults", DATASET)
    table = duplicate(rng, tables[DATASET], plan.faults, "残疾证号")
    sheet, name = sheet_of(plan, table), file_name(plan)
    spoiled = spoil(rng, with_keys(table, name, sheet.first_row), DATASET, faults(), plan.faults)
    write_excel(directory / name, sheet, spoiled.table, plan.midnight)
    return {DATASET: spoiled}


def file_name(plan: Plan) -> str:
    """The name of the roll as of a plan's day."""
    return f"持证残疾人名册_{plan.as_of:%Y%m}.xlsx"


def sheet_of(plan: Plan, table: pa.Table) -> Sheet:
    """How the roll of these rows looks."""
    return Sheet(
        name="名册",
        title=f"{plan.as_of:%Y}年持证残疾人名册",
        unit_row="制表单位：残疾人联合会          单位：人",
        headers=HEADERS,
        extra="备注",
        foot=(f"合计：{len(table)} 人", "制表单位：残疾人联合会（签章）"),
    )


def faults() -> list[Spoil]:
    """The kinds of faults its rows have."""
    return [
        *certificate_spoils("残疾证号"),
        another_id("残疾证号", "姓名"),
        *name_spoils("姓名"),
        *date_spoils("发证日期", "dash"),
        *code_spoils("残疾类别", "8", KIND_LABELS),
        *code_spoils("残疾等级", "5", GRADE_LABELS),
        division_spoil("区划代码"),
    ]
