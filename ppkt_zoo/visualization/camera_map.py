"""A map of a room from straight above, with the places that cameras looked from."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.camera import View, check_cloud, find_shell
from ppkt_zoo.visualization.picture import render
from ppkt_zoo.visualization.point_spacing import main_body, rows_to_draw

# Radii of the cloud: from so far away, what is high is no larger than what is low.
_DISTANCE = 400.0
_MARGIN = 0.25
# Metres: how far a camera's cone is drawn.
_CONE = 0.45
_MOST_CONES = 20
_PAPER, _INK = (255, 255, 255), (32, 36, 44)
# From the first camera to the last.
_FIRST, _LAST = np.array([20, 90, 200]), np.array([225, 70, 20])
_HEIGHT, _BORDER, _HEADING, _FOOT = 720, 32, 48, 52


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
    rays = corners @ np.linalg.inv(frame.intrinsics).T
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
