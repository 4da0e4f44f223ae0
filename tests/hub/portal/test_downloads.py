"""Downloads: the village's rows alone, named in Chinese, recorded, receipted, and nothing left behind."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from urllib.parse import unquote

import openpyxl
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.ledger.models import AuditRow, DeliveryRow
from tests.hub.portal.miniature import MAZHUANG, RESIDENTS_EACH, Visitor, grant_for

pytestmark = pytest.mark.integration

ROSTER = f"/village/{MAZHUANG}/village_resident_roster"


def delivery(hub: Hub) -> DeliveryRow:
    with Session(hub.database) as session:
        return session.scalars(select(DeliveryRow).where(DeliveryRow.receiver == MAZHUANG)).one()


@pytest.fixture(autouse=True)
def delivery_without_receipt(portal_hub: Hub) -> None:
    with Session(portal_hub.database) as session, session.begin():
        session.execute(update(DeliveryRow).values(state="sent", receipted_at=None, receipted_by=None))


def test_a_workbook_holds_the_villages_people_and_no_others(mazhuang: Visitor) -> None:
    answer = mazhuang.get(f"{ROSTER}.xlsx")
    assert answer.headers["Content-Type"].endswith("spreadsheetml.sheet")
    name = unquote(answer.headers["Content-Disposition"].partition("filename*=utf-8''")[2])
    assert name == "马庄村委会_村（社区）居民名册_第7期_20261101.xlsx"
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    header = next(number for number, row in enumerate(rows) if "姓名" in row)
    names = {row[rows[header].index("姓名")] for row in rows[header + 1 :]}
    assert names == {f"居民204号{index}" for index in range(RESIDENTS_EACH)}


def test_a_text_file_opens_in_excel_and_holds_the_same(mazhuang: Visitor) -> None:
    answer = mazhuang.get(f"{ROSTER}.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == RESIDENTS_EACH
    assert {row["村居代码"] for row in rows} == {MAZHUANG}


def test_a_download_is_recorded_and_receipted(portal_hub: Hub, mazhuang: Visitor) -> None:
    assert delivery(portal_hub).state == "sent"
    mazhuang.get(f"{ROSTER}.csv")
    with Session(portal_hub.database) as session:
        last = session.scalars(select(AuditRow).order_by(AuditRow.number.desc()).limit(1)).one()
    assert last.action == "extract"
    assert last.details["product"] == "village_resident_roster"
    assert (last.details["division"], last.details["rows"]) == (MAZHUANG, RESIDENTS_EACH)
    assert last.details["purpose"] == "基层治理"
    assert delivery(portal_hub).state == "receipted"
    assert delivery(portal_hub).receipted_by == last.actor


def test_a_look_at_a_part_of_the_pack_is_no_receipt(portal_hub: Hub, visitor: Visitor) -> None:
    visitor.sign_in(*grant_for(portal_hub, MAZHUANG, ("village_resident_roster",)))
    assert visitor.get(f"{ROSTER}.csv").status_code == 200
    assert delivery(portal_hub).state == "sent"


def test_a_look_from_the_town_is_no_receipt_of_the_village(portal_hub: Hub, town: Visitor) -> None:
    assert town.get(f"{ROSTER}.csv").status_code == 200
    assert delivery(portal_hub).state == "sent"


@pytest.mark.parametrize("file", ["village_resident_roster.parquet", "village_resident_roster", ".csv", "no_such.csv"])
def test_what_is_not_offered_is_not_found(portal_hub: Hub, mazhuang: Visitor, file: str) -> None:
    assert mazhuang.get(f"/village/{MAZHUANG}/{file}").status_code == 404
    assert delivery(portal_hub).state == "sent"


def test_nothing_stays_on_disk(mazhuang: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert mazhuang.get(f"{ROSTER}.xlsx").status_code == 200

    def broken(*_: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr("hub.portal.downloads.extract", broken)
    with pytest.raises(OSError, match="disk full"):
        mazhuang.get(f"{ROSTER}.xlsx")
    assert list(tmp_path.iterdir()) == []
