"""Rows go out to their department in a form, come back mended, are replayed by themselves and close their lines."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import sqlalchemy as sa

from hub import corrections as corrections_module
from hub.context import Hub
from hub.correction_forms import ABOUT
from hub.corrections import Replayed, import_corrections
from hub.errors import RetryError, ScopeError, SetAsideError, StopError
from hub.issues import export_issues
from hub.quarantine import Quarantine, Tally
from hub.steps.check import check
from hub.steps.conform import conform
from hub.steps.link import link
from hub.verify import verify
from hub.walk import pull_system, take_in
from tests.hub.drops import ALLOWANCE, DEATH, Drops, allowance, death
from tests.hub.mini import MAZHUANG, opened

pytestmark = pytest.mark.integration
FIRST, SECOND, THIRD = "320371195001010016", "320371199001010022", "320371194503030071"
WRONG = SECOND[:-1] + "9"
FIRST_BATCH = "health_commission.death.000001"
SCORES = "civil_affairs.elderly_allowance.000001"


@pytest.fixture
def drops(tmp_path: Path) -> Drops:
    return Drops(tmp_path)


@pytest.fixture
def hub(tmp_path: Path, database_url: str, drops: Drops) -> Iterator[Hub]:
    with opened(tmp_path, database_url, env_file=drops.env_file) as opened_hub:
        yield opened_hub


def deliver(hub: Hub, *systems: str) -> None:
    for system in systems or ("health_commission", "civil_affairs"):
        pull_system(hub, system)
        take_in(hub, system)


def waiting(hub: Hub, tail: str) -> list[dict[str, Any]]:
    with hub.engine() as engine:
        rows = Quarantine(hub, engine, hub.contracts.sources[tail]).rows()
        return [] if rows is None else rows.to_pyarrow().to_pylist()


def keys(hub: Hub, tail: str) -> list[tuple[str, int]]:
    return [(row["_key_batch"], row["_key_row"]) for row in waiting(hub, tail)]


def tally(hub: Hub, tail: str) -> Tally:
    with hub.engine() as engine:
        return Quarantine(hub, engine, hub.contracts.sources[tail]).tally(hub.ledger.batches(tail))


def form(hub: Hub, folder: Path, system: str = "health_commission", name: str = "form.xlsx") -> Path:
    path = folder / name
    export_issues(hub, system, path, actor="test")
    return path


def mend(path: Path, **cells: str) -> Path:
    """Write cells of the first row of the form's first sheet, as an officer does."""
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    head = [cell.value for cell in sheet[3]]
    for name, value in cells.items():
        sheet.cell(4, head.index(name) + 1).value = value
    book.save(path)
    return path


def linked(hub: Hub, tail: str) -> list[dict[str, Any]]:
    link(hub)
    return pq.read_table(hub.lake.linked(tail) / "rows.parquet").to_pylist()


