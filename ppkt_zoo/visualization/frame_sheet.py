"""Pages about recordings: RGB-D frames beside each other, and a map of the places that cameras looked from."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.camera import View, check_cloud, find_shell
from ppkt_zoo.visualization.picture import render
from ppkt_zoo.visualization.point_spacing import main_body, rows_to_draw

_PAPER, _INK, _PALE = (255, 255, 255), (32, 36, 44), (112, 118, 128)
_HOLE = (232, 234, 238)
# From near to far: viridis, backwards, by its points at equal steps.
_NEAR_TO_FAR = np.array(
    [(253, 231, 37), (159, 217, 57), (74, 193, 109), (31, 158, 137), (38, 130, 142), (54, 92, 141), (72, 40, 120)]
)
_TILE, _EDGE, _GAP, _CAPTION, _LEGEND = 300, 28, 14, 26, 12

# From the first camera to the last.
_FIRST, _LAST = np.array([20, 90, 200]), np.array([225, 70, 20])
# Radii of the cloud: from so far away, what is high is no larger than what is low.
_DISTANCE = 400.0
_MARGIN = 0.25
# Metres: how far a camera's cone is drawn.
_CONE = 0.45
_MOST_CONES = 20
_HEIGHT, _BORDER, _HEADING, _FOOT = 720, 32, 48, 52


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


def camera_map(
    xyz: np.ndarray, rgb: np.ndarray, cameras: Sequence[RGBDFrame], positions: np.ndarray, title: str
) -> Image.Image:
    """Draw the map.

    Args:
        xyz: float (N, 3) in metres, z up.
        rgb: uint8 (N, 3).
        cameras: frames with poses, in order; their cones are drawn (20 of them at most).
        positions: float (P, 3), where all cameras stood, in order; their path is drawn.
        title: heading of the page.

    Raises:
        InputError: the cloud is empty, or colours do not fit it.
    """
    check_cloud(xyz)
    if rgb.shape != xyz.shape or rgb.dtype != np.uint8:
        raise InputError(f"rgb must be uint8 {xyz.shape}, got {rgb.dtype} {rgb.shape}")
    rows = rows_to_draw(xyz)
    xyz, rgb = xyz[rows], rgb[rows]
    shown = np.unique(np.linspace(0, len(cameras) - 1, min(len(cameras), _MOST_CONES)).round().astype(int))
    cones = [_cone(cameras[number]) for number in shown if cameras[number].pose is not None]
    view = _from_above(xyz, np.concatenate([positions.reshape(-1, 3), *cones]) if cones else positions.reshape(-1, 3))
    image = Image.fromarray(render(xyz, view, [rgb], _HEIGHT)[0]).convert("RGBA")
    scale = image.width / view.width
    image = _draw_cameras(image, view, scale, cones, positions)
    page = Image.new("RGB", (image.width + 2 * _BORDER, image.height + 2 * _BORDER + _HEADING + _FOOT), _PAPER)
    page.paste(image.convert("RGB"), (_BORDER, _BORDER + _HEADING))
    draw = ImageDraw.Draw(page)
    draw.text((_BORDER, _BORDER), title, font=ImageFont.load_default(size=20), fill=_INK)
    _draw_scale(draw, (_BORDER, page.height - _BORDER), _pixels_a_metre(view, scale), len(positions))
    return page


def _from_above(xyz: np.ndarray, seen_from: np.ndarray) -> View:
    """Straight down, walls along the edges of the page, ceiling left out, cameras inside of the window."""
    shell = find_shell(xyz)
    body = main_body(xyz)
    low, high = xyz[body].min(axis=0).astype(np.float64), xyz[body].max(axis=0).astype(np.float64)
    radius = max(float(np.linalg.norm(high - low)) / 2, 0.02)
    eye = np.append((low + high)[:2] / 2, high[2] + _DISTANCE * radius)
    along = np.array([np.cos(shell.yaw), np.sin(shell.yaw), 0.0])
    across = np.array([-along[1], along[0], 0.0])
    right = along if np.ptp(xyz[body] @ along) >= np.ptp(xyz[body] @ across) else across
    axes = np.stack([right, np.cross([0.0, 0.0, -1.0], right), [0.0, 0.0, -1.0]])
    # Of a shell only the ceiling hides what is below it.
    keep = np.flatnonzero(xyz[:, 2] < shell.ceiling)
    keep = keep if keep.size else np.arange(len(xyz))
    view = View("map", eye, axes, keep, (0, 0, 1, 1))
    plane = view.project(np.concatenate([xyz[keep][body[keep]], seen_from]))[0]
    margin = _MARGIN / (_DISTANCE * radius)
    left, top = (plane.min(axis=0) - margin).tolist()
    right_end, bottom = (plane.max(axis=0) + margin).tolist()
    return View("map", eye, axes, keep, (left, top, right_end, bottom))


def _cone(frame: RGBDFrame) -> np.ndarray:
    """float64 (5, 3): the camera's place, and the corners of its image at ``_CONE`` metres, in the world."""
    assert frame.pose is not None
    height, width = frame.depth.shape
    corners = np.array([(0, 0, 0), (0, 0, 1), (width, 0, 1), (width, height, 1), (0, height, 1)], dtype=np.float64)
    k = frame.intrinsics
    rays = np.stack(
        [
            (corners[:, 0] - k[0, 2] * corners[:, 2]) / k[0, 0],
            (corners[:, 1] - k[1, 2] * corners[:, 2]) / k[1, 1],
            corners[:, 2],
        ],
        axis=1,
    )
    return _CONE * rays @ frame.pose[:3, :3].T + frame.pose[:3, 3]


