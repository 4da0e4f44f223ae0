"""Who is cared for: families on minimum allowance, people in extreme difficulty, the oldest, the disabled."""

from dataclasses import dataclass

import numpy as np

from samples.community import Community
from samples.draw import Bools, Ints, choose, generator
from samples.residence import NONE

LOW_INCOME_SHARE = 0.012
DESTITUTE_SHARE = 0.0025
DISABLED_SHARE = 0.05
ALLOWANCE_AGE = 80
STILL_LISTED_DAYS = 60  # the dead stay on a list until the department hears of it
DISABILITY_KINDS = (14, 20, 2, 45, 8, 8, 3)
DISABILITY_GRADES = (15, 25, 30, 30)


@dataclass(frozen=True)
class Care:
    """One entry a person; `low_income` is the household on allowance, -1 for none; kinds and grades are 0 for none."""

    low_income: Ints
    destitute: Bools
    elderly: Bools
    disability_kind: Ints
    disability_grade: Ints


def provide(community: Community) -> Care:
    """Draw who is on which list, among the people registered in the county."""
    plan, residence, age = community.plan, community.residence, community.ages
    rng = generator(plan.seed, "care", community.county.code)
    size = len(age)
    registered = (residence.registered != NONE) & (residence.moved_out == NONE)
    alive = registered & (residence.death == NONE)
    listed = alive | (registered & (residence.death > plan.today - STILL_LISTED_DAYS))
    low_income = _low_income(rng, community, alive & ~residence.across)
    alone = community.households.is_kind("elder_single", "single")[community.members.household]
    needy = alone & (age >= 55) & alive & (low_income == NONE)
    destitute = needy & (rng.random(size) < DESTITUTE_SHARE / max(float(needy.mean()), DESTITUTE_SHARE))
    weight = np.where(listed & (age > 0), 1 + age / 12, 0.0)
    disabled = rng.random(size) < weight * (DISABLED_SHARE * size / max(float(weight.sum()), 1.0))
    return Care(
        low_income=low_income,
        destitute=destitute,
        elderly=listed & (age >= ALLOWANCE_AGE),
        disability_kind=np.where(disabled, choose(rng, DISABILITY_KINDS, size) + 1, 0),
        disability_grade=np.where(disabled, choose(rng, DISABILITY_GRADES, size) + 1, 0),
    )


def _low_income(rng: np.random.Generator, community: Community, able: Bools) -> Ints:
    """The register of each person on allowance: whole families, the hard-pressed kinds more often."""
    households = community.households
    family = community.residence.registered
    sizes = np.bincount(family[able], minlength=len(households))
    pressed = households.is_kind("elder_single", "single_parent", "grandparents", "three_generation")
    order = np.argsort(rng.random(len(households)) * np.where(pressed, 0.5, 1.0), kind="stable")
    order = order[sizes[order] > 0]
    wanted = max(round(len(family) * LOW_INCOME_SHARE), 1)
    chosen = order[: int(np.searchsorted(np.cumsum(sizes[order]), wanted)) + 1]
    granted = np.zeros(len(households), dtype=np.bool_)
    granted[chosen] = True
    return np.where(able & granted[np.maximum(family, 0)], family, NONE)
