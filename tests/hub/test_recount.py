"""The count audit: rows committed behind the overlap arrive, rows that are gone are told, and little is read for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from connectors.slices import Counted, DayCount
from hub.context import Hub
from hub.day_counts import Known
from hub.errors import RetryError
from hub.ledger import Batch
from hub.ledger.notices import close_notice, notices
from hub.recount import Difference, compared, spans
from hub.steps.pull import pull
from tests.hub.mini import opened

TAIL = "public_security/cancelled_registration"
FIRST = date(2026, 10, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(6)]


def counts(*rows: int, keys: int = 0) -> dict[date, DayCount]:
    return {day: DayCount(count, keys) for day, count in zip(DAYS, rows, strict=False) if count}


@pytest.mark.parametrize(
    ("source", "hub", "changed", "expected"),
    [
        ((3, 3, 3), (3, 3, 3), 0, []),
        ((3, 4, 3), (3, 3, 3), 0, [(1, 4, 3)]),
        ((3, 4, 3), (3, 3, 3), 5, [(1, 4, 3)]),
        ((3, 2, 3), (3, 3, 3), 0, [(1, 2, 3)]),
        ((3, 2, 3), (3, 3, 3), 1, []),
        ((3, 1, 2), (3, 3, 3), 2, [(1, 1, 3), (2, 2, 3)]),
        ((3, 0, 3), (3, 3, 3), 0, [(1, 0, 3)]),
        ((3, 2, 4), (3, 3, 3), 1, [(2, 4, 3)]),
    ],
)
def test_days_that_differ(
    source: tuple[int, ...], hub: tuple[int, ...], changed: int, expected: list[tuple[int, int, int]]
) -> None:
    counted = Counted(counts(*source), (None, DAYS[3]), changed, has_keys=False)
    found = compared(counted, Known(counts(*hub, 9), is_exact=True))
    assert found == [Difference(DAYS[day], there, here) for day, there, here in expected]


def test_other_keys_are_another_day_and_days_beyond_the_span_are_nobodys() -> None:
    counted = Counted(counts(3, 3), (DAYS[1], DAYS[2]), 0, has_keys=True)
    known = Known({**counts(7, 3, 7, keys=1)}, is_exact=True)
    assert [one.day for one in compared(counted, known)] == [DAYS[0], DAYS[1]]
    assert compared(Counted(counts(0, 3), (DAYS[1], DAYS[2]), 1, has_keys=True), known) == []


def test_where_rows_cannot_be_told_apart_only_more_of_them_are_news() -> None:
    counted = Counted(counts(2, 4, 3), (None, DAYS[3]), 0, has_keys=False)
    assert compared(counted, Known(counts(3, 3, 3), is_exact=False)) == [Difference(DAYS[1], 4, 3)]


@given(st.sets(st.integers(0, 400), min_size=1, max_size=120))
def test_spans_hold_each_day_and_are_few(days: set[int]) -> None:
    wanted = [FIRST + timedelta(days=n) for n in sorted(days)]
    found = spans(wanted)
    assert len(found) <= 20
    held = [low + timedelta(days=n) for low, high in found if low and high for n in range((high - low).days)]
    assert set(wanted) <= set(held)
    if len(found) > 1:
        assert held == wanted


@dataclass
class Front:
    """The police's table of cancelled registrations on a real server, and the hub that pulls it."""

    hub: Hub
    engine: sa.Engine

    def run(self, statement: str) -> None:
        with self.engine.begin() as link:
            link.exec_driver_sql(statement)

    def add(self, number: int, moment: str) -> None:
        self.run(
            f"INSERT INTO zx_rkxx VALUES ({number}, '320371195001{number:06d}', '甲某', '1', '20260901', '{moment}',"
            " 'I', 'p1')"
        )

    def pull(self) -> list[tuple[str, list[int]]]:
        """What landed: the offer's name and the numbers of its rows."""
        return [(batch.offer, self.numbers(batch)) for batch in pull(self.hub, TAIL)]

    def numbers(self, batch: Batch) -> list[int]:
        parts = self.hub.lake.raw(batch.tail, batch.id).glob("part-*.parquet")
        return sorted(number for part in parts for number in pq.read_table(part)["xh"].to_pylist())

    def told(self) -> list[tuple[str, str]]:
        return [(notice.kind, notice.detail) for notice in notices(self.hub.database)]


