"""What the civil-affairs department keeps besides people: social organisations and service facilities."""

from dataclasses import dataclass

import numpy as np

from samples.addresses import PUBLIC
from samples.codes import credit_codes
from samples.community import Community, unit_titles
from samples.draw import Floats, Ints, Texts, between, choose, digits, generator, join, plain, running, take, where
from samples.residence import NONE

# The province has 144,188 organisations in 21,958 units; 38,406 of them are registered and so have a credit code.
REGISTERED_A_UNIT = 38_406 / 21_958
ORGANISATION_KINDS = ("社会团体", "民办非企业单位", "基金会")
ORGANISATION_REGISTERS = ("51", "52", "53")
ORGANISATION_WEIGHTS = (40, 59, 1)
ORGANISATION_WORDS = (
    ("老年协会", "志愿者协会", "乡贤联谊会", "书画协会", "广场舞协会", "养殖协会"),
    ("社会工作服务中心", "养老服务中心", "幼儿园", "老年大学", "法律服务中心", "公益服务站"),
    ("助学基金会", "慈善基金会", "关爱基金会", "助老基金会", "助困基金会", "教育基金会"),
)
FACILITY_KINDS = ("党群服务中心", "养老服务站", "卫生室", "文化活动室", "老年助餐点", "健身广场")
FACILITY_CHANCE = (1.0, 0.6, 0.85, 0.7, 0.25, 0.5)
FACILITY_PARTS = (6.0, 2.0, 1.2, 1.5, 0.8, 2.5)
SHARE_WITH_ENOUGH = 0.85
ENOUGH_M2 = 30.0  # for a hundred households
SMALLEST_M2 = 1.0
SERVICE_CENTER = 0  # the kind of facility whose staff are the community workers
WORKERS_A_PERSON = 18 / 10_000
SERIALS_OF_ENTITIES = 100_000_000  # below these, organisation codes belong to the entities of the market register


@dataclass(frozen=True)
class Organisations:
    """Registered social organisations, one entry each."""

    code: Texts
    name: Texts
    kind: Ints
    person: Ints
    established: Ints
    active: np.ndarray
    address: Ints
    unit: Ints


@dataclass(frozen=True)
class Facilities:
    """Service facilities, one entry each; areas in square metres; `workers` is -1 where none are counted."""

    number: Texts
    name: Texts
    kind: Ints
    area: Floats
    activity_area: Floats
    workers: Ints
    opened: Ints
    address: Ints
    unit: Ints


def organise(community: Community) -> Organisations:
    """Draw the registered social organisations; those only filed (备案) have no code and no source."""
    plan, county = community.plan, community.county
    rng = generator(plan.seed, "organisations", county.code)
    counts = int(REGISTERED_A_UNIT) + (rng.random(len(county.units)) < REGISTERED_A_UNIT % 1)
    unit = np.repeat(np.arange(len(county.units)), counts)
    size = len(unit)
    kind = choose(rng, ORGANISATION_WEIGHTS, size)
    words = [word for group in ORGANISATION_WORDS for word in group]
    word = take(words, kind * 6 + running(counts) * 2 + between(rng, 0, 1, size))
    adults = np.flatnonzero(community.residence.living & (community.ages >= 25))
    shorts = take([item.short for item in county.units], unit)
    code = credit_codes(take(ORGANISATION_REGISTERS, kind), county.prefix, SERIALS_OF_ENTITIES + np.arange(size))
    return Organisations(
        code=code,
        name=plain(join(county.prefecture + county.title, shorts, where(np.arange(size) == 0, "㳇溪", ""), word)),
        kind=kind,
        person=adults[rng.integers(0, len(adults), size)],
        established=plan.today - between(rng, 60, 7_000, size),
        active=rng.random(size) < 0.94,
        address=public_address(community)[unit],
        unit=unit,
    )


def equip(community: Community) -> Facilities:
    """Draw the facilities of each unit: in 85 % of the units 30 m² or more for 100 registered households."""
    plan, county = community.plan, community.county
    rng = generator(plan.seed, "facilities", county.code)
    units = len(county.units)
    present = rng.random((units, len(FACILITY_KINDS))) < np.array(FACILITY_CHANCE)
    part = np.array(FACILITY_PARTS) * (0.7 + 0.6 * rng.random(present.shape)) * present
    enough = rng.random(units) < SHARE_WITH_ENOUGH
    ratio = ENOUGH_M2 * np.where(enough, 1.1 + 1.3 * rng.random(units), 0.3 + 0.57 * rng.random(units))
    total = np.maximum(ratio * registered_households(community) / 100, SMALLEST_M2)
    area = np.round(part / part.sum(axis=1, keepdims=True) * total[:, None], 1)
    unit, kind = np.nonzero(present)
    size = len(unit)
    number = join("SS", take(community.unit_codes, unit), digits(running(present.sum(axis=1)) + 1, 2))
    titles = unit_titles(community, unit)
    return Facilities(
        number=number,
        name=plain(join(titles, take(FACILITY_KINDS, kind))),
        kind=kind,
        area=area[unit, kind],
        activity_area=np.round(area[unit, kind] * (0.4 + 0.4 * rng.random(size)), 1),
        workers=np.where(kind == SERVICE_CENTER, _workers(community)[unit], NONE),
        opened=plan.today - between(rng, 200, 6_000, size),
        address=public_address(community)[unit],
        unit=unit,
    )


def _workers(community: Community) -> Ints:
    """Community workers of each unit: some units have the 18 for 10,000 people that are asked for, some fewer."""
    units = len(community.county.units)
    rng = generator(community.plan.seed, "workers", community.county.code)
    living = community.residence.living
    people = np.bincount(community.households.unit[community.members.household[living]], minlength=units)
    return np.maximum(np.round(people * WORKERS_A_PERSON * (0.7 + 0.7 * rng.random(units))), 1).astype(np.int64)


def registered_households(community: Community) -> Ints:
    """How many registers (户) with someone in them each unit has."""
    registered = np.unique(community.residence.registered[community.residence.registered != NONE])
    return np.bincount(community.households.unit[registered], minlength=len(community.county.units))


def public_address(community: Community) -> Ints:
    """The address of the public building of each unit."""
    pool = community.addresses.of_use(PUBLIC)
    site = np.full(len(community.county.units), NONE, dtype=np.int64)
    site[community.addresses.unit[pool]] = pool
    return site
