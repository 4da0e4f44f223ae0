"""Everything that bears one path tail: `hub show` finds it, `hub new` begins it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.context import Hub
from hub.errors import StopError
from hub.store import write_atomically
from hub.stubs import SAMPLES, chosen, contract_stub, suite_stub

__all__ = ["scaffold", "show"]

_TAIL = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")


def scaffold(root: Path, tail: str, connections: Mapping[str, Mapping[str, Any]]) -> list[Path]:
    """Write stubs of a new dataset: contract, suite, and a sample where the department delivers files.

    They are whole as they stand: every command works on as before. Existing files are left alone.

    Args:
        root: The repository.
        tail: `<department>/<dataset>`; the department has a file in `connectors/systems/`.
        connections: The department's connections; the stub is for files where one takes files, else for the first.

    Raises:
        StopError: The tail is not of that form, or one of the files is there already.
    """
    if not _TAIL.fullmatch(tail):
        raise StopError("hub new", repr(tail), "<department>/<dataset> in lower case, digits and _", "name it so")
    dataset = tail.partition("/")[2]
    name = chosen(connections)
    files = {
        root / "schemas" / "sources" / f"{tail}.yml": contract_stub(tail, name, connections[name]).encode(),
        root / "expectations" / "sources" / f"{tail}.yml": suite_stub(tail).encode(),
    }
    sample = SAMPLES.get(str(connections[name]["kind"]))
    if sample is not None:
        suffix, encoding, text = sample
        files[root / "samples" / "drops" / tail / f"{dataset}_20261101{suffix}"] = text.encode(encoding)
    present = [str(path.relative_to(root)) for path in files if path.exists()]
    if present:
        raise StopError("hub new", f"already there: {', '.join(present)}", "a tail nobody has", "choose another name")
    for path, content in files.items():
        write_atomically(path, content)
    return list(files)


def show(hub: Hub, tail: str) -> dict[str, Any]:
    """Gather what bears a tail: files, columns, batches, issues, base tables fed, folders of the lake.

    Raises:
        StopError: No dataset, base entity or product is called so.
    """
    contracts = hub.contracts
    contract = (
        contracts.sources.get(tail)
        or contracts.base.get(tail.removeprefix("base/"))
        or contracts.products.get(tail.removeprefix("products/"))
    )
    if contract is None:
        known = [
            *contracts.sources,
            *(b.tail for b in contracts.base.values()),
            *(p.tail for p in contracts.products.values()),
        ]
        raise StopError("hub show", repr(tail), ", ".join(known), "choose one of these")
    tree = f"sources/{contract.tail}" if contract.tail in contracts.sources else contract.tail
    source = contracts.sources.get(contract.tail)
    folders = [p for p in hub.lake.root.glob(f"[1-8]-*/{contract.tail.removeprefix('products/')}") if p.exists()]
    if contract.tail.startswith("base/"):
        folders = [hub.lake.base(contract.name)]
    return {
        "tail": contract.tail,
        "title": contract.title,
        "version": contract.version_text,
        "files": [
            str(path.relative_to(contracts.root))
            for path in sorted(
                (*contracts.root.glob(f"schemas/{tree}.yml"), *contracts.root.glob(f"expectations/{tree}.yml"))
            )
        ],
        "columns": [
            {"name": c.name, "source": c.physical_name, "title": c.title, "type": c.kind, "grade": c.grade}
            for c in contract.columns
        ],
        "feeds": [feed.entity for feed in source.feeds] if source else [],
        "dag": f"pull__{source.department}" if source else "build" if contract.tail.startswith("base/") else "publish",
        "batches": [
            {"batch": b.id, "offer": b.offer, "state": b.state, "landed": b.landed, "accepted": b.accepted}
            for b in hub.ledger.batches(contract.tail)
        ],
        "issues": [
            {"rule": i.rule, "column": i.column, "outcome": i.outcome, "count": i.count}
            for i in hub.ledger.issues()
            if i.tail == contract.tail
        ],
        "lake": [str(folder.relative_to(hub.lake.root)) for folder in folders if folder.exists()],
    }
