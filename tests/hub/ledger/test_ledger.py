"""The ledger: pulls that the build waits for, batches, issues, and locks between processes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.errors import RetryError
from hub.ledger import Batch, Ledger, now
from hub.ledger.models import PullRow, ReleaseRow

pytestmark = pytest.mark.integration
TAIL = "health_commission/death"


def pulls(ledger: Ledger) -> list[tuple[str, str, str]]:
    with Session(ledger.database) as session:
        return [(row.system, row.state, row.note) for row in session.scalars(sa.select(PullRow).order_by(PullRow.id))]


class TestPulls:
    def test_expected_pulls_are_open_until_they_end(self, ledger: Ledger) -> None:
        ledger.expect_pulls(["b", "a"])
        assert ledger.open_pulls() == ["a", "b"]
        with ledger.at_work("a"):
            ledger.start_pull("a")
            assert ledger.open_pulls() == ["a", "b"], "a running pull is open"
            ledger.end_pull("a", "done")
        ledger.end_pull("b", "failed", "away")
        assert ledger.open_pulls() == []
        assert pulls(ledger) == [("b", "failed", "away"), ("a", "done", "")]

    def test_pull_takes_the_oldest_expected_one(self, ledger: Ledger) -> None:
        ledger.expect_pulls(["a"])
        ledger.expect_pulls(["a"])
        first = ledger.start_pull("a")
        assert ledger.start_pull("a") == first, "tried again, it is still the same pull"
        assert pulls(ledger) == [("a", "running", ""), ("a", "expected", "")]

    def test_pull_that_nobody_announced_is_open_too(self, ledger: Ledger) -> None:
        with ledger.at_work("a"):
            ledger.start_pull("a")
            assert ledger.open_pulls() == ["a"]

    def test_what_landed_stays_open_until_it_is_taken_in(self, ledger: Ledger, other: Ledger) -> None:
        with ledger.at_work("a"):
            ledger.start_pull("a")
            ledger.move_pull("a", "running", "landed")
        assert other.open_pulls() == ["a"], "no process is at it, but the next task will be"
        with ledger.at_work("a"):
            ledger.move_pull("a", "landed", "running")
            assert other.open_pulls() == ["a"]
            ledger.end_pull("a", "done")
        assert other.open_pulls() == []

    def test_the_pull_of_a_process_that_died_is_open_no_longer(
        self, ledger: Ledger, other: Ledger, caplog: pytest.LogCaptureFixture
    ) -> None:
        ledger.expect_pulls(["a"])
        with ledger.at_work("a"):
            ledger.start_pull("a")
            assert other.open_pulls() == ["a"]
        assert other.open_pulls() == []
        assert pulls(ledger) == [("a", "failed", "left running by a process that is gone")]
        assert "pull of a was left running" in caplog.text

    @pytest.mark.parametrize("state", ["expected", "landed"])
    def test_nobody_is_waited_for_longer_than_an_hour(
        self, ledger: Ledger, state: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger.expect_pulls(["a"])
        if state == "landed":
            with ledger.at_work("a"):
                ledger.start_pull("a")
                ledger.move_pull("a", "running", "landed")
        moment = now()
        monkeypatch.setattr("hub.ledger.pulls.now", lambda: moment + timedelta(minutes=59))
        assert ledger.open_pulls() == ["a"]
        monkeypatch.setattr("hub.ledger.pulls.now", lambda: moment + timedelta(minutes=61))
        assert ledger.open_pulls() == []

    def test_a_long_pull_is_open_however_long_it_takes(
        self, ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ledger.at_work("a"):
            ledger.start_pull("a")
            monkeypatch.setattr("hub.ledger.pulls.now", lambda: now() + timedelta(days=2))
            assert other.open_pulls() == ["a"]

    def test_two_processes_do_not_pull_one_system_at_once(
        self, ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hub.ledger.pulls._PATIENCE", 0.2)
        with ledger.at_work("a"):
            with pytest.raises(RetryError, match="walk of a: another process is at it"), other.at_work("a"):
                pytest.fail("two processes pull one system")
            with other.at_work("b"):
                pass

    def test_end_closes_all_of_that_system_and_no_other(self, ledger: Ledger) -> None:
        ledger.expect_pulls(["a", "a", "b"])
        ledger.end_pull("a", "done")
        assert ledger.open_pulls() == ["b"]

    def test_ended_pull_stays_as_it_ended(self, ledger: Ledger) -> None:
        ledger.start_pull("a")
        ledger.end_pull("a", "failed", "away")
        ledger.end_pull("a", "done")
        assert pulls(ledger) == [("a", "failed", "away")]


class TestBatches:
    def test_numbers_count_up_for_each_dataset(self, ledger: Ledger) -> None:
        assert [ledger.new_batch(TAIL, "x.csv", "increment").id for _ in range(2)] == [
            "health_commission.death.000001",
            "health_commission.death.000002",
        ]
        assert ledger.new_batch("health_commission/birth", "x", "increment").id == "health_commission.birth.000001"

    def test_a_dropped_number_is_free_again(self, ledger: Ledger) -> None:
        ledger.new_batch(TAIL, "x.csv", "increment")
        ledger.drop_batch(ledger.new_batch(TAIL, "y.csv", "increment"))
        assert ledger.new_batch(TAIL, "z.csv", "increment").id.endswith(".000002")

    def test_processes_at_once_never_share_a_number(self, ledger: Ledger, other: Ledger) -> None:
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda n: (ledger, other)[n % 2].new_batch(TAIL, f"{n}", "increment").id, range(12)))
        assert len(set(made)) == 12

    def test_saved_batch_is_read_as_it_was_written(self, ledger: Ledger) -> None:
        batch = replace(
            ledger.new_batch(TAIL, "名册.csv", "snapshot"),
            state="checked",
            content_hash="ab",
            landed=6,
            accepted=3,
            quarantined=2,
            duplicate=1,
            mark={"since": "2026-01-01", "overlap": 3},
            note="n",
        )
        ledger.save_batch(batch)
        assert ledger.batches(TAIL) == [batch]
        assert batch.pulled_at.tzinfo == UTC
        assert batch.system == "health_commission"

    def test_batches_are_found_by_dataset_and_state_oldest_first(self, ledger: Ledger) -> None:
        first = ledger.new_batch(TAIL, "1", "increment")
        second = replace(ledger.new_batch(TAIL, "2", "increment"), state="landed")
        ledger.save_batch(second)
        birth = ledger.new_batch("health_commission/birth", "1", "increment")
        assert ledger.batches() == [birth, first, second]
        assert ledger.batches(TAIL) == [first, second]
        assert ledger.batches(state="landed") == [second]
        assert ledger.batches(TAIL, "checked") == []


class TestIssues:
    @pytest.fixture
    def batch(self, ledger: Ledger) -> Batch:
        return ledger.new_batch(TAIL, "x", "increment")

    def test_a_step_done_again_replaces_what_it_counted(self, ledger: Ledger, batch: Batch) -> None:
        ledger.record_issues(batch, "conform", [("id_length", "id_number", "refused", 3)])
        ledger.record_issues(batch, "check", [("key_conflict", "id_number", "quarantined", 1)])
        ledger.record_issues(batch, "conform", [("id_date", "id_number", "refused", 2)])
        assert [(issue.step, issue.rule, issue.count) for issue in ledger.issues()] == [
            ("conform", "id_date", 2),
            ("check", "key_conflict", 1),
        ]

    def test_the_most_frequent_comes_first_within_a_batch(self, ledger: Ledger, batch: Batch) -> None:
        later = ledger.new_batch(TAIL, "y", "increment")
        ledger.record_issues(later, "conform", [("z", "", "repaired", 99)])
        counts = [("b", "", "repaired", 1), ("a", "", "repaired", 1), ("c", "", "warned", 5)]
        ledger.record_issues(batch, "conform", counts)
        found = [(issue.tail, issue.batch, issue.rule, issue.outcome) for issue in ledger.issues()]
        assert found == [
            (TAIL, batch.id, "c", "warned"),
            (TAIL, batch.id, "a", "repaired"),
            (TAIL, batch.id, "b", "repaired"),
            (TAIL, later.id, "z", "repaired"),
        ]

    def test_of_one_department_and_not_of_one_called_nearly_so(self, ledger: Ledger, batch: Batch) -> None:
        for tail in ("healthxcommission/death", "health_commission_2/death"):
            ledger.record_issues(ledger.new_batch(tail, "x", "increment"), "conform", [("a", "", "repaired", 1)])
        ledger.record_issues(batch, "conform", [("a", "", "repaired", 1)])
        assert [issue.tail for issue in ledger.issues("health_commission")] == [TAIL]
        assert len(ledger.issues()) == 3

    def test_counting_one_thing_twice_is_an_error_and_keeps_what_was(self, ledger: Ledger, batch: Batch) -> None:
        once = ("a", "b", "repaired", 1)
        ledger.record_issues(batch, "conform", [once])
        with pytest.raises(IntegrityError):
            ledger.record_issues(batch, "conform", [once, once])
        assert len(ledger.issues()) == 1

    def test_issues_go_with_their_batch(self, ledger: Ledger, batch: Batch) -> None:
        ledger.record_issues(batch, "conform", [("a", "b", "repaired", 1)])
        ledger.drop_batch(batch)
        assert ledger.issues() == []


class TestLocks:
    def test_a_second_process_is_told_to_come_again(self, ledger: Ledger, other: Ledger) -> None:
        with ledger.locked("build"):
            with pytest.raises(RetryError, match="build: another process is at it"), other.locked("build"):
                pytest.fail("two processes hold one lock")
            with other.locked("deliver"):
                pass
        with other.locked("build"):
            pass

    def test_who_has_patience_gets_the_lock_when_it_is_free(self, ledger: Ledger, other: Ledger) -> None:
        held = ledger.locked("build")
        held.__enter__()
        release = threading.Timer(0.3, held.__exit__, (None, None, None))
        release.start()
        with other.locked("build", patience=10):
            pass
        release.join()

    def test_a_block_that_fails_frees_the_lock(self, ledger: Ledger, other: Ledger) -> None:
        with pytest.raises(KeyError), ledger.locked("build"):
            raise KeyError
        with other.locked("build"):
            pass

    def test_the_server_frees_the_lock_of_a_process_that_died(self, ledger: Ledger, other: Ledger) -> None:
        held = ledger.locked("build")
        held.__enter__()
        with other.database.connect() as connection:
            holders = "FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database"
            kill = f"SELECT pg_terminate_backend(pid, 10000) {holders} WHERE datname = current_database())"
            assert connection.execute(sa.text(kill)).scalars().all() == [True]
        with other.locked("build"):
            pass
        with pytest.raises(sa.exc.OperationalError):
            held.__exit__(None, None, None)


def test_newest_release_is_none_before_the_first(ledger: Ledger) -> None:
    assert ledger.newest_release() is None
    with Session(ledger.database) as session, session.begin():
        at = datetime(2026, 11, 1, tzinfo=UTC)
        session.add_all(
            ReleaseRow(number=number, as_of_date=date(2026, 11, 1), released_at=at, tables={}, state="live")
            for number in (2, 10, 9)
        )
    assert ledger.newest_release() == 10


def test_server_tells_its_version(ledger: Ledger) -> None:
    assert ledger.server_version().startswith("PostgreSQL ")
