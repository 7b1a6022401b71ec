"""VoteNet's parts: seeds of any backbone, clusters of votes, proposals to boxes, and what cannot be."""

import dataclasses

import numpy as np
import pytest
import torch

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.pointnet2 import pointnet2
from ppkt_zoo.backbones.sr_unet import SRUNet
from ppkt_zoo.downstream.detection.boxes import iou_matrix
from ppkt_zoo.downstream.detection.loss import detection_loss
from ppkt_zoo.downstream.detection.model import Proposals, VoteNet, VoteNetConfig
from ppkt_zoo.downstream.detection.predict import decode, proposed_boxes
from ppkt_zoo.downstream.detection.targets import TrueBoxes, distances
from ppkt_zoo.errors import InputError, TrainingError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from tests.downstream.detection.detection_scenes import CLASSES, SIZES, PlaceAndColor, scene, two_scenes

SHAPE = VoteNetConfig(heading_bins=4, seeds=50, proposals=20, neighbours=8, width=32)
MEAN = torch.from_numpy(SIZES).float()


def small(name: str) -> Backbone:
    spec = InputSpec(voxel_size=0.1)
    if name == "sr_unet":
        return SRUNet(input_spec=spec, planes=(8,) * 8, blocks=(1,) * 8, stem_channels=8, stem_kernel=3)
    return pointnet2(input_spec=spec, centers=(64, 50, 16, 8), neighbours=(8, 8, 8, 8))


def two_clouds() -> CloudBatch:
    return CloudBatch.collate([PointCloud.from_arrays(one.xyz, one.rgb) for one in two_scenes(True)])


@pytest.mark.parametrize("name", ["sr_unet", "pointnet2"])
def test_any_backbone_votes_and_learns(name: str) -> None:
    torch.manual_seed(0)
    model, batch = VoteNet(small(name), CLASSES, MEAN, SHAPE).train(), two_clouds()
    found = model(batch)
    assert found.seed_sizes == (50, 50)
    assert found.sizes == (20, 20)
    # Each seed is a point of its own cloud (PointNet++: the middle of a voxel's points).
    for part, cloud in zip(found.seeds.split(50), batch.xyz.split(list(batch.sizes)), strict=True):
        assert distances(part, cloud).amin(dim=1).max().sqrt() <= (0 if name == "sr_unet" else 0.1 * 3**0.5)
    # Each cluster's middle is one of its own cloud's votes.
    for part, votes in zip(found.clusters.split(20), found.votes.split(50), strict=True):
        assert (part[:, None] == votes[None]).all(dim=2).any(dim=1).all()
    truth = TrueBoxes.collate([(one.boxes, one.box_label) for one in two_scenes(True)])
    detection_loss(found, truth, model.mean_sizes).total.backward()
    for key, parameter in model.named_parameters():
        # PointNet++'s coarsest centres may leave single layers without a share; the head never.
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
    assert model.backbone.get_parameter(next(iter(dict(model.backbone.named_parameters())))).grad.abs().sum() > 0


def test_a_small_cloud_has_fewer_seeds_and_neighbours_in_the_batch_change_nothing() -> None:
    torch.manual_seed(0)
    model = VoteNet(PlaceAndColor(), CLASSES, MEAN, SHAPE).eval()
    few = scene(np.empty((0, 7)), [], floor=7)
    clouds = [PointCloud.from_arrays(one.xyz, one.rgb) for one in (few, two_scenes(True)[0])]
    with torch.no_grad():
        both, alone = model(CloudBatch.collate(clouds)), model(CloudBatch.collate(clouds[1:]))
    assert both.seed_sizes == (7, 50)
    assert both.sizes == (7, 20)
    torch.testing.assert_close(both.center[7:], alone.center, rtol=0, atol=1e-5)
    torch.testing.assert_close(both.semantic[7:], alone.semantic, rtol=0, atol=1e-4)


def test_the_order_of_the_points_does_not_matter() -> None:
    torch.manual_seed(0)
    model, one = VoteNet(small("sr_unet"), CLASSES, MEAN, SHAPE).eval(), two_scenes(True)[0]
    order = np.random.default_rng(0).permutation(len(one.xyz))
    with torch.no_grad():
        found, again = (
            model(CloudBatch.collate([PointCloud.from_arrays(one.xyz[rows], one.rgb[rows])]))
            for rows in (np.arange(len(order)), order)
        )
    torch.testing.assert_close(found.center, again.center, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.size_residual, again.size_residual, rtol=0, atol=1e-5)


def test_a_new_head_begins_at_its_seeds() -> None:
    torch.manual_seed(0)
    model = VoteNet(PlaceAndColor(), CLASSES, MEAN, VoteNetConfig(seeds=50, proposals=20))
    found = model(two_clouds())
    assert (found.votes - found.seeds).abs().mean() < 0.2
    assert (found.center - found.clusters).abs().mean() < 0.2
    assert not torch.equal(found.votes, found.seeds)


def test_a_vote_is_its_seed_and_an_offset_and_a_box_its_cluster_and_an_offset() -> None:
    model = VoteNet(PlaceAndColor(), CLASSES, MEAN, SHAPE).eval()
    for layer in (model.vote, model.box):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    with torch.no_grad():
        model.vote.bias[:3] = torch.tensor([0.0, 0.0, 2.0])
        model.box.bias[2:5] = torch.tensor([1.0, 0.0, 0.0])
        found = model(two_clouds())
    torch.testing.assert_close(found.votes, found.seeds + torch.tensor([0.0, 0.0, 2.0]))
    torch.testing.assert_close(found.center, found.clusters + torch.tensor([1.0, 0.0, 0.0]))


