"""People as a county has them: ages, families, names, numbers, where they are registered and where they live."""

import re

import numpy as np
import pytest

from samples.community import Community
from samples.draw import generator, where
from samples.households import HEAD, settle
from samples.names import RARE_CHARACTERS, draw_surnames, full_names
from samples.residence import NONE
from tests.samples.test_codes import id_is_valid

AS_OF = 20_758


@pytest.fixture(scope="module")
def population():
    return settle(generator(5, "test"), 60_000, np.ones(40), 0.06, AS_OF)


def test_ages_are_those_of_the_province(population):
    households, members = population
    age = members.age(AS_OF)
    assert abs(len(members) - 60_000) < 1_500
    assert abs((age < 15).mean() - 0.13) < 0.012
    assert abs((age >= 65).mean() - 0.187) < 0.012
    assert abs((age == 0).mean() - 0.005) < 0.0015
    assert age.min() == 0
    assert age.max() < 110
    assert abs(members.male.mean() - 0.507) < 0.02
    assert abs(households.outsider[members.household].mean() - 0.06) < 0.006


def test_every_dwelling_has_one_head_and_every_unit_a_dwelling(population):
    households, members = population
    assert np.array_equal(members.household[members.slot == HEAD], np.arange(len(households)))
    assert set(households.unit.tolist()) == set(range(40))
    assert np.all(np.diff(households.unit) >= 0)


def test_numbers_are_valid_unique_and_impossible(community: Community):
    person = community.attributes
    rows = zip(person.id_type.to_pylist(), person.id_number.to_pylist(), person.sex.to_pylist(), strict=True)
    numbers = [(number, sex) for kind, number, sex in rows if kind == "111"]
    assert len({number for number, _ in numbers}) == len(numbers)
    for number, sex in numbers:
        assert number[4] == "7"
        assert id_is_valid(number)
        assert int(number[16]) % 2 == int(sex) % 2
    phones = [phone for phone in person.phone.to_pylist() if phone]
    assert all(re.fullmatch(r"10\d{9}", phone) for phone in phones)
    assert len(phones) > len(numbers) / 2


def test_some_live_away_from_their_register(community: Community):
    residence, members, households = community.residence, community.members, community.households
    across = residence.across
    assert 0.06 < across.mean() < 0.1
    registered = residence.registered
    moved = across & (registered != NONE)
    assert not np.any(households.unit[registered[moved]] == households.unit[members.household[moved]])
    head, parents = members.household[moved & (members.slot == HEAD)], registered[moved & (members.slot == HEAD)]
    assert np.array_equal(residence.surname[head], residence.surname[parents])
    outsider = households.outsider[members.household]
    assert np.all(registered[outsider] == NONE)
    assert np.all(registered[~outsider & ~residence.unregistered] != NONE)
    assert 0.004 < residence.outside.mean() < 0.02


def test_deaths_births_and_cancellations_fit_together(community: Community):
    residence, members, today = community.residence, community.members, community.plan.today
    died, closed = residence.death != NONE, residence.cancelled != NONE
    assert 0.004 < died.mean() < 0.012
    assert np.all(died[closed])
    assert np.all(residence.cancelled[closed] > residence.death[closed])
    assert np.all(residence.cancelled < today)
    assert (died & ~closed).any()
    assert np.all(residence.certified[died & ~closed])
    child = residence.mother != NONE
    mother = residence.mother[child]
    assert not members.male[mother].any()
    assert np.all(members.birth[child] - members.birth[mother] > 16 * 365)
    assert np.all(today - members.birth[residence.unregistered] < 60)
    assert not residence.living[died | residence.outside | residence.left].any()


def test_names_follow_sex_and_ethnicity_and_some_are_outside_gbk():
    size = 20_000
    rng = generator(1, "names")
    ethnicity = where(np.arange(size) % 10 == 0, "05", "01")
    year = np.full(size, 1980)
    names, rare = full_names(rng, draw_surnames(rng, size), np.arange(size) % 2 == 0, year, ethnicity)
    texts = names.to_pylist()
    assert all("·" in name for name in texts[::10])
    assert not any("·" in name for name in texts[1::10])
    assert 0.001 < rare.mean() < 0.003
    for name, outside in zip(texts, rare.tolist(), strict=True):
        assert (not set(name).isdisjoint(RARE_CHARACTERS)) == outside
        name.encode("gb18030")
        if outside:
            with pytest.raises(UnicodeEncodeError):
                name.encode("gbk")
