"""Step 2 on raw batches in a lake; the ledger is a list in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from hub.context import Hub
from hub.contracts import load_contracts
from hub.errors import CountsError, SetAsideError
from hub.ledger import Batch
from hub.reasons import Outcome, Reason
from hub.settings import load_settings
from hub.steps.conform import conform
from hub.store import Lake

DEATH, ADDRESS = "health_commission/death", "natural_resources/standard_address"
MAZHUANG = "320305005204"
ID = "320371195001010016"


@dataclass
class ListLedger:
    """Keeps what a step tells the ledger."""

    saved: list[Batch] = field(default_factory=list)
    counts: list[tuple[str, str, str, int]] = field(default_factory=list)

    def save_batch(self, batch: Batch) -> None:
        self.saved.append(batch)

    def record_issues(self, batch: Batch, step: str, counts: Iterable[tuple[str, str, str, int]]) -> None:
        assert step == "conform"
        self.counts = list(counts)


@pytest.fixture
def ledger() -> ListLedger:
    return ListLedger()


@pytest.fixture
def hub(tmp_path: Path, ledger: ListLedger) -> Hub:
    settings = load_settings(data_dir=tmp_path)
    return Hub(
        settings, load_contracts(), Lake(tmp_path), cast(Any, ledger), cast(Any, None), as_of=dt.date(2026, 11, 1)
    )


def land(hub: Hub, tail: str, *parts: list[dict[str, Any]], kinds: dict[str, pa.DataType] | None = None) -> Batch:
    """Lay raw parts into the lake as `pull` does."""
    agreed = hub.contracts.sources[tail]
    names = dict.fromkeys(column.physical_name for column in agreed.columns)
    schema = pa.schema([(name, (kinds or {}).get(name, pa.string())) for name in names]).append(
        pa.field("_row", pa.int64())
    )
    folder = hub.lake.raw(tail, "b.000001")
    folder.mkdir(parents=True)
    landed = 0
    for number, rows in enumerate(parts):
        numbered = [{**row, "_row": landed + place} for place, row in enumerate(rows, 1)]
        landed += len(rows)
        pq.write_table(pa.Table.from_pylist(numbered, schema=schema), folder / f"part-{number:05d}.parquet")
    pulled_at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    return Batch("b.000001", tail, "offer", agreed.mode, "landed", pulled_at=pulled_at, landed=landed)


def death(**changed: Any) -> dict[str, Any]:
    usual = {
        "证明编号": "D1", "姓名": "张三", "身份证件号码": ID, "性别": "1",
        "出生日期": "19500101", "死亡日期": "20261001", "户籍区划代码": MAZHUANG,
    }  # fmt: skip
    return usual | changed


def result(hub: Hub, batch: Batch) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    folder = hub.lake.conformed(batch.tail, batch.id)
    rows, issues = (pq.read_table(folder / name) for name in ("rows.parquet", "issues.parquet"))
    return rows.sort_by("_row").to_pylist(), issues.sort_by(
        [("_row", "ascending"), ("column", "ascending")]
    ).to_pylist()


def test_a_batch_of_two_parts_is_conformed(hub: Hub, ledger: ListLedger) -> None:
    batch = land(
        hub, DEATH, [death(), death(姓名="李\u3000四")], [death(死亡日期="20260231", 性别="男"), death(性别="男")]
    )
    conformed = conform(hub, batch)
    assert conformed == replace(batch, state="conformed")
    assert ledger.saved == [conformed]
    rows, issues = result(hub, batch)
    assert [row["_row"] for row in rows] == [1, 2, 3, 4]
    assert rows[0] == {
        "id_number": ID, "certificate_no": "D1", "person_name": "张三", "sex_code": "1",
        "birth_date": dt.date(1950, 1, 1), "death_date": dt.date(2026, 10, 1), "division_code": MAZHUANG, "_row": 1,
    }  # fmt: skip
    repaired = {"outcome": Outcome.REPAIRED}
    label = {"column": "sex_code", "rule": Reason.CODE_FROM_LABEL, "original": "男", "value": "1"} | repaired
    assert issues == [
        {"_row": 2, "column": "person_name", "rule": Reason.NAME_SPACES, "original": "李\u3000四", "value": "李四"}
        | repaired,
        {"_row": 3, "column": "death_date", "rule": Reason.DATE_IMPOSSIBLE, "outcome": Outcome.REFUSED}
        | {"original": "20260231", "value": None},
        {"_row": 3, **label},
        {"_row": 4, **label},
    ]
    assert ledger.counts == [
        (Reason.CODE_FROM_LABEL, "sex_code", Outcome.REPAIRED, 2),
        (Reason.DATE_IMPOSSIBLE, "death_date", Outcome.REFUSED, 1),
        (Reason.NAME_SPACES, "person_name", Outcome.REPAIRED, 1),
    ]


def test_again_gives_the_same_and_leaves_no_working_files(hub: Hub, ledger: ListLedger) -> None:
    batch = land(hub, DEATH, [death(性别="男")])
    conform(hub, batch)
    first, counts = result(hub, batch), ledger.counts
    conform(hub, batch)
    assert (result(hub, batch), ledger.counts) == (first, counts)
    folder = hub.lake.conformed(DEATH, batch.id)
    assert sorted(path.name for path in folder.iterdir()) == ["issues.parquet", "rows.parquet"]
    assert [path.name for path in folder.parent.iterdir()] == [batch.id]


def test_files_have_the_promised_schema(hub: Hub) -> None:
    batch = land(hub, DEATH, [death()])
    conform(hub, batch)
    folder = hub.lake.conformed(DEATH, batch.id)
    promised = [(item.name, item.type) for item in hub.contracts.sources[DEATH].arrow_schema]
    rows, issues = (pq.read_schema(folder / name) for name in ("rows.parquet", "issues.parquet"))
    assert [(item.name, item.type) for item in rows] == [*promised, ("_row", pa.int64())]
    texts = ("column", "rule", "outcome", "original", "value")
    assert [(item.name, item.type) for item in issues] == [
        ("_row", pa.int64()),
        *((name, pa.string()) for name in texts),
    ]


def test_geometries_are_placed(hub: Hub, ledger: ListLedger) -> None:
    address = {"dzbm": "A1", "dzqc": "马庄村1号", "xzqdm": MAZHUANG, "gxsj": "2026-10-01T08:00:00"}
    points = [shapely.Point(117.4, 34.2), shapely.Point(34.2, 117.4), shapely.Point(0, 0), None]
    rows = [address | {"geometry": point and point.wkb} for point in points]
    batch = land(hub, ADDRESS, rows, kinds={"geometry": pa.binary()})
    conform(hub, batch)
    conformed, issues = result(hub, batch)
    assert [row["geometry"] and shapely.from_wkb(row["geometry"]).wkt for row in conformed] == [
        "POINT (117.4 34.2)", "POINT (117.4 34.2)", None, None,
    ]  # fmt: skip
    told = [issue for issue in issues if issue["column"] == "geometry"]
    assert [(issue["rule"], issue["outcome"], issue["original"], issue["value"]) for issue in told] == [
        (Reason.COORDINATES_SWAPPED, Outcome.REPAIRED, "POINT (34.2 117.4)", "POINT (117.4 34.2)"),
        (Reason.COORDINATES_OUTSIDE, Outcome.REFUSED, "POINT (0 0)", None),
        (Reason.REQUIRED_MISSING, Outcome.REFUSED, None, None),
    ]


@pytest.mark.parametrize("tail", [DEATH, ADDRESS])
@pytest.mark.parametrize("parts", [(), ([],)])
def test_an_empty_delivery_passes(hub: Hub, ledger: ListLedger, tail: str, parts: tuple[list[Any], ...]) -> None:
    batch = land(hub, tail, *parts, kinds={"geometry": pa.binary()})
    assert conform(hub, batch).state == "conformed"
    assert result(hub, batch) == ([], [])
    assert ledger.counts == []


@pytest.mark.parametrize(("tail", "lost"), [(DEATH, ["性别", "死亡日期"]), (ADDRESS, ["dzqc", "geometry"])])
def test_a_batch_that_lacks_a_column_is_set_aside(hub: Hub, ledger: ListLedger, tail: str, lost: list[str]) -> None:
    batch = land(hub, tail, [{}], [{}], kinds={"geometry": pa.binary()})
    part = hub.lake.raw(tail, batch.id) / "part-00001.parquet"
    pq.write_table(pq.read_table(part).drop_columns(lost), part)
    with pytest.raises(SetAsideError, match=f"no column {', '.join(lost)}") as refused:
        conform(hub, batch)
    assert refused.value.reason == Reason.SCHEMA_DRIFT
    assert ledger.saved == []
    assert not hub.lake.conformed(tail, batch.id).exists()


def test_a_row_that_got_lost_breaks_the_law_of_counts(hub: Hub, ledger: ListLedger) -> None:
    batch = replace(land(hub, DEATH, [death()]), landed=2)
    with pytest.raises(CountsError, match="1 rows of 2 landed"):
        conform(hub, batch)
    assert ledger.saved == []
    assert not hub.lake.conformed(DEATH, batch.id).exists()
