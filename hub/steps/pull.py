"""Step 1, pull: rows arrive from a department system, untouched, counted, hashed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.base import Connection, Connector, Offer, Request, Withheld, connect
from connectors.pace import Pace
from hub.context import CHINA, Hub
from hub.contracts import Contracts, SourceContract
from hub.deletions import brake_snapshot, compare_keys
from hub.drift import changes, frozen
from hub.errors import ChangedError, SetAsideError, StopError
from hub.landing import Landed, forget, land, write_manifest
from hub.ledger import Batch, now
from hub.ledger.chunks import chunks_of
from hub.ledger.notices import open_notice
from hub.quiet import assert_not_quiet
from hub.settings import Settings

__all__ = ["connection_of", "pull", "request_of"]

_RESUME_WITHIN = timedelta(hours=6)
"""An older half pull is begun anew: its first chunks and its last would be of different days."""

_NO_OFFER = "comparison of keys"


def pull(hub: Hub, tail: str, *, since: datetime | None = None, accept_deletions: bool = False) -> list[Batch]:
    """Pull what a dataset's department offers and has not delivered before.

    What an earlier pull of the last hours had read when it was killed is not read again.

    Args:
        hub: The opened hub.
        tail: The dataset.
        since: For a backfill: an increment begins here instead of where the last pull ended.
        accept_deletions: Believe that rows are gone, however many.

    Returns:
        The batches that landed or were withheld; empty where nothing new was offered.

    Raises:
        StopError: Configuration or rights are wrong.
        RetryError: The system is away, fewer rows came than it announced, another pull of the same department is
            running, or it has quiet hours.
    """
    contract = hub.contracts.sources[tail]
    system = hub.contracts.systems[contract.department]
    assert_not_quiet(system.name, system.quiet_hours, datetime.now(CHINA))
    # One pull a department at a time, so that its connections and its pace are kept over all processes.
    with hub.ledger.locked(f"pull {system.name}"):
        puller = _Puller(hub, contract, Pace(system.rows_per_second), accept_deletions)
        try:
            return puller.all(since)
        finally:
            puller.forget_unclaimed()


def connection_of(contracts: Contracts, settings: Settings, contract: SourceContract) -> Connection:
    """Return the connection a dataset comes over, with its place and secret looked up.

    Raises:
        ConfigurationError: Place or secret is not set.
    """
    system = contracts.systems[contract.department]
    entry = system.connections[contract.connection]
    return Connection(
        system=system.name,
        name=contract.connection,
        kind=entry["kind"],
        place=settings.place(entry["place"]),
        secret=settings.secret(entry["secret"]).get_secret_value() if "secret" in entry else "",
        options=entry.get("options", {}),
        max_connections=system.max_connections,
    )


def request_of(contract: SourceContract, since: datetime | None = None, pace: Pace | None = None) -> Request:
    """Return what is wanted of a dataset, as its connector is told."""
    return Request(
        tail=contract.tail,
        fields=tuple(contract.physical_names),
        options=contract.pull,
        mode=contract.mode,
        since=since,
        synonyms=contract.physical_names,
        drift=contract.drift,
        pace=pace or Pace(None),
    )


@dataclass
class _Puller:
    """Pulls one dataset."""

    hub: Hub
    contract: SourceContract
    pace: Pace
    accept_deletions: bool

    def __post_init__(self) -> None:
        ledger, tail = self.hub.ledger, self.contract.tail
        self.taken = [batch for batch in ledger.batches(tail) if batch.state not in ("withheld", "pulling")]
        self.delivered = [batch for batch in self.taken if batch.mode == self.contract.mode]
        # A snapshot that returns to an older state is news; a file that comes twice is not.
        recent = self.delivered[-1:] if self.contract.mode == "snapshot" else self.delivered
        self.known = {batch.content_hash for batch in recent}
        self.half = ledger.batches(tail, state="pulling")
        self.connection = connection_of(self.hub.contracts, self.hub.settings, self.contract)

    def all(self, since: datetime | None) -> list[Batch]:
        """Take every offer, then compare keys where the contract asks for it."""
        marks = [batch.mark for batch in self.delivered if batch.mark is not None]
        connector = connect(self.connection)
        request = request_of(self.contract, since, self.pace)
        batches = list(self._take(connector, request, marks[-1] if marks and since is None else None))
        if self.contract.mode == "increment" and self.contract.deletions.get("by") == "key_comparison":
            batches += self._compared(connector, request)
        return batches

    def _take(self, connector: Connector, request: Request, mark: dict[str, object] | None) -> Iterator[Batch]:
        for offer in connector.offers(request, mark):
            if isinstance(offer, Withheld):
                batch = self._withhold(offer)
            elif offer.fingerprint is None or offer.fingerprint not in self.known:
                batch = self._land(offer)
            else:
                continue
            if batch is not None:
                self.known.add(batch.content_hash)
                yield batch

    def _compared(self, connector: Connector, request: Request) -> Iterator[Batch]:
        """Bury what is gone; read everything once more where rows were committed behind the mark."""
        try:
            found = compare_keys(self.hub, self.contract, connector, accept=self.accept_deletions)
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

    def _withhold(self, offer: Withheld) -> Batch | None:
        """Put a delivery aside whole; the same one is told of once, not at every pull."""
        ledger, tail = self.hub.ledger, self.contract.tail
        told = {(batch.offer, batch.note) for batch in ledger.batches(tail, state="withheld")}
        note = f"{offer.reason}: {offer.message}"
        if (offer.name, note) in told:
            return None
        batch = ledger.new_batch(tail, offer.name, self.contract.mode)
        batch = replace(batch, state="withheld", content_hash=offer.fingerprint, note=note)
        ledger.save_batch(batch)
        ledger.record_issues(batch, "pull", [(offer.reason, "", "withheld", 1)])
        return batch

    def _begun(self, offer: Offer) -> Batch:
        """The batch an earlier process has begun with this offer, or a new one."""
        for batch in self.half:
            same = (batch.offer, batch.content_hash) == (offer.name, offer.fingerprint)
            if same and now() - batch.pulled_at < _RESUME_WITHIN:
                self.half.remove(batch)
                return batch
        batch = self.hub.ledger.new_batch(self.contract.tail, offer.name, self.contract.mode)
        batch = replace(batch, content_hash=offer.fingerprint)
        self.hub.ledger.save_batch(batch)
        return batch

    def _land(self, offer: Offer) -> Batch | None:
        batch = self._begun(offer)
        folder = self.hub.lake.raw(batch.tail, batch.id)
        try:
            landed = land(self.hub.database, batch, offer, folder, self.connection.max_connections)
            self._audit(offer, landed)
            if landed.rows and self.contract.mode == "snapshot" and not self.accept_deletions:
                brake_snapshot(self.hub, self.contract, folder)
            self._hold_to_contract(batch, offer)
        except SetAsideError as error:
            self._drop(batch)
            return self._withhold(Withheld(offer.name, error.reason, f"{error.came}; {error.do}", offer.fingerprint))
        except BaseException as error:
            # What is read stays, for the next try to go on with; where nothing is, nothing is left.
            if not _worth_resuming(error) or not any(c.sha256 for c in chunks_of(self.hub.database, batch.id)):
                self._drop(batch)
            raise
        return self._kept(batch, offer, landed)

    def _kept(self, batch: Batch, offer: Offer, landed: Landed) -> Batch | None:
        content_hash = offer.fingerprint or landed.sha256
        if content_hash in self.known or (landed.rows == 0 and self.contract.mode == "increment"):
            # The same rows again are the same batch: nothing new to say.
            self._drop(batch)
            offer.settle()
            return None
        facts = {
            "dataset": batch.tail,
            "offer": offer.name,
            "rows": landed.rows,
            "rows_announced": offer.expected_rows,
            "rows_sha256": landed.sha256,
            "content_sha256": content_hash,
            "pulled_at": batch.pulled_at.isoformat(),
            "parts": list(landed.parts),
        }
        write_manifest(self.hub.lake.raw(batch.tail, batch.id), facts)
        columns = dict(offer.available) if offer.available is not None else None
        mark = offer.mark(landed.notes)
        batch = replace(
            batch, state="landed", landed=landed.rows, content_hash=content_hash, mark=mark, columns=columns
        )
        self.hub.ledger.save_batch(batch)
        offer.settle()
        return batch

    def _audit(self, offer: Offer, landed: Landed) -> None:
        where = f"{self.contract.tail}, {offer.name}"
        if offer.expected_rows is not None and offer.expected_rows != landed.rows:
            raise SetAsideError(
                where=where,
                came=f"{landed.rows} rows where the source announced {offer.expected_rows}",
                allowed="as many rows as announced",
                do="the department checks the delivery and sends it again",
                reason="manifest_count",
            )
        had_rows = any(last.landed for last in self.delivered[-1:])
        if landed.rows == 0 and had_rows and self.contract.mode == "snapshot" and not self.accept_deletions:
            # Taken at its word, an empty list would delete every row the department ever sent.
            raise SetAsideError(
                where=where,
                came="a complete list without a row, after lists that had rows",
                allowed="a list with rows",
                do="the department confirms that the list is empty or sends it again",
                reason="delivery_empty",
            )

    def _hold_to_contract(self, batch: Batch, offer: Offer) -> None:
        """Open a notice for every change of the department's columns.

        Raises:
            SetAsideError: `schema_drift`: the contract freezes one of the changes.
        """
        if offer.available is None:
            return
        before = next((last.columns for last in reversed(self.delivered) if last.columns is not None), None)
        found = list(changes(self.contract, offer.available, before))
        for change in found:
            open_notice(self.hub.database, batch, f"column_{change.kind}", change.column, change.detail)
        stopped = frozen(self.contract, found)
        if stopped:
            raise SetAsideError(
                where=f"{self.contract.tail}, {offer.name}",
                came="; ".join(change.detail for change in stopped),
                allowed="the agreed columns: the contract freezes this kind of change",
                do="agree the change with the department, correct the contract and pull again",
                reason="schema_drift",
            )


def _worth_resuming(error: BaseException) -> bool:
    return not isinstance(error, StopError | ChangedError)
