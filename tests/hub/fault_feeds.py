"""Deliveries with one fault each, which the sample departments do not seed: what the ledger says of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

from hub.context import Hub
from hub.ledger.notices import notices
from hub.ledger.repeats import repeats
from hub.steps.check import check
from hub.steps.conform import conform
from hub.steps.pull import pull
from tests.connectors.hostile_cells import resident_id
from tests.hub.drops import ALLOWANCE, DEATH, Drops, Row, allowance, death
from tests.hub.mini import CHILD, DAUGHTER, HEAD

__all__ = ["FEEDS"]

Case = Callable[[Hub, Drops], set[str]]
"""Delivers, pulls, and returns what is said of the last pull's deliveries."""


def said(hub: Hub, tail: str) -> set[str]:
    """Pull, conform and check; return the codes of what came new, and of what came again."""
    before = {batch.id for batch in hub.ledger.batches(tail)}
    pull(hub, tail)
    new = [batch for batch in hub.ledger.batches(tail) if batch.id not in before]
    for batch in new:
        if batch.state == "landed":
            done = check(hub, conform(hub, batch))
            assert done.landed == done.accepted + done.quarantined + done.duplicate
    ids = {batch.id for batch in new}
    told = {issue.rule for issue in hub.ledger.issues() if issue.batch in ids}
    return told | {"delivery_repeated" for one in repeats(hub.database) if one.tail == tail}


def people(count: int, first: int = 0) -> list[Row]:
    born = dt.date(1940, 1, 1)
    days = [born + dt.timedelta(days=number) for number in range(first, first + count)]
    # Names of one character each, so that none is like another.
    return [allowance(resident_id(day, 1), 姓名=f"甲{chr(0x4E00 + number)}") for number, day in enumerate(days, first)]


def late(hub: Hub, drops: Drops) -> set[str]:
    drops.deaths("20261101", death())
    said(hub, DEATH)
    (first,) = hub.ledger.batches(DEATH)
    hub.ledger.save_batch(replace(first, pulled_at=first.pulled_at - dt.timedelta(days=3)))
    drops.deaths("20261104", death(HEAD, 性别="1", 出生日期="19500101"))
    return said(hub, DEATH)


def empty_file(hub: Hub, drops: Drops) -> set[str]:
    drops.deaths("20261101")
    return said(hub, DEATH)


def empty_list(hub: Hub, drops: Drops) -> set[str]:
    drops.allowances("202609", *people(1))
    said(hub, ALLOWANCE)
    drops.allowances("202610")
    return said(hub, ALLOWANCE)


def half_a_file(hub: Hub, drops: Drops) -> set[str]:
    path = drops.deaths("20261101", death(), death(HEAD))
    path.write_bytes(path.read_bytes()[:-40])
    return said(hub, DEATH)


def without(suffix: str) -> Case:
    def case(hub: Hub, drops: Drops) -> set[str]:
        drops.deaths("20261101", death(), without=suffix)
        return said(hub, DEATH)

    return case


def other_count(hub: Hub, drops: Drops) -> set[str]:
    drops.deaths("20261101", death(), told=7)
    return said(hub, DEATH)


def same_file(hub: Hub, drops: Drops) -> set[str]:
    drops.deaths("20261101", death())
    said(hub, DEATH)
    drops.deaths("20261102", death())
    return said(hub, DEATH)


def same_rows(hub: Hub, drops: Drops) -> set[str]:
    drops.deaths("20261101", death())
    said(hub, DEATH)
    drops.deaths("20261102", death(), death(HEAD, 性别="1", 出生日期="19500101"))
    return said(hub, DEATH)


def other_bytes(hub: Hub, drops: Drops) -> set[str]:
    path = drops.allowances("202609", *people(2))
    path.write_bytes(path.read_bytes() + b"\x81\xff,\r\n")
    return said(hub, ALLOWANCE)


def no_table(hub: Hub, drops: Drops) -> set[str]:
    path = drops.allowances("202609", *people(2))
    path.write_bytes(path.read_bytes().replace(b"\r\n", b',"\r\n', 1))
    return said(hub, ALLOWANCE)


def column_renamed(hub: Hub, drops: Drops) -> set[str]:
    path = drops.allowances("202609", *people(2))
    path.write_bytes(path.read_bytes().replace("身份证号".encode("gb18030"), "号码".encode("gb18030"), 1))
    return said(hub, ALLOWANCE)


def column_added(hub: Hub, drops: Drops) -> set[str]:
    drops.allowances("202609", *people(2))
    said(hub, ALLOWANCE)
    path = drops.allowances("202610", *people(3))
    head, *lines = path.read_bytes().split(b"\r\n")[:-1]
    path.write_bytes(b"".join([head + ",备注\r\n".encode("gb18030"), *(line + b",x\r\n" for line in lines)]))
    return said(hub, ALLOWANCE) | {notice.kind for notice in notices(hub.database) if notice.tail == ALLOWANCE}


def columns_reordered(hub: Hub, drops: Drops) -> set[str]:
    drops.deaths("20261101", dict(reversed(death(CHILD, 性别="2").items())))
    return said(hub, DEATH)


def grown(hub: Hub, drops: Drops) -> set[str]:
    for number, month in enumerate(("202606", "202607", "202608")):
        drops.allowances(month, *people(120 + number))
        assert said(hub, ALLOWANCE) <= {"aged_80_or_more"}
    drops.allowances("202609", *people(170))
    return said(hub, ALLOWANCE)


def shrunk(hub: Hub, drops: Drops) -> set[str]:
    drops.allowances("202608", *people(120))
    said(hub, ALLOWANCE)
    drops.allowances("202609", *people(80))
    return said(hub, ALLOWANCE)


def future_death(hub: Hub, drops: Drops) -> set[str]:
    drops.deaths("20261101", death(DAUGHTER, 性别="2", 出生日期="19900101", 死亡日期="20270101"))
    return said(hub, DEATH)


FEEDS: tuple[tuple[int, str, str, Case], ...] = (
    (9, "late file", "delivery_late", late),
    (9, "empty file of what is new", "delivery_empty", empty_file),
    (9, "empty list after a full one", "delivery_empty", empty_list),
    (9, "half a file", "digest_mismatch", half_a_file),
    (9, "file without its marker", "drop_incomplete", without(".ok")),
    (9, "file without its manifest", "drop_incomplete", without(".manifest.json")),
    (9, "other count than the manifest's", "manifest_count", other_count),
    (9, "file sent again under another name", "delivery_repeated", same_file),
    (9, "rows sent again among new ones", "row_repeated", same_rows),
    (9, "column renamed", "schema_drift", column_renamed),
    (9, "column added", "column_new", column_added),
    (9, "columns in another order", "", columns_reordered),
    (9, "list grown by two fifths", "volume_trend", grown),
    (9, "list shrunk by a third", "deletions_braked", shrunk),
    (9, "day in the future", "death_date_not_in_future", future_death),
    (3, "bytes that are no GB18030", "encoding_invalid", other_bytes),
    (6, "quotation mark that does not end", "unreadable", no_table),
)
"""Family, name, code (nothing where all is read as it is meant), and the case."""