class TestTheForm:
    def test_it_has_whole_rows_as_they_came_under_the_departments_own_names(
        self, hub: Hub, drops: Drops, tmp_path: Path
    ) -> None:
        drops.deaths("20261101", death(FIRST, 姓名="甲 某"), death(WRONG, 姓名="乙 某", 户籍区划代码="999"))
        deliver(hub, "health_commission")
        book = openpyxl.load_workbook(form(hub, tmp_path))
        assert book.sheetnames == ["死亡医学证明"]
        caption, titles, names, *rows = list(book.active.iter_rows(values_only=True))
        assert "请在白色单元格内直接改正" in caption[0]
        assert names[:5] == titles[:5] == ("批次", "行号", "问题代码", "问题说明", "问题字段")
        assert names[5:8] == titles[5:8] == ("依据", "处理方", "处理结果")
        told = [dict(zip(names, row, strict=True)) for row in rows]
        (wrong,) = (row for row in told if row["行号"] == 2)
        assert (wrong["批次"], wrong["身份证件号码"], wrong["姓名"]) == (FIRST_BATCH, WRONG, "乙 某")
        assert wrong["户籍区划代码"] == "999"
        assert (wrong["问题代码"], wrong["问题说明"]) == ("id_check_digit", "公民身份号码校验码不符")
        assert (wrong["处理方"], wrong["处理结果"]) == ("卫生健康委员会", "暂存，未入库")
        assert 1 not in [row["行号"] for row in told]

    def test_only_the_departments_cells_can_be_written(self, hub: Hub, drops: Drops, tmp_path: Path) -> None:
        drops.deaths("20261101", death(WRONG))
        deliver(hub, "health_commission")
        sheet = openpyxl.load_workbook(form(hub, tmp_path)).active
        assert sheet.protection.sheet
        head = [cell.value for cell in sheet[3]]
        locked = {name: cell.protection.locked for name, cell in zip(head, sheet[4], strict=True)}
        assert [name for name, is_locked in locked.items() if is_locked] == head[:8]
        # What is typed stays text: no digit of a number is lost.
        assert sheet.cell(4, head.index("身份证件号码") + 1).number_format == "@"
        faulty = [n for n, cell in zip(head, sheet[4], strict=True) if cell.fill.fgColor.rgb == "FFFFF2CC"]
        assert faulty == ["身份证件号码"]

    def test_the_json_says_the_same(self, hub: Hub, drops: Drops, tmp_path: Path) -> None:
        drops.deaths("20261101", death(WRONG), death(THIRD, 死亡日期="20261201", 性别="1", 出生日期="19450303"))
        deliver(hub, "health_commission")
        told = json.loads(form(hub, tmp_path, name="form.json").read_text(encoding="utf-8"))
        (dataset,) = told["datasets"]
        assert (told["system"], dataset["dataset"], dataset["title"]) == ("health_commission", DEATH, "死亡医学证明")
        first, second = dataset["rows"]
        assert (first["batch"], first["row"], first["values"]["身份证件号码"]) == (FIRST_BATCH, 1, WRONG)
        (reason,) = second["reasons"]
        assert set(reason) == {"rule_id", "column", "reason", "severity", "clause", "acts"}
        assert (reason["rule_id"], reason["severity"]) == ("death_date_not_in_future", "critical")
        assert second["faulty"] == {"死亡日期": "死亡日期"}

    def test_it_holds_no_other_departments_rows(self, hub: Hub, drops: Drops, tmp_path: Path) -> None:
        drops.deaths("20261101", death(WRONG))
        drops.allowances("202611", allowance(FIRST, **{"月津贴（元）": "9000"}))
        deliver(hub)
        text = form(hub, tmp_path, name="form.json").read_text(encoding="utf-8")
        assert WRONG in text
        assert FIRST not in text
        with pytest.raises(StopError, match="no department is named"):
            export_issues(hub, None, tmp_path / "all.json", actor="test")
        assert not (tmp_path / "all.json").exists()

    def test_without_a_waiting_row_it_says_so(self, hub: Hub, drops: Drops, tmp_path: Path) -> None:
        drops.deaths("20261101", death(FIRST, 性别="1", 出生日期="19500101"))
        deliver(hub, "health_commission")
        path = form(hub, tmp_path)
        assert "没有需要改正的行" in openpyxl.load_workbook(path).active["A1"].value
        assert import_corrections(hub, path, "test") == []
        path = form(hub, tmp_path, name="form.json")
        assert json.loads(path.read_bytes()) == {"system": "health_commission", "datasets": []}
        assert import_corrections(hub, path, "test") == []


