"""What contracts and systems say to connectors and to the hub: every fault by file and line, all of them at once."""

# ruff: noqa: E501 - contracts have one column a line

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.contracts import Contracts, load_contracts
from hub.errors import ConfigurationError
from tests.hub.test_contracts import TREE

SYSTEM, SOURCE = "connectors/systems/health.yml", "schemas/sources/health/death.yml"

GATEWAYS = """\
system: health
title: 卫健委
english: Health
owner: {unit: 信息科, contact: "x@health.example"}
schedule: {cron: "0 4 * * *", reason: 每日}
quiet_hours: ["08:00-18:00"]
connections:
  drop:
    kind: KIND
    place: "${HUB_PLACE_HEALTH}"
OPTIONS"""
PULLS = """\
apiVersion: v3.2.0
kind: DataContract
id: health/death
name: 死亡
version: 1.2.0
status: active
slaProperties: [{property: frequency, value: 1, unit: d}]
customProperties:
  - {property: connection, value: drop}
  - property: pull
    value:
PULL
  - property: feeds
    value:
      - {entity: person, set: {id_type: "111"}, map: {person_key: id_number}}
schema:
  - name: death
    logicalType: object
    properties:
      - {name: id_number, physicalName: 证号, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: person_name, physicalName: 姓名, synonyms: [{synonym: 名字}], logicalType: string}
      - {name: place, physicalName: geometry, logicalType: string, physicalType: geometry}
      - {name: sex, physicalName: 性别, logicalType: string, customProperties: [{property: codelist, value: sex}]}
"""
GOOD = {
    "sql": ["mode: increment", "table: swzm", "cursor: gxsj", "crs: EPSG:4490"],
    "rest": ["mode: snapshot", "path: /v1", "paging: none", "crs: EPSG:4490"],
    "file": ["mode: snapshot", "pattern: d_*.csv", "format: csv", "encoding: gb18030", "crs: EPSG:4490"],
    "geo_file": ["mode: snapshot", "pattern: d_*.shp", "crs: EPSG:4549"],
    "ogc_features": ["mode: snapshot", "collection: swzm", "crs: OGC:CRS84"],
    "wfs": ["mode: snapshot", "type_name: swzm", "sort_by: bm", "crs: EPSG:4490"],
    "delta_sharing": ["mode: snapshot", "share: s", "schema: g", "table: t", "crs: EPSG:4490"],
    "message": ["mode: increment", "queue: q", "crs: EPSG:4490"],
}


def written(root: Path, files: dict[str, str]) -> Contracts:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    load_contracts.cache_clear()
    return load_contracts(root)


