"""Reading addresses: a text is taken apart into the levels of GB/T 39609, from the left and from the building on.

Each level is one short pattern on what the levels before it have left: a single long pattern for all of them takes
forty times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import ibis
import ibis.expr.types as ir

from hub.conform.cell import BLANKS, Cell, Stage, cleaned, first_reason, half_width
from hub.conform.codes import DIVISIONS
from hub.conform.texts import read_text
from hub.reasons import Reason

__all__ = ["ADDRESS", "ADDRESS_LEVEL", "LEVELS", "NARROW", "VARIANTS", "WIDE"]

LEVELS: Mapping[str, str] = {
    "province_name": "省",
    "city_name": "市",
    "county_name": "县",
    "town_name": "乡镇",
    "village_name": "村（居）",
    "group_name": "组、自然村",
    "road_name": "街路巷",
    "door_no": "门牌号",
    "estate_name": "小区、院落",
    "building_no": "楼幢",
    "unit_no": "单元",
    "floor_no": "层",
    "room_no": "室",
    "landmark": "标志物",
}
"""Levels that a text is taken apart into, by the columns that hold them."""

WIDE, NARROW = "０１２３４５６７８９ＡＢＣＤＥＦＧ－（）", "0123456789ABCDEFG-()"
"""Full-width characters of addresses and what stands for them."""

VARIANTS = (
    ("[栋棟]|号楼", "幢"),
    ("村(村民|村)?委员?会", "村"),
    ("社区(居民|居)?委员?会", "社区"),
    ("号院", "号"),
)
"""Ways of writing (a regular expression) -> the one way. Linking writes addresses alike by them."""

_HAN = "一二三四五六七八九十"
_NUMBER = f"[0-9A-Za-z{_HAN}甲乙丙丁东西南北]"
_SMALL = f"[0-9{_HAN}]{{1,3}}"
_ROADS = "[路街巷弄]"
_PROVINCE = "^(北京市|上海市|天津市|重庆市|[^省市县区0-9]{2,7}(?:省|自治区|特别行政区))"
_CITY = "[^0-9][^省市县区乡镇0-9]{0,8}(?:市|自治州|地区|盟)"
_COUNTY = "[^0-9][^省市县区旗乡镇街路巷道村社小0-9]{0,8}(?:县市|县|区|旗)"
_COUNTY_CITY = "[^省市县区乡镇街路村社超菜集夜城都0-9]{2,4}市"
_STREET = "^([^0-9号村社(]{1,8}村?街道(?:办事处)?)"
_TOWN = (
    "^((?:[^0-9路街巷弄号村][^0-9路街巷弄号村社镇乡]{0,6}?(?:[^0-9号镇乡]镇|[^0-9路街巷弄号镇乡]乡|镇镇)"
    "|[^0-9路街巷弄号村社]{2,12}?(?:开发区|工业园区?|产业园区?|创业园区?|科技园区?|园区|新城|新区|经济区|度假区|风景区"
    "|管理区|森林公园|农场|林场|渔场|盐场|种场|畜场|猪场|监狱)|高新区|经开区|[^0-9号村社]{1,6}办(?:事处)?)"
    r"(?:\([^()]{1,12}\)|-[^0-9路街巷弄号村社镇乡]{1,7}镇)?)(?:[^0-9A-Za-z路街巷弄号幢公]|[路街巷弄][^0-9]|$)"
)
_VILLAGE = (
    "^((?:[^0-9号幢村]{1,6}村)?[^0-9号幢村]{1,12}?社区"
    "|[^0-9号路街巷弄幢]{0,9}?[^0-9号幢](?:村社区|村村|村|居(?:民)?委(?:员)?会))(?:[^路街巷弄大]|大[^街道]|$)"
)
_NEW_ESTATE = f"^[^0-9号路街巷弄幢]{{1,10}}?新村{_NUMBER}{{1,5}}[幢区期-]"
_GROUP = f"^([^0-9路街巷弄号幢]{{0,8}}第?{_SMALL}(?:村民|居民)?小?组|[^0-9路街巷弄号幢]{{1,7}}自然村)"
_HAMLET = "^([^0-9路街巷弄号幢]{1,6}[庄屯圩垛])(?:[0-9]|$)"
_ROAD = (
    f"^([^0-9号幢组]{{1,11}}?(?:大道|大街|公路|胡同|路|街|巷|弄)(?:[0-9{_HAN}]{{1,4}}(?:支路|巷|弄|段))?"
    "|[0-9]{2,3}(?:国道|省道|县道))"
)
_DOOR = f"^([甲乙丙丁]?[0-9]{{1,5}}[A-Za-z]?(?:-[0-9]{{1,4}}){{0,2}}号(?:之{_SMALL}|附[0-9]{{1,3}}号?)?)"
_TRIPLE = "[0-9]{1,3}-[0-9]{1,2}-[0-9]{3,4}"
"""Building, stair and room as people write them in short."""
_INSIDE = f"({_TRIPLE}室?$|{_NUMBER}{{1,5}}幢.*|{_SMALL}单元.*|-?{_SMALL}[层楼].*|[0-9A-Za-z-]{{1,8}}[室户].*)$"
_ROOM = "(?:^|幢|单元|层|楼)([0-9A-Za-z-]{1,8})[室户房]?(?:$|[^0-9A-Za-z号幢座单层楼-])"
_AFTER_ROOM = "[0-9A-Za-z][室户房]([^室户房]+)$"
_REMARK = r"\((.+)\)$"
_ESTATE = "(花园|家园|小区|新村|公寓|苑|园|大厦|广场|城|府|庭|墅|湾|里|坊|院|宿舍|市场|楼)$"
_BARE = f"^{_NUMBER[:-1]}-]{{1,8}}$"
_SUFFIXES = {"door_no": "号", "building_no": "幢", "unit_no": "单元", "floor_no": "层", "room_no": "室"}
_ALIASES = {"building_no": "(栋|棟|号楼|#楼?)$", "floor_no": "楼$", "room_no": "[户房]$"}


def _plain(cell: Cell) -> dict[str, ir.Value]:
    narrow = half_width(cell.text("clean")).translate("－（）", "-()")
    return {"plain": ibis.ifelse(narrow.re_search(f"[{BLANKS}]"), narrow.re_replace(f"[{BLANKS}]", ""), narrow)}


def _spelled(cell: Cell) -> dict[str, ir.Value]:
    text = cell.text("plain")
    for pattern, instead in (("#楼?", "幢"), *VARIANTS):
        text = text.re_replace(pattern, instead)
    return {"rest": text, "province_name": text.re_extract(_PROVINCE, 1)}


def _cut(cell: Cell, before: str) -> ir.StringValue:
    """What is left behind a level."""
    return cell.text("rest").substr(cell.text(before).length())


def _city(cell: Cell) -> dict[str, ir.Value]:
    # A city without a county behind it must be one of the list: else 昆山市, and many a market, would be a prefecture.
    rest = _cut(cell, "province_name")
    followed = rest.re_extract(f"^({_CITY})(?:{_COUNTY}|{_COUNTY_CITY}(?:[^场]|$))", 1)
    return {
        "rest": rest,
        "city_name": ibis.ifelse(followed != "", followed, rest.re_extract(f"^({_prefectures(cell)})", 1)),
    }


def _county(cell: Cell) -> dict[str, ir.Value]:
    rest = _cut(cell, "city_name")
    return {"rest": rest, "county_name": rest.re_extract(f"^({_COUNTY}|{_COUNTY_CITY})(?:[^场]|$)", 1)}


def _prefectures(cell: Cell) -> str:
    """Names of the division list's prefectures, which have 4 digits."""
    titles = cell.codelists[DIVISIONS].titles if DIVISIONS in cell.codelists else {}
    return "|".join(title for code, title in titles.items() if code[4:] == "00000000" != code[2:10]) or _CITY


