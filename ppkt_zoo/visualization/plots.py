"""Plots: curves of training runs, and t-SNE of point features by class. They need ``pip install "ppkt-zoo[eval]"``.

t-SNE (van der Maaten and Hinton, JMLR 9, 2008) keeps neighbours together and little else: how far apart two groups
lie, and how large they are, says nothing.
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.optional import need
from ppkt_zoo.visualization.pca import Features

PALETTE = (
    "#3b6fb6", "#d1603d", "#4a9c5d", "#8a5fb0", "#c8a02c", "#3aa6a6", "#c2528b", "#7a5a3c", "#6e7681", "#8fb03a",
)  # fmt: skip
"""Ten colours that stay apart from each other, also in print."""

_DOTS_PER_INCH = 110

_WIDTH, _HEIGHT = 5.0, 3.3  # inches of one panel
# Inches of the legend: a letter, and the line with its margins before a name.
_LETTER, _SWATCH = 0.075, 0.65
_STYLES = ("-", "--", ":", "-.")

# What is compressed by principal components first: t-SNE of more channels costs more and shows the same.
_MOST_CHANNELS = 50
_SIDE = 4.2  # inches of one panel
_MARKERS = "os^Dv"


def new_figure(width: float, height: float) -> Any:
    """An empty figure of so many inches, drawn without a window.

    Raises:
        MissingLibraryError: matplotlib is not installed.
    """
    figure = need("matplotlib.figure", "eval", "a plot").Figure(figsize=(width, height), dpi=_DOTS_PER_INCH)
    # Figures of pyplot would live on after us, and could ask for a display.
    need("matplotlib.backends.backend_agg", "eval", "a plot").FigureCanvasAgg(figure)
    return figure


def _places(figure: Any, down: int, across: int, count: int) -> list[Any]:
    """The first axes of a figure's rows of panels; the others are hidden."""
    places = list(figure.subplots(down, across, squeeze=False).ravel())
    for place in places[count:]:
        place.set_visible(False)
    return places[:count]


def as_image(figure: Any) -> Image.Image:
    """The figure as a picture, RGB."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor="white")
    stream.seek(0)
    return Image.open(stream, formats=("PNG",)).convert("RGB")


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
    places = _places(figure, down, across, len(panels))
    drawn: dict[str, Any] = {}
    for place, panel in zip(places, panels, strict=True):
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
    figure.legend(drawn.values(), drawn.keys(), loc="lower center", ncols=entries, frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, legend / height, 1, 1))
    return as_image(figure)


def _fields(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    return sorted({field for lines in runs.values() for line in lines for field in line} - {"step"})


@dataclass(frozen=True)
class Panel:
    """One embedding among several of the same points.

    Attributes:
        title: heading.
        xy: float (N, 2), from :func:`tsne_embedding`.
    """

    title: str
    xy: np.ndarray


def tsne_embedding(features: Features, seed: int = 0, perplexity: float = 30.0) -> np.ndarray:
    """Directions of features (N, C) to places in the plane, float32 (N, 2); equal seeds and machines give equal ones.

    Args:
        features: a few thousand rows at most: the time grows faster than the rows.
        seed: of the optimisation.
        perplexity: about how many neighbours count; less than N.

    Raises:
        InputError: shape, NaN or infinity, or fewer rows than the perplexity asks for.
        MissingLibraryError: scikit-learn is not installed.
    """
    rows = np.asarray(features, dtype=np.float32)
    if rows.ndim != 2 or 0 in rows.shape:
        raise InputError(f"features must have shape (N, C) with N ≥ 1 and C ≥ 1, got {rows.shape}")
    if not np.isfinite(rows).all():
        raise InputError("features have NaN or infinity: no t-SNE can be made of them")
    if len(rows) <= perplexity:
        raise InputError(f"t-SNE with perplexity {perplexity:g} needs more than {perplexity:g} rows, got {len(rows)}")
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    if rows.shape[1] > _MOST_CHANNELS:
        pca = need("sklearn.decomposition", "eval", "t-SNE").PCA(min(_MOST_CHANNELS, len(rows)), random_state=seed)
        rows = pca.fit_transform(rows)
    tsne = need("sklearn.manifold", "eval", "t-SNE").TSNE(perplexity=perplexity, init="pca", random_state=seed)
    found: np.ndarray = tsne.fit_transform(rows)
    return found.astype(np.float32)


def tsne_picture(panels: Sequence[Panel], labels: np.ndarray, classes: Sequence[str], columns: int = 4) -> Image.Image:
    """Embeddings of the same points beside each other, coloured by class, with one legend below.

    Args:
        labels: integers (N,), positions in `classes`.
        classes: names for the legend.
        columns: panels in a row.

    Raises:
        InputError: no panels, lengths that differ, or a label without a class.
        MissingLibraryError: matplotlib is not installed.
    """
    if not panels or columns < 1:
        raise InputError("a t-SNE picture needs at least one panel and one column")
    for panel in panels:
        if panel.xy.shape != (len(labels), 2):
            raise InputError(f"panel {panel.title!r} must be ({len(labels)}, 2), one row a label, got {panel.xy.shape}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
        raise InputError(f"labels must lie in 0..{len(classes) - 1}, got {labels.min()} to {labels.max()}")
    across = min(columns, len(panels))
    down = math.ceil(len(panels) / across)
    figure = new_figure(_SIDE * across, _SIDE * down + 0.9)
    places = _places(figure, down, across, len(panels))
    # Drawn in one random order, so that no class lies on top of all others.
    order = np.random.default_rng(0).permutation(len(labels))
    for place, panel in zip(places, panels, strict=True):
        for number, rows in enumerate(np.array_split(order, 8)):
            for index, name in enumerate(classes):
                chosen = rows[labels[rows] == index]
                color, marker = PALETTE[index % len(PALETTE)], _MARKERS[index // len(PALETTE) % len(_MARKERS)]
                label = name if number == 0 else None
                place.scatter(*panel.xy[chosen].T, s=9, color=color, marker=marker, linewidths=0, label=label)
        place.set_title(panel.title, fontsize=11)
        place.set_xticks([])
        place.set_yticks([])
        place.set_aspect("equal", adjustable="datalim")
    handles, names = places[0].get_legend_handles_labels()
    rows_of_legend = 2 if across < 3 else 1
    figure.legend(
        handles,
        names,
        loc="lower center",
        ncols=math.ceil(len(classes) / rows_of_legend),
        frameon=False,
        markerscale=2.2,
    )
    figure.tight_layout(rect=(0, 0.75 / (_SIDE * down + 0.9), 1, 1))
    return as_image(figure)
