"""Moments without a zone are China's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.moments import in_form, local, server_clock

NAIVE = datetime.fromisoformat("2026-10-03T00:30:00")
CHINAS = datetime.fromisoformat("2026-10-03T00:30:00+08:00")


@pytest.mark.parametrize("moment", [NAIVE, CHINAS, CHINAS.astimezone(UTC)])
def test_one_moment_in_both_forms(moment: datetime) -> None:
    assert local(moment) == in_form(moment, zoned=False) == NAIVE
    assert in_form(moment, zoned=True) == CHINAS


def test_a_clock_that_may_be_either_is_the_earlier_one() -> None:
    in_utc = CHINAS.astimezone(UTC)
    assert server_clock(in_utc, zoned=True) == CHINAS
    assert server_clock(in_utc, zoned=False) == datetime.fromisoformat("2026-10-02T16:30:00")
    tokyo = datetime.fromisoformat("2026-10-03T01:30:00+09:00")
    assert server_clock(tokyo, zoned=False) == NAIVE
    assert server_clock(NAIVE, zoned=False) == NAIVE
    assert server_clock(NAIVE, zoned=True) == CHINAS