def _town(cell: Cell) -> dict[str, ir.Value]:
    rest = _cut(cell, "county_name")
    street = rest.re_extract(_STREET, 1)
    return {"rest": rest, "town_name": ibis.ifelse(street != "", street, rest.re_extract(_TOWN, 1))}


def _village(cell: Cell) -> dict[str, ir.Value]:
    rest = _cut(cell, "town_name")
    return {"rest": rest, "village_name": ibis.ifelse(rest.re_search(_NEW_ESTATE), "", rest.re_extract(_VILLAGE, 1))}


def _group(cell: Cell) -> dict[str, ir.Value]:
    rest = _cut(cell, "village_name")
    numbered = rest.re_extract(_GROUP, 1)
    return {"rest": rest, "group_name": ibis.ifelse(numbered != "", numbered, rest.re_extract(_HAMLET, 1))}


def _road(cell: Cell) -> dict[str, ir.Value]:
    rest = _cut(cell, "group_name")
    return {"rest": rest, "road_name": rest.re_extract(_ROAD, 1)}


def _door(cell: Cell) -> dict[str, ir.Value]:
    rest = _cut(cell, "road_name")
    return {"rest": rest, "door_no": rest.re_extract(_DOOR, 1)}


def _halves(cell: Cell) -> dict[str, ir.Value]:
    """What stands before the building, and what from there on."""
    rest = _cut(cell, "door_no")
    return {"rest": rest, "inside": rest.re_extract(_INSIDE, 1)}


