"""Everything that bears one path tail: `hub show` finds it, `hub new` begins it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hub.context import Hub
from hub.errors import StopError
from hub.store import write_atomically

__all__ = ["scaffold", "show"]

_TAIL = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")

# ruff: noqa: E501 - the stub keeps one column a line, as contracts do
_CONTRACT = """\
# {dataset}: one sentence on what this is and how it comes.
apiVersion: v3.2.0
kind: DataContract
id: {tail}
name: 中文名称
version: 0.1.0
status: draft
domain: population
team: {{name: {department}, description: 数源部门}}
slaProperties: [{{property: frequency, value: 1, unit: m}}]
customProperties:
  - {{property: connection, value: {connection}}}
  - {{property: pull, value: {{mode: snapshot, pattern: "{dataset}_*.csv", format: csv, encoding: gb18030}}}}
  - property: feeds
    value:
      - {{entity: person, set: {{id_type_code: "111"}}}}
schema:
  - name: {dataset}
    businessName: 中文名称
    physicalName: {dataset}
    logicalType: object
    properties:
      - {{name: id_number, physicalName: 身份证号, businessName: 身份证号, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1, classification: L3, transformLogic: resident_id}}
      - {{name: person_name, physicalName: 姓名, businessName: 姓名, logicalType: string, required: true, classification: L2, transformLogic: person_name}}
"""

_SUITE = """\
# What must be true of {tail} beyond what its contract's types say.
name: {tail}
expectations: []
meta: {{owner: {department}}}
"""

# An invented person: the number is right in form under a county code the police never issue.
_SAMPLE = "身份证号,姓名\n320372198001019950,李样例\n"


def scaffold(root: Path, tail: str, connections: list[str]) -> list[Path]:
    """Write stubs of a new dataset: contract, suite, sample; existing files are left alone.

    Args:
        root: The repository.
        tail: `<department>/<dataset>`; the department has a file in `connectors/systems/`.
        connections: The department's connections; the first is written into the stub.

    Raises:
        StopError: The tail is not of that form, or one of the files is there already.
    """
    if not _TAIL.fullmatch(tail):
        raise StopError("hub new", repr(tail), "<department>/<dataset> in lower case, digits and _", "name it so")
    department, dataset = tail.split("/")
    values = {"tail": tail, "department": department, "dataset": dataset, "connection": connections[0]}
    files = {
        root / "schemas" / "sources" / f"{tail}.yml": _CONTRACT.format(**values),
        root / "expectations" / "sources" / f"{tail}.yml": _SUITE.format(**values),
        root / "samples" / "drops" / tail / f"{dataset}_20261101.csv": _SAMPLE,
    }
    present = [str(path.relative_to(root)) for path in files if path.exists()]
    if present:
        raise StopError("hub new", f"already there: {', '.join(present)}", "a tail nobody has", "choose another name")
    for path, content in files.items():
        write_atomically(path, content.encode("gb18030" if path.suffix == ".csv" else "utf-8"))
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
