"""How often Python looks for cycles of objects while the walk runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collected_seldom"]

_THRESHOLDS = (50_000, 20, 20)


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Look for cycles seldom until the block ends.

    The libraries that are loaded hold 300,000 objects which live as long as the process, and compiling expressions
    makes many short-lived ones: by Python's own thresholds a tenth of a small walk is spent looking through the former.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
