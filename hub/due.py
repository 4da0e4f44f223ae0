"""What the ledger says is due: datasets whose news is still to come, and whether a build is, and what it waits for."""

from __future__ import annotations

import json
import logging
from datetime import date, datetime
from pathlib import Path

from hub.context import CHINA, Hub
from hub.contracts import SourceContract
from hub.cycles import is_due
from hub.steps.merge import merge_inputs

__all__ = ["build_is_due", "built_from", "due_datasets", "waits_for"]

_TAKEN = ("landed", "conformed", "checked")
_log = logging.getLogger(__name__)


def due_datasets(hub: Hub, system: str) -> list[SourceContract]:
    """The datasets of a department whose news of the present period has not come, by the cycle of each contract.

    What was withheld or is held does not count as come: the department may send it anew any day.

    Raises:
        ConfigurationError: No department is called so.
    """
    today = datetime.now(CHINA).date()
    due = []
    for contract in hub.contracts.of_system(system):
        came = _came(hub, contract)
        if is_due(contract.cycle, came, today):
            due.append(contract)
        else:
            _log.info("%s is not due: its news came on %s, its cycle is %s", contract.tail, came, contract.cycle)
    return due


def _came(hub: Hub, contract: SourceContract) -> date | None:
    batches = [batch for batch in hub.ledger.batches(contract.tail) if batch.mode == contract.mode]
    last = batches[-1] if batches else None
    return last.pulled_at.astimezone(CHINA).date() if last is not None and last.state in _TAKEN else None


def build_is_due(hub: Hub) -> bool:
    """Whether a new release may differ from the live one: no pull is open, and batches, day or contracts changed."""
    return not hub.ledger.open_pulls() and _may_differ(hub)


def waits_for(hub: Hub) -> list[str]:
    """Departments whose open pull keeps a build waiting that is due otherwise; each wait is told in the log."""
    waiting = hub.ledger.open_pulls()
    if not waiting or not _may_differ(hub):
        return []
    for system in waiting:
        _log.warning("build waits for pull of %s", system)
    return waiting


def _may_differ(hub: Hub) -> bool:
    path = built_from(hub)
    done = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    released = hub.ledger.newest_release()
    return released is None or done != merge_inputs(hub)


def built_from(hub: Hub) -> Path:
    """The file that says what the last whole build was made from."""
    return hub.lake.root / "5-base" / "inputs.json"
