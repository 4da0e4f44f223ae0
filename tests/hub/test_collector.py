"""Cycles of objects are looked for seldom, and as usual afterwards."""

from __future__ import annotations

import gc

import pytest

from hub.collector import collected_seldom


def test_seldom_until_the_block_ends() -> None:
    usual = gc.get_threshold()
    with collected_seldom():
        assert gc.isenabled()
        assert gc.get_threshold()[0] > usual[0]
    assert gc.get_threshold() == usual


def test_as_usual_after_an_error_too() -> None:
    usual = gc.get_threshold()
    with pytest.raises(ValueError, match="once"), collected_seldom():
        raise ValueError("once")
    assert gc.get_threshold() == usual
