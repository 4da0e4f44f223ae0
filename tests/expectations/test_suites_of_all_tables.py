"""Every contract has its suite, every suite its contract, and every rule can be evaluated."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub.contracts import Contract, load_contracts
from hub.reasons import Reason
from hub.settings import load_settings
from hub.suites import HUB, Expectation, load_suite, structural
from hub.validation import validate
from tests.expectations.one import AS_OF

CONTRACTS = load_contracts()
TABLES = [*CONTRACTS.sources.values(), *CONTRACTS.base.values(), *CONTRACTS.products.values()]
every_table = pytest.mark.parametrize("contract", TABLES, ids=lambda contract: contract.tail)


def rules(contract: Contract) -> list[Expectation]:
    return [*structural(contract), *load_suite(contract.tail)]


def test_the_trees_mirror_each_other() -> None:
    folder = CONTRACTS.root / "expectations"
    found = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yml")}
    assert {tail.removeprefix("sources/") for tail in found} == {contract.tail for contract in TABLES}


@every_table
def test_rule_ids_are_unique_and_no_reason_code(contract: Contract) -> None:
    counts = Counter(rule["meta"]["rule_id"] for rule in rules(contract))
    assert not {rule for rule, count in counts.items() if count > 1}
    assert not set(counts) & {str(reason) for reason in Reason}


@every_table
def test_somebody_known_must_act(contract: Contract) -> None:
    known = {*CONTRACTS.systems, HUB}
    assert {rule["meta"]["acts"] for rule in rules(contract)} <= known


@every_table
def test_every_rule_can_be_evaluated_and_an_empty_table_passes(contract: Contract, tmp_path: Path) -> None:
    file = tmp_path / "empty.parquet"
    pq.write_table(contract.arrow_schema.empty_table(), file)
    suite = rules(contract)
    base = {}
    for name, table in CONTRACTS.base.items():
        base[name] = [tmp_path / f"{name}.parquet"]
        pq.write_table(table.arrow_schema.empty_table(), base[name][0])
    verdict = validate(
        [file],
        contract,
        suite,
        CONTRACTS.codelists,
        failures=tmp_path / "failures.parquet",
        as_of=AS_OF,
        settings=load_settings(data_dir=tmp_path),
        base=base,
    )
    assert len(verdict.expectations) == len(suite)
    assert all(finding.success and finding.evaluated == 0 for finding in verdict.expectations)
    key = contract.keys or tuple(column.name for column in contract.columns if column.required)
    assert pq.read_schema(verdict.failures).names[: len(key)] == list(key)
    assert pa.types.is_string(pq.read_schema(verdict.failures).field("rule_id").type)
