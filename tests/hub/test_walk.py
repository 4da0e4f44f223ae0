"""The walk's order and its failures: what stops, what goes on, and when a build is due. The steps are stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub import walk
from hub.context import Hub
from hub.contracts import load_contracts
from hub.due import due_datasets
from hub.errors import ConfigurationError, RetryError, SetAsideError, StopError
from hub.ledger import Batch, Ledger, migrate, now
from hub.ledger.models import LedgerBase
from hub.settings import load_settings
from hub.store import Lake
from hub.walk import Backfill, Event, build, build_is_due, pull_system, run, send_out, take_in, waits_for

pytestmark = pytest.mark.integration
SYSTEM = "health_commission"
BIRTH, DEATH = f"{SYSTEM}/birth", f"{SYSTEM}/death"


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(module_database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def hub(database: sa.Engine, tmp_path: Path) -> Hub:
    with database.begin() as connection:
        names = ", ".join(f'ledger."{table.name}"' for table in LedgerBase.metadata.sorted_tables)
        connection.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY"))
    settings = load_settings(data_dir=tmp_path)
    return Hub(settings, load_contracts(), Lake(tmp_path), Ledger(database), database, date(2026, 11, 1))


@dataclass
class Steps:
    """Stands in for the steps: keeps the order of calls, fails where it is told to."""

    calls: list[str] = field(default_factory=list)
    failures: dict[str, BaseException] = field(default_factory=dict)
    meanwhile: Callable[[], object] = lambda: None

    def done(self, call: str) -> None:
        self.calls.append(call)
        if call in self.failures:
            raise self.failures[call]

    def pull(self, hub: Hub, tail: str, **how: object) -> list[Batch]:
        self.done(f"pull {tail}")
        batch = replace(hub.ledger.new_batch(tail, "x", "increment"), state="landed", landed=3)
        hub.ledger.save_batch(batch)
        return [batch]

    def conform(self, hub: Hub, batch: Batch) -> Batch:
        self.done(f"conform {batch.tail}")
        return self._saved(hub, replace(batch, state="conformed"))

    def check_together(self, hub: Hub, batches: list[Batch]) -> list[Batch]:
        self.done(f"check {batches[0].tail}")
        return [self._saved(hub, replace(batch, state="checked", accepted=2, quarantined=1)) for batch in batches]

    def _saved(self, hub: Hub, batch: Batch) -> Batch:
        hub.ledger.save_batch(batch)
        return batch

    def link(self, hub: Hub) -> dict[str, int]:
        self.done("link")
        return {"a": 1, "b": 2}

    def build_tables(self, hub: Hub) -> dict[str, int]:
        self.done("merge")
        self.meanwhile()
        return {"person": 5}

    def judge_tables(self, hub: Hub) -> None:
        self.done("judge")

    def release(self, hub: Hub, judged: Callable[[], object]) -> None:
        self.done("release")
        judged()
        with hub.database.begin() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO ledger.release SELECT count(*) + 1, '2026-11-01', now(), '{}', 'live'"
                    " FROM ledger.release"
                )
            )

    def publish(self, hub: Hub) -> list[Any]:
        self.done("publish")
        return []

    def deliver(self, hub: Hub) -> list[Any]:
        self.done("deliver")
        return []


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    stand_in = Steps()
    taken_in = ("pull", "conform", "check_together")
    for name in (*taken_in, "link", "build_tables", "judge_tables", "release", "publish", "deliver"):
        monkeypatch.setattr(walk, name, getattr(stand_in, name))
    return stand_in


def away(where: str) -> RetryError:
    return RetryError(where, "away", "a", "d")


def wrong(where: str) -> StopError:
    return StopError(where, "wrong", "a", "d")


def states(hub: Hub) -> dict[str, str]:
    return {batch.tail: batch.state for batch in hub.ledger.batches()}


class TestPullSystem:
    def test_all_datasets_are_pulled_and_the_pull_stays_open_until_they_are_taken_in(
        self, hub: Hub, steps: Steps
    ) -> None:
        events: list[Event] = []
        assert [batch.tail for batch in pull_system(hub, SYSTEM, events.append)] == [BIRTH, DEATH]
        assert [(event.step, event.subject, event.rows) for event in events] == [("pull", BIRTH, 3), ("pull", DEATH, 3)]
        assert hub.ledger.open_pulls() == [SYSTEM]
        take_in(hub, SYSTEM)
        assert hub.ledger.open_pulls() == []

    def test_one_dataset_that_fails_does_not_stop_the_others(self, hub: Hub, steps: Steps) -> None:
        steps.failures[f"pull {BIRTH}"] = failure = away(BIRTH)
        with pytest.raises(RetryError) as caught:
            pull_system(hub, SYSTEM)
        assert caught.value is failure
        assert states(hub) == {DEATH: "landed"}
        assert hub.ledger.open_pulls() == [], "a pull that failed must not keep the build waiting"

    @pytest.mark.parametrize(
        ("first", "second", "kind"), [(away, away, RetryError), (away, wrong, StopError), (wrong, away, StopError)]
    )
    def test_several_failures_are_one_error_to_be_retried_only_if_all_are(
        self, hub: Hub, steps: Steps, first: Any, second: Any, kind: type[Exception]
    ) -> None:
        steps.failures = {f"pull {BIRTH}": first(BIRTH), f"pull {DEATH}": second(DEATH)}
        with pytest.raises((StopError, RetryError)) as caught:
            pull_system(hub, SYSTEM)
        assert type(caught.value) is kind
        assert BIRTH in str(caught.value)
        assert DEATH in str(caught.value)
        assert f"system {SYSTEM}: 2 datasets failed" in str(caught.value)

    def test_only_what_is_due_where_that_is_asked(
        self, hub: Hub, steps: Steps, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        hub.ledger.save_batch(replace(hub.ledger.new_batch(DEATH, "x", "increment"), state="checked"))
        hub.ledger.save_batch(replace(hub.ledger.new_batch(BIRTH, "x", "increment"), state="withheld"))
        pull_system(hub, SYSTEM, how=Backfill(due_only=True))
        assert steps.calls == [f"pull {BIRTH}"]
        assert f"{DEATH} is not due" in caplog.text
        pull_system(hub, SYSTEM)
        assert steps.calls[1:] == [f"pull {BIRTH}", f"pull {DEATH}"]

    def test_news_of_an_earlier_period_is_due_again(
        self, hub: Hub, steps: Steps, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch = replace(hub.ledger.new_batch(DEATH, "x", "increment"), state="checked")
        for age, due in ((timedelta(days=1), True), (timedelta(0), False)):
            hub.ledger.save_batch(replace(batch, pulled_at=now() - age))
            assert (DEATH in {one.tail for one in due_datasets(hub, SYSTEM)}) is due

    def test_an_unknown_department_leaves_no_pull_open(self, hub: Hub, steps: Steps) -> None:
        with pytest.raises(ConfigurationError, match="'helth' is unknown; known: civil_affairs"):
            pull_system(hub, "helth")
        assert hub.ledger.open_pulls() == []


class TestTakeIn:
    def test_what_landed_is_conformed_then_checked(self, hub: Hub, steps: Steps) -> None:
        pull_system(hub, SYSTEM)
        events: list[Event] = []
        done = take_in(hub, SYSTEM, events.append)
        assert [(batch.tail, batch.state) for batch in done] == [(BIRTH, "checked"), (DEATH, "checked")]
        assert [(event.step, event.subject) for event in events] == [
            ("conform", BIRTH),
            ("check", BIRTH),
            ("conform", DEATH),
            ("check", DEATH),
        ]
        assert take_in(hub, SYSTEM) == []

    def test_what_a_killed_process_left_conformed_is_checked(self, hub: Hub, steps: Steps) -> None:
        hub.ledger.save_batch(replace(hub.ledger.new_batch(DEATH, "x", "increment"), state="conformed"))
        assert [batch.tail for batch in take_in(hub, SYSTEM)] == [DEATH]
        assert steps.calls == [f"check {DEATH}"]

    def test_a_batch_that_cannot_be_read_is_set_aside_with_its_reason_and_the_rest_goes_on(
        self, hub: Hub, steps: Steps
    ) -> None:
        pull_system(hub, SYSTEM)
        steps.failures[f"conform {BIRTH}"] = SetAsideError("w", "no column 姓名", "a", "send it", "schema_drift")
        assert [batch.tail for batch in take_in(hub, SYSTEM)] == [DEATH]
        (batch,) = hub.ledger.batches(BIRTH)
        assert (batch.state, batch.note) == ("withheld", "schema_drift: no column 姓名; send it")
        (issue,) = hub.ledger.issues(SYSTEM)
        assert (issue.tail, issue.step, issue.rule, issue.outcome) == (BIRTH, "conform", "schema_drift", "withheld")
        assert hub.ledger.open_pulls() == []

    @pytest.mark.parametrize("step", ["conform", "check"])
    def test_one_dataset_that_fails_does_not_stop_the_others_nor_keep_the_build_waiting(
        self, hub: Hub, steps: Steps, step: str
    ) -> None:
        pull_system(hub, SYSTEM)
        steps.failures[f"{step} {BIRTH}"] = wrong(BIRTH)
        with pytest.raises(StopError, match=f"{BIRTH}: wrong"):
            take_in(hub, SYSTEM)
        assert states(hub) == {BIRTH: "landed" if step == "conform" else "conformed", DEATH: "checked"}
        assert hub.ledger.open_pulls() == []
        steps.failures.clear()
        assert [batch.tail for batch in take_in(hub, SYSTEM)] == [BIRTH], "it is taken up again"


class TestBuild:
    def test_due_before_the_first_release_and_not_after_it(self, hub: Hub, steps: Steps) -> None:
        assert build_is_due(hub)
        build(hub)
        assert not build_is_due(hub)

    def test_due_when_batches_day_or_contracts_change(self, hub: Hub, steps: Steps) -> None:
        build(hub)
        assert build_is_due(replace(hub, as_of=date(2026, 11, 2)))
        assert build_is_due(replace(hub, contracts=replace(hub.contracts, digest="other")))
        pull_system(hub, SYSTEM)
        take_in(hub, SYSTEM)
        assert build_is_due(hub)

    def test_waits_for_open_pulls(self, hub: Hub, steps: Steps) -> None:
        hub.ledger.expect_pulls([SYSTEM, "civil_affairs"])
        assert not build_is_due(hub)
        pull_system(hub, SYSTEM)
        take_in(hub, SYSTEM)
        assert not build_is_due(hub), "another department is still expected"
        hub.ledger.end_pull("civil_affairs", "failed")
        assert build_is_due(hub)

    def test_what_it_waits_for_is_told_where_there_is_something_to_build(
        self, hub: Hub, steps: Steps, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert waits_for(hub) == []
        hub.ledger.expect_pulls([SYSTEM])
        assert waits_for(hub) == [SYSTEM]
        assert f"build waits for pull of {SYSTEM}" in caplog.text
        hub.ledger.end_pull(SYSTEM, "done")
        build(hub)
        hub.ledger.expect_pulls([SYSTEM])
        assert waits_for(hub) == [], "nothing has changed"

    def test_does_not_wait_for_a_pull_whose_process_was_killed(self, hub: Hub, steps: Steps) -> None:
        steps.failures[f"pull {BIRTH}"] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            pull_system(hub, SYSTEM)
        assert build_is_due(hub)

    @pytest.mark.parametrize("step", ["link", "merge", "judge", "release"])
    def test_still_due_after_one_that_failed(self, hub: Hub, steps: Steps, step: str) -> None:
        build(hub)
        pull_system(hub, SYSTEM)
        take_in(hub, SYSTEM)
        steps.failures[step] = wrong(step)
        with pytest.raises(StopError):
            build(hub)
        assert build_is_due(hub)

    def test_due_again_for_what_was_checked_while_it_ran(self, hub: Hub, steps: Steps) -> None:
        def late() -> None:
            pull_system(hub, SYSTEM)
            take_in(hub, SYSTEM)

        steps.meanwhile = late
        build(hub)
        assert build_is_due(hub)

    def test_two_processes_do_not_build_at_once(self, hub: Hub, steps: Steps) -> None:
        with hub.ledger.locked("build"), pytest.raises(RetryError, match="another process is at it"):
            build(hub)
        assert steps.calls == []

    def test_tells_of_each_step(self, hub: Hub, steps: Steps) -> None:
        events: list[Event] = []
        build(hub, events.append)
        send_out(hub, events.append)
        assert [(event.step, event.rows) for event in events] == [
            ("link", 3),
            ("merge", 5),
            ("release", 0),
            ("publish", 0),
            ("deliver", 0),
        ]
        assert all(event.seconds >= 0 for event in events)


class TestRun:
    def test_all_departments_in_the_order_of_the_walk(self, hub: Hub, steps: Steps) -> None:
        run(hub)
        verbs = dict.fromkeys(call.split()[0] for call in steps.calls)
        assert "judge" in verbs
        assert [verb for verb in verbs if verb != "judge"] == [step.name for step in walk.STEPS]
        assert {call.split()[1] for call in steps.calls if call.startswith("check")} == set(hub.contracts.sources)

    def test_only_the_named_departments(self, hub: Hub, steps: Steps) -> None:
        run(hub, [SYSTEM])
        assert [call for call in steps.calls if call.startswith("pull")] == [f"pull {BIRTH}", f"pull {DEATH}"]

    def test_it_says_what_the_build_waits_for(self, hub: Hub, steps: Steps, caplog: pytest.LogCaptureFixture) -> None:
        hub.ledger.expect_pulls(["civil_affairs"])
        assert run(hub, [SYSTEM]) is None
        assert "link" not in steps.calls
        assert "build waits for pull of civil_affairs" in caplog.text

    def test_without_news_there_is_no_build_but_what_is_due_is_sent(
        self, hub: Hub, steps: Steps, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(hub, [SYSTEM])
        steps.calls.clear()
        monkeypatch.setattr(walk, "pull", lambda hub, tail, **how: [])
        assert run(hub, [SYSTEM]) is None
        assert steps.calls == ["publish", "deliver"]

    @pytest.mark.parametrize("step", ["pull", "conform", "check"])
    def test_a_failing_dataset_is_raised_after_the_others_went_live(self, hub: Hub, steps: Steps, step: str) -> None:
        steps.failures[f"{step} {BIRTH}"] = wrong(BIRTH)
        with pytest.raises(StopError, match=BIRTH):
            run(hub, ["civil_affairs", SYSTEM])
        built = [call for call in steps.calls if call in {step.name for step in walk.STEPS}]
        assert built == ["link", "merge", "release", "publish", "deliver"]
        checked = [batch.tail for batch in hub.ledger.batches(state="checked")]
        assert DEATH in checked
        assert BIRTH not in checked
        assert len(checked) == len(hub.contracts.of_system("civil_affairs")) + 1

    def test_an_unknown_department_stops_before_anything_is_pulled(self, hub: Hub, steps: Steps) -> None:
        with pytest.raises(ConfigurationError, match="'police' is unknown"):
            run(hub, [SYSTEM, "police"])
        assert steps.calls == []
        assert hub.ledger.open_pulls() == []

    def test_an_unforeseen_error_stops_at_once(self, hub: Hub, steps: Steps) -> None:
        steps.failures[f"pull {BIRTH}"] = ValueError("bug")
        with pytest.raises(ValueError, match="bug"):
            run(hub, [SYSTEM])
        assert steps.calls == [f"pull {BIRTH}"]
