"""`hub check-config` on a copy of the real trees with one thing made wrong: told by file and line, and all at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.config_check import check_config, report_on
from hub.errors import ConfigurationError
from hub.settings import ROOT
from tests.hub.test_contracts import TREE

DEATH = "schemas/sources/health_commission/death.yml"
SUITE = "expectations/base/person.yml"
SYSTEM = "connectors/systems/health_commission.yml"
CANCELLED = "schemas/sources/public_security/cancelled_registration.yml"
BUILDING, GRID = "schemas/sources/natural_resources/building.yml", "schemas/sources/natural_resources/grid.yml"
ENTITY = "schemas/sources/market_regulation/legal_entity.yml"


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
        (SUITE, "disputed_death_date IS NULL", "disputed IS", "disputed_death_date IS NULL", "condition is no SQL"),
        (SUITE, '"id_type_code = ', '"kind = ', '"id_type_code = ', "column 'kind' is not in schemas/base/person.yml"),
        (SUITE, "to_be_resident_ids", "to_be_nice", "only_if", "type 'expect_column_values_to_be_nice' is unknown"),
        (SUITE, "max_value: 1", "most: 1", "max_value: 1", "most: extra fields not permitted"),
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
        (DEATH, "encoding: gb18030", "encoding: nonsense", "pattern: ", "encoding: 'nonsense' is no encoding"),
        (DEATH, "format: csv", "format: cvs", "pattern: ", "format: 'cvs' is none; allowed: csv, excel, fixed_width"),
        (CANCELLED, "table: zx_rkxx, ", "", "pull, value", "table: Field required"),
        (CANCELLED, "cursor: gxsj, ", "", "pull, value", "cursor: an increment needs it"),
        (BUILDING, "EPSG:4549", "EPSG:999999", "pull, value", "crs: 'EPSG:999999' is no CRS of places"),
        (ENTITY, "page_size: 2000", "page_size: many", "pull, value", "page_size: Input should be a valid integer"),
        (ENTITY, "path: /services", "paths: /services", "pull, value", "option of a rest pull 'paths' is unknown;"),
        (GRID, "transformLogic: geometry", "transformLogic: text", "transformLogic: geometry", "of a geometry column"),
        (DEATH, "classification: L3", "classification: L9", "name: id_number", "has grade 'L9'; allowed: L1"),
        (DEATH, "classification: L3", "clasification: L3", "name: id_number", "says 'clasification', which"),
        (DEATH, "{maxLength: 50}", "{maxLenght: 50}", "name: person_name", "says 'maxLenght', which"),
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


MINI = "expectations/base/person.yml"
MINI_SUITES = {
    MINI: """\
name: base/person
expectations:
  - type: expect_column_values_to_be_unique
    kwargs: {column: id_number}
    severity: critical
    meta: {rule_id: id_unique, title: 唯一, clause: 数据契约, acts: hub}
  - type: expect_column_values_to_be_in_code_list
    kwargs:
      column: id_type
      code_list: sex
    severity: warning
    meta: {rule_id: type_known, title: 类型, clause: 数据契约, acts: health}
