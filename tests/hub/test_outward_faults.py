"""What a system's file says of deliveries and verifications, on a copy of the real trees: faults by file and line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.config_check import check_config
from hub.errors import ConfigurationError
from hub.settings import ROOT

SYSTEM = "connectors/systems/health_commission.yml"
CONNECTIONS = {
    "front": {"kind": "sql", "place": "${HUB_PLACE_A}"},
    "drop": {"kind": "file", "place": "${HUB_PLACE_A}"},
    "gateway": {"kind": "rest", "place": "${HUB_PLACE_A}"},
    "broker": {"kind": "message", "place": "${HUB_PLACE_A}"},
    "map": {"kind": "wfs", "place": "${HUB_PLACE_A}"},
}
PRODUCT = {"product": "health_elderly_residents"}
DELIVER: list[dict[str, Any]] = [
    {**PRODUCT, "connection": "front", "keys": ["person_token"], "table": "qzk.elderly", "receipts": "hub_receipts"},
    {**PRODUCT, "connection": "drop", "columns": {"person_token": "人员令牌"}, "format": "csv", "encoding": "gb18030"},
    {**PRODUCT, "connection": "gateway", "path": "/in", "acknowledged": "data.count"},
    {**PRODUCT, "connection": "broker", "queue": "hub.elderly", "together": 100},
]
VERIFY = {
    "person_check": {
        "connection": "gateway",
        "name": "xm",
        "number": "sfzh",
        "fields": ["mz"],
        "path": "/check",
        "method": "POST",
        "matched": "data.result",
        "matched_words": [1],
        "unmatched_words": [0],
        "quota_a_day": 500,
    }
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trees")
    for tree in ("schemas", "connectors/systems", "expectations"):
        shutil.copytree(ROOT / tree, root / tree, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return root


def write(trees: Path, deliver: Any = (), verify: Any = None) -> None:
    told = yaml.safe_load((ROOT / SYSTEM).read_text(encoding="utf-8"))
    told["connections"] |= CONNECTIONS
    told |= {"deliver": list(deliver) if isinstance(deliver, tuple) else deliver, "verify": verify or {}}
    (trees / SYSTEM).write_text(yaml.safe_dump(told, allow_unicode=True, sort_keys=False), encoding="utf-8")


def faults(trees: Path, deliver: Any = (), verify: Any = None) -> list[str]:
    write(trees, deliver, verify)
    with pytest.raises(ConfigurationError) as error:
        check_config(trees)
    return error.value.faults


def test_what_is_well_is_read(trees: Path) -> None:
    write(trees, DELIVER, VERIFY)
    system = check_config(trees).systems["health_commission"]
    assert list(system.deliver) == DELIVER
    assert system.verify == VERIFY


def test_what_is_left_out_is_nothing(trees: Path) -> None:
    (trees / SYSTEM).write_text((ROOT / SYSTEM).read_text(encoding="utf-8"), encoding="utf-8")
    system = check_config(trees).systems["health_commission"]
    assert (system.deliver, system.verify) == ((), {})


@pytest.mark.parametrize(
    ("place", "changed", "told"),
    [
        (0, {"product": "no_such"}, "product 'no_such' is not in schemas/products/"),
        (0, {"product": "village_summary"}, "product 'village_summary' is not made for health_commission"),
        (0, {"product": "education_school_age_children"}, "is not made for health_commission: see its `subscriber`"),
        (0, {"connection": "no_such"}, "connection 'no_such' is not among the system's connections"),
        (0, {"connection": "map"}, "a connection of kind 'wfs' only reads; allowed: sql, file, rest, message"),
        (0, {"connection": None}, "connection"),
        (0, {"table": "a b"}, "table"),
        (0, {"table": None}, "table"),
        (0, {"mode": "all"}, "mode"),
        (0, {"colour": "red"}, "option of a sql delivery 'colour' is unknown; allowed: mode, receipts, table"),
        (0, {"keys": []}, "keys must name columns that are delivered and tell a row"),
        (0, {"keys": ["number"]}, "keys names 'number', which is no column of health_elderly_residents"),
        (0, {"columns": {"division_code": "qh"}}, "keys must name columns that are delivered"),
        (1, {"columns": {"phone": "a", "address": "a"}}, "columns gives one name to several"),
        (1, {"columns": {"number": "a"}}, "columns names 'number', which is no column of"),
        (1, {"encoding": "latin-1"}, "encoding"),
        (1, {"file": "../x"}, "'../x' is no path below the place"),
        (2, {"acknowledged": ""}, "acknowledged"),
        (2, {"method": "GET"}, "method"),
        (3, {"queue": ""}, "queue"),
        (3, {"together": 0}, "together"),
    ],
)
def test_a_delivery_that_cannot_be_right(trees: Path, place: int, changed: dict[str, Any], told: str) -> None:
    entry = {name: value for name, value in {**DELIVER[place], **changed}.items() if value is not None}
    entries = [*DELIVER[:place], entry, *DELIVER[place + 1 :]]
    found = faults(trees, entries, VERIFY)
    lines = (trees / SYSTEM).read_text(encoding="utf-8").splitlines()
    first = [number for number, line in enumerate(lines, 1) if line.startswith("- product:")][place]
    assert len(found) == 1, found
    assert told in found[0]
    file, line, _ = found[0].split(":", 2)
    assert file == SYSTEM
    assert first <= int(line) < first + 12


def test_the_same_product_twice_over_one_connection(trees: Path) -> None:
    (told,) = faults(trees, [DELIVER[0], DELIVER[0]])
    assert "product 'health_elderly_residents' goes over connection 'front' twice" in told


@pytest.mark.parametrize("deliver", ["x", {"product": "x"}, [["x"]], [1]])
def test_deliveries_of_another_shape(trees: Path, deliver: Any) -> None:
    assert any("deliver" in told for told in faults(trees, deliver))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"connection": "front"}, "connection 'front' must be one of the system's, of kind rest"),
        ({"connection": None}, "connection None must be one of the system's, of kind rest"),
        ({"quota_a_day": None}, "quota_a_day"),
        ({"quota_a_day": 0}, "quota_a_day"),
        ({"number": None}, "number"),
        ({"matched_words": []}, "matched_words"),
        ({"colour": "red"}, "option of a verification 'colour' is unknown"),
    ],
)
def test_a_verification_that_cannot_be_right(trees: Path, changed: dict[str, Any], told: str) -> None:
    entry = {name: value for name, value in {**VERIFY["person_check"], **changed}.items() if value is not None}
    found = faults(trees, DELIVER, {"person_check": entry})
    assert len(found) == 1, found
    assert told in found[0]
    assert found[0].startswith(f"{SYSTEM}:")
