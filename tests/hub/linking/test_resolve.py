"""Rows that no number tells: second looks, contested numbers, likeness, people's decisions, keys that stay."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hub.context import Hub
from hub.ledger.decisions import DIFFERENT, SAME, aliases_in_force, decide, events, open_review, reviews
from hub.linking import pairs
from hub.linking.people import block_counts, export_events, pairs_for_people
from hub.steps.link import link
from hub.steps.merge import merge
from tests.hub.linking.aside import Row, complete, deliver
from tests.hub.mini import BABY, CHILD, DAUGHTER, HEAD, MAZHUANG, NEIGHBOUR, fill, opened, put

pytestmark = pytest.mark.integration

REGISTER, FLOATING = "public_security/registered_resident", "public_security/floating_resident"
ALLOWANCE, DISABILITY = "civil_affairs/elderly_allowance", "disabled_federation/disability_certificate"
BIRTH, LOW_INCOME = "health_commission/birth", "civil_affairs/low_income_household"
STAMP = dt.datetime(2026, 10, 2)  # noqa: DTZ001 - the departments' timestamps carry no zone
POLICE = {"updated_at": STAMP, "operation_code": "I", "household_no": "H2", "relation_code": "02", "address_code": "A2"}
UNREAD = {"id_number": "id_check_digit"}


@pytest.fixture
def hub(tmp_path: Path, database_url: str) -> Iterator[Hub]:
    with opened(tmp_path, database_url) as opened_hub:
        fill(opened_hub)
        complete(opened_hub)
        yield opened_hub


def dropping(hub: Hub) -> Hub:
    """The hub as it were if the contract of persons did not keep those whom no number tells."""
    person = hub.contracts.base["person"]
    key_of_persons = {name: value for name, value in person.properties["key"].items() if name != "unnumbered"}
    properties = {**person.properties, "key": key_of_persons}
    base = {**hub.contracts.base, "person": replace(person, properties=properties)}
    return replace(hub, contracts=replace(hub.contracts, base=base))


def rows(hub: Hub, tail: str) -> list[dict[str, Any]]:
    return pq.read_table(hub.lake.linked(tail) / "rows.parquet").to_pylist()


def key(hub: Hub, number: str, tail: str = REGISTER) -> str:
    (found,) = {row["person_key"] for row in rows(hub, tail) if row["id_number"] == number}
    return str(found)


def damaged(name: str, number: str | None, **values: Any) -> Row:
    """A row whose number could not be read."""
    return Row({"person_name": name, "id_number": None, **values}, UNREAD, {"id_number": number or "?"})


def numbered(stem: str) -> str:
    """A resident ID with its check digit, from the 17 digits before it."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return stem + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(stem, weights, strict=True)) % 11]


def resident(number: str | None, name: str, born: dt.date, **more: Any) -> dict[str, Any]:
    values = {"id_number": number, "person_name": name, "birth_date": born, "division_code": NEIGHBOUR, "sex_code": "1"}
    return {**POLICE, **values, "source_id": 9, **more}


def test_a_number_with_a_slip_is_that_of_the_namesake_it_almost_is(hub: Hub) -> None:
    wrong = HEAD[:17] + ("0" if HEAD[17] != "0" else "1")
    deliver(hub, DISABILITY, [damaged("甲某", wrong, division_code=NEIGHBOUR, disability_kind_code="1")])
    link(hub)
    (row,) = rows(hub, DISABILITY)
    assert row["person_key"] == key(hub, HEAD)
    assert row["id_number"] is None, "a number that could not be read must not come back"
    assert row["_person_reason"].startswith("likely:")
    assert "number" in row["_person_reason"]
    assert row["care_key"] is not None


def test_a_name_written_with_other_forms_of_its_characters_is_the_same_name(hub: Hub) -> None:
    born = dt.date(1980, 1, 1)
    number = numbered("32037119800101001")
    deliver(hub, REGISTER, [Row(resident(number, "呂秀雲", born))])
    deliver(hub, DISABILITY, [damaged("吕秀云", number[:16] + "9X", division_code=NEIGHBOUR, disability_kind_code="1")])
    link(hub)
    (row,) = rows(hub, DISABILITY)
    assert row["person_key"] == key(hub, number)
    assert "person_name" in row["_person_reason"]
    assert row["person_name"] == "吕秀云", "what is stated is not rewritten"