def told(root: Path, files: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        written(root, files)
    load_contracts.cache_clear()
    return caught.value.faults


def faults_of(root: Path, files: dict[str, str]) -> list[str]:
    """What is told of files that may be right or wrong."""
    try:
        written(root, files)
    except ConfigurationError as error:
        return error.faults
    finally:
        load_contracts.cache_clear()
    return []


def tree(kind: str, *pull: str, options: str = "") -> dict[str, str]:
    lines = "\n".join(f"      {line}" for line in pull)
    return {
        **TREE,
        SYSTEM: GATEWAYS.replace("KIND", kind).replace("OPTIONS", options),
        SOURCE: PULLS.replace("PULL", lines),
    }


@pytest.mark.parametrize("kind", GOOD)
def test_every_kind_may_carry_a_geometry(kind: str, tmp_path: Path) -> None:
    assert written(tmp_path, tree(kind, *GOOD[kind])).sources["health/death"].geometry_columns == ("place",)


@pytest.mark.parametrize("kind", GOOD)
def test_a_geometry_needs_its_crs_over_every_kind(kind: str, tmp_path: Path) -> None:
    without = [line for line in GOOD[kind] if not line.startswith("crs")]
    (fault,) = told(tmp_path, tree(kind, *without))
    place, _, text = fault.partition(": ")
    assert place == f"{SOURCE}:11"
    assert text.startswith(("crs is missing, in which place come", "crs: Field required"))


@pytest.mark.parametrize("kind", GOOD)
def test_a_wrong_value_is_told_at_its_own_line(kind: str, tmp_path: Path) -> None:
    for place, line in enumerate(GOOD[kind]):
        name = line.partition(":")[0]
        if name == "queue":
            continue
        changed = [*GOOD[kind][:place], f"{name}: [nonsense]", *GOOD[kind][place + 1 :]]
        (fault,) = [one for one in told(tmp_path, tree(kind, *changed)) if f" {name}: " in one]
        assert fault.startswith(f"{SOURCE}:{12 + place}: {name}: "), fault


@pytest.mark.parametrize("kind", GOOD)
def test_an_unknown_name_is_told_with_those_allowed(kind: str, tmp_path: Path) -> None:
    (fault,) = told(tmp_path, tree(kind, *GOOD[kind], "colour: red"))
    line = 12 + len(GOOD[kind])
    assert fault.startswith(f"{SOURCE}:{line}: option of a {kind} pull 'colour' is unknown; allowed: ")
    assert "mode" in fault


@pytest.mark.parametrize(
    ("kind", "options", "line", "text"),
    [
        ("sql", "    options:\n      charset: gbk\n", 12, "option of a sql connection 'charset' is unknown; allowed: none"),
        ("file", "    options:\n      marker: ok\n", 12, "marker: 'ok' is no suffix"),
        ("rest", "    options:\n      auth:\n        kind: basic\n        usr: x\n", 14, "word of auth 'usr' is unknown"),
        ("wfs", "    options:\n      auth: {kind: query, name: tk}\n", 12, "no secret for auth 'query'"),
        ("ogc_features", "    secret: KEY\n", 8, "a secret that auth 'none' has no use for"),
        ("rest", "    options:\n      page_size: 5\n", 12, "option of a rest connection 'page_size' is unknown"),
        ("sql", "    secret: [KEY]\n", 11, "secret of connection drop must be a text"),
        ("delta_sharing", "    options:\n      expiration_time: soon\n", 12, "expiration_time: Input should be"),
    ],
)  # fmt: skip
def test_options_of_a_connection(kind: str, options: str, line: int, text: str, tmp_path: Path) -> None:
    found = told(tmp_path, tree(kind, *GOOD[kind], options=options))
    assert any(fault.startswith(f"{SYSTEM}:{line}: {text}") for fault in found), found


def test_a_signed_gateway_is_stated_as_its_page_shows(tmp_path: Path) -> None:
    options = "    secret: KEY\n    options: {auth: {kind: sorted_parameters, app_key: hub, digest: SM3}}\n"
    assert written(tmp_path, tree("rest", *GOOD["rest"], options=options))


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ('"0 4 * * *"', '"99 4 * * *"', 5, "schedule.cron: [99 4 * * *] is not acceptable, out of range"),
        ('"0 4 * * *"', '"0 4 30 2 *"', 5, "schedule.cron: failed to find next date"),
        ('"0 4 * * *"', '"0 4 * * noday"', 5, "schedule.cron: "),
        ('"0 4 * * *"', '"0 4 * *"', 5, "schedule.cron must be a cron expression of five fields"),
        ('"0 4 * * *"', '"*/15 8-17 * * 1"', 5, "schedule falls into quiet_hours only"),
        ('{cron: "0 4 * * *", reason: 每日}', '{at: "09:30"}', 5, "schedule falls into quiet_hours only"),
        ('"08:00-18:00"', '"08:00-18:00", "8-9"', 6, "quiet_hours: '8-9' is no span as 08:00-18:00"),
        ('"08:00-18:00"', '"08:00-08:00"', 6, "quiet_hours: '08:00-08:00' is the whole day"),
        ('["08:00-18:00"]', "08:00-18:00", 6, "quiet_hours: Input should be a valid list"),
        ("title: 卫健委", "titel: 卫健委", 1, "misses 'title'"),
        ("owner: {unit: 信息科", "owner: 信息科 # {unit: 信息科", 4, "owner: Input should be a valid dictionary"),
        ("quiet_hours:", "deliver: x\nquiet_hours:", 6, "deliver: Input should be a valid list"),
        ("quiet_hours:", "verify: {a: x}\nquiet_hours:", 6, "verify.a: Input should be a valid dictionary"),
        ("quiet_hours:", "max_connections: true\nquiet_hours:", 6, "max_connections must be a whole number from 1 on"),
    ],
)  # fmt: skip
def test_when_a_system_is_pulled(old: str, new: str, line: int, text: str, tmp_path: Path) -> None:
    files = tree("sql", *GOOD["sql"])
    assert old in files[SYSTEM]
    found = told(tmp_path, {**files, SYSTEM: files[SYSTEM].replace(old, new)})
    assert any(fault.startswith(f"{SYSTEM}:{line}: {text}") for fault in found), found


