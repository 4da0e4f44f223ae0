"""Groups, ranks and shares."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from samples.draw import choose, digits, generator, rank_within, running, where


@given(st.lists(st.integers(0, 4), max_size=40))
def test_rank_counts_the_earlier_equal_keys(keys):
    assert rank_within(np.array(keys, dtype=np.int64)).tolist() == [keys[:n].count(key) for n, key in enumerate(keys)]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_running_numbers_start_again_in_each_group(sizes):
    assert running(np.array(sizes)).tolist() == [number for size in sizes for number in range(size)]


def test_choose_follows_the_weights_and_never_takes_a_zero():
    drawn = np.bincount(choose(generator(1, "test"), [3, 0, 1], 40_000), minlength=3)
    assert drawn[1] == 0
    assert 2.7 < drawn[0] / drawn[2] < 3.3


def test_streams_of_two_purposes_differ_and_repeat():
    first, again, other = (generator(1, label).random(4).tolist() for label in ("a", "a", "b"))
    assert first == again
    assert first != other


def test_text_columns():
    assert digits(np.array([7, 123]), 3).to_pylist() == ["007", "123"]
    assert where(np.array([True, False]), None, "x").to_pylist() == [None, "x"]
