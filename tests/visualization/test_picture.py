"""Whole pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.camera import look_at
from ppkt_zoo.visualization.picture import compare_picture, feature_picture, render, save_picture
from tests.visualization.shapes import box_room, plane

RED, BLUE = np.array([200, 30, 30], np.uint8), np.array([30, 30, 200], np.uint8)


def stacked() -> tuple[np.ndarray, np.ndarray]:
    """A red sheet half a metre above a larger blue one."""
    above, below = plane((0.5, 0.5, 0.5), (1, 0, 0), (0, 1, 0)), plane((0, 0, 0), (2, 0, 0), (0, 2, 0))
    return np.concatenate([above, below]), np.concatenate(
        [np.tile(RED, (len(above), 1)), np.tile(BLUE, (len(below), 1))]
    )


def dominant(image: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Where a colour is seen, whatever its brightness."""
    channel = int(color.argmax())
    others = [axis for axis in range(3) if axis != channel]
    return image[..., channel].astype(int) > 2 * image[..., others].max(axis=-1).astype(int)


def test_what_lies_above_hides_what_lies_below() -> None:
    xyz, rgb = stacked()
    from_above = render(xyz, look_at(xyz, 0, 90), [rgb], 120)[0]
    from_below = render(xyz, look_at(xyz, 0, -90), [rgb], 120)[0]
    middle = from_above[40:80, 40:80]
    assert dominant(middle, RED).all()
    assert not dominant(from_below, RED).any()
    assert dominant(from_below[10:-10, 10:-10], BLUE).all()


def test_surfaces_are_closed_and_the_rest_is_paper() -> None:
    xyz, rgb = stacked()
    image = render(xyz, look_at(xyz, 20, 40), [rgb], 160)[0]
    ink = (image < 250).any(axis=-1)
    # Within a row's outline, which is as rough as a splat, no paper shows through.
    for row in np.flatnonzero(ink.any(axis=1))[6:-6]:
        first, last = np.flatnonzero(ink[row])[[0, -1]]
        assert ink[row, first + 4 : last - 3].all()
    assert (image[:5, :5] == 255).all()


def test_order_of_points_does_not_matter() -> None:
    xyz, _ = box_room(yaw=0.2)
    rgb = np.random.default_rng(0).integers(0, 256, xyz.shape).astype(np.uint8)
    order = np.random.default_rng(1).permutation(len(xyz))
    first = np.asarray(compare_picture(xyz, [("one", rgb)], height=100))
    second = np.asarray(compare_picture(xyz[order], [("one", rgb[order])], height=100))
    np.testing.assert_array_equal(first, second)


def test_rows_show_the_same_pixels() -> None:
    xyz, rgb = stacked()
    one, other = render(xyz, look_at(xyz, 20, 40), [rgb, 255 - rgb], 100)
    assert one.shape == other.shape
    np.testing.assert_array_equal(
        (one != 255).any(-1) & (one < 200).any(-1), (other != 255).any(-1) & (one < 200).any(-1)
    )


def test_a_page_has_a_row_for_each_colouring() -> None:
    xyz, rgb = stacked()
    one = compare_picture(xyz, [("colour", rgb)], height=90)
    two = compare_picture(xyz, [("colour", rgb), ("features", rgb)], height=90)
    assert two.width == one.width
    assert two.height > 1.7 * one.height
    assert (np.asarray(two)[0] == 255).all()
    heading = np.asarray(two)[: round(0.18 * 90), :60]
    assert (heading < 200).any(), "the title is written"


@pytest.mark.parametrize("count", [1, 2, 40])
def test_hardly_any_cloud_makes_a_picture(count: int) -> None:
    xyz = np.random.default_rng(0).uniform(size=(count, 3)).astype(np.float32)
    picture = feature_picture(xyz, None, xyz, height=60)
    assert (np.asarray(picture) < 200).any()


def test_features_without_colour_are_drawn_over_height() -> None:
    xyz, _ = stacked()
    picture = np.asarray(feature_picture(xyz, None, np.eye(3, dtype=np.float32)[np.arange(len(xyz)) % 3], height=80))
    upper, lower = np.array_split(picture, 2)
    assert (np.ptp(upper.astype(int), axis=-1) < 40).all(), "grey above"
    assert (np.ptp(lower.astype(int), axis=-1) > 60).any(), "colours below"


def test_a_picture_is_saved_as_png(tmp_path: Path) -> None:
    xyz, rgb = stacked()
    path = save_picture(compare_picture(xyz, [("colour", rgb)], height=60), tmp_path / "deep" / "room.png")
    with Image.open(path) as image:
        assert image.format == "PNG"
    with pytest.raises(InputError, match=r"\.png"):
        save_picture(Image.new("RGB", (4, 4)), tmp_path / "room.jpg")


def test_colours_that_do_not_fit_are_refused() -> None:
    xyz, rgb = stacked()
    with pytest.raises(InputError, match="'features'"):
        compare_picture(xyz, [("colour", rgb), ("features", rgb[:-1])])
    with pytest.raises(InputError, match="uint8"):
        compare_picture(xyz, [("colour", rgb.astype(np.float32))])
    with pytest.raises(InputError, match="at least one row"):
        compare_picture(xyz, [])
    with pytest.raises(InputError, match="at least one view"):
        compare_picture(xyz, [("colour", rgb)], cameras=[])
    with pytest.raises(InputError, match="one row for each"):
        feature_picture(xyz, rgb, np.zeros((3, 8), np.float32))
