"""市场监管: market entities, as the exchange platform's service pages them out."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from samples.community import Community
from samples.dates import dashed_text, moment_text
from samples.draw import between, generator, take, where
from samples.entities import STATUSES, Entities
from samples.faults import KEY, PERSON, Spoil, Spoiled, spoil
from samples.plan import Plan
from samples.spoils import code_spoils, credit_spoil, date_spoils, division_spoil, name_spoils

DATASET = "market_regulation/legal_entity"
KIND_CODES = ("2", "1", "3")
KIND_LABELS = {"1": "企业", "2": "个体工商户", "3": "农民专业合作社"}
STATUS_LABELS = {"1": "存续", "2": "注销", "3": "吊销", "4": "迁出"}


def collect(community: Community, entities: Entities) -> dict[str, pa.Table]:
    """The true rows of one county."""
    rng = generator(community.plan.seed, "market", community.county.code)
    size = len(entities.kind)
    person = community.attributes.name.take(pa.array(entities.person))
    columns = {
        "zch": entities.number,
        "tyshxydm": entities.code,
        "dwmc": entities.name,
        "dwlx": take(KIND_CODES, entities.kind),
        "hydm": entities.industry,
        "fddbr": person,
        "zczb": pa.array(entities.capital),
        "clrq": dashed_text(entities.established),
        "djzt": take([str(number + 1) for number in range(len(STATUSES))], entities.status),
        "zs": community.address_text(entities.address),
        "dzbm": where(entities.address_known, community.address_code(entities.address), None),
        "xzqh": take(community.unit_codes, entities.unit),
        "lxdh": entities.phone,
        "gxsj": moment_text(entities.updated, between(rng, 8 * 3600, 18 * 3600, size)),
        PERSON: pa.array(community.person_id[entities.person]),
    }
    return {DATASET: pa.table(columns)}


def deliver(plan: Plan, tables: dict[str, pa.Table], directory: Path) -> dict[str, Spoiled]:
    """Spoil the rows and write them as Parquet in the order the service pages them, by registration number."""
    directory.mkdir(parents=True)
    table = tables[DATASET].sort_by("zch")
    table = table.append_column(KEY, table["zch"])
    spoiled = spoil(generator(plan.seed, "faults", DATASET), table, DATASET, faults(), plan.faults)
    visible = [column for column in spoiled.table.column_names if not column.startswith("_")]
    pq.write_table(spoiled.table.select(visible), directory / "legal_entity.parquet", compression="zstd")
    return {DATASET: spoiled}


def faults() -> list[Spoil]:
    """The kinds of faults its rows have."""
    return [
        credit_spoil("tyshxydm"),
        *name_spoils("fddbr"),
        *date_spoils("clrq", "dash"),
        *code_spoils("dwlx", "7", KIND_LABELS),
        *code_spoils("djzt", "9", STATUS_LABELS),
        *code_spoils("hydm", "9999"),
        division_spoil("xzqh"),
    ]
