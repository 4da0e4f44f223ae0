"""Contracts: a miniature tree of files, what is read from it, and every fault it can have, told at once."""

# ruff: noqa: E501 - contracts have one column a line

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hub.contracts import ARROW_TYPES, Contracts, load_contracts
from hub.errors import ConfigurationError

SYSTEM = """\
system: health
title: 卫健委
english: Health
owner: {unit: 信息科, contact: "x@health.example"}
schedule: {at: "04:00"}
connections: {drop: {kind: file, place: "${HUB_PLACE_HEALTH}"}}
"""
HEAD = """\
apiVersion: v3.2.0
kind: DataContract
id: {tail}
name: {title}
version: 1.2.0
status: active
"""
SOURCE = (
    HEAD.format(tail="health/death", title="死亡")
    + """\
slaProperties: [{property: frequency, value: 1, unit: d}]
customProperties:
  - {property: connection, value: drop}
  - {property: pull, value: {mode: increment, pattern: "d_*.csv", format: csv, encoding: gb18030, crs: "EPSG:4490"}}
  - {property: current, value: {order_by: updated_at, deleted_when: {operation: D}, identity: [person_name]}}
  - property: feeds
    value:
      - {entity: person, set: {id_type: "111"}, map: {person_key: id_number}, first: {operation: [I, U]}}
schema:
  - name: death
    logicalType: object
    properties:
      - {name: person_name, physicalName: 姓名, businessName: 姓名, logicalType: string, transformLogic: person_name}
      - {name: id_number, physicalName: 证号, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 2, classification: L3}
      - {name: series, logicalType: string, primaryKey: true, primaryKeyPosition: 1}
      - {name: sex_code, logicalType: string, customProperties: [{property: codelist, value: sex}]}
      - {name: died, logicalType: date}
      - {name: updated_at, logicalType: timestamp}
      - {name: operation, logicalType: string, logicalTypeOptions: {maxLength: 1, pattern: "[IUD]"}}
      - {name: place, logicalType: string, physicalType: geometry}
"""
)
BASE = (
    HEAD.format(tail="base/person", title="人员")
    + """\
customProperties:
  - {property: key, value: {column: person_key, prefix: P, identify_by: [[id_type, id_number], [certificate]]}}
  - {property: authority, value: {default: [health/death], id_type: [codelists/sex, health/death]}}
schema:
  - name: person
    logicalType: object
    properties:
      - {name: person_key, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: id_type, logicalType: string}
      - {name: id_number, logicalType: string}
      - {name: certificate, logicalType: string}
"""
)
PRODUCT = (
    HEAD.format(tail="products/roster", title="名册")
    + """\
description: {purpose: 走访}
customProperties:
  - {property: scope, value: {column: division_code, level: village}}
  - {property: subscriber, value: {kind: village}}
  - {property: sharing, value: {class: conditional, condition: 仅限本村}}
  - property: query
    value: SELECT id_type AS division_code FROM person CROSS JOIN release_date
schema:
  - name: roster
    logicalType: object
    properties:
      - {name: division_code, logicalType: string, customProperties: [{property: mask, value: {rule: name, when: _young}}]}
"""
)
SEX = "code,title,synonyms,source,valid_from\n1,男,男性|M,GB/T 2261.1,\n2,女,女性|1,GB/T 2261.1,\n"
TREE = {
    "connectors/systems/health.yml": SYSTEM,
    "schemas/sources/health/death.yml": SOURCE,
    "schemas/base/person.yml": BASE,
    "schemas/products/roster.yml": PRODUCT,
    "schemas/codelists/sex.csv": SEX,
}


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Write the tree, some files changed by (old, new), and read it."""

    def load_tree(*changes: tuple[str, str, str]) -> Contracts:
        for name, text in TREE.items():
            for path, old, new in changes:
                if name.endswith(path):
                    assert old in text
                    text = text.replace(old, new)
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        load_contracts.cache_clear()
        return load_contracts(tmp_path)

    yield load_tree
    load_contracts.cache_clear()


def faults(load: Any, *changes: tuple[str, str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(*changes)
    return caught.value.faults


def test_source_says_where_how_and_what(load: Any) -> None:
    source = load().sources["health/death"]
    assert (source.name, source.department, source.connection, source.mode) == ("death", "health", "drop", "increment")
    assert (source.title, source.version_text, source.cycle) == ("死亡", "1.2.0", "1d")
    assert source.pull == {"pattern": "d_*.csv", "format": "csv", "encoding": "gb18030", "crs": "EPSG:4490"}
    assert (source.order_by, source.deleted_when) == ("updated_at", {"operation": "D"})
    assert (source.identity, source.attach) == (("person_name",), None)
    (feed,) = source.feeds
    assert (feed.entity, feed.constants, feed.mapping) == ("person", {"id_type": "111"}, {"person_key": "id_number"})
    assert feed.first == {"operation": ("I", "U")}


def test_keys_come_first_in_their_own_order(load: Any) -> None:
    source = load().sources["health/death"]
    assert source.keys == ("series", "id_number")
    assert list(source.by_name)[:3] == ["series", "id_number", "person_name"]


def test_columns_have_their_kind_and_operation(load: Any) -> None:
    columns = load().sources["health/death"].by_name
    assert (columns["person_name"].physical_name, columns["person_name"].operation) == ("姓名", "person_name")
    assert (columns["sex_code"].codelist, columns["sex_code"].operation) == ("sex", "code")
    assert (columns["died"].operation, columns["series"].operation) == ("date", "text")
    assert (columns["operation"].max_length, columns["operation"].pattern) == (1, "[IUD]")
    assert (columns["place"].kind, columns["place"].operation) == ("geometry", "geometry")
    assert (columns["id_number"].required, columns["id_number"].grade, columns["series"].grade) == (True, "L3", "L1")
    assert (columns["id_number"].title, columns["series"].physical_name) == ("id_number", "series")


def test_arrow_schema_follows_the_kinds(load: Any) -> None:
    source = load().sources["health/death"]
    assert source.arrow_schema.field("died").type == pa.date32()
    assert source.arrow_schema.field("updated_at").type == pa.timestamp("us")
    assert source.arrow_schema.field("place").type == ARROW_TYPES["geometry"] == pa.binary()
    assert source.geometry_columns == ("place",)
    assert source.arrow_schema.names == list(source.by_name)


def test_base_ranks_datasets_by_column(load: Any) -> None:
    base = load().base["person"]
    assert (base.key_column, base.key_prefix) == ("person_key", "P")
    assert base.identify_by == (("id_type", "id_number"), ("certificate",))
    assert base.ranked("id_type") == ("codelists/sex", "health/death")
    assert base.ranked("certificate") == ("health/death",)


def test_product_says_for_whom_and_what_for(load: Any) -> None:
    product = load().products["roster"]
    assert (product.scope_column, product.subscriber_kind, product.subscriber) == ("division_code", "village", None)
    assert (product.purpose, product.sharing["class"]) == ("走访", "conditional")
    assert product.by_name["division_code"].mask == {"rule": "name", "when": "_young"}


def test_codelist_reads_titles_and_synonyms_but_a_code_is_never_taken_by_a_later_synonym(load: Any) -> None:
    sex = load().codelists["sex"]
    assert sex.titles == {"1": "男", "2": "女"}
    assert sex.readings == {"1": "1", "男": "1", "男性": "1", "M": "1", "2": "2", "女": "2", "女性": "2"}


def test_systems_and_their_datasets(load: Any) -> None:
    contracts = load()
    assert [contract.tail for contract in contracts.of_system("health")] == ["health/death"]
    assert contracts.systems["health"].max_connections == 1
    with pytest.raises(ConfigurationError, match="'police' is unknown; known: health"):
        contracts.of_system("police")


def test_digest_changes_with_any_contract_and_with_nothing_else(load: Any, tmp_path: Path) -> None:
    first = load().digest
    assert load().digest == first
    (tmp_path / "schemas" / "notes.txt").write_text("x")
    assert load().digest == first
    assert load(("death.yml", "死亡", "死亡证明")).digest != first
    assert load(("sex.csv", "女性", "女的")).digest != first


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("health.yml", "system: health", "system: police", "is named 'police', not as its file"),
        ("health.yml", "system: health\n", "", "connectors/systems/health.yml:1: misses 'system'"),
        ("health.yml", "connections: {", "connections: {{", "connectors/systems/health.yml:6: "),
        ("death.yml", "id: health/death", "id: health/birth", "its id 'health/birth' is not its path tail"),
        ("death.yml", "id: health/death", "id: death", "connection 'drop' is not in connectors/systems/death.yml"),
        ("death.yml", "mode: increment, ", "", "misses 'mode'"),
        ("death.yml", "value: drop", "value: ftp", "connection 'ftp' is not in connectors/systems/health.yml"),
        ("death.yml", "entity: person", "entity: persons", "feeds 'persons', which schemas/base/ does not have"),
        ("death.yml", 'set: {id_type: "111"}', 'set: {kind: "111"}', "its feed of person names unknown column 'kind'"),
        ("death.yml", "person_key: id_number", "person_key: number", "feed of person names unknown column 'number'"),
        ("death.yml", "first: {operation", "first: {state", "its feed of person names unknown column 'state'"),
        ("death.yml", "order_by: updated_at", "order_by: gxsj", "current names unknown column 'gxsj'"),
        ("death.yml", "identity: [person_name]", "identity: [xm]", "current names unknown column 'xm'"),
        ("death.yml", "deleted_when: {operation", "deleted_when: {czbs", "current names unknown column 'czbs'"),
        ("death.yml", "value: sex}", "value: gender}", "column sex_code names unknown code list 'gender'"),
        ("death.yml", "name: died, logicalType: date", "name: died, logicalType: array", "unknown type 'array'"),
        ("death.yml", "name: died", "name: place", "column place is there 2 times"),
        ("death.yml", "name: died", "name: series", "column series is there 2 times"),
        ("death.yml", "feeds\n    value:\n      - {", "feeds\n    value:\n      - [{", "health/death.yml:15: "),
        ("person.yml", "default: [health/death]", "default: [health/x]", "authority of default names unknown"),
        ("person.yml", "default: [health/death], ", "", "authority has no default"),
        ("person.yml", "authority, value: {", "authority, value: [{", "schemas/base/person.yml:9: "),
        ("person.yml", "[certificate]]", "[paper]]", "base/person.yml:8: key names unknown column 'paper'"),
        ("person.yml", "column: person_key", "column: key", "base/person.yml:8: key names unknown column 'key'"),
        ("person.yml", "id_type: [codelists", "id_kind: [codelists", "base/person.yml:9: authority names unknown column 'id_kind'"),
        ("roster.yml", "column: division_code", "column: village", "its scope names unknown column 'village'"),
        ("roster.yml", "SELECT id_type", "SELECT (id_type", "its query is not SQL: "),
        ("roster.yml", "SELECT id_type", "SELECT 'id_type", "its query is not SQL: "),
        ("roster.yml", "SELECT id_type AS division_code FROM person", "DROP TABLE person; SELECT 1", "a single SELECT"),
        ("roster.yml", "SELECT id_type AS", "DELETE FROM person --", "must be a single SELECT"),
        ("roster.yml", "FROM person", "FROM people", "its query reads 'people', which is no base table"),
        ("roster.yml", "FROM person", "FROM '/etc/passwd'", "its query reads '/etc/passwd'"),
        ("roster.yml", "FROM person", "FROM read_csv('x.csv')", "its query reads \"READ_CSV('x.csv')\""),
    ],
)  # fmt: skip
def test_every_fault_is_told_with_its_file(load: Any, file: str, old: str, new: str, told: str) -> None:
    assert any(told in fault for fault in faults(load, (file, old, new)))


CONNECTION = "{kind: file, place"
PULL = "mode: increment, "
PROPERTY = "  - {property: connection, value: drop}\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "told"),
    [
        ("health.yml", CONNECTION, "{kind: ftp, place", 6, "kind 'ftp' of connection drop is unknown; allowed: delta"),
        ("health.yml", CONNECTION, "{place", 6, "connection drop misses kind"),
        ("health.yml", CONNECTION, "{kind: file, retries: 3, place", 6, "word of a connection 'retries' is unknown"),
        ("health.yml", CONNECTION, "{kind: file, options: {region: x, x: y}, place", 6, "a file connection 'x' is"),
        ("health.yml", CONNECTION, "{kind: file, options: [x], place", 6, "options of connection drop must be names"),
        ("health.yml", "{drop: {kind: file, place: \"${HUB_PLACE_HEALTH}\"}}", "{drop: x}", 6, "drop must say its kind"),
        ("health.yml", "{drop: {kind: file, place: \"${HUB_PLACE_HEALTH}\"}}", "[drop]", 6, "connections must be names"),
        ("health.yml", "english: Health", "english: Health\nquiet: 1", 4, "word of a system 'quiet' is unknown"),
        ("health.yml", "english: Health", "quiet_hours: ['8-18']\nenglish: H", 3, "'8-18' is no span as 08:00-18:00"),
        ("health.yml", "english: Health", "rows_per_second: 0\nenglish: H", 3, "rows_per_second must be a number above"),
        ("health.yml", "english: Health", "max_connections: 0\nenglish: H", 3, "max_connections must be a whole number"),
        ("health.yml", '{at: "04:00"}', "daily", 5, "schedule must be {at: HH:MM}, or {cron, reason} where"),
        ("health.yml", "04:00", "4", 5, "schedule.at must be HH:MM"),
        ("death.yml", "unit: d", "unit: day", 7, "slaProperties must state the frequency"),
        ("death.yml", "{property: frequency, value: 1, unit: d}", "", 7, "slaProperties must state the frequency"),
        ("health.yml", "${HUB_PLACE_HEALTH}", "sftp://me:hunter2@host/x", 6, "an address holds a user's password"),
        ("health.yml", CONNECTION, "{secret: hunter2, kind: file, place", 6, "secret holds a secret itself"),
        ("health.yml", CONNECTION, "{options: {x: [{api_key: hunter2}]}, kind: file, place", 6, "api_key holds a secret"),
        ("death.yml", PULL, "mode: increment, patern: x, ", 10, "option of a file pull 'patern' is unknown; allowed: "),
        ("death.yml", PULL, "mode: incremental, ", 10, "mode: Input should be 'snapshot' or 'increment'"),
        ("death.yml", PULL, "mode: increment, password: hunter2, ", 10, "password holds a secret itself"),
        ("death.yml", "{order_by: updated_at,", "{order_by: updated_at, newest: x,", 11, "word of current 'newest'"),
        ("death.yml", "{entity: person,", "{entity: person, fist: {},", 14, "word of a feed 'fist' is unknown"),
        ("death.yml", PROPERTY, f"{PROPERTY}  - {{property: drifts, value: 1}}\n", 10, "property 'drifts' is unknown"),
        (
            "death.yml",
            PROPERTY,
            f"{PROPERTY}  - property: drift\n    value:\n      new: evolve\n      missing: ignore\n",
            13,
            "drift.missing is 'ignore'; allowed: evolve, freeze, discard_row, discard_value",
        ),
        ("death.yml", PROPERTY, f"{PROPERTY}  - {{property: drift, value: {{old: evolve}}}}\n", 10, "drift of 'old'"),
        ("death.yml", PROPERTY, f"{PROPERTY}  - {{property: deletions, value: {{by: guess}}}}\n", 10, "deletions.by is"),
        (
            "death.yml",
            PROPERTY,
            f"{PROPERTY}  - {{property: deletions, value: {{max_delete_share: 5}}}}\n",
            10,
            "deletions.max_delete_share must be a share",
        ),
        (
            "death.yml",
            PROPERTY,
            f"{PROPERTY}  - {{property: volume, value: {{trend: {{critical: high}}}}}}\n",
            10,
            "volume.trend.critical must be a number from 0 on",
        ),
        ("death.yml", "kind: DataContract", "kind: [DataContract]", 2, "kind: Input should be a valid string"),
        ("death.yml", "logicalType: date}", "logicalType: date, required: maybe}", 23, "required: Input should be"),
        ("roster.yml", "{property: scope", "{property: reach, value: 1}\n  - {property: scope", 9, "'reach' is unknown"),
    ],
)  # fmt: skip
def test_every_fault_is_told_with_its_line_and_no_secret(
    load: Any, file: str, old: str, new: str, line: int, told: str
) -> None:
    found = faults(load, (file, old, new))
    assert any(f"/{file}:{line}: " in fault and told in fault for fault in found), found
    assert "hunter2" not in str(found)


def test_secrets_are_named_and_places_are_set_elsewhere(load: Any) -> None:
    named = "{kind: file, secret: HEALTH_KEY, options: {access_key_id: hub}, place"
    assert "HEALTH_KEY" in load(("health.yml", CONNECTION, named)).systems["health"].connections["drop"].values()


def test_a_query_may_name_its_parts(load: Any) -> None:
    assert load(("roster.yml", "SELECT id_type AS", "WITH x AS (SELECT 1 FROM person) SELECT 1 FROM x, person --"))


def test_all_faults_come_at_once(load: Any) -> None:
    found = faults(
        load,
        ("death.yml", "value: drop", "value: ftp"),
        ("death.yml", "value: sex}", "value: gender}"),
        ("roster.yml", "FROM person", "FROM people"),
    )
    assert len(found) == 3
    whole = faults(load, ("death.yml", "mode: increment, ", ""), ("roster.yml", "scope", "reach"))
    assert [fault.partition(":")[0] for fault in whole] == [
        "schemas/products/roster.yml",
        "schemas/sources/health/death.yml",
    ]


def test_codes_are_the_hubs_own_only_if_every_row_says_so(load: Any) -> None:
    assert load().codelists["sex"].is_own is False
    assert load(("sex.csv", "GB/T 2261.1", "hub")).codelists["sex"].is_own is True
    assert load(("sex.csv", "M,GB/T 2261.1", "M,hub")).codelists["sex"].is_own is False
