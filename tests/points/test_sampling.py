"""Thinning, farthest points, neighbours: equal to the plain definition, whatever the order of the points."""

import pytest
import torch
from torch import Tensor

from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.sampling import ball_neighbours, farthest_points, nearest
from ppkt_zoo.points.voxelize import voxel_downsample

SPEC = InputSpec(voxel_size=0.1)


def draw(points: int, seed: int = 0) -> Tensor:
    return torch.rand((points, 3), generator=torch.Generator().manual_seed(seed)) * torch.tensor([1.0, 3.0, 2.0])


def make_batch(*sizes: int) -> CloudBatch:
    return CloudBatch.collate(
        [PointCloud(draw(size, seed) - 0.5, (draw(size, seed + 50) * 80).byte()) for seed, size in enumerate(sizes)]
    )


def test_a_thinned_point_is_the_mean_of_its_voxel() -> None:
    batch = make_batch(400, 300)
    thinned = voxel_downsample(batch, SPEC)
    assert sum(thinned.sizes) == len(thinned.xyz) == len(thinned.features)
    assert thinned.inverse[:400].max() < thinned.sizes[0] <= thinned.inverse[400:].min()
    for row in (0, 5, len(thinned.xyz) - 1):
        mine = thinned.inverse == row
        cloud = int(batch.cloud[mine][0])
        mean = (batch.xyz[mine].double() - thinned.corners[cloud]).mean(dim=0)
        torch.testing.assert_close(thinned.xyz[row].double(), mean, rtol=0, atol=1e-6)
        cells = ((batch.xyz[mine].double() - thinned.corners[cloud]) / SPEC.voxel_size).floor()
        assert bool((cells == cells[0]).all())
        colour = batch.rgb[mine].double().mean(dim=0) / 255 - 0.5
        torch.testing.assert_close(thinned.features[row].double(), colour, rtol=0, atol=1e-6)


def test_thinning_does_not_see_the_order_of_points() -> None:
    batch = make_batch(500)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(4))
    first = voxel_downsample(batch, SPEC)
    second = voxel_downsample(CloudBatch(batch.xyz[order], batch.rgb[order], batch.cloud, batch.sizes), SPEC)
    assert torch.equal(first.xyz, second.xyz)
    assert torch.equal(first.features, second.features)
    assert torch.equal(first.inverse[order], second.inverse)


def test_the_first_rows_of_a_thinned_cloud_are_a_fair_sample() -> None:
    thinned = voxel_downsample(make_batch(5000), SPEC)
    part = thinned.xyz[: len(thinned.xyz) // 10]
    torch.testing.assert_close(part.mean(dim=0), thinned.xyz.mean(dim=0), rtol=0, atol=0.12)
    torch.testing.assert_close(part.std(dim=0), thinned.xyz.std(dim=0), rtol=0, atol=0.12)


def plain_farthest(xyz: Tensor, count: int) -> list[int]:
    low, high = xyz.amin(dim=0), xyz.amax(dim=0)
    far = (xyz - (low + high) / 2).square().sum(dim=1)
    chosen = [int(far.argmax())]
    far = (xyz - xyz[chosen[0]]).square().sum(dim=1)
    while len(chosen) < count:
        chosen.append(int(far.argmax()))
        far = torch.minimum(far, (xyz - xyz[chosen[-1]]).square().sum(dim=1))
    return chosen


def test_farthest_points_by_the_definition() -> None:
    a, b = draw(600, 1), draw(150, 2)
    first, second = farthest_points(torch.cat([a, b]), (600, 150), 200)
    assert first.tolist() == plain_farthest(a, 200)
    assert second.tolist() == plain_farthest(b, 150)


def test_farthest_orders_nest_and_never_repeat() -> None:
    xyz = draw(300).repeat(2, 1)  # every place twice
    (many,) = farthest_points(xyz, (600,), 600)
    (few,) = farthest_points(xyz, (600,), 40)
    assert torch.equal(many[:40], few)
    assert many.unique().numel() == 600
    (one,) = farthest_points(xyz[:1], (1,), 5)
    assert one.tolist() == [0]


def test_padded_sampling_of_the_gpu_is_the_same() -> None:
    from ppkt_zoo.points import sampling

    clouds = [draw(300, 1), draw(80, 2), draw(1, 3)]
    clouds = [cloud[cloud[:, 1].argsort(stable=True)] for cloud in clouds]
    middles = [(cloud.amin(dim=0) + cloud.amax(dim=0)) / 2 for cloud in clouds]
    found = sampling._on_gpu(clouds, middles, [100, 80, 1])
    for rows, expected in zip(found, farthest_points(torch.cat(clouds), (300, 80, 1), 100), strict=True):
        assert torch.equal(rows, expected)


@pytest.mark.parametrize("radius", [0.05, 0.4, 5.0])
def test_ball_neighbours_by_the_definition(radius: float) -> None:
    clouds = [draw(400, 1), draw(90, 2)]
    xyz = torch.cat(clouds)
    centers = torch.cat([clouds[0][::3], clouds[1][:7]])
    table = ball_neighbours(centers, (134, 7), xyz, (400, 90), radius, 16)
    for row, center in enumerate(centers):
        start, cloud = (0, clouds[0]) if row < 134 else (400, clouds[1])
        near = ((cloud - center).norm(dim=1) < radius).nonzero()[:, 0][:16] + start
        assert table[row, : len(near)].tolist() == near.tolist()
        assert set(table[row, len(near) :].tolist()) <= {int(near[0])}


def test_nearest_by_the_definition() -> None:
    clouds, targets = [draw(200, 1), draw(2, 2)], [draw(50, 3), draw(9, 4)]
    rows, weights = nearest(torch.cat(targets), (50, 9), torch.cat(clouds), (200, 2), 3)
    distance = torch.cdist(targets[0].double(), clouds[0].double())
    expected = distance.topk(3, largest=False)
    assert torch.equal(rows[:50], expected.indices)
    share = 1 / expected.values.square()
    torch.testing.assert_close(weights[:50].double(), share / share.sum(dim=1, keepdim=True), rtol=1e-3, atol=1e-4)
    assert set(rows[50:].unique().tolist()) == {200, 201}
    assert bool((weights[50:, 2] == 0).all())
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(59))


def test_a_target_on_a_point_takes_that_point() -> None:
    xyz = draw(30)
    rows, weights = nearest(xyz, (30,), xyz, (30,), 3)
    assert rows[:, 0].tolist() == list(range(30))
    assert float(weights[:, 0].min()) > 0.999