@pytest.fixture
def front(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    url = sa.make_url(database_url)
    monkeypatch.setenv("HUB_PLACE_PUBLIC_SECURITY_FRONT_DATABASE", url.set(password=None).render_as_string())
    monkeypatch.setenv("HUB_SECRET_PUBLIC_SECURITY_FRONT_DATABASE_PASSWORD", url.password or "unused")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with opened(tmp_path, database_url) as hub:
        front = Front(hub, engine)
        front.run(
            "CREATE TABLE zx_rkxx (xh bigint PRIMARY KEY, gmsfhm text, xm text, zxyy text, zxrq text, gxsj timestamp,"
            " czbs text, pch text)"
        )
        for number, day in enumerate((1, 1, 2, 5, 5, 9), 1):
            front.add(number, f"2026-10-{day:02d} 10:00:00")
        yield front


@pytest.mark.integration
class TestFront:
    def test_rows_committed_behind_the_overlap_arrive_and_only_their_days_are_read(self, front: Front) -> None:
        assert front.pull() == [("zx_rkxx whole", [1, 2, 3, 4, 5, 6])]
        assert front.pull() == [("zx_rkxx from 2026-10-08T10:00:00", [6])], "the overlap"
        front.add(7, "2026-10-01 09:00:00")
        front.add(8, "2026-10-05 23:59:59")
        front.add(9, "2026-10-09 11:00:00")
        assert front.pull() == [
            ("zx_rkxx from 2026-10-08T10:00:00", [6, 9]),
            ("zx_rkxx again 2026-10-01 to 2026-10-02, 2026-10-05 to 2026-10-06", [1, 2, 4, 5, 7, 8]),
        ]
        assert front.pull() == []
        assert front.told() == []
        marks = [batch.mark for batch in front.hub.ledger.batches(TAIL)]
        assert marks[-2:] == [{"cursor": "2026-10-09T11:00:00"}, None], "days read again move no mark"

    def test_rows_that_only_moved_on_are_no_difference(self, front: Front) -> None:
        front.pull()
        front.run("UPDATE zx_rkxx SET gxsj = '2026-10-10 08:00:00', xm = '乙某' WHERE xh IN (1, 4)")
        assert front.pull() == [("zx_rkxx from 2026-10-08T10:00:00", [1, 4, 6])]
        assert front.pull() == []

    def test_one_row_for_another_is_found_though_the_count_is_right(self, front: Front) -> None:
        front.pull()
        front.pull()
        front.run("DELETE FROM zx_rkxx WHERE xh = 4")
        front.add(7, "2026-10-05 12:00:00")
        assert front.pull() == [("zx_rkxx again 2026-10-05 to 2026-10-06", [5, 7])]
        assert front.pull() == []

    def test_rows_that_are_gone_are_told_once(self, front: Front) -> None:
        front.pull()
        front.pull()
        front.run("DELETE FROM zx_rkxx WHERE xh IN (1, 3)")
        assert front.pull() == [("zx_rkxx again 2026-10-01 to 2026-10-02", [2])]
        told = front.told()
        assert {kind for kind, _ in told} == {"rows_vanished"}
        assert [detail.partition(";")[0] for _, detail in told] == [
            "2026-10-01 至 2026-10-01 来源已无 1 行 / 1 rows of these days are gone from the source",
            "2026-10-02 至 2026-10-02 来源已无 1 行 / 1 rows of these days are gone from the source",
        ]
        assert front.pull() == []
        assert front.told() == told

    def test_nothing_is_told_where_keys_are_compared(self, front: Front) -> None:
        contract = replace(front.hub.contracts.sources[TAIL], deletions={"by": "key_comparison"})
        sources = {**front.hub.contracts.sources, TAIL: contract}
        front.hub = replace(front.hub, contracts=replace(front.hub.contracts, sources=sources))
        front.pull()
        front.run("DELETE FROM zx_rkxx WHERE xh IN (1, 3)")
        front.pull()
        assert front.told() == []

    def test_what_differs_though_it_was_read_again_is_told_once_and_closed_when_it_is_over(self, front: Front) -> None:
        front.pull()
        front.pull()
        front.run("ALTER TABLE zx_rkxx RENAME TO real_zx_rkxx")
        # A view that counts a row it does not show: its day stays different however often it is read.
        front.run(
            "CREATE VIEW zx_rkxx AS SELECT * FROM real_zx_rkxx UNION ALL SELECT 99, 'x', 'x', '1', 'x',"
            " timestamp '2026-10-02 10:00:00', 'I', 'p' WHERE current_query() LIKE '%%day_of_cursor%%'"
        )
        assert front.pull() == [("zx_rkxx again 2026-10-02 to 2026-10-03", [3])]
        ((kind, detail),) = front.told()
        assert kind == "rows_differ"
        assert detail.endswith("2026-10-02 2/1")
        assert front.pull() == [], "read again only when something else differs"
        front.run("CREATE OR REPLACE VIEW zx_rkxx AS SELECT * FROM real_zx_rkxx")
        front.pull()
        assert front.told() == []
        assert [one.closed_by for one in notices(front.hub.database, closed=True)] == ["hub"]

    def test_a_closed_notice_asks_for_one_more_reading(self, front: Front) -> None:
        front.pull()
        front.run("ALTER TABLE zx_rkxx RENAME TO real_zx_rkxx")
        front.run(
            "CREATE VIEW zx_rkxx AS SELECT * FROM real_zx_rkxx UNION ALL SELECT 99, 'x', 'x', '1', 'x',"
            " timestamp '2026-10-02 10:00:00', 'I', 'p' WHERE current_query() LIKE '%%day_of_cursor%%'"
        )
        front.pull()
        (notice,) = notices(front.hub.database)
        close_notice(front.hub.database, notice.number, "someone")
        front.pull()
        (again,) = notices(front.hub.database)
        assert again.number != notice.number

    def test_nothing_is_counted_in_quiet_hours(self, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
        front.pull()
        front.add(7, "2026-10-01 09:00:00")
        front.add(8, "2026-10-09 12:00:00")
        asked: list[None] = []

        def awake() -> None:
            asked.append(None)
            if front.hub.ledger.batches(TAIL)[-1].mark == {"cursor": "2026-10-09T12:00:00"}:
                raise RetryError("system", "quiet hours", "a", "d")

        monkeypatch.setattr("hub.steps.pull.while_awake", lambda *_: awake)
        with pytest.raises(RetryError, match="quiet hours"):
            front.pull()
        assert [batch.offer for batch in front.hub.ledger.batches(TAIL)][1:] == ["zx_rkxx from 2026-10-08T10:00:00"]
        monkeypatch.undo()

    def test_the_days_read_again_are_at_the_departments_pace(
        self, front: Front, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        front.pull()
        front.add(7, "2026-10-01 09:00:00")
        told: list[int] = []

        class Pace:
            def __init__(self, rows_per_second: int | None) -> None:
                pass

            def __call__(self, rows: int) -> None:
                told.append(rows)

        monkeypatch.setattr("hub.steps.pull.Pace", Pace)
        front.pull()
        assert sorted(told) == [1, 3, 3, 3], "an increment of one row, counts of three days twice, three rows again"
