"""Plausible dwellings and who lives in them: couples, children, elders, singles; ages as Jiangsu had them in 2024."""

from dataclasses import dataclass

import numpy as np

from samples.dates import YEAR
from samples.draw import Bools, Floats, Ints, between, choose
from samples.names import draw_surnames

HEAD, SPOUSE, FATHER, MOTHER, FIRST_CHILD, SECOND_CHILD, GRANDCHILD = range(7)
CHILD_SLOTS = (FIRST_CHILD, SECOND_CHILD)
OLDEST = 103


@dataclass(frozen=True)
class Kind:
    """A kind of dwelling: its share, the head's age (low, high, lean to the young), and who else lives there."""

    name: str
    share: float
    low: int
    high: int
    lean: float
    male_head: float
    spouse: float = 0.0
    father: float = 0.0
    mother: float = 0.0
    first_child: float = 0.0
    second_child: float = 0.0
    grandchild: float = 0.0


RESIDENT_KINDS = (
    Kind("elder_single", 0.090, 64, 97, 1.55, 0.35),
    Kind("elder_couple", 0.170, 64, 86, 1.4, 1.0, spouse=1),
    Kind("empty_nest", 0.135, 46, 64, 0.9, 1.0, spouse=1),
    Kind("young_couple", 0.055, 23, 38, 1.0, 1.0, spouse=1),
    Kind("nuclear", 0.310, 24, 53, 1.0, 1.0, spouse=1, first_child=1, second_child=0.5),
    Kind("three_generation", 0.110, 26, 52, 1.0, 0.97, 1, father=0.55, mother=0.75, first_child=1, second_child=0.5),
    Kind("single", 0.080, 19, 62, 1.0, 0.6),
    Kind("single_parent", 0.030, 30, 56, 1.0, 0.3, first_child=1),
    Kind("grandparents", 0.040, 55, 73, 1.0, 1.0, spouse=0.85, grandchild=1),
)
OUTSIDER_KINDS = (
    Kind("single", 0.62, 18, 58, 1.5, 0.62),
    Kind("young_couple", 0.23, 21, 48, 1.2, 1.0, spouse=1),
    Kind("nuclear", 0.15, 25, 50, 1.2, 1.0, spouse=1, first_child=1, second_child=0.3),
)
NUCLEAR_KINDS = ("young_couple", "nuclear")
# Fewer children are born each year: the share of a cohort kept, by age 0, 1, 2, …
KEPT_BY_AGE = (0.66, 0.68, 0.70, 0.74, 0.80, 0.86, 0.92, 0.97)
CHILD_LEAVES_AT = 27


@dataclass(frozen=True)
class Households:
    """Dwellings that are lived in, one entry each; `unit` rises, so that a unit's dwellings lie together."""

    unit: Ints
    kind: Ints
    surname: Ints
    outsider: Bools

    def __len__(self) -> int:
        return len(self.unit)

    def is_kind(self, *names: str) -> Bools:
        """Which dwellings of residents are of one of the kinds."""
        wanted = [index for index, kind in enumerate(RESIDENT_KINDS) if kind.name in names]
        return np.isin(self.kind, wanted) & ~self.outsider


@dataclass(frozen=True)
class Members:
    """People in the order of their dwellings: dwelling, place in the family, sex, day of birth."""

    household: Ints
    slot: Ints
    male: Bools
    birth: Ints

    def __len__(self) -> int:
        return len(self.household)

    def age(self, day: int) -> Ints:
        """Whole years at a day number; below zero for none."""
        return np.floor((day - self.birth) / YEAR).astype(np.int64)


