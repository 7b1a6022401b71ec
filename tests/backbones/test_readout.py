"""Read-outs: all levels on one scale, between voxels, extras, turns; what is bad input."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ppkt_zoo.backbones import SRUNet
from ppkt_zoo.backbones.norm import evaluating
from ppkt_zoo.backbones.pointnet2 import pointnet2
from ppkt_zoo.backbones.readout import Readout, floor_of, read_batch, readout_statistics
from ppkt_zoo.errors import InputError
from ppkt_zoo.native import library
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.readout_spec import ReadOut, ReadoutSpec

MakeCloud = Callable[..., PointCloud]
MakeNetwork = Callable[..., SRUNet]
ALL_OF_IT: dict[str, Any] = {"levels": "concat", "sampling": "trilinear", "extras": ("color", "height"), "views": 3}


def ready(network: SRUNet, cloud: PointCloud) -> SRUNet:
    network.readout = Readout.of(network, [cloud])
    return network


def slow_trilinear(cells: np.ndarray, features: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Cells (M, 3), their features (M, C) and places (N, 3) in cells → (N, C), point by point."""
    rows = {tuple(cell): row for row, cell in enumerate(cells.tolist())}
    found = np.zeros((len(places), features.shape[1]))
    for number, place in enumerate(places):
        base = np.floor(place - 0.5).astype(int)
        total = 0.0
        for step in itertools.product((0, 1), repeat=3):
            weight = np.prod(1.0 - np.abs(place - 0.5 - (base + step)))
            row = rows.get(tuple((base + step).tolist()))
            if row is not None:
                found[number] += weight * features[row]
                total += weight
        found[number] /= total
    return found


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_trilinear_is_what_a_slow_reference_gives(
    engine: str, make_cloud: MakeCloud, make_network: MakeNetwork
) -> None:
    if engine == "native" and library() is None:
        pytest.skip("no native library")
    network, cloud = make_network().set_engine(engine), make_cloud(700)
    voxel = network.input_spec.voxel_size
    places = (cloud.xyz.double() - cloud.xyz.amin(dim=0).double()).numpy() / voxel
    nearest = network.encode(cloud.xyz, cloud.rgb, levels="all")
    between = network.encode(cloud.xyz, cloud.rgb, levels="all", sampling="trilinear")
    for level, feature in nearest.items():
        stride = int(level.removeprefix("stride"))
        cells, rows = np.unique(np.floor(places / stride).astype(int), axis=0, return_index=True)
        expected = slow_trilinear(cells, feature.numpy()[rows].astype(float), places / stride)
        assert np.abs(between[level].numpy() - expected).max() < 1e-5 * np.abs(expected).max()
        if len(cells) > 20:
            assert np.abs(between[level].numpy() - feature.numpy()).max() > 0.05 * np.abs(expected).max()


def test_a_millimetre_across_a_border_changes_little_between_voxels(
    make_cloud: MakeCloud, make_network: MakeNetwork
) -> None:
    network, cloud = make_network(), make_cloud(4000)
    voxel, corner = network.input_spec.voxel_size, cloud.xyz.amin(dim=0)
    place = (cloud.xyz - corner) / voxel
    # Pairs of points half a millimetre on either side of a border along x; both sides have voxels already.
    near = ((place - place.round()).abs()[:, 0] < 0.2) & (place[:, 0] > 1)
    left, right = cloud.xyz[near].clone(), cloud.xyz[near].clone()
    left[:, 0] = corner[0] + place[near, 0].round() * voxel - 0.0005
    right[:, 0] = left[:, 0] + 0.001
    xyz = torch.cat([cloud.xyz, left, right])
    assert cloud.rgb is not None
    rgb = torch.cat([cloud.rgb, cloud.rgb[near], cloud.rgb[near]])
    jumps = {}
    for sampling in ("nearest", "trilinear"):
        features = network.encode(xyz, rgb, sampling=sampling)
        pairs = features[len(cloud) :].view(2, -1, features.shape[1])
        jumps[sampling] = float((pairs[0] - pairs[1]).norm(dim=1).median())
    assert jumps["trilinear"] < 0.1 * jumps["nearest"]


