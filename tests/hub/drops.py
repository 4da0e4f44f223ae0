"""Drop folders of two departments, filled by hand: daily deaths (increment) and the list of allowances (snapshot)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

from tests.hub.mini import CHILD, HEAD, MAZHUANG

DEATH, ALLOWANCE = "health_commission/death", "civil_affairs/elderly_allowance"
COMPANIONS = (".md5", ".manifest.json", ".ok")

Row = Mapping[str, str]


def death(number: str = CHILD, **changed: str) -> Row:
    """A row as the department writes it."""
    usual = {"证明编号": f"D{number[-5:]}", "姓名": "丙某", "身份证件号码": number, "性别": "2", "出生日期": "20160101"}
    return {**usual, "死亡日期": "20260901", "户籍区划代码": MAZHUANG, **changed}


def allowance(number: str = HEAD, **changed: str) -> Row:
    """A row as the department writes it."""
    usual = {"姓名": "甲某", "身份证号": number, "年龄段": "70-79", "月津贴（元）": "50", "发放起始年月": "2020-01-01"}
    return {**usual, "联系电话": "", "区划代码": MAZHUANG, "村居名称": "马庄村", **changed}


class Drops:
    """The folders, and the file of settings that says where they are."""

    def __init__(self, folder: Path) -> None:
        self.health = folder / "health"
        self.civil = folder / "civil"
        self.env_file = folder / "places.env"
        for place in (self.health, self.civil):
            place.mkdir(parents=True)
        self.env_file.write_text(
            f"HUB_PLACE_HEALTH_COMMISSION_DAILY_DROP={self.health}\n"
            f"HUB_PLACE_CIVIL_AFFAIRS_MONTHLY_DROP={self.civil}\n",
            encoding="utf-8",
        )

    def deaths(self, day: str, *rows: Row, told: int | None = None, without: str = "") -> Path:
        """Deliver the deaths of a day with their companions, but for the one left out."""
        content = _csv(rows, rows[0] if rows else death())
        path = self.health / f"WJ_SWZM_{day}.csv"
        path.write_bytes(content)
        texts = (
            hashlib.md5(content, usedforsecurity=False).hexdigest(),
            json.dumps({"rows": len(rows) if told is None else told}),
            "",
        )
        for suffix, text in zip(COMPANIONS, texts, strict=True):
            if suffix != without:
                path.with_suffix(suffix).write_text(text, encoding="utf-8")
        return path

    def allowances(self, month: str, *rows: Row) -> Path:
        """Deliver the whole list of a month."""
        path = self.civil / f"高龄津贴发放名册_{month}.csv"
        path.write_bytes(_csv(rows, allowance()))
        return path

    def clear(self) -> None:
        """Take all deliveries away."""
        for place in (self.health, self.civil):
            for path in place.iterdir():
                path.unlink()


def _csv(rows: tuple[Row, ...], columns: Row) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("gb18030")
