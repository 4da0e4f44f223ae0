"""Addresses: a text is taken apart into its levels, and the levels a department states are completed by it."""

from __future__ import annotations

from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.conform.addresses import LEVELS
from hub.contracts import load_contracts
from hub.errors import ConfigurationError
from hub.reasons import Outcome, Reason
from samples.divisions import short_name
from tests.hub.conform.reading import AS_OF, Reader, column, contract, read

OF_TEXT = [column("address", "full_address", physical="x")]
OF_TEXT += [column("address_level", name, physical="x") for name in LEVELS]


@cache
def reader() -> Reader:
    raw = pa.schema([("x", pa.string()), ("_row", pa.int64())])
    return Reader(contract(*OF_TEXT), load_contracts().codelists, raw, AS_OF)


def parsed(texts: list[str]) -> list[dict[str, str]]:
    """The levels of each text, without those it does not have."""
    raw = pa.table({"x": pa.array(texts, pa.string()), "_row": pa.array(range(len(texts)), pa.int64())})
    rows, issues = reader().read(raw)
    assert issues.num_rows == 0
    return [{name: row[name] for name in LEVELS if row[name] is not None} for row in sorted_rows(rows)]


def sorted_rows(rows: pa.Table) -> list[dict[str, Any]]:
    return sorted(rows.to_pylist(), key=lambda row: int(row["_row"]))


def levels(*values: str | None) -> dict[str, str]:
    """Levels in their order, `None` where the text has none."""
    return {name: value for name, value in zip(LEVELS, values, strict=False) if value is not None}


HERE = ("江苏省", "徐州市", "贾汪区", "老矿街道", "援工社区")
FLAT = (None, "兴业路", "18号", "锦绣花园", "3幢", "2单元")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("江苏省徐州市贾汪区老矿街道援工社区兴业路18号锦绣花园3幢2单元202室", levels(*HERE, *FLAT, None, "202室")),
        (
            "徐州市贾汪区 老矿街道援工社区居民委员会兴业路１８号锦绣花园３栋2单元202",
            levels(None, *HERE[1:], *FLAT, None, "202室"),
        ),
        ("兴业路18号锦绣花园3号楼2单元2楼202室", levels(*[None] * 5, *FLAT, "2层", "202室")),
        ("老矿街道兴业路18号锦绣花园3-2-202", levels(None, None, None, "老矿街道", None, *FLAT, None, "202室")),
        ("江苏省徐州市贾汪区塔山镇朱湾村1组29号", levels(*HERE[:3], "塔山镇", "朱湾村", "1组", None, "29号")),
        ("塔山镇朱湾村村委会第1村民小组29号", levels(*[None] * 3, "塔山镇", "朱湾村", "1组", None, "29号")),
        ("马庄村李家自然村12号", levels(*[None] * 4, "马庄村", "李家自然村", None, "12号")),
        ("马庄村东庄3组12号", levels(*[None] * 4, "马庄村", "东庄3组", None, "12号")),
        # Names that have ended: 铜山县 in 2010, 吴县市 in 2001.
        ("铜山县利国镇利国村3组8号", levels(None, None, "铜山县", "利国镇", "利国村", "3组", None, "8号")),
        ("苏州市吴县市东山镇杨湾村", levels(None, "苏州市", "吴县市", "东山镇", "杨湾村")),
        ("昆山市玉山镇人民路5号", levels(None, None, "昆山市", "玉山镇", None, None, "人民路", "5号")),
        ("徐州市人民路5号", levels(None, "徐州市", *[None] * 4, "人民路", "5号")),
        (
            "镇江市京口区正东路街道学府路301号",
            levels(None, "镇江市", "京口区", "正东路街道", None, None, "学府路", "301号"),
        ),
        ("古新镇路5号", levels(*[None] * 6, "古新镇路", "5号")),
        ("延安路123弄5号3幢", levels(*[None] * 6, "延安路123弄", "5号", None, "3幢")),
        ("育才路18号之一", levels(*[None] * 6, "育才路", "18号之一")),
        ("锦绣新村3幢101室", levels(*[None] * 8, "锦绣新村", "3幢", None, None, "101室")),
        ("太平新村3组5号", levels(*[None] * 4, "太平新村", "3组", None, "5号")),
        ("兴业路18号(供销社对面)", levels(*[None] * 6, "兴业路", "18号", *[None] * 5, "供销社对面")),
        ("兴业路18号锦绣花园3幢202室东侧", levels(*[None] * 6, *FLAT[1:5], None, None, "202室", "东侧")),
        ("苏果超市旁", levels(*[None] * 13, "苏果超市旁")),
        ("菜市场巷5号", levels(*[None] * 6, "菜市场巷", "5号")),
    ],
)
def test_texts_are_taken_apart(text: str, expected: dict[str, str]) -> None:
    assert parsed([text]) == [expected]


def test_nothing_has_no_levels() -> None:
    assert parsed(["", "　", "无"]) == [{}, {}, {"landmark": "无"}]


