"""A contact sheet of RGB-D frames: colour, depth in one scale of colours, and labels where there are any."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.errors import InputError

_PAPER, _INK, _PALE = (255, 255, 255), (32, 36, 44), (112, 118, 128)
_HOLE = (232, 234, 238)
# From near to far: viridis, backwards, by its points at equal steps.
_NEAR_TO_FAR = np.array(
    [(253, 231, 37), (159, 217, 57), (74, 193, 109), (31, 158, 137), (38, 130, 142), (54, 92, 141), (72, 40, 120)]
)
_TILE, _EDGE, _GAP, _CAPTION, _LEGEND = 300, 28, 14, 26, 12


def depth_colors(depth: np.ndarray, near: float, far: float) -> np.ndarray:
    """uint8 (H, W, 3): yellow at ``near`` metres over green to violet at ``far``; holes are pale grey."""
    place = np.clip((depth - near) / max(far - near, 1e-6), 0, 1) * (len(_NEAR_TO_FAR) - 1)
    colors = np.stack([np.interp(place, np.arange(len(_NEAR_TO_FAR)), channel) for channel in _NEAR_TO_FAR.T], axis=-1)
    colors[depth <= 0] = _HOLE
    return colors.round().astype(np.uint8)


def label_colors(label: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3): a colour of its own for each class, the same on every sheet; −1 is pale grey."""
    classes, inverse = np.unique(label, return_inverse=True)
    # Golden-angle hues: neighbours in number are far apart in colour, and none comes twice.
    hue = (classes * 0.61803398875 + 0.05) % 1.0
    light = 0.62 + 0.16 * (classes % 3 - 1)
    turn = np.abs((hue[:, None] * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
    colors = light[:, None] + (np.clip(turn, 0, 1) - 0.5) * 0.55
    colors = (255 * np.clip(colors, 0, 1)).round().astype(np.uint8)
    colors[classes < 0] = _HOLE
    return colors[inverse.reshape(label.shape)]


def frame_sheet(frames: Sequence[RGBDFrame], title: str, columns: int = 4) -> Image.Image:
    """A page of frames, each with its colour, below it its depth, below that its labels.

    Args:
        frames: what to show; images may differ in size.
        title: heading of the page.
        columns: frames beside each other.

    Raises:
        InputError: there are no frames.
    """
    if not frames:
        raise InputError("a sheet needs at least one frame")
    measured = np.concatenate([frame.depth[frame.depth > 0][::17] for frame in frames])
    near, far = (float(depth) for depth in np.percentile(measured, (1, 99)))
    tiles = [_tile(frame, near, far) for frame in frames]
    columns = min(columns, len(tiles))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.height for tile in row) + _CAPTION for row in rows]
    width = 2 * _EDGE + columns * _TILE + (columns - 1) * _GAP
    heading, legend = 44, 46
    page = Image.new("RGB", (width, 2 * _EDGE + heading + sum(heights) + _GAP * len(rows) + legend), _PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_EDGE, _EDGE), fit_text(title, _font(20), width - 2 * _EDGE), font=_font(20), fill=_INK)
    y = _EDGE + heading
    for number, (row, height) in enumerate(zip(rows, heights, strict=True)):
        for column, (tile, frame) in enumerate(zip(row, frames[number * columns :], strict=False)):
            x = _EDGE + column * (_TILE + _GAP)
            page.paste(tile, (x, y))
            name = fit_text(frame.name.rpartition("/")[2], _font(13), _TILE)
            draw.text((x, y + tile.height + 5), name, font=_font(13), fill=_PALE)
        y += height + _GAP
    _draw_legend(page, (_EDGE, y + 4), near, far)
    return page


def fit_text(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """A text, cut so that it is no wider than so many pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def _tile(frame: RGBDFrame, near: float, far: float) -> Image.Image:
    height = max(1, round(_TILE * frame.depth.shape[0] / frame.depth.shape[1]))
    images = [Image.fromarray(frame.color).resize((_TILE, height), Image.Resampling.LANCZOS)]
    maps = [depth_colors(frame.depth, near, far)]
    if frame.label is not None:
        maps.append(label_colors(frame.label))
    images += [Image.fromarray(one).resize((_TILE, height), Image.Resampling.BOX) for one in maps]
    tile = Image.new("RGB", (_TILE, len(images) * (height + 2) - 2), _PAPER)
    for number, image in enumerate(images):
        tile.paste(image, (0, number * (height + 2)))
    return tile


def _draw_legend(page: Image.Image, corner: tuple[int, int], near: float, far: float) -> None:
    """The scale of depth colours with its ends in metres, and what pale grey means."""
    draw = ImageDraw.Draw(page)
    font = _font(14)
    scale = depth_colors(np.tile(np.linspace(near, far, 240), (_LEGEND, 1)), near, far)
    x, y = corner
    for part in (f"depth  {near:.2f} m", scale, f"{far:.2f} m", np.full((_LEGEND, 24, 3), _HOLE, np.uint8), "none"):
        if isinstance(part, str):
            draw.text((x, y), part, font=font, fill=_INK)
            x += round(font.getlength(part)) + (10 if "depth" in part else 34)
        else:
            page.paste(Image.fromarray(part), (x, y + 3))
            x += part.shape[1] + 10


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
