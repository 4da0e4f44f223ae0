"""公安: three tables of a front-end database with pinyin columns and control columns (gxsj, czbs, pch)."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from samples.community import Community, picked
from samples.dates import compact_text, timestamps
from samples.draw import Bools, Ints, Texts, between, generator, join, where
from samples.faults import KEY, PERSON, Spoil, Spoiled, duplicate, spoil
from samples.people import RESIDENT_ID
from samples.plan import Plan
from samples.residence import NONE
from samples.spoils import another_id, code_spoils, date_spoils, division_spoil, id_spoils, name_spoils

TABLES = {
    "public_security/registered_resident": "hj_rkxx",
    "public_security/floating_resident": "ld_rkxx",
    "public_security/cancelled_registration": "zx_rkxx",
}
ID_COLUMNS = {"hj_rkxx": "gmsfhm", "ld_rkxx": "zjhm", "zx_rkxx": "gmsfhm"}
SEX_LABELS = {"1": "男", "2": "女"}
HAN_LABEL = {"01": "汉族"}
WITHOUT_ADDRESS_CODE = 0.02
CANCELLED_AND_DELETED = 0.25


def collect(community: Community) -> dict[str, pa.Table]:
    """The true rows of the three tables for one county; the hidden column names the person."""
    return {
        "public_security/registered_resident": _registered(community),
        "public_security/floating_resident": _floating(community),
        "public_security/cancelled_registration": _cancelled(community),
    }


def deliver(plan: Plan, tables: dict[str, pa.Table], directory: Path) -> dict[str, Spoiled]:
    """Number and spoil the rows and write them as Parquet, from which the database is loaded."""
    directory.mkdir(parents=True)
    delivered = {}
    for dataset, table in tables.items():
        name = TABLES[dataset]
        rng = generator(plan.seed, "faults", dataset)
        table = duplicate(rng, table, plan.faults, ID_COLUMNS[name], moment="gxsj")
        table = table.sort_by([("gxsj", "ascending"), (ID_COLUMNS[name], "ascending")])
        serial = pa.array(np.arange(1, len(table) + 1, dtype=np.int64))
        table = table.append_column("xh", serial).append_column(KEY, serial.cast(pa.string()))
        spoiled = spoil(rng, table, dataset, faults_of(name), plan.faults)
        visible = [column for column in spoiled.table.column_names if not column.startswith("_")]
        pq.write_table(spoiled.table.select(visible), directory / f"{name}.parquet", compression="zstd")
        delivered[dataset] = spoiled
    return delivered


def faults_of(name: str) -> list[Spoil]:
    """The kinds of faults the rows of a table have."""
    column = ID_COLUMNS[name]
    if name == "zx_rkxx":
        return [*id_spoils(column), *name_spoils("xm"), *code_spoils("zxyy", "8"), *date_spoils("zxrq", "compact")]
    return [
        *id_spoils(column),
        another_id(column, "xm", "csrq"),
        *name_spoils("xm"),
        *date_spoils("csrq", "compact"),
        *code_spoils("xb", "7", SEX_LABELS),
        *code_spoils("mz", "88", HAN_LABEL),
        division_spoil("xzqh"),
    ]


def _control(rng: np.random.Generator, day: Ints, deleted: Bools) -> dict[str, Texts]:
    moment = timestamps(day, between(rng, 8 * 3600, 18 * 3600, len(day)))
    operation = where(deleted, "D", where(rng.random(len(day)) < 0.35, "U", "I"))
    return {"gxsj": moment, "czbs": operation, "pch": join(compact_text(day), "01")}


def _registered(community: Community) -> pa.Table:
    plan, residence, person = community.plan, community.residence, community.attributes
    rng = generator(plan.seed, "registered", community.county.code)
    rows = np.flatnonzero(residence.registered != NONE)
    index = pa.array(rows)
    address = community.registered_address[rows]
    born = community.members.birth[rows]
    # Married children who live elsewhere have stayed in the register they were born into.
    moved_in = (rng.random(len(rows)) < 0.3) & (community.ages[rows] >= 20) & ~residence.across[rows]
    since = np.where(moved_in, plan.today - 30 - (rng.random(len(rows)) * 6_000).astype(np.int64), born)
    closed = np.maximum(residence.cancelled[rows], residence.moved_out[rows])
    deleted = (residence.moved_out[rows] != NONE) | ((closed != NONE) & (rng.random(len(rows)) < CANCELLED_AND_DELETED))
    day = np.maximum(plan.today - between(rng, 1, 364, len(rows)), np.minimum(born + 1, plan.today - 1))
    columns = {
        "gmsfhm": person.id_number.take(index),
        "xm": person.name.take(index),
        "cym": person.former_name.take(index),
        "xb": person.sex.take(index),
        "csrq": compact_text(born),
        "mz": person.ethnicity.take(index),
        "hyzk": person.marital.take(index),
        "whcd": person.education.take(index),
        "hh": community.household_no.take(pa.array(residence.registered[rows])),
        "yhzgx": pa.array(residence.relation[rows].tolist()),
        "hjdz": community.address_text(address),
        "dzbm": where(rng.random(len(rows)) < WITHOUT_ADDRESS_CODE, None, community.address_code(address)),
        "xzqh": community.unit_code_at(address),
        "qrrq": compact_text(np.maximum(since, born)),
        "lxdh": person.phone.take(index),
        **_control(rng, np.where(deleted, closed, day), deleted),
        PERSON: pa.array(community.person_id[rows]),
    }
    return pa.table(columns)


def _floating(community: Community) -> pa.Table:
    plan, residence, person = community.plan, community.residence, community.attributes
    rng = generator(plan.seed, "floating", community.county.code)
    outsider = community.households.outsider[community.members.household]
    rows = np.flatnonzero((outsider | residence.across) & ~residence.unregistered)
    index = pa.array(rows)
    address = community.dwelling_address[community.members.household[rows]]
    size = len(rows)
    stay = rng.random(size)
    dwelling = np.where(
        outsider[rows],
        np.where(stay < 0.75, "2", np.where(stay < 0.9, "3", "1")),
        np.where(stay < 0.85, "1", "3"),
    )
    since = np.maximum(plan.today - between(rng, 5, 2_500, size), community.members.birth[rows] + 3)
    since = np.minimum(since, plan.today - 1)
    until = compact_text(since + np.where(since < plan.today - 360, (plan.today - since) // 365 * 365 + 365, 365))
    columns = {
        "zjlx": person.id_type.take(index),
        "zjhm": person.id_number.take(index),
        "xm": person.name.take(index),
        "xb": person.sex.take(index),
        "mz": pc.if_else(pc.equal(person.id_type.take(index), RESIDENT_ID), person.ethnicity.take(index), None),
        "csrq": compact_text(community.members.birth[rows]),
        "hjdqh": person.origin.take(index),
        "xzdz": community.address_text(address),
        "dzbm": where(rng.random(size) < WITHOUT_ADDRESS_CODE, None, community.address_code(address)),
        "xzqh": community.unit_code_at(address),
        "zslx": pa.array(dwelling.tolist()),
        "djrq": compact_text(since),
        "dqrq": where(outsider[rows], until, None),
        "lxdh": person.phone.take(index),
        **_control(rng, np.maximum(plan.today - between(rng, 1, 364, size), since), residence.left[rows]),
        PERSON: pa.array(community.person_id[rows]),
    }
    return pa.table(columns)


def _cancelled(community: Community) -> pa.Table:
    residence, person = community.residence, community.attributes
    rng = generator(community.plan.seed, "cancelled", community.county.code)
    day = np.maximum(residence.cancelled, residence.moved_out)
    rows = np.flatnonzero(day != NONE)
    columns = {
        "gmsfhm": picked(person.id_number, rows),
        "xm": picked(person.name, rows),
        "zxyy": where(residence.moved_out[rows] != NONE, "2", "1"),
        "zxrq": compact_text(day[rows]),
        **_control(rng, day[rows], np.zeros(len(rows), dtype=np.bool_)),
        PERSON: pa.array(community.person_id[rows]),
    }
    return pa.table(columns)