def test_every_village_of_the_province_is_found_in_its_address() -> None:
    titles = load_contracts().codelists["division"].titles
    villages = [code for code in titles if not code.endswith("000")]
    above = [[titles[code[:length].ljust(12, "0")] for length in (2, 4, 6, 9)] for code in villages]
    names = [short_name(titles[code]) for code in villages]
    texts = [f"{''.join(four)}{name}兴业路18号锦绣花园3幢" for four, name in zip(above, names, strict=True)]
    found = parsed(texts)
    right = [
        one == levels(*four, name, None, "兴业路", "18号", "锦绣花园", "3幢")
        for one, four, name in zip(found, above, names, strict=True)
    ]
    # Farms and zones whose village has their own name, and names like 镇东村 and 路办, stay beyond patterns.
    assert sum(right) > 0.965 * len(right)
    assert sum(one.get("county_name") == four[2] for one, four in zip(found, above, strict=True)) == len(above)


numbers = st.integers(1, 999).map(str)
names = st.text("李王赵钱孙周吴郑安宁和平", min_size=2, max_size=4)
heads = st.tuples(
    st.sampled_from([None, "江苏省"]),
    st.sampled_from(["徐州市", "镇江市"]),
    st.sampled_from(["贾汪区", "京口区"]),
    st.one_of(names.map(lambda name: name + "镇"), names.map(lambda name: name + "街道")),
    st.one_of(names.map(lambda name: name + "村"), names.map(lambda name: name + "社区")),
)
houses = st.tuples(st.integers(1, 40).map(lambda group: f"{group}组"), st.none(), numbers.map(lambda door: f"{door}号"))
flats = st.tuples(
    *(st.none(), names.map(lambda road: road + "路"), numbers.map(lambda door: f"{door}号")),
    names.map(lambda estate: estate + "花园"),
    *(st.builds(str.__add__, numbers, st.just(word)) for word in ("幢", "单元", "层", "室")),
)
written = st.sampled_from(["幢", "栋", "号楼"])
blanks = st.sampled_from(["", " ", "\u3000"])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(heads, st.one_of(houses, flats), written, blanks), min_size=1, max_size=60))
def test_levels_survive_being_written_together(drawn: list[tuple[Any, ...]]) -> None:
    parts = [(*head, *tail) for head, tail, _, _ in drawn]
    texts = [
        blank.join(part for part in whole if part).replace("幢", word)
        for whole, (_, _, word, blank) in zip(parts, drawn, strict=True)
    ]
    assert parsed(texts) == [levels(*whole) for whole in parts]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.text("江苏省徐州市县区镇乡街道村社区组路巷号幢单元层室0１23A-()无旁 　", max_size=40),
        min_size=1,
        max_size=60,
    )
)
def test_no_text_makes_it_fail_or_lose_the_text(texts: list[str]) -> None:
    raw = pa.table({"x": pa.array(texts, pa.string()), "_row": pa.array(range(len(texts)), pa.int64())})
    rows, _ = reader().read(raw)
    for row, text in zip(sorted_rows(rows), texts, strict=True):
        assert (row["full_address"] or "") == text.strip(" 　")
        assert all(row[name] != "" for name in LEVELS)


STATED = [
    *(column("address", "full_address", physical="text"), column("address_level", "road_name", physical="road")),
    *(column("address_level", name, physical=name) for name in ("building_no", "unit_no", "floor_no", "room_no")),
    column("address_level", "landmark", physical="text"),
]
TEXT = "江苏省徐州市贾汪区老矿街道援工社区兴业路18号锦绣花园3幢2单元202室(幼儿园旁)"


def stated(**cells: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The row and the issues by column, of cells that are stated beside a text."""
    empty = dict.fromkeys(("road", "building_no", "unit_no", "floor_no", "room_no"), None)
    found = read(STATED, {name: [value] for name, value in ({"text": TEXT} | empty | cells).items()})
    return found.rows[1], {name: issue for (_, name), issue in found.issues.items()}


def test_levels_that_are_not_stated_are_those_of_the_text() -> None:
    row, issues = stated(building_no="3幢", floor_no="无")
    assert {name: row[name] for name in ("road_name", "unit_no", "floor_no", "room_no", "landmark")} == {
        "road_name": "兴业路",
        "unit_no": "2单元",
        "floor_no": "无",
        "room_no": "202室",
        "landmark": "幼儿园旁",
    }
    filled = (Reason.ADDRESS_FROM_TEXT, Outcome.REPAIRED, None)
    assert issues == {name: (*filled, row[name]) for name in ("road_name", "unit_no", "room_no")}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *(("building_no", text, "3幢") for text in ("3", "3栋", "3号楼", "3#楼", "３幢")),
        *(("unit_no", "2", "2单元"), ("room_no", "202", "202室"), ("room_no", "202房", "202室")),
        *(("floor_no", "2楼", "2层"), ("floor_no", "-1", "-1层")),
    ],
)
def test_stated_numbers_get_the_standards_word(name: str, text: str, value: str) -> None:
    row, issues = stated(**{name: text})
    assert row[name] == value
    assert issues[name] == (Reason.ADDRESS_FORM, Outcome.REPAIRED, text, value)


def test_a_stated_level_wins_over_the_text_and_is_told() -> None:
    row, issues = stated(building_no="4幢", road="育才路", unit_no="无", room_no="202室")
    assert (row["building_no"], row["road_name"], row["unit_no"]) == ("4幢", "育才路", "无")
    # Names of roads are written in too many ways to be held against each other.
    assert issues == {"building_no": (Reason.ADDRESS_DIFFERS, Outcome.WARNED, "4幢", "4幢")}


def test_a_level_must_be_one() -> None:
    with pytest.raises(ConfigurationError, match="column x is no level of an address; allowed: province_name"):
        read([column("address_level")], {"x": ["1"]})
