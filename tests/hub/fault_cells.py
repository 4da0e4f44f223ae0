"""Cells as departments really write them, one fault each, that the sample departments do not seed: by family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import shapely

REGISTER, FLOATING = "public_security/registered_resident", "public_security/floating_resident"
DEATH, BIRTH = "health_commission/death", "health_commission/birth"
ALLOWANCE, FACILITY = "civil_affairs/elderly_allowance", "civil_affairs/service_facility"
CERTIFICATE = "disabled_federation/disability_certificate"
GRID, ADDRESS = "natural_resources/grid", "natural_resources/standard_address"


@dataclass(frozen=True)
class Cell:
    """One fault.

    Attributes:
        family: Number of the family of faults.
        name: What it is, as the table of `docs/reason-codes.md` calls it.
        code: What the hub says of it: a reason code or a rule; nothing where it is read as it is meant.
        tail: The dataset it is seeded in.
        column: The department's column.
        value: What stands there; `{good}` is a value that is right.
    """

    family: int
    name: str
    code: str
    tail: str
    column: str
    value: Any


def _wkb(shape: shapely.Geometry) -> bytes:
    return bytes(shapely.to_wkb(shape))


_CROSSING = shapely.Polygon([(117.5, 34.5), (117.51, 34.51), (117.51, 34.5), (117.5, 34.51)])
_FLAT = shapely.Polygon([(117.5, 34.5), (117.51, 34.51), (117.5, 34.5)])

CELLS = (
    Cell(1, "trailing asterisk", "id_spaces", REGISTER, "gmsfhm", "{good}*"),
    Cell(1, "15 digits of a centenarian", "id_centenarian_15", REGISTER, "gmsfhm", "320305010101996"),
    Cell(1, "digits missing", "id_length", REGISTER, "gmsfhm", "32030519800101"),
    Cell(1, "letters", "id_charset", REGISTER, "gmsfhm", "ABCDEFGHIJKLMNOPQR"),
    Cell(1, "no such day of birth", "id_date", REGISTER, "gmsfhm", "320305198002300018"),
    Cell(1, "resident without a number", "required_missing", REGISTER, "gmsfhm", ""),
    Cell(1, "newborn without a number", "", BIRTH, "新生儿身份证号", ""),
    Cell(1, "foreigner's passport", "", FLOATING, "zjhm", "E12345678"),
    Cell(1, "certificate of no kind", "certificate_format", CERTIFICATE, "残疾证号", "{good18}91"),
    Cell(2, "digits and signs", "name_charset", REGISTER, "xm", "张三（亡）1"),
    Cell(2, "private-use code points", "name_private_use", REGISTER, "xm", "\ue000\ue001"),
    Cell(2, "NUL in a name of a place", "characters_cleaned", FACILITY, "设施名称", "甲\x00乙"),
    Cell(3, "replacement characters", "name_charset", REGISTER, "xm", "湖\ufffd镇"),
    Cell(3, "question marks of a lost encoding", "name_charset", REGISTER, "xm", "??"),
    Cell(4, "two-digit year", "date_format", ALLOWANCE, "发放起始年月", "20.1.1"),
    Cell(4, "month alone", "date_format", ALLOWANCE, "发放起始年月", "2020年1月"),
    Cell(4, "0001-01-01", "date_impossible", DEATH, "死亡日期", "0001-01-01"),
    Cell(4, "9999-12-31", "date_impossible", DEATH, "死亡日期", "9999-12-31"),
    Cell(4, "00000000", "date_impossible", DEATH, "死亡日期", "00000000"),
    Cell(4, "lunar birthday", "date_format", DEATH, "死亡日期", "庚子年正月初一"),
    Cell(4, "birth date that the number contradicts", "date_from_id", REGISTER, "csrq", "20010101"),
    Cell(4, "moment that is none", "timestamp_format", REGISTER, "gxsj", "昨天"),
    Cell(5, "sex that the number contradicts", "sex_from_id", REGISTER, "xb", "2"),
    Cell(5, "label that is in no list", "code_unknown", REGISTER, "hyzk", "不详吗"),
    Cell(6, "subtotal among the rows", "number_format", FACILITY, "面积/建筑面积（平方米）", "合计"),
    Cell(6, "number as text", "number_format", FACILITY, "面积/建筑面积（平方米）", "1,234.50"),
    Cell(6, "telephone with signs", "phone_cleaned", REGISTER, "lxdh", "+86 139-1234-5876"),
    Cell(6, "telephone that is none", "phone_format", REGISTER, "lxdh", "无"),
    Cell(6, "telephone typed in as filler", "phone_can_be_dialled", REGISTER, "lxdh", "13800000000"),
    Cell(7, "county's code alone", "division_padded", ALLOWANCE, "区划代码", "320305"),
    Cell(7, "15-digit code of the police", "division_alias", ALLOWANCE, "区划代码", "320305005204001"),
    Cell(7, "code that died or never was", "division_unknown", ALLOWANCE, "区划代码", "320305005998"),
    Cell(7, "name in the code's place", "division_unknown", ALLOWANCE, "区划代码", "马庄村"),
    Cell(9, "更新时间 in the future", "updated_at_not_in_future", REGISTER, "gxsj", "2999-01-01 00:00:00"),
    Cell(10, "zeros", "coordinates_outside", ADDRESS, "geometry", _wkb(shapely.Point(0, 0))),
    Cell(10, "projected metres", "coordinates_outside", ADDRESS, "geometry", _wkb(shapely.Point(5e5, 38e5))),
    Cell(10, "polygon that crosses itself", "geometry_repaired", GRID, "geometry", _wkb(_CROSSING)),
    Cell(10, "sliver without area", "geometry_invalid", GRID, "geometry", _wkb(_FLAT)),
    Cell(10, "geometry that is no WKB", "geometry_invalid", ADDRESS, "geometry", b"\x01"),
)
