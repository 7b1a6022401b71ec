"""Clouds coloured by their similarity to one of their points."""

import numpy as np
from PIL import Image

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.camera import views
from ppkt_zoo.visualization.classes import with_legend
from ppkt_zoo.visualization.picture import compare_picture, own_colors
from ppkt_zoo.visualization.point_spacing import rows_to_draw

# From dissimilar to similar: dark blue, teal, green, yellow; lighter step by step, so that it reads in grey too.
_HEAT = np.array([[38, 20, 72], [45, 70, 140], [40, 130, 142], [70, 190, 110], [250, 230, 60]], np.float64)
_MARK = np.array([230, 30, 120], np.uint8)
# Of the cloud's extent: how large the mark is; and metres, at least and at most.
_MARK_SHARE, _MARK_RANGE = 0.012, (0.03, 0.2)


def heat_colors(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Dark blue at ``low``, yellow at ``high``, uint8 (N, 3)."""
    part = np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (len(_HEAT) - 1)
    below = np.minimum(part.astype(int), len(_HEAT) - 2)
    rest = (part - below)[:, None]
    return ((1 - rest) * _HEAT[below] + rest * _HEAT[below + 1]).round().astype(np.uint8)


def similarity_colors(values: np.ndarray) -> tuple[np.ndarray, float]:
    """The colours uint8 (N, 3) of similarities (N,), and the similarity at which they begin.

    They reach from the median to 1, so that what is similar stands out.
    """
    low = min(float(np.median(values)), 0.999)
    return heat_colors(values, low, 1.0), low


def similarity_picture(
    xyz: np.ndarray,
    rgb: np.ndarray | None,
    values: np.ndarray,
    picked: int,
    title: str = "similarity to the marked point",
    height: int = 420,
    seen_from: np.ndarray | None = None,
) -> Image.Image:
    """A cloud in its own colours with the picked point marked, below it by similarity, and the scale.

    Args:
        xyz: float (N, 3) in metres, z up.
        rgb: uint8 (N, 3); grey by height where the cloud has no colour.
        values: float (N,), see :func:`ppkt_zoo.evaluation.similarity.similarity`.
        picked: the row that was picked.
        title: heading of the lower row.
        height: pixels of a row of views.
        seen_from: (3,), where the sensor stood, for what was seen from one place only.

    Raises:
        InputError: lengths differ, or the row is outside.
    """
    if values.shape != (len(xyz),) or not 0 <= picked < len(xyz):
        raise InputError(f"{len(xyz)} points need a similarity each and a row among them, got {values.shape}, {picked}")
    heat, low = similarity_colors(values)
    size = float(np.clip(_MARK_SHARE * np.linalg.norm(np.ptp(xyz, axis=0)), *_MARK_RANGE))
    rows, place = rows_to_draw(xyz), xyz[picked]
    heading, own = own_colors(xyz, rgb, rows)
    xyz, own = xyz[rows], own.copy()
    own[np.linalg.norm(xyz - place, axis=1) < size] = _MARK
    above = (f"{heading}, the picked point marked", own)
    page = compare_picture(xyz, [above, (title, heat[rows])], views(xyz, seen_from=seen_from), height)
    steps = np.linspace(low, 1.0, len(_HEAT))
    scale = [(f"{value:.2f}", color) for value, color in zip(steps, heat_colors(steps, low, 1.0), strict=True)]
    return with_legend(page, [("picked", _MARK), *scale], height)
