"""A person in two villages: two records of one key, both in force, that state another place each.

Such rows agree on who it is, so the newer one stands for both; without a word of it the department would go on keeping
two records, and the village of the older one would lose the person unasked.
"""

from __future__ import annotations

import ibis

from hub.contracts import SourceContract

__all__ = ["two_places"]


def two_places(contract: SourceContract, rows: ibis.Table, earlier: ibis.Table) -> ibis.Table | None:
    """Find the rows of a batch whose key stands in another place as well, by another record of its department.

    A record is known by the department's own number of it (`split_by`); without one, records are told apart within the
    batch alone, and a row of a later batch is the same record that has moved. The last that was said of a record
    counts; one that is deleted is in no place.

    Args:
        contract: The dataset; `current.place` names the column.
        rows: Rows of the batch that may be used, those another one stands for among them.
        earlier: Accepted rows of earlier batches, with `_batch`.

    Returns:
        `_row` and `places`, the codes of all of them; None where the contract names no place.
    """
    place = contract.place
    if place is None:
        return None
    number = _own_number(contract)
    named = [*contract.keys, place, *([contract.order_by] if contract.order_by else []), *contract.deleted_when]
    here = rows.select(
        *dict.fromkeys(named),
        _is_new=ibis.literal(1),
        _at=rows["_row"],
        _record=(rows[number] if number else rows["_row"]).cast("string"),
    )
    if number:
        old = earlier.semi_join(rows, list(contract.keys))
        told = {"_is_new": ibis.literal(0), "_at": old["_row"], "_record": old[number].cast("string")}
        here = here.union(old.select(*dict.fromkeys(named), **told))
    newest = [ibis.desc(name, nulls_first=False) for name in (contract.order_by, "_is_new", "_at") if name]
    said = here.mutate(_turn=ibis.row_number().over(group_by=[*contract.keys, "_record"], order_by=newest))
    gone = [said[column].fill_null("") == value for column, value in contract.deleted_when.items()]
    stands = said.filter((said["_turn"] == 0) & ~ibis.or_(*gone) & said[place].notnull())
    found = stands.group_by(list(contract.keys)).aggregate(
        _count=stands[place].nunique(), places=stands[place].collect(distinct=True).sort().join("、")
    )
    found = found.filter(found["_count"] > 1)
    return rows.join(found, list(contract.keys)).select("_row", "places")


def _own_number(contract: SourceContract) -> str | None:
    physical = {column.physical_name: column.name for column in contract.columns}
    return physical.get(str(contract.pull.get("split_by")))
