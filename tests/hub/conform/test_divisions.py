"""Division codes of other systems: an alias becomes the 12 digits, and the department is told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub.conform import files
from hub.contracts import load_contracts
from hub.divisions import Alias
from hub.engine import Engine
from hub.settings import load_settings

TAIL = "civil_affairs/visit"
MAZHUANG = "320305005204"
AS_OF = dt.date(2026, 11, 1)


def read(folder: Path, written: list[str]) -> list[tuple[str | None, str | None]]:
    """Conform rows that differ in how they write the village; return each village and the reason."""
    contract = load_contracts().sources[TAIL]
    columns = {column.physical_name: ["甲"] * len(written) for column in contract.columns}
    columns["区划代码"] = written
    part = folder / "part-00000.parquet"
    pq.write_table(pa.table({**columns, "_row": list(range(len(written)))}), part)
    with Engine(load_settings(data_dir=folder)) as engine:
        files.conform_parts(engine, load_contracts(), contract, [part], folder, AS_OF)
    rows = pq.read_table(folder / "rows.parquet").sort_by("_row")["division_code"].to_pylist()
    issues = pq.read_table(folder / "issues.parquet").to_pylist()
    rules = {issue["_row"]: issue["rule"] for issue in issues if issue["column"] == "division_code"}
    return [(row, rules.get(place)) for place, row in enumerate(rows)]


def test_aliases_and_longer_codes_become_the_village(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aliases = (
        Alias("police", "whole", "PCS0042", MAZHUANG, None, None),
        Alias("police", "whole", "PCS0041", MAZHUANG, None, dt.date(2020, 1, 1)),
    )
    monkeypatch.setattr(files, "read_aliases", lambda root: aliases)
    written = [MAZHUANG, "PCS0042", "PCS0041", f"{MAZHUANG}003", "999999999999003", "320305005"]
    assert read(tmp_path, written) == [
        (MAZHUANG, None),
        (MAZHUANG, "division_alias"),
        (None, "division_unknown"),
        (MAZHUANG, "division_alias"),
        (None, "division_unknown"),
        ("320305005000", "division_padded"),
    ]


def test_a_longer_code_is_looked_up_whole_before_it_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "320305005202"
    aliases = (
        # Invented codes: the police write 12 or 15 digits that need not begin with the village's own.
        Alias("police", "whole", "320305510000012", MAZHUANG, None, None),
        Alias("police", "whole", "320305510012", MAZHUANG, None, None),
        Alias("family_planning", "whole", f"{other}007", MAZHUANG, None, None),
        Alias("statute", "whole", "320371", "320305000000", None, None),
    )
    monkeypatch.setattr(files, "read_aliases", lambda root: aliases)
    written = ["320305510000012", "320305510012", f"{other}007", f"{other}008", "320305510000099", "320371"]
    assert read(tmp_path, written) == [
        *[(MAZHUANG, "division_alias")] * 3,
        (other, "division_alias"),
        (None, "division_unknown"),
        ("320305000000", "division_alias"),
    ]


def test_without_aliases_the_list_alone_is_known(tmp_path: Path) -> None:
    assert read(tmp_path, [MAZHUANG, "PCS0042"]) == [(MAZHUANG, None), (None, "division_unknown")]
