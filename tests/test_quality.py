"""The benchmark of quality, on the county that the other tests walk, and on one that goes on for a month."""

from __future__ import annotations

import os
import tempfile
import uuid
from datetime import date
from pathlib import Path

import pytest

from benchmarks.build import walked as walked_to_base
from benchmarks.quality import held_against_truth, known_keys, second_month
from hub.context import Hub
from hub.pg import ensure_database
from samples.make import make
from samples.plan import Plan

pytestmark = pytest.mark.integration


def test_the_county_is_held_against_its_truth(walked: tuple[Hub, Path]) -> None:
    found = held_against_truth(*walked)
    assert found["with_id"]["precision"] == found["with_id"]["recall"] == 1.0
    assert found["with_id"]["pairs"] > 100
    assert found["without_id"]["precision"] == 1.0
    assert found["without_id"]["recall"] >= 0.97
    assert found["living"] > 500
    assert found["village_assignment"] >= 0.99
    assert found["survivorship"] >= 0.99
    assert found["conflicts"] > 5
    assert (found["unaccounted_faults"], found["seeded"] > 10) == (0, True)


def test_keys_stay_over_a_second_month() -> None:
    """Seed 4 has a newborn without a number among its 600, who gets one in the second month."""
    given = os.environ.get("HUB_TEST_POSTGRESQL_URL")
    with tempfile.TemporaryDirectory(prefix="second-month-") as place:
        county, lake = Path(place) / "county", Path(place) / "hub"
        make(Plan("320305", 600, 4, 0.05, date(2026, 11, 1)), county)
        database = ensure_database(given, f"second_month_{uuid.uuid4().hex[:12]}") if given else None
        with walked_to_base(county, lake, database) as hub:
            keys = known_keys(hub, county)
        found = second_month(county, lake, keys, database)
    assert found["unchanged"] > 550
    assert found["same_key"] == 1.0
    assert found["newly_numbered"] == 1
    assert found["newly_numbered_same_key"] == 1.0
    assert found["with_id"]["precision"] == found["with_id"]["recall"] == 1.0
    assert found["without_id"]["precision"] == 1.0
    assert found["village_assignment"] >= 0.99
    assert (found["unaccounted_faults"], found["seeded"] > 50) == (0, True)
