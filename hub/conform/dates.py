"""Reading dates and timestamps: the ways departments are known to write them, and no guess beyond."""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir

from hub.conform.cell import Cell, Stage, cleaned, first_reason, half_width
from hub.reasons import Reason

__all__ = ["DATE", "TIMESTAMP", "TYPED_DATE", "TYPED_TIMESTAMP", "date_of_digits", "years_away"]

_USUAL = r"^([0-9]{8}|[0-9]{4}-[0-9]{2}(-[0-9]{2})?)$"
_EARLIEST = date(1890, 1, 1)
_YEARS_AHEAD = 50
_EXCEL_DAY_ZERO = "1899-12-30"
_EXCEL_FROM, _EXCEL_TO = 10_000, 60_000  # 1927 to 2064: people of 90 have serials below 20,000
_USUAL_MOMENT = r"^([0-9]{14}|[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}.*)?)?)$"
_MOMENT = (
    r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?( ?(Z|[+-][0-9]{2}:?[0-9]{2}))?)?$"
)
_CHINA_MINUTES = 8 * 60


def years_away(day: date, years: int) -> date:
    """Return the same day some years later, or earlier where `years` is negative; 29 February may become 28."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def date_of_digits(digits: ir.StringValue) -> ir.DateValue:
    """Read eight digits YYYYMMDD as a date, null where no calendar has it."""
    return _with_dashes(digits).try_cast("date")


def _with_dashes(digits: ir.StringValue) -> ir.StringValue:
    return digits.substr(0, 4) + "-" + digits.substr(4, 2) + "-" + digits.substr(6, 2)


def _plain(cell: Cell) -> dict[str, ir.Value]:
    clean = cell.text("clean")
    usual = clean.re_search(_USUAL)
    return {"usual": usual, "plain": ibis.ifelse(usual, clean, half_width(clean))}


def _dashed(cell: Cell) -> dict[str, ir.Value]:
    plain = cell.text("plain")
    dashed = plain.re_replace("日$", "").re_replace("[./年月]", "-").re_replace("-$", "")
    return {"dashed": ibis.ifelse(cell["usual"], plain, dashed)}


def _form(cell: Cell) -> dict[str, ir.Value]:
    plain, dashed = cell.text("plain"), cell.text("dashed")
    this_century = dashed.substr(0, 2) <= f"{cell.as_of.year % 100:02d}"
    century = ibis.ifelse(this_century, str(cell.as_of.year // 100), str(cell.as_of.year // 100 - 1))
    excel = plain.re_extract(r"^([0-9]{5})(\.0+)?$", 1).try_cast("int64")
    serial = ibis.ifelse(cell["usual"], ibis.null("int64"), excel)
    return {
        "iso": ibis.cases(
            (plain.re_search("^[0-9]{8}$"), _with_dashes(plain)),
            (dashed.re_search("^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}$"), dashed),
            (dashed.re_search("^[0-9]{4}-[0-9]{1,2}$"), dashed + "-01"),
            (dashed.re_search("^[0-9]{2}-[0-9]{1,2}-[0-9]{1,2}$"), century + dashed),
            (dashed.re_search("^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}[T ][0-9]{1,2}:"), dashed.re_extract("^[0-9-]+", 0)),
        ),
        "serial": ibis.ifelse(serial.between(_EXCEL_FROM, _EXCEL_TO), serial, ibis.null("int64")),
    }


def _day(cell: Cell) -> dict[str, ir.Value]:
    from_excel = (ibis.timestamp(_EXCEL_DAY_ZERO) + cell["serial"].as_interval("D")).date()
    return {"day": ibis.coalesce(cell.text("iso").try_cast("date"), from_excel)}


def _within(cell: Cell, day: ir.Value) -> ir.BooleanValue:
    latest = years_away(cell.as_of, _YEARS_AHEAD)
    return day.between(ibis.date(_EARLIEST.isoformat()), ibis.date(latest.isoformat())).fill_null(False)


def _date(cell: Cell) -> dict[str, ir.Value]:
    day, stated = cell["day"], cell["clean"].notnull()
    possible = _within(cell, day)
    no_form = cell["iso"].isnull() & cell["serial"].isnull()
    return {
        "value": ibis.ifelse(possible, day, ibis.null("date")),
        "reason": first_reason(
            (stated & no_form, Reason.DATE_FORMAT),
            (stated & ~possible, Reason.DATE_IMPOSSIBLE),
            (~cell["usual"], Reason.DATE_FORMAT),
        ),
    }


def _typed_date(cell: Cell) -> dict[str, ir.Value]:
    day = cell["raw"].cast("date")
    possible = _within(cell, day)
    return {
        "value": ibis.ifelse(possible, day, ibis.null("date")),
        "reason": first_reason((cell["raw"].notnull() & ~possible, Reason.DATE_IMPOSSIBLE)),
    }


def _moment_plain(cell: Cell) -> dict[str, ir.Value]:
    return {"plain": half_width(cell.text("clean"))}


def _moment_dashed(cell: Cell) -> dict[str, ir.Value]:
    plain = cell.text("plain")
    day = _with_dashes(plain)
    time = plain.substr(8, 2) + ":" + plain.substr(10, 2) + ":" + plain.substr(12, 2)
    return {
        "dashed": ibis.cases(
            (plain.re_search("^[0-9]{8}$"), day),
            (plain.re_search("^[0-9]{14}$"), day + " " + time),
            else_=plain.re_replace("[/年月]", "-").re_replace("日", ""),
        )
    }


def _moment_parts(cell: Cell) -> dict[str, ir.Value]:
    dashed = cell.text("dashed")
    zone = dashed.re_extract(r":[0-9.:]+ ?(Z|[+-][0-9]{2}:?[0-9]{2})$", 1)
    hours, minutes = zone.substr(1, 2).try_cast("int64"), zone.right(2).try_cast("int64")
    sign = ibis.ifelse(zone.startswith("-"), -1, 1)
    # The departments' clocks show Beijing time; a text that names another zone is moved to it.
    behind = ibis.cases(
        (zone == "", 0), (zone == "Z", _CHINA_MINUTES), else_=_CHINA_MINUTES - sign * (hours * 60 + minutes)
    )
    return {
        "local": ibis.ifelse(
            dashed.re_search(_MOMENT), dashed.re_extract(r"^[0-9-]+([T ][0-9:.]+)?", 0), ibis.null("string")
        ).try_cast("timestamp"),
        "behind": behind,
    }


def _timestamp(cell: Cell) -> dict[str, ir.Value]:
    clean = cell.text("clean")
    value = cell["local"] + cell["behind"].as_interval("m")
    return {
        "value": value,
        "reason": first_reason(
            (clean.notnull() & (value.isnull() | ~clean.re_search(_USUAL_MOMENT)), Reason.TIMESTAMP_FORMAT)
        ),
    }


def _typed_timestamp(cell: Cell) -> dict[str, ir.Value]:
    raw = cell["raw"]
    moment = raw.cast("timestamp")
    zone = getattr(raw.type(), "timezone", None)
    value = moment if zone is None else moment + ibis.interval(minutes=_CHINA_MINUTES)
    return {"value": value, "reason": ibis.null("string")}


DATE: tuple[Stage, ...] = (cleaned, _plain, _dashed, _form, _day, _date)
"""A calendar date between 1890 and 50 years ahead."""
TYPED_DATE: tuple[Stage, ...] = (_typed_date,)
"""A date from a source that has a date or timestamp type."""
TIMESTAMP: tuple[Stage, ...] = (cleaned, _moment_plain, _moment_dashed, _moment_parts, _timestamp)
"""A moment in Beijing time; a zone that the text names is reckoned with."""
TYPED_TIMESTAMP: tuple[Stage, ...] = (_typed_timestamp,)
"""A moment from a source that has a timestamp type."""