@pytest.mark.parametrize("how", [ALL_OF_IT, {"sampling": "trilinear"}, {"levels": "stride8", "views": 2}])
def test_tiles_give_what_the_whole_gives(how: dict[str, Any], make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(voxel_size=0.01), make_cloud(6000, size=5.0)
    ready(network, cloud)
    whole = network.encode(cloud.xyz, cloud.rgb, **how)
    torch.testing.assert_close(network.encode(cloud.xyz, cloud.rgb, tile=1.7, **how), whole, rtol=1e-4, atol=1e-5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SRUNet, "tile_voxels", 4000)
        torch.testing.assert_close(
            network.encode(cloud.xyz, cloud.rgb, tile="auto", **how), whole, rtol=1e-4, atol=1e-5
        )


def test_all_levels_side_by_side_are_on_one_scale(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    ready(network, cloud)
    every = network.encode(cloud.xyz, cloud.rgb, levels="all")
    joined = network.encode(cloud.xyz, cloud.rgb, levels="concat")
    assert joined.shape == (1500, sum(network.level_channels.values()))
    start = 0
    for feature in every.values():
        spread = feature.std(dim=0, unbiased=False)
        # Some channels are 0 everywhere.
        expected = (feature - feature.mean(dim=0)) / torch.where(spread > 1e-6, spread, 1.0)
        torch.testing.assert_close(joined[:, start : start + feature.shape[1]], expected, rtol=1e-3, atol=1e-4)
        start += feature.shape[1]
    arrays = network.encode(cloud.xyz.numpy(), None if cloud.rgb is None else cloud.rgb.numpy(), levels="concat")
    assert isinstance(arrays, np.ndarray)
    assert np.array_equal(arrays, joined.numpy())


def test_statistics_are_those_of_all_clouds_together(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, clouds = make_network(), [make_cloud(500), make_cloud(900, seed=1)]
    found = readout_statistics(network, clouds)
    for level, (mean, spread) in found.items():
        values = torch.cat([network.encode(one.xyz, one.rgb, level) for one in clouds]).double()
        torch.testing.assert_close(mean, values.mean(dim=0).float())
        expected = values.std(dim=0, unbiased=False).float()
        assert int((expected > 1e-6).sum()) > 4
        torch.testing.assert_close(spread, torch.where(expected > 1e-6, expected, 1.0), rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match="at least one cloud"):
        readout_statistics(network, [])


def test_a_channel_that_never_moves_is_left_as_it_is(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud(1)
    ready(network, cloud)
    assert bool((network.encode(cloud.xyz, cloud.rgb, levels="concat") == 0).all())


def test_extras_are_colour_and_height_above_the_floor(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    assert cloud.rgb is not None
    plain = network.encode(cloud.xyz, cloud.rgb)
    found = network.encode(cloud.xyz, cloud.rgb, extras=("height", "color"))
    assert torch.equal(found[:, :-4], plain)
    torch.testing.assert_close(found[:, -4], cloud.xyz[:, 2] - floor_of(cloud.xyz[:, 2]))
    torch.testing.assert_close(found[:, -3:], (cloud.rgb.float() / 255 - 0.5) * 4)
    moved = network.encode(cloud.xyz + torch.tensor([0.0, 0.0, 7.0]), cloud.rgb, extras=("height",))
    torch.testing.assert_close(moved[:, -1], found[:, -4], rtol=0, atol=1e-5)


def test_few_points_below_the_floor_do_not_move_it() -> None:
    z = torch.linspace(0.0, 2.5, 1000)
    floor = float(floor_of(z))
    assert 0.0 <= floor < 0.03
    outliers = torch.cat([z, torch.full((9,), -3.0)])
    assert abs(float(floor_of(outliers)) - floor) < 0.03
    # Every point twice, in another order: the same floor.
    assert float(floor_of(torch.cat([z.flip(0), z]))) == floor
    assert float(floor_of(torch.tensor([1.5]))) == 1.5


def turned(xyz: Tensor, share: float) -> Tensor:
    angle = torch.tensor(2 * np.pi * share)
    turn = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]], dtype=torch.float32)
    middle = (xyz.amin(dim=0) + xyz.amax(dim=0)) / 2
    return (xyz - middle) @ turn.T


def test_views_are_the_mean_over_turns(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    for views in (2, 3):
        seen = [network.encode(turned(cloud.xyz, view / views), cloud.rgb) for view in range(1, views)]
        expected = torch.stack([network.encode(cloud.xyz, cloud.rgb), *seen]).mean(dim=0)
        found = network.encode(cloud.xyz, cloud.rgb, views=views)
        # A point on the border of two voxels may fall to the other one in a turn that was rounded in another way.
        differs = (found - expected).abs().amax(dim=1) > 1e-4
        assert float(differs.float().mean()) < 0.02
        assert not torch.allclose(found, seen[0], atol=1e-2)


def test_what_0_1_gave_stays_bit_for_bit(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    with torch.no_grad():
        forward = copy.deepcopy(network).eval()(CloudBatch.collate([cloud]))
    for level, feature in network.encode(cloud.xyz, cloud.rgb, levels="all").items():
        assert torch.equal(feature, forward[level])
    plain = network.encode(cloud.xyz, cloud.rgb)
    assert torch.equal(network.encode(cloud.xyz, cloud.rgb, sampling="nearest", extras=(), views=1), plain)
    assert torch.equal(plain, forward["stride1"])


def test_the_order_of_points_never_matters(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    ready(network, cloud)
    assert cloud.rgb is not None
    order = torch.randperm(1500, generator=torch.Generator().manual_seed(1))
    first = network.encode(cloud.xyz, cloud.rgb, **ALL_OF_IT)
    torch.testing.assert_close(network.encode(cloud.xyz[order], cloud.rgb[order], **ALL_OF_IT), first[order])


def test_a_batch_is_read_as_encode_reads_each_cloud(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, clouds = make_network(), [make_cloud(600), make_cloud(400, seed=1)]
    ready(network, clouds[0])
    how = ReadOut(levels="concat", sampling="trilinear", extras=("height", "color"))
    rows = torch.tensor([3, 599, 600, 601, 999])
    batch = CloudBatch.collate(clouds)
    network.eval()
    found = read_batch(network, batch, how, rows)
    expected = torch.cat([network.encode(one.xyz, one.rgb, readout=how) for one in clouds])
    torch.testing.assert_close(found, expected[rows], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(read_batch(network, batch, how), expected, rtol=1e-4, atol=1e-5)
    network.train()
    read_batch(network, batch, how, rows).square().sum().backward()
    assert all(one.grad is not None and bool(torch.isfinite(one.grad).all()) for one in network.parameters())


def test_a_purpose_takes_what_the_weight_recommends(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    best = ReadOut(levels="concat", sampling="trilinear", extras=("height",), views=2)
    recommended = {"many_classes": best, "few_labels": ReadOut(), "similarity": ReadOut(levels="concat")}
    network.readout = Readout.of(network, [cloud], "a corner", recommended)
    found = network.encode(cloud.xyz, cloud.rgb, readout="many_classes")
    assert torch.equal(found, network.encode(cloud.xyz, cloud.rgb, **best.arguments()))
    assert torch.equal(network.encode(cloud.xyz, cloud.rgb, readout="few_labels"), network.encode(cloud.xyz, cloud.rgb))
    with pytest.raises(InputError, match="leave these out"):
        network.encode(cloud.xyz, cloud.rgb, readout="few_labels", views=2)
    with pytest.raises(InputError, match="many_classes, few_labels, similarity or a ReadOut"):
        network.encode(cloud.xyz, cloud.rgb, readout="fewlabels")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"levels": "concat"}, "backbone.readout = ppkt_zoo.backbones.readout.Readout.of"),
        ({"readout": "similarity"}, "records no read-out for 'similarity'"),
        ({"sampling": "cubic"}, "sampling must be nearest or trilinear"),
        ({"sampling": None}, "sampling must be nearest or trilinear"),
        ({"extras": "color"}, "extras is a list of color and height"),
        ({"extras": ("normals",)}, "no extra 'normals': known are color and height"),
        ({"extras": ("color", "color")}, "names one twice"),
        ({"extras": ("color",), "levels": "all"}, "one array of features"),
        ({"extras": 3}, "extras is a list"),
        ({"views": 0}, "1 to 64, got 0"),
        ({"views": 2.0}, "number of turns"),
        ({"views": True}, "number of turns"),
        ({"views": 65}, "1 to 64"),
    ],
)
def test_bad_input_is_told(how: dict[str, Any], told: str, make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud(50)
    with pytest.raises(InputError, match=told):
        network.encode(cloud.xyz, cloud.rgb, **how)


def test_an_extra_that_the_cloud_has_not(make_cloud: MakeCloud) -> None:
    torch.manual_seed(0)
    spec = InputSpec(voxel_size=0.04, channels=("ones",))
    network = SRUNet(spec, (8, 8, 12, 16, 16, 12, 8, 10), (1,) * 8, 8, 3)
    cloud = make_cloud(200)
    assert network.encode(cloud.xyz, extras=("height",)).shape == (200, 11)
    with pytest.raises(InputError, match="leave 'color' out of extras"):
        network.encode(cloud.xyz, extras=("height", "color"))
    with pytest.raises(InputError, match="leave 'color' out of extras"):
        read_batch(network, CloudBatch.collate([PointCloud(cloud.xyz)]), ReadOut(extras=("color",)))


def test_a_weight_that_takes_no_colour_for_grey_has_grey_for_an_extra(make_cloud: MakeCloud) -> None:
    torch.manual_seed(0)
    spec = InputSpec(voxel_size=0.04, channels=("red", "green", "blue", "has_color"), missing_color="grey")
    network = SRUNet(spec, (8, 8, 12, 16, 16, 12, 8, 10), (1,) * 8, 8, 3)
    colored, bare = make_cloud(200), PointCloud(make_cloud(150).xyz)
    assert colored.rgb is not None
    how = ReadOut(extras=("height", "color"))
    alone = network.encode(bare.xyz, readout=how)
    assert torch.equal(alone[:, -3:], torch.zeros(150, 3))
    assert torch.equal(alone[:, :-4], network.encode(bare.xyz))
    with evaluating(network) as still, torch.no_grad():
        both = read_batch(still, CloudBatch.collate([colored, bare]), how)
    torch.testing.assert_close(both[200:], alone)
    torch.testing.assert_close(both[:200], network.encode(colored.xyz, colored.rgb, readout=how))


def test_pointnet2_takes_what_makes_sense_for_it(make_cloud: MakeCloud) -> None:
    torch.manual_seed(0)
    network, cloud = pointnet2(input_spec=InputSpec(voxel_size=0.04), centers=(64, 32, 16, 8)), make_cloud()
    network.readout = Readout.of(network, [cloud])
    joined = network.encode(cloud.xyz, cloud.rgb, levels="concat", extras=("color",))
    assert joined.shape == (1500, 256 * 4 + 3)
    torch.testing.assert_close(joined[:, :-3].mean(dim=0), torch.zeros(1024), rtol=0, atol=1e-3)
    with pytest.raises(InputError, match="PointNet2 has no voxels to interpolate between"):
        network.encode(cloud.xyz, cloud.rgb, sampling="trilinear")
    with pytest.raises(InputError, match="PointNet2 chooses other points in each turn"):
        network.encode(cloud.xyz, cloud.rgb, views=2)


def test_statistics_of_another_network_are_refused(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud(300)
    mine = readout_statistics(network, [cloud])
    fewer = {level: pair for level, pair in mine.items() if level != "stride4"}
    network.readout = Readout(fewer, ReadoutSpec(computed_on="a corner"))
    with pytest.raises(InputError, match="belong to another network"):
        network.encode(cloud.xyz, cloud.rgb, levels="concat")


def test_a_hook_that_puts_other_features_in_their_place(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud(300)
    ready(network, cloud)

    def double(module: Any, given: Any, features: Any) -> None:
        features["stride1"] = features["stride1"] * 2

    plain = network.encode(cloud.xyz, cloud.rgb)
    handle = network.register_forward_hook(double)
    assert torch.equal(network.encode(cloud.xyz, cloud.rgb), plain * 2)
    assert torch.isfinite(network.encode(cloud.xyz, cloud.rgb, levels="concat")).all()
    with pytest.raises(InputError, match="a forward hook has put other features"):
        network.encode(cloud.xyz, cloud.rgb, sampling="trilinear")
    handle.remove()
    network.register_forward_hook(lambda module, given, features: dict(features))
    assert torch.equal(network.encode(cloud.xyz, cloud.rgb, extras=("height",))[:, :-1], plain)
    with pytest.raises(InputError, match="take sampling='nearest', or remove the hook"):
        network.encode(cloud.xyz, cloud.rgb, sampling="trilinear")