class TestComingBack:
    @pytest.fixture(autouse=True)
    def _delivered(self, hub: Hub, drops: Drops) -> None:
        drops.deaths(
            "20261101",
            death(FIRST, 性别="1", 出生日期="19500101"),
            death(WRONG, 出生日期="19900101", 姓名="乙某"),
            death(THIRD, 性别="1", 出生日期="19450303", 死亡日期="20261201"),
        )
        deliver(hub, "health_commission")

    def test_a_mended_row_is_taken_and_its_line_is_closed(self, hub: Hub, tmp_path: Path) -> None:
        assert keys(hub, DEATH) == [(FIRST_BATCH, 2), (FIRST_BATCH, 3)]
        path = mend(form(hub, tmp_path), 身份证件号码=SECOND)
        (done,) = import_corrections(hub, path, "officer", "health_commission")
        batch = "health_commission.death.000002"
        assert done == Replayed(DEATH, batch, sent=2, not_waiting=0, unchanged=1, sent_before=0, accepted=1)
        assert keys(hub, DEATH) == [(FIRST_BATCH, 3)]
        assert tally(hub, DEATH) == Tally(open=1, corrected=1, superseded=0)
        (found,) = (row for row in linked(hub, DEATH) if row["id_number"] == SECOND)
        assert (found["_batch"], found["_row"], found["person_name"]) == (batch, 1, "乙某")

    def test_the_batch_says_what_it_stands_for_and_who_sent_it(self, hub: Hub, tmp_path: Path) -> None:
        import_corrections(hub, mend(form(hub, tmp_path), 身份证件号码=SECOND), "officer")
        landed = hub.ledger.batches(DEATH)[-1]
        assert (landed.mode, landed.state, landed.landed, landed.accepted) == ("correction", "checked", 1, 1)
        folder = hub.lake.raw(DEATH, landed.id)
        manifest = json.loads((folder / "manifest.json").read_bytes())
        assert (manifest["corrects"], manifest["corrected_by"]) == ([FIRST_BATCH], "officer")
        (stands_for,) = pq.read_table(folder / "replaces.parquet").to_pylist()
        assert (stands_for["_row"], stands_for["batch"], stands_for["row"]) == (1, FIRST_BATCH, 2)
        assert verify(hub)["faults"] == []

    def test_doing_it_twice_does_nothing_more(self, hub: Hub, tmp_path: Path) -> None:
        path = mend(form(hub, tmp_path), 身份证件号码=SECOND)
        import_corrections(hub, path, "officer")
        before = hub.ledger.batches(DEATH)
        (again,) = import_corrections(hub, path, "officer")
        assert again == Replayed(DEATH, None, sent=2, not_waiting=1, unchanged=1, sent_before=0)
        assert hub.ledger.batches(DEATH) == before

    def test_a_row_that_fails_again_stays_open_with_its_new_words(self, hub: Hub, tmp_path: Path) -> None:
        path = mend(form(hub, tmp_path), 身份证件号码=SECOND, 姓名="")
        (done,) = import_corrections(hub, path, "officer")
        assert (done.accepted, done.still_open) == (0, 1)
        assert keys(hub, DEATH) == [(FIRST_BATCH, 2), (FIRST_BATCH, 3)]
        shown = waiting(hub, DEATH)[0]
        assert (shown["身份证件号码"], shown["姓名"]) == (SECOND, None)
        assert [reason["rule_id"] for reason in shown["_reasons"]] == ["required_missing"]
        (again,) = import_corrections(hub, path, "officer")
        assert (again.unchanged, again.batch) == (2, None)
        (done,) = import_corrections(hub, mend(form(hub, tmp_path), 姓名="乙某"), "officer")
        assert (done.accepted, keys(hub, DEATH)) == (1, [(FIRST_BATCH, 3)])
        assert tally(hub, DEATH) == Tally(open=1, corrected=1, superseded=0)

    def test_the_same_wrong_words_are_replayed_once(self, hub: Hub, tmp_path: Path) -> None:
        other = WRONG[:-1] + "8"
        import_corrections(hub, mend(form(hub, tmp_path), 身份证件号码=other), "officer")
        import_corrections(hub, mend(form(hub, tmp_path), 身份证件号码=WRONG), "officer")
        count = len(hub.ledger.batches(DEATH))
        (done,) = import_corrections(hub, mend(form(hub, tmp_path), 身份证件号码=other), "officer")
        assert (done.sent_before, done.batch, len(hub.ledger.batches(DEATH))) == (1, None, count)

    def test_a_number_of_somebody_else_is_a_conflict(self, hub: Hub, tmp_path: Path) -> None:
        contract = hub.contracts.sources[DEATH]
        other = {"身份证件号码": FIRST, "性别": "1", "出生日期": "19500101", "姓名": "别人"}
        key = contract.by_name[contract.keys[0]].physical_name
        other[key] = waiting(hub, DEATH)[0][key] if key not in other else other[key]
        taken = pq.read_table(hub.lake.raw(DEATH, FIRST_BATCH) / "part-00000.parquet").to_pylist()[0]
        other[key] = taken[key]
        (done,) = import_corrections(hub, mend(form(hub, tmp_path), **other), "officer")
        assert (done.accepted, done.still_open) == (0, 1)
        assert [reason["rule_id"] for reason in waiting(hub, DEATH)[0]["_reasons"]] == ["key_conflict"]

    def test_what_another_row_says_already_is_a_duplicate_and_closed(self, hub: Hub, tmp_path: Path) -> None:
        taken = pq.read_table(hub.lake.raw(DEATH, FIRST_BATCH) / "part-00000.parquet").to_pylist()[0]
        same = {name: value or "" for name, value in taken.items() if name != "_row"}
        (done,) = import_corrections(hub, mend(form(hub, tmp_path), **same), "officer")
        assert (done.duplicate, done.still_open) == (1, 0)
        assert keys(hub, DEATH) == [(FIRST_BATCH, 3)]

    def test_json_may_send_the_mended_cells_alone(self, hub: Hub, tmp_path: Path) -> None:
        rows = [{"batch": FIRST_BATCH, "row": 2, "values": {"身份证件号码": SECOND}}]
        path = tmp_path / "back.json"
        path.write_text(json.dumps({"datasets": [{"rows": rows}]}), encoding="utf-8")
        (done,) = import_corrections(hub, path, "api", "health_commission")
        assert (done.accepted, done.sent) == (1, 1)
        (found,) = (row for row in linked(hub, DEATH) if row["id_number"] == SECOND)
        assert found["person_name"] == "乙某"

    def test_json_may_mend_other_cells_in_each_row(self, hub: Hub, tmp_path: Path) -> None:
        sent = {2: {"身份证件号码": SECOND}, 3: {"死亡日期": "20261001", "姓名": ""}}
        rows = [{"batch": FIRST_BATCH, "row": number, "values": values} for number, values in sent.items()]
        path = tmp_path / "back.json"
        path.write_text(json.dumps({"datasets": [{"rows": rows}]}), encoding="utf-8")
        (done,) = import_corrections(hub, path, "api", "health_commission")
        # One batch for both; what was left out keeps its value, what was sent empty is emptied.
        assert (done.sent, done.accepted, done.still_open) == (2, 1, 1)
        (found,) = (row for row in linked(hub, DEATH) if row["id_number"] == SECOND)
        assert found["person_name"] == "乙某"
        (shown,) = waiting(hub, DEATH)
        assert (shown["身份证件号码"], shown["死亡日期"], shown["姓名"]) == (THIRD, "20261001", None)

    def test_a_row_of_another_department_anywhere_refuses_the_whole_form(self, hub: Hub, tmp_path: Path) -> None:
        rows = [{"batch": batch, "row": 2, "values": {"身份证件号码": SECOND}} for batch in (FIRST_BATCH, SCORES)]
        path = tmp_path / "back.json"
        path.write_text(json.dumps({"datasets": [{"rows": rows}]}), encoding="utf-8")
        with pytest.raises(ScopeError, match="rows of civil_affairs"):
            import_corrections(hub, path, "api", "health_commission")
        assert keys(hub, DEATH) == [(FIRST_BATCH, 2), (FIRST_BATCH, 3)]

    def test_a_fault_in_the_last_part_leaves_the_first_unreplayed(self, hub: Hub, tmp_path: Path) -> None:
        good = {"batch": FIRST_BATCH, "row": 2, "values": {"身份证件号码": SECOND}}
        birth = {"batch": "health_commission.birth.000001", "row": 1, "values": {"别的列": "x"}}
        path = tmp_path / "back.json"
        path.write_text(json.dumps({"datasets": [{"rows": [good]}, {"rows": [birth]}]}), encoding="utf-8")
        with pytest.raises(SetAsideError, match="columns 别的列 are not the dataset's"):
            import_corrections(hub, path, "api", "health_commission")
        assert len(hub.ledger.batches(DEATH)) == 1
        path.write_text(json.dumps({"datasets": [{"rows": [good, {**birth, "values": {}}]}]}), encoding="utf-8")
        with pytest.raises(SetAsideError, match="rows of several datasets in one place"):
            import_corrections(hub, path, "api", "health_commission")

    def test_a_later_word_of_the_department_supersedes_an_open_line(self, hub: Hub, drops: Drops) -> None:
        contract = hub.contracts.sources[DEATH]
        key = contract.by_name[contract.keys[0]].physical_name
        row = waiting(hub, DEATH)[1]
        drops.deaths("20261102", death(THIRD, 性别="1", 出生日期="19450303", **{key: row[key]}))
        deliver(hub, "health_commission")
        assert keys(hub, DEATH) == [(FIRST_BATCH, 2)]
        assert tally(hub, DEATH) == Tally(open=1, corrected=0, superseded=1)

    def test_another_number_that_cannot_be_read_supersedes_nothing(self, hub: Hub, drops: Drops) -> None:
        drops.deaths("20261102", death("32037119720202003", 姓名="戊某", 出生日期="19720202"))
        deliver(hub, "health_commission")
        assert keys(hub, DEATH) == [(FIRST_BATCH, 2), (FIRST_BATCH, 3), ("health_commission.death.000002", 1)]
        assert tally(hub, DEATH) == Tally(open=3, corrected=0, superseded=0)

    def test_rows_that_do_not_wait_are_left_alone(self, hub: Hub, tmp_path: Path) -> None:
        rows = [{"batch": FIRST_BATCH, "row": number, "values": {"姓名": "丁某"}} for number in (1, 99)]
        path = tmp_path / "back.json"
        path.write_text(json.dumps({"datasets": [{"rows": rows}]}), encoding="utf-8")
        (done,) = import_corrections(hub, path, "api")
        assert (done.not_waiting, done.batch) == (2, None)

    def test_the_sender_is_held_to_its_own_rows(self, hub: Hub, tmp_path: Path) -> None:
        path = mend(form(hub, tmp_path), 身份证件号码=SECOND)
        with pytest.raises(ScopeError, match="rows of health_commission"):
            import_corrections(hub, path, "officer", "civil_affairs")
        assert len(hub.ledger.batches(DEATH)) == 1

    def test_a_department_that_is_being_pulled_is_asked_later(self, hub: Hub, tmp_path: Path) -> None:
        path = mend(form(hub, tmp_path), 身份证件号码=SECOND)
        with hub.ledger.locked("pull health_commission"), pytest.raises(RetryError):
            import_corrections(hub, path, "officer")

    def test_the_audit_record_has_counts_and_no_values(self, hub: Hub, tmp_path: Path) -> None:
        import_corrections(hub, mend(form(hub, tmp_path), 身份证件号码=SECOND), "officer")
        with hub.database.connect() as connection:
            query = sa.text("SELECT action, actor, details FROM ledger.audit ORDER BY number DESC LIMIT 1")
            action, actor, details = connection.execute(query).one()
        assert (action, actor, details["accepted"]) == ("corrections_imported", "officer", 1)
        assert SECOND not in json.dumps(details)


