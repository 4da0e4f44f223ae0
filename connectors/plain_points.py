"""Points of two finite numbers as WKB, many at once: most features have no other geometry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["Places", "places_of", "wkb_of"]

Places = npt.NDArray[np.float64]
"""One row a point: its first coordinate, its second."""

_POINT: Final = np.dtype([("order", "u1"), ("type", "<u4"), ("first", "<f8"), ("second", "<f8")])
_LITTLE_ENDIAN: Final = 1
_IS_POINT: Final = 1
"""Without Z, M and SRID."""


def wkb_of(places: Places) -> list[bytes]:
    """Return the points as shapely writes them."""
    made = np.empty(len(places), _POINT)
    made["order"], made["type"] = _LITTLE_ENDIAN, _IS_POINT
    made["first"], made["second"] = places[:, 0], places[:, 1]
    points: list[bytes] = made.view(f"V{_POINT.itemsize}").tolist()
    return points


def places_of(shapes: Sequence[bytes]) -> Places | None:
    """Return where geometries lie, if all are as `wkb_of` gives them; else None."""
    if any(len(shape) != _POINT.itemsize for shape in shapes):
        return None
    read: npt.NDArray[Any] = np.frombuffer(b"".join(shapes), _POINT)
    places = np.column_stack((read["first"], read["second"]))
    of_that_form = (read["order"] == _LITTLE_ENDIAN) & (read["type"] == _IS_POINT)
    return places if of_that_form.all() and np.isfinite(places).all() else None
