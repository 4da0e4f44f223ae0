"""Each kind of fault, by example; and spoiling as a whole: one fault a row, all of them remembered."""

import re

import numpy as np
import pyarrow as pa
import pytest

from samples import spoils
from samples.draw import generator
from samples.faults import KEY, PERSON, QUARANTINED, REPAIRED, Spoil, duplicate, spoil
from tests.samples.test_codes import id_is_valid

NUMBER = "32037219551112002X"


def change(kinds: list[Spoil], kind: str, value: str) -> str:
    spoil_kind = next(item for item in kinds if item.kind == kind)
    return spoil_kind.change(value, generator(1, "test"))


@pytest.mark.parametrize(
    ("kind", "spoiled"),
    [
        ("id_fifteen_digits", "320372551112002"),
        ("id_full_width", "３２０３７２１９５５１１１２００２Ｘ"),
        ("id_lower_case_x", "32037219551112002x"),
        ("id_spaces", " 320372 19551112 002X "),
        ("id_apostrophe", "'32037219551112002X"),
    ],
)
def test_spoiled_ids(kind, spoiled):
    assert change(spoils.id_spoils("id"), kind, NUMBER) == spoiled


def test_ids_beyond_repair():
    valid = "320372195511120020"
    number = next(valid[:17] + mark for mark in "0123456789X" if id_is_valid(valid[:17] + mark))
    wrong = change(spoils.id_spoils("id"), "id_bad_check_digit", number)
    assert wrong[:17] == number[:17]
    assert not id_is_valid(wrong)
    cut = change(spoils.id_spoils("id"), "id_cut_by_spreadsheet", number)
    assert cut in (number[:15] + "000", "3.20E+17")


def test_spoiled_names():
    kinds = spoils.name_spoils("name")
    assert change(kinds, "name_spaces", "张三") == "张　三"
    assert re.fullmatch(r"古丽[•．・.‧]努尔", change(kinds, "name_dot_variant", "古丽·努尔"))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("date_slash", "1955/11/2"),
        ("date_dot", "1955.11.02"),
        ("date_chinese", "1955年11月2日"),
        ("date_serial", "20395"),
        ("date_dash", "1955-11-02"),
    ],
)
def test_dates_in_other_forms(form, text):
    assert change(spoils.date_spoils("day", "compact"), form, "19551102") == text


def test_a_column_is_not_spoiled_with_its_own_form():
    assert "date_compact" not in {item.kind for item in spoils.date_spoils("day", "compact")}
    assert "date_dash" not in {item.kind for item in spoils.date_spoils("day", "dash")}
    assert change(spoils.date_spoils("day", "dash"), "date_compact", "1955-11-02") == "19551102"


def test_certificates_keep_what_follows_the_number():
    assert change(spoils.certificate_spoils("no"), "id_spaces", NUMBER + "43") == " 320372 19551112 002X43 "


def register(size: int) -> pa.Table:
    numbers = [f"3203721955{1000 + n:04d}{n % 1000:03d}X"[:18] for n in range(size)]
    return pa.table(
        {
            "id": pa.array([number.ljust(18, "0") for number in numbers]),
            "name": pa.array([f"张{chr(0x4E00 + n)}" for n in range(size)]),
            "code": ["01"] * size,
            KEY: pa.array([str(n) for n in range(size)]),
            PERSON: pa.array(np.arange(size)),
        }
    )


def test_each_row_has_at_most_one_fault_and_the_truth_knows_it():
    table = register(400)
    kinds = [
        *spoils.id_spoils("id"),
        spoils.another_id("id", "name"),
        *spoils.code_spoils("code", "88", {"01": "汉族"}),
    ]
    result = spoil(generator(3, "test"), table, "d/t", kinds, 0.2)
    assert 60 <= len(result.faults) <= 80
    assert len({fault["key"] for fault in result.faults}) == len(result.faults)
    before, after = table.to_pylist(), result.table.to_pylist()
    by_key = {fault["key"]: fault for fault in result.faults}
    for old, new in zip(before, after, strict=True):
        fault = by_key.get(old[KEY])
        differ = {name for name in old if old[name] != new[name]}
        assert differ == ({fault["column"]} if fault else set())
        if fault:
            assert (old[fault["column"]], new[fault["column"]]) == (fault["true_value"], fault["spoiled_value"])
            assert fault["person_id"] == old[PERSON]
    assert {fault["expected"] for fault in result.faults} == {REPAIRED, QUARANTINED}
    stolen = [fault for fault in result.faults if fault["kind"] == "id_of_another_person"]
    assert stolen
    for fault in stolen:
        assert before[int(fault["other_key"])]["id"] == fault["spoiled_value"]
        assert fault["other_key"] not in by_key


def test_nothing_is_spoiled_at_rate_zero():
    result = spoil(generator(3, "test"), register(50), "d/t", spoils.id_spoils("id"), 0.0)
    assert not result.faults
    assert result.table.equals(register(50))


def test_second_rows_of_a_person_are_duplicates_half_of_them_in_the_old_form():
    table = duplicate(generator(1, "test"), register(400), 0.1, "id")
    assert len(table) == 405
    table = table.set_column(table.column_names.index(KEY), KEY, pa.array([str(n) for n in range(405)]))
    result = spoil(generator(1, "test"), table, "d/t", spoils.id_spoils("id"), 0.02)
    twice = [fault for fault in result.faults if fault["expected"] == "duplicate"]
    assert [fault["kind"] for fault in twice].count("duplicate_person") == 3
    assert [fault["kind"] for fault in twice].count("duplicate_person_fifteen_digits") == 2
    rows = result.table.to_pylist()
    for fault in twice:
        first, second = rows[int(fault["other_key"])], rows[int(fault["key"])]
        assert first[PERSON] == second[PERSON]
        assert second["id"] in (first["id"], first["id"][:6] + first["id"][8:17])
