"""The gate on whole batches: limits, trends, what a contract may say, and letting a held batch go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.context import Hub
from hub.contracts import SourceContract, load_contracts
from hub.errors import StopError
from hub.ledger import Batch
from hub.steps.merge import merge_inputs
from hub.volume import gated, measure, release_batch
from hub.volume_limits import volume_faults
from hub.walk import pull_system, take_in
from tests.hub.drops import ALLOWANCE, Drops, allowance
from tests.hub.mini import opened

REGISTER = "public_security/registered_resident"


def contract(tail: str = ALLOWANCE, **volume: Any) -> SourceContract:
    found = load_contracts().sources[tail]
    return replace(found, properties={**found.properties, "volume": volume}) if volume else found


def batch(number: int, landed: int, quarantined: int = 0, **changed: Any) -> Batch:
    one = Batch(f"x.y.{number:06d}", ALLOWANCE, "offer", "snapshot", "checked", dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    return replace(one, landed=landed, accepted=landed - quarantined, quarantined=quarantined, **changed)


def found(one: SourceContract, landed: int, quarantined: int = 0, *earlier: int) -> list[tuple[str, str, int]]:
    before = [batch(number, rows) for number, rows in enumerate(earlier, 1)]
    excesses = measure(one, batch(len(before) + 1, landed, quarantined), before)
    return [(str(excess.reason), excess.level, excess.rows) for excess in excesses]


SHARE = {"quarantined_share": {"warning": 0.01, "critical": 0.05}}


@pytest.mark.parametrize(
    ("quarantined", "expected"),
    [
        (0, []),
        (10, []),
        (11, [("volume_share", "warning", 11)]),
        (50, [("volume_share", "warning", 50)]),
        (51, [("volume_share", "critical", 51)]),
    ],
)
def test_a_share_is_told_once_at_its_graver_severity(quarantined: int, expected: list[Any]) -> None:
    assert found(contract(**SHARE), 1000, quarantined) == expected


def test_a_share_of_few_rows_says_nothing_unless_asked_for() -> None:
    assert found(contract(**SHARE), 99, 99) == []
    assert found(contract(**SHARE, min_rows=10), 99, 99) == [("volume_share", "critical", 99)]
    assert found(contract(**SHARE, min_rows=0), 0, 0) == []


def test_a_count_is_a_count_however_few_rows_there_are() -> None:
    count = {"quarantined_count": {"warning": 2, "critical": 5}}
    assert [found(contract(**count), 10, bad) for bad in (2, 3, 6)] == [
        [],
        [("volume_count", "warning", 3)],
        [("volume_count", "critical", 6)],
    ]


@pytest.mark.parametrize(
    ("landed", "level"),
    [(1000, None), (700, None), (699, "warning"), (1301, "warning"), (499, "critical"), (1501, "critical")],
)
def test_the_trend_is_held_against_the_median_both_ways(landed: int, level: str | None) -> None:
    expected = [("volume_trend", level, landed)] if level else []
    assert found(contract(), landed, 0, 900, 1000, 5000) == expected


def test_a_trend_needs_three_pulls_and_looks_back_seven() -> None:
    assert found(contract(), 10_000, 0, 100, 100) == []
    assert found(contract(), 1000, 0, *[9000] * 5, *[1000] * 7) == []
    assert found(contract(), 9000, 0, *[9000] * 5, *[1000] * 7) == [("volume_trend", "critical", 9000)]


def test_a_trend_of_few_rows_says_nothing() -> None:
    assert found(contract(), 99, 0, 10, 10, 10) == []
    assert found(contract(), 100, 0, 0, 0, 0) == [("volume_trend", "critical", 100)]
    assert found(contract(), 0, 0, 100, 100, 100) == [("volume_trend", "critical", 0)]


def test_an_increment_that_swells_is_a_warning_unless_its_contract_says_more() -> None:
    assert found(contract(REGISTER), 5000, 0, 1000, 1000, 1000) == [("volume_trend", "warning", 5000)]
    own = contract(REGISTER, trend={"critical": 2})
    assert found(own, 5000, 0, 1000, 1000, 1000) == [("volume_trend", "critical", 5000)]


@pytest.mark.parametrize(
    ("volume", "fault"),
    [
        ([], "volume must say"),
        ({"share": {}}, "volume.share is unknown; allowed: quarantined_share, quarantined_count, trend, min_rows"),
        ({"trend": 0.3}, "volume.trend must say {warning"),
        ({"trend": {"fatal": 1}}, "volume.trend.fatal is unknown; allowed: critical, warning"),
        ({"trend": {"warning": "30%"}}, "volume.trend.warning must be a number from 0 on"),
        ({"trend": {"warning": True}}, "volume.trend.warning must be a number from 0 on"),
        ({"quarantined_share": {"critical": 5}}, "volume.quarantined_share.critical must be a share, 0 to 1"),
        ({"quarantined_count": {"warning": 9, "critical": 5}}, "critical is below warning"),
        ({"min_rows": -1}, "volume.min_rows must be a whole number from 0 on"),
    ],
)
def test_what_a_contract_says_wrongly_is_told(volume: Any, fault: str) -> None:
    (told,) = volume_faults(volume)
    assert fault in told


def test_what_a_contract_may_say() -> None:
    right = {"quarantined_share": {"warning": 0.01, "critical": 0.05}, "trend": {"warning": 1.5}, "min_rows": 0}
    assert list(volume_faults(right)) == []


def _number(sequence: int) -> str:
    first = f"32037119500101{sequence:03d}"
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(first))
    return first + "10X98765432"[total % 11]


@pytest.mark.integration
class TestAHeldBatch:
    @pytest.fixture
    def drops(self, tmp_path: Path) -> Drops:
        return Drops(tmp_path)

    @pytest.fixture
    def hub(self, tmp_path: Path, database_url: str, drops: Drops) -> Iterator[Hub]:
        with opened(tmp_path, database_url, env_file=drops.env_file) as opened_hub:
            yield opened_hub

    @pytest.fixture
    def held(self, hub: Hub, drops: Drops) -> Batch:
        """Three lists of some 120 rows, then one of 190."""
        numbers = [_number(number) for number in range(190)]
        for month, rows in enumerate((118, 119, 120, 190), 1):
            drops.allowances(f"20260{month}", *(allowance(number) for number in numbers[:rows]))
            pull_system(hub, "civil_affairs")
            take_in(hub, "civil_affairs")
        return hub.ledger.batches(ALLOWANCE)[-1]

    def test_it_waits_unused_and_says_how_to_let_it_go(self, hub: Hub, held: Batch) -> None:
        assert held.state == "held"
        assert held.landed == held.accepted + held.quarantined + held.duplicate
        assert "190 rows landed; the median of the last 3 pulls is 119" in held.note
        assert f"hub issues --release {held.id}" in held.note
        assert held.id not in merge_inputs(hub)["batches"]  # type: ignore[operator]
        told = [(i.rule, i.outcome, i.count) for i in hub.ledger.issues() if i.batch == held.id]
        assert ("volume_trend", "held", 190) in told

    def test_released_it_is_used_and_the_record_says_by_whom(self, hub: Hub, held: Batch) -> None:
        done = release_batch(hub, held.id, "officer")
        assert done.state == "checked"
        assert "Released by officer" in done.note
        assert hub.ledger.batches(ALLOWANCE, state="checked")[-1] == done
        with hub.database.connect() as connection:
            query = sa.text("SELECT action, actor, details ->> 'batch' FROM ledger.audit ORDER BY number DESC LIMIT 1")
            assert connection.execute(query).one() == ("batch_released", "officer", held.id)
        with pytest.raises(StopError, match="nothing is held at present"):
            release_batch(hub, held.id, "officer")

    def test_it_is_no_measure_for_those_that_follow(self, hub: Hub, held: Batch) -> None:
        after = replace(held, id=f"{held.id[:-1]}9", landed=200, state="checked")
        assert gated(hub, after)[0].state == "held"
        release_batch(hub, held.id, "officer")
        assert "the last 4 pulls is 119.5" in gated(hub, after)[0].note

    def test_checked_anew_it_stays_released(self, hub: Hub, held: Batch) -> None:
        done = release_batch(hub, held.id, "officer")
        again, counts = gated(hub, done)
        assert again == done
        assert counts == [("volume_trend", "", "warned", 190)]

    def test_corrections_pass(self, hub: Hub, held: Batch) -> None:
        assert gated(hub, replace(held, mode="correction", state="checked"))[1] == []