def _parts(cell: Cell) -> dict[str, ir.Value]:
    rest, inside = cell.text("rest"), cell.text("inside")
    lead = rest.substr(0, rest.length() - inside.length()).re_replace(r"\(.*\)$", "")
    is_estate = (inside != "") | lead.re_search(_ESTATE)
    behind = inside.re_extract(_AFTER_ROOM, 1)
    remark = rest.re_extract(_REMARK, 1)
    return {
        "triple": inside.re_extract(f"^({_TRIPLE})室?$", 1),
        "estate_name": ibis.ifelse(is_estate, lead, ""),
        "building_no": inside.re_extract(f"^({_NUMBER}{{1,5}})幢", 1),
        "unit_no": inside.re_extract(f"({_NUMBER}{{1,3}})单元", 1),
        "floor_no": inside.re_extract(f"(-?{_SMALL})[层楼]", 1),
        "room_no": inside.re_extract(_ROOM, 1),
        "landmark": ibis.cases((remark != "", remark), (behind != "", behind), (is_estate, ""), else_=lead),
    }


def _address(cell: Cell) -> dict[str, ir.Value]:
    triple = cell.text("triple")
    told = {name: cell.text(name).nullif("") for name in LEVELS}
    told["group_name"] = told["group_name"].re_replace("第|村民小?|居民小?|小", "")
    for name, place in (("building_no", "^([0-9]+)-"), ("unit_no", "-([0-9]+)-"), ("room_no", "-([0-9]+)$")):
        told[name] = ibis.ifelse(triple != "", triple.re_extract(place, 1), told[name])
    for name in ("building_no", "unit_no", "floor_no", "room_no"):
        told[name] = told[name] + _SUFFIXES[name]
    return {**told, **read_text(cell)}


def _level(cell: Cell) -> dict[str, ir.Value]:
    """A level that the department states: numbers get the word behind them that the standard has."""
    name, read = cell.column.name, read_text(cell)
    if name not in _SUFFIXES:
        return read
    suffix, text = _SUFFIXES[name], cast(ir.StringValue, read["value"])
    narrow = half_width(text).re_replace(f"[{BLANKS}]", "")
    known = narrow.re_replace(_ALIASES[name], suffix) if name in _ALIASES else narrow
    value = ibis.ifelse(known.re_search(_BARE), known + suffix, known)
    return {"value": value, "reason": ibis.coalesce(read["reason"], first_reason((value != text, Reason.ADDRESS_FORM)))}


ADDRESS: tuple[Stage, ...] = (
    *(cleaned, _plain, _spelled, _city, _county, _town, _village),
    *(_group, _road, _door, _halves, _parts, _address),
)
"""The text as it came; also makes the `LEVELS`, which columns of the operation `address_level` are told."""
ADDRESS_LEVEL: tuple[Stage, ...] = (cleaned, _level)
"""A level that is stated: 栋, 号楼 and bare numbers are written 1幢, 1单元, 1室."""
