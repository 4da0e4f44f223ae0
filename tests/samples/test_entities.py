"""Legal entities, organisations, facilities and care: how many, where, and whose."""

import numpy as np
import pytest

from samples.care import provide
from samples.community import Community
from samples.entities import register
from samples.organisations import equip, organise, registered_households
from samples.residence import NONE
from tests.samples.test_codes import credit_is_valid


def test_about_650_entities_for_3883_people_in_the_units_of_their_people(community: Community):
    entities = register(community)
    assert abs(len(entities.kind) / len(community.members) - 650 / 3883) < 0.01
    codes = [code for code in entities.code.to_pylist() if code]
    assert all(credit_is_valid(code) for code in codes)
    assert len(set(codes)) == len(codes) < len(entities.kind)
    assert np.array_equal(community.addresses.unit[entities.address], entities.unit)
    shares = np.bincount(entities.status, minlength=4) / len(entities.status)
    assert shares[0] > 0.8
    assert shares[1] > 0.03
    assert abs((entities.kind == 0).mean() - 0.70) < 0.05
    needed = {"5213", "5212", "5223", "6220", "8040", "5251", "6020", "8010", "4210"}
    assert needed <= set(entities.industry.to_pylist())


def test_registered_organisations_are_those_the_province_has(community: Community):
    organisations = organise(community)
    assert abs(len(organisations.kind) / 134 - 1.75) < 0.2
    assert all(credit_is_valid(code) for code in organisations.code.to_pylist())
    assert {code[:2] for code in organisations.code.to_pylist()} >= {"51", "52"}
    assert any("㳇" in name for name in organisations.name.to_pylist())


def test_most_units_have_floor_area_enough(community: Community):
    facilities = equip(community)
    area = np.bincount(facilities.unit, weights=facilities.area, minlength=134)
    enough = area / (registered_households(community) / 100) >= 30
    assert 0.75 < enough.mean() < 0.97
    assert np.all(facilities.activity_area <= facilities.area)
    assert len(set(facilities.number.to_pylist())) == len(facilities.kind)


@pytest.fixture(scope="module")
def care(community: Community):
    return provide(community)


def test_care_goes_to_the_shares_of_people_it_should(community: Community, care):
    size = len(community.members)
    assert 0.010 < (care.low_income != NONE).sum() / size < 0.015
    assert 0.001 < care.destitute.sum() / size < 0.005
    assert 0.04 < (care.disability_kind > 0).sum() / size < 0.06
    registered = community.residence.registered != NONE
    alive = (community.residence.death == NONE) & (community.residence.moved_out == NONE)
    assert np.all(care.elderly[registered & alive & (community.ages >= 80)])
    assert not np.any(care.elderly & (community.ages < 80))


def test_whole_families_are_on_allowance_and_nobody_is_on_both_lists(community: Community, care):
    granted = care.low_income != NONE
    assert not np.any(granted & care.destitute)
    residence = community.residence
    able = (residence.death == NONE) & (residence.moved_out == NONE) & ~residence.across
    families = set(care.low_income[granted].tolist())
    member = able & np.isin(residence.registered, list(families))
    assert np.array_equal(member, granted)
