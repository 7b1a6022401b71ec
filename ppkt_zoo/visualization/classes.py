"""Clouds coloured by class, with a legend."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.camera import views
from ppkt_zoo.visualization.picture import compare_picture, own_colors
from ppkt_zoo.visualization.point_spacing import rows_to_draw

_NO_CLASS = (205, 205, 205)
_INK = (32, 36, 44)
# In OKLab: neither so light that paper swallows it nor so dark that shading does, and no colour that shouts.
_LIGHTNESS, _CHROMA = (0.42, 0.88), (0.04, 0.16)
_FIRST = (0.62, -0.03, -0.10)  # a calm blue


Own = Sequence[tuple[int, int, int] | None]
"""Colours that somebody chose for some of the classes."""


def class_colors(count: int, own: Own = ()) -> np.ndarray:
    """Colours of the classes 0, 1, …: uint8 (count, 3), those that are given, and ones that fit for the others."""
    colors = _chosen_colors(count).copy()
    for number, color in enumerate(own):
        if color is not None:
            colors[number] = color
    return colors


@cache
def _chosen_colors(count: int) -> np.ndarray:
    """Colours of the classes 0, 1, …: uint8 (count, 3). A class keeps its colour however many follow it.

    Each is the one of a fixed stock that lies farthest, in OKLab (Ottosson 2020), from those before it.
    """
    stock = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _oklab(stock)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    fits = (lab[:, 0] > _LIGHTNESS[0]) & (lab[:, 0] < _LIGHTNESS[1]) & (chroma > _CHROMA[0]) & (chroma < _CHROMA[1])
    stock, lab = stock[fits], lab[fits]
    chosen = [int(np.square(lab - _FIRST).sum(axis=1).argmin())]
    away = np.full(len(lab), np.inf)
    while len(chosen) < count:
        away = np.minimum(away, np.square(lab - lab[chosen[-1]]).sum(axis=1))
        chosen.append(int(away.argmax()))
    return stock[chosen[:count]].astype(np.uint8)


def segmentation_picture(
    xyz: np.ndarray,
    rgb: np.ndarray | None,
    labels: np.ndarray,
    classes: Sequence[str],
    truth: np.ndarray | None = None,
    title: str = "predicted classes",
    height: int = 420,
    seen_from: np.ndarray | None = None,
    own: Own = (),
) -> Image.Image:
    """A cloud in its own colours, below it in those of its classes, and a legend of the classes that occur.

    Args:
        xyz: float (N, 3) in metres, z up.
        rgb: uint8 (N, 3); grey by height where the cloud has no colour.
        labels: integers (N,) in 0..K−1, or −1 for none.
        classes: K names.
        truth: labels (N,) to show between the two, where they are known.
        title: heading of the predicted row.
        height: pixels of a row of views.
        seen_from: (3,), where the sensor stood, for what was seen from one place only.
        own: red, green and blue (0..255) of classes that have a colour of their own, None for the others.

    Raises:
        InputError: lengths differ, or a label is outside the classes.
    """
    drawn = rows_to_draw(xyz)
    points, thin = len(xyz), xyz[drawn]
    rows = [own_colors(xyz, rgb, drawn)]
    shown = [("labelled classes", truth)] if truth is not None else []
    for heading, values in [*shown, (title, labels)]:
        rows.append((heading, _colored(values, points, classes, heading, own)[drawn]))
    page = compare_picture(thin, rows, views(thin, seen_from=seen_from), height)
    counted = np.bincount(labels[labels >= 0], minlength=len(classes))
    there = counted > 0
    if truth is not None:
        there |= np.bincount(truth[truth >= 0], minlength=len(classes)) > 0
    order = [number for number in np.argsort(-counted, kind="stable") if there[number]]
    colors = class_colors(len(classes), own)
    entries = [(f"{classes[number]} {_share(counted[number] / len(xyz))}", colors[number]) for number in order]
    return with_legend(page, entries, height)


def _colored(labels: np.ndarray, points: int, classes: Sequence[str], what: str, own: Own) -> np.ndarray:
    if labels.shape != (points,) or labels.dtype.kind not in "iu":
        raise InputError(f"{what} must be {points} integers, one a point, got {labels.dtype} {labels.shape}")
    if labels.min() < -1 or labels.max() >= len(classes):
        raise InputError(f"{what} must lie between -1 and {len(classes) - 1}, found {labels.min()} to {labels.max()}")
    colors = np.concatenate([class_colors(len(classes), own), np.array([_NO_CLASS], np.uint8)])
    return colors[labels]  # −1 is the last


def _share(part: float) -> str:
    return "< 0.1%" if 0 < part < 0.0005 else f"{part:.1%}"


def with_legend(page: Image.Image, entries: Sequence[tuple[str, np.ndarray]], height: int) -> Image.Image:
    """The page, and below it a swatch with a name for each entry, in columns of one width."""
    edge, size = round(0.07 * height), round(0.05 * height)
    font = ImageFont.load_default(size=size)
    column = round(max((font.getlength(name) for name, _ in entries), default=0) + 2.6 * size)
    columns = max(1, (page.width - 2 * edge) // max(column, 1))
    lines, step = -(-len(entries) // columns), round(1.7 * size)
    joined = Image.new("RGB", (page.width, page.height + lines * step + edge // 2), (255, 255, 255))
    joined.paste(page, (0, 0))
    draw = ImageDraw.Draw(joined)
    for number, (name, color) in enumerate(entries):
        line, place = divmod(number, columns)
        x, y = edge + place * column, page.height - edge // 2 + line * step
        draw.rounded_rectangle((x, y, x + size, y + size), radius=size // 5, fill=tuple(int(part) for part in color))
        draw.text((x + round(1.4 * size), y + size // 2), name, font=font, fill=_INK, anchor="lm")
    return joined


def _oklab(rgb: np.ndarray) -> np.ndarray:
    """sRGB 0..255 (N, 3) → OKLab (N, 3)."""
    part = rgb / 255.0
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array(
        [[0.4122214708, 0.2119034982, 0.0883024619],
         [0.5363325363, 0.6806995451, 0.2817188376],
         [0.0514459929, 0.1073969566, 0.6299787005]]
    )  # fmt: skip
    return np.cbrt(cones) @ np.array(
        [[0.2104542553, 1.9779984951, 0.0259040371],
         [0.7936177850, -2.4285922050, 0.7827717662],
         [-0.0040720468, 0.4505937099, -0.8086757660]]
    )  # fmt: skip
