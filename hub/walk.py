"""The walk: one ordered list of verbs, from a department's system to a village's download."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import monotonic

from hub.ahead import one_at_a_time, pulled_ahead
from hub.asking import Awake, always
from hub.collector import collected_seldom
from hub.context import CHINA, Hub
from hub.due import build_is_due, built_from, due_datasets, waits_for
from hub.errors import RetryError, SetAsideError, StopError
from hub.ledger import Batch
from hub.steps.check import check_together
from hub.steps.conform import conform
from hub.steps.deliver import deliver
from hub.steps.link import link
from hub.steps.merge import build_tables, judge_tables, merge_inputs
from hub.steps.publish import publish
from hub.steps.pull import pull
from hub.steps.release import Release, release
from hub.store import write_atomically

__all__ = [
    "FORWARD",
    "STEPS",
    "Backfill",
    "Event",
    "Notify",
    "Step",
    "build",
    "build_is_due",
    "pull_system",
    "reopen",
    "run",
    "send_out",
    "take_in",
    "waits_for",
]


@dataclass(frozen=True)
class Step:
    """One verb of the walk."""

    name: str
    title: str
    what: str


STEPS = (
    Step("pull", "归集", "rows arrive from a department system, untouched, counted, hashed"),
    Step("conform", "转换", "renamed, decoded, typed, codes mapped; the original value kept beside a repair"),
    Step("check", "校验", "the Great Expectations suite runs; bad rows are set aside, never dropped"),
    Step("link", "关联", "each row gets hub keys: division, address, person, household, entity"),
    Step("merge", "融合", "field by field the source department wins; every value keeps its source and date"),
    Step("release", "发布", "all base tables of one date go live together, or none does"),
    Step("publish", "产品", "products are cut from the release: rows by division, columns by purpose"),
    Step("deliver", "推送", "each village and each subscriber gets what changed for it, once, with a receipt"),
)


@dataclass(frozen=True)
class Event:
    """News of the walk, for progress displays and benchmarks.

    Attributes:
        step: Name of the step.
        subject: Dataset, table or product; empty for the step as a whole.
        rows: Rows the step dealt with.
        seconds: How long it took.
    """

    step: str
    subject: str
    rows: int
    seconds: float


Notify = Callable[[Event], None]


def _quiet(event: Event) -> None:
    """Take no notice."""


class _Watch:
    """Times pieces of work and tells of each when it is done."""

    def __init__(self, notify: Notify) -> None:
        self.notify = notify
        self.since = monotonic()

    def tell(self, step: str, subject: str, rows: int) -> None:
        current = monotonic()
        self.notify(Event(step, subject, rows, current - self.since))
        self.since = current


@dataclass(frozen=True)
class Backfill:
    """What a pull does beside going on where the last one ended.

    Attributes:
        since: Increments begin here where that is earlier; None: where the last pull ended.
        accept_deletions: Believe that rows are gone, however many.
        replay: Conform and check once more what landed since `since`, or all of it, instead of pulling.
        due_only: Leave out datasets whose news of the present period has come.
    """

    since: datetime | None = None
    accept_deletions: bool = False
    replay: bool = False
    due_only: bool = False


FORWARD = Backfill()
"""The ordinary pull."""


def pull_system(
    hub: Hub, system: str, notify: Notify = _quiet, how: Backfill = FORWARD, keep_on: Awake = always
) -> list[Batch]:
    """Step 1 for every dataset of a department: one that fails does not stop the others.

    Args:
        hub: The opened hub.
        system: The department.
        notify: Told of every finished piece of work.
        how: Where to begin.
        keep_on: Called before each question to the department's system; what it raises ends the pull.

    Raises:
        StopError, RetryError: There is no such department, or at least one dataset failed; each is named. Or another
            process is at it.
    """
    contracts = due_datasets(hub, system) if how.due_only else hub.contracts.of_system(system)
    batches: list[Batch] = []
    faults: list[StopError | RetryError] = []
    watch = _Watch(notify)
    with hub.ledger.at_work(system):
        hub.ledger.start_pull(system)
        for contract in contracts:
            try:
                landed = _pulled(hub, contract.tail, how, notify, keep_on)
            except (StopError, RetryError) as error:
                faults.append(error)
                continue
            batches += landed
            watch.tell("pull", contract.tail, sum(batch.landed for batch in landed))
        if faults:
            hub.ledger.end_pull(system, "failed", "; ".join(fault.where for fault in faults))
            raise _together(system, faults)
        hub.ledger.move_pull(system, "running", "landed")
    return batches


def _pulled(hub: Hub, tail: str, how: Backfill, notify: Notify, keep_on: Awake) -> list[Batch]:
    if how.replay:
        return reopen(hub, tail, how.since)

    def tell(text: str) -> None:
        notify(Event("pull", text, 0, 0.0))

    return pull(hub, tail, since=how.since, accept_deletions=how.accept_deletions, tell=tell, keep_on=keep_on)


def reopen(hub: Hub, tail: str, since: datetime | None) -> list[Batch]:
    """Set batches back to `landed`, so that they are conformed and checked anew from their raw rows.

    Args:
        hub: The opened hub.
        tail: The dataset.
        since: Only batches pulled at or after this moment of China's time; None: all that are kept.
    """
    kept = [batch for batch in hub.ledger.batches(tail) if batch.state in ("conformed", "checked", "held")]
    kept = [batch for batch in kept if batch.mode != "tombstones"]
    if since is not None:
        kept = [batch for batch in kept if batch.pulled_at >= since.replace(tzinfo=since.tzinfo or CHINA)]
    opened = [replace(batch, state="landed") for batch in kept]
    for batch in opened:
        hub.ledger.save_batch(batch)
    return opened


def _together(system: str, faults: list[StopError | RetryError]) -> StopError | RetryError:
    """One error for several: to be retried only if all of them are."""
    if len(faults) == 1:
        return faults[0]
    kind = RetryError if all(isinstance(fault, RetryError) for fault in faults) else StopError
    return kind(
        where=f"system {system}",
        came=f"{len(faults)} datasets failed: " + " | ".join(f"{fault.where}: {fault.came}" for fault in faults),
        allowed=faults[0].allowed,
        do=faults[0].do,
    )


def take_in(hub: Hub, system: str, notify: Notify = _quiet) -> list[Batch]:
    """Steps 2 and 3 for whatever of a department has landed and is not checked yet; then the pull is closed.

    Raises:
        StopError, RetryError: At least one dataset failed; the others are taken in. Or another process is at it.
    """
    done: list[Batch] = []
    faults: list[StopError | RetryError] = []
    watch = _Watch(notify)
    # Corrections that come in meanwhile wait, and so does another pull.
    with hub.ledger.at_work(system), hub.ledger.locked(f"pull {system}"):
        hub.ledger.move_pull(system, "landed", "running")
        for contract in hub.contracts.of_system(system):
            try:
                done += _take_in_dataset(hub, contract.tail, watch)
            except (StopError, RetryError) as error:
                faults.append(error)
        hub.ledger.end_pull(system, "failed" if faults else "done", "; ".join(fault.where for fault in faults))
    if faults:
        raise _together(system, faults)
    return done


def _take_in_dataset(hub: Hub, tail: str, watch: _Watch) -> list[Batch]:
    for batch in hub.ledger.batches(tail, state="landed"):
        try:
            conformed = conform(hub, batch)
        except SetAsideError as error:
            note = f"{error.reason}: {error.came}; {error.do}"
            hub.ledger.save_batch(replace(batch, state="withheld", note=note))
            hub.ledger.record_issues(batch, "conform", [(error.reason, "", "withheld", 1)])
        else:
            watch.tell("conform", tail, conformed.landed)
    waiting = hub.ledger.batches(tail, state="conformed")
    checked = check_together(hub, waiting) if waiting else []
    if checked:
        watch.tell("check", tail, sum(batch.landed for batch in checked))
    return checked


def build(hub: Hub, notify: Notify = _quiet) -> Release | None:
    """Steps 4 to 6: the present rows become base tables and go live; None where nothing changed.

    The tables are judged while their rows are on their way into the database, where none goes live before the verdict.
    """
    watch = _Watch(notify)
    with hub.ledger.locked("build"):
        # Asked before the work and written after it: what is checked meanwhile, or a build that fails, is due again.
        inputs = merge_inputs(hub)
        watch.tell("link", "", sum(link(hub).values()))
        watch.tell("merge", "", sum(build_tables(hub).values()))
        with ThreadPoolExecutor(1, thread_name_prefix="judge") as pool:
            made = release(hub, pool.submit(judge_tables, hub).result)
        write_atomically(built_from(hub), json.dumps(inputs, indent=1).encode())
        watch.tell("release", "", sum(table["rows"] for table in made.tables.values()) if made else 0)
    return made


def send_out(hub: Hub, notify: Notify = _quiet) -> None:
    """Steps 7 and 8: products are cut from the live release and what changed is delivered."""
    watch = _Watch(notify)
    watch.tell("publish", "", sum(version.rows for version in publish(hub)))
    watch.tell("deliver", "", sum(delivery.rows for delivery in deliver(hub)))


@collected_seldom()
def run(
    hub: Hub, systems: Iterable[str] | None = None, notify: Notify = _quiet, how: Backfill = FORWARD
) -> Release | None:
    """Walk all eight steps in this process: the same tables as by Airflow.

    A department is pulled while the one before it is taken in.

    Args:
        hub: The opened hub.
        systems: Departments to pull; none: all of them.
        notify: Told of every finished piece of work.
        how: Where pulls begin.

    Raises:
        StopError, RetryError: There is no such department; or one or more of them failed, and the others were taken in
            and released before this is raised.
    """
    names = sorted(systems) if systems else list(hub.contracts.systems)
    for name in names:
        hub.contracts.of_system(name)  # a wrong name stops before anything is pulled
    faults: list[StopError | RetryError] = []
    notify = one_at_a_time(notify)
    with pulled_ahead(names, lambda name, keep_on: pull_system(hub, name, notify, how, keep_on)) as pulls:
        for name in names:
            for part in (pulls[name].result, partial(take_in, hub, name, notify)):
                try:
                    part()
                except (StopError, RetryError) as error:
                    faults.append(error)
    made = build(hub, notify) if not waits_for(hub) and build_is_due(hub) else None
    if hub.ledger.newest_release() is not None:
        try:
            send_out(hub, notify)
        except (StopError, RetryError) as error:
            faults.append(error)
    if faults:
        raise _together(", ".join(names), faults)
    return made
