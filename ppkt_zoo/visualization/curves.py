"""Curves of training runs, one panel for each thing that was measured. Needs matplotlib: ``ppkt-zoo[eval]``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.plotting import PALETTE, as_image, new_figure

_WIDTH, _HEIGHT = 5.0, 3.3  # inches of one panel
# Inches of the legend: a letter, and the line with its margins before a name.
_LETTER, _SWATCH = 0.075, 0.65
_STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class CurvePanel:
    """What one panel shows.

    Attributes:
        field: name in the lines of ``metrics.jsonl``, such as ``loss``.
        title: heading.
        smooth: lines over which a running mean is taken; 1 shows what was measured.
        logarithmic: whether the vertical axis is.
    """

    field: str
    title: str
    smooth: int = 1
    logarithmic: bool = False


def curve(lines: Sequence[Mapping[str, Any]], field: str, smooth: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Steps int64 (K,) and values float64 (K,) of the lines that hold a field, as a trailing mean of `smooth` lines.

    The first lines are averaged over as many as there are, so no line is lost.
    """
    if smooth < 1:
        raise InputError(f"smooth must be at least 1, got {smooth}")
    held = [line for line in lines if line.get(field) is not None]
    steps = np.array([line["step"] for line in held], dtype=np.int64)
    values = np.array([line[field] for line in held], dtype=np.float64)
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    begin = np.maximum(end - smooth, 0)
    return steps, (total[end] - total[begin]) / (end - begin)


def curves_picture(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], panels: Sequence[CurvePanel], columns: int = 2
) -> Image.Image:
    """Curves of several runs over their steps; a run that did not measure a panel's field is missing there.

    Args:
        runs: name → lines of its ``metrics.jsonl``, as :func:`ppkt_zoo.engine.metrics_log.read_metrics` reads them.
        panels: what to show.
        columns: panels in a row.

    Raises:
        InputError: no runs, no panels, or a panel's field that no run has measured.
        MissingLibraryError: matplotlib is not installed.
    """
    if not runs or not panels or columns < 1:
        raise InputError("curves need at least one run, one panel and one column")
    across = min(columns, len(panels))
    down = math.ceil(len(panels) / across)
    entry = _LETTER * max(len(name) for name in runs) + _SWATCH
    entries = max(1, min(len(runs), int(_WIDTH * across / entry)))
    legend = 0.28 * math.ceil(len(runs) / entries) + 0.15
    height = _HEIGHT * down + legend
    figure = new_figure(_WIDTH * across, height)
    places = figure.subplots(down, across, squeeze=False).ravel()
    drawn: dict[str, Any] = {}
    for place, panel in zip(places, panels, strict=False):
        found = False
        for number, (name, lines) in enumerate(runs.items()):
            steps, values = curve(lines, panel.field, panel.smooth)
            if not len(steps):
                continue
            found = True
            style = _STYLES[number // len(PALETTE) % len(_STYLES)]
            (line,) = place.plot(steps, values, style, color=PALETTE[number % len(PALETTE)], linewidth=1.4)
            drawn.setdefault(name, line)
        if not found:
            raise InputError(f"no run has measured {panel.field!r}: known are {', '.join(_fields(runs))}")
        if panel.logarithmic:
            place.set_yscale("log")
        place.set_title(panel.title, fontsize=11)
        place.set_xlabel("step", fontsize=9)
        place.grid(alpha=0.25)
        place.spines[["top", "right"]].set_visible(False)
        place.tick_params(labelsize=8)
    for place in places[len(panels) :]:
        place.set_visible(False)
    figure.legend(drawn.values(), drawn.keys(), loc="lower center", ncols=entries, frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, legend / height, 1, 1))
    return as_image(figure)


def _fields(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    return sorted({field for lines in runs.values() for line in lines for field in line} - {"step"})
