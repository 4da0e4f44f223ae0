"""The whole walk on an invented county, held against its truth."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from hub.context import Hub
from hub.status import status
from hub.steps.deliver import deliver
from hub.steps.publish import publish
from hub.verify import verify
from hub.walk import build_is_due, run
from tests.accounting import unaccounted

pytestmark = pytest.mark.integration

Walked = tuple[Hub, Path]


def test_no_seeded_fault_vanishes(walked: Walked) -> None:
    hub, county = walked
    seeded, lost = unaccounted(hub, county)
    assert seeded > 10
    assert lost == []


def test_every_batch_adds_up_and_every_unit_is_served(walked: Walked) -> None:
    hub, _county = walked
    found = status(hub)
    for batch in found["batches"]:
        assert batch["landed"] == batch["accepted"] + batch["quarantined"] + batch["duplicate"], batch
    summary = next(product for product in found["products"] if product["name"] == "village_summary")
    assert summary["villages"] == 134
    assert found["deliveries"]["sent"] + found["deliveries"]["receipted"] >= 134
    assert found["deliveries"]["due"] == found["deliveries"]["failed"] == 0
    reasons = {withheld["code"] for withheld in found["withheld"]}
    assert reasons == {"drop_incomplete", "digest_mismatch", "manifest_count"}


def test_what_departments_delivered_is_counted(walked: Walked) -> None:
    hub, county = walked
    delivered = json.loads((county / "county.json").read_text(encoding="utf-8"))["counts"]
    landed: dict[str, int] = {}
    for batch in hub.ledger.batches(state="checked"):
        landed[batch.tail] = landed.get(batch.tail, 0) + batch.landed
    assert landed == delivered


def test_people_are_who_the_truth_says_and_where(walked: Walked) -> None:
    hub, county = walked
    truth = {row["id_number"]: row for row in pq.read_table(county / "truth" / "person.parquet").to_pylist()}
    people = DeltaTable(str(hub.lake.base("person"))).to_pyarrow_table().to_pylist()
    numbers = [person["id_number"] for person in people if person["id_number"]]
    assert len(numbers) == len(set(numbers)), "one number, two persons"
    known = [person for person in people if person["id_number"] in truth]
    assert len(known) > 0.9 * len(truth)
    true = {number: str(row["sex_code"]) for number, row in truth.items()}
    sexes = [person["sex_code"] == true[person["id_number"]] for person in known if person["sex_code"]]
    assert sum(sexes) / len(sexes) > 0.99


def test_packs_name_no_other_village(walked: Walked) -> None:
    hub, _county = walked
    codes = {path.name for path in (hub.lake.outbox() / "village").iterdir()}
    assert len(codes) == 134
    for code in sorted(codes)[::20]:
        with zipfile.ZipFile(next((hub.lake.outbox() / "village" / code).glob("*.zip"))) as pack:
            for name in pack.namelist():
                if name.endswith(".csv"):
                    lines = pack.read(name).decode("utf-8-sig").splitlines()[1:]
                    assert all(line.startswith(f'"{code}"') for line in lines), (code, name)


def test_second_walk_changes_nothing(walked: Walked) -> None:
    hub, _county = walked
    before = status(hub)
    assert not build_is_due(hub)
    assert run(hub) is None
    after = status(hub)
    assert after["release"] == before["release"]
    assert after["products"] == before["products"]
    assert after["deliveries"] == before["deliveries"]
    assert after["withheld"] == before["withheld"]
    assert publish(hub) == []
    assert deliver(hub) == []


def test_everything_verifies(walked: Walked) -> None:
    hub, _county = walked
    found = verify(hub)
    assert found["faults"] == []
    assert found["checked"]["packs"] == 136


def test_no_secret_and_no_person_in_ledger_or_manifests(walked: Walked) -> None:
    hub, county = walked
    secrets = [
        line.partition("=")[2].encode()
        for line in (county / "places.env").read_text(encoding="utf-8").splitlines()
        if line.startswith("HUB_SECRET_") and line.partition("=")[2]
    ]
    assert secrets
    numbers = [row["id_number"].encode() for row in pq.read_table(county / "truth" / "person.parquet").to_pylist()[:50]]
    for path in hub.lake.root.rglob("*.json"):
        content = path.read_bytes()
        assert not any(word in content for word in (*secrets, *numbers)), path
    ledger = json.dumps([vars(batch) for batch in hub.ledger.batches()], default=str).encode()
    assert not any(word in ledger for word in (*secrets, *numbers))


def test_a_killed_step_run_again_gives_the_same(walked: Walked) -> None:
    hub, _county = walked
    from dataclasses import replace

    from hub.steps.check import check
    from hub.steps.conform import conform

    batch = next(b for b in hub.ledger.batches("civil_affairs/elderly_allowance", state="checked"))
    accepted = pq.read_table(hub.lake.checked(batch.tail, batch.id) / "accepted.parquet").sort_by("_row")
    shutil.rmtree(hub.lake.conformed(batch.tail, batch.id))
    hub.ledger.save_batch(replace(batch, state="landed", accepted=0, quarantined=0, duplicate=0))
    again = check(hub, conform(hub, hub.ledger.batches(batch.tail, state="landed")[0]))
    assert again == batch
    assert pq.read_table(hub.lake.checked(batch.tail, batch.id) / "accepted.parquet").sort_by("_row") == accepted
