"""A county walked to the base tables on one lake, as often as it moves on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.context import Hub, open_hub
from hub.settings import load_settings
from hub.steps.link import link
from hub.steps.merge import merge
from hub.walk import pull_system, take_in
from samples.serve import running

__all__ = ["walked"]


@contextmanager
def walked(folder: Path, lake: Path, database: str | None = None) -> Iterator[Hub]:
    """Walk steps 1 to 5 of a county as it is now, on a lake and a ledger that may know it already.

    Args:
        folder: the county's folder.
        lake: the hub's own folder.
        database: URL of the ledger's database; None: an embedded one in the lake.
    """
    as_of = str(json.loads((folder / "county.json").read_text("utf-8"))["as_of"])
    with running(folder):
        settings = load_settings(env_file=folder / "places.env", data_dir=lake, as_of=as_of, database_url=database)
        with open_hub(settings) as hub:
            for system in hub.contracts.systems:
                pull_system(hub, system)
                take_in(hub, system)
            link(hub)
            merge(hub)
            yield hub
