"""Pictures of clouds without OpenGL: several views beside each other, one row for each colouring."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ppkt_zoo.errors import InputError
from ppkt_zoo.view.camera import View, views
from ppkt_zoo.view.pca import Features, pca_colors
from ppkt_zoo.view.shading import relief
from ppkt_zoo.view.splat import Splats, point_spacing, splat

_PAPER = (255, 255, 255)
_INK = (32, 36, 44)
_FAINT = (120, 126, 138)
_SAMPLES = 2


def see(xyz: np.ndarray, view: View, height: int, spacing: float | None = None) -> Splats:
    """The rows of the cloud that a view shows, at ``height`` pixels; its width follows the view's window."""
    spacing = point_spacing(xyz) if spacing is None else spacing
    left, top, right, bottom = view.window
    scale = height / (bottom - top)
    width = max(1, round((right - left) * scale))
    shown = xyz[view.keep]
    plane, depth = view.project(shown)
    pixel = np.floor((plane - (left, top)) * scale).astype(np.int64)
    # The nearest points are the largest; 1.1 for those a little farther apart than most.
    radius = max(1, int(np.ceil(1.1 * spacing * scale / max(float(np.percentile(depth, 2)), 1e-6))))
    drawn = splat(pixel, depth, (height, width), radius, bulge=spacing)
    return Splats(np.where(drawn.row >= 0, view.keep[np.maximum(drawn.row, 0)], -1), drawn.depth)


def paint(seen: Splats, rgb: np.ndarray, shade: np.ndarray) -> np.ndarray:
    """uint8 (H/2, W/2, 3): the seen points' colours, shaded, on paper white, averaged 2×2."""
    empty = seen.row < 0
    color = rgb[np.maximum(seen.row, 0)].astype(np.float32) * shade[..., None]
    color[empty] = _PAPER
    height, width = (size // _SAMPLES * _SAMPLES for size in empty.shape)
    blocks = color[:height, :width].reshape(height // _SAMPLES, _SAMPLES, width // _SAMPLES, _SAMPLES, 3)
    return np.clip(blocks.mean(axis=(1, 3)) + 0.5, 0, 255).astype(np.uint8)


def compare_picture(
    xyz: np.ndarray,
    rows: Sequence[tuple[str, np.ndarray]],
    cameras: Sequence[View] | None = None,
    height: int = 420,
) -> Image.Image:
    """One row of views for each colouring of the same cloud, its title above it.

    Args:
        xyz: float (N, 3) in metres, z up.
        rows: (title, uint8 (N, 3)) from top to bottom.
        cameras: viewpoints; two corners and the top where not given.
        height: pixels of a row of views.

    Raises:
        InputError: no rows, or colours that do not fit the cloud.
    """
    if not rows:
        raise InputError("a picture needs at least one row of colours")
    for title, rgb in rows:
        if rgb.shape != xyz.shape or rgb.dtype != np.uint8:
            raise InputError(f"colours of {title!r} must be uint8 {xyz.shape}, got {rgb.dtype} {rgb.shape}")
    cameras = views(xyz) if cameras is None else cameras
    spacing = point_spacing(xyz)
    columns: list[list[np.ndarray]] = []
    for camera in cameras:
        seen = see(xyz, camera, height * _SAMPLES, spacing)
        shade = relief(seen.depth, spacing, 3, 0.1)
        columns.append([paint(seen, rgb, shade) for _, rgb in rows])
    return _lay_out([title for title, _ in rows], columns, height)


def _lay_out(titles: Sequence[str], columns: Sequence[Sequence[np.ndarray]], height: int) -> Image.Image:
    edge, gap, heading = round(0.07 * height), round(0.06 * height), round(0.13 * height)
    width = 2 * edge + sum(column[0].shape[1] for column in columns) + gap * (len(columns) - 1)
    page = Image.new("RGB", (width, edge + len(titles) * (heading + height + gap) - gap + edge), _PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=round(0.062 * height))
    for number, title in enumerate(titles):
        y = edge + number * (heading + height + gap)
        draw.text((edge, y), title, font=font, fill=_INK)
        x = edge
        for column in columns:
            page.paste(Image.fromarray(column[number]), (x, y + heading))
            x += column[number].shape[1] + gap
    return page


def feature_picture(
    xyz: np.ndarray,
    rgb: np.ndarray | None,
    features: Features,
    title: str = "features, PCA to colours",
    height: int = 420,
) -> Image.Image:
    """A cloud in its own colours, and below it coloured by the principal components of its features.

    Args:
        xyz: float (N, 3) in metres, z up.
        rgb: uint8 (N, 3); grey by height where the cloud has no colour.
        features: (N, C), row i for point i.
        title: heading of the lower row.
        height: pixels of a row of views.

    Raises:
        InputError: lengths differ, or features are not finite.
    """
    if len(features) != len(xyz):
        raise InputError(f"features must have one row for each of the {len(xyz)} points, got {len(features)}")
    above = ("height (the cloud has no colour)", _height_grey(xyz)) if rgb is None else ("colour", rgb)
    return compare_picture(xyz, [above, (title, pca_colors(features))], height=height)


def save_picture(picture: Image.Image, path: Path | str) -> Path:
    """Write a PNG, making its folder; the path that was written.

    Raises:
        InputError: the path does not end in .png.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise InputError(f"pictures are written as PNG: give a path that ends in .png, not {target.name!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.save(target, optimize=True)
    return target


def _height_grey(xyz: np.ndarray) -> np.ndarray:
    low, high = np.percentile(xyz[:, 2], (1, 99))
    level = np.clip((xyz[:, 2] - low) / max(float(high - low), 1e-6), 0, 1)
    return np.repeat((90 + 140 * level).astype(np.uint8)[:, None], 3, axis=1)
