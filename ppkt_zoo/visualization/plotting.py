"""What our matplotlib pictures share: a palette, a figure without a window, a picture of it."""

import io
from typing import Any

from PIL import Image

from ppkt_zoo.files.optional import need

PALETTE = (
    "#3b6fb6", "#d1603d", "#4a9c5d", "#8a5fb0", "#c8a02c", "#3aa6a6", "#c2528b", "#7a5a3c", "#6e7681", "#8fb03a",
)  # fmt: skip
"""Ten colours that stay apart from each other, also in print."""

_DOTS_PER_INCH = 110


def new_figure(width: float, height: float) -> Any:
    """An empty figure of so many inches, drawn without a window.

    Raises:
        MissingLibraryError: matplotlib is not installed.
    """
    figure = need("matplotlib.figure", "eval", "a plot").Figure(figsize=(width, height), dpi=_DOTS_PER_INCH)
    # Figures of pyplot would live on after us, and could ask for a display.
    need("matplotlib.backends.backend_agg", "eval", "a plot").FigureCanvasAgg(figure)
    return figure


def as_image(figure: Any) -> Image.Image:
    """The figure as a picture, RGB."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor="white")
    stream.seek(0)
    return Image.open(stream, formats=("PNG",)).convert("RGB")
