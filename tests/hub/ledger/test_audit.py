"""The audit record: a chain in which nothing can be changed, removed or put in unnoticed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
import sqlalchemy as sa

from hub.errors import StopError
from hub.ledger import Ledger

pytestmark = pytest.mark.integration


@pytest.fixture
def audited(ledger: Ledger) -> Ledger:
    for number in range(4):
        ledger.audit("extract", "马庄", {"product": "名册", "rows": number, "share": 0.5, "none": None, "list": [1]})
    return ledger


def execute(ledger: Ledger, statement: str) -> None:
    with ledger.database.begin() as connection:
        connection.execute(sa.text(statement))


def test_an_empty_record_is_whole(ledger: Ledger) -> None:
    assert ledger.verify_audit() == 0


def test_untouched_record_is_whole(audited: Ledger) -> None:
    assert audited.verify_audit() == 4


@pytest.mark.parametrize(
    ("tampering", "line"),
    [
        ("UPDATE ledger.audit SET actor = 'nobody' WHERE number = 2", 2),
        ("UPDATE ledger.audit SET action = 'login' WHERE number = 1", 1),
        ("UPDATE ledger.audit SET at = at + interval '1 second' WHERE number = 4", 4),
        ("UPDATE ledger.audit SET details = jsonb_set(details, '{rows}', '9') WHERE number = 3", 3),
        ("UPDATE ledger.audit SET hash = md5('x') WHERE number = 4", 4),
        ("UPDATE ledger.audit SET previous_hash = hash WHERE number = 1", 1),
        ("DELETE FROM ledger.audit WHERE number = 1", 1),
        ("DELETE FROM ledger.audit WHERE number = 3", 3),
        ("UPDATE ledger.audit SET number = number + 1 WHERE number = 4", 4),
        ("DELETE FROM ledger.audit WHERE number = 2; UPDATE ledger.audit SET number = number - 1 WHERE number > 2", 2),
        (
            "INSERT INTO ledger.audit SELECT 5, at, action, 'forged', details, hash, hash"
            " FROM ledger.audit WHERE number = 4",
            5,
        ),
    ],
)
def test_tampering_is_found_at_its_line(audited: Ledger, tampering: str, line: int) -> None:
    execute(audited, tampering)
    with pytest.raises(StopError, match=f"audit record, line {line}: its hash does not follow"):
        audited.verify_audit()


def test_processes_at_once_make_one_chain(ledger: Ledger, other: Ledger) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: (ledger, other)[n % 2].audit("extract", f"actor {n}", {"n": n}), range(20)))
    assert ledger.verify_audit() == 20


def test_details_that_are_not_json_are_refused_and_leave_no_line(ledger: Ledger) -> None:
    with pytest.raises(TypeError):
        ledger.audit("extract", "马庄", {"day": date(2026, 11, 1)})
    assert ledger.verify_audit() == 0
