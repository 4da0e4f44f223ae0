"""Where people are registered and where they live, who died, moved away or was born: the links the hub has to find."""

from dataclasses import dataclass

import numpy as np

from samples.dates import YEAR
from samples.draw import Bools, Ints, between
from samples.households import (
    CHILD_SLOTS,
    FATHER,
    FIRST_CHILD,
    HEAD,
    MOTHER,
    NUCLEAR_KINDS,
    SPOUSE,
    Households,
    Members,
)

ACROSS_SHARE = 0.08
OUTSIDE_SHARE = 0.01
MOVED_OUT_SHARE = 0.003
LEFT_SHARE = 0.02
DEATHS_A_YEAR = 0.0075
NEVER_CANCELLED = 0.08
NOT_CERTIFIED = 0.04
NONE = -1
# GB/T 4761 codes of the places in a family, for women and for men, as seen from the head of the register.
OWN_RELATION = ("02 02", "12 11", "51 51", "52 52", "30 20", "30 20", "40 40")
PARENTS_RELATION = {HEAD: "20", SPOUSE: "80"}
GRANDCHILD_CODE = "40"


@dataclass(frozen=True)
class Residence:
    """One entry a person; days are day numbers, -1 stands for never, households are indices, -1 for none."""

    surname: Ints
    registered: Ints
    relation: np.ndarray
    outside: Bools
    moved_out: Ints
    left: Bools
    death: Ints
    certified: Bools
    cancelled: Ints
    unregistered: Bools
    mother: Ints
    across: Bools

    @property
    def living(self) -> Bools:
        """Who is alive and lives in the county."""
        return np.asarray((self.death == NONE) & (self.moved_out == NONE) & ~self.left & ~self.outside)


def arrange(rng: np.random.Generator, households: Households, members: Members, as_of: int) -> Residence:
    """Draw the residence of every person of the county as of a day number."""
    surname, parents = _marry_across(rng, households, members)
    across = parents[members.household] != NONE
    registered = np.where(across, parents[members.household], members.household)
    outsider = households.outsider[members.household]
    age = members.age(as_of)
    newborn = (as_of - members.birth < 30) & (rng.random(len(members)) < 0.75)
    newborn |= (as_of - members.birth < 60) & (rng.random(len(members)) < 0.25)
    mobile = _mobile(households, members) & (age >= 18) & (age <= 48) & ~across
    outside = mobile & (rng.random(len(members)) < OUTSIDE_SHARE / max(mobile.mean(), OUTSIDE_SHARE))
    leaving = mobile & ~outside & (rng.random(len(members)) < MOVED_OUT_SHARE / max(mobile.mean(), MOVED_OUT_SHARE))
    death, certified, cancelled = _deaths(rng, age, (age > 0) & ~outside & ~leaving, ~outsider, as_of)
    return Residence(
        surname=surname,
        registered=np.where(outsider | newborn, NONE, registered),
        relation=_relation(members, across),
        outside=outside,
        moved_out=np.where(leaving, as_of - between(rng, 5, 360, len(members)), NONE),
        left=outsider & (rng.random(len(households)) < LEFT_SHARE)[members.household] & (death == NONE) & ~newborn,
        death=death,
        certified=certified,
        cancelled=cancelled,
        unregistered=newborn,
        mother=_mothers(households, members),
        across=across,
    )


def _marry_across(rng: np.random.Generator, households: Households, members: Members) -> tuple[Ints, Ints]:
    """Couples who live in another village than the husband's parents, with whom they are still registered."""
    surname, parents = households.surname.copy(), np.full(len(households), NONE, dtype=np.int64)
    sizes = np.bincount(members.household, minlength=len(households))
    head_birth = members.birth[members.slot == HEAD]
    young = rng.permutation(np.flatnonzero(households.is_kind(*NUCLEAR_KINDS)))
    wanted = int(len(members) * ACROSS_SHARE * 1.06)
    young = young[: int(np.searchsorted(np.cumsum(sizes[young]), wanted))]
    elders = np.flatnonzero(households.is_kind("elder_couple", "elder_single", "empty_nest"))
    if not len(young) or not len(elders):
        return surname, parents
    elders = elders[np.argsort(head_birth[elders], kind="stable")]
    target = head_birth[young] - np.floor(between(rng, 22, 33, len(young)) * YEAR).astype(np.int64)
    place = np.searchsorted(head_birth[elders], target)
    reach = max(len(elders) // 20, 1)
    for _ in range(8):
        pick = elders[np.clip(place + between(rng, -reach, reach, len(young)), 0, len(elders) - 1)]
        fits = (parents[young] == NONE) & (households.unit[pick] != households.unit[young])
        fits &= head_birth[young] - head_birth[pick] > 20 * YEAR
        parents[young[fits]] = pick[fits]
    moved = parents != NONE
    surname[moved] = surname[parents[moved]]
    return surname, parents


def _mobile(households: Households, members: Members) -> Bools:
    single = households.is_kind("single")[members.household]
    working = households.is_kind("nuclear")[members.household] & (members.slot == HEAD)
    grown = np.isin(members.slot, CHILD_SLOTS) & ~households.outsider[members.household]
    return np.asarray(single | working | grown)


def _deaths(rng: np.random.Generator, age: Ints, may: Bools, registered: Bools, as_of: int) -> tuple[Ints, Bools, Ints]:
    size = len(age)
    hazard = np.where(may, np.exp(0.09 * np.maximum(age, 0)), 0.0)
    chance = hazard * (DEATHS_A_YEAR * size / max(hazard.sum(), 1.0))
    died = rng.random(size) < chance
    death = np.where(died, as_of - between(rng, 1, 365, size), NONE)
    cancelled = death + between(rng, 3, 40, size)
    closed = died & registered & (cancelled < as_of) & (rng.random(size) >= NEVER_CANCELLED)
    certified = died & ((rng.random(size) >= NOT_CERTIFIED) | ~closed)
    return death, certified, np.where(closed, cancelled, NONE)


def _relation(members: Members, across: Bools) -> np.ndarray:
    own = np.array([pair.split() for pair in OWN_RELATION])
    relation = own[members.slot, members.male.astype(np.int64)]
    seen_by_parents = np.array([PARENTS_RELATION.get(slot, GRANDCHILD_CODE) for slot in range(len(OWN_RELATION))])
    return np.where(across, seen_by_parents[members.slot], relation)


def _mothers(households: Households, members: Members) -> Ints:
    mother = np.full(len(households), NONE, dtype=np.int64)
    for slot in (HEAD, SPOUSE):
        woman = np.flatnonzero((members.slot == slot) & ~members.male)
        mother[members.household[woman]] = woman
    return np.where(np.isin(members.slot, CHILD_SLOTS), mother[members.household], NONE)


def person_surnames(rng: np.random.Generator, members: Members, family: Ints, others: Ints) -> Ints:
    """Surname of each person: men and most children bear the family's, women who married in their own.

    Args:
        rng: the stream of chance.
        members: the people.
        family: surname index of each dwelling's family.
        others: a surname index of their own for each person.
    """
    child = members.slot >= FIRST_CHILD
    bears = np.where(child, rng.random(len(members)) < 0.96, members.male | (members.slot == FATHER))
    bears &= members.slot != MOTHER
    return np.where(bears, family[members.household], others)
