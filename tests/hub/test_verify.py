"""`hub verify`: whatever is touched, torn or gone is told, and one fault never hides another."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.contracts import load_contracts
from hub.exchange.signing import sign
from hub.exchange.versions import ProductVersion, record_version
from hub.ledger import Batch, Ledger, migrate
from hub.ledger.models import DeliveryRow, LedgerBase, ReleaseRow
from hub.settings import load_settings
from hub.store import Lake, write_atomically
from hub.verify import verify

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 2, tzinfo=UTC)
TAIL, PRODUCT, PACK = "health_commission/death", "village_summary", "8-outbox/village/x/x-r1.zip"


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(module_database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def hub(database: sa.Engine, tmp_path: Path) -> Hub:
    """One audit line, one batch, one product, one pack; all as the steps leave them."""
    with database.begin() as connection:
        names = ", ".join(f'ledger."{table.name}"' for table in LedgerBase.metadata.sorted_tables)
        connection.execute(sa.text(f"TRUNCATE {names}"))
    settings = load_settings(data_dir=tmp_path)
    hub = Hub(settings, load_contracts(), Lake(tmp_path), Ledger(database), database, AT.date())
    hub.ledger.audit("extract", "test", {"rows": 1})
    landed = replace(hub.ledger.new_batch(TAIL, "x", "increment"), state="checked", landed=3, accepted=2, duplicate=1)
    hub.ledger.save_batch(landed)
    write_atomically(manifest_of(hub, landed), b'{"rows": 3}')
    with Session(database) as session, session.begin():
        session.add(ReleaseRow(number=1, as_of_date=date(2026, 11, 1), released_at=AT, tables={}, state="live"))
    record_version(hub, ProductVersion(PRODUCT, 0, 1, 1, 1, "0", AT, AT.date()))
    publish(hub, 0)
    deliver(hub, 1, b"pack")
    return hub


def manifest_of(hub: Hub, batch: Batch) -> Path:
    return hub.lake.raw(TAIL, batch.id) / "manifest.json"


def publish(hub: Hub, version: int) -> None:
    """Write a product's file and signed manifest."""
    write_atomically(hub.lake.product(PRODUCT) / "part.parquet", b"rows")
    files = {"part.parquet": hashlib.sha256(b"rows").hexdigest()}
    signed = sign(hub, {"product": PRODUCT, "version": version, "files": files})
    write_atomically(hub.lake.product_manifest(PRODUCT), signed)


def deliver(hub: Hub, release: int, content: bytes, state: str = "sent") -> None:
    write_atomically(hub.lake.root / PACK, content)
    with Session(hub.database) as session, session.begin():
        session.add(
            DeliveryRow(
                receiver_kind="village",
                receiver="x",
                release_number=release,
                content_hash="0",
                state=state,
                file=PACK,
                file_sha256=hashlib.sha256(content).hexdigest(),
                rows=1,
                delivered_at=AT,
            )
        )


def only_fault(hub: Hub) -> str:
    (fault,) = verify(hub)["faults"]
    return str(fault)


def batch(hub: Hub) -> Batch:
    (found,) = hub.ledger.batches()
    return found


def test_an_untouched_hub_has_no_fault(hub: Hub) -> None:
    assert verify(hub) == {
        "checked": {"audit lines": 1, "batches": 1, "product manifests": 1, "packs": 1},
        "faults": [],
    }


def test_an_empty_hub_has_no_fault(hub: Hub) -> None:
    with hub.database.begin() as connection:
        names = ", ".join(f'ledger."{table.name}"' for table in LedgerBase.metadata.sorted_tables)
        connection.execute(sa.text(f"TRUNCATE {names}"))
    shutil.rmtree(hub.lake.root)
    assert verify(hub)["faults"] == []


def test_a_broken_audit_chain(hub: Hub) -> None:
    with hub.database.begin() as connection:
        connection.execute(sa.text("UPDATE ledger.audit SET actor = 'nobody'"))
    assert "audit record, line 1" in only_fault(hub)


@pytest.mark.parametrize("counts", [{"accepted": 1}, {"quarantined": 1}, {"duplicate": 0}])
def test_counts_that_do_not_add_up(hub: Hub, counts: dict[str, int]) -> None:
    hub.ledger.save_batch(replace(batch(hub), **counts))
    assert only_fault(hub) == f"{batch(hub).id}: 3 landed is not accepted + quarantined + duplicate"


@pytest.mark.parametrize("content", [b'{"rows": 4}', b"{}", b'{"rows"', b"", b"[]", b"\xff", None])
def test_a_raw_manifest_that_is_gone_torn_or_counts_otherwise(hub: Hub, content: bytes | None) -> None:
    path = manifest_of(hub, batch(hub))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert only_fault(hub).startswith(f"{batch(hub).id}: its raw manifest is missing or counts other rows")


@pytest.mark.parametrize("content", [b"{}", b'{"product"', b"[]", None])
def test_a_product_manifest_that_is_gone_or_torn(hub: Hub, content: bytes | None) -> None:
    path = hub.lake.product_manifest(PRODUCT)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert only_fault(hub) == f"product {PRODUCT}: its manifest is missing or does not bear this hub's signature"


def test_a_product_manifest_that_was_changed_or_signed_elsewhere(hub: Hub) -> None:
    path = hub.lake.product_manifest(PRODUCT)
    signed = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**signed, "rows": 9}), encoding="utf-8")
    assert "does not bear this hub's signature" in only_fault(hub)
    (hub.lake.keys() / "manifest-signing").write_bytes(b"0" * 32)
    path.write_text(json.dumps(signed), encoding="utf-8")
    assert "does not bear this hub's signature" in only_fault(hub)


def test_a_manifest_of_an_older_version(hub: Hub) -> None:
    record_version(hub, ProductVersion(PRODUCT, 1, 1, 1, 1, "0", AT, AT.date()))
    assert only_fault(hub) == f"product {PRODUCT}: its manifest is of version 0, the newest is 1"
    publish(hub, 1)
    assert verify(hub)["faults"] == []


@pytest.mark.parametrize("content", [b"other", None])
def test_a_product_file_that_was_changed_or_removed(hub: Hub, content: bytes | None) -> None:
    path = hub.lake.product(PRODUCT) / "part.parquet"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert only_fault(hub) == f"product {PRODUCT}: file part.parquet is missing or changed"


@pytest.mark.parametrize("content", [b"other", None])
def test_a_pack_that_was_changed_or_removed(hub: Hub, content: bytes | None) -> None:
    path = hub.lake.root / PACK
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert only_fault(hub) == "delivery to village x: its file is missing or changed"


def test_only_the_newest_pack_that_was_sent_must_be_there(hub: Hub) -> None:
    deliver(hub, 2, b"newer")
    deliver(hub, 3, b"newer", state="due")
    assert verify(hub)["faults"] == []
    assert verify(hub)["checked"]["packs"] == 1


def test_all_faults_are_told_at_once(hub: Hub) -> None:
    with hub.database.begin() as connection:
        connection.execute(sa.text("UPDATE ledger.audit SET actor = 'nobody'"))
    manifest_of(hub, batch(hub)).write_bytes(b"torn")
    hub.ledger.save_batch(replace(batch(hub), accepted=0))
    shutil.rmtree(hub.lake.root / "7-products")
    shutil.rmtree(hub.lake.outbox())
    found = verify(hub)
    assert len(found["faults"]) == 5
    assert found["checked"]["batches"] == 1