def test_a_cron_line_may_come_now_and_then_in_quiet_hours(tmp_path: Path) -> None:
    files = tree("sql", *GOOD["sql"])
    assert written(tmp_path, {**files, SYSTEM: files[SYSTEM].replace('"0 4 * * *"', '"0 */6 * * *"')})


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ("physicalName: geometry", "physicalName: the_geom", 24, "column place must have physicalName geometry, as a geo_file calls"),
        ("primaryKey: true, primaryKeyPosition: 1", "description: x", 21, "no column is its key: primaryKey tells two rows apart"),
        ('{id_type: "111"}', '{id_type: "999"}', 17, "'999' of id_type is not in code list sex"),
        ("  - property: feeds", "  - {property: current, value: {deleted_when: {sex: D}}}\n  - property: feeds", 15, "'D' of sex is not in code list sex"),
        ("map: {person", "first: {sex: [\"1\", \"3\"]}, map: {person", 17, "'3' of sex is not in code list sex"),
        ("logicalType: string}", "logicalType: string, logicalTypeOptions: {maxLength: many}}", 23, "maxLength of column person_name must be"),
        ("logicalType: string}", 'logicalType: string, logicalTypeOptions: {pattern: "(["}}', 23, "pattern of column person_name is no reg"),
        ("  - property: feeds", "  - {property: current, value: {identity: name}}\n  - property: feeds", 15, "current.identity: Input should be a valid list"),
        ("  - property: feeds", "  - {property: deletions, value: x}\n  - property: feeds", 15, "deletions: Input should be a valid dictionary"),
        ("entity: person, ", "", 17, "misses 'entity'"),
        ("  - {property: connection, value: drop}\n", "", 8, "misses 'connection'"),
    ],
)  # fmt: skip
def test_what_a_contract_says_of_its_columns(old: str, new: str, line: int, text: str, tmp_path: Path) -> None:
    files = tree("geo_file", *GOOD["geo_file"])
    base = files["schemas/base/person.yml"].replace(
        "{name: id_type, logicalType: string}",
        "{name: id_type, logicalType: string, customProperties: [{property: codelist, value: sex}]}",
    )
    files |= {"schemas/codelists/sex.csv": TREE["schemas/codelists/sex.csv"] + "111,男,,x,\n"}
    assert old in files[SOURCE]
    found = told(tmp_path, {**files, SOURCE: files[SOURCE].replace(old, new), "schemas/base/person.yml": base})
    assert any(fault.startswith(f"{SOURCE}:{line}: {text}") for fault in found), found


def test_every_missing_word_of_a_file_is_told(tmp_path: Path) -> None:
    files = tree("sql", *GOOD["sql"])
    system = files[SYSTEM].replace("title:", "x_title:").replace("english:", "x_english:")
    source = files[SOURCE].replace("property: connection", "property: c").replace("property: feeds", "property: f")
    found = told(tmp_path, {**files, SYSTEM: system, SOURCE: source})
    assert [fault.rpartition(": ")[2] for fault in found] == [
        *("misses 'title'", "misses 'english'", "misses 'connection'", "misses 'feeds'")
    ]


