"""Pixel-point pairs stay true: after any chain of augmentations both halves of a pair name the same pixel."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.data.augment.image import ImageAugmentation
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.order import FrameOrder
from ppkt_zoo.pretraining.dataset import Preparation, StepDataset, StepSource
from tests.support.sampling import bilinear

WIDTH, HEIGHT = 64, 48
CAMERA = np.array([[52.5, 0, 31.5], [0, 52.5, 23.5], [0, 0, 1]])


class Ramps:
    """Frames whose colour tells the pixel: red 3·u + 20, green 4·v + 20; a tilted wall with holes."""

    name = "ramps"

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> RGBDFrame:
        v, u = np.mgrid[:HEIGHT, :WIDTH]
        color = np.stack([3 * u + 20, 4 * v + 20, np.full_like(u, 50 * index)], axis=-1).astype(np.uint8)
        depth = (1.5 + 0.01 * u + 0.02 * v).astype(np.float32)
        depth[np.random.default_rng(index).random(depth.shape) < 0.2] = 0
        return RGBDFrame(color, depth, CAMERA, np.eye(4), f"ramps/{index}")


def steps(cloud: CloudAugmentation, images: ImageAugmentation, seed: int = 0, stride: int = 1) -> StepDataset:
    preparation = Preparation(cloud, images, keep_images=True, pixel_pairs=128)
    source = StepSource(Ramps(), None, stride)
    return StepDataset([source], FrameOrder(seed, [3], [2]), preparation, seed, 10)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    stride=st.integers(1, 3),
    rotation=st.sampled_from([0.0, 180.0]),
    tilt=st.sampled_from([0.0, 10.0]),
    mirrored=st.sampled_from([0.0, 0.5, 1.0]),
    dropout=st.sampled_from([(0.0, 0.0), (0.2, 0.6)]),
    cubes=st.integers(0, 3),
    elastic=st.booleans(),
    flip=st.sampled_from([0.0, 0.5, 1.0]),
    smallest=st.floats(0.1, 1),
    aspect=st.floats(1, 2),
)
def test_both_halves_of_a_pair_name_the_same_pixel(
    seed: int,
    stride: int,
    rotation: float,
    tilt: float,
    mirrored: float,
    dropout: tuple[float, float],
    cubes: int,
    elastic: bool,
    flip: float,
    smallest: float,
    aspect: float,
) -> None:
    cloud = CloudAugmentation(
        rotation_z=rotation,
        tilt=tilt,
        scale=(0.8, 1.25),
        flip=mirrored,
        dropout=dropout,
        cube_dropout=cubes,
        cube_edge=0.2,
        elastic=((0.2, 0.4),) if elastic else (),
    )
    images = ImageAugmentation(flip=flip, crop=(smallest, 1.0), crop_aspect=aspect)
    step = steps(cloud, images, seed, stride)[seed % 10]
    if step.clouds is None:  # dropout left too few points of a coarse image
        return
    of_point = step.clouds.rgb.numpy()[step.point.numpy()].astype(np.float64)
    for number, image in enumerate(step.images):
        mine = step.frame.numpy() == number
        seen = bilinear(image, step.pixel.numpy()[mine])
        # Red grows by 3 a column, green by 4 a row: within half a pixel; blue tells the frame.
        np.testing.assert_allclose(seen, of_point[mine], atol=2)
        assert mine.sum() > 10


def test_an_image_that_is_not_augmented_leaves_pairs_as_they_were() -> None:
    """Cloud augmentation and the choice of pairs alone decide, each frame from a random state of its own."""
    cloud = CloudAugmentation(rotation_z=180, dropout=(0, 0.2))
    plain = steps(cloud, ImageAugmentation.off())[4]
    expected = []
    for place, (_, index) in enumerate(FrameOrder(0, [3], [2])(4)):
        rng = np.random.default_rng([0, 1, 4, place])
        frame = Ramps()[index]
        v, u = np.nonzero(frame.depth)
        xyz = np.zeros((len(u), 3), np.float32)
        pixel = np.column_stack([u, v])[cloud(xyz, None, rng)[2]]
        expected.append(pixel[rng.choice(len(pixel), size=64, replace=False)])
    assert np.array_equal(plain.pixel.numpy(), np.concatenate(expected))
