"""Maps from above: right way round, in metres, with every camera on the page."""

import numpy as np
import pytest

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.camera_map import camera_map

FLOOR = np.stack(np.meshgrid(np.linspace(0, 4, 200), np.linspace(0, 2, 100), [0.0]), axis=-1).reshape(-1, 3)


def looking_at_minus_y(x: float, y: float) -> RGBDFrame:
    pose = np.eye(4)
    pose[:3, :3] = np.array([[-1, 0, 0], [0, 0, -1], [0, -1, 0]]).T
    pose[:3, 3] = (x, y, 1.5)
    camera = np.array([[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1]])
    return RGBDFrame(np.zeros((48, 64, 3), np.uint8), np.ones((48, 64), np.float32), camera, pose, "one")


def colors() -> np.ndarray:
    """Red at the left end (small x), green along the far side (large y), grey elsewhere."""
    rgb = np.full((len(FLOOR), 3), 120, np.uint8)
    rgb[FLOOR[:, 1] > 1.7] = (0, 160, 0)
    rgb[FLOOR[:, 0] < 0.5] = (180, 0, 0)
    return rgb


def centre(page: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(wanted)
    assert len(rows) > 50
    return float(columns.mean()), float(rows.mean())


def test_the_map_is_no_mirror_image_and_true_to_scale() -> None:
    frames = [looking_at_minus_y(1.0, 3.0), looking_at_minus_y(3.0, 3.0)]
    places = np.array([frame.pose[:3, 3] for frame in frames])
    page = np.asarray(camera_map(FLOOR, colors(), frames, places, "title")).astype(int)[60:-80]
    red, green, blue = page.transpose(2, 0, 1)
    left = centre(page, (red > 100) & (green < 60) & (blue < 60))
    far = centre(page, (green > 100) & (red < 60))
    # The map may be turned by half a turn, but never mirrored: seen from above, red → green turns one way only.
    middle = centre(page, (abs(red - green) < 12) & (red < 160))
    side = (left[0] - middle[0]) * (far[1] - middle[1]) - (left[1] - middle[1]) * (far[0] - middle[0])
    assert side > 0
    # Two metres between the cameras, and their cones, 0.45 m long and 64 / 50 times as wide; four metres of floor.
    cones = ((blue > 180) & (red < 60)) | ((red > 200) & (green < 100) & (blue < 60))
    floor = (red < 200) & (blue < 140)
    lengths = [np.ptp(np.nonzero(one.any(axis=0))[0]) for one in (cones, floor)]
    assert lengths[0] / lengths[1] == pytest.approx((2 + 0.45 * 64 / 50) / 4, rel=0.03)


def test_one_camera_and_wrong_colours() -> None:
    frame = looking_at_minus_y(1, 3)
    page = camera_map(FLOOR, colors(), [frame], frame.pose[None, :3, 3], "title")
    assert page.width > 400
    with pytest.raises(InputError, match="rgb must be uint8"):
        camera_map(FLOOR, colors().astype(float), [frame], frame.pose[None, :3, 3], "title")
    with pytest.raises(InputError, match="xyz must have shape"):
        camera_map(FLOOR[:0], colors()[:0], [frame], frame.pose[None, :3, 3], "title")
