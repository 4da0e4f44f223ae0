"""The models: Splink takes them, and they weigh as a person would."""

from __future__ import annotations

import logging
from typing import Any

import duckdb
import pytest
from splink import DuckDBAPI, Linker

from hub.contracts import load_contracts
from hub.linking.models import ACCEPT, MODELS, REVIEW, Comparison, Model, one_character_off, settings_of

PERSON, ENTITY = MODELS
LI = {
    "person_name": "李静月",
    "birth_date": "1990-01-01",
    "sex_code": "2",
    "phone": "10000000001",
    "division_code": "320305005204",
    "address_code": "A1",
    "household_no": "H1",
    "number": "320371199001010022",
}


def probability(model: Model, left: dict[str, Any], right: dict[str, Any], share: float = 0.0001) -> float:
    """What the model says of two records; a name is borne by a share of the people."""
    names = [*dict.fromkeys([*model.fields, "number"])]
    rows = []
    for ident, record in (("l", left), ("r", right)):
        scalar = {name: record.get(name) for name in names}
        rows.append({"unique_id": ident, **scalar, **{f"{n}s": [v] if v else [] for n, v in scalar.items()}})
    with duckdb.connect() as duck:
        api = DuckDBAPI(duck)
        columns = ", ".join(f"{name} VARCHAR, {name}s VARCHAR[]" for name in names)
        duck.execute(f"CREATE TABLE records (unique_id VARCHAR, {columns})")
        for row in rows:
            duck.execute(
                f"INSERT INTO records ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
            )
        frequencies = [{model.frequent: row[model.frequent], f"tf_{model.frequent}": share} for row in rows]
        linker = Linker(api.register("records"), settings_of(model, 20_000), log_level=logging.ERROR)
        unique = list({one[model.frequent]: one for one in frequencies if one[model.frequent]}.values())
        linker.table_management.register_term_frequency_lookup(api.register(unique), model.frequent)
        duck.execute("CREATE TABLE pairs AS SELECT 0 AS match_key, 'l' AS join_key_l, 'r' AS join_key_r")
        linker.table_management.register_blocked_pairs_for_predict(api.register("pairs"))
        table = linker.inference.predict(warning_mode="never").physical_name
        return float(duck.execute(f"SELECT match_probability FROM {table}").fetchall()[0][0])


def without(record: dict[str, Any], *names: str, **changed: Any) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names} | changed


@pytest.mark.parametrize(
    ("left", "why"),
    [
        (without(LI, "number"), "everything but the number"),
        (without(LI, "number", "phone", "address_code", "household_no"), "name, date, sex and village"),
        (without(LI, "birth_date", number="320371199001010023"), "a wrong check digit"),
        (without(LI, "number", phone="10000000009"), "another telephone"),
    ],
)
def test_sure(left: dict[str, Any], why: str) -> None:
    assert probability(PERSON, left, LI) >= ACCEPT, why


@pytest.mark.parametrize(
    ("left", "share", "why"),
    [
        ({"person_name": "李静月"}, 0.001, "a common name alone"),
        ({"person_name": "李静月", "birth_date": "1950-05-05"}, 0.0001, "born on another day"),
        ({"person_name": "王一", "division_code": "320305005204"}, 0.0001, "another name of the same village"),
    ],
)
def test_not_the_same(left: dict[str, Any], share: float, why: str) -> None:
    assert probability(PERSON, left, LI, share) < REVIEW, why


def test_a_common_name_in_one_village_is_for_people() -> None:
    left = {"person_name": "李静月", "division_code": LI["division_code"]}
    assert REVIEW <= probability(PERSON, left, LI, 0.0004) < ACCEPT


def test_a_rare_name_counts_for_more() -> None:
    left = {"person_name": "李静月", "division_code": LI["division_code"]}
    assert probability(PERSON, left, LI, 0.00005) > probability(PERSON, left, LI, 0.002)


def test_entities_by_name_and_address() -> None:
    firm = {"entity_name": "贾汪区马庄老年协会", "address_text": "马庄1号", "division_code": "320305005204"}
    firm |= {"legal_representative": "李静月", "established_date": "2010-01-01"}
    assert probability(ENTITY, firm, firm) >= ACCEPT
    assert (
        probability(ENTITY, firm, {**firm, "entity_name": "徐州鑫源商贸有限公司", "established_date": "2020-02-02"})
        < ACCEPT
    )


def comparisons() -> list[Comparison]:
    return [comparison for model in MODELS for comparison in model.comparisons]


@pytest.mark.parametrize("comparison", comparisons(), ids=lambda one: one.name)
def test_shares_of_each_comparison_add_up(comparison: Comparison) -> None:
    assert sum(level.m for level in comparison.levels) == pytest.approx(1)
    assert sum(level.u for level in comparison.levels) == pytest.approx(1)
    assert [level.condition == "" for level in comparison.levels].index(True) == len(comparison.levels) - 1


def test_models_name_columns_that_contracts_have() -> None:
    contracts = load_contracts()
    known = {name for contract in contracts.sources.values() for name in contract.by_name}
    for model in MODELS:
        assert {*model.fields, model.number} <= known | set(contracts.base[model.entity].by_name)
        assert {name for block in model.blocks for name in block.columns} <= {*model.fields, "number_head"}


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("李静月", "李静悦", True),
        ("王静月", "李静月", True),
        ("李强", "李刚", True),
        ("李静月", "李静", False),
        ("兴业路", "新兴路", False),
        ("李静月", "王静悦", False),
        ("一二三四五六七八九十甲乙丙", "一二三四五六七八九十甲乙丁", False),
    ],
)
def test_a_character_is_a_character_however_many_bytes_it_has(left: str, right: str, expected: bool) -> None:
    query = f"SELECT {one_character_off('x')} FROM (SELECT ?::VARCHAR AS x_l, ?::VARCHAR AS x_r)"
    assert duckdb.execute(query, [left, right]).fetchall() == [(expected,)]
