"""Dividing points among parts by weight, each in one piece: towns of a county, units of a town, grids of a unit."""

from collections.abc import Sequence

import numpy as np

from samples.draw import Bools, Floats, Ints

TILT = 0.45  # radians a cut may lean, so that borders do not run like a chessboard


def split(rng: np.random.Generator, points: Floats, weights: Sequence[float], anchors: Floats | None = None) -> Ints:
    """Cut points again and again in two until each part has its share by weight.

    Args:
        rng: the stream of chance; it tilts the cuts.
        points: coordinates, one row a point; at least as many as parts.
        weights: the share of each part.
        anchors: a known position of each part, so that parts lie as in life; without it they lie in their order.

    Returns:
        The part of each point. Every part gets at least one point.

    Raises:
        ValueError: there are fewer points than parts.
    """
    if len(points) < len(weights):
        raise ValueError(f"samples: {len(points)} points cannot be divided among {len(weights)} parts")
    share = np.asarray(weights, dtype=np.float64)
    label = np.zeros(len(points), dtype=np.int64)
    open_sets = [(np.arange(len(points)), np.arange(len(share)))]
    while open_sets:
        cloud, parts = open_sets.pop()
        if len(parts) == 1:
            label[cloud] = parts[0]
            continue
        direction = _cut_direction(rng, points[cloud] if anchors is None else anchors[parts])
        cloud = cloud[np.argsort(points[cloud] @ direction, kind="stable")]
        if anchors is not None:
            parts = parts[np.argsort(anchors[parts] @ direction, kind="stable")]
        sums = np.cumsum(share[parts])
        half = int(np.clip(np.searchsorted(sums, sums[-1] / 2) + 1, 1, len(parts) - 1))
        if half > 1 and abs(sums[half - 2] - sums[-1] / 2) < abs(sums[half - 1] - sums[-1] / 2):
            half -= 1
        cut = int(np.clip(round(len(cloud) * sums[half - 1] / sums[-1]), half, len(cloud) - len(parts) + half))
        open_sets += [(cloud[:cut], parts[:half]), (cloud[cut:], parts[half:])]
    return label


def _cut_direction(rng: np.random.Generator, spread: Floats) -> Floats:
    width, height = np.ptp(spread, axis=0)
    angle = (0.0 if width >= height else np.pi / 2) + (rng.random() * 2 - 1) * TILT
    return np.array([np.cos(angle), np.sin(angle)])


def mend(label: Ints, parent: Ints, edges: Ints) -> Ints:
    """Give the loose pieces of parts to a neighbouring part of the same parent, so that each part is in one piece.

    Args:
        label: the part of each point.
        parent: the larger part each point must stay in.
        edges: neighbouring points, one row a pair.
    """
    label = label.copy()
    inside = edges[parent[edges[:, 0]] == parent[edges[:, 1]]]
    both_ways = np.concatenate((inside, inside[:, ::-1]))
    loose = _loose(label, inside)
    while loose.any():
        into = both_ways[loose[both_ways[:, 0]] & ~loose[both_ways[:, 1]]]
        if not len(into):
            break
        label[into[:, 0]] = label[into[:, 1]]
        loose[into[:, 0]] = False
    return label


def _loose(label: Ints, edges: Ints) -> Bools:
    """Which points are not in the largest piece of their part."""
    same = edges[label[edges[:, 0]] == label[edges[:, 1]]]
    piece = np.arange(len(label))
    while True:
        lowest = piece.copy()
        np.minimum.at(lowest, same[:, 0], piece[same[:, 1]])
        np.minimum.at(lowest, same[:, 1], piece[same[:, 0]])
        lowest = lowest[lowest]
        if np.array_equal(lowest, piece):
            break
        piece = lowest
    size = np.bincount(piece, minlength=len(label))
    order = np.lexsort((piece, -size[piece], label))
    first = np.concatenate(([True], label[order][1:] != label[order][:-1]))
    largest = np.empty(int(label.max()) + 1, dtype=np.int64)
    largest[label[order][first]] = piece[order][first]
    return np.asarray(piece != largest[label], dtype=np.bool_)
