"""Days as whole numbers since 1970-01-01, and how departments write them."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samples.draw import Ints, Texts, digits, join

EPOCH = date(1970, 1, 1)
YEAR = 365.2425


def day_of(value: date) -> int:
    """The day number of a date."""
    return (value - EPOCH).days


def compact(days: Ints) -> Ints:
    """Day numbers as the whole number YYYYMMDD."""
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    month = months.astype(np.int64)
    day = days - months.astype("datetime64[D]").astype(np.int64) + 1
    return (1970 + month // 12) * 10_000 + (month % 12 + 1) * 100 + day


def compact_text(days: Ints) -> Texts:
    """Day numbers as `YYYYMMDD`."""
    return digits(compact(days), 8)


def dashed_text(days: Ints) -> Texts:
    """Day numbers as `YYYY-MM-DD`."""
    figures = compact_text(days)
    parts = [pc.utf8_slice_codeunits(figures, start, stop) for start, stop in ((0, 4), (4, 6), (6, 8))]
    return pc.binary_join_element_wise(*parts, "-")


def timestamps(days: Ints, seconds: Ints) -> Texts:
    """Moments as `timestamp[us]` without zone: a day number and the seconds since midnight, local time."""
    moments = days.astype("datetime64[D]").astype("datetime64[s]") + seconds.astype("timedelta64[s]")
    return pa.array(moments).cast(pa.timestamp("us"))


def moment_text(days: Ints, seconds: Ints) -> Texts:
    """Moments as `YYYY-MM-DD HH:MM:SS`, local time."""
    clock = join(digits(seconds // 3600, 2), ":", digits(seconds // 60 % 60, 2), ":", digits(seconds % 60, 2))
    return join(dashed_text(days), " ", clock)
