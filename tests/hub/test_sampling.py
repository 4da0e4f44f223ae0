"""A look at a source before anything is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.pace import Pace
from connectors.stores import Item, Spool, Store
from hub.contracts import Contracts, load_contracts
from hub.errors import RetryError, SetAsideError, StopError
from hub.ledger import Ledger
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


def test_of_many_drops_the_newest_alone_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drops = Drops(tmp_path)
    for day in ("20261103", "20261101", "20261102"):
        drops.deaths(day, death())
    fetched: list[str] = []
    here = Store.here

    def counting(self: Store, items: Sequence[Item], where: str) -> tuple[Path, Spool | None]:
        fetched.extend(item.name for item in items if item.name.endswith(".csv"))
        return here(self, items, where)

    monkeypatch.setattr(Store, "here", counting)
    settings = load_settings(data_dir=tmp_path / "lake", env_file=drops.env_file)
    assert sample(load_contracts(), settings, DEATH, 20, date(2026, 11, 1))["offer"] == "WJ_SWZM_20261103.csv"
    assert fetched == ["WJ_SWZM_20261103.csv"]


def with_system(**changed: Any) -> Contracts:
    contracts = load_contracts()
    system = replace(contracts.systems["health_commission"], **changed)
    return replace(contracts, systems={**contracts.systems, "health_commission": system})


def test_nothing_is_looked_at_in_quiet_hours(tmp_path: Path) -> None:
    drops = Drops(tmp_path)
    drops.deaths("20261101", death())
    settings = load_settings(data_dir=tmp_path / "lake", env_file=drops.env_file)
    always = with_system(quiet_hours=("00:00-23:59", "23:59-00:00"))
    with pytest.raises(RetryError, match="quiet hours until"):
        sample(always, settings, DEATH, 20, date(2026, 11, 1))


def test_it_keeps_the_departments_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drops = Drops(tmp_path)
    drops.deaths("20261101", death())
    settings = load_settings(data_dir=tmp_path / "lake", env_file=drops.env_file)
    capped: list[int | None] = []

    class Watched(Pace):
        def __init__(self, rows_per_second: int | None) -> None:
            capped.append(rows_per_second)
            super().__init__(rows_per_second)

    monkeypatch.setattr("hub.sampling.Pace", Watched)
    sample(with_system(rows_per_second=1_000), settings, DEATH, 20, date(2026, 11, 1))
    assert capped == [1_000]


@pytest.mark.integration
def test_a_department_that_is_being_pulled_is_left_alone(tmp_path: Path, database_url: str) -> None:
    drops = Drops(tmp_path)
    drops.deaths("20261101", death())
    settings = load_settings(data_dir=tmp_path / "lake", env_file=drops.env_file, database_url=database_url)
    engine = sa.create_engine(database_url)
    with Ledger(engine).locked("pull health_commission"), pytest.raises(RetryError, match="another process is at it"):
        sample(load_contracts(), settings, DEATH, 20, date(2026, 11, 1))
    engine.dispose()
    assert sample(load_contracts(), settings, DEATH, 20, date(2026, 11, 1))["rows"] == 1
    away = load_settings(
        data_dir=tmp_path / "lake", env_file=drops.env_file, database_url="postgresql+psycopg://hub@127.0.0.1:1/hub"
    )
    with pytest.raises(RetryError, match="PostgreSQL: it cannot be reached"):
        sample(load_contracts(), away, DEATH, 20, date(2026, 11, 1))


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
