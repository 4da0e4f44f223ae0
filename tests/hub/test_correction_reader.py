"""Forms that come back: cells are read as they were written; whatever else comes is set aside as none of ours."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hub.contracts import load_contracts
from hub.correction_forms import FORMATS, write_form
from hub.correction_reader import read_form
from hub.errors import SetAsideError
from hub.quarantine import KEY
from tests.connectors.fuzz import PERSON, chances, met, spoiled, spoiled_answer, tries, unhurried, written

DEATH = load_contracts().sources["health_commission/death"]
REASON = {
    "rule_id": "id_check_digit",
    "column": "id_number",
    "reason": "公民身份号码校验码不符",
    "severity": "critical",
    "clause": "GB 11643-1999",
    "acts": "health_commission",
}
Row = tuple[str, int, str | None, str | None]


def form(path: Path, rows: list[Row]) -> Path:
    """A form of these rows: batch, number, name and identity number."""
    batch = pa.record_batch(
        {
            KEY[0]: pa.array([row[0] for row in rows], pa.string()),
            KEY[1]: pa.array([row[1] for row in rows], pa.int64()),
            "_reasons": pa.array([[REASON]] * len(rows), pa.list_(pa.struct([(name, pa.string()) for name in REASON]))),
            "姓名": pa.array([row[2] for row in rows], pa.string()),
            "身份证件号码": pa.array([row[3] for row in rows], pa.string()),
        }
    )
    assert write_form(path, "health_commission", iter([(DEATH, iter([batch]))]), {}) == len(rows)
    return path


def read(path: Path) -> list[tuple[tuple[str, ...], list[Any]]]:
    return [(part.columns, list(part.rows)) for part in read_form(path)]


# What XML has no character for, a workbook cannot hold; an empty cell is none.
cells = st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
rows_of_forms = st.lists(
    st.tuples(st.sampled_from(["health_commission.death.000001", "b"]), st.integers(1, 10**15 - 1), cells, cells),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows_of_forms)
@example(rows=[("b", 1, "=1+1", "0012"), ("b", 2, " 甲\u3000", "_x0041_")])
def test_cells_come_back_as_they_were_written(suffix: str, tmp_path: Path, rows: list[Row]) -> None:
    assert read(form(tmp_path / f"form{suffix}", rows)) == [
        (("姓名", "身份证件号码"), [(batch, number, [name, told]) for batch, number, name, told in rows])
    ]


value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
row = st.fixed_dictionaries(
    {"batch": value, "row": value, "values": value | st.dictionaries(st.text(max_size=3), value)}
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    datasets=value | st.lists(st.fixed_dictionaries({"rows": value | st.lists(row | value, max_size=3)}), max_size=3)
)
def test_any_document_is_rows_or_set_aside(tmp_path: Path, datasets: Any) -> None:
    path = tmp_path / "form.json"
    path.write_text(json.dumps({"datasets": datasets}), encoding="utf-8")
    try:
        found = read(path)
    except SetAsideError:
        return
    for columns, rows in found:
        for batch, number, told in rows:
            assert isinstance(batch, str)
            assert 0 < number < 2**63
            assert len(told) == len(columns)
            assert all(cell is None or cell is ... or isinstance(cell, str) for cell in told)


def contents(whole: bytes, suffix: str, count: int) -> Iterator[bytes]:
    chance = chances(suffix)
    for number in range(count):
        if suffix == ".json":
            yield spoiled_answer(whole.replace(b"\n", b""), chance)
        elif number % 2:
            yield spoiled(whole, chance)
        else:
            target = io.BytesIO()
            with zipfile.ZipFile(io.BytesIO(whole)) as parts, zipfile.ZipFile(target, "w") as found:
                name = chance.choice(sorted(parts.namelist()))
                for part in parts.namelist():
                    found.writestr(part, spoiled(parts.read(part), chance) if part == name else parts.read(part))
            yield target.getvalue()


@unhurried
@pytest.mark.parametrize("suffix", FORMATS)
def test_spoiled_forms(suffix: str, tmp_path: Path) -> None:
    whole = form(tmp_path / f"whole{suffix}", [("b", 1, PERSON, "320305"), ("b", 2, None, "x")]).read_bytes()
    path, count = tmp_path / f"form{suffix}", tries(500)
    found = met(written(path, contents(whole, suffix, count)), lambda: read(path), tmp_path)
    assert found["read"] + found["unreadable"] == count
    assert found["read"] > count / 20
    assert found["unreadable"] > count / 20