def settle(
    rng: np.random.Generator, people: int, unit_weights: Floats, outsider_share: float, as_of: int
) -> tuple[Households, Members]:
    """Fill a county with about `people` people, in dwellings shared out over the units by weight.

    Every unit gets at least one dwelling. `as_of` is the day number on which ages are as drawn.
    """
    parts = [
        _people_of(rng, kinds, int(people * share), unit_weights, as_of, outsider)
        for kinds, share, outsider in (
            (RESIDENT_KINDS, 1 - outsider_share, False),
            (OUTSIDER_KINDS, outsider_share, True),
        )
    ]
    unit = np.concatenate([part[0].unit for part in parts])
    order = np.argsort(unit, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    first = len(parts[0][0])
    household = place[np.concatenate([parts[0][1].household, parts[1][1].household + first])]
    by_household = np.argsort(household, kind="stable")
    households = Households(
        *(np.concatenate([getattr(part[0], name) for part in parts])[order] for name in Households.__annotations__)
    )
    columns = [np.concatenate([getattr(part[1], name) for part in parts]) for name in ("slot", "male", "birth")]
    return households, Members(household[by_household], *(column[by_household] for column in columns))


def _people_of(
    rng: np.random.Generator, kinds: tuple[Kind, ...], people: int, unit_weights: Floats, as_of: int, outsider: bool
) -> tuple[Households, Members]:
    sample = _fill(np.random.default_rng(0), kinds, choose(np.random.default_rng(0), [k.share for k in kinds], 4000), 0)
    count = max(round(people / (len(sample[0]) / 4000)), 1)
    kind = choose(rng, [item.share for item in kinds], count)
    household, slot, male, birth = _fill(rng, kinds, kind, as_of)
    unit = choose(rng, list(unit_weights), count)
    if not outsider and count >= len(unit_weights):
        unit[: len(unit_weights)] = np.arange(len(unit_weights))
    households = Households(unit, kind, draw_surnames(rng, count), np.full(count, outsider))
    return households, Members(household, slot, male, birth)


def _fill(rng: np.random.Generator, kinds: tuple[Kind, ...], kind: Ints, as_of: int) -> tuple[Ints, Ints, Bools, Ints]:
    size = len(kind)
    present = np.zeros((size, 7), dtype=np.bool_)
    male = np.zeros((size, 7), dtype=np.bool_)
    age = np.zeros((size, 7), dtype=np.float64)

    def column(name: str) -> Floats:
        return np.array([getattr(item, name) for item in kinds], dtype=np.float64)[kind]

    present[:, HEAD] = True
    male[:, HEAD] = rng.random(size) < column("male_head")
    low, high = column("low"), column("high") + 1
    age[:, HEAD] = low + (high - low) * rng.random(size) ** column("lean")
    present[:, SPOUSE] = rng.random(size) < column("spouse")
    male[:, SPOUSE] = ~male[:, HEAD]
    age[:, SPOUSE] = age[:, HEAD] + np.where(male[:, HEAD], -1, 1) * (rng.random(size) * 6 - 1.5)
    for slot, name in ((FATHER, "father"), (MOTHER, "mother")):
        age[:, slot] = age[:, HEAD] + 21.5 + rng.random(size) * 11
        present[:, slot] = (rng.random(size) < column(name)) & (age[:, slot] < OLDEST - 8)
    male[:, FATHER] = True
    _add_children(rng, present, age, column("first_child"), column("second_child"))
    male[:, FIRST_CHILD:] = rng.random((size, 3)) < 0.525
    age[:, GRANDCHILD] = 3 + rng.random(size) * 13
    present[:, GRANDCHILD] = rng.random(size) < column("grandchild")
    household, slot_of = np.nonzero(present)
    born = as_of - 1 - np.floor(age * YEAR).astype(np.int64)
    return household.astype(np.int64), slot_of.astype(np.int64), male[present], born[present]


def _add_children(rng: np.random.Generator, present: Bools, age: Floats, first: Floats, second: Floats) -> None:
    size = len(age)
    parent = np.where(present[:, SPOUSE], np.minimum(age[:, HEAD], age[:, SPOUSE]), age[:, HEAD])
    age[:, FIRST_CHILD] = parent - (20.5 + rng.triangular(0, 4, 16, size))
    age[:, SECOND_CHILD] = age[:, FIRST_CHILD] - (1.5 + rng.random(size) * 6)
    for slot, chance in ((FIRST_CHILD, first), (SECOND_CHILD, second)):
        years = age[:, slot]
        kept = np.array([*KEPT_BY_AGE, 1.0])[np.clip(years, 0, len(KEPT_BY_AGE)).astype(np.int64)]
        stays = (years > 0) & (years < CHILD_LEAVES_AT - between(rng, 0, 6, size))
        present[:, slot] = (rng.random(size) < chance * kept) & stays
