"""Hub keys: stable, keyed, by the first whole identity group."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest

from hub.contracts import BaseContract, load_contracts
from hub.keys import identified_by, key_expression, key_sql, keys_by_group, record_key_sql

SECRET = "00ff"  # noqa: S105


@pytest.fixture(scope="module")
def person() -> BaseContract:
    return load_contracts().base["person"]


def keys(base: BaseContract, rows: dict[str, list[Any]], secret: str = SECRET) -> list[tuple[str | None, str | None]]:
    """Key and reason of each row."""
    table = ibis.memtable(pa.table({**rows, "n": list(range(len(next(iter(rows.values())))))}))
    values = {name: table[name] for name in rows}
    key = key_expression(base, values, secret)
    assert key is not None
    found = table.select("n", key=key, reason=identified_by(base, values)).order_by("n").to_pyarrow().to_pylist()
    return [(row["key"], row["reason"]) for row in found]


def test_key_is_a_keyed_hash_that_anyone_with_the_secret_can_make_again(person: BaseContract) -> None:
    text = f"{SECRET}|person|id_type_code+id_number|111|320371195001010010"
    expected = "P" + hashlib.sha256(text.encode()).hexdigest()[:20]
    found = keys(person, {"id_type_code": ["111"], "id_number": ["320371195001010010"]})
    assert found == [(expected, "id_type_code+id_number")]


def test_key_differs_by_secret_entity_type_and_number(person: BaseContract) -> None:
    rows = {"id_type_code": ["111", "414", "111"], "id_number": ["1", "1", "2"]}
    found = [key for key, _reason in keys(person, rows)]
    found += [key for key, _reason in keys(person, rows, secret="ff00")]  # noqa: S106
    found += [key for key, _reason in keys(replace(person, tail="base/entity"), rows)]
    assert len(set(found)) == 9


def test_first_whole_group_decides(person: BaseContract) -> None:
    rows = {
        "id_type_code": ["111", "111", None, None],
        "id_number": ["1", None, "1", None],
        "birth_certificate_no": ["Z1", "Z1", "Z1", None],
    }
    both, without_number, without_type, nothing = keys(person, rows)
    assert [both[1], without_number[1], without_type[1], nothing] == [
        "id_type_code+id_number",
        "birth_certificate_no",
        "birth_certificate_no",
        (None, None),
    ]
    assert both[0] != without_number[0] == without_type[0]


def test_groups_a_dataset_has_no_columns_for_are_passed_over(person: BaseContract) -> None:
    ((key, reason),) = keys(person, {"birth_certificate_no": ["Z1"], "id_number": ["1"]})
    assert reason == "birth_certificate_no"
    assert key == keys(person, {"birth_certificate_no": ["Z1"]})[0][0]


def test_no_group_at_all_makes_no_key(person: BaseContract) -> None:
    table = ibis.memtable(pa.table({"person_name": ["甲"]}))
    assert key_expression(person, {"person_name": table.person_name}, SECRET) is None
    assert table.select(reason=identified_by(person, {})).to_pyarrow().to_pylist() == [{"reason": None}]


def test_values_that_are_not_text_count_as_text(person: BaseContract) -> None:
    base = replace(person, identify_by=(("born", "number"),))
    table = pa.table({"born": [dt.date(2026, 1, 2)], "number": [7]})
    bound = ibis.memtable(table)
    key = key_expression(base, {"born": bound.born, "number": bound.number}, SECRET)
    assert key is not None
    text = f"{SECRET}|person|born+number|2026-01-02|7"
    expected = "P" + hashlib.sha256(text.encode()).hexdigest()[:20]
    assert bound.select(key=key).to_pyarrow()["key"].to_pylist() == [expected]


def test_public_codes_are_their_own_keys() -> None:
    division = load_contracts().base["division"]
    assert division.key_prefix == ""
    assert keys(division, {"division_code": ["320305005204", None]}) == [
        ("320305005204", "division_code"),
        (None, None),
    ]
    table = ibis.memtable(pa.table({"x": [1]}))
    assert key_expression(division, {"x": table.x}, SECRET) is None


def test_sql_makes_the_same_keys(person: BaseContract) -> None:
    rows = {
        "id_type_code": ["111", "111", None],
        "id_number": ["320371195001010016", None, None],
        "birth_certificate_no": [None, "Z000000001", None],
    }
    table = pa.table({**rows, "n": [0, 1, 2]})
    query = f"SELECT {key_sql(person, {name: name for name in rows}, SECRET)} AS key FROM t ORDER BY n"
    with duckdb.connect() as duck:
        duck.register("t", table)
        found = [key for (key,) in duck.execute(query).fetchall()]
        assert duck.execute(f"SELECT {key_sql(person, {}, SECRET)}").fetchall() == [(None,)]
    assert found == [key for key, _reason in keys(person, rows)]


def test_each_group_has_its_key(person: BaseContract) -> None:
    table = ibis.memtable(pa.table({"birth_certificate_no": ["Z1"], "id_number": ["1"], "id_type_code": ["111"]}))
    values = {name: table[name] for name in table.columns}
    groups = keys_by_group(person, values, SECRET)
    assert list(groups) == [("id_type_code", "id_number"), ("birth_certificate_no",)]
    found = (
        table.select(a=groups["id_type_code", "id_number"], b=groups["birth_certificate_no",]).to_pyarrow().to_pylist()
    )
    assert found[0]["a"] == keys(person, {"id_type_code": ["111"], "id_number": ["1"]})[0][0] != found[0]["b"]


def test_key_of_a_record_is_that_of_its_dataset(person: BaseContract) -> None:
    queries = [record_key_sql(person, tail, "'7'", SECRET) for tail in ("a/b", "a/b", "a/c")]
    one, again, other = duckdb.execute(f"SELECT {', '.join(queries)}").fetchall()[0]
    assert one == again != other
    assert one.startswith("P")
    assert len(one) == 21
