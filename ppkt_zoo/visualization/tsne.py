"""t-SNE of point features by class: whether classes lie apart in a space that no label has shaped.

t-SNE (van der Maaten and Hinton, JMLR 9, 2008) keeps neighbours together and little else: how far apart two groups
lie, and how large they are, says nothing. Needs scikit-learn and matplotlib: ``pip install "ppkt-zoo[eval]"``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.optional import need
from ppkt_zoo.visualization.pca import Features
from ppkt_zoo.visualization.plotting import PALETTE, as_image, new_figure

# What is compressed by principal components first: t-SNE of more channels costs more and shows the same.
_MOST_CHANNELS = 50
_SIDE = 4.2  # inches of one panel
_MARKERS = "os^Dv"


@dataclass(frozen=True)
class Panel:
    """One embedding among several of the same points.

    Attributes:
        title: heading.
        xy: float (N, 2), from :func:`tsne_embedding`.
    """

    title: str
    xy: np.ndarray


def tsne_embedding(features: Features, seed: int = 0, perplexity: float = 30.0, cosine: bool = True) -> np.ndarray:
    """Features (N, C) to places in the plane, float32 (N, 2); equal seeds give equal places on one machine.

    Args:
        features: a few thousand rows at most: the time grows faster than the rows.
        seed: of the optimisation.
        perplexity: about how many neighbours count; less than N.
        cosine: compare features by direction alone, as PPKT's loss does.

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
    if cosine:
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
        panels: the embeddings.
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
    places = figure.subplots(down, across, squeeze=False).ravel()
    # Drawn in one random order, so that no class lies on top of all others.
    order = np.random.default_rng(0).permutation(len(labels))
    for place, panel in zip(places, panels, strict=False):
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
    for place in places[len(panels) :]:
        place.set_visible(False)
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
