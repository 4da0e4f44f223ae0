"""The visiting book: who is in it, how long ago they were seen, and the workers of each unit."""

from __future__ import annotations

import numpy as np

from samples.care import provide
from samples.community import Community
from samples.organisations import SERVICE_CENTER, equip
from samples.residence import NONE
from samples.visits import EVERY_DAYS, LATEST_DAYS, OLD, visit


def test_only_people_in_special_difficulty_who_live_here_are_visited(community: Community) -> None:
    care = provide(community)
    visits = visit(community, care)
    assert len(visits.person) > 0
    assert len(set(visits.person.tolist())) == len(visits.person)
    assert community.residence.living[visits.person].all()
    alone = community.households.is_kind("elder_single", "single")[community.members.household[visits.person]]
    difficult = alone | care.destitute[visits.person] | (care.disability_grade[visits.person] > 0)
    assert difficult.all()
    assert (community.ages[visits.person][~care.destitute[visits.person]] >= OLD).all()


def test_visits_lie_in_the_past_and_most_are_in_time(community: Community) -> None:
    visits = visit(community, provide(community))
    ago = community.plan.today - visits.day
    assert ago.min() >= 0
    assert ago.max() <= EVERY_DAYS["key"] + LATEST_DAYS
    assert (ago < EVERY_DAYS["key"]).mean() > 0.8
    assert (ago >= EVERY_DAYS["key"]).any()


def test_every_visitor_is_a_grown_person_who_lives_here(community: Community) -> None:
    visitors = visit(community, provide(community)).visitor
    assert community.residence.living[visitors].all()
    assert ((community.ages[visitors] >= 25) & (community.ages[visitors] < OLD)).all()


def test_workers_are_counted_once_a_unit_at_its_service_center(community: Community) -> None:
    facilities = equip(community)
    counted = facilities.workers != NONE
    assert (facilities.kind[counted] == SERVICE_CENTER).all()
    units = facilities.unit[counted]
    assert sorted(units.tolist()) == list(range(len(community.county.units)))
    living = np.bincount(community.households.unit[community.members.household[community.residence.living]])
    assert (facilities.workers[counted] <= np.maximum(living[units] * 30 / 10_000, 1)).all()
