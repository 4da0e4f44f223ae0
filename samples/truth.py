"""The truth folder: who is who, which row is whose, which cell was spoiled and how. For tests and benchmarks only."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from samples.care import Care
from samples.community import NUMBERS_A_COUNTY, Community, picked
from samples.draw import Bools, Ints, Texts, take, where
from samples.entities import KINDS, STATUSES, Entities, entity_ids
from samples.faults import DUPLICATE, FAULT_SCHEMA, FILE, KEY, PERSON, QUARANTINED, REPAIRED, Spoiled
from samples.residence import NONE
from samples.systems.natural_resources import grid_codes

COUNT_SCHEMA = pa.schema(
    [("dataset", pa.string()), *((name, pa.int64()) for name in ("rows", "faults", REPAIRED, QUARANTINED, DUPLICATE))]
)

FAULT_ORDER = [(name, "ascending") for name in ("dataset", "file", "kind", "key")]


def describe(community: Community, care: Care, entities: Entities) -> dict[str, pa.Table]:
    """The tables of one county: person, household, address, legal_entity."""
    return {
        "person": _people(community, care),
        "household": _households(community),
        "address": _addresses(community),
        "legal_entity": _entities(community, entities),
    }


def _people(community: Community, care: Care) -> pa.Table:
    person, residence, members = community.attributes, community.residence, community.members
    unregistered = residence.unregistered
    disabled = care.disability_kind > 0
    registered, living = community.registered_address, community.living_address
    return pa.table(
        {
            "person_id": pa.array(community.person_id),
            "id_type_code": person.id_type,
            "id_number": where(unregistered, None, person.id_number),
            "person_name": person.name,
            "former_name": person.former_name,
            "sex_code": person.sex,
            "birth_date": _dates(members.birth),
            "ethnicity_code": person.ethnicity,
            "marital_status_code": person.marital,
            "education_code": person.education,
            "phone": person.phone,
            "household_no": picked(community.household_no, residence.registered),
            "relation_code": pa.array(residence.relation.tolist()),
            "registered_division_code": community.unit_code_at(registered),
            "registered_address_code": community.address_code(registered),
            "living_division_code": community.unit_code_at(living),
            "living_address_code": community.address_code(living),
            "living_grid_code": _living_grid(community, living),
            "outsider": pa.array(community.households.outsider[members.household]),
            "across": pa.array(residence.across),
            "outside": pa.array(residence.outside),
            "left": pa.array(residence.left),
            "moved_out_date": _dates(residence.moved_out),
            "death_date": _dates(residence.death),
            "death_certified": pa.array(residence.certified),
            "death_cancelled_date": _dates(residence.cancelled),
            "newborn_unregistered": pa.array(unregistered),
            "mother_person_id": _person_key(community, residence.mother),
            "low_income": pa.array(care.low_income != NONE),
            "destitute": pa.array(care.destitute),
            "elderly_allowance": pa.array(care.elderly),
            "disability_kind_code": _codes(care.disability_kind, disabled),
            "disability_grade_code": _codes(care.disability_grade, disabled),
        }
    )


def _living_grid(community: Community, address: Ints) -> Texts:
    building = community.addresses.building[np.maximum(address, 0)]
    grid = np.where(address == NONE, NONE, community.buildings.grid[building])
    return picked(grid_codes(community), grid)


def _households(community: Community) -> pa.Table:
    residence, members = community.residence, community.members
    here = residence.registered != NONE
    household, first = np.unique(residence.registered[here], return_index=True)
    rows = np.flatnonzero(here)
    heads = np.full(len(community.households), NONE, dtype=np.int64)
    own_head = rows[(members.slot[rows] == 0) & ~residence.across[rows]]
    heads[residence.registered[own_head]] = own_head
    address = community.dwelling_address[household]
    return pa.table(
        {
            "household_no": community.household_no.take(pa.array(household)),
            "division_code": community.unit_code_at(address),
            "address_code": community.address_code(address),
            "head_person_id": _person_key(community, np.where(heads[household] == NONE, rows[first], heads[household])),
            "member_count": pa.array(np.bincount(residence.registered[here])[household]),
        }
    )


def _addresses(community: Community) -> pa.Table:
    addresses = community.addresses
    grid = community.buildings.grid[addresses.building]
    return pa.table(
        {
            "address_code": addresses.code,
            "full_address": addresses.text,
            "division_code": take(community.unit_codes, addresses.unit),
            "grid_code": grid_codes(community).take(pa.array(grid)),
            "building_code": community.buildings.code.take(pa.array(addresses.building)),
        }
    )


def _entities(community: Community, entities: Entities) -> pa.Table:
    return pa.table(
        {
            "entity_id": entity_ids(community, len(entities.kind)),
            "registration_no": entities.number,
            "credit_code": entities.code,
            "entity_name": entities.name,
            "entity_kind_code": take(KINDS, entities.kind),
            "industry_code": entities.industry,
            "entity_status_code": take(STATUSES, entities.status),
            "representative_person_id": _person_key(community, entities.person),
            "division_code": take(community.unit_codes, entities.unit),
            "address_code": community.address_code(entities.address),
        }
    )


def rows_of(delivered: dict[str, Spoiled]) -> pa.Table:
    """Which person each delivered row is about; the key is xh, zch, or the physical row of the file."""
    parts = []
    for dataset, spoiled in sorted(delivered.items()):
        if PERSON in spoiled.table.column_names:
            size = len(spoiled.table)
            file = spoiled.table[FILE] if FILE in spoiled.table.column_names else pa.nulls(size, pa.string())
            columns = [pa.array([dataset] * size, pa.string()), file, spoiled.table[KEY], spoiled.table[PERSON]]
            parts.append(pa.table(columns, names=["dataset", "file", "key", "person_id"]))
    return pa.concat_tables(parts)


def faults_of(delivered: dict[str, Spoiled]) -> pa.Table:
    """All faults, by dataset and place."""
    rows = [fault for _, spoiled in sorted(delivered.items()) for fault in spoiled.faults]
    return pa.Table.from_pylist(rows, FAULT_SCHEMA).sort_by(FAULT_ORDER)


def counts_of(delivered: dict[str, int], faults: pa.Table) -> pa.Table:
    """What should come of each dataset's rows, given how many there are; withheld drops are not among the rows."""
    rows: list[dict[str, Any]] = []
    for dataset, size in sorted(delivered.items()):
        own = faults.filter(pc.equal(faults["dataset"], dataset))["expected"].to_pylist()
        expected = {name: own.count(name) for name in (REPAIRED, QUARANTINED, DUPLICATE)}
        rows.append({"dataset": dataset, "rows": size, "faults": len(own), **expected})
    return pa.Table.from_pylist(rows, COUNT_SCHEMA)


def write(directory: Path, tables: dict[str, pa.Table]) -> None:
    """Write each table as Parquet."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table.combine_chunks(), directory / f"{name}.parquet", compression="zstd")


def _dates(days: Ints) -> pa.Array:
    return pa.array(days.astype("datetime64[D]"), mask=days == NONE).cast(pa.date32())


def _person_key(community: Community, index: Ints) -> pa.Array:
    return pa.array(community.county.position * NUMBERS_A_COUNTY + index, mask=index == NONE)


def _codes(values: Ints, there: Bools) -> Texts:
    return where(there, pa.array(values).cast(pa.string()), None)
