"""Why a value, a row or a delivery did not go through as it came: one list of fixed words for every step.

`docs/reason-codes.md` shows this list to the departments; a test holds the two equal.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Outcome", "Reason"]


class Outcome(StrEnum):
    """What became of a cell, a row or a batch that has an issue."""

    REPAIRED = "repaired"
    """The value was mended; the original is kept in the issue."""
    VALUE_SET_ASIDE = "value_set_aside"
    """The value could not be read; the cell is null and the row goes on."""
    REFUSED = "refused"
    """A required or key value could not be read: `check` quarantines the row."""
    QUARANTINED = "quarantined"
    """The row fails a critical rule and is set aside, with its reason."""
    WARNED = "warned"
    """The row fails a rule that is not critical; it goes on and is counted."""
    DUPLICATE = "duplicate"
    """The row says what another row says already; that one stands for it."""
    HELD = "held"
    """The batch is so unlike those before it, or so faulty, that a person must release it."""


class Reason(StrEnum):
    """A reason code with its Chinese meaning and what the department should do."""

    meaning: str
    action: str

    def __new__(cls, code: str, meaning: str, action: str) -> Reason:
        """Make a member from its code, meaning and the action asked of the department."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.action = action
        return member

    # Resident ID and other identity documents (GB 11643-1999; step conform)
    ID_UPGRADED_15 = "id_upgraded_15", "15位身份证号已升为18位", "在源系统中改存18位公民身份号码"
    ID_FULL_WIDTH = "id_full_width", "证件号码含全角字符，已转半角", "录入时使用半角数字和字母"
    ID_LOWER_X = "id_lower_x", "证件号码末位小写x已改大写", "末位校验码统一用大写X"
    ID_SPACES = "id_spaces", "证件号码含空格、撇号或星号，已清除", "导出时按文本格式，不加空格、撇号和星号"
    ID_CENTENARIAN_15 = "id_centenarian_15", "15位号码顺序码为996至999，不能自动升位", "核对出生年份后改填18位号码"
    ID_EXCEL_TRUNCATED = "id_excel_truncated", "证件号码被Excel截断", "按文本格式重新导出该列"
    ID_LENGTH = "id_length", "公民身份号码长度不是18位或15位", "核对证件后补全号码"
    ID_CHARSET = "id_charset", "公民身份号码含非法字符", "核对证件后改正号码"
    ID_DATE = "id_date", "公民身份号码中的出生日期不存在、在将来或年龄超过120岁", "核对证件后改正号码"
    ID_CHECK_DIGIT = "id_check_digit", "公民身份号码校验码不符", "核对证件后改正号码"
    DOCUMENT_FORMAT = "document_format", "其他证件号码不是5至18位字母或数字", "核对证件类型和号码"
    ID_TYPE_FROM_NUMBER = "id_type_from_number", "未填证件类型，已按号码判定", "填写证件类型代码"
    ID_TYPE_DIFFERS = "id_type_differs", "证件类型与号码不符，按填报保留", "核对证件类型和号码"
    CERTIFICATE_FORMAT = "certificate_format", "残疾人证号不是身份证号加类别、等级", "核对残疾人证后改正证号"
    # Names, codes, numbers and texts (step conform)
    NAME_SPACES = "name_spaces", "姓名中的空格已去除", "姓名中不加空格"
    NAME_DOT = "name_dot", "姓名间隔号已统一为“·”", "间隔号统一用“·”（U+00B7）"
    NAME_CHARSET = "name_charset", "姓名含数字、标点或乱码", "核对证件后改正姓名；乱码请检查导出编码"
    NAME_CODE_POINT = "name_code_point", "姓名用字的自造区等旧码位已换成正式码位", "按GB 18030-2022的正式码位录入"
    NAME_PRIVATE_USE = "name_private_use", "姓名含自造字或非文字字符，按原样保留", "核对证件后改用正式编码的字"
    CODE_FROM_LABEL = "code_from_label", "填写的是名称或简写，已转为标准代码", "按代码表填写代码"
    CODE_UNKNOWN = "code_unknown", "代码不在代码表中", "按代码表改正；如为新代码请先登记"
    DIVISION_PADDED = "division_padded", "区划代码不足12位，已在右侧补0", "填写12位统计用区划代码"
    DIVISION_ALIAS = "division_alias", "填写的是其他编码体系的代码，已换成12位统计用区划代码", "填写12位统计用区划代码"
    DIVISION_UNKNOWN = "division_unknown", "区划代码不在区划代码表中", "改为现行有效的12位区划代码"
    CREDIT_CODE_FORMAT = "credit_code_format", "统一社会信用代码不合18位格式", "核对证照，用18位半角大写填写"
    CREDIT_CODE_CHECK = "credit_code_check", "统一社会信用代码校验码不符", "核对证照后改正"
    CREDIT_CODE_INNER = "credit_code_inner", "统一社会信用代码第9至17位不合组织机构代码校验规则，按原样保留", "核对证照"
    CODE_MOVED = "code_moved", "信用代码栏填写的是注册号或组织机构代码，已移到相应栏", "填写18位统一社会信用代码"
    ORGANISATION_CODE_CHECK = "organisation_code_check", "组织机构代码不是9位或校验码不符", "核对证照后改正"
    ADDRESS_FORM = "address_form", "门牌、楼幢、单元、层、室的写法已统一", "写作18号、1幢、1单元、3层、101室"
    ADDRESS_FROM_TEXT = "address_from_text", "地址分项未填，已由地址全称解析", "填写地址分项"
    ADDRESS_DIFFERS = "address_differs", "地址分项与地址全称不符，按填报保留", "核对地址"
    PHONE_CLEANED = "phone_cleaned", "电话号码中的空格、短横或国际区号已去除", "只填11位手机号或带区号的固定电话"
    PHONE_FORMAT = "phone_format", "电话号码不是11位手机号或带区号的固定电话", "核对后改正电话号码"
    NUMBER_FORMAT = "number_format", "数值写法不规范", "只填阿拉伯数字，不带单位和千分位"
    CHARACTERS_CLEANED = "characters_cleaned", "多余空格、控制字符、全角或小写字符已统一", "使用半角大写字符，不加空格"
    # Dates (step conform)
    DATE_FORMAT = "date_format", "日期写法不规范", "统一用YYYYMMDD或YYYY-MM-DD"
    DATE_IMPOSSIBLE = "date_impossible", "日期不存在或超出合理范围", "核对后改正日期"
    TIMESTAMP_FORMAT = "timestamp_format", "时间写法不规范", "统一用YYYY-MM-DD HH:MM:SS"
    DATE_FROM_ID = "date_from_id", "出生日期与公民身份号码不一致，以号码为准", "核对出生日期"
    SEX_FROM_ID = "sex_from_id", "性别与公民身份号码不一致，以号码为准", "核对性别"
    # Coordinates and geometries (step conform)
    COORDINATES_SWAPPED = "coordinates_swapped", "经纬度颠倒，已对调", "坐标按先经度后纬度提供"
    COORDINATES_OUTSIDE = "coordinates_outside", "坐标不在国土范围内", "核对坐标及坐标系"
    GEOMETRY_REPAIRED = "geometry_repaired", "图形自相交，已修复", "在源数据中修正拓扑错误"
    GEOMETRY_INVALID = "geometry_invalid", "图形为空、类型不符或无法读取", "重新提供该要素的图形"
    # Rows (steps conform and check)
    REQUIRED_MISSING = "required_missing", "必填项为空", "补填该项"
    KEY_DUPLICATE = "key_duplicate", "同一主键重复，保留最新一行", "在源系统中合并重复记录"
    KEY_CONFLICT = "key_conflict", "同一主键对应不同的人或单位", "核实号码归属后改正"
    TWO_PLACES = "two_places", "同一人在两个村（居）登记", "核实后只保留一处登记，注销另一处"
    ROW_REPEATED = "row_repeated", "与以前批次完全相同的行", "无需处理"
    # Deliveries (step pull)
    DELIVERY_UNUSABLE = "delivery_unusable", "本次交付不可用", "按约定重新交付"
    DELIVERY_EMPTY = "delivery_empty", "本次交付中没有数据", "确认是否确实为空，否则重新交付"
    DELIVERY_LATE = "delivery_late", "本次交付晚于约定周期", "按约定周期交付；周期不合适的，请商定新的周期"
    DELETIONS_BRAKED = "deletions_braked", "一次消失的记录过多", "核实是否确已删除；属实时请告知确认"
    DROP_INCOMPLETE = "drop_incomplete", "缺少完成标记，文件可能未传完", "补传完成标记或重新交付"
    DIGEST_MISMATCH = "digest_mismatch", "文件摘要不符", "重新传送完整文件"
    MANIFEST_COUNT = "manifest_count", "行数与清单不符", "核对清单后重新交付"
    ENCODING_INVALID = "encoding_invalid", "文件编码与约定不符", "按约定编码（GB18030）重新导出"
    UNREADABLE = "unreadable", "文件无法读取", "检查文件格式后重新交付"
    SCHEMA_DRIFT = "schema_drift", "缺少约定的列", "恢复该列，或先商定变更再交付"
    COLUMN_CHANGED = (
        "column_changed",
        "列与约定不同（新增、缺失或改名），按约定暂存",
        "先商定变更再交付，或恢复约定的列",
    )
    CRS_MISMATCH = "crs_mismatch", "坐标系与约定不符", "按约定坐标系重新导出"
    # Batches (step check)
    VOLUME_SHARE = "volume_share", "暂存的行占比过高", "核对本次交付，修正后重新交付，或确认无误"
    VOLUME_COUNT = "volume_count", "暂存的行数过多", "核对本次交付，修正后重新交付，或确认无误"
    VOLUME_TREND = "volume_trend", "行数与近几次相差过大", "核对本次交付是否完整，或确认无误"
