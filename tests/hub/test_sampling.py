"""A look at a source before anything is stored."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from hub.contracts import load_contracts
from hub.errors import SetAsideError, StopError
from hub.sampling import sample, shape
from hub.settings import load_settings
from tests.hub.drops import DEATH, Drops, death
from tests.hub.mini import HEAD


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("320371195001010016", "9" * 18),
        ("32037119500101001x", "9" * 17 + "a"),
        ("张　三·Ａ１", "字　字·A９"),
        ("2026-01-01", "9999-99-99"),
        (12, "99"),
        (b"\x00\x01", "2 bytes"),
        ("字" * 99, "字" * 40),
    ],
)
def test_a_shape_tells_the_format_and_not_the_value(value: object, shown: str) -> None:
    assert shape(value) == shown


def test_it_shows_what_the_source_gives_and_how_it_conforms(tmp_path: Path) -> None:
    drops = Drops(tmp_path)
    spoilt = {**death(), "性别": "9x"}
    drops.deaths("20261101", death(), spoilt, *(death(HEAD) for _ in range(30)))
    settings = load_settings(data_dir=tmp_path / "lake", env_file=drops.env_file)
    found = sample(load_contracts(), settings, DEATH, 20, date(2026, 11, 1))
    assert (found["offer"], found["rows"], found["announced"]) == ("WJ_SWZM_20261101.csv", 20, 32)
    by_source = {column["source"]: column for column in found["columns"]}
    # The number tells the sex of the 18 others and of the one whose code is in no list.
    assert by_source["性别"]["reasons"] == {"sex_from_id": 19}
    assert by_source["性别"]["filled"] == 20
    assert not (tmp_path / "lake").exists(), "nothing is stored"
    assert HEAD not in str(found)
    assert all(set(text) <= set("9") or not text.isdigit() for c in found["columns"] for text in c["shapes"])


def test_what_cannot_be_looked_at_says_why(tmp_path: Path) -> None:
    drops = Drops(tmp_path)
    settings = load_settings(data_dir=tmp_path / "lake", env_file=drops.env_file)
    with pytest.raises(StopError, match="nothing is offered"):
        sample(load_contracts(), settings, DEATH, 20, date(2026, 11, 1))
    drops.deaths("20261101", death(), without=".ok")
    with pytest.raises(SetAsideError, match="missing"):
        sample(load_contracts(), settings, DEATH, 20, date(2026, 11, 1))
    with pytest.raises(StopError, match="one of"):
        sample(load_contracts(), settings, "no/dataset", 20, date(2026, 11, 1))
