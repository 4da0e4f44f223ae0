"""Suites are read whole, with all their faults; what a contract says is not written twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.contracts import load_contracts
from hub.errors import ConfigurationError
from hub.suites import load_suite, structural, suite_path

META = {"rule_id": "a_rule", "title": "规则", "clause": "条款", "acts": "hub"}
RULE = {
    "type": "expect_column_values_to_not_be_null",
    "kwargs": {"column": "a"},
    "severity": "critical",
    "meta": META,
}


def write(root: Path, tail: str, document: Any) -> None:
    path = suite_path(tail, root)
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")


def test_paths_repeat_the_tails_of_the_contracts(tmp_path: Path) -> None:
    tails = ("civil_affairs/birth", "base/person", "products/summary")
    found = [suite_path(tail, tmp_path).relative_to(tmp_path).as_posix() for tail in tails]
    assert found == [
        "expectations/sources/civil_affairs/birth.yml",
        "expectations/base/person.yml",
        "expectations/products/summary.yml",
    ]


def test_a_suite_is_read_in_the_librarys_own_shape(tmp_path: Path) -> None:
    write(tmp_path, "base/person", {"name": "base/person", "expectations": [RULE]})
    assert load_suite("base/person", tmp_path) == [RULE]


def test_a_suite_may_be_empty(tmp_path: Path) -> None:
    write(tmp_path, "base/person", {"name": "base/person", "expectations": None})
    assert load_suite("base/person", tmp_path) == []


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    document = {
        "name": "base/person",
        "expectations": [
            RULE | {"severity": "fatal", "meta": META | {"acts": ""}},
            {"kwargs": {"column": "a", "mostly": 0.9, "row_condition": "b = 1"}, "severity": "info", "meta": META},
        ],
    }
    write(tmp_path, "base/person", document)
    with pytest.raises(ConfigurationError) as error:
        load_suite("base/person", tmp_path)
    lines = suite_path("base/person", tmp_path).read_text(encoding="utf-8").splitlines()
    told = [(fault.partition(": ")[0], fault.partition(": ")[2]) for fault in error.value.faults]
    assert [(lines[int(where.rpartition(":")[2]) - 1].strip(), text) for where, text in told] == [
        ("meta:", "expectation 1: misses meta.acts"),
        ("severity: fatal", "expectation 1: severity is 'fatal', allowed: critical, warning, info"),
        ("- kwargs:", "expectation 2: misses type"),
        (
            "mostly: 0.9",
            "expectation 2: mostly would hide the rows that fail; say by the severity what becomes of them",
        ),
        (
            "row_condition: b = 1",
            "expectation 2: row_condition is left out when the failing rows are listed; use expect_rows_to_satisfy",
        ),
        ("- kwargs:", "expectation 2: rule_id 'a_rule' is taken by another"),
    ]


@pytest.mark.parametrize("broken", [{"meta": "x"}, {"kwargs": ["column"]}])
def test_an_expectation_of_another_form_is_told(tmp_path: Path, broken: dict[str, Any]) -> None:
    write(tmp_path, "base/person", {"name": "base/person", "expectations": [RULE | broken]})
    with pytest.raises(ConfigurationError, match="kwargs and meta must be names with values"):
        load_suite("base/person", tmp_path)


@pytest.mark.parametrize("expectations", [{"a": 1}, ["expect_x"]])
def test_expectations_are_a_list(tmp_path: Path, expectations: Any) -> None:
    write(tmp_path, "base/person", {"name": "base/person", "expectations": expectations})
    with pytest.raises(ConfigurationError, match="expectations must be a list"):
        load_suite("base/person", tmp_path)


def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, "base/person", {})
    suite_path("base/person", tmp_path).write_text("name: base/person\nexpectations: [", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"person\.yml:2: is no YAML"):
        load_suite("base/person", tmp_path)


@pytest.mark.parametrize("document", [{"name": "base/other", "expectations": []}, ["a list"], None])
def test_a_suite_bears_its_tail(tmp_path: Path, document: Any) -> None:
    write(tmp_path, "base/person", document)
    with pytest.raises(ConfigurationError, match="its name must be its path tail, base/person"):
        load_suite("base/person", tmp_path)


def test_a_missing_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"expectations/base/person\.yml:1: cannot be read"):
        load_suite("base/person", tmp_path)


def test_structural_expectations_of_a_source() -> None:
    contract = load_contracts().sources["natural_resources/grid"]
    derived = {rule["meta"]["rule_id"]: (rule["type"], rule["severity"]) for rule in structural(contract)}
    assert derived == {
        "grid_code_required": ("expect_column_values_to_not_be_null", "critical"),
        "grid_code_pattern": ("expect_column_values_to_match_pattern", "critical"),
        "grid_name_required": ("expect_column_values_to_not_be_null", "critical"),
        "grid_name_length": ("expect_column_value_lengths_to_be_between", "critical"),
        "grid_kind_code_codes": ("expect_column_values_to_be_in_code_list", "critical"),
        "division_code_required": ("expect_column_values_to_not_be_null", "critical"),
        "division_code_form": ("expect_column_values_to_be_in_code_list", "critical"),
        "geometry_required": ("expect_column_values_to_not_be_null", "critical"),
        "geometry_form": ("expect_column_values_to_be_wkb", "critical"),
    }
    assert {rule["meta"]["acts"] for rule in structural(contract)} == {"natural_resources"}


def test_an_optional_text_that_is_too_long_does_not_cost_the_row() -> None:
    contract = load_contracts().sources["public_security/registered_resident"]
    severities = {rule["meta"]["rule_id"]: rule["severity"] for rule in structural(contract)}
    assert (severities["former_name_length"], severities["person_name_length"]) == ("warning", "critical")


def test_keys_are_held_unique_in_base_tables_only() -> None:
    contracts = load_contracts()
    assert "person_key_unique" in {rule["meta"]["rule_id"] for rule in structural(contracts.base["person"])}
    death = structural(contracts.sources["health_commission/death"])
    assert not [rule for rule in death if rule["type"] == "expect_column_values_to_be_unique"]
    assert {rule["meta"]["acts"] for rule in structural(contracts.base["person"])} == {"hub"}
