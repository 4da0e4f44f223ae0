"""Link and merge: who is who, who lives where, which department's word wins."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from deltalake import DeltaTable

from hub.context import Hub
from hub.steps.link import link
from hub.steps.merge import merge
from tests.hub.mini import BABY, CHILD, DAUGHTER, HEAD, MAZHUANG, NEIGHBOUR, fill, opened, put

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Any:
    with opened(tmp_path_factory.mktemp("merge"), module_database_url) as opened_hub:
        fill(opened_hub)
        link(opened_hub)
        merge(opened_hub)
        yield opened_hub


def rows(hub: Hub, entity: str) -> list[dict[str, Any]]:
    return DeltaTable(str(hub.lake.base(entity))).to_pyarrow_table().to_pylist()


def person(hub: Hub, number: str | None) -> dict[str, Any]:
    (found,) = (row for row in rows(hub, "person") if row["id_number"] == number)
    return found


def test_one_row_for_each_human_being(hub: Hub) -> None:
    assert sorted(str(row["id_number"]) for row in rows(hub, "person")) == sorted([HEAD, DAUGHTER, CHILD, BABY, "None"])


def test_standard_address_outranks_stated_village(hub: Hub) -> None:
    assert person(hub, HEAD)["residence_division_code"] == MAZHUANG
    assert person(hub, HEAD)["residence_grid_code"] == f"{MAZHUANG}001"


def test_living_place_outranks_register_and_breaks_consistency(hub: Hub) -> None:
    daughter = person(hub, DAUGHTER)
    assert daughter["residence_division_code"] == NEIGHBOUR
    assert daughter["registered_division_code"] == MAZHUANG
    assert daughter["is_registration_consistent"] is False
    assert person(hub, HEAD)["is_registration_consistent"] is True


def test_source_department_wins_field_by_field(hub: Hub) -> None:
    # The register of residents is first by authority for both fields, though the other list is as fresh.
    assert (person(hub, DAUGHTER)["person_name"], person(hub, DAUGHTER)["phone"]) == ("乙某", "10000000002")


def test_lineage_names_the_dataset_of_every_field(hub: Hub) -> None:
    table = DeltaTable(str(hub.lake.lineage("person"))).to_pyarrow_table().to_pylist()
    death = next(row for row in table if row["dataset"] == "health_commission/death")
    assert death["fields"] == ["death_date"]
    fields = [name for row in table if row["person_key"] == death["person_key"] for name in row["fields"]]
    assert len(fields) == len(set(fields)), "two datasets claim to have won one field"


def test_newborn_without_id_lives_with_the_mother(hub: Hub) -> None:
    newborn = person(hub, None)
    assert newborn["residence_division_code"] == NEIGHBOUR
    assert newborn["household_key"] == person(hub, DAUGHTER)["household_key"]


def test_newborn_registered_since_is_one_person(hub: Hub) -> None:
    assert person(hub, BABY)["birth_certificate_no"] == "Z000000002"


def test_death_closes_the_residence_until_the_police_cancel_it(hub: Hub) -> None:
    child = person(hub, CHILD)
    assert child["person_status_code"] == "deceased_unregistered"
    (home,) = (row for row in rows(hub, "residence") if row["person_key"] == child["person_key"])
    assert (home["residence_status_code"], home["is_current"]) == ("pending_cancellation", False)


def test_household_has_its_head_and_living_members(hub: Hub) -> None:
    (household,) = rows(hub, "household")
    assert household["head_person_key"] == person(hub, HEAD)["person_key"]
    assert household["member_count"] == 3
    assert household["address_code"] == "A1"


def test_all_units_of_the_county_and_their_ancestors_are_there(hub: Hub) -> None:
    levels = [row["division_level_code"] for row in rows(hub, "division")]
    assert {level: levels.count(level) for level in set(levels)} == {
        "province": 1,
        "prefecture": 1,
        "county": 1,
        "town": 13,
        "village": 134,
    }


def test_later_batches_change_fields_and_end_rows_but_never_keys(hub: Hub) -> None:
    before = person(hub, HEAD)
    newer = {"updated_at": dt.datetime(2026, 10, 9)}  # noqa: DTZ001
    put(
        hub,
        "public_security/registered_resident",
        [
            {"id_number": HEAD, "person_name": "甲新", "household_no": "H1", "relation_code": "02", "source_id": 1}
            | {"division_code": MAZHUANG, "operation_code": "U"}
            | newer
        ],
    )
    put(
        hub,
        "public_security/floating_resident",
        [
            {"id_type_code": "111", "id_number": DAUGHTER, "person_name": "乙", "source_id": 1, "operation_code": "D"}
            | {"division_code": NEIGHBOUR}
            | newer
        ],
    )
    put(
        hub,
        "public_security/cancelled_registration",
        [
            {"id_number": CHILD, "person_name": "丙某", "registration_end_reason_code": "death", "operation_code": "I"}
            | {"registration_end_date": dt.date(2026, 10, 8), "source_id": 1}
            | newer
        ],
    )
    link(hub)
    merge(hub)
    after = person(hub, HEAD)
    assert (after["person_key"], after["person_name"]) == (before["person_key"], "甲新")
    assert person(hub, DAUGHTER)["residence_division_code"] == MAZHUANG, "a row flagged D still counts"
    assert person(hub, CHILD)["person_status_code"] == "deceased"
