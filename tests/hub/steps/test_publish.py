"""Publish and deliver: products by scope and purpose, packs once, receipts, extracts that stay inside."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.errors import ScopeError, StopError
from hub.exchange.extract import FORMATS, count_rows, extract
from hub.exchange.grants import create_grant
from hub.exchange.packs import zipped
from hub.exchange.receipts import delivery_counts, receipt
from hub.exchange.signing import public_key, verify
from hub.exchange.versions import newest_version, newest_versions
from hub.ledger.models import AuditRow, DeliveryRow
from hub.steps.deliver import deliver
from hub.steps.link import link
from hub.steps.merge import merge
from hub.steps.publish import publish
from hub.steps.release import release
from hub.verify import verify as verify_hub
from tests.hub.mini import DAUGHTER, HEAD, MAZHUANG, NEIGHBOUR, fill, opened, put

pytestmark = pytest.mark.integration
ROSTER = "village_resident_roster"


def build(hub: Hub) -> None:
    link(hub)
    merge(hub)
    release(hub)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Any:
    with opened(tmp_path_factory.mktemp("publish"), module_database_url) as opened_hub:
        fill(opened_hub)
        build(opened_hub)
        publish(opened_hub)
        yield opened_hub


def roster(hub: Hub, division: str, path: Path) -> list[dict[str, Any]]:
    extract(hub, ROSTER, division, "parquet", path, actor="test")
    return pq.read_table(path).to_pylist()


def test_roster_holds_the_living_of_that_village_alone(hub: Hub, tmp_path: Path) -> None:
    rows = roster(hub, NEIGHBOUR, tmp_path / "x.parquet")
    assert sorted(row["person_name"] for row in rows) == ["丁*", "乙某", "戊*"]
    assert {row["division_code"] for row in rows} == {NEIGHBOUR}
    assert [row["person_name"] for row in roster(hub, MAZHUANG, tmp_path / "y.parquet")] == ["甲某"]


def test_masks_hide_numbers_and_the_names_of_children(hub: Hub, tmp_path: Path) -> None:
    numbers = {row["id_number"] for row in roster(hub, "320305", tmp_path / "x.parquet")}
    assert numbers == {None, "320***********0016", "320***********0022", "320***********0036"}


def test_department_gets_a_token_that_is_neither_number_nor_plain_hash(hub: Hub, tmp_path: Path) -> None:
    import hashlib

    extract(hub, "health_elderly_residents", "320305", "parquet", tmp_path / "x.parquet", actor="test")
    (row,) = pq.read_table(tmp_path / "x.parquet").to_pylist()
    assert len(row["person_token"]) == 32
    assert row["person_token"] not in hashlib.sha256(HEAD.encode()).hexdigest()
    assert "person_name" not in row


def test_summary_counts_what_the_roster_lists(hub: Hub, tmp_path: Path) -> None:
    extract(hub, "village_summary", "320305", "parquet", tmp_path / "s.parquet", actor="test")
    summary = {row["division_code"]: row for row in pq.read_table(tmp_path / "s.parquet").to_pylist()}
    assert len(summary) == 134
    assert summary[MAZHUANG]["residents"] == 1
    assert (summary[NEIGHBOUR]["residents"], summary[NEIGHBOUR]["aged_0_14"]) == (3, 2)
    assert summary[MAZHUANG]["elderly_allowance"] == 1


def test_packs_with_equal_content_are_equal_bytes() -> None:
    assert zipped({"a": b"1"}) == zipped({"a": b"1"})
    assert zipfile.ZipFile(io.BytesIO(zipped({"a": b"1"}))).testzip() is None


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {"geojson"}))
def test_every_format_has_all_rows(hub: Hub, tmp_path: Path, format: str) -> None:
    assert extract(hub, ROSTER, "320305", format, tmp_path / f"x.{format}", actor="test") == 4


def test_geojson_has_points_and_is_refused_without_coordinates(hub: Hub, tmp_path: Path) -> None:
    assert extract(hub, "village_address_book", MAZHUANG, "geojson", tmp_path / "x.geojson", actor="test") == 1
    found = json.loads((tmp_path / "x.geojson").read_text(encoding="utf-8"))
    assert found["features"][0]["geometry"] == {"type": "Point", "coordinates": [117.5, 34.5]}
    with pytest.raises(StopError, match="no coordinates"):
        extract(hub, ROSTER, MAZHUANG, "geojson", tmp_path / "y.geojson", actor="test")
    assert not (tmp_path / "y.geojson").exists()


def test_workbook_keeps_text_as_text_under_chinese_headers(hub: Hub, tmp_path: Path) -> None:
    extract(hub, ROSTER, MAZHUANG, "xlsx", tmp_path / "x.xlsx", actor="test")
    sheet = openpyxl.load_workbook(tmp_path / "x.xlsx").active
    assert sheet is not None
    lines = list(sheet.iter_rows(values_only=True))
    row = dict(zip(lines[1], lines[2], strict=True))
    assert row["村居代码"] == MAZHUANG
    assert (row["性别"], row["人户一致"]) == ("男", "是")


def test_outsiders_find_no_door(hub: Hub, tmp_path: Path) -> None:
    grant, _code = create_grant(hub, holder="潘安湖街道", operator="马庄", division=MAZHUANG, purpose="走访")
    for division in (NEIGHBOUR, "320305005000", "320305", "32", "3203050052", MAZHUANG[:-1]):
        with pytest.raises(ScopeError):
            extract(hub, ROSTER, division, "csv", tmp_path / "x.csv", actor="马庄", grant=grant)
    with pytest.raises(ScopeError):
        extract(hub, "health_elderly_residents", MAZHUANG, "csv", tmp_path / "x.csv", actor="马庄", grant=grant)
    assert not (tmp_path / "x.csv").exists()
    assert extract(hub, ROSTER, MAZHUANG, "csv", tmp_path / "x.csv", actor="马庄", grant=grant) == 1


@pytest.mark.parametrize("division", ["110000", "320305005999", "", "x", "%", "320305_05204"])
def test_divisions_outside_or_malformed_are_refused(hub: Hub, division: str) -> None:
    with pytest.raises(ScopeError):
        count_rows(hub, ROSTER, division)


def test_interrupted_delivery_is_made_again_and_every_village_gets_one_pack(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hub.steps.deliver as module

    def broken(path: Path, content: bytes) -> None:
        raise OSError("disk is full")

    monkeypatch.setattr(module, "write_atomically", broken)
    with pytest.raises(OSError, match="disk is full"):
        deliver(hub)
    assert delivery_counts(hub)["due"] == 1
    monkeypatch.undo()
    first = deliver(hub)
    assert len([sent for sent in first if sent.receiver_kind == "village"]) == 134
    assert delivery_counts(hub) == {"due": 0, "sent": 136, "receipted": 0, "failed": 0}
    assert deliver(hub) == []


def test_every_delivery_leaves_a_line_in_the_audit_record(hub: Hub) -> None:
    deliver(hub)
    with Session(hub.database) as session:
        query = select(AuditRow.actor, AuditRow.details).where(AuditRow.action == "delivered").order_by(AuditRow.number)
        lines = session.execute(query).all()
        sent = session.scalars(select(DeliveryRow).where(DeliveryRow.state == "sent").order_by(DeliveryRow.id)).all()
    assert [(actor, details) for actor, details in lines] == [
        (
            "hub",
            {"kind": row.receiver_kind, "receiver": row.receiver, "release": row.release_number, "rows": row.rows}
            | {"file_sha256": row.file_sha256},
        )
        for row in sent
    ]
    assert len(lines) == 136
    assert verify_hub(hub)["checked"]["audit lines"] >= 136


def test_pack_holds_its_own_village_and_a_manifest_that_verifies(hub: Hub) -> None:
    deliver(hub)
    pack = next((hub.lake.outbox() / "village" / MAZHUANG).glob("*.zip"))
    with zipfile.ZipFile(pack) as content:
        texts = {name: content.read(name).decode("utf-8-sig") for name in content.namelist()}
    manifest = json.loads(texts.pop("manifest.json"))
    assert verify(manifest, public_key(hub))
    assert not verify({**manifest, "release": 99}, public_key(hub))
    assert "乙某" not in "".join(texts.values()), "a neighbour's resident is in this pack"
    assert NEIGHBOUR not in "".join(texts.values())
    # One resident, one care status, one address, one summary.
    rows = {product["name"]: product["rows"] for product in manifest["products"]}
    assert rows.pop("village_indicators") > 0
    assert list(rows.values()) == [1, 1, 0, 1, 1]


def test_receipt_is_taken_once(hub: Hub) -> None:
    deliver(hub)
    assert receipt(hub, "village", MAZHUANG, "马庄")
    assert not receipt(hub, "village", MAZHUANG, "马庄")
    assert not receipt(hub, "village", "320305999999", "nobody")
    assert delivery_counts(hub)["receipted"] == 1


def test_only_what_changed_is_published_and_sent_again(hub: Hub) -> None:
    deliver(hub)
    before = {version.name: version.version for version in newest_versions(hub)}
    assert publish(hub) == []
    put(
        hub,
        "civil_affairs/destitute_person",
        [{"record_no": "1", "id_number": DAUGHTER, "person_name": "乙某", "division_code": NEIGHBOUR}],
    )
    build(hub)
    assert {version.name for version in publish(hub)} == {"village_care_list", "village_indicators", "village_summary"}
    after = newest_version(hub, "village_care_list")
    assert after is not None
    assert after.version == before["village_care_list"] + 1
    assert [sent.receiver for sent in deliver(hub)] == [NEIGHBOUR]


def test_verify_finds_what_was_touched(hub: Hub) -> None:
    deliver(hub)
    assert verify_hub(hub)["faults"] == []
    pack = next((hub.lake.outbox() / "village" / MAZHUANG).glob("*.zip"))
    pack.write_bytes(pack.read_bytes() + b" ")
    product = next(hub.lake.product(ROSTER).glob("*.parquet"))
    product.write_bytes(product.read_bytes() + b" ")
    faults = verify_hub(hub)["faults"]
    assert len(faults) == 2
    assert MAZHUANG in faults[1]
    assert ROSTER in faults[0]
