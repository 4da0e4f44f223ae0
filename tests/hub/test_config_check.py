"""`hub check-config` on a copy of the real trees with one thing made wrong: told by file and line, and all at once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from hub.config_check import check_config
from hub.errors import ConfigurationError
from hub.settings import ROOT

DEATH = "schemas/sources/health_commission/death.yml"
SUITE = "expectations/base/person.yml"
SYSTEM = "connectors/systems/health_commission.yml"


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trees")
    for tree in ("schemas", "connectors/systems", "expectations"):
        shutil.copytree(ROOT / tree, root / tree, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return root


def faults(trees: Path, *changes: tuple[str, str, str]) -> list[str]:
    """Make the changes, check, and take them back."""
    kept = {file: (trees / file).read_text(encoding="utf-8") for file, _, _ in changes}
    try:
        for file, old, new in changes:
            text = (trees / file).read_text(encoding="utf-8")
            assert old in text, f"{file} has no {old!r}"
            (trees / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(ConfigurationError) as error:
            check_config(trees)
        return error.value.faults
    finally:
        for file, text in kept.items():
            (trees / file).write_text(text, encoding="utf-8")


def line_of(file: str, words: str) -> int:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if words in line)


def test_what_is_well_is_counted(trees: Path) -> None:
    contracts = check_config(trees)
    assert len(contracts.sources) == len(list((ROOT / "schemas" / "sources").glob("*/*.yml")))


SEX = "schemas/codelists/sex.csv"


@pytest.mark.parametrize(
    ("file", "old", "new", "words", "told"),
    [
        (SUITE, "{column: id_number}", "{column: number}", "{column: id_number}", "column 'number' is not in schemas"),
        (SUITE, "id_number IS NOT NULL", "numero IS NOT NULL", "id_number IS NOT NULL", "column 'numero' is not in"),
        (SUITE, "death_date >= birth_date", "death_date >=", "death_date >= birth_date", "condition is no SQL"),
        (SUITE, '"id_type_code = ', '"kind = ', '"id_type_code = ', "column 'kind' is not in schemas/base/person.yml"),
        (SUITE, "to_be_resident_ids", "to_be_nice", "only_if", "type 'expect_column_values_to_be_nice' is unknown"),
        (SUITE, "min_value:", "least:", "min_value:", "least: extra fields not permitted"),
        (SUITE, "code_list: division", "code_list: place", "code_list: division", "code list 'place' is not in sch"),
        (SUITE, "acts: hub", "acts: police", "column_list: [id_number, birth_cert", "meta.acts is 'police'; allow"),
        (SUITE, "base_table: household", "base_table: home", "base_table: household", "base table 'home' is not in"),
        (SUITE, "other: household_key", "other: home", "other: household_key", "column 'home' is not in sch"),
        (SUITE, "division_level_code = ", "lvl = ", "division_level_code = ", "column 'lvl' is not in sch"),
        (SUITE, "severity: warning", "severity: grave", "severity: warning", "severity is 'grave'"),
        (SUITE, "rule_id: id_number_form", "rule_id: id_number_unique", "to_be_resident_ids", "is taken by another"),
        (DEATH, "transformLogic: person_name", "transformLogic: nice", "transformLogic: person_name", "'nice' is un"),
        (DEATH, "pattern: ", "patern: ", "pattern: ", "option of a file pull 'patern' is unknown"),
        (SYSTEM, "kind: file", "kind: folder", "kind: file", "kind 'folder' of connection daily_drop is unknown"),
        (SYSTEM, "quiet_hours: []", 'quiet_hours: ["8"]', "quiet_hours: []", "'8' is no span"),
        (SEX, "code,title", "code,name", "code,title", "misses column title"),
        (SEX, "\n2,", "\n1,", "2,女", "code '1' is there before"),
        (SEX, "\n2,女", "\n2,", "2,女", "a line without code or title"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_file_and_line(trees: Path, file: str, old: str, new: str, words: str, told: str) -> None:
    found = faults(trees, (file, old, new))
    assert [fault for fault in found if fault.startswith(f"{file}:{line_of(file, words)}: ") and told in fault], found


def test_faults_of_all_trees_come_at_once(trees: Path) -> None:
    found = faults(
        trees,
        (SUITE, "severity: warning", "severity: grave"),
        (DEATH, "pattern: ", "patern: "),
        (SYSTEM, "quiet_hours: []", 'quiet_hours: ["8"]'),
    )
    assert {fault.partition(":")[0] for fault in found} == {SUITE, DEATH, SYSTEM}
    found = faults(trees, (SUITE, "severity: warning", "severity: grave"), (SEX, "code,title", "code,name"))
    assert {SUITE, SEX} <= {fault.partition(":")[0] for fault in found}


def test_a_suite_without_contract_is_a_fault(trees: Path, monkeypatch: Any) -> None:
    stray = trees / "expectations" / "base" / "stray.yml"
    stray.write_text("name: base/stray\nexpectations: []\n", encoding="utf-8")
    try:
        with pytest.raises(ConfigurationError, match=r"expectations/base/stray\.yml:1: no contract in schemas/"):
            check_config(trees)
    finally:
        stray.unlink()


def test_a_contract_without_suite_is_a_fault(trees: Path) -> None:
    path = trees / SUITE
    text = path.read_text(encoding="utf-8")
    path.unlink()
    try:
        with pytest.raises(ConfigurationError, match=r"expectations/base/person\.yml:1: cannot be read"):
            check_config(trees)
    finally:
        path.write_text(text, encoding="utf-8")
