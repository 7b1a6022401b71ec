"""A class for every original point, whatever their order, with votes that are means of probabilities."""

import numpy as np
import pytest
import torch
from torch import nn

from ppkt_zoo import InputSpec, create_backbone
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from tests.downstream.segmentation.tiny_scenes import CLASSES, tiny_scene


def a_model(name: str = "sr_unet14_small", **arguments: object) -> SegmentationModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = create_backbone(name, input_spec=InputSpec(voxel_size=0.1), **arguments)
        return SegmentationModel(backbone, CLASSES).eval()


@pytest.mark.parametrize("name", ["sr_unet14_small", "pointnet2"])
def test_every_point_has_a_class_and_forward_agrees(name: str) -> None:
    model = a_model(name).train()
    scene = tiny_scene(0)
    found = model.predict(scene.xyz, scene.rgb)
    assert model.training
    assert found.labels.shape == (300,)
    assert found.labels.dtype == np.int64
    assert found.probabilities.shape == (300, 3)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    assert (found.labels == found.probabilities.argmax(axis=1)).all()
    model.eval()
    with torch.no_grad():
        scores = model(CloudBatch.collate([PointCloud.from_arrays(scene.xyz, scene.rgb)]))
    np.testing.assert_allclose(scores.softmax(dim=1).numpy(), found.probabilities, atol=1e-5)


def test_order_of_the_points_does_not_matter() -> None:
    model, scene = a_model(), tiny_scene(0)
    order = np.random.default_rng(1).permutation(300)
    there = model.predict(scene.xyz, scene.rgb, voting=2)
    mixed = model.predict(scene.xyz[order], scene.rgb[order], voting=2)
    np.testing.assert_allclose(mixed.probabilities, there.probabilities[order], atol=1e-4)


def test_votes_are_the_mean_over_turned_and_mirrored_clouds() -> None:
    model, scene = a_model(), tiny_scene(0)
    xyz = torch.from_numpy(scene.xyz)
    middle = xyz.mean(dim=0)
    ways = ([1, 1], [-1, -1], [-1, 1], [1, -1])  # as it is, half a turn, mirrored, mirrored and half a turn
    views = [(xyz - middle) * torch.tensor([*way, 1.0]) for way in ways]
    rgb = torch.from_numpy(scene.rgb)
    single = [model.predict(view, rgb).probabilities for view in views]
    assert not torch.allclose(single[0], single[1], atol=1e-3), "a test of voting needs votes that differ"
    found = model.predict(xyz, rgb, voting=2, flips=True)
    torch.testing.assert_close(found.probabilities, torch.stack(single).mean(dim=0), atol=2e-3, rtol=0)
    assert isinstance(found.labels, torch.Tensor)


def test_coarser_levels_may_be_read() -> None:
    backbone = create_backbone("sr_unet14_small", input_spec=InputSpec(voxel_size=0.1))
    model = SegmentationModel(backbone, CLASSES, level="stride4")
    assert model.head.in_features == backbone.level_channels["stride4"]
    with pytest.raises(InputError, match=r"level 'stride3'.*stride4"):
        SegmentationModel(backbone, CLASSES, level="stride3")


@pytest.mark.parametrize("classes", [("wall",), ("wall", "wall")])
def test_classes_are_two_or_more_and_distinct(classes: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="at least two classes and no name twice"):
        SegmentationModel(create_backbone("sr_unet14_small"), classes)


def test_bad_questions() -> None:
    model, scene = a_model(), tiny_scene(0)
    with pytest.raises(InputError, match=r"voting .* at least 1, got 0"):
        model.predict(scene.xyz, scene.rgb, voting=0)
    nn.init.constant_(model.head.bias, float("nan"))
    with pytest.raises(WeightError, match="gives NaN"):
        model.predict(scene.xyz, scene.rgb)
