"""Boxes in pictures: the cloud, pale, with the edges of its boxes in the colours of their classes, and a legend."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.camera import View, views
from ppkt_zoo.visualization.classes import class_colors, with_legend
from ppkt_zoo.visualization.picture import compare_picture, own_colors
from ppkt_zoo.visualization.point_spacing import point_spacing, rows_to_draw

# Share of white in the cloud's colours, so that edges stand out.
_PALE = 0.45
# Edges are rows of points, this part of the cloud's own spacing apart, and never closer than so many metres.
_DENSE, _CLOSEST = 0.5, 0.004
# A box that is far off must not shrink the room to a dot.
_MOST_ROOM = 0.25
_CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
# Pairs of corners that differ along one axis alone.
_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if (_CORNERS[a] != _CORNERS[b]).sum() == 1]


def detection_picture(
    xyz: np.ndarray,
    rgb: np.ndarray | None,
    boxes: np.ndarray,
    label: np.ndarray,
    classes: Sequence[str],
    truth: tuple[np.ndarray, np.ndarray] | None = None,
    title: str = "boxes that were found",
    height: int = 420,
    seen_from: np.ndarray | None = None,
) -> Image.Image:
    """A cloud with its boxes, and a legend of the classes that occur.

    Args:
        xyz: float (N, 3) in metres, z up.
        rgb: uint8 (N, 3); grey by height where the cloud has no colour.
        boxes: float (K, 7): centre, full size, heading counter-clockwise about +z.
        label: integers (K,) in 0..C−1.
        classes: C names.
        truth: boxes and labels to show in a row above, where they are known.
        title: heading of the row.
        height: pixels of a row of views.
        seen_from: (3,), where the sensor stood, for what was seen from one place only.

    Raises:
        InputError: shapes do not fit, or a label is outside the classes.
    """
    drawn_rows = rows_to_draw(xyz)
    _, own = own_colors(xyz, rgb, drawn_rows)
    xyz = xyz[drawn_rows]
    pale = (own * (1 - _PALE) + 255 * _PALE).astype(np.uint8)
    spacing = max(_CLOSEST, _DENSE * float(np.median(point_spacing(xyz))))
    rows = [(title, boxes, label)]
    if truth is not None:
        rows.insert(0, ("labelled boxes", *truth))
    drawn = [box_edges(some, spacing) for _, some, _ in rows]
    all_edges = np.concatenate([edges for edges, _ in drawn])
    cameras = [_wide_enough(camera, all_edges) for camera in views(xyz, seen_from=seen_from)]
    strips = []
    for (heading, some, of_class), (edges, owner) in zip(rows, drawn, strict=True):
        colors = _colors(of_class, len(some), classes, heading)[owner]
        # Walls in front of the camera are left out, edges never.
        lines = len(xyz) + np.arange(len(edges))
        seen = [replace(camera, keep=np.concatenate([camera.keep, lines])) for camera in cameras]
        joined = np.concatenate([xyz, edges.astype(xyz.dtype)])
        strips.append(compare_picture(joined, [(heading, np.concatenate([pale, colors]))], seen, height))
    counted = np.bincount(label, minlength=len(classes))
    order = [number for number in np.argsort(-counted, kind="stable") if counted[number]]
    entries = [(f"{classes[number]} ({counted[number]})", class_colors(len(classes))[number]) for number in order]
    return with_legend(_stacked(strips), entries, height)


def box_edges(boxes: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Points along the edges of boxes (K, 7), so many metres apart: float64 (M, 3), and each one's box, int64 (M,)."""
    points, owner = [np.empty((0, 3))], [np.empty(0, np.int64)]
    for number, box in enumerate(boxes):
        cosine, sine = np.cos(box[6]), np.sin(box[6])
        turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        corners = (_CORNERS * box[3:6]) @ turn.T + box[:3]
        for a, b in _EDGES:
            count = 2 + int(np.linalg.norm(corners[b] - corners[a]) / spacing)
            part = np.linspace(0, 1, count)[:, None]
            points.append(corners[a] * (1 - part) + corners[b] * part)
            owner.append(np.full(count, number))
    return np.concatenate(points), np.concatenate(owner)


def _colors(label: np.ndarray, boxes: int, classes: Sequence[str], what: str) -> np.ndarray:
    if label.shape != (boxes,) or label.dtype.kind not in "iu":
        raise InputError(f"{what}: label must be {boxes} integers, one a box, got {label.dtype} {label.shape}")
    if boxes and (label.min() < 0 or label.max() >= len(classes)):
        raise InputError(f"{what}: label must lie between 0 and {len(classes) - 1}, found {label.min()}, {label.max()}")
    return class_colors(len(classes))[label]


def _wide_enough(camera: View, edges: np.ndarray) -> View:
    """The camera with room for boxes that reach beyond the cloud, up to a part of its picture on every side."""
    if len(edges) == 0:
        return camera
    plane, depth = camera.project(edges)
    plane = plane[depth > 0]
    left, top, right, bottom = camera.window
    most = _MOST_ROOM * max(right - left, bottom - top)
    low, high = plane.min(axis=0, initial=np.inf), plane.max(axis=0, initial=-np.inf)
    window = (
        max(min(left, float(low[0])), left - most),
        max(min(top, float(low[1])), top - most),
        min(max(right, float(high[0])), right + most),
        min(max(bottom, float(high[1])), bottom + most),
    )
    return replace(camera, window=window)


def _stacked(pages: Sequence[Image.Image]) -> Image.Image:
    joined = Image.new("RGB", (max(page.width for page in pages), sum(page.height for page in pages)), (255, 255, 255))
    top = 0
    for page in pages:
        joined.paste(page, (0, top))
        top += page.height
    return joined
