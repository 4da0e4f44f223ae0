"""Rows set aside for their number or their village alone: linking looks at them again, for all the rest they say.

A row stays on its department's list until that has mended it, whatever linking finds: what goes on is the row without
the cell that is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis

from hub.contracts import SourceContract
from hub.ledger import Batch
from hub.linking.bench import Bench, as_table, own_number, quoted
from hub.linking.contested import settle
from hub.present import CORRECTION
from hub.quarantine import Quarantine
from hub.reasons import Reason

__all__ = ["SecondLook"]

_NUMBERS = (
    *("resident_id", "identity_document", "credit_code"),
    *("disability_certificate", "disability_certificate_id"),
)
_UNREAD = tuple(
    str(reason)
    for reason in Reason
    if reason.startswith(("id_", "document_", "certificate_", "credit_code_")) or reason == Reason.REQUIRED_MISSING
)
_NOWHERE = (str(Reason.DIVISION_UNKNOWN), str(Reason.REQUIRED_MISSING))


@dataclass(frozen=True)
class SecondLook:
    """What a second look at one dataset finds; `number` is the column that identifies who or what a row is about."""

    bench: Bench
    contract: SourceContract
    number: str

    def table(self, part: str) -> str:
        """Name of one of this look's tables."""
        return f"look__{self.contract.tail.replace('/', '__')}__{part}"

    def look(self) -> bool:
        """Make the tables `rows` and `stripped`; False where there is nothing to look at.

        `rows`: the contract's columns, `_batch`, `_row`, `_came` (the number as it came) and `_is_other` (the row's own
        birth date speaks against the number it bore). `stripped`: `_batch`, `_row` of accepted rows whose number is
        another's; they are among `rows`.
        """
        parts = [f'SELECT _at_batch, _at_row, rule_id, "column" FROM ({part})' for part in self._lines()]  # noqa: S608
        if not parts:
            return False
        bench = self.bench
        bench.make(self.table("lines"), " UNION ALL ".join(parts))
        batches = bench.fetch(f'SELECT DISTINCT _at_batch FROM "{self.table("lines")}" ORDER BY 1')  # noqa: S608
        if not batches:
            return False
        folders = [bench.hub.lake.conformed(self.contract.tail, batch) for (batch,) in batches]
        bench.make(self.table("rows"), self._eligible(folders))
        settle(bench, self.contract, self.number, (self.table("rows"), self.table("stripped")))
        return bool(bench.count(self.table("rows")))

    def _lines(self) -> list[str]:
        """SELECTs of the lines of the rows that are looked at again."""
        return [part for part in (self._waiting(), self._outdone()) if part]

    def _outdone(self) -> str | None:
        """SELECT lines of accepted rows that a later one of another record and another name has taken the number of.

        One delivery alone does not tell: the bearer's own row did not come with it. A repeated row tells nothing new.
        """
        contract, bench, own = self.contract, self.bench, own_number(self.contract)
        if own is None or contract.mode == "snapshot" or len(bench.accepted_files(contract.tail)) < 2:
            return None
        keys, lake = ", ".join(f'"{key}"' for key in contract.keys), bench.hub.lake
        order = ", ".join(f'"{name}" DESC NULLS LAST' for name in (contract.order_by, "_batch", "_row") if name)
        differs = " OR ".join(f'"{one}" IS DISTINCT FROM first_value("{one}") OVER turns' for one in contract.identity)
        folders = [(lake.conformed(one.tail, one.id), lake.checked(one.tail, one.id)) for one in self._deliveries()]
        if not folders:
            return None
        came = as_table([conformed / "rows.parquet" for conformed, _ in folders])
        aside = as_table([checked / "quarantine.parquet" for _, checked in folders])
        return f"""
            WITH accepted AS (
                SELECT *, parse_path(filename)[-2] AS _batch FROM {bench.accepted(contract.tail)}
            ), shared AS (
                SELECT {keys} FROM accepted GROUP BY ALL HAVING count(DISTINCT "{own}") > 1
            ), suspects AS (
                SELECT * FROM accepted SEMI JOIN shared USING ({keys})
            ), last AS (
                SELECT "{own}", max(_batch) AS _batch FROM (
                    SELECT "{own}", parse_path(filename)[-2] AS _batch, _row FROM {came}
                    WHERE "{own}" IN (SELECT "{own}" FROM suspects)
                ) SEMI JOIN (
                    SELECT _batch, _row FROM accepted UNION ALL SELECT parse_path(filename)[-2], _row FROM {aside}
                ) USING (_batch, _row) GROUP BY ALL
            )
            SELECT _batch AS _at_batch, _row AS _at_row, '{Reason.KEY_CONFLICT}' AS rule_id, '{self.number}' AS "column"
            FROM (
                SELECT _batch, _row, {differs} AS differs FROM suspects SEMI JOIN last USING ("{own}", _batch)
                WINDOW turns AS (PARTITION BY {keys} ORDER BY {order})
            ) WHERE differs
        """  # noqa: S608 - names of the hub's own contracts and files

    def _deliveries(self) -> list[Batch]:
        """The checked batches that were conformed: not those of keys that are gone."""
        lake, checked = self.bench.hub.lake, self.bench.batches[self.contract.tail]
        return [one for one in checked if (lake.conformed(one.tail, one.id) / "rows.parquet").is_file()]

    def _waiting(self) -> str | None:
        """SELECT the critical lines of the rows that wait; None where none does."""
        tail = self.contract.tail
        checked = self.bench.batches.get(tail, [])
        if not any(batch.quarantined for batch in checked):
            return None
        plain = checked[-1:] if self.contract.mode == "snapshot" else checked
        if len(plain) == 1 and not any(batch.mode == CORRECTION for batch in checked):
            # Nothing can have settled them since: the rows that wait are those of the one delivery.
            file = as_table([self.bench.hub.lake.checked(tail, plain[0].id) / "quarantine.parquet"])
            return f"SELECT *, '{plain[0].id}' AS _at_batch, _row AS _at_row FROM {file}"  # noqa: S608
        files = as_table([self.bench.hub.lake.checked(tail, batch.id) / "quarantine.parquet" for batch in checked])
        hopeful = f"SELECT 1 FROM {files} GROUP BY filename, _row HAVING bool_and({self._forgiven()}) LIMIT 1"  # noqa: S608
        if not self.bench.fetch(hopeful):
            return None
        waiting = Quarantine(self.bench.hub, self.bench.engine, self.contract).lines()
        if waiting is None:
            return None
        return str(ibis.to_sql(waiting.filter(waiting.severity == "critical"), dialect="duckdb"))

    def _forgiven(self) -> str:
        """SQL condition on a line: linking can do without that cell, or can tell whose number it is."""
        numbers = quoted([column.name for column in self.contract.columns if column.operation in _NUMBERS])
        places = quoted([column.name for column in self.contract.columns if column.operation == "division_code"])
        return (
            f'(("column" IN ({numbers}) AND rule_id IN ({quoted(_UNREAD)}))'
            f' OR ("column" IN ({places}) AND rule_id IN ({quoted(_NOWHERE)}))'
            f" OR rule_id = '{Reason.KEY_CONFLICT}')"
        )

    def _eligible(self, folders: Sequence[Path]) -> str:
        columns = ", ".join(f'c."{name}"' for name in self.contract.by_name)
        issues = as_table([folder / "issues.parquet" for folder in folders])
        return f"""
            WITH asked AS (
                SELECT _at_batch AS _batch, _at_row AS _row, bool_or(rule_id = '{Reason.KEY_CONFLICT}') AS contested
                FROM "{self.table("lines")}" GROUP BY ALL HAVING bool_and({self._forgiven()})
            ), came AS (
                SELECT parse_path(filename)[-2] AS _batch, _row, any_value(original) AS original FROM {issues}
                WHERE "column" = '{self.number}' AND outcome = 'refused' GROUP BY ALL
            )
            SELECT {columns}, a._batch, a._row, a.contested AS _contested, came.original AS _came, false AS _is_other
            FROM asked AS a
            JOIN {as_table([folder / "rows.parquet" for folder in folders])} AS c
                ON parse_path(c.filename)[-2] = a._batch AND c._row = a._row
            LEFT JOIN came ON came._batch = a._batch AND came._row = a._row
        """  # noqa: S608 - names of the hub's own contracts and files
