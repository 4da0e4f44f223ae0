"""Addresses as text: written alike, known as a whole or by their door."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.context import Hub
from hub.contracts import load_contracts
from hub.engine import Engine
from hub.linking import likely_addresses
from hub.linking.addresses import above, canonical, doorstep, look_up
from hub.linking.bench import Bench

NAMES = ("江苏省", "徐州市", "贾汪区")


def written(text: str | None, how: str = "canonical") -> Any:
    sql = canonical("t", NAMES) if how == "canonical" else doorstep("t")
    return duckdb.execute(f"SELECT {sql} FROM (SELECT ?::VARCHAR AS t)", [text]).fetchall()[0][0]


@pytest.mark.parametrize(
    "variant",
    [
        "江苏省徐州市贾汪区老矿街道援工社区兴业路18号锦绣花园3幢2单元202室",
        "徐州市贾汪区老矿街道援工社区兴业路18号锦绣花园3栋2单元202室",
        "老矿街道援工社区居民委员会兴业路18号锦绣花园3号楼2单元202室",
        "贾汪区　老矿街道 援工社区居委会兴业路１８号锦绣花园３幢２单元２０２室",
    ],
)
def test_one_address_is_written_one_way(variant: str) -> None:
    assert written(variant) == "老矿街道援工社区兴业路18号锦绣花园3幢2单元202室"


@pytest.mark.parametrize(
    ("text", "door"),
    [
        ("兴业路18号锦绣花园3幢2单元202室", "兴业路18号锦绣花园3幢"),
        ("兴业路18号锦绣花园3幢202室", "兴业路18号锦绣花园3幢"),
        ("朱湾村1组29号", "朱湾村1组29号"),
    ],
)
def test_doorstep(text: str, door: str) -> None:
    assert written(text, "doorstep") == door


def test_nothing_stays_nothing() -> None:
    assert written(None) is None
    assert written("　") is None


@given(st.text(st.sampled_from("江苏省徐州市贾汪区镇村委会居民社0１号栋楼室 　"), max_size=30), st.integers(0, 30))
def test_blanks_and_width_change_nothing(text: str, place: int) -> None:
    assert written(text[:place] + "　 " + text[place:]) == written(text.replace("１", "1"))


def test_names_above_are_those_of_the_hubs_own_division() -> None:
    assert above(load_contracts(), "320305") == NAMES
    assert above(load_contracts(), "3203") == NAMES[:2]


class _Desk(Bench):
    """A bench without a lake: its engine, and of the hub what addresses are read by."""

    def __init__(self) -> None:
        self.engine = cast(Engine, SimpleNamespace(con=ibis.duckdb.connect()))
        self.hub = cast(Hub, SimpleNamespace(as_of=date(2026, 11, 1), contracts=load_contracts()))


KNOWN = """
    SELECT * FROM (VALUES
        ('A1', '江苏省徐州市贾汪区老矿街道援工社区兴业路18号锦绣花园3幢1单元101室', 'V1', 'G1'),
        ('A2', '江苏省徐州市贾汪区老矿街道援工社区兴业路18号锦绣花园3幢2单元202室', 'V1', 'G1'),
        ('A3', '江苏省徐州市贾汪区塔山镇朱湾村1组29号', 'V2', 'G2'),
        ('A4', '江苏省徐州市贾汪区塔山镇同名村1组1号', 'V3', 'G3'),
        ('A5', '江苏省徐州市贾汪区塔山镇同名村1组1号', 'V4', 'G4'),
        ('A6', '江苏省徐州市贾汪区老矿街道援工社区新兴路18号锦绣花园3幢2单元202室', 'V1', 'G1'),
        ('A7', '江苏省徐州市贾汪区塔山镇荆台村3组7号', 'V5', 'G5'),
        ('A8', '江苏省徐州市贾汪区塔山镇荆山村3组7号', 'V6', 'G6')
    ) AS t(address_code, full_address, division_code, grid_code)
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("江苏省徐州市贾汪区塔山镇朱湾村1组29号", ("A3", "V2", "G2")),
        ("塔山镇朱湾村村委会1组29号", ("A3", "V2", "G2")),
        ("兴业路18号", None),
        ("老矿街道援工社区兴业路18号锦绣花园3栋9单元901室", (None, "V1", "G1")),
        ("江苏省徐州市贾汪区塔山镇同名村1组1号", None),
        (None, None),
        # A wrong character in the name of the village, of the estate; the village left out.
        ("塔山镇朱弯村1组29号", ("A3", "V2", "G2")),
        ("老矿街道援工社区兴业路18号锦锈花园3幢2单元202室", ("A2", "V1", "G1")),
        ("老矿街道兴业路18号锦绣花园3幢2单元202室", ("A2", "V1", "G1")),
        # As like to one as to the other; another place altogether; the numbers of nobody.
        ("塔山镇荆合村3组7号", None),
        ("紫庄镇岐山村3组7号", None),
        ("塔山镇朱湾村1组30号", None),
    ],
)
def test_look_up(text: str | None, expected: tuple[str | None, ...] | None) -> None:
    desk = _Desk()
    desk.duck.execute("CREATE TABLE wanted AS SELECT 'b' AS batch, 1 AS row, ?::VARCHAR AS text", [text])
    name = look_up(desk, "FROM wanted", KNOWN, "found", NAMES)
    rows = desk.duck.execute(f"SELECT _code, _village, _place FROM {name}").fetchall()
    assert rows == ([expected] if expected else [])


def test_what_is_only_likely_says_so() -> None:
    desk = _Desk()
    texts = [("塔山镇朱湾村1组29号",), ("塔山镇朱弯村1组29号",)]
    desk.duck.execute("CREATE TABLE wanted(batch VARCHAR, row BIGINT, text VARCHAR)")
    desk.duck.executemany("INSERT INTO wanted VALUES ('b', 1, ?)", texts[:1])
    desk.duck.executemany("INSERT INTO wanted VALUES ('b', 2, ?)", texts[1:])
    name = look_up(desk, "FROM wanted", KNOWN, "found", NAMES)
    rows = desk.duck.execute(f"SELECT _of_row, _code, _told_by FROM {name} ORDER BY 1").fetchall()
    assert rows == [(1, "A3", "address_text"), (2, "A3", "address_likely")]


def test_numbers_that_too_many_share_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likely_addresses, "CAP", 1)
    desk = _Desk()
    desk.duck.execute("CREATE TABLE wanted AS SELECT 'b' AS batch, 1 AS row, '塔山镇荆台树3组7号' AS text")
    assert desk.fetch(f"SELECT count(*) FROM {look_up(desk, 'FROM wanted', KNOWN, 'found', NAMES)}") == [(0,)]
