"""Seeded chance and string columns: the two tools every other module of the generator draws with."""

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Texts = Any  # pyarrow.Array of strings; pyarrow ships no types


def generator(seed: int, *labels: str) -> np.random.Generator:
    """A stream of chance of its own for one seed and one purpose, so that modules do not disturb each other."""
    return np.random.default_rng([seed, *(crc32(label.encode()) for label in labels)])


def choose(rng: np.random.Generator, weights: Sequence[float], size: int) -> Ints:
    """Draw `size` indices into `weights`, each with its share of the sum."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    picked = np.searchsorted(edges, rng.random(size) * edges[-1], side="right")
    return np.asarray(np.minimum(picked, len(weights) - 1), dtype=np.int64)


def between(rng: np.random.Generator, low: int, high: int, size: int) -> Ints:
    """Draw whole numbers from `low` to `high`, both included."""
    return rng.integers(low, high + 1, size)


def take(values: Sequence[str], index: Ints) -> Texts:
    """The strings at `index`."""
    return pa.array(list(values), pa.string()).take(pa.array(index))


def plain(values: Any) -> Texts:
    """A column of strings in one piece, from an array, a list or the result of a computation."""
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def join(*parts: Any) -> Texts:
    """Put columns and constants beside each other, row by row, without a separator."""
    return pc.binary_join_element_wise(*parts, "")


def digits(numbers: Ints, width: int = 1) -> Texts:
    """Whole numbers as text, filled with zeros to `width`."""
    return pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")


def where(mask: Bools, yes: Any, no: Any) -> Texts:
    """`yes` where the mask holds, else `no`; either may be a constant, `None` is a missing value."""
    return pc.if_else(pa.array(mask), _constant(yes), _constant(no))


def _constant(value: Any) -> Any:
    return pa.scalar(value, pa.string()) if value is None or isinstance(value, str) else value


def running(counts: Ints) -> Ints:
    """0, 1, … within each group, for groups of the given sizes laid one after the other."""
    starts = np.cumsum(counts) - counts
    return np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(starts, counts)


def rank_within(keys: Ints) -> Ints:
    """For each row, how many earlier rows have the same key."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    fresh = np.concatenate(([True], ordered[1:] != ordered[:-1])) if len(keys) else np.zeros(0, dtype=np.bool_)
    position = np.arange(len(keys), dtype=np.int64)
    rank = np.empty(len(keys), dtype=np.int64)
    rank[order] = position - np.maximum.accumulate(np.where(fresh, position, 0))
    return rank