def test_a_row_like_nobody_stays_aside(hub: Hub) -> None:
    deliver(hub, DISABILITY, [damaged("无人识", None, division_code=MAZHUANG)])
    link(hub)
    assert rows(hub, DISABILITY) == []


def test_rows_set_aside_for_anything_else_are_left_alone(hub: Hub) -> None:
    born = {"person_name": "甲某", "id_number": HEAD, "division_code": MAZHUANG}
    deliver(hub, DISABILITY, [Row(born, {"disability_kind_code": "code_unknown"})])
    link(hub)
    assert rows(hub, DISABILITY) == []


def test_a_row_without_village_goes_on_with_its_households(hub: Hub) -> None:
    lost = resident(numbered("32037119800101001"), "己某", dt.date(1980, 1, 1), household_no="H1", address_code=None)
    deliver(hub, REGISTER, [Row({**lost, "division_code": None}, {"division_code": "division_unknown"})])
    link(hub)
    (row,) = [row for row in rows(hub, REGISTER) if row["person_name"] == "己某"]
    assert row["division_code"] in (MAZHUANG, NEIGHBOUR)


def test_who_agrees_with_a_contested_number_keeps_it(hub: Hub) -> None:
    number = numbered("32037119700303001")
    usurper = Row(
        resident(number, "庚某", dt.date(1970, 3, 3)),
        original={"birth_date": "19600202"},
        outranked={"birth_date": "date_from_id"},
    )
    owner = Row(resident(number, "辛某", dt.date(1970, 3, 3)), {"id_number": "key_conflict"})
    deliver(hub, REGISTER, [usurper, owner])
    link(hub)
    found = {row["person_name"]: row for row in rows(hub, REGISTER)}
    assert found["辛某"]["id_number"] == number
    assert found["庚某"]["id_number"] is None
    assert found["庚某"]["birth_date"] == dt.date(1960, 2, 2), "what he said himself stands again"
    assert found["庚某"]["person_key"] not in (None, found["辛某"]["person_key"])


def test_a_list_believes_the_name_others_know_with_a_number(hub: Hub) -> None:
    stranger = Row({"person_name": "陌生人", "id_number": HEAD, "division_code": NEIGHBOUR})
    known = Row({"person_name": "甲某", "id_number": HEAD, "division_code": MAZHUANG}, {"id_number": "key_conflict"})
    deliver(hub, DISABILITY, [stranger, known])
    link(hub)
    found = {row["person_name"]: row for row in rows(hub, DISABILITY)}
    assert found["甲某"]["person_key"] == key(hub, HEAD)
    assert found["陌生人"]["person_key"] is None, "it was accepted, so it is still there, though nobody's"


def test_a_register_alone_makes_somebody_only_where_the_contract_says_so(hub: Hub) -> None:
    deliver(hub, REGISTER, [damaged("壬某", None, **without(resident(None, "壬某", dt.date(1975, 5, 5))))])
    link(dropping(hub))
    assert "壬某" not in {row["person_name"] for row in rows(hub, REGISTER)}
    link(hub)
    (row,) = [row for row in rows(hub, REGISTER) if row["person_name"] == "壬某"]
    assert row["person_key"].startswith("P")
    assert row["household_key"] is not None
    again = row["person_key"]
    link(hub)
    assert again in {row["person_key"] for row in rows(hub, REGISTER)}


def without(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in ("person_name", "id_number")}


def test_a_twin_is_not_the_other_twin(hub: Hub) -> None:
    born = dt.date(2016, 1, 1)
    twin = {**without(resident(None, "", born)), "household_no": "H1", "address_code": None, "sex_code": "2"}
    deliver(hub, REGISTER, [damaged("丙乙", CHILD[:16] + "91", **twin)])
    link(hub)
    assert {row["person_name"] for row in rows(hub, REGISTER) if row["person_key"] == key(hub, CHILD)} == {"丙某"}


def test_an_update_of_a_known_record_is_about_the_same_person(hub: Hub) -> None:
    later = resident(None, "甲新名", dt.date(1951, 1, 1), source_id=1, updated_at=dt.datetime(2026, 10, 9))  # noqa: DTZ001
    deliver(hub, REGISTER, [damaged("甲新名", None, **without(later))])
    link(hub)
    (row,) = [row for row in rows(hub, REGISTER) if row["person_name"] == "甲新名"]
    assert (row["person_key"], row["_person_reason"]) == (key(hub, HEAD), "likely:record")


