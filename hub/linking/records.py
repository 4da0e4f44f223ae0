"""The records that are compared: rows that no number tells, and those of the known who share something with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from hub.contracts import BaseContract, Feed, SourceContract
from hub.keys import key_sql, record_key_sql
from hub.linking.bench import Bench, own_number
from hub.linking.fields import as_compared, as_stated, fields_of, is_stated
from hub.linking.models import Model
from hub.linking.second_look import SecondLook

__all__ = ["ORPHAN", "Records"]

ORPHAN = "base"
"""Tail of what an earlier build knew without a number and whom no row speaks of any more."""

_NUMBER_FORM = "^[0-9A-Z]{15,20}$"
_WIDE, _NARROW = "０１２３４５６７８９ＸｘＥ", "0123456789XxE"
_SAME_ROW = "s._batch = parse_path(filename)[-2] AND s._row = f._row"
_PLACES = ("residence_division_code", "registered_division_code", "division_code")


@dataclass(frozen=True)
class Records:
    """Makes the tables of one model.

    `<entity>__left`: rows without a number: `unique_id`, `tail`, `_batch`, `_row`, `record` (its department's own
    number of it), `record_key`, `has_key`, `may_found` (see `hub.linking.choose.Left`), `number` as it came,
    `number_head`, `beside` and the model's fields (see `hub.linking.fields`). `<entity>__near`: accepted rows with a
    number that share a block with one of those: `tail`, `key`, `number`, `number_head`, the fields.
    `<entity>__evidence`: all rows of those whom a pair names.
    """

    bench: Bench
    model: Model
    looks: Mapping[str, SecondLook]

    @property
    def base(self) -> BaseContract:
        """The entity's contract."""
        return self.bench.hub.contracts.base[self.model.entity]

    @cached_property
    def feeds(self) -> dict[str, Feed]:
        """How each dataset that fills the entity does so."""
        sources = self.bench.hub.contracts.sources.values()
        return {one.tail: feed for one in sources for feed in one.feeds if feed.entity == self.model.entity}

    def table(self, part: str) -> str:
        """Name of one of these tables."""
        return f"{self.model.entity}__{part}"

    # Rows that no number tells.

    def gather(self) -> int:
        """Make the left table and return how many rows it has."""
        parts = [part for tail in self.feeds for part in self._left_of(self.bench.hub.contracts.sources[tail])]
        parts += self._orphans()
        if not parts:
            return 0
        self.bench.make(self.table("left"), " UNION ALL BY NAME ".join(parts))
        self._complete()
        return self.bench.count(self.table("left"))

    def _left_of(self, contract: SourceContract) -> list[str]:
        feed = self.feeds[contract.tail]
        source = feed.mapping.get(self.model.number, self.model.number)
        found = []
        if contract.tail in self.looks:
            rows = f'"{self.looks[contract.tail].table("rows")}"'
            aside = f'SELECT * FROM {rows} WHERE "{source}" IS NULL'  # noqa: S608
            found.append(self._left(contract, aside, tuple(contract.by_name), is_aside=True))
        if self.may_lack_number(contract.tail):
            newest = self._newest(contract, source)
            found.append(self._left(contract, newest, self.bench.columns(contract.tail), is_aside=False))
        return found

    def may_lack_number(self, tail: str) -> bool:
        """Whether a dataset's accepted rows may come without the number."""
        source = self.feeds[tail].mapping.get(self.model.number, self.model.number)
        column = self.bench.hub.contracts.sources[tail].by_name.get(source)
        return column is not None and source in self.bench.columns(tail) and not (column.required or column.key)

    def _newest(self, contract: SourceContract, number: str) -> str:
        """SELECT the newest accepted rows without a number, one for each key of the dataset."""
        keys = ", ".join(f'"{key}"' for key in contract.keys)
        order = ", ".join(f'"{name}" DESC NULLS LAST' for name in (contract.order_by, "_batch", "_row") if name)
        return f"""
            SELECT *, parse_path(filename)[-2] AS _batch, NULL::VARCHAR AS _came, false AS _is_other,
                false AS _contested FROM {self.bench.accepted(contract.tail)} WHERE "{number}" IS NULL
            QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {order}) = 1
        """  # noqa: S608 - names of the hub's own contracts

    def _left(self, contract: SourceContract, rows: str, columns: tuple[str, ...], *, is_aside: bool) -> str:
        feed = self.feeds[contract.tail]
        fields = fields_of(self.model, feed, columns, self.bench.hub.contracts.codelists)
        listed = ", ".join(f'{value} AS "{name}"' for name, value in fields.items())
        own = own_number(contract)
        record = f'CAST("{own}" AS VARCHAR)' if own else "NULL::VARCHAR"
        dated = fields.get("birth_date", fields.get("established_date", "NULL"))
        words = ("_came", fields[f"said__{self.model.frequent}"], dated)
        said = [record] if own else [f"coalesce({word}, '')" for word in words]
        known = key_sql(self.base, self._identity(contract, feed), self.bench.secret)
        by_record = record_key_sql(self.base, contract.tail, " || '|' || ".join(said), self.bench.secret)
        beside = self._beside(contract, feed)
        return f"""
            SELECT '{contract.tail}|' || _batch || '|' || _row AS unique_id, '{contract.tail}' AS tail, _batch, _row,
                {record} AS record, coalesce({known}, {by_record}) AS record_key, ({known}) IS NOT NULL AS has_key,
                {self._may_found(contract, fields) if is_aside else "false"} AS may_found, {_number_sql()} AS number,
                {f'"{beside}"' if beside else "NULL::VARCHAR"} AS beside, {listed}
            FROM ({rows})
        """  # noqa: S608

    def _identity(self, contract: SourceContract, feed: Feed) -> dict[str, str]:
        wanted = dict.fromkeys(column for group in self.base.identify_by for column in group)
        columns = tuple(contract.by_name)
        return {name: as_stated(feed, columns, name) for name in wanted if is_stated(feed, columns, name)}

    def _beside(self, contract: SourceContract, feed: Feed) -> str | None:
        """The column that names somebody of the same household by number: a mother, a household's head."""
        own = feed.mapping.get(self.model.number, self.model.number)
        others = [one.name for one in contract.columns if one.operation == "resident_id" and one.name != own]
        return (contract.attach or {}).get(self.model.number) or (others[0] if others else None)

    def _may_found(self, contract: SourceContract, fields: Mapping[str, str]) -> str:
        """SQL: whether a row alone is word enough that somebody is there: a register's, with name, date and place."""
        is_register = self.model.entity != "person" or "residence" in {feed.entity for feed in contract.feeds}
        if not is_register or self.base.properties["key"].get("unnumbered") != "kept":
            return "false"
        dated = fields["birth_date"] if "birth_date" in fields else fields["established_date"]
        placed = f"coalesce({fields['division_code']}, {fields['address_code']}) IS NOT NULL"
        # The loser of a contested number is somebody else only if he said so himself.
        other = "(NOT _contested OR _is_other)"
        return f"({fields[self.model.frequent]} IS NOT NULL AND {dated} IS NOT NULL AND {placed} AND {other})"

    def _orphans(self) -> list[str]:
        built = self.bench.last_build(self.model.entity)
        if built is None:
            return []
        columns, key = built.columns, self.base.key_column
        stated = {}
        for name in self.model.fields:
            known = [one for one in (_PLACES if name == "division_code" else (name,)) if one in columns]
            value = ", ".join(f'CAST("{one}" AS VARCHAR)' for one in known)
            stated[name] = f"coalesce({value})" if value else "NULL::VARCHAR"
        compared = as_compared(self.model, stated, self.bench.hub.contracts.codelists)
        fields = [f'{value} AS "{name}"' for name, value in compared.items()]
        return [
            f"SELECT '{ORPHAN}|' || \"{key}\" AS unique_id, '{ORPHAN}' AS tail, NULL::VARCHAR AS _batch, "  # noqa: S608
            f'NULL::BIGINT AS _row, NULL::VARCHAR AS record, "{key}" AS record_key, true AS has_key, '
            "false AS may_found, NULL::VARCHAR AS number, NULL::VARCHAR AS beside, "
            f'{", ".join(fields)} FROM {built.sql} WHERE "{self.model.number}" IS NULL'
        ]

    def _complete(self) -> None:
        """Add what a damaged number tells, whose household somebody is beside, and drop orphans that rows speak of."""
        left = self.table("left")
        run = self.bench.run
        run(
            f"DELETE FROM \"{left}\" WHERE tail = '{ORPHAN}' AND record_key IN "  # noqa: S608
            f"(SELECT record_key FROM \"{left}\" WHERE tail <> '{ORPHAN}')"
        )
        for name, told in self.model.told.items():
            run(f'UPDATE "{left}" SET "{name}" = {told} WHERE "{name}" IS NULL AND length(number) = 18')  # noqa: S608
        if "household_no" in self.model.fields:
            run(
                f'UPDATE "{left}" SET household_no = h.household_no FROM ({self._households()}) AS h '  # noqa: S608
                "WHERE beside = h.number AND beside IS NOT NULL"
            )
        if "address_text" in self.model.fields:
            run(
                f'UPDATE "{left}" SET address_code = a.address_code FROM ({self._addresses()}) AS a '  # noqa: S608
                f'WHERE "{left}".address_code IS NULL AND address_text = a.full_address'
            )
        run(f'ALTER TABLE "{left}" ADD COLUMN number_head VARCHAR')
        run(f'UPDATE "{left}" SET number_head = substr(number, 1, 15)')  # noqa: S608

    def _households(self) -> str:
        """SELECT the household of everybody whom a row stands beside."""
        number = self.model.number
        parts = [
            f'SELECT "{number}" AS number, household_no FROM {self.bench.accepted(tail)} '  # noqa: S608
            f'WHERE "{number}" IN (SELECT beside FROM "{self.table("left")}" WHERE beside IS NOT NULL)'
            for tail in self.bench.hub.contracts.sources
            if {number, "household_no"} <= set(self.bench.columns(tail))
        ]
        known = " UNION ALL ".join(parts) or "SELECT '' AS number, '' AS household_no WHERE false"
        return f"SELECT number, max(household_no) AS household_no FROM ({known}) GROUP BY number"  # noqa: S608

    def _addresses(self) -> str:
        """SELECT the standard addresses written as a left row writes its own."""
        wanted = f'full_address IN (SELECT address_text FROM "{self.table("left")}" WHERE address_code IS NULL)'  # noqa: S608
        parts = [
            f"SELECT full_address, address_code FROM {self.bench.accepted(tail)} WHERE {wanted}"  # noqa: S608
            for tail in self.bench.hub.contracts.sources
            if {"full_address", "address_code"} <= set(self.bench.columns(tail))
        ]
        known = (
            " UNION ALL ".join(parts) or "SELECT NULL::VARCHAR AS full_address, NULL::VARCHAR AS address_code WHERE 1=0"
        )
        return (
            f"SELECT full_address, max(address_code) AS address_code FROM ({known}) GROUP BY full_address "  # noqa: S608
            "HAVING count(DISTINCT address_code) = 1"
        )

    # Those of the known who share something with them.

    def gather_near(self) -> None:
        """Make the near table: rows with a number that share the values of at least one block with a left row."""
        left, name, other = self.table("left"), self.model.frequent, self.model.other_name
        shared = []
        for block in self.model.blocks:
            columns = ", ".join(f'"{one}"' for one in block.columns)
            there = " AND ".join(f'"{one}" IS NOT NULL' for one in block.columns)
            shared.append(f'({columns}) IN (SELECT ({columns}) FROM "{left}" WHERE {there})')  # noqa: S608
        if other:
            shared.append(f'"{other}" IN (SELECT "{name}" FROM "{left}")')  # noqa: S608
            shared.append(f'"{name}" IN (SELECT "{other}" FROM "{left}" WHERE "{other}" IS NOT NULL)')  # noqa: S608
        self._known_rows("near", " OR ".join(shared))

    def gather_evidence(self) -> None:
        """Make the evidence table: all rows of those of the near whom a pair names."""
        near, pairs = self.table("near"), self.table("pairs")
        numbers = f'SELECT number FROM "{near}" WHERE key IN (SELECT right_id FROM "{pairs}")'  # noqa: S608
        self._known_rows("evidence", f"number IN ({numbers})")

    def keyed(self, tail: str, rows: str, group: tuple[str, ...]) -> str:
        """SELECT the rows of a dataset that have all columns of an identity group, with the key they make."""
        there = " AND ".join(f'"{name}" IS NOT NULL' for name in group)
        columns = ", ".join(f'"{name}"' for name in group)
        identity = self._identity(self.bench.hub.contracts.sources[tail], self.feeds[tail])
        return f"SELECT {key_sql(self.base, identity, self.bench.secret)} AS key, {columns} FROM {rows} WHERE {there}"  # noqa: S608

    def same_records(self) -> list[tuple[str, str]]:
        """Left rows and whom an accepted row of the same record, by its department's own number, was about."""
        found: list[tuple[str, str]] = []
        left = self.table("left")
        for tail in self.feeds:
            own = own_number(self.bench.hub.contracts.sources[tail])
            if own is None or tail not in self.looks or own not in self.bench.columns(tail):
                continue
            of = f"SELECT record FROM \"{left}\" WHERE tail = '{tail}'"  # noqa: S608
            select = self._known(tail, f"record IN ({of})", f'CAST("{own}" AS VARCHAR)')
            if select:
                rows = self.bench.aliased(self.model.entity, select)
                found += self.bench.fetch(
                    f'SELECT DISTINCT l.unique_id, r.key FROM ({rows}) AS r JOIN "{left}" AS l '  # noqa: S608
                    f"ON l.tail = '{tail}' AND l.record = r.record ORDER BY ALL"
                )
        return found

    def _known_rows(self, part: str, condition: str) -> None:
        selects = [select for tail in self.feeds if (select := self._known(tail, condition))]
        self.bench.make(self.table(part), self.bench.aliased(self.model.entity, " UNION ALL BY NAME ".join(selects)))

    def _known(self, tail: str, condition: str, record: str = "NULL::VARCHAR") -> str | None:
        """SELECT the accepted rows of a dataset that have a number and meet a condition, with the key it makes."""
        feed, columns = self.feeds[tail], self.bench.columns(tail)
        if not is_stated(feed, columns, self.model.number):
            return None
        group = next(group for group in self.base.identify_by if self.model.number in group)
        identity = {name: f'"of__{name}"' for name in group}
        shown = {f"of__{name}": as_stated(feed, columns, name) for name in group}
        shown |= fields_of(self.model, feed, columns, self.bench.hub.contracts.codelists)
        number = shown[f"of__{self.model.number}"]
        shown |= {"number": number, "number_head": f"substr({number}, 1, 15)", "record": record}
        listed = ", ".join(f'{value} AS "{name}"' for name, value in shown.items())
        # A row whose number is another's says nothing of who bears it.
        look = self.looks.get(tail)
        stripped = f'ANTI JOIN "{look.table("stripped")}" AS s ON {_SAME_ROW}' if look else ""
        # Keys are made of the few rows that are left, not of all.
        return f"""
            SELECT * EXCLUDE ({", ".join(identity.values())}), {key_sql(self.base, identity, self.bench.secret)} AS key
            FROM (
                SELECT '{tail}' AS tail, {listed} FROM {self.bench.accepted(tail)} AS f {stripped}
            ) WHERE number IS NOT NULL AND ({condition})
        """  # noqa: S608 - names of the hub's own contracts and files


def _number_sql() -> str:
    """SQL: a number that could not be read, as far as it can be compared."""
    bare = f"upper(regexp_replace(translate(_came, '{_WIDE}', '{_NARROW}'), '[^0-9A-Za-z]', '', 'g'))"
    whole = f"CASE WHEN length({bare}) = 15 THEN substr({bare}, 1, 6) || '19' || substr({bare}, 7) ELSE {bare} END"
    return f"CASE WHEN regexp_matches({whole}, '{_NUMBER_FORM}') THEN {whole} END"
