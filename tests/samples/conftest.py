"""Two small counties, one clean and one spoiled, made once for all tests of the generator."""

from datetime import date
from pathlib import Path

import pytest

from samples.community import Community, found
from samples.divisions import find_counties
from samples.make import Made, make
from samples.plan import Plan

AS_OF = date(2026, 11, 1)


@pytest.fixture(scope="session")
def community() -> Community:
    """贾汪区 with some 6,000 people, before any department wrote it down."""
    return found(Plan("320305", 6_000, 7, 0.0, AS_OF), find_counties("320305")[0], 6_000)


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A made county of 1,200 people without faults."""
    return make(Plan("320305", 1_200, 3, 0.0, AS_OF), tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="session")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A made county of 2,500 people in which one row in ten is faulty."""
    return make(Plan("320305", 2_500, 3, 0.1, AS_OF), tmp_path_factory.mktemp("spoiled"))


@pytest.fixture(scope="session")
def systems(clean: Made) -> Path:
    """Where the clean county's departments keep their data."""
    return clean.directory / "systems"