""",
    "expectations/sources/health/death.yml": "name: health/death\nexpectations: []\n",
    "expectations/products/roster.yml": "name: products/roster\nexpectations: []\n",
}


@pytest.fixture
def mini(tmp_path: Path) -> Any:
    """Check a miniature tree, some files changed by (old, new); return what is told."""

    def told(*changes: tuple[str, str, str]) -> list[str]:
        for name, text in {**TREE, **MINI_SUITES}.items():
            for file, old, new in changes:
                if name == file:
                    assert old in text
                    text = text.replace(old, new)
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return report_on(tmp_path).faults

    return told


def test_a_miniature_tree_is_well(mini: Any) -> None:
    assert mini() == []


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ("to_be_unique", "to_be_uniqe", 4, "expectation 1: type 'expect_column_values_to_be_uniqe' is unknown"),
        ("to_be_in_code_list", "to_be_coded", 8, "expectation 2: type 'expect_column_values_to_be_coded' is unknown"),
        ("{column: id_number}", "{column: number}", 4, "expectation 1: column 'number' is not in schemas/base/person"),
        ("code_list: sex", "code_list: gender", 8, "expectation 2: code list 'gender' is not in schemas/codelists/"),
        ("severity: critical", "severity: grave", 5, "expectation 1: severity is 'grave', allowed: critical, warning"),
        ("    severity: warning\n", "", 7, "expectation 2: severity is None, allowed: critical, warning, info"),
        ("rule_id: id_unique, ", "", 6, "expectation 1: misses meta.rule_id"),
        ("rule_id: type_known", "rule_id: id_unique", 7, "expectation 2: rule_id 'id_unique' is taken by another"),
        ("clause: 数据契约, acts: hub", "acts: hub", 6, "expectation 1: misses meta.clause"),
        (", acts: health}", "}", 12, "expectation 2: misses meta.acts"),
        ("acts: health", "acts: police", 8, "expectation 2: meta.acts is 'police'; allowed: hub, health"),
        ("acts: health", "acts: hub, whose: [age]", 8, "expectation 2: column 'age' is not in schemas/base/person.yml"),
        ("acts: health", "acts: hub, whose: no", 8, "expectation 2: meta.whose must be a list of columns"),
        ("    kwargs: {column: id_number}\n", "", 3, "expectation 1: misses kwargs"),
        ("kwargs: {column: id_number}", "kwargs: {column: [id_number]}", 4, "expectation 1: column"),
        (
            "kwargs: {column: id_number}",
            "kwargs: {5: id_number}",
            4,
            "expectation 1: type must be a name, kwargs",
        ),
        ("type: expect_column_values_to_be_unique", "type: [x]", 4, "expectation 1: type must be a name, kwargs"),
    ],
)
def test_a_rule_that_cannot_be_right(mini: Any, old: str, new: str, line: int, text: str) -> None:
    found = mini((MINI, old, new))
    assert any(fault.startswith(f"{MINI}:{line}: {text}") for fault in found), found


def test_all_faults_of_a_suite_come_at_once(mini: Any) -> None:
    found = mini(
        (MINI, "severity: critical", "severity: grave"),
        (MINI, "{column: id_number}", "{column: number}"),
        (MINI, "code_list: sex", "code_list: gender"),
        (MINI, "clause: 数据契约, acts: health", "acts: police"),
    )
    assert len(found) == 5


def test_a_file_that_is_no_yaml_hides_nothing_and_blames_nobody(mini: Any) -> None:
    broken = ("schemas/base/person.yml", "kind: DataContract", "kind: DataContract\nx: [never closed")
    (fault,) = mini(broken)
    assert fault.startswith("schemas/base/person.yml:4: ")
    found = mini(
        broken,
        (MINI, "severity: critical", "severity: grave"),
        ("connectors/systems/health.yml", "kind: file", "kind: folder"),
        ("schemas/sources/health/death.yml", "value: sex}", "value: gender}"),
    )
    assert {fault.partition(":")[0] for fault in found} == {
        *("schemas/base/person.yml", MINI, "connectors/systems/health.yml", "schemas/sources/health/death.yml")
    }


def test_a_list_that_is_no_text_is_told(mini: Any, tmp_path: Path) -> None:
    mini()
    (tmp_path / "schemas/codelists/sex.csv").write_bytes(b"code,title\n1,\xff\n")
    found = report_on(tmp_path).faults
    assert found == ["schemas/codelists/sex.csv:1: cannot be read (UnicodeDecodeError)"]


PLACE = "HUB_PLACE_HEALTH"
CONNECTIONS = 'connections: {drop: {kind: file, secret: HEALTH_KEY, place: "${HUB_PLACE_HEALTH}"}}'


class TestPlaces:
    @pytest.fixture
    def tree(self, mini: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.delenv(PLACE, raising=False)
        system = TREE["connectors/systems/health.yml"]
        assert mini(("connectors/systems/health.yml", system.splitlines()[-1], CONNECTIONS)) == []
        return tmp_path

    def test_what_this_machine_has_not_is_a_warning(self, tree: Path) -> None:
        place, secret = report_on(tree).warnings
        assert place == "connectors/systems/health.yml:6: HUB_PLACE_HEALTH is not set: the place of a department system"
        assert secret.startswith("connectors/systems/health.yml:6: secret HEALTH_KEY is neither in HUB_SECRET_")

    def test_on_the_machine_that_pulls_it_is_a_fault(self, tree: Path) -> None:
        deep = report_on(tree, deep=True)
        assert (len(deep.faults), deep.warnings) == (2, [])

    def test_what_is_set_is_not_told(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(PLACE, "sftp://hub@host/hunter2")
        monkeypatch.setenv("HUB_SECRET_HEALTH_KEY", "hunter2")
        assert report_on(tree).warnings == []
        (fault,) = report_on(tree, deep=True).faults
        assert fault == (
            "connectors/systems/health.yml:6: connection drop has option 'known_hosts' is not set;"
            " allowed: the server's key, or a file that has it"
        )

    def test_a_place_that_its_connector_takes(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(PLACE, str(tree))
        monkeypatch.setenv("HUB_SECRET_HEALTH_KEY", "x")
        assert report_on(tree, deep=True).faults == []
        monkeypatch.setenv(PLACE, "ftp://host:hunter2")
        (fault,) = report_on(tree, deep=True).faults
        assert "a place of another kind; allowed: a folder" in fault
        assert "hunter2" not in fault

    def test_a_secret_that_cannot_be_read(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def denied(*_: Any, **__: Any) -> str:
            raise PermissionError(13, "denied", "/secrets/HEALTH_KEY")

        monkeypatch.setenv(PLACE, str(tree))
        monkeypatch.setattr("hub.settings.Settings.secret", denied)
        assert report_on(tree).warnings == [
            "connectors/systems/health.yml:6: secret of connection drop cannot be read (PermissionError)"
        ]

    def test_settings_that_are_wrong_are_faults_beside_the_others(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HUB_THREADS", "many")
        (fault,) = report_on(tree).faults
        assert fault.startswith("HUB_THREADS: ")


def test_the_command_tells_a_fault_a_line_and_fails(monkeypatch: pytest.MonkeyPatch, mini: Any, tmp_path: Path) -> None:
    mini((MINI, "severity: critical", "severity: grave"), (MINI, "acts: health", "acts: police"))
    monkeypatch.delenv(PLACE, raising=False)
    monkeypatch.setattr("hub.cli_quality.report_on", lambda deep: report_on(tmp_path, deep=deep))
    shown = CliRunner().invoke(app, ["check-config"])
    assert shown.exit_code == 1
    assert [line.partition(":")[0] for line in shown.stderr.splitlines()] == ["fault", "fault", "warning"]
    answer = CliRunner().invoke(app, ["check-config", "--deep", "--json"])
    assert answer.exit_code == 1
    told = json.loads(answer.stdout)
    assert (len(told["faults"]), told["warnings"]) == (3, [])


def test_the_hubs_own_division_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DIVISION", "999999")
    assert "HUB_DIVISION: 999999 is not in schemas/codelists/division.csv" in report_on().faults
