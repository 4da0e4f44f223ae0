"""The ledger's pulls: the build waits for those that are open, and for none whose process has died."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.errors import RetryError
from hub.ledger.clock import now
from hub.ledger.locks import Locks
from hub.ledger.models import PullRow

__all__ = ["Pulls"]

_OPEN = ("expected", "running", "landed")
_WAITS = timedelta(hours=1)
"""How long a pull may stay open while no process is at it: announced, or landed and not taken in yet."""

_PATIENCE = 2.0  # longer than somebody needs who only looks whether the holder of a lock is alive
_log = logging.getLogger(__name__)


class Pulls(Locks):
    """The build waits while a pull is open; a pull whose process died is not.

    A pull is `expected` once it is announced, `running` while a process works at it (`at_work`), `landed` between the
    two tasks that pull and take in, then `done` or `failed`.
    """

    @contextmanager
    def at_work(self, system: str) -> Iterator[None]:
        """Be the one process that pulls or takes in a system; that it lives shows by a lock.

        Raises:
            RetryError: Another process is at it.
        """
        with self.locked(_work(system), _PATIENCE):
            yield

    def expect_pulls(self, systems: Iterable[str]) -> None:
        """Note that each system is about to be pulled, so that the build waits for all of them together."""
        with Session(self.database) as session, session.begin():
            session.add_all(PullRow(system=name, state="expected", requested_at=now()) for name in systems)

    def start_pull(self, system: str) -> int:
        """Take the oldest open pull of a system, or begin an unannounced one; return its number. Call it `at_work`."""
        with Session(self.database) as session, session.begin():
            row = session.scalars(
                select(PullRow)
                .where(PullRow.system == system, PullRow.state.in_(_OPEN))
                .order_by(PullRow.id)
                .with_for_update()
            ).first()
            if row is None:
                row = PullRow(system=system, requested_at=now())
                session.add(row)
            row.state, row.started_at = "running", now()
            session.flush()
            return row.id

    def move_pull(self, system: str, before: str, after: str) -> None:
        """Hand a pull on: `running` to `landed` when all is here, back to `running` to take it in."""
        with Session(self.database) as session, session.begin():
            for row in session.scalars(select(PullRow).where(PullRow.system == system, PullRow.state == before)):
                row.state, row.ended_at = after, now()

    def end_pull(self, system: str, state: str, note: str = "") -> None:
        """Close every open pull of a system as `done` or `failed`."""
        with Session(self.database) as session, session.begin():
            for row in session.scalars(
                select(PullRow).where(PullRow.system == system, PullRow.state.in_(_OPEN)).with_for_update()
            ):
                row.state, row.ended_at, row.note = state, now(), note

    def open_pulls(self) -> list[str]:
        """Systems whose pull is expected, running or landed, sorted; those of dead processes are closed as failed."""
        for system in sorted({row.system for row in self._rows() if _is_overdue(row)}):
            self._bury(system)
        return sorted({row.system for row in self._rows()})

    def _rows(self) -> list[PullRow]:
        with Session(self.database) as session:
            return list(session.scalars(select(PullRow).where(PullRow.state.in_(_OPEN))))

    def _bury(self, system: str) -> None:
        """Close what no process works at; who works holds the lock, so nothing that lives is closed."""
        try:
            with self.locked(_work(system)), Session(self.database) as session, session.begin():
                rows = session.scalars(select(PullRow).where(PullRow.system == system, PullRow.state.in_(_OPEN)))
                for row in [row for row in rows if _is_overdue(row)]:
                    _log.warning("pull of %s was left %s by a process that is gone; it is closed", system, row.state)
                    row.state, row.ended_at, row.note = "failed", now(), f"left {row.state} by a process that is gone"
        except RetryError:
            return  # it lives


def _work(system: str) -> str:
    return f"walk of {system}"


def _is_overdue(row: PullRow) -> bool:
    """Whether a pull should be worked at: a running one is, others once they have waited too long."""
    since = row.ended_at or row.requested_at
    return row.state == "running" or now() - since > _WAITS
