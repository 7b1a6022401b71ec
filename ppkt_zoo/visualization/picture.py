"""Pictures of clouds without OpenGL: several views beside each other, one row for each colouring."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.writing import png_bytes, write_whole
from ppkt_zoo.visualization.camera import View, views
from ppkt_zoo.visualization.pca import ColorBasis, Features
from ppkt_zoo.visualization.point_spacing import point_spacing, rows_to_draw
from ppkt_zoo.visualization.splat import Splats, shade, splat

_PAPER = (255, 255, 255)
_INK = (32, 36, 44)
# Every pixel of a picture is the mean of 2×2 rendered ones.
_SAMPLES = 2
# A view wider than this is drawn lower, so that no view takes more than its share of the page.
_WIDEST = 1.45
# Of the shading, in pixels; only clouds of a few points would have it larger.
_LARGEST_STEP = 16.0


def render(xyz: np.ndarray, view: View, colorings: Sequence[np.ndarray], height: int = 420) -> list[np.ndarray]:
    """One image uint8 (h, w, 3) for each colouring of a cloud, all with the same pixels filled.

    Args:
        xyz: float (N, 3) in metres, z up.
        view: where from.
        colorings: uint8 (N, 3) each.
        height: pixels; less for a view that is wider than 1.45 times its height.
    """
    spacing = point_spacing(xyz)
    usual = float(np.median(spacing))
    scale = _SAMPLES * min(height / view.height, _WIDEST * height / view.width)
    size = (_SAMPLES * max(1, round(view.height * scale / 2)), _SAMPLES * max(1, round(view.width * scale / 2)))
    plane, depth = view.project(xyz[view.keep])
    pixel = np.floor((plane - view.window[:2]) * scale).astype(np.int64)
    middle = float(np.median(depth))
    # A tenth more than the spacing, since points do not lie on a perfect grid.
    radius = np.ceil(1.1 * spacing[view.keep] * scale / np.maximum(depth, 0.1 * middle))
    seen = splat(pixel, depth, size, radius, bulge=usual)
    step = min(max(1.0, usual * scale / middle), _LARGEST_STEP)
    light = shade(seen.depth, metres=middle / scale, radius=step, grain=usual)
    rows = view.keep[np.maximum(seen.row, 0)]
    return [_paint(rows, seen, rgb, light) for rgb in colorings]


def _paint(rows: np.ndarray, seen: Splats, rgb: np.ndarray, light: np.ndarray) -> np.ndarray:
    color = np.minimum(rgb[rows] * light[..., None], 255)
    color[seen.row < 0] = _PAPER
    height, width = (size // _SAMPLES for size in light.shape)
    blocks = color.reshape(height, _SAMPLES, width, _SAMPLES, 3)
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
        InputError: no rows, no views, or colours that do not fit the cloud.
    """
    if not rows:
        raise InputError("a picture needs at least one row of colours")
    for title, rgb in rows:
        if rgb.shape != xyz.shape or rgb.dtype != np.uint8:
            raise InputError(f"colours of {title!r} must be uint8 {xyz.shape}, got {rgb.dtype} {rgb.shape}")
    cameras = views(xyz) if cameras is None else cameras
    if not cameras:
        raise InputError("a picture needs at least one view")
    columns = [render(xyz, camera, [rgb for _, rgb in rows], height) for camera in cameras]
    return _lay_out([title for title, _ in rows], columns, height)


def feature_picture(
    xyz: np.ndarray,
    rgb: np.ndarray | None,
    features: Features,
    title: str = "features (PCA to colours)",
    height: int = 420,
    seen_from: np.ndarray | None = None,
    basis: ColorBasis | None = None,
) -> Image.Image:
    """A cloud in its own colours, and below it coloured by the principal components of its features.

    Of a cloud of more than a million points as many are drawn as its picture can show.

    Args:
        xyz: float (N, 3) in metres, z up.
        rgb: uint8 (N, 3); grey by height where the cloud has no colour.
        features: (N, C), row i for point i.
        title: heading of the lower row.
        height: pixels of a row of views.
        seen_from: (3,), where the sensor stood, for what was seen from one place only.
        basis: which feature gets which colour; fitted to these features where not given.

    Raises:
        InputError: lengths differ, features are not finite, or the basis has another channel count.
    """
    if len(features) != len(xyz):
        raise InputError(f"features must have one row for each of the {len(xyz)} points, got {len(features)}")
    basis = ColorBasis.fit(features) if basis is None else basis
    rows = rows_to_draw(xyz)
    above = own_colors(xyz, rgb, rows)
    xyz = xyz[rows]
    return compare_picture(xyz, [above, (title, basis.colors(features[rows]))], views(xyz, seen_from=seen_from), height)


def feature_title(weight: str, channels: int) -> str:
    """What a row of features is called."""
    return f"features of {weight}: {channels} channels, their three main directions as colours"


def save_picture(picture: Image.Image, path: Path | str) -> Path:
    """Write a PNG, whole or not at all, making its folder; the path that was written.

    Raises:
        InputError: the path does not end in .png, or cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise InputError(f"pictures are written as PNG: give a path that ends in .png, not {target.name!r}")
    write_whole(target, png_bytes(picture, optimize=True), InputError, sync=False)
    return target


def _lay_out(titles: Sequence[str], columns: Sequence[Sequence[np.ndarray]], height: int) -> Image.Image:
    """A page: per title a heading, and below it that row's images, each in the middle of its strip."""
    edge, gap, heading = round(0.07 * height), round(0.09 * height), round(0.12 * height)
    width = 2 * edge + sum(column[0].shape[1] for column in columns) + gap * (len(columns) - 1)
    tallest = max(column[0].shape[0] for column in columns)
    strip = heading + tallest + gap
    page = Image.new("RGB", (width, 2 * edge + len(titles) * strip - gap), _PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=round(0.058 * height))
    for number, title in enumerate(titles):
        x, y = edge, edge + number * strip
        draw.text((x, y), title, font=font, fill=_INK)
        for column in columns:
            image = column[number]
            page.paste(Image.fromarray(image), (x, y + heading + (tallest - image.shape[0]) // 2))
            x += image.shape[1] + gap
    return page


def own_colors(xyz: np.ndarray, rgb: np.ndarray | None, rows: np.ndarray) -> tuple[str, np.ndarray]:
    """What a row of a cloud's own colours is called, and those of some of its points, uint8 (M, 3).

    A cloud without colour is darker grey below, lighter above.
    """
    if rgb is not None:
        return "colour", rgb[rows]
    xyz = xyz[rows]
    low, high = np.percentile(xyz[:, 2], (1, 99))
    level = np.clip((xyz[:, 2] - low) / max(float(high - low), 1e-6), 0, 1)
    return "height (the cloud has no colour)", np.repeat((90 + 140 * level).astype(np.uint8)[:, None], 3, axis=1)
