"""Sites of buildings: each inside its grid, on a lattice around the middle of the settlement, touching no other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from samples.draw import Bools, Floats, Ints, generator

# Room a building takes (metres along and across) and its footprint, in villages and in towns.
PITCH = {False: (25.0, 21.0), True: (70.0, 38.0)}
FOOTPRINTS = {  # use -> (length, depth) in villages, in towns
    "residential": ((13.0, 10.0), (52.0, 13.0)),
    "commercial": ((20.0, 9.0), (60.0, 16.0)),
    "public": ((20.0, 14.0), (40.0, 20.0)),
    "industrial": ((22.0, 16.0), (60.0, 30.0)),
}
USES = tuple(FOOTPRINTS)
SHRINK = 0.72


@dataclass(frozen=True)
class Sites:
    """Centre of each building in metres, the angle it is turned by, the scale of its plot (1 unless it is crowded)."""

    centre: Floats
    angle: Floats
    scale: Floats


def find_sites(seed: int, label: str, grids: Any, urban: Bools, count: Ints) -> Sites:
    """Place `count` buildings in each grid.

    Args:
        seed: the seed of the county.
        label: the county, so that each has a stream of its own.
        grids: polygons in metres.
        urban: whether the grid has town plots.
        count: buildings wanted in each grid.
    """
    rng = generator(seed, "sites", label)
    centres, angles, scales = [], [], []
    turn = rng.random(len(grids)) * np.pi / 3 - np.pi / 6
    lean = rng.random((len(grids), 2))
    for polygon, in_town, wanted, angle, offset in zip(grids, urban, count, turn, lean, strict=True):
        points, scale = _place(polygon, PITCH[bool(in_town)], int(wanted), float(angle), offset)
        centres.append(points)
        angles.append(np.full(len(points), angle))
        scales.append(np.full(len(points), scale))
    return Sites(np.concatenate(centres), np.concatenate(angles), np.concatenate(scales))


def _place(polygon: Any, pitch: tuple[float, float], wanted: int, angle: float, offset: Floats) -> tuple[Floats, float]:
    if not wanted:
        return np.empty((0, 2)), 1.0
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = shapely.get_coordinates(shapely.point_on_surface(polygon))[0]
    scale = 1.0
    while True:
        step = np.array(pitch) * scale
        inner = polygon.buffer(-float(np.hypot(*step)) / 2)
        shapely.prepare(inner)
        reach = float(np.sqrt(wanted * step[0] * step[1])) * 0.75 + float(step[0]) * 2
        limit = float(shapely.hausdorff_distance(shapely.Point(middle), polygon)) + reach
        while True:
            points = _lattice(step, reach, offset) @ rotation.T + middle
            points = points[shapely.contains_xy(inner, points)]
            if len(points) >= wanted or reach > limit:
                break
            reach *= 1.6
        if len(points) >= wanted:
            nearest = np.argsort(((points - middle) ** 2).sum(axis=1).round(3), kind="stable")[:wanted]
            return points[np.sort(nearest)], scale
        scale *= SHRINK


def _lattice(step: Floats, reach: float, offset: Floats) -> Floats:
    axes = [np.arange(-reach, reach, size) + size * shift for size, shift in zip(step, offset, strict=True)]
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)


def footprints(sites: Sites, use: Ints, urban: Bools) -> tuple[Any, Floats]:
    """Outlines of the buildings in metres, and their ground areas in square metres."""
    sizes = np.array([FOOTPRINTS[name] for name in USES])[use, urban.astype(np.int64)] * sites.scale[:, None]
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])[None] * sizes[:, None, :]
    cosine, sine = np.cos(sites.angle)[:, None], np.sin(sites.angle)[:, None]
    x = corners[..., 0] * cosine - corners[..., 1] * sine + sites.centre[:, :1]
    y = corners[..., 0] * sine + corners[..., 1] * cosine + sites.centre[:, 1:]
    ring = np.round(np.stack((x, y), axis=-1), 2)
    return shapely.polygons(np.concatenate((ring, ring[:, :1]), axis=1)), sizes.prod(axis=1)


def doors(rng: np.random.Generator, sites: Sites, building: Ints) -> Floats:
    """A point for each address near the middle of its building, in metres."""
    shift = (rng.random((len(building), 2)) * 2 - 1) * 3.0 * sites.scale[building][:, None]
    return np.round(sites.centre[building] + shift, 2)
