"""Who must act on a row of a base table: for some rules the departments whose own words disagree in it.

Such a rule names the columns in its suite as `meta.whose`; lineage knows which dataset each of them was taken from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import ibis
import pyarrow.parquet as pq

from hub.context import Hub
from hub.contracts import BaseContract
from hub.delta import delta_files
from hub.engine import Engine
from hub.suites import Expectation

__all__ = ["tell_owners"]


def tell_owners(hub: Hub, base: BaseContract, suite: Sequence[Expectation], failures: Path) -> None:
    """Give each failing row of a rule with `meta.whose` a line for every department that said one of those columns.

    Where lineage names none, the line stays with `meta.acts`.

    Args:
        hub: The opened hub.
        base: The base table.
        suite: Its expectations.
        failures: The Parquet file of failing rows, which is written anew.
    """
    whose = {str(rule["meta"]["rule_id"]): tuple(rule["meta"]["whose"]) for rule in suite if "whose" in rule["meta"]}
    failing = set(pq.read_table(failures, columns=["rule_id"])["rule_id"].to_pylist())
    asked = {rule: columns for rule, columns in whose.items() if rule in failing}
    if not asked or not hub.lake.lineage(base.name).exists():
        return
    fresh = failures.with_suffix(".told.parquet")
    with hub.engine() as engine:
        engine.write(_told(hub, engine, base, asked, failures), fresh)
    fresh.replace(failures)


def _told(
    hub: Hub, engine: Engine, base: BaseContract, asked: Mapping[str, Sequence[str]], failures: Path
) -> ibis.Table:
    lines = engine.read(failures)
    lineage = engine.read(delta_files(hub.lake.lineage(base.name)))
    parts = [lines.filter(lines.rule_id.notin(list(asked)))]
    for rule, columns in asked.items():
        gave = ibis.or_(*(lineage.fields.contains(column) for column in columns))
        said = lineage.filter(gave).select(_of=base.key_column, _by=lineage.dataset.split("/")[0]).distinct()
        mine = lines.filter(lines.rule_id == rule)
        joined = mine.left_join(said, mine[base.key_column] == said["_of"])
        parts.append(joined.mutate(acts=ibis.coalesce(joined["_by"], joined.acts)).select(*lines.columns))
    return ibis.union(*parts)