def test_a_geometry_stays_as_it_came(hub: Hub, tmp_path: Path) -> None:
    tail = "natural_resources/grid"
    square = shapely.to_wkb(shapely.box(117.4, 34.3, 117.5, 34.4))
    rows = [
        {"wgdm": f"{MAZHUANG}00{n}", "wgmc": "一", "wglx": "1", "xzqdm": code, "geometry": square, "_row": n}
        for n, code in enumerate((MAZHUANG, "999"), 1)
    ]
    batch = hub.ledger.new_batch(tail, "wg.gpkg", "snapshot")
    folder = hub.lake.raw(tail, batch.id)
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "part-00000.parquet")
    check(hub, conform(hub, replace(batch, state="landed", landed=2)))
    path = form(hub, tmp_path, "natural_resources")
    assert "geometry" not in [cell.value for cell in openpyxl.load_workbook(path).active[3]]
    (done,) = import_corrections(hub, mend(path, xzqdm=MAZHUANG), "officer")
    assert done.accepted == 1
    assert {row["geometry"] for row in linked(hub, tail)} == {square}
    assert len(linked(hub, tail)) == 2


def test_what_a_killed_process_landed_is_taken_in_before_anything_else(
    hub: Hub, drops: Drops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops.deaths("20261101", death(WRONG, 出生日期="19900101"))
    deliver(hub, "health_commission")
    path = mend(form(hub, tmp_path), 身份证件号码=SECOND)
    with monkeypatch.context() as patch:
        patch.setattr(corrections_module, "conform", killed)
        with pytest.raises(KeyboardInterrupt):
            import_corrections(hub, path, "officer")
    assert [batch.state for batch in hub.ledger.batches(DEATH)] == ["checked", "landed"]
    (done,) = import_corrections(hub, path, "officer")
    assert (done.not_waiting, done.batch) == (1, None)
    assert [(batch.state, batch.accepted) for batch in hub.ledger.batches(DEATH)] == [("checked", 0), ("checked", 1)]
    assert waiting(hub, DEATH) == []
    assert tally(hub, DEATH) == Tally(open=0, corrected=1, superseded=0)


def killed(*_: Any) -> None:
    raise KeyboardInterrupt


class TestOfAWholeList:
    """Of a dataset that comes whole, corrections belong to its newest list."""

    def test_the_list_as_it_stands_is_the_newest_and_its_corrections(
        self, hub: Hub, drops: Drops, tmp_path: Path
    ) -> None:
        drops.allowances("202611", allowance(FIRST), allowance(WRONG, 姓名="乙某"))
        deliver(hub, "civil_affairs")
        path = form(hub, tmp_path, "civil_affairs")
        book = openpyxl.load_workbook(path)
        head = [cell.value for cell in book.active[3]]
        (line,) = (n for n in range(4, book.active.max_row + 1) if book.active.cell(n, 2).value == 2)
        book.active.cell(line, head.index("身份证号") + 1).value = SECOND
        book.save(path)
        (done,) = import_corrections(hub, path, "officer")
        assert done.accepted == 1
        assert {row["id_number"] for row in linked(hub, ALLOWANCE)} == {FIRST, SECOND}
        # The same list is no news, though a correction came after it.
        pull_system(hub, "civil_affairs")
        assert [batch.mode for batch in hub.ledger.batches(ALLOWANCE)] == ["snapshot", "correction"]
        drops.allowances("202612", allowance(FIRST), allowance(THIRD, 姓名="丙某"))
        deliver(hub, "civil_affairs")
        assert {row["id_number"] for row in linked(hub, ALLOWANCE)} == {FIRST, THIRD}
        assert SCORES not in {batch for batch, _ in keys(hub, ALLOWANCE)}

    def test_a_row_that_was_warned_about_gives_way_to_its_correction(
        self, hub: Hub, drops: Drops, tmp_path: Path
    ) -> None:
        drops.allowances("202611", allowance(THIRD, 姓名="丙某", **{"月津贴（元）": "9000", "年龄段": "80-89"}))
        deliver(hub, "civil_affairs")
        assert [reason["rule_id"] for reason in waiting(hub, ALLOWANCE)[0]["_reasons"]] == ["amount_plausible"]
        path = mend(form(hub, tmp_path, "civil_affairs"), **{"月津贴（元）": "90", "身份证号": FIRST})
        (done,) = import_corrections(hub, path, "officer")
        assert done.accepted == 1
        (found,) = linked(hub, ALLOWANCE)
        assert (found["id_number"], found["amount_yuan"]) == (FIRST, 90.0)

    def test_a_row_of_an_older_list_waits_no_longer(self, hub: Hub, drops: Drops, tmp_path: Path) -> None:
        drops.allowances("202611", allowance(FIRST), allowance(WRONG))
        deliver(hub, "civil_affairs")
        path = form(hub, tmp_path, "civil_affairs")
        drops.allowances("202612", allowance(FIRST))
        deliver(hub, "civil_affairs")
        (done,) = import_corrections(hub, path, "officer")
        assert (done.not_waiting, done.batch) == (done.sent, None)
        assert tally(hub, ALLOWANCE).superseded == 1

    def test_a_held_list_is_not_corrected_row_by_row(self, hub: Hub, drops: Drops, tmp_path: Path) -> None:
        drops.allowances("202611", allowance(WRONG))
        deliver(hub, "civil_affairs")
        (batch,) = hub.ledger.batches(ALLOWANCE)
        hub.ledger.save_batch(replace(batch, state="held"))
        assert waiting(hub, ALLOWANCE) == []


class TestFilesThatAreNoForm:
    def read(self, hub: Hub, path: Path) -> str:
        with pytest.raises(SetAsideError) as error:
            import_corrections(hub, path, "officer")
        assert hub.ledger.batches() == []
        return error.value.reason

    @pytest.mark.parametrize(
        "text",
        [
            "no json",
            "[]",
            '{"datasets": 1}',
            '{"datasets": [1]}',
            '{"datasets": [{"rows": [{"batch": "x"}]}]}',
            '{"datasets": [{"rows": [{"batch": "x", "row": 1, "values": {"a": 1}}]}]}',
            '{"datasets": [{"rows": [{"batch": "unknown.batch.000001", "row": 1, "values": {}}]}]}',
            '{"datasets": [{"rows": [{"batch": "health_commission.death.000001", "row": true, "values": {}}]}]}',
            '{"datasets": [{"rows": [{"batch": "health_commission.death.000001", "row": 0, "values": {}}]}]}',
            '{"datasets": [{"rows": [{"batch": "a.b.1", "row": 9223372036854775808, "values": {}}]}]}',
            '{"datasets": [{"rows": [{"batch": "health_commission.death.000001", "row": 1e30, "values": {}}]}]}',
            '{"datasets": ' + "[" * 100_000,
        ],
    )
    def test_json(self, hub: Hub, tmp_path: Path, text: str) -> None:
        (tmp_path / "x.json").write_text(text, encoding="utf-8")
        assert self.read(hub, tmp_path / "x.json") == "unreadable"

    def test_workbooks(self, hub: Hub, tmp_path: Path) -> None:
        (tmp_path / "x.xlsx").write_bytes(b"no workbook")
        assert self.read(hub, tmp_path / "x.xlsx") == "unreadable"
        book = openpyxl.Workbook()
        for _ in range(4):
            book.active.append(["批次", "别的"])
        book.save(tmp_path / "y.xlsx")
        assert self.read(hub, tmp_path / "y.xlsx") == "unreadable"

    @pytest.mark.parametrize("row", ["", "-1", "1.5", "٣", "9" * 30, "=1+1"])
    def test_row_numbers_of_a_workbook(self, hub: Hub, tmp_path: Path, row: str) -> None:
        book = openpyxl.Workbook()
        for cells in (["x"], [*ABOUT], [*ABOUT, "姓名"], [FIRST_BATCH, row, *[""] * 6, "乙"]):
            book.active.append(cells)
        book.save(tmp_path / "x.xlsx")
        assert self.read(hub, tmp_path / "x.xlsx") == "unreadable"

    def test_a_workbook_that_unpacks_to_too_much(self, hub: Hub, tmp_path: Path) -> None:
        path = form(hub, tmp_path)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/worksheets/bomb.xml", b" " * (80 << 20))
        assert self.read(hub, path) == "unreadable"

    def test_a_zip_that_is_no_workbook(self, hub: Hub, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "x.xlsx", "w") as archive:
            archive.writestr("a.txt", "x")
        assert self.read(hub, tmp_path / "x.xlsx") == "unreadable"

    def test_other_suffixes(self, hub: Hub, tmp_path: Path) -> None:
        with pytest.raises(StopError, match=r"\.json, \.xlsx"):
            import_corrections(hub, tmp_path / "x.csv", "officer")

    def test_columns_and_rows(self, hub: Hub, drops: Drops, tmp_path: Path) -> None:
        drops.deaths("20261101", death(WRONG))
        deliver(hub, "health_commission")

        def back(*rows: dict[str, Any]) -> str:
            path = tmp_path / "x.json"
            path.write_text(json.dumps({"datasets": [{"rows": rows}]}), encoding="utf-8")
            with pytest.raises(SetAsideError) as error:
                import_corrections(hub, path, "officer")
            return error.value.reason

        row = {"batch": FIRST_BATCH, "row": 1, "values": {"姓名": "乙"}}
        assert back(row, row) == "unreadable"
        assert back({**row, "values": {"别的列": "乙"}}) == "schema_drift"
        assert len(hub.ledger.batches(DEATH)) == 1
