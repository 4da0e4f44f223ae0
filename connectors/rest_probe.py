"""The probe over paged services: the known feature may be on any page of any chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from pyproj import CRS

from connectors.base import Request
from connectors.coordinates import Shifted
from connectors.geo_options import GEOMETRY, Probed
from connectors.options import part_of
from connectors.probe import probe_of
from connectors.rest_chunks import Progress
from connectors.rows import as_text

__all__ = ["has_shapes", "probe_end", "probe_page"]

_MET: Final = "probed"


def has_shapes(request: Request) -> bool:
    """Whether geometries must be read: they are wanted, or the probe needs them."""
    return GEOMETRY in request.fields or part_of(Probed, request).probe is not None


def probe_page(
    request: Request,
    crs: CRS | Shifted,
    records: Sequence[Mapping[str, Any]],
    shapes: Sequence[bytes | None],
    progress: Progress,
    where: str,
) -> None:
    """Look for the contract's known feature on a page; once met, it is not looked for again.

    Raises:
        SetAsideError: `crs_mismatch`: it is here, and not where it should be.
        StopError: The probe has another form.
    """
    probe = probe_of(request, crs)
    if probe is None or progress.memory.get(_MET):
        return
    names = [as_text(record.get(probe.column)) for record in records]
    if probe.look(pa.array(names, pa.string()), pa.array(shapes, pa.binary())):
        probe.settle(where, must_be_there=False)
        progress.memory[_MET] = True


def probe_end(request: Request, crs: CRS | Shifted, progress: Progress, where: str) -> None:
    """Assert that the feature was met, where all features came.

    Raises:
        SetAsideError: `crs_mismatch`: it is not there.
    """
    probe = probe_of(request, crs)
    if probe is not None and progress.rows and not progress.memory.get(_MET):
        probe.settle(where, must_be_there=request.mode == "snapshot")
