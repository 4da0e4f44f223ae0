"""Visits of grid workers to people in special difficulty: the latest one of each, most in time, some overdue."""

from dataclasses import dataclass

import numpy as np

from samples.care import Care
from samples.community import Community
from samples.draw import Bools, Ints, between, choose, generator
from samples.residence import NONE

VISIT_METHODS = ("上门", "电话", "视频")
METHOD_WEIGHTS = (80, 17, 3)
OLD, OLDEST = 60, 80
SEVERE_GRADE = 2  # grades 1 and 2
EVERY_DAYS = {"high": 7, "key": 31}
IN_TIME_SHARE = 0.9
KNOWN_SHARE = 0.96  # the others were never visited
LATEST_DAYS = 60


@dataclass(frozen=True)
class Visits:
    """One entry a person visited; `person` and `visitor` are indices of people, days are day numbers."""

    person: Ints
    day: Ints
    method: Ints
    visitor: Ints
    unit: Ints


def visit(community: Community, care: Care) -> Visits:
    """Draw who was visited when, among people who live in the county: weekly at high risk, else monthly."""
    plan = community.plan
    rng = generator(plan.seed, "visits", community.county.code)
    alone, wanted = _wanted(community, care)
    rows = np.flatnonzero(wanted & (rng.random(len(wanted)) < KNOWN_SHARE))
    size = len(rows)
    high = alone[rows] & (community.ages[rows] >= OLDEST)
    every = np.where(high, EVERY_DAYS["high"], EVERY_DAYS["key"])
    ago = np.floor(rng.random(size) * every).astype(np.int64)
    late = rng.random(size) >= IN_TIME_SHARE
    unit = community.households.unit[community.members.household[rows]]
    return Visits(
        person=rows,
        day=plan.today - np.where(late, every + between(rng, 1, LATEST_DAYS, size), ago),
        method=choose(rng, METHOD_WEIGHTS, size),
        visitor=_grid_workers(rng, community)[unit],
        unit=unit,
    )


def _wanted(community: Community, care: Care) -> tuple[Bools, Bools]:
    """Who lives alone at 60 and more; and who is to be visited: they, the destitute, the severely disabled old."""
    old = community.ages >= OLD
    here = community.residence.living & (community.residence.registered != NONE)
    alone = here & old & community.households.is_kind("elder_single", "single")[community.members.household]
    severe = (care.disability_grade > 0) & (care.disability_grade <= SEVERE_GRADE) & old
    return alone, here & (alone | care.destitute | severe)


def _grid_workers(rng: np.random.Generator, community: Community) -> Ints:
    """For each unit a grown person who does the visits; any of the county where the unit has none."""
    grown = np.flatnonzero(community.residence.living & (community.ages >= 25) & (community.ages < OLD))
    worker = rng.choice(grown, len(community.county.units))
    unit = community.households.unit[community.members.household[grown]]
    shuffled = rng.permutation(len(grown))
    worker[unit[shuffled]] = grown[shuffled]
    return worker.astype(np.int64)