def _draw_cameras(
    image: Image.Image, view: View, scale: float, cones: Sequence[np.ndarray], positions: np.ndarray
) -> Image.Image:
    # Twice as large and then made smaller again: lines without steps.
    layer = Image.new("RGBA", (2 * image.width, 2 * image.height), (255, 255, 255, 0))
    draw = ImageDraw.Draw(layer)

    def place(points: np.ndarray) -> list[tuple[float, float]]:
        plane = (view.project(points)[0] - view.window[:2]) * scale * 2
        return [(float(x), float(y)) for x, y in plane]

    if len(positions) > 1:
        path = place(positions)
        for number in range(len(path) - 1):
            draw.line(path[number : number + 2], fill=(*_color(number, len(path)), 230), width=5)
    for number, cone in enumerate(cones):
        color = _color(number, len(cones))
        eye, *corners = place(cone)
        for one, other in zip(corners, [*corners[1:], corners[0]], strict=True):
            draw.polygon([eye, one, other], fill=(*color, 45))
        for corner in corners:
            draw.line([eye, corner], fill=(*color, 255), width=3)
        draw.line([*corners, corners[0]], fill=(*color, 255), width=3)
        draw.ellipse([eye[0] - 7, eye[1] - 7, eye[0] + 7, eye[1] + 7], fill=(*color, 255), outline=(255, 255, 255, 255))
    return Image.alpha_composite(image, layer.resize(image.size, Image.Resampling.LANCZOS))


def _draw_scale(draw: ImageDraw.ImageDraw, corner: tuple[int, int], metre: float, cameras: int) -> None:
    """One metre, and which end of the path is which."""
    x, bottom = corner
    font = ImageFont.load_default(size=15)
    draw.line(
        [(x, bottom - 18), (x, bottom - 8), (x + metre, bottom - 8), (x + metre, bottom - 18)], fill=_INK, width=2
    )
    draw.text((x + metre + 10, bottom - 22), "1 m", font=font, fill=_INK)
    x = round(x + metre + 70)
    for text, color in (("first camera", _FIRST), ("last", _LAST)) if cameras > 1 else (("camera", _FIRST),):
        draw.ellipse([x, bottom - 18, x + 10, bottom - 8], fill=tuple(color.tolist()))
        draw.text((x + 16, bottom - 22), text, font=font, fill=_INK)
        x += round(font.getlength(text)) + 40


def _pixels_a_metre(view: View, scale: float) -> float:
    """On the floor; from so far above it is about the same at every height."""
    ends = np.stack([view.eye, view.eye + view.axes[0]])
    ends[:, 2] = 0
    one, other = view.project(ends)[0]
    return float(np.linalg.norm(other - one) * scale)


def _color(number: int, count: int) -> tuple[int, int, int]:
    part = number / max(count - 1, 1)
    red, green, blue = (round(value) for value in (_FIRST + part * (_LAST - _FIRST)).tolist())
    return red, green, blue
