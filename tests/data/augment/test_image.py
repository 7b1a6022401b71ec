"""Augmentation of images: every pixel's place is known afterwards, and nothing happens when it is off."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ppkt_zoo.data.augment.image import ImageAugmentation
from ppkt_zoo.errors import InputError
from tests.support.sampling import bilinear

WIDTH, HEIGHT = 64, 48
JITTER = {"brightness": 0.2, "contrast": 0.4, "saturation": 0.5, "grey": 0.3}


def ramps() -> np.ndarray:
    """Red tells the column and green the row: 3·u + 20 and 4·v + 20."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([3 * u + 20, 4 * v + 20, np.full_like(u, 90)], axis=-1).astype(np.uint8)


def every_pixel() -> np.ndarray:
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([u, v], axis=-1).reshape(-1, 2)


def named(image: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Which pixel of ``ramps`` is seen at each (u, v)."""
    return (bilinear(image, pixel)[:, :2] - 20) / [3, 4]


def test_off_changes_nothing() -> None:
    image, pixel = ramps(), every_pixel()
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    out, moved, alive = ImageAugmentation.off()(image, pixel, rng)
    assert out is image
    assert alive.all()
    assert moved.dtype == np.float32
    assert np.array_equal(moved, pixel)
    assert rng.bit_generator.state == state  # recipes without it draw the same numbers as before


def test_flip_mirrors_image_and_pixels_exactly() -> None:
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixel = every_pixel()
    out, moved, alive = ImageAugmentation(flip=1)(image, pixel, np.random.default_rng(0))
    u, v = moved.astype(int).T
    assert alive.all()
    assert np.array_equal(out[v, u], image[pixel[:, 1], pixel[:, 0]])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    flip=st.sampled_from([0.0, 0.5, 1.0]),
    smallest=st.floats(0.05, 1),
    aspect=st.floats(1, 3),
    jitter=st.booleans(),
)
def test_survivors_still_name_their_pixel(seed: int, flip: float, smallest: float, aspect: float, jitter: bool) -> None:
    geometry = {"flip": flip, "crop": (smallest, 1.0), "crop_aspect": aspect}
    image, pixel = ramps(), every_pixel()
    out, moved, alive = ImageAugmentation(**geometry)(image, pixel, np.random.default_rng(seed))
    assert out.shape == image.shape
    assert alive.sum() >= 0.1 * len(pixel)
    assert (moved[alive] >= 0).all()
    assert (moved[alive] <= [WIDTH - 1, HEIGHT - 1]).all()
    np.testing.assert_allclose(named(out, moved[alive]), pixel[alive], atol=0.6)
    if jitter:
        # The same draws of geometry, and then each pixel's colour from that pixel's colour alone.
        colored, again, survivors = ImageAugmentation(**geometry, **JITTER)(image, pixel, np.random.default_rng(seed))
        assert np.array_equal(again, moved)
        assert np.array_equal(survivors, alive)
        before, after = out.reshape(-1, 3), colored.reshape(-1, 3)
        order = np.unique(before, axis=0, return_inverse=True)[1].reshape(-1)
        first = np.zeros(order.max() + 1, dtype=int)
        first[order] = np.arange(len(order))
        assert np.array_equal(after, after[first[order]])


def test_a_crop_enlarges() -> None:
    image, pixel = ramps(), every_pixel()
    out, moved, alive = ImageAugmentation(crop=(0.25, 0.25))(image, pixel, np.random.default_rng(3))
    assert 0.2 < alive.mean() < 0.27
    inside = moved[alive]
    neighbours = inside[1] - inside[0]
    np.testing.assert_allclose(neighbours, [2, 0], atol=1e-4)
    assert len(np.unique(out[..., 0])) > len(np.unique(image[..., 0])) / 2


def test_pixels_in_one_corner_are_never_all_lost() -> None:
    pixel = np.array([[0, 0], [1, 0], [0, 1]])
    for seed in range(30):
        _, _, alive = ImageAugmentation(crop=(0.05, 0.1))(ramps(), pixel, np.random.default_rng(seed))
        assert alive.any()


def test_colors_change_within_bounds() -> None:
    image = ramps()
    for name, largest in JITTER.items():
        outs = [
            ImageAugmentation(**{name: largest})(image, every_pixel(), np.random.default_rng(seed))[0]
            for seed in range(8)
        ]
        assert any(not np.array_equal(out, image) for out in outs), name
    grey = ImageAugmentation(grey=1)(image, every_pixel(), np.random.default_rng(0))[0]
    assert (grey[..., 0] == grey[..., 2]).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [("crop", (0, 1)), ("crop", (0.5, 0.2)), ("crop", (0.5, 1.5)), ("flip", 2), ("crop_aspect", 0.5), ("hue", 0.1)],
)
def test_wrong_values_are_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        ImageAugmentation(**{field: value})


def test_wrong_shapes_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="image must be uint8"):
        ImageAugmentation()(np.zeros((4, 4, 3)), np.zeros((1, 2)), rng)
    with pytest.raises(InputError, match="pixel must have shape"):
        ImageAugmentation()(np.zeros((4, 4, 3), np.uint8), np.zeros((1, 3)), rng)
