"""How right the governance database is, held against the truth of an invented county: links, villages, survivorship."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.accounting import lines_of_files, names_of_rows, unaccounted
from benchmarks.build import walked
from hub.context import Hub
from hub.contracts import Feed, SourceContract
from hub.delta import delta_files
from hub.present import present_batches
from samples.advance import advance
from samples.make import make
from samples.plan import Plan

__all__ = ["FIELDS", "held_against_truth", "known_keys", "quality", "second_month"]

FIELDS = (
    *("person_name", "former_name", "sex_code", "birth_date", "ethnicity_code"),
    *("marital_status_code", "education_code", "phone", "death_date"),
)
"""Fields of a person that the truth has and that more than one dataset may claim."""

_AS_OF = date(2026, 11, 1)
_NUMBER_OR_PLACE = ("id_", "document_format", "certificate_format", "division_unknown", "key_conflict")
"""Heads of the reasons that linking answers for; a row set aside for another one is nobody's to link."""


def quality(people: int, county: str, seed: int, rates: tuple[float, ...]) -> dict[str, Any]:
    """Walk a county twice, a month apart, for each share of faulty rows, and hold it against its truth.

    Returns:
        `{"people", "rates": [{"faults", "with_id", "without_id", "village_assignment", "survivorship",
        "unaccounted_faults", …, "second_month"}]}`; see `held_against_truth` and `second_month`.
    """
    return {"people": people, "rates": [_at_rate(people, county, seed, rate) for rate in rates]}


def _at_rate(people: int, county: str, seed: int, rate: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="hub-quality-") as place:
        folder = Path(place) / "county"
        make(Plan(county, people, seed, rate, _AS_OF), folder)
        with walked(folder, Path(place) / "hub") as hub:
            first, keys = held_against_truth(hub, folder), known_keys(hub, folder)
        return {"faults": rate, **first, "second_month": second_month(folder, Path(place) / "hub", keys)}


def second_month(folder: Path, lake: Path, before: dict[int, str], database: str | None = None) -> dict[str, Any]:
    """Take a walked county a month on, walk it again on the same lake, and compare who is called what.

    Args:
        folder: the county's folder.
        lake: the hub's own folder.
        before: what the first walk called people, see `known_keys`.
        database: URL of the ledger's database.

    Returns:
        What `held_against_truth` says of the second build, and `unchanged`: people who had a key and to whom nothing
        happened; `same_key`: the share of them who still have it. `newly_numbered`, `newly_numbered_same_key`: the
        same of the newborn who had no number in the first month and have one in the second.
    """
    advance(folder)
    with walked(folder, lake, database) as hub:
        after, held = known_keys(hub, folder), held_against_truth(hub, folder)
    events = pq.read_table(folder / "truth" / "change.parquet").to_pylist()
    changed = {event["person_id"] for event in events}
    numbered = {event["person_id"] for event in events if event["kind"] == "numbered"}
    found: dict[str, Any] = {}
    for name, share, people in (
        ("unchanged", "same_key", before.keys() - changed),
        ("newly_numbered", "newly_numbered_same_key", before.keys() & numbered),
    ):
        same = sum(before[person] == after.get(person) for person in people)
        found |= {name: len(people), share: _share(same, len(people))}
    return found | held


def held_against_truth(hub: Hub, county: Path) -> dict[str, Any]:
    """Measure what a hub has made of a county.

    A row is in question if it is linked, or was set aside for its number or its village; one set aside for anything
    else, a duplicate or a deletion is not. A pair of rows of one person counts as `with_id` where both came with that
    person's number, else as `without_id`: no number yet, one that cannot be read, or somebody else's.

    Returns:
        `with_id`, `without_id`: `precision` and `recall` of pairs of rows that share a person key, and how many true
        `pairs` there are. `village_assignment`: share of the living whose village is the true one; `living`, how many
        they are. `survivorship`: share of the fields with two or more different claims and a true value in which the
        base table has it; `conflicts`, how many. `unaccounted_faults`: seeded faults that left no trace; `seeded`.
    """
    with _laid_out(hub, county) as duck:
        linked = {name: _pairs(duck, is_with) for name, is_with in (("with_id", True), ("without_id", False))}
        living = _row(duck, _VILLAGES)
        conflicts = _row(duck, _SURVIVORSHIP)
    seeded, lost = unaccounted(hub, county)
    return {
        **linked,
        "village_assignment": _share(living["right"], living["all"]),
        "living": living["all"],
        "survivorship": _share(conflicts["right"], conflicts["all"]),
        "conflicts": conflicts["all"],
        "unaccounted_faults": len(lost),
        "seeded": seeded,
    }


