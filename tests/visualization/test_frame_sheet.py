"""Sheets of frames: colours mean what the legend says, and every frame is on the page."""

import numpy as np
import pytest
from PIL import ImageFont

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.frame_sheet import depth_colors, fit_text, frame_sheet, label_colors


def frame(number: int, size: tuple[int, int] = (30, 40), labels: bool = False) -> RGBDFrame:
    color = np.full((*size, 3), (200, 20 * number, 40), np.uint8)
    depth = np.linspace(1, 3, size[0] * size[1], dtype=np.float32).reshape(size)
    label = np.full(size, number, np.int16) if labels else None
    return RGBDFrame(color, depth, np.eye(3), None, f"some/long/name-{number}", label)


def test_depth_runs_from_yellow_to_violet_and_holes_are_grey() -> None:
    colors = depth_colors(np.array([[0.0, 1.0, 3.0, 9.0]], np.float32), 1, 3)
    assert colors.tolist() == [[[232, 234, 238], [253, 231, 37], [72, 40, 120], [72, 40, 120]]]


def test_classes_differ_and_keep_their_colour() -> None:
    label = np.array([[-1, 0, 1], [2, 3, 40]], np.int16)
    colors = label_colors(label)
    assert len(np.unique(colors.reshape(-1, 3), axis=0)) == 6
    assert colors[0, 0].tolist() == [232, 234, 238]
    assert np.array_equal(label_colors(label[1:])[0], colors[1])


def test_all_frames_of_all_sizes_are_on_the_page() -> None:
    frames = [frame(0), frame(1, (40, 30)), frame(2, labels=True), frame(3), frame(4)]
    page = np.asarray(frame_sheet(frames, "title", columns=2))
    for one in frames:
        assert (page == one.color[0, 0]).all(axis=-1).sum() > 300 * 200
    assert (page == label_colors(np.array([[2]]))[0, 0]).all(axis=-1).sum() > 300 * 200


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="at least one frame"):
        frame_sheet([], "title")


def test_long_names_are_cut() -> None:
    font = ImageFont.load_default(size=13)
    assert fit_text("short", font, 100) == "short"
    cut = fit_text("a name that is far too long for this", font, 100)
    assert cut.endswith("…")
    assert font.getlength(cut) <= 100