def namesakes(hub: Hub) -> tuple[str, str]:
    """Two of one name in one village, and a row that may be of either; their keys."""
    one, other = numbered("32037119600101001"), numbered("32037119650202001")
    both = [
        resident(one, "张杰", dt.date(1960, 1, 1), source_id=11),
        resident(other, "张杰", dt.date(1965, 2, 2), source_id=12),
    ]
    put(hub, REGISTER, both)
    complete(hub)
    deliver(hub, ALLOWANCE, [damaged("张杰", None, division_code=NEIGHBOUR, age_band="80-89岁")])
    link(hub)
    return key(hub, one), key(hub, other)


def test_people_are_shown_names_as_they_are_stated(hub: Hub) -> None:
    numbers = numbered("32037119600101001"), numbered("32037119650202001")
    born = dt.date(1960, 1, 1), dt.date(1965, 2, 2)
    registered = [resident(number, "张雲", day, source_id=11) for number, day in zip(numbers, born, strict=True)]
    put(hub, REGISTER, registered)
    complete(hub)
    deliver(hub, ALLOWANCE, [damaged("张云", None, division_code=NEIGHBOUR, age_band="80-89岁")])
    link(hub)
    asked = [(pair.left, pair.right) for pair in pairs_for_people(hub)]
    assert {said["person_name"] for left, right in asked for said in left + right} == {"张云", "张雲"}


def allowance(hub: Hub) -> list[str | None]:
    return [row["person_key"] for row in rows(hub, ALLOWANCE)]


def test_two_people_decide_what_the_model_cannot_and_reruns_follow_them(hub: Hub) -> None:
    one, other = namesakes(hub)
    waiting = {review.right: review for review in reviews(hub.database)}
    assert set(waiting) == {one, other}
    assert allowance(hub) == [], "nobody has decided"
    shown = pairs_for_people(hub)
    assert {line["person_name"] for pair in shown for line in (*pair.left, *pair.right)} == {"张杰"}

    decide(hub.database, waiting[one].number, "cli:a", SAME, "电话核实")
    link(hub)
    assert allowance(hub) == [], "one person is not enough"
    decide(hub.database, waiting[one].number, "cli:b", SAME, "村里核实")
    for _ in range(2):
        link(hub)
        assert allowance(hub) == [one]
        assert rows(hub, ALLOWANCE)[0]["_person_reason"] == "likely:decided"
    assert [review.state for review in reviews(hub.database)] == [], "the other question has answered itself"


def test_a_pair_declared_different_is_not_asked_about_again(hub: Hub) -> None:
    one, other = namesakes(hub)
    waiting = {review.right: review for review in reviews(hub.database)}
    for right in (one, other):
        for who in ("cli:a", "cli:b"):
            decide(hub.database, waiting[right].number, who, DIFFERENT, "都不是")
    link(hub)
    assert allowance(hub) == []
    assert reviews(hub.database) == []


def test_who_came_without_a_number_keeps_the_key_when_it_comes(hub: Hub) -> None:
    link(hub)
    merge(hub)
    (certificate,) = [row for row in rows(hub, BIRTH) if row["birth_certificate_no"] == "Z000000001"]
    number = numbered("32037120261001001")
    born = resident(number, "丁某", dt.date(2026, 10, 1), household_no="H1", relation_code="40")
    put(hub, REGISTER, [{**born, "division_code": MAZHUANG, "address_code": "A1", "source_id": 5}])
    complete(hub)
    link(hub)
    merge(hub)
    assert key(hub, number) == certificate["person_key"]
    assert (certificate["person_key"], "linked") in [(one.key, one.reason) for one in aliases_in_force(hub.database)]
    assert events(hub.database) == [], "no key that was given is gone"
    link(hub)
    merge(hub)
    assert key(hub, number) == certificate["person_key"]


