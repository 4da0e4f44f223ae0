"""One county as it truly is, before any department writes it down: land, dwellings, people and where they belong."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from samples.addresses import Addresses, Buildings, build, dwelling_slots, plan_layout
from samples.divisions import County, read_rows, urban_rural_code
from samples.draw import Floats, Ints, Texts, digits, generator, join, take, where
from samples.geography import Territory, draw_territory
from samples.households import Households, Members, settle
from samples.people import Attributes, describe
from samples.plan import MOST_PEOPLE_A_COUNTY, Plan
from samples.residence import NONE, Residence, arrange

OUTSIDER_SHARE = 0.06
PEOPLE_A_GRID = 700
LEAST_GRIDS = 2  # the province has more than five a unit
ENTITIES_A_PERSON = 650 / 3883
DOORS_AN_ENTITY = 0.55
NUMBERS_A_COUNTY = 10_000_000  # person and household keys of one county


@dataclass(frozen=True)
class Community:
    """A county and its people. People, dwellings, units, grids and addresses are known by their index."""

    plan: Plan
    county: County
    urban_rural: tuple[str, ...]
    territory: Territory
    buildings: Buildings
    addresses: Addresses
    households: Households
    members: Members
    residence: Residence
    attributes: Attributes
    dwelling_address: Ints

    @property
    def person_id(self) -> Ints:
        """The truth's own key of each person, unlike any number a department has."""
        return self.county.position * NUMBERS_A_COUNTY + np.arange(len(self.members), dtype=np.int64)

    @property
    def household_no(self) -> Texts:
        """The police register number (户号, 9 digits) of each dwelling's register."""
        return join(f"{self.county.position:03d}", digits(np.arange(len(self.households)), 6))

    @property
    def unit_codes(self) -> list[str]:
        """The 12-digit codes of the units."""
        return [unit.code for unit in self.county.units]

    @property
    def living_address(self) -> Ints:
        """The address each person lives at, whether or not someone else knows; -1 outside the county or dead."""
        return np.where(self.residence.living, self.dwelling_address[self.members.household], NONE)

    @property
    def registered_address(self) -> Ints:
        """The address each person is registered at, -1 for people who are not registered in the county."""
        registered = self.residence.registered
        return np.where(registered == NONE, NONE, self.dwelling_address[np.maximum(registered, 0)])

    @property
    def ages(self) -> Ints:
        """Whole years of each person on the day of the plan."""
        return self.members.age(self.plan.today)

    def address_text(self, index: Ints) -> Texts:
        """Full texts of addresses; a missing value where the index is -1."""
        return picked(self.addresses.text, index)

    def address_code(self, index: Ints) -> Texts:
        """Codes of addresses; a missing value where the index is -1."""
        return picked(self.addresses.code, index)

    def unit_code_at(self, index: Ints) -> Texts:
        """Codes of the units of addresses; a missing value where the index is -1."""
        unit = np.where(index == NONE, NONE, self.addresses.unit[np.maximum(index, 0)])
        return picked(pa.array(self.unit_codes), unit)


def picked(values: Texts, index: Ints) -> Texts:
    """The values at `index`, a missing value where the index is -1."""
    return values.take(pa.array(index, mask=index == NONE))


def found(plan: Plan, county: County, people: int) -> Community:
    """Draw the county of a plan with about `people` people.

    Raises:
        ValueError: more people than one county may have.
    """
    if people > MOST_PEOPLE_A_COUNTY:
        raise ValueError(
            f"samples: {people} people for {county.title} ({county.prefix}); at most {MOST_PEOPLE_A_COUNTY} a county"
        )
    rng = generator(plan.seed, "people", county.code)
    households, members = settle(rng, people, _unit_weights(plan, county), OUTSIDER_SHARE, plan.today)
    residence = arrange(rng, households, members, plan.today)
    counties = sorted({row["code"][:6] for row in read_rows() if row["level"] == "county"} - {county.prefix})
    attributes = describe(rng, county, counties, households, members, residence, plan.today)
    in_unit = np.bincount(households.unit[members.household], minlength=len(county.units))
    territory = draw_territory(
        plan.seed, county, np.maximum(np.round(in_unit / PEOPLE_A_GRID), LEAST_GRIDS).astype(np.int64)
    )
    dwellings, people_in_grid = _by_grid(territory, households, members)
    shops = np.ceil(people_in_grid * ENTITIES_A_PERSON * DOORS_AN_ENTITY).astype(np.int64) + 1
    layout = plan_layout(rng, county, territory, dwellings, shops)
    buildings, addresses, first = build(plan.seed, county, territory, layout, plan.today)
    return Community(
        plan=plan,
        county=county,
        urban_rural=_urban_rural(plan, county),
        territory=territory,
        buildings=buildings,
        addresses=addresses,
        households=households,
        members=members,
        residence=residence,
        attributes=attributes,
        dwelling_address=np.repeat(first, dwellings) + dwelling_slots(layout, dwellings),
    )


def _unit_weights(plan: Plan, county: County) -> Floats:
    rng = generator(plan.seed, "units", county.code)
    kind = np.array([1.5 if unit.urban else (0.25 if unit.code[9] == "5" else 1.0) for unit in county.units])
    return kind * (0.55 + 0.9 * rng.random(len(kind)))


def _urban_rural(plan: Plan, county: County) -> tuple[str, ...]:
    chance = generator(plan.seed, "urban", county.code).random(len(county.units))
    pairs = zip(county.units, chance, strict=True)
    return tuple(urban_rural_code(unit, county.towns[unit.town][0], float(value)) for unit, value in pairs)


def _by_grid(territory: Territory, households: Households, members: Members) -> tuple[Ints, Ints]:
    """Dwellings and people of each grid: a unit's dwellings are dealt out to its grids in order, evenly."""
    grids = np.bincount(territory.grid_unit)
    total = np.bincount(households.unit, minlength=len(grids))
    number = np.arange(len(territory.grid_unit)) - np.repeat(np.cumsum(grids) - grids, grids)
    each, rest = np.divmod(np.repeat(total, grids), np.repeat(grids, grids))
    dwellings = each + (number < rest)
    grid_of = np.repeat(np.arange(len(dwellings)), dwellings)
    return dwellings, np.bincount(grid_of[members.household], minlength=len(dwellings))


def rosters_name(community: Community, rng: np.random.Generator, share: float) -> Texts:
    """Names as other departments have them: some still keep a person's former name."""
    stale = rng.random(len(community.members)) < share
    former = community.attributes.former_name
    use = stale & np.asarray(former.is_valid())
    return where(use, former, community.attributes.name)


def unit_titles(community: Community, unit: Ints) -> Texts:
    """Official titles of units."""
    return take([item.title for item in community.county.units], unit)
