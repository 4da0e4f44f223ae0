"""Text columns of another type: told by what can be read of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub.context import Hub
from hub.drift import Change
from hub.errors import SetAsideError
from hub.ledger.notices import close_notice, notices
from hub.reasons import Outcome, Reason
from hub.steps.check import check
from hub.steps.conform import conform
from hub.steps.pull import pull
from hub.type_drift import retyped
from tests.hub.conform.reading import column, contract
from tests.hub.drops import DEATH, Drops, death
from tests.hub.mini import CHILD, DAUGHTER, HEAD, opened

AGREED = contract(column("date", "born", physical="csrq", kind="date"), column("phone", "phone"))
LOST = (str(Reason.DATE_FORMAT), "born", str(Outcome.VALUE_SET_ASIDE))


def told(tmp_path: Path, readable: int, *counts: tuple[str, str, str, int]) -> list[Change]:
    path = tmp_path / "rows.parquet"
    days = pa.array([0] * readable + [None] * 3, pa.date32())
    pq.write_table(pa.table({"born": days, "phone": pa.nulls(readable + 3, pa.string())}), path)
    return retyped(AGREED, counts, path)


@pytest.mark.parametrize(("readable", "lost", "is_told"), [(4, 5, True), (0, 5, True), (5, 5, False), (0, 4, False)])
def test_more_cells_lost_than_read_are_another_type(tmp_path: Path, readable: int, lost: int, is_told: bool) -> None:
    found = told(tmp_path, readable, (*LOST, lost))
    assert [(change.kind, change.column) for change in found] == ([("retyped", "csrq")] if is_told else [])


@pytest.mark.parametrize(
    "count",
    [
        (str(Reason.DATE_FORMAT), "born", str(Outcome.REPAIRED), 99),
        (str(Reason.DATE_IMPOSSIBLE), "born", str(Outcome.VALUE_SET_ASIDE), 99),
        (str(Reason.PHONE_FORMAT), "phone", str(Outcome.VALUE_SET_ASIDE), 99),
        (str(Reason.NUMBER_FORMAT), "phone", str(Outcome.VALUE_SET_ASIDE), 99),
    ],
)
def test_repairs_impossible_days_and_texts_are_no_other_type(tmp_path: Path, count: tuple[str, str, str, int]) -> None:
    assert told(tmp_path, 0, count) == []


@pytest.fixture
def hub(tmp_path: Path, database_url: str) -> Iterator[tuple[Hub, Drops]]:
    drops = Drops(tmp_path)
    with opened(tmp_path, database_url, env_file=drops.env_file) as hub:
        yield hub, drops


def with_drift(hub: Hub, **drift: str) -> Hub:
    agreed = hub.contracts.sources[DEATH]
    changed = replace(agreed, drift={**agreed.drift, **drift})
    digest = repr(sorted(drift.items()))
    contracts = replace(hub.contracts, digest=digest, sources={**hub.contracts.sources, DEATH: changed})
    return replace(hub, contracts=contracts)


@pytest.mark.integration
@pytest.mark.parametrize("word", ["evolve", "freeze"])
def test_a_column_of_texts_that_are_no_dates_any_more_opens_a_notice(hub: tuple[Hub, Drops], word: str) -> None:
    strict, drops = with_drift(hub[0], retyped=word), hub[1]
    drops.deaths("20261101", *(death(死亡日期="昨天") for _ in range(6)))
    (batch,) = pull(strict, DEATH)
    if word == "freeze":
        with pytest.raises(SetAsideError, match="死亡日期") as caught:
            conform(strict, batch)
        assert caught.value.reason == "schema_drift"
        assert not strict.lake.conformed(DEATH, batch.id).exists()
    else:
        conform(strict, batch)
    (notice,) = notices(strict.database)
    assert (notice.kind, notice.subject, notice.batch) == ("column_retyped", "死亡日期", batch.id)


@pytest.mark.integration
def test_rows_of_a_missing_column_are_set_aside_where_the_contract_says_so(hub: tuple[Hub, Drops]) -> None:
    strict, drops = with_drift(hub[0], missing="discard_row"), hub[1]
    drops.deaths("20261101", *({k: v for k, v in death(n).items() if k != "性别"} for n in (HEAD, DAUGHTER)))
    (batch,) = pull(strict, DEATH)
    done = check(strict, conform(strict, batch))
    assert (done.landed, done.accepted, done.quarantined) == (2, 0, 2)
    counted = {(i.rule, i.column, i.outcome): i.count for i in strict.ledger.issues() if i.rule == "column_changed"}
    assert counted == {("column_changed", "sex_code", "refused"): 2}
    assert [notice.kind for notice in notices(strict.database)] == ["column_missing"]


@pytest.mark.integration
@pytest.mark.parametrize(("word", "accepted"), [("evolve", 1), ("discard_value", 1), ("discard_row", 0)])
def test_a_renamed_column_is_taken_left_out_or_takes_its_row(hub: tuple[Hub, Drops], word: str, accepted: int) -> None:
    strict, drops = with_drift(hub[0], renamed=word), hub[1]
    agreed = strict.contracts.sources[DEATH]
    columns = [replace(c, synonyms=("性别代码",)) if c.name == "sex_code" else c for c in agreed.columns]
    sources = {**strict.contracts.sources, DEATH: replace(agreed, columns=tuple(columns))}
    strict = replace(strict, contracts=replace(strict.contracts, sources=sources))
    row = {("性别代码" if name == "性别" else name): value for name, value in death(出生日期="").items()}
    drops.deaths("20261101", row)
    (batch,) = pull(strict, DEATH)
    done = check(strict, conform(strict, batch))
    assert (done.landed, done.accepted, done.quarantined) == (1, accepted, 1 - accepted)
    issues = pq.read_table(strict.lake.conformed(DEATH, batch.id) / "issues.parquet").to_pylist()
    found = [(i["column"], i["outcome"], i["original"]) for i in issues if i["rule"] == "column_changed"]
    outcome = {"discard_value": "value_set_aside", "discard_row": "refused"}.get(word)
    assert found == ([("sex_code", outcome, row["性别代码"])] if outcome else [])


@pytest.mark.integration
def test_rows_with_a_new_column_wait_until_their_owner_has_answered(hub: tuple[Hub, Drops]) -> None:
    strict, drops = with_drift(hub[0], new="discard_row"), hub[1]
    drops.deaths("20261101", death(HEAD))
    (first,) = pull(strict, DEATH)
    assert check(strict, conform(strict, first)).accepted == 1
    drops.deaths("20261102", {**death(DAUGHTER), "备注": "x"})
    (second,) = pull(strict, DEATH)
    waiting = check(strict, conform(strict, second))
    assert (waiting.accepted, waiting.quarantined) == (0, 1)
    drops.deaths("20261103", {**death(CHILD), "备注": "x"})
    (third,) = pull(strict, DEATH)
    assert check(strict, conform(strict, third)).quarantined == 1, "it is new until it is answered, not for one day"
    (notice,) = notices(strict.database)
    assert (notice.kind, notice.subject) == ("column_new", "备注")
    close_notice(strict.database, notice.number, "owner")
    assert check(strict, conform(strict, replace(second, state="landed"))).accepted == 1
