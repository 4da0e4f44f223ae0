"""Masks: what is hidden, from whom, and that nothing slips through because it is short or unknown."""

from __future__ import annotations

import hashlib

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.contracts import load_contracts
from hub.masks import MASKS, masked

CON = ibis.duckdb.connect(threads=1)


def mask(rule: str, *values: str | None, key: str = "k") -> list[str | None]:
    CON.con.register("masked", pa.table({"n": range(len(values)), "x": pa.array(values, pa.string())}))
    table = CON.table("masked")
    shown = table.select("n", shown=masked(table, "x", {"rule": rule}, key)).order_by("n")
    found: list[str | None] = CON.to_pyarrow(shown)["shown"].to_pylist()
    return found


def test_names_keep_their_first_character() -> None:
    assert mask("name", "张三", "欧阳小红", "阿·卜", None) == ["张*", "欧***", "阿**", None]


def test_a_name_of_one_character_is_not_shown_as_it_is() -> None:
    assert mask("name", "张") == ["张*"]


def test_numbers_keep_head_and_tail() -> None:
    assert mask("id_number", "320371195001010010", "E12345678", None) == ["320***********0010", "E12**5678", None]
    assert mask("phone", "13800001234", "051688881234") == ["138****1234", "051****1234"]


def test_short_numbers_are_hidden_whole() -> None:
    assert mask("id_number", "1234567", "", "12345678") == ["****", "****", "123*5678"]
    assert mask("phone", "1234567") == ["****"]


def test_token_joins_within_one_key_and_not_across() -> None:
    first, again, other = mask("token", "320371195001010010", "320371195001010010", "320371195001010029")
    assert first == again != other
    assert first != mask("token", "320371195001010010", key="another receiver")[0]
    assert first == hashlib.sha256(b"k|320371195001010010|k").hexdigest()[:32]
    assert mask("token", None) == [None]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00*"), min_size=1), min_size=1))
def test_no_mask_shows_more_than_it_may(values: list[str]) -> None:
    for rule, most in {"name": 1, "id_number": 7, "phone": 7}.items():
        for value, shown in zip(values, mask(rule, *values), strict=True):
            assert shown is not None
            assert "*" in shown
            assert len(shown.replace("*", "")) <= min(most, max(1, len(value) - 1))


@pytest.mark.parametrize(("when", "shown"), [(True, "张*"), (False, "张三"), (None, "张*")])
def test_condition_that_is_unknown_hides(when: bool | None, shown: str) -> None:
    table = ibis.memtable(pa.table({"x": ["张三"], "_young": pa.array([when], pa.bool_())}))
    value = masked(table, "x", {"rule": "name", "when": "_young"}, "k")
    assert CON.to_pyarrow(table.select(value=value))["value"].to_pylist() == [shown]


def test_all_masks_of_the_products_exist() -> None:
    rules = {
        column.mask["rule"]
        for product in load_contracts().products.values()
        for column in product.columns
        if column.mask
    }
    assert rules
    assert rules <= set(MASKS)
