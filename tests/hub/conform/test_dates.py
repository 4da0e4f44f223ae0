"""Dates and timestamps in every way the departments write them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.reasons import Outcome, Reason
from tests.hub.conform.reading import AS_OF, agrees, column, read, read_values

DAY = dt.date(1955, 11, 12)
FORMATS: list[tuple[Callable[[dt.date], str], str | None]] = [
    (lambda day: f"{day:%Y%m%d}", None),
    (lambda day: f"{day:%Y-%m-%d}", None),
    (lambda day: f"{day:%Y/%m/%d}", Reason.DATE_FORMAT),
    (lambda day: f"{day:%Y.%m.%d}", Reason.DATE_FORMAT),
    (lambda day: f"{day.year}年{day.month}月{day.day}日", Reason.DATE_FORMAT),
    (lambda day: f"{day.year}-{day.month}-{day.day} ", None),
    (lambda day: f"{day:%Y-%m-%d}T08:00:00.000Z", Reason.DATE_FORMAT),
]


def test_date_vectors() -> None:
    agrees(
        "date",
        {
            "19551112": (DAY, None),
            "1955-11-12": (DAY, None),
            " 1955-11-12 ": (DAY, None),
            "1955-11": (dt.date(1955, 11, 1), None),
            "1955/11/12": (DAY, Reason.DATE_FORMAT),
            "1955.11.12": (DAY, Reason.DATE_FORMAT),
            "1955年11月12日": (DAY, Reason.DATE_FORMAT),
            "1955年11月": (dt.date(1955, 11, 1), Reason.DATE_FORMAT),
            "1955.11": (dt.date(1955, 11, 1), Reason.DATE_FORMAT),
            "1955-1-2": (dt.date(1955, 1, 2), Reason.DATE_FORMAT),
            "55.11.12": (DAY, Reason.DATE_FORMAT),
            "26.1.2": (dt.date(2026, 1, 2), Reason.DATE_FORMAT),
            "27.1.2": (dt.date(1927, 1, 2), Reason.DATE_FORMAT),
            "20405": (DAY, Reason.DATE_FORMAT),
            "20405.0": (DAY, Reason.DATE_FORMAT),
            "1955-11-12 00:00:00": (DAY, Reason.DATE_FORMAT),
            "1955-11-12T00:00:00": (DAY, Reason.DATE_FORMAT),
            "１９５５１１１２": (DAY, Reason.DATE_FORMAT),
            "10000": (dt.date(1927, 5, 18), Reason.DATE_FORMAT),
            "60000": (dt.date(2064, 4, 8), Reason.DATE_FORMAT),
            "09999": (None, Reason.DATE_FORMAT),
            "60001": (None, Reason.DATE_FORMAT),
            "1955": (None, Reason.DATE_FORMAT),
            "195511": (None, Reason.DATE_FORMAT),
            "农历九月三十": (None, Reason.DATE_FORMAT),
            "infinity": (None, Reason.DATE_FORMAT),
            "0001-01-01": (None, Reason.DATE_IMPOSSIBLE),
            "9999-12-31": (None, Reason.DATE_IMPOSSIBLE),
            "00000000": (None, Reason.DATE_IMPOSSIBLE),
            "19900231": (None, Reason.DATE_IMPOSSIBLE),
            "1990-02-31": (None, Reason.DATE_IMPOSSIBLE),
            "1990年13月1日": (None, Reason.DATE_IMPOSSIBLE),
            "18891231": (None, Reason.DATE_IMPOSSIBLE),
            "18900101": (dt.date(1890, 1, 1), None),
            "20761101": (dt.date(2076, 11, 1), None),
            "20761102": (None, Reason.DATE_IMPOSSIBLE),
            "": (None, None),
            None: (None, None),
        },
        kind="date",
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.dates(dt.date(1890, 1, 1), dt.date(2076, 11, 1)), min_size=1, max_size=20))
def test_every_day_is_read_in_every_format(days: list[dt.date]) -> None:
    texts = [write(day) for day in days for write, _ in FORMATS]
    padded = [day for day in days for _ in FORMATS]
    found = read_values("date", texts, kind="date")
    assert [value for value, _ in found] == padded
    for text, (_, rule), (_, expected) in zip(texts, found, FORMATS * len(days), strict=True):
        short = expected is None and len(text.strip()) < 10 and "-" in text
        assert rule == (Reason.DATE_FORMAT if short else expected)


def test_typed_dates_pass_within_the_same_bounds() -> None:
    table = pa.table(
        {
            "day": pa.array([DAY, dt.date(1, 1, 1), None], pa.date32()),
            "moment": pa.array([dt.datetime(1955, 11, 12, 8), dt.datetime(9999, 12, 31), None], pa.timestamp("us")),  # noqa: DTZ001
        }
    )
    found = read([column("date", "day", "date"), column("date", "moment", "date")], table)
    assert [(row["day"], row["moment"]) for row in found.rows.values()] == [(DAY, DAY), (None, None), (None, None)]
    assert found.issues == {
        (2, "day"): (Reason.DATE_IMPOSSIBLE, Outcome.VALUE_SET_ASIDE, "0001-01-01", None),
        (2, "moment"): (Reason.DATE_IMPOSSIBLE, Outcome.VALUE_SET_ASIDE, "9999-12-31 00:00:00", None),
    }


def at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - Beijing time, without a zone


def test_timestamp_vectors() -> None:
    moment = at(2026, 10, 5, 8, 11, 12)
    agrees(
        "timestamp",
        {
            "2026-10-05 08:11:12": (moment, None),
            "2026-10-05T08:11:12": (moment, None),
            "2026-10-05 08:11:12.250": (at(2026, 10, 5, 8, 11, 12, 250000), None),
            "2026-10-05T08:11:12+08:00": (moment, None),
            "2026-10-05T00:11:12Z": (moment, None),
            "2026-10-04T19:11:12-0500": (moment, None),
            "2026-10-05 08:11": (at(2026, 10, 5, 8, 11), None),
            "20261005081112": (moment, None),
            "20261005": (at(2026, 10, 5), None),
            "2026-10-05": (at(2026, 10, 5), None),
            "2026/10/05 08:11:12": (moment, Reason.TIMESTAMP_FORMAT),
            "2026年10月5日 08:11:12": (moment, Reason.TIMESTAMP_FORMAT),
            "2026-1-5 8:11:12": (at(2026, 1, 5, 8, 11, 12), Reason.TIMESTAMP_FORMAT),
            "2026-10-05 25:11:12": (None, Reason.TIMESTAMP_FORMAT),
            "2026-02-30 08:11:12": (None, Reason.TIMESTAMP_FORMAT),
            "昨天": (None, Reason.TIMESTAMP_FORMAT),
            "now": (None, Reason.TIMESTAMP_FORMAT),
            "": (None, None),
            None: (None, None),
        },
        kind="timestamp",
    )


def test_typed_timestamps_are_beijing_time() -> None:
    table = pa.table(
        {
            "naive": pa.array([at(2026, 10, 5, 8)], pa.timestamp("us")),
            "zoned": pa.array([dt.datetime(2026, 10, 5, 0, tzinfo=dt.UTC)], pa.timestamp("us", tz="UTC")),
        }
    )
    found = read([column("timestamp", "naive", "timestamp"), column("timestamp", "zoned", "timestamp")], table)
    assert found.rows == {1: {"naive": at(2026, 10, 5, 8), "zoned": at(2026, 10, 5, 8)}}
    assert found.issues == {}


def test_two_digit_years_turn_with_the_century() -> None:
    assert read([column("date", kind="date")], {"x": ["00.1.2"]}, dt.date(2100, 1, 1)).rows[1]["x"] == dt.date(
        2100, 1, 2
    )
    assert AS_OF.year == 2026
