"""Hostile rows of every contract through conform and check: none is lost, none crashes, no wrong cell stays unsaid."""

from __future__ import annotations

import os
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from hub.context import Hub
from hub.contracts import load_contracts
from hub.ledger import Batch
from hub.pg import embedded_server, ensure_database, libpq_uri
from hub.steps.check import check
from hub.steps.conform import conform
from tests.connectors.hostile import Generator, Spoiled
from tests.hub.mini import opened

pytestmark = pytest.mark.integration

GOOD = 3
"""Untouched rows at the head of each batch; the second comes twice, the third once more under another name."""

FROM_ID = {"date_from_id", "sex_from_id", "id_type_from_number"}
"""What a good identity number tells is taken from it, and said."""
OWN_LISTS = {name for name, codelist in load_contracts().codelists.items() if codelist.is_own}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A miniature hub on a database of its own."""
    given = os.environ.get("HUB_TEST_POSTGRESQL_URL")
    if not given:
        with (
            embedded_server(tmp_path_factory.mktemp("pg")) as url,
            opened(tmp_path_factory.mktemp("lake"), ensure_database(url, "hostile")) as hub,
        ):
            yield hub
        return
    name = f"test_{uuid.uuid4().hex[:12]}"
    with opened(tmp_path_factory.mktemp("lake"), ensure_database(given, name)) as hub:
        yield hub
    with psycopg.connect(libpq_uri(given), autocommit=True) as link:
        link.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@dataclass
class Sorted:
    """What became of a batch; rows are counted from 1, what is said of them is by column."""

    batch: Batch
    rows: dict[int, dict[str, Any]]
    issues: dict[int, dict[str, dict[str, Any]]]
    lines: dict[int, set[str]]
    warned: dict[int, set[str]]
    rules: dict[int, dict[str, set[str]]]
    duplicates: set[int]
    accepted: set[int]

    def is_said(self, number: int, column: str) -> bool:
        """Whether something is said of a cell."""
        return column in self.issues[number] or column in self.lines[number] or column in self.warned[number]


def landed(hub: Hub, tail: str, rows: list[dict[str, Any]]) -> Batch:
    """Lay rows into the lake as a pull does: text, and geometries as bytes."""
    contract = hub.contracts.sources[tail]
    geometries = {column.physical_name for column in contract.columns if column.kind == "geometry"}
    schema = pa.schema([(name, pa.binary() if name in geometries else pa.string()) for name in rows[0]])
    table = pa.Table.from_pylist(rows, schema)
    table = table.append_column("_row", pa.array(range(1, len(rows) + 1), pa.int64()))
    batch = hub.ledger.new_batch(tail, "hostile", contract.mode)
    folder = hub.lake.raw(tail, batch.id)
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "part-00000.parquet")
    batch = replace(batch, state="landed", landed=len(rows))
    hub.ledger.save_batch(batch)
    return batch


def sorted_out(hub: Hub, batch: Batch) -> Sorted:
    """Conform and check a batch and read what they left."""
    done = check(hub, conform(hub, batch))
    conformed, checked = hub.lake.conformed(batch.tail, batch.id), hub.lake.checked(batch.tail, batch.id)
    issues: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    for issue in pq.read_table(conformed / "issues.parquet").to_pylist():
        issues[issue["_row"]][issue["column"]] = issue
    said: dict[str, dict[int, set[str]]] = {}
    rules: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name in ("quarantine", "warnings"):
        said[name] = defaultdict(set)
        for line in pq.read_table(checked / f"{name}.parquet").to_pylist():
            # A rule over several columns names them all.
            parts = {part.strip() for part in (line["column"] or "").split(",")}
            said[name][line["_row"]] |= parts
            for part in parts:
                rules[line["_row"]][part].add(line["rule_id"])
            assert line["reason"], line
    rows = {row["_row"]: row for row in pq.read_table(conformed / "rows.parquet").to_pylist()}
    numbers = [
        {row["_row"] for row in pq.read_table(checked / f"{name}.parquet", columns=["_row"]).to_pylist()}
        for name in ("duplicates", "accepted")
    ]
    return Sorted(done, rows, issues, said["quarantine"], said["warnings"], rules, *numbers)


def sent(tail: str) -> tuple[Generator, list[dict[str, Any]], dict[int, Spoiled]]:
    """The rows of a batch, and which of them are spoiled, by number."""
    generator = Generator(load_contracts(), tail)
    good = [generator.good(number) for number in range(GOOD)]
    again = [good[1]]
    spoiled = list(generator.spoiled(GOOD))
    start = len(good) + len(again) + 1
    rows = [*good, *again, *(each.row for each in spoiled)]
    return generator, rows, dict(enumerate(spoiled, start))


Taken = tuple[Generator, list[dict[str, Any]], dict[int, Spoiled], Sorted]


@pytest.fixture(scope="module", params=sorted(load_contracts().sources))
def taken(request: pytest.FixtureRequest, hub: Hub) -> Taken:
    """A contract's hostile rows, and what became of them."""
    generator, rows, spoiled = sent(request.param)
    return generator, rows, spoiled, sorted_out(hub, landed(hub, request.param, rows))


