"""Products go into departments' own systems: a database, an SFTP folder, a service and a queue; once, with receipts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from connectors import http
from hub.context import CHINA, Hub
from hub.errors import RetryError, StopError
from hub.exchange import pushing
from hub.exchange.readable import product_table
from hub.exchange.versions import newest_version
from hub.ledger.models import AuditRow, DeliveryRow
from hub.status import status
from hub.steps.deliver import Delivery, deliver
from hub.steps.link import link
from hub.steps.merge import merge
from hub.steps.publish import publish
from hub.steps.release import release
from hub.verify import verify
from tests.connectors.conftest import mariadb  # noqa: F401  a fixture
from tests.connectors.places_to_write import Place, Rows, by_text, queue, service, sftp_folder, table
from tests.hub.mini import MAZHUANG, fill, opened, put

pytestmark = pytest.mark.integration
PRODUCT, SYSTEM = "health_elderly_residents", "health_commission"
COLUMNS = {"person_token": "rylp", "division_code": "qhdm", "birth_date": "csrq", "is_registration_consistent": "rhyz"}
OLD = ("320371194503030071", "320371194001010011", "320371193507070025")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    with opened(tmp_path_factory.mktemp("pushing"), module_database_url) as hub:
        fill(hub)
        put(
            hub,
            "public_security/registered_resident",
            [
                {"id_number": number, "person_name": "某", "sex_code": "1", "household_no": f"H{place}"}
                | {"birth_date": dt.date(int(number[6:10]), 1, 1), "relation_code": "02", "address_code": "A1"}
                | {"division_code": MAZHUANG, "source_id": 10 + place, "operation_code": "I"}
                | {"updated_at": dt.datetime(2026, 10, 1)}  # noqa: DTZ001 - the department's carry no zone
                for place, number in enumerate(OLD)
            ],
        )
        link(hub)
        merge(hub)
        release(hub)
        publish(hub)
        deliver(hub)
        yield hub


@pytest.fixture(autouse=True)
def _anew(published: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.0)
    with published.database.begin() as link_:
        link_.execute(sa.text("DELETE FROM ledger.delivery WHERE receiver_kind = 'system'"))


@pytest.fixture
def rows(published: Hub) -> Rows:
    """The product's rows under the department's names."""
    version = newest_version(published, PRODUCT)
    assert version is not None
    with published.engine() as engine:
        product = published.contracts.products[PRODUCT]
        found = product_table(engine, published.lake, product, version.version).to_pyarrow().to_pylist()
    assert len(found) == 4
    return by_text([{theirs: row[name] for name, theirs in COLUMNS.items()} for row in found])


@pytest.fixture
def places(mariadb: sa.URL, tmp_path: Path) -> Iterator[dict[str, Place]]:  # noqa: F811
    columns = [sa.Column("rylp", sa.String(80)), sa.Column("qhdm", sa.String(12)), sa.Column("csrq", sa.Date)]
    with ExitStack() as stack:
        yield {
            "front": stack.enter_context(table(mariadb, *columns, sa.Column("rhyz", sa.Boolean))),
            "drop": stack.enter_context(sftp_folder(tmp_path / "served")),
            "gateway": stack.enter_context(service()),
            "broker": stack.enter_context(queue()),
        }


def with_places(hub: Hub, places: dict[str, Place], patch: pytest.MonkeyPatch, **changed: Any) -> Hub:
    """The hub with a department whose system names the places."""
    connections, entries = {}, []
    for name, place in places.items():
        way = place.connection
        patch.setenv(f"HUB_PLACE_{name.upper()}", way.place)
        connections[name] = {"kind": way.kind, "place": f"${{HUB_PLACE_{name.upper()}}}", "options": way.options}
        if way.secret:
            patch.setenv(f"HUB_SECRET_{name.upper()}", way.secret)
            connections[name]["secret"] = name.upper()
        entries.append(
            {"product": PRODUCT, "connection": name, "keys": ["person_token"], "columns": COLUMNS, **place.options}
        )
    system = hub.contracts.systems[SYSTEM]
    system = replace(system, connections=connections, deliver=tuple(entries), **changed)
    return replace(hub, contracts=replace(hub.contracts, systems={**hub.contracts.systems, SYSTEM: system}))


def kept(hub: Hub) -> dict[str, DeliveryRow]:
    """The newest delivery to each system."""
    query = sa.select(DeliveryRow).where(DeliveryRow.receiver_kind == "system").order_by(DeliveryRow.id)
    with Session(hub.database, expire_on_commit=False) as session:
        return {row.receiver.split("/")[1]: row for row in session.scalars(query)}


def as_csv(rows: Rows) -> Rows:
    words = {True: "true", False: "false", None: ""}
    return by_text([{name: words.get(value, str(value)) for name, value in row.items()} for row in rows])


def as_json(rows: Rows) -> Rows:
    return by_text([{**row, "csrq": row["csrq"].isoformat()} for row in rows])


def test_every_place_gets_the_product_once(
    published: Hub, places: dict[str, Place], rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = with_places(published, places, monkeypatch)
    made = deliver(hub)
    assert {one.receiver for one in made} == {f"{SYSTEM}/{name}/{PRODUCT}" for name in places}
    assert {(one.receiver_kind, one.rows) for one in made} == {("system", 4)}
    assert places["front"].rows() == rows
    assert places["drop"].rows() == as_csv(rows)
    assert places["gateway"].rows() == places["broker"].rows() == as_json(rows)
    assert {name: row.state for name, row in kept(hub).items()} == {
        # A file lies there and a message waits: nobody has said yet that he has it.
        "front": "receipted",
        "gateway": "receipted",
        "drop": "sent",
        "broker": "sent",
    }
    told = [row.receipt for row in kept(hub).values()]
    assert len({(one["rows"], one["sha256"]) for one in told if one}) == 1
    assert deliver(hub) == []
    assert places["broker"].rows() == as_json(rows)
    assert verify(hub)["faults"] == []


def test_a_place_that_fails_stops_no_other_and_is_tried_again(
    published: Hub, places: dict[str, Place], rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = with_places(published, places, monkeypatch)
    right = places["gateway"].connection.place
    monkeypatch.setenv("HUB_PLACE_GATEWAY", "http://127.0.0.1:1")
    with pytest.raises(RetryError, match=f"delivery of {PRODUCT} to {SYSTEM}/gateway, service /in"):
        deliver(hub)
    state = kept(hub)["gateway"]
    assert (state.state, "no whole answer" in state.note, "127.0.0.1" in state.note) == ("failed", True, False)
    (told,) = status(hub)["undelivered"]
    assert told == {"receiver": f"{SYSTEM}/gateway/{PRODUCT}", "state": "failed", "reason": state.note}
    assert places["drop"].rows() == as_csv(rows)
    monkeypatch.setenv("HUB_PLACE_GATEWAY", right)
    assert [one.receiver for one in deliver(hub)] == [f"{SYSTEM}/gateway/{PRODUCT}"]
    assert places["gateway"].rows() == as_json(rows)
    assert (kept(hub)["gateway"].state, kept(hub)["gateway"].note) == ("receipted", "")
    assert status(hub)["undelivered"] == []


def test_several_that_fail_are_told_together(
    published: Hub, places: dict[str, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = with_places(published, places, monkeypatch)
    monkeypatch.setenv("HUB_PLACE_GATEWAY", "http://127.0.0.1:1")
    places["front"].options["table"] = "no_such_table"
    hub = with_places(published, places, monkeypatch)
    monkeypatch.setenv("HUB_PLACE_GATEWAY", "http://127.0.0.1:1")
    with pytest.raises(StopError, match=r"2 deliveries failed: .*/front, table no_such_table: .*/gateway, service"):
        deliver(hub)
    with Session(hub.database) as session:
        newest = session.scalars(sa.select(AuditRow).order_by(AuditRow.number.desc()).limit(4)).all()
    told = {(row.action, row.details["receiver"].split("/")[1]) for row in newest}
    assert told == {
        *{("delivery_failed", "front"), ("delivery_failed", "gateway")},
        *{("delivery_written", "drop"), ("delivery_written", "broker")},
    }


def test_killed_between_writing_and_noting_it_is_there_once(
    published: Hub, places: dict[str, Place], rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = with_places(published, places, monkeypatch)
    note = pushing._note

    def killed(hub: Hub, one: Any, state: str, *told: Any, **more: Any) -> None:
        if state != "due":
            raise KeyboardInterrupt
        note(hub, one, state, *told, **more)

    for _ in range(2):
        monkeypatch.setattr(pushing, "_note", killed)
        with pytest.raises(KeyboardInterrupt):
            deliver(hub)
    monkeypatch.setattr(pushing, "_note", note)
    assert kept(hub)["front"].state == "due"
    deliver(hub)
    assert {name: bool(row.receipt and row.receipt["repeated"]) for name, row in kept(hub).items()} == {
        "front": True,
        "drop": False,
        "gateway": False,
        "broker": False,
    }
    assert places["front"].rows() == rows
    assert places["broker"].rows() == as_json(rows)


def test_what_is_to_be_written_otherwise_is_a_new_delivery(
    published: Hub, places: dict[str, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(with_places(published, places, monkeypatch))
    before = kept(published)["drop"].receipt
    places["drop"].options["format"] = "json_lines"
    again = with_places(published, places, monkeypatch)
    assert deliver(again) == [Delivery("system", f"{SYSTEM}/drop/{PRODUCT}", kept(published)["drop"].file, 4)]
    after = kept(published)["drop"].receipt
    assert before is not None
    assert after is not None
    assert before["delivery"] != after["delivery"]


@pytest.mark.parametrize("busy", ["quiet", "pulled"])
def test_a_department_that_is_quiet_or_being_pulled_gets_it_later(
    published: Hub, places: dict[str, Place], monkeypatch: pytest.MonkeyPatch, busy: str
) -> None:
    monkeypatch.setattr(pushing, "_PATIENCE", 0.2)
    clock = dt.datetime.now(CHINA)
    hours = (f"{clock:%H}:00-{(clock + dt.timedelta(hours=2)):%H}:00",) if busy == "quiet" else ()
    hub = with_places(published, places, monkeypatch, quiet_hours=hours)
    with ExitStack() as stack:
        if busy == "pulled":
            stack.enter_context(hub.ledger.locked(f"pull {SYSTEM}"))
        assert deliver(hub) == []
    assert {row.state for row in kept(hub).values()} == {"due"}
    assert all(row.note for row in kept(hub).values())
    assert places["front"].rows() == []
    assert len(deliver(with_places(published, places, monkeypatch))) == 4


def test_a_place_that_holds_other_rows_under_the_same_id_stops(
    published: Hub, places: dict[str, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = with_places(published, {"front": places["front"]}, monkeypatch)
    (due,) = pushing._due(hub, hub.contracts.systems[SYSTEM])
    name = places["front"].options["receipts"]
    engine = sa.create_engine(places["front"].connection.place)
    with engine.begin() as link_:
        link_.execute(sa.text(f"INSERT INTO {name} VALUES (:d, 3, 'x')"), {"d": due.delivery})
    engine.dispose()
    with pytest.raises(StopError, match=r"the place has 3 rows under its id\. Allowed: 4 rows"):
        deliver(hub)


def test_an_outbox_that_was_emptied_stops(
    published: Hub, places: dict[str, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = with_places(published, {"gateway": places["gateway"]}, monkeypatch)
    (due,) = pushing._due(hub, hub.contracts.systems[SYSTEM])
    path = hub.lake.root / due.row.file
    path.rename(path.with_suffix(".away"))
    try:
        with pytest.raises(StopError, match="is gone"):
            deliver(hub)
    finally:
        path.with_suffix(".away").rename(path)
