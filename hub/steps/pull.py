"""Step 1, pull: rows arrive from a department system, untouched, counted, hashed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from connectors.base import Connector, Offer, Request, Withheld, connect
from connectors.pace import Pace
from connectors.slices import Countable, Days
from hub.arrivals import content_of, is_no_news, remarks
from hub.asking import Awake, always, connection_of, lock_of, request_of, while_awake
from hub.context import Hub
from hub.contracts import SourceContract
from hub.deletions import brake_snapshot, compare_keys
from hub.drift import Change, changes, frozen, missing, tell_of
from hub.errors import ChangedError, ColumnsMissingError, SetAsideError, StopError
from hub.landing import Landed, assert_whole, forget, land, write_manifest
from hub.ledger import Batch, now
from hub.ledger.chunks import chunks_of
from hub.ledger.repeats import note_repeat
from hub.recount import recount

__all__ = ["Tell", "pull"]

Tell = Callable[[str], None]
"""Is told in a few words of what else happened, for whoever watches the run."""

_RESUME_WITHIN = timedelta(hours=6)
"""An older half pull is begun anew: its first chunks and its last would be of different days."""

_QUIET_DAY = timedelta(days=1)
"""So much longer may it take where a department has quiet hours: the next pull is that of the next night."""

_NO_OFFER = "comparison of keys"
_log = logging.getLogger(__name__)


def _nobody(text: str) -> None:
    """Nobody watches."""


def pull(
    hub: Hub,
    tail: str,
    *,
    since: datetime | None = None,
    accept_deletions: bool = False,
    tell: Tell = _nobody,
    keep_on: Awake = always,
) -> list[Batch]:
    """Pull what a dataset's department offers and has not delivered before.

    What an earlier pull of the last hours had read when it was killed, or when quiet hours began, is not read again.

    Args:
        hub: The opened hub.
        tail: The dataset.
        since: For a backfill: an increment begins here, where that is earlier than where the last pull ended.
        accept_deletions: Believe that rows are gone, however many.
        tell: Told of deliveries that are here already.
        keep_on: Called before each question to the system; what it raises ends the pull.

    Returns:
        The batches that landed or were withheld; empty where nothing new was offered.

    Raises:
        StopError: Configuration or rights are wrong.
        RetryError: The system is away, fewer rows came than it announced, another pull of the same department is
            running, or it has quiet hours.
    """
    contract = hub.contracts.sources[tail]
    system = hub.contracts.systems[contract.department]
    awake = while_awake(system, keep_on)
    awake()
    # One pull a department at a time, so that its connections and its pace are kept over all processes.
    with hub.ledger.locked(lock_of(system)):
        puller = _Puller(hub, contract, Pace(system.rows_per_second), accept_deletions, awake, tell)
        try:
            return puller.all(since)
        finally:
            puller.forget_unclaimed()


@dataclass
class _Puller:
    """Pulls one dataset."""

    hub: Hub
    contract: SourceContract
    pace: Pace
    accept_deletions: bool
    awake: Awake
    tell: Tell

    def __post_init__(self) -> None:
        ledger, tail = self.hub.ledger, self.contract.tail
        self.taken = [batch for batch in ledger.batches(tail) if batch.state not in ("withheld", "pulling")]
        self.delivered = [batch for batch in self.taken if batch.mode == self.contract.mode]
        # A snapshot that returns to an older state is news; a file that comes twice is not.
        recent = self.delivered[-1:] if self.contract.mode == "snapshot" else self.delivered
        self.known = {batch.content_hash: batch for batch in recent}
        self.half = ledger.batches(tail, state="pulling")
        self.still_there = 0
        self.connection = connection_of(self.hub.contracts, self.hub.settings, self.contract)

    def all(self, since: datetime | None) -> list[Batch]:
        """Take every offer, then compare keys where the contract asks for it."""
        marks = [batch.mark for batch in self.delivered if batch.mark is not None]
        connector = connect(self.connection)
        request = request_of(self.contract, self.pace, since)
        batches = list(self._take(connector, request, marks[-1] if marks else None))
        # Where nothing was before, nothing can be gone.
        compares = self.contract.mode == "increment" and self.contract.deletions.get("by") == "key_comparison"
        if compares and self.delivered:
            batches += self._compared(connector, request)
        if self.still_there:
            self._say(f"lying there and here already: {self.still_there}")
        return batches

    def _take(self, connector: Connector, request: Request, mark: dict[str, object] | None) -> Iterator[Batch]:
        for offer in connector.offers(request, mark):
            self.awake()
            if isinstance(offer, Withheld):
                batch = self._withhold(offer)
                yield from [batch] if batch else []
            elif offer.fingerprint is not None and offer.fingerprint in self.known:
                self._known_already(offer, self.known[offer.fingerprint], read=False)
            else:
                yield from self._land(offer)

    def _compared(self, connector: Connector, request: Request) -> Iterator[Batch]:
        """Bury what is gone; read everything once more where rows were committed behind the mark."""
        try:
            found = compare_keys(
                self.hub, self.contract, connector, request, awake=self.awake, accept=self.accept_deletions
            )
        except SetAsideError as error:
            withheld = self._withhold(Withheld(_NO_OFFER, error.reason, f"{error.came}; {error.do}"))
            yield from [withheld] if withheld else []
            return
        if found.batch is not None:
            yield found.batch
        if found.late:
            yield from self._take(connector, replace(request, since=None), None)

    def forget_unclaimed(self) -> None:
        """Remove what a killed pull left that no offer goes on with: it is simply taken again."""
        for batch in self.half:
            self._drop(batch)

    def _drop(self, batch: Batch) -> None:
        forget(self.hub.lake.raw(batch.tail, batch.id))
        self.hub.ledger.drop_batch(batch)

    def _say(self, text: str) -> None:
        _log.info("%s: %s", self.contract.tail, text)
        self.tell(f"{self.contract.tail}: {text}")

    def _known_already(self, offer: Offer, batch: Batch, *, read: bool) -> None:
        """Say that a delivery is one with a batch; one that merely still lies where it lay is no news."""
        if offer.name == batch.offer and not read:
            self.still_there += 1
            return
        note_repeat(self.hub.ledger, batch, offer.name)
        self._say(f"{offer.name} is the same as {batch.offer}, which is {batch.id}")

    def _withhold(self, offer: Withheld, after: str = "") -> Batch | None:
        """Put a delivery aside whole; the same one is told of once (`after` a batch), not at every pull."""
        ledger, tail = self.hub.ledger, self.contract.tail
        told = {(batch.offer, batch.note) for batch in ledger.batches(tail, state="withheld") if batch.id > after}
        note = f"{offer.reason}: {offer.message}"
        if (offer.name, note) in told:
            return None
        batch = ledger.new_batch(tail, offer.name, self.contract.mode)
        batch = replace(batch, state="withheld", content_hash=offer.fingerprint, note=note)
        ledger.save_batch(batch)
        ledger.record_issues(batch, "pull", [(offer.reason, "", "withheld", 1)])
        self.known[batch.content_hash] = batch
        return batch

    def _begun(self, offer: Offer) -> Batch:
        """The batch an earlier process has begun with this offer, or a new one."""
        system = self.hub.contracts.systems[self.contract.department]
        within = _RESUME_WITHIN + (_QUIET_DAY if system.quiet_hours else timedelta(0))
        for batch in self.half:
            same = (batch.offer, batch.content_hash) == (offer.name, offer.fingerprint)
            if same and now() - batch.pulled_at < within:
                self.half.remove(batch)
                return batch
        batch = self.hub.ledger.new_batch(self.contract.tail, offer.name, self.contract.mode)
        batch = replace(batch, content_hash=offer.fingerprint)
        self.hub.ledger.save_batch(batch)
        return batch

    def _land(self, offer: Offer) -> Iterator[Batch]:
        batch = self._begun(offer)
        folder = self.hub.lake.raw(batch.tail, batch.id)
        try:
            landed = land(self.hub.database, batch, offer, folder, self.connection.max_connections, self.awake)
            self._assert_whole(offer, landed, folder)
            found = self._held_to_contract(offer)
        except SetAsideError as error:
            self._drop(batch)
            yield from self._set_aside(offer, error)
            return
        except BaseException as error:
            # What is read stays, for the next try to go on with; where nothing is, nothing is left.
            if not _worth_resuming(error) or not any(c.sha256 for c in chunks_of(self.hub.database, batch.id)):
                self._drop(batch)
            raise
        yield from self._kept(batch, offer, landed, found)
        if isinstance(offer, Countable):
            yield from recount(self.hub, self.contract, offer, self.awake, self._land)

    def _assert_whole(self, offer: Offer, landed: Landed, folder: Path) -> None:
        doubts = self.contract.mode == "snapshot" and not self.accept_deletions
        had_rows = any(last.landed for last in self.delivered[-1:])
        assert_whole(f"{self.contract.tail}, {offer.name}", offer, landed, may_be_empty=not (doubts and had_rows))
        if landed.rows and doubts:
            brake_snapshot(self.hub, self.contract, folder)

    def _kept(self, batch: Batch, offer: Offer, landed: Landed, found: list[Change]) -> Iterator[Batch]:
        content_hash = content_of(offer, landed)
        if content_hash in self.known or is_no_news(self.contract, offer, landed):
            # The same rows again are the same batch: nothing new to say but that they came.
            self._drop(batch)
            offer.settle()
            if offer.fingerprint is not None and offer.fingerprint in self.known:
                self._known_already(offer, self.known[offer.fingerprint], read=True)
            return
        facts = {
            "dataset": batch.tail,
            "offer": offer.name,
            "rows": landed.rows,
            "rows_announced": offer.expected_rows,
            "rows_sha256": landed.sha256,
            "content_sha256": content_hash,
            "pulled_at": batch.pulled_at.isoformat(),
            "as_of": self.hub.as_of.isoformat(),
            "parts": list(landed.parts),
            "covers": [[day and day.isoformat() for day in days] for days in _covers(offer)],
        }
        write_manifest(self.hub.lake.raw(batch.tail, batch.id), facts)
        columns = dict(offer.available) if offer.available is not None else None
        mark = offer.mark(landed.notes)
        batch = replace(
            batch, state="landed", landed=landed.rows, content_hash=content_hash, mark=mark, columns=columns
        )
        self.hub.ledger.save_batch(batch)
        told = remarks(self.contract, batch, offer, self.known.values())
        self.hub.ledger.record_issues(batch, "pull", told)
        offer.settle()
        self.known[content_hash] = batch
        tell_of(self.hub.database, batch, found)
        yield batch

    def _changes(self, offer: Offer) -> list[Change]:
        if offer.available is None:
            return []
        before = next((last.columns for last in reversed(self.delivered) if last.columns is not None), None)
        return list(changes(self.contract, offer.available, before))

    def _held_to_contract(self, offer: Offer) -> list[Change]:
        """Return the changes of the department's columns.

        Raises:
            SetAsideError: `schema_drift`: the contract freezes one of the changes.
        """
        found = self._changes(offer)
        stopped = frozen(self.contract, found)
        if stopped:
            raise SetAsideError(
                where=f"{self.contract.tail}, {offer.name}",
                came="; ".join(change.detail for change in stopped),
                allowed="the agreed columns: the contract freezes this kind of change",
                do="agree the change with the department, correct the contract and pull again",
                reason="schema_drift",
            )
        return found

    def _set_aside(self, offer: Offer, error: SetAsideError) -> Iterator[Batch]:
        """Put an offer aside whole; where its columns are to blame their owner gets a notice as well."""
        # A table has no fingerprint: what is wrong with it after a good pull is wrong anew.
        after = self.delivered[-1].id if self.delivered and offer.fingerprint is None else ""
        told = Withheld(offer.name, error.reason, f"{error.came}; {error.do}", offer.fingerprint)
        withheld = self._withhold(told, after)
        if withheld is None:
            return
        found = self._changes(offer) if error.reason == "schema_drift" else []
        if isinstance(error, ColumnsMissingError) and not found:
            # The reader gave up before it could tell what there is.
            found = [missing(column) for column in error.columns]
        tell_of(self.hub.database, withheld, found)
        yield withheld


def _covers(offer: Offer) -> Sequence[Days]:
    return offer.covers() if isinstance(offer, Countable) else ()


def _worth_resuming(error: BaseException) -> bool:
    return not isinstance(error, StopError | ChangedError)
