"""The CRS of a geographic service: the name it is asked for by, whether an answer is in it, which coordinate is first.

Shifted coordinates (GCJ-02, BD-09) no service calls by their name: they come labelled as true ones, whichever. They are
given as they came, and `conform` takes the shift back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pyproj import CRS
from pyproj.exceptions import CRSError

from connectors.coordinates import Shifted, declared_crs
from connectors.errors import SetAsideError
from connectors.rest_chunks import Progress
from connectors.wfs_axes import fitting, swapped

__all__ = ["ServiceCrs", "registered"]

_TRUE: Final = "EPSG:4490"
"""Where it is used, shifted coordinates are."""


class ServiceCrs:
    """The declared CRS over one pull.

    Args:
        name: As the contract has it.
        axis_order: `xy`, `yx`, or `auto` where the coordinates are to tell it.
        where: How errors name the offer.

    Attributes:
        declared: What the coordinates are in, once x comes before y.
    """

    def __init__(self, name: str, axis_order: str, where: str) -> None:
        self.declared: CRS | Shifted = declared_crs(name)
        self._axes = None if axis_order == "auto" else axis_order
        self._where = where

    @property
    def title(self) -> str:
        """Its name in messages."""
        return str(self.declared if isinstance(self.declared, Shifted) else self.declared.name)

    def among(self, offered: Iterable[str]) -> str | None:
        """Return the name under which a service offers it; None where it does not."""
        return next((name for name in offered if self._fits(_known(name))), None)

    def hold(self, told: str) -> None:
        """Hold what an answer says its coordinates are in against what is declared.

        Raises:
            SetAsideError: `crs_mismatch`; a server that does not know the CRS asked for may answer in its own.
        """
        own = _known(told)
        if own is None:
            raise self.mismatch("coordinates in a CRS of no known name")
        if not self._fits(own):
            raise self.mismatch(f"coordinates in {own.name}")

    def turned(self, shapes: Sequence[bytes | None], progress: Progress) -> list[bytes | None]:
        """Put x before y: which comes first differs by server, format and form of the CRS's name."""
        axes = progress.memory.get("axes") or self._axes
        if axes is None:
            axes, outside = fitting(shapes, self._used)
            progress.memory["outside"] = bool(progress.memory.get("outside")) or outside
        if axes is not None:
            progress.memory["axes"] = axes
        return swapped(shapes, turn=axes == "yx")

    def finish(self, progress: Progress) -> None:
        """Assert that some coordinates were of the declared CRS, if any came.

        Raises:
            SetAsideError: `crs_mismatch`.
        """
        if progress.memory.get("outside") and "axes" not in progress.memory:
            raise self.mismatch(f"coordinates outside the area of {self._used.name}")

    def mismatch(self, came: str) -> SetAsideError:
        """Return the error for coordinates that are not what is declared."""
        return SetAsideError(
            self._where,
            came,
            self.title,
            "ask the department for the CRS in which its service answers, and declare that one",
            reason="crs_mismatch",
        )

    @property
    def _used(self) -> CRS:
        return CRS.from_user_input(_TRUE) if isinstance(self.declared, Shifted) else self.declared

    def _fits(self, own: CRS | None) -> bool:
        if own is None:
            return False
        if isinstance(self.declared, Shifted):
            return bool(own.is_geographic)
        same = own.equals(self.declared, ignore_axis_order=True)
        return bool(same) or own.to_authority() == self.declared.to_authority()


def registered(names: Iterable[str]) -> list[str]:
    """Return what registers call the CRS of some names, `EPSG:4490`; names of no known one are left out."""
    found = (crs.to_authority() for name in names if (crs := _known(name)) is not None)
    return [":".join(authority) for authority in found if authority is not None]


def _known(name: str) -> CRS | None:
    try:
        return CRS.from_user_input(name)
    except CRSError:
        return None
