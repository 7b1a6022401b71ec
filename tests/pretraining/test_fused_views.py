"""Fused views: one cloud in the world, pixel pairs from every image, each of them true."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.data.augment.image import ImageAugmentation
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.order import FrameOrder
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.pretraining.dataset import Preparation, Step, StepDataset, StepSource
from ppkt_zoo.pretraining.recipe import load_recipe
from tests.pretraining.test_methods import run
from tests.pretraining.test_pairs import Ramps
from tests.pretraining.tiny_recipe import tiny_recipe
from tests.support.sampling import bilinear


class Turned(Ramps):
    """The same frames from cameras that are turned and moved; the last has no pose if so asked."""

    def __init__(self, lost: int | None = None) -> None:
        self.lost = lost

    def __getitem__(self, index: int) -> RGBDFrame:
        frame = super().__getitem__(index)
        angle = np.deg2rad(70 * index)
        pose = np.eye(4)
        pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        pose[:3, 3] = (index, 2 * index, 0.5)
        return RGBDFrame(frame.color, frame.depth, frame.intrinsics, None if index == self.lost else pose, frame.name)


def step(source: Turned, fuse: bool, cloud: CloudAugmentation | None = None) -> Step:
    """One step on the three frames in a row."""
    images = ImageAugmentation(flip=0.5, crop=(0.5, 1.0))
    settings = Preparation(cloud or CloudAugmentation.off(), images, keep_images=True, pixel_pairs=120)
    order = FrameOrder(0, [3], [3], [3])
    return StepDataset([StepSource(source, None, 1, fuse)], order, settings, seed=0, steps=4)[1]


def test_views_become_one_cloud_in_the_world() -> None:
    fused, apart = step(Turned(), True), step(Turned(), False)
    assert fused.clouds is not None
    assert apart.clouds is not None
    assert fused.clouds.sizes == (sum(apart.clouds.sizes),)
    assert torch.equal(fused.clouds.xyz, apart.clouds.xyz)  # frames' clouds stand in the world of their poses already
    assert len(fused.image_sizes) == 3


def test_pairs_of_every_image_name_the_same_pixel() -> None:
    found = step(
        Turned(), True, CloudAugmentation(rotation_z=180, dropout=(0.3, 0.5), cube_dropout=2, scale=(0.8, 1.2))
    )
    assert found.clouds is not None
    assert found.clouds.rgb is not None
    assert torch.bincount(found.frame).tolist() == [40, 40, 40]
    of_point = found.clouds.rgb.numpy()[found.point.numpy()].astype(np.float64)
    for number, image in enumerate(found.images):
        mine = found.frame.numpy() == number
        np.testing.assert_allclose(bilinear(image, found.pixel.numpy()[mine]), of_point[mine], atol=2)


def test_a_frame_without_a_pose_is_left_out_and_the_others_are_fused() -> None:
    found = step(Turned(lost=1), True)
    assert found.clouds is not None
    assert len(found.clouds.sizes) == 1
    assert len(found.image_sizes) == 2
    assert len(found.skipped) == 1
    assert "ramps[1]: frame ramps/1 has no pose" in found.skipped[0]


def test_where_too_little_is_left_every_frame_is_named() -> None:
    found = step(Turned(), True, CloudAugmentation(dropout=(0.99, 0.99)))
    assert found.clouds is None
    assert len(found.skipped) == 3


def test_a_recipe_trains_on_fused_views(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    content = tiny_recipe(steps=2)
    content["data"] = [{**content["data"][0], "walk": True, "views": 2, "fuse": True}]
    assert (run(tmp_path, content, teacher_file, frame_cache) / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "set views to 2 or more"),
        ({"method": "ppkt_point_contrast", "point_contrast": {"pairs": 8}}, "point_contrast"),
    ],
)
def test_what_does_not_go_with_fused_views(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    content = tiny_recipe(**changes)
    content["data"] = [{**content["data"][0], "fuse": True, "views": 2 if changes else 1}]
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(RecipeError, match=message):
        load_recipe(file)
