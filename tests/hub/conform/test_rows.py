"""What holds for every operation and every contract."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.conform import placed_schema, read_cells
from hub.conform.codes import SPELLINGS
from hub.contracts import load_contracts
from hub.errors import ConfigurationError
from hub.reasons import Outcome, Reason
from hub.settings import ROOT
from tests.hub.conform.reading import AS_OF, CODELISTS, Issue, Reader, column, contract, read

OPERATIONS = {
    "text": {},
    "person_name": {},
    "phone": {},
    "integer": {"kind": "integer"},
    "number": {"kind": "number"},
    "date": {"kind": "date"},
    "timestamp": {"kind": "timestamp"},
    "code": {"codelist": "sex"},
    "division_code": {},
    "resident_id": {},
    "disability_certificate": {},
    "disability_certificate_id": {},
    "credit_code": {},
    "address": {},
}
COLUMNS = [column(name, name, physical="x", **options) for name, options in OPERATIONS.items()]
BESIDE = {"organisation_code": "organisation_code", "registration_no": "registration_no", "address_level": "room_no"}
"""Operations that others tell something, read apart from those."""
APART = [column(operation, name, physical="x") for operation, name in BESIDE.items()]
WARNED = {Reason.NAME_PRIVATE_USE, Reason.ID_TYPE_DIFFERS, Reason.CREDIT_CODE_INNER}
BLANK = "\u3000\u00a0\ufeff\u200b \t\n\r\v\f"
LIKELY = "0123456789０１９Xx*'-./:+, \u3000年月日TZ男M张·•E万元"

values = st.one_of(st.none(), st.text(max_size=24), st.text(LIKELY, max_size=24))


@settings(max_examples=40, deadline=None)
@given(st.lists(values, min_size=1, max_size=60))
@example(["\x00", "\\", "'", "%", "20260230", "1e99", "9" * 18, "1" * 15, "2026-13-45T99:99:99Z", "0" * 14])
def test_nothing_raises_and_nothing_vanishes(texts: list[str | None]) -> None:
    for columns in (COLUMNS, APART):
        found = read(columns, {"x": texts})
        assert sorted(found.rows) == list(range(1, len(texts) + 1))
        for place, text in enumerate(texts, 1):
            for item in columns:
                is_accounted_for(text, found.rows[place][item.name], found.issues.get((place, item.name)))


def is_accounted_for(text: str | None, value: Any, issue: Issue | None) -> None:
    bare = (text or "").strip(BLANK)
    if issue is None:
        # Kept: a text is what came; where nothing came there is nothing.
        assert (value is None) == (bare == "")
        assert not isinstance(value, str) or value == bare
        return
    rule, outcome, original, shown = issue
    assert rule in set(Reason)
    assert original == text
    kept = Outcome.WARNED if rule in WARNED else Outcome.REPAIRED
    assert (outcome, shown is None) == ((Outcome.VALUE_SET_ASIDE, True) if value is None else (kept, False))


def test_the_property_above_covers_every_text_operation() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read([column("guess")], {"x": ["1"]})
    allowed = str(refused.value).partition("allowed: ")[2].partition(". Allowed")[0].split(", ")
    assert {*OPERATIONS, *BESIDE, "identity_document", "point", "geometry"} == set(allowed)
    assert "department/dataset: column x names operation 'guess'" in str(refused.value)


@pytest.mark.parametrize("tail", sorted(load_contracts().sources))
def test_every_contract_reads_a_row_of_nothing(tail: str) -> None:
    contracts = load_contracts()
    agreed = contracts.sources[tail]
    names = dict.fromkeys(item.physical_name for item in agreed.columns)
    schema = pa.schema([*((name, pa.string()) for name in names), ("_row", pa.int64())])
    geometries = [agreed.by_name[name].physical_name for name in agreed.geometry_columns]
    raw = pa.Table.from_pylist([{"_row": 1}], schema=placed_schema(schema, geometries))
    rows, issues = Reader(agreed, contracts.codelists, raw.schema, AS_OF).read(raw)
    assert rows.schema.names == [*agreed.by_name, "_row"]
    assert rows.num_rows == 1
    required = {item.name for item in agreed.columns if item.required or item.key}
    assert set(issues["column"].to_pylist()) == required
    assert set(issues["rule"].to_pylist()) <= {Reason.REQUIRED_MISSING}


def test_expressions_know_no_engine() -> None:
    """They compile for Spark too: nothing in them is DuckDB's own."""
    # The Spark backend sets its options when it is loaded, which needs Spark itself.
    object.__setattr__(ibis.options, "pyspark", SimpleNamespace(treat_nan_as_null=False))
    raw = ibis.table({"x": "string", "_row": "int64"}, name="raw")
    written = ibis.table(SPELLINGS, name="spellings")
    cells = read_cells(raw, written, contract(*COLUMNS, *APART), CODELISTS, AS_OF)
    try:
        assert ibis.to_sql(cells, dialect="pyspark").startswith("SELECT")
    finally:
        object.__setattr__(ibis.options, "pyspark", None)


def test_the_page_of_reason_codes_lists_them_all() -> None:
    page = (Path(ROOT) / "docs/reason-codes.md").read_text(encoding="utf-8")
    listed = [
        tuple(part.strip() for part in line.strip("|").split("|"))
        for line in page.splitlines()
        if line.startswith("| `")
    ]
    assert listed == [(f"`{reason}`", reason.meaning, reason.action) for reason in Reason]


DRIFT = {"new": "evolve", "missing": "freeze", "renamed": "evolve", "retyped": "evolve"}


@pytest.mark.parametrize(
    ("policy", "value", "outcome"),
    [
        ("discard_value", None, Outcome.VALUE_SET_ASIDE),
        ("freeze", None, Outcome.VALUE_SET_ASIDE),
        ("discard_row", None, Outcome.REFUSED),
        ("evolve", "7", Outcome.WARNED),
    ],
)
def test_the_contract_says_what_an_unknown_code_means(policy: str, value: str | None, outcome: Outcome) -> None:
    agreed = contract(column("code", codelist="sex"), drift={**DRIFT, "unknown_codes": policy})
    raw = pa.table({"x": pa.array(["1", "男", " 7"], pa.string()), "_row": pa.array([1, 2, 3], pa.int64())})
    rows, issues = Reader(agreed, CODELISTS, raw.schema, AS_OF).read(raw)
    assert {row["_row"]: row["x"] for row in rows.to_pylist()} == {1: "1", 2: "1", 3: value}
    found = {issue["_row"]: (issue["rule"], issue["outcome"]) for issue in issues.to_pylist()}
    assert found[3] == (Reason.CODE_UNKNOWN, outcome)
    assert found[2] == (Reason.CODE_FROM_LABEL, Outcome.REPAIRED)


@pytest.mark.parametrize(("policy", "outcome"), [("evolve", "value_set_aside"), ("discard_row", "refused")])
def test_the_contract_says_what_a_cell_of_another_type_means(policy: str, outcome: str) -> None:
    columns = (column("integer", "n", kind="integer"), column("phone", "p"))
    agreed = contract(*columns, drift={**DRIFT, "unknown_codes": "discard_value", "retyped": policy})
    raw = pa.table({"n": pa.array(["x"]), "p": pa.array(["y"]), "_row": pa.array([1], pa.int64())})
    _, issues = Reader(agreed, CODELISTS, raw.schema, AS_OF).read(raw)
    found = {issue["column"]: issue["outcome"] for issue in issues.to_pylist()}
    assert found == {"n": outcome, "p": "value_set_aside"}