def named(spoiled: Spoiled) -> str:
    return f"{spoiled.physical}: {spoiled.fault.family}, {spoiled.fault.name}"


def test_right_rows_are_accepted(taken: Taken) -> None:
    _, _, _, found = taken
    assert {1, 3} <= found.accepted
    assert not found.issues[1]
    assert not found.warned[1]
    assert len(found.duplicates & {2, 4}) == 1


def test_no_row_is_lost_or_counted_twice(taken: Taken) -> None:
    _, rows, _, found = taken
    batch = found.batch
    assert batch.landed == len(rows) == len(found.rows)
    assert batch.landed == batch.accepted + batch.quarantined + batch.duplicate
    assert set(found.rows) == found.accepted | set(found.lines) | found.duplicates
    assert len(found.accepted) + len(found.lines) + len(found.duplicates) == len(rows)


def test_every_wrong_required_cell_sets_its_row_aside_with_a_reason(taken: Taken) -> None:
    generator, _, spoiled, found = taken
    silent = []
    for number, each in spoiled.items():
        columns = generator.columns(each.physical)
        if not each.fault.certain or not any(column.required or column.key for column in columns):
            continue
        told = any(found.issues[number].get(column.name, {}).get("rule") in FROM_ID for column in columns)
        if not told and not found.lines[number] & {column.name for column in columns}:
            silent.append(named(each))
    assert silent == []


def test_no_cell_that_cannot_be_right_goes_on_unsaid(taken: Taken) -> None:
    generator, _, spoiled, found = taken
    silent = [
        named(each)
        for number, each in spoiled.items()
        if each.fault.certain
        and any(found.rows[number][column.name] is not None for column in generator.columns(each.physical))
        and not any(found.is_said(number, column.name) for column in generator.columns(each.physical))
    ]
    assert silent == []


def test_no_value_disappears_or_changes_in_silence(taken: Taken) -> None:
    generator, _, spoiled, found = taken
    changed = []
    for number, each in spoiled.items():
        came = each.fault.value
        if came is None or each.fault.family == "blanks" or not str(came).strip(" \u3000\u00a0\ufeff"):
            continue
        columns = generator.columns(each.physical)
        # The hub's own short lists are made for labels: those are no fault.
        texts = [column for column in columns if column.kind == "string" and column.codelist not in OWN_LISTS]
        if not texts or any(found.is_said(number, column.name) for column in columns):
            continue
        # Of columns that take a cell apart, one at least must hold it whole.
        became = [found.rows[number][column.name] for column in texts]
        if not any(value is not None and value in came for value in became):
            changed.append(f"{named(each)} became {str(became)[:40]!r}")
    assert changed == []


def test_originals_are_kept_beside_what_was_repaired(taken: Taken) -> None:
    generator, _, spoiled, found = taken
    lost = [
        named(each)
        for number, each in spoiled.items()
        for column in generator.columns(each.physical)
        if column.kind != "geometry"
        and column.name in found.issues[number]
        and found.issues[number][column.name]["original"] != each.fault.value
    ]
    assert lost == []


def test_one_wrong_cell_says_nothing_of_the_others(taken: Taken) -> None:
    """Else the rows would be set aside for another reason than the one that was spoiled."""
    generator, _, spoiled, found = taken
    for number, each in spoiled.items():
        if each.fault.family == "blanks" and each.fault.name == "null":
            own = {column.name for column in generator.columns(each.physical)}
            assert set(found.issues[number]) <= own | {"birth_date", "sex_code"}, named(each)


def test_every_family_of_faults_is_there() -> None:
    contracts = load_contracts()
    families = {each.fault.family for tail in contracts.sources for each in Generator(contracts, tail).spoiled(0)}
    assert families == {
        "blanks", "characters", "clocks", "codes", "dates", "geometries", "identity", "names", "places", "sheets",
    }  # fmt: skip


FACILITY = "civil_affairs/service_facility"


def facility(**cells: str) -> dict[str, Any]:
    return {**Generator(load_contracts(), FACILITY).good(1), **cells}


def test_accepted_texts_can_be_kept_by_a_database(hub: Hub) -> None:
    found = sorted_out(hub, landed(hub, FACILITY, [facility(设施名称="甲\x00乙")]))
    assert "\x00" not in str(found.rows[1]["facility_name"]) or not found.accepted
    assert found.is_said(1, "facility_name")


def test_accepted_numbers_are_finite(hub: Hub) -> None:
    found = sorted_out(hub, landed(hub, FACILITY, [facility(**{"面积/建筑面积（平方米）": "9" * 400})]))
    assert "number_format" in [issue["rule"] for issue in found.issues[1].values()]