def test_columns_of_a_fixed_width_file_are_those_of_the_contract(tmp_path: Path) -> None:
    pull = ["mode: snapshot", "pattern: d", "format: fixed_width", "encoding: gb18030", "crs: EPSG:4490"]
    columns = ["columns:", "  - {name: 证号, start: 1, width: 18}", "  - {name: geometry, start: 19, width: 50}"]
    columns.append("  - {name: 性别, start: 99, width: 1}")
    (fault,) = told(tmp_path, tree("file", *pull, *columns))
    assert fault == f"{SOURCE}:17: columns of the pull have no '姓名', which is a column of the contract"
    assert written(tmp_path, tree("file", *pull, *columns, "  - {name: 名字, start: 69, width: 30}"))


def test_a_queue_cannot_give_all_keys(tmp_path: Path) -> None:
    files = tree("message", *GOOD["message"])
    source = files[SOURCE].replace(
        "  - property: feeds", "  - {property: deletions, value: {by: key_comparison}}\n  - property: feeds"
    )
    (fault,) = told(tmp_path, {**files, SOURCE: source})
    assert fault == f"{SOURCE}:15: deletions.by asks for all keys, which a message pull cannot give"


BROKEN = "key: [never closed\n"


@pytest.mark.parametrize("file", [name for name in TREE if name.endswith(".yml")])
def test_of_a_file_that_is_no_yaml_nobody_else_is_blamed(file: str, tmp_path: Path) -> None:
    (fault,) = told(tmp_path, {**TREE, file: TREE[file] + BROKEN})
    assert fault.startswith(f"{file}:")


def test_of_a_code_list_that_is_none_nobody_else_is_blamed(tmp_path: Path) -> None:
    (fault,) = told(tmp_path, {**TREE, "schemas/codelists/sex.csv": "name\n1\n"})
    assert fault == "schemas/codelists/sex.csv:1: misses 'code'"


def test_what_others_have_wrong_is_told_beside_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    files = {
        **TREE,
        SYSTEM: TREE[SYSTEM] + BROKEN,
        SOURCE: TREE[SOURCE].replace("value: sex}", "value: gender}"),
        "schemas/products/roster.yml": TREE["schemas/products/roster.yml"].replace("FROM person", "FROM people"),
    }
    found = told(tmp_path, files)
    assert [fault.partition(":")[0] for fault in sorted(found)] == [SYSTEM, "schemas/products/roster.yml", SOURCE]


def test_a_file_under_a_wrong_name_is_one_fault(tmp_path: Path) -> None:
    (fault,) = told(tmp_path, {**TREE, SYSTEM: TREE[SYSTEM].replace("system: health", "system: helth")})
    assert fault == f"{SYSTEM}:1: is named 'helth', not as its file"
    (fault,) = told(tmp_path, {**TREE, SOURCE: TREE[SOURCE].replace("id: health/death", "id: health/deth")})
    assert fault == f"{SOURCE}:3: its id 'health/deth' is not its path tail"


VALUES = [None, 5, "x", [], {}, [5], {"x": 5}, [{"x": [1]}], True]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_no_shape_of_a_word_ends_in_anything_but_faults(value: Any, tmp_path: Path) -> None:
    """Each word of each file replaced by a value of another shape."""
    for name, text in TREE.items():
        if not name.endswith(".yml"):
            continue
        document = yaml.safe_load(text)
        places: list[tuple[Any, Any]] = [(document, key) for key in document]
        for entry in document.get("customProperties", ()):
            places.append((entry, "value"))
            if isinstance(entry["value"], dict):
                places += [(entry["value"], key) for key in entry["value"]]
        places += [(column, key) for column in document.get("schema", [{}])[0].get("properties", ()) for key in column]
        for owner, key in places:
            kept, owner[key] = owner[key], value
            files = {**TREE, name: yaml.safe_dump(document, allow_unicode=True)}
            assert {fault.partition(":")[0] for fault in faults_of(tmp_path, files)} <= set(TREE)
            owner[key] = kept