def known_keys(hub: Hub, county: Path) -> dict[int, str]:
    """What the hub calls each person of the truth: what most of the rows say, those with the number first."""
    with _laid_out(hub, county) as duck:
        return dict(duck.sql("SELECT person_id, person_key FROM known").fetchall())


@contextmanager
def _laid_out(hub: Hub, county: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The hub's rows and people beside the truth, as tables."""
    with duckdb.connect() as duck:
        for name in ("person", "row"):
            duck.read_parquet(str(county / "truth" / f"{name}.parquet")).create_view(f"truth_{name}")
        _lay_out_rows(hub, county, duck)
        _lay_out_base(hub, duck)
        yield duck


def _share(part: int, whole: int) -> float:
    """A share to five places; of nothing, all is right."""
    return round(part / whole, 5) if whole else 1.0


def _row(duck: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    found: dict[str, Any] = duck.sql(query).to_arrow_table().to_pylist()[0]
    return found


# Rows beside their truth.


def _person_feed(contract: SourceContract) -> Feed | None:
    return next((feed for feed in contract.feeds if feed.entity == "person"), None)


def _lay_out_rows(hub: Hub, county: Path, duck: duckdb.DuckDBPyConnection) -> None:
    """Make the table `placed`: rows in question with `person_id`, `person_key`, `usable` and what they claim."""
    parts = []
    for tail, contract in hub.contracts.sources.items():
        feed = _person_feed(contract)
        if feed is None or not hub.lake.linked(tail).exists():
            continue
        view = tail.replace("/", "__")
        duck.register(f"{view}__names", _names(hub, county, contract))
        duck.execute(f'CREATE TABLE "{view}" AS {_placed(hub, contract, feed, view)}')
        parts.append(f'SELECT * FROM "{view}"')  # noqa: S608 - a view made here
    duck.execute(f"CREATE TABLE placed AS {' UNION ALL BY NAME '.join(parts)}")


def _names(hub: Hub, county: Path, contract: SourceContract) -> pa.Table:
    """Batch, row and the truth's name of every row of the batches that a dataset stands on."""
    lines = lines_of_files(county, contract.tail)
    found: dict[str, list[Any]] = {"batch": [], "row": [], "name": []}
    for batch in present_batches(hub, contract):
        names = names_of_rows(hub, contract, batch, lines)
        found["batch"] += [batch.id] * len(names)
        found["row"] += names.keys()
        found["name"] += names.values()
    return pa.table(found)


def _placed(hub: Hub, contract: SourceContract, feed: Feed, view: str) -> str:
    """SELECT the rows of a dataset that are in question, with their person and their claims.

    Of a row that came several times, the time it was linked at counts, or else the last one.
    """
    lake, tail = hub.lake, contract.tail
    linked = f"read_parquet('{lake.linked(tail) / 'rows.parquet'}')"
    claims = ", ".join(f'l."{source}" AS "{name}"' for name, source in _claimed(contract, feed).items())
    reasons = " OR ".join(f"q.rule_id LIKE '{head.replace('_', '^_')}%' ESCAPE '^'" for head in _NUMBER_OR_PLACE)
    place = "t.file IS NULL" if contract.department == "public_security" else "t.file IS NOT NULL"
    told = "t.key" if contract.department == "public_security" else "parse_filename(t.file) || ':' || t.key"
    deleted = " OR ".join(
        f"c.\"{name}\" IS NOT DISTINCT FROM '{value}'" for name, value in contract.deleted_when.items()
    )
    deleted = deleted or "false"
    has_number = "id_number" in contract.by_name
    number = "c.id_number" if has_number else "NULL"
    return f"""
        WITH conformed AS (
            SELECT *, parse_path(filename)[-2] AS batch
            FROM read_parquet('{lake.conformed(tail, "*") / "rows.parquet"}', union_by_name = true, filename = true)
        ), aside AS (
            SELECT parse_path(filename)[-2] AS batch, _row AS row, bool_and({reasons}) AS in_question
            FROM read_parquet('{lake.checked(tail, "*") / "quarantine.parquet"}', filename = true) AS q GROUP BY ALL
        )
        SELECT * EXCLUDE (_counts) FROM (SELECT t.person_id, l.person_key,
            coalesce({number} = p.id_number, false) AS usable, '{tail}' AS dataset{", " + claims if claims else ""},
            l._row IS NOT NULL OR (a.in_question AND NOT ({deleted})) AS _counts
        FROM "{view}__names" AS n
        JOIN truth_row AS t ON t.dataset = '{tail}' AND {place} AND {told} = n.name
        JOIN truth_person AS p USING (person_id)
        JOIN conformed AS c ON c.batch = n.batch AND c._row = n.row
        LEFT JOIN {linked} AS l ON l._batch = n.batch AND l._row = n.row
        LEFT JOIN aside AS a ON a.batch = n.batch AND a.row = n.row
        QUALIFY row_number() OVER (PARTITION BY n.name ORDER BY l._row IS NULL, n.batch DESC) = 1) WHERE _counts
    """  # noqa: S608 - paths and names of the hub's own contracts


def _claimed(contract: SourceContract, feed: Feed) -> Mapping[str, str]:
    """Field -> the dataset's column that claims it."""
    sources = {name: feed.mapping.get(name, name) for name in FIELDS if name not in feed.constants}
    return {name: source for name, source in sources.items() if source in contract.by_name}


def _lay_out_base(hub: Hub, duck: duckdb.DuckDBPyConnection) -> None:
    """Make `base_person`, and `known`: the key most rows of a person have, those with its number before others."""
    files = [str(path) for path in delta_files(hub.lake.base("person"))]
    duck.read_parquet(files).create_view("base_person")
    duck.execute(
        """
        CREATE TABLE known AS
        SELECT person_id, arg_max(person_key, (votes_with_number, votes, person_key)) AS person_key FROM (
            SELECT person_id, person_key, count(*) FILTER (usable) AS votes_with_number, count(*) AS votes
            FROM placed WHERE person_key IS NOT NULL GROUP BY ALL
        ) GROUP BY person_id
        """
    )


# Measures.

_PAIRS = """
    WITH numbered AS (SELECT row_number() OVER () AS n, * FROM placed),
    true_pairs AS (
        SELECT a.person_key = b.person_key AS found FROM numbered AS a JOIN numbered AS b
        ON a.person_id = b.person_id AND a.n < b.n WHERE (a.usable AND b.usable) = {is_with}
    ),
    found_pairs AS (
        SELECT a.person_id = b.person_id AS true FROM numbered AS a JOIN numbered AS b
        ON a.person_key = b.person_key AND a.n < b.n WHERE (a.usable AND b.usable) = {is_with}
    )
    SELECT (SELECT count(*) FROM true_pairs) AS pairs,
        (SELECT count(*) FROM true_pairs WHERE found) AS met,
        (SELECT count(*) FROM found_pairs) AS found,
        (SELECT count(*) FROM found_pairs WHERE "true") AS right
"""

_VILLAGES = """
    SELECT count(*) AS "all",
        count(*) FILTER (b.residence_division_code = p.living_division_code) AS "right"
    FROM truth_person AS p LEFT JOIN known USING (person_id) LEFT JOIN base_person AS b USING (person_key)
    WHERE p.living_division_code IS NOT NULL
"""


def _pairs(duck: duckdb.DuckDBPyConnection, is_with: bool) -> dict[str, Any]:
    found = _row(duck, _PAIRS.format(is_with=is_with))
    return {
        "precision": _share(found["right"], found["found"]),
        "recall": _share(found["met"], found["pairs"]),
        "pairs": found["pairs"],
    }


def _conflicts(field: str) -> str:
    """SELECT a person a row where two or more datasets claim a field differently and the truth has a value."""
    return f"""
        SELECT any_value(CAST(b."{field}" AS VARCHAR)) IS NOT DISTINCT FROM any_value(CAST(p."{field}" AS VARCHAR))
            AS is_right
        FROM placed AS c JOIN known AS k ON k.person_id = c.person_id AND k.person_key = c.person_key
        JOIN base_person AS b ON b.person_key = k.person_key JOIN truth_person AS p ON p.person_id = k.person_id
        WHERE c."{field}" IS NOT NULL AND p."{field}" IS NOT NULL
        GROUP BY c.person_id HAVING count(DISTINCT c."{field}") > 1
    """  # noqa: S608 - names of FIELDS


_SURVIVORSHIP = f"""
    SELECT count(*) AS "all", count(*) FILTER (is_right) AS "right"
    FROM ({" UNION ALL ".join(_conflicts(field) for field in FIELDS)})
"""  # noqa: S608