def test_two_keys_of_one_person_become_one_and_part_again(hub: Hub, tmp_path: Path) -> None:
    link(hub)
    merge(hub)
    head, daughter = key(hub, HEAD), key(hub, DAUGHTER)
    number = open_review(hub.database, "person", head, daughter)
    for who in ("cli:a", "cli:b"):
        decide(hub.database, number, who, SAME, "两个号码，同一人")
    link(hub)
    assert key(hub, HEAD) == key(hub, DAUGHTER) == min(head, daughter)
    assert export_events(hub, tmp_path / "events.jsonl") == 1
    assert '"kind": "merge"' in (tmp_path / "events.jsonl").read_text(encoding="utf-8")

    assert open_review(hub.database, "person", daughter, head) == number
    for who in ("cli:a", "cli:b"):
        decide(hub.database, number, who, DIFFERENT, "查明是两人")
    link(hub)
    assert (key(hub, HEAD), key(hub, DAUGHTER)) == (head, daughter)
    assert [one.kind for one in events(hub.database)] == ["merge", "split"]
    assert export_events(hub, tmp_path / "events.jsonl", since=1) == 1


def test_a_firm_that_gets_its_credit_code_keeps_its_key(hub: Hub) -> None:
    firm = {"registration_no": "320305000000001", "entity_name": "马庄便利店", "entity_kind_code": "self_employed"}
    firm |= {"entity_status_code": "active", "division_code": MAZHUANG, "updated_at": STAMP}
    market = "market_regulation/legal_entity"
    put(hub, market, [firm])
    link(hub)
    merge(hub)
    (before,) = {row["entity_key"] for row in rows(hub, market)}
    put(hub, market, [{**firm, "credit_code": "91320106MA1TE5T186"}])
    complete(hub)
    link(hub)
    assert {row["entity_key"] for row in rows(hub, market)} == {before}


def test_an_organisation_without_a_readable_code_is_known_by_name_and_address(hub: Hub) -> None:
    market, civil = "market_regulation/legal_entity", "civil_affairs/social_organization"
    shared = {"entity_name": "马庄村老年协会", "division_code": MAZHUANG, "address_text": "马庄1号"}
    shared |= {"established_date": dt.date(2015, 5, 5), "legal_representative": "甲某", "entity_status_code": "active"}
    code = "91320106MA1TE5T186"
    put(hub, market, [{**shared, "credit_code": code, "registration_no": "R1", "updated_at": STAMP}])
    deliver(
        hub, civil, [Row({**shared, "credit_code": None}, {"credit_code": "credit_code_check"}, {"credit_code": "?"})]
    )
    link(hub)
    (known,) = {row["entity_key"] for row in rows(hub, market)}
    assert [(row["entity_key"], row["credit_code"]) for row in rows(hub, civil)] == [(known, None)]


def test_an_address_as_text_tells_village_and_grid(hub: Hub) -> None:
    lost = resident(
        numbered("32037119800101001"), "己某", dt.date(1980, 1, 1), address_code=None, address_text="马庄 1号"
    )
    put(hub, REGISTER, [lost])
    link(hub)
    (row,) = [row for row in rows(hub, REGISTER) if row["person_name"] == "己某"]
    assert (row["address_code"], row["division_code"]) == ("A1", MAZHUANG)
    assert (row["grid_code"], row["_division_reason"]) == (f"{MAZHUANG}001", "address_text")


def test_blocks_are_counted_and_those_too_large_are_skipped_and_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(hub, DISABILITY, [damaged("甲某", None, division_code=NEIGHBOUR)])
    link(hub)
    by_name = {one["block"]: one for one in block_counts(hub) if one["entity"] == "person"}
    assert by_name["person_name"]["pairs"] >= 1
    assert by_name["person_name"]["skipped_values"] == 0
    monkeypatch.setattr(pairs, "CAP", 0)
    link(hub)
    by_name = {one["block"]: one for one in block_counts(hub) if one["entity"] == "person"}
    assert by_name["person_name"]["pairs"] == 0
    assert by_name["person_name"]["skipped_pairs"] >= 1
    assert rows(hub, DISABILITY) == []


def test_the_newborn_registered_since_is_linked_by_household_name_and_date(hub: Hub) -> None:
    link(hub)
    (row,) = [row for row in rows(hub, BIRTH) if row["birth_certificate_no"] == "Z000000002"]
    assert row["person_key"] == key(hub, BABY)
    assert "household_no" in row["_person_reason"]


def test_the_same_rows_give_the_same_links(hub: Hub) -> None:
    deliver(hub, DISABILITY, [damaged("甲某", HEAD[:15] + "000", division_code=NEIGHBOUR)])
    found = []
    for _ in range(2):
        link(hub)
        found.append([(row["person_key"], row["_person_reason"]) for row in rows(hub, DISABILITY)])
    assert found[0] == found[1]
