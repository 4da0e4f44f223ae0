"""`hub status`: the object that design promises, from what the ledger says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.errors import CountsError
from hub.exchange.versions import ProductVersion, record_version
from hub.ledger import Batch, Ledger, migrate
from hub.ledger.models import LedgerBase, ReleaseRow
from hub.ledger.repeats import note_repeat
from hub.status import status
from hub.store import Lake

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 2, tzinfo=UTC)
TAIL = "health_commission/death"


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(module_database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def hub(database: sa.Engine, tmp_path: Path) -> Hub:
    with database.begin() as connection:
        names = ", ".join(f'ledger."{table.name}"' for table in LedgerBase.metadata.sorted_tables)
        connection.execute(sa.text(f"TRUNCATE {names}"))
    nothing = cast(Any, None)
    return Hub(nothing, nothing, Lake(tmp_path), Ledger(database), database, date(2026, 11, 1))


def batch(hub: Hub, **changed: Any) -> Batch:
    found = replace(hub.ledger.new_batch(TAIL, "x.csv", "increment"), state="checked", **changed)
    hub.ledger.save_batch(found)
    return found


def test_an_empty_hub_has_every_member(hub: Hub) -> None:
    assert status(hub) == {
        "release": None,
        "as_of": "2026-11-01",
        "batches": [],
        "withheld": [],
        "held": [],
        "repeated": [],
        "products": [],
        "deliveries": {"due": 0, "sent": 0, "receipted": 0, "failed": 0},
        "undelivered": [],
    }


def test_batches_have_the_promised_members_and_add_up(hub: Hub) -> None:
    batch(hub, landed=6, accepted=3, quarantined=2, duplicate=1)
    (found,) = status(hub)["batches"]
    assert {name: found[name] for name in ("system", "dataset", "batch")} == {
        "system": "health_commission",
        "dataset": "death",
        "batch": "health_commission.death.000001",
    }
    assert [found[name] for name in ("landed", "accepted", "quarantined", "duplicate")] == [6, 3, 2, 1]


def test_a_held_batch_is_named_with_its_reason_and_must_add_up_too(hub: Hub) -> None:
    held = replace(batch(hub, landed=6, accepted=3, quarantined=2, duplicate=1), state="held", note="volume_share: …")
    hub.ledger.save_batch(held)
    (found,) = status(hub)["held"]
    assert (found["batch"], found["code"]) == (held.id, "volume_share")
    assert found["reason"] == "暂存的行占比过高；核对本次交付，修正后重新交付，或确认无误 / volume_share: …"
    assert [one["state"] for one in status(hub)["batches"]] == ["held"]
    hub.ledger.save_batch(replace(held, landed=7))
    with pytest.raises(CountsError, match="7 landed"):
        status(hub)


@pytest.mark.parametrize("counts", [(6, 3, 2, 0), (6, 4, 2, 1)])
def test_a_checked_batch_that_does_not_add_up_is_an_error(hub: Hub, counts: tuple[int, int, int, int]) -> None:
    batch(hub, **dict(zip(("landed", "accepted", "quarantined", "duplicate"), counts, strict=True)))
    with pytest.raises(CountsError, match=r"health_commission\.death\.000001: 6 landed"):
        status(hub)


def test_a_batch_on_its_way_need_not_add_up_yet(hub: Hub) -> None:
    hub.ledger.save_batch(replace(hub.ledger.new_batch(TAIL, "x", "increment"), state="landed", landed=6))
    assert [found["state"] for found in status(hub)["batches"]] == ["landed"]


def test_deliveries_set_aside_are_apart_with_their_reason(hub: Hub) -> None:
    withheld = replace(hub.ledger.new_batch(TAIL, "x.csv", "increment"), state="withheld", note="drop_incomplete: …")
    hub.ledger.save_batch(withheld)
    found = status(hub)
    assert found["batches"] == []
    assert found["withheld"] == [
        {
            "system": "health_commission",
            "dataset": "death",
            "batch": withheld.id,
            "offer": "x.csv",
            "code": "drop_incomplete",
            "reason": "缺少完成标记，文件可能未传完；补传完成标记或重新交付 / drop_incomplete: …",
        }
    ]


def test_deliveries_that_came_twice_are_told(hub: Hub) -> None:
    known = batch(hub)
    assert note_repeat(hub.ledger, known, "y.csv") is True
    assert note_repeat(hub.ledger, known, "y.csv") is False, "one line is enough"
    (found,) = status(hub)["repeated"]
    assert datetime.fromisoformat(found.pop("at")).tzinfo is not None
    assert found == {"system": "health_commission", "dataset": "death", "batch": known.id, "offer": "y.csv"}


def test_products_are_at_their_newest_version(hub: Hub) -> None:
    with Session(hub.database) as session, session.begin():
        session.add(ReleaseRow(number=4, as_of_date=AT.date(), released_at=AT, tables={}, state="live"))
    for version in (0, 1):
        record_version(hub, ProductVersion("village_summary", version, 4, 134, 133 + version, "0", AT, AT.date()))
    found = status(hub)
    assert found["release"] == 4
    assert found["products"] == [{"name": "village_summary", "version": 1, "release": 4, "rows": 134, "villages": 134}]


def test_it_can_be_written_as_json(hub: Hub) -> None:
    batch(hub, landed=1, accepted=1)
    assert json.loads(json.dumps(status(hub))) == status(hub)