def proposals(center: list[list[float]], objectness: list[float], bins: int = 4) -> Proposals:
    """Proposals of one cloud: class 0, size and heading of class 0 and bin 1, sure of an object as told."""
    count, sure = len(center), torch.tensor(objectness)
    zeros = torch.zeros(count, 3)
    first = torch.tensor([4.0, 0.0]).expand(count, 2)
    return Proposals(
        seeds=zeros,
        votes=zeros,
        seed_sizes=(count,),
        clusters=zeros,
        sizes=(count,),
        objectness=torch.stack([torch.zeros(count), (sure / (1 - sure)).log()], dim=1),
        center=torch.tensor(center),
        heading=torch.nn.functional.one_hot(torch.full((count,), min(1, bins - 1)), bins).float(),
        heading_residual=torch.full((count, bins), 0.5),
        size=first,
        size_residual=torch.full((count, 2, 3), 0.1),
        semantic=first,
    )


def test_a_proposal_becomes_a_box() -> None:
    box = proposed_boxes(proposals([[1.0, 2.0, 3.0]], [0.9]), MEAN)[0]
    # Bin 1 of 4 is a quarter turn; half of its half width, an eighth turn, on top. Sizes are a tenth larger.
    np.testing.assert_allclose(box, [1, 2, 3, *(1.1 * SIZES[0]), np.pi / 2 + np.pi / 8], rtol=1e-6)
    assert proposed_boxes(proposals([[1.0, 2.0, 3.0]], [0.9], bins=1), MEAN)[0, 6] == 0
    shrunk = dataclasses.replace(proposals([[0.0, 0.0, 0.0]], [0.9]), size_residual=torch.full((1, 2, 3), -3.0))
    assert (proposed_boxes(shrunk, MEAN)[0, 3:6] == 0.01).all()


def test_only_sure_boxes_with_points_and_without_doubles_stay() -> None:
    model = VoteNet(PlaceAndColor(), CLASSES, MEAN, SHAPE)
    center = [[0.0, 0, 0], [0.05, 0, 0], [5.0, 0, 0], [9.0, 0, 0], [15.0, 0, 0]]
    # In the order of the centres: fine, a double but surer, not sure enough, four points only, five points.
    found = proposals(center, [0.6, 0.9, 0.04, 0.8, 0.3])
    points = torch.tensor([*center[:1] * 9, *center[2:3] * 9, *center[3:4] * 4, *center[4:] * 5])
    (seen,) = decode(model, found, points, (len(points),))
    np.testing.assert_allclose(seen.boxes[:, 0], [0.05, 15], rtol=1e-6)
    likely = 1 / (1 + np.exp(-4))
    np.testing.assert_allclose(seen.score, [0.9 * likely, 0.3 * likely], rtol=1e-5)
    assert seen.label.tolist() == [0, 0]
    boxes, label, score = seen.of_every_class()
    assert label.tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(score[1], 0.9 * (1 - likely), rtol=1e-5)
    np.testing.assert_array_equal(boxes, seen.boxes[[0, 0, 1, 1]])
    # Doubles of different classes both stay.
    other = dataclasses.replace(found, semantic=found.semantic.clone())
    other.semantic[0] = torch.tensor([0.0, 4.0])
    (seen,) = decode(model, other, points, (len(points),))
    assert sorted(seen.label.tolist()) == [0, 0, 1]
    assert iou_matrix(seen.boxes[:2], seen.boxes[:2])[0, 1] > 0.25


def test_nothing_sure_is_an_empty_answer() -> None:
    model = VoteNet(PlaceAndColor(), CLASSES, MEAN, SHAPE)
    (seen,) = decode(model, proposals([[0.0, 0, 0]], [0.01]), torch.zeros(9, 3), (9,))
    assert len(seen) == 0
    assert seen.label.shape == seen.score.shape == (0,)


def test_nan_is_no_box() -> None:
    model = VoteNet(PlaceAndColor(), CLASSES, MEAN, SHAPE)
    broken = dataclasses.replace(proposals([[0.0, 0, 0]], [0.9]), size_residual=torch.full((1, 2, 3), torch.nan))
    with pytest.raises(TrainingError, match="size_residual has NaN"):
        decode(model, broken, torch.zeros(9, 3), (9,))


def test_sizes_that_cannot_be_are_told() -> None:
    with pytest.raises(InputError, match=r"2 classes need positive mean sizes \(2, 3\)"):
        VoteNet(PlaceAndColor(), CLASSES, torch.zeros(2, 3), SHAPE)
    with pytest.raises(InputError, match="all positive"):
        VoteNetConfig(seeds=0)


def test_half_precision_inside_and_float32_outside() -> None:
    torch.manual_seed(0)
    model = VoteNet(small("pointnet2"), CLASSES, MEAN, SHAPE).train()
    truth = TrueBoxes.collate([(one.boxes, one.box_label) for one in two_scenes(True)])
    with torch.autocast("cpu", torch.bfloat16):
        found = model(two_clouds())
        loss = detection_loss(found, truth, model.mean_sizes).total
    assert {value.dtype for value in vars(found).values() if isinstance(value, torch.Tensor)} == {torch.float32}
    loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_the_name_of_its_sizes_in_0_1_still_imports() -> None:
    from ppkt_zoo.downstream import detection

    assert detection.VoteNetShape is VoteNetConfig
