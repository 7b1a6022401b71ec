"""Every backbone of ours passes check_backbone, and each of its checks finds the fault that it is for."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.backbones.base import Backbone, PointFeatures
from ppkt_zoo.errors import BackboneError, InputError, UnknownNameError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.testing import CHECKS, check_backbone, corner_cloud
from ppkt_zoo.zoo.registry import list_backbones
from tests.zoo.own_backbones import OWN, small


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", OWN)
def test_every_backbone_of_ours_passes(name: str) -> None:
    check_backbone(name, **small(name))


class Sound(Backbone):
    """Every point on its own: colour and the place in its voxel through two layers."""

    def __init__(self, input_spec: InputSpec, width: int = 8) -> None:
        super().__init__(input_spec, {"coarse": width, "fine": 6})
        self.first = nn.Linear(4, width)
        self.norm = nn.BatchNorm1d(width)
        self.second = nn.Linear(width, 6)

    def forward(self, batch: CloudBatch) -> PointFeatures:
        if batch.rgb is None:
            raise InputError("this network needs colours")
        coarse = self.norm(self.first(torch.cat([batch.rgb / 255 - 0.5, batch.xyz[:, 2:]], dim=1)).relu())
        return PointFeatures({"coarse": self.changed(coarse, batch), "fine": self.second(coarse)})

    def changed(self, coarse: Tensor, batch: CloudBatch) -> Tensor:
        """What the broken ones change."""
        return coarse


class OtherChannels(Sound):
    def changed(self, coarse: Tensor, batch: CloudBatch) -> Tensor:
        return coarse[:, :-1]


class SeesTheOrder(Sound):
    def changed(self, coarse: Tensor, batch: CloudBatch) -> Tensor:
        return coarse + torch.arange(len(coarse))[:, None] / len(coarse)


class CountsPoints(Sound):
    def changed(self, coarse: Tensor, batch: CloudBatch) -> Tensor:
        return coarse * len(coarse)


class DividesBySpread(Sound):
    def changed(self, coarse: Tensor, batch: CloudBatch) -> Tensor:
        return coarse / (batch.xyz.amax(dim=0) - batch.xyz.amin(dim=0)).max()


class SeesOtherClouds(Sound):
    def changed(self, coarse: Tensor, batch: CloudBatch) -> Tensor:
        return coarse + batch.xyz.mean()


class HasAnUnusedLayer(Sound):
    def __init__(self, input_spec: InputSpec) -> None:
        super().__init__(input_spec)
        self.unused = nn.Linear(2, 2)


class KeepsANumberOutsideItsState(Sound):
    def __init__(self, input_spec: InputSpec) -> None:
        super().__init__(input_spec)
        self.factor = 1 + float(torch.rand(1))

    def changed(self, coarse: Tensor, batch: CloudBatch) -> Tensor:
        return coarse * self.factor


class Asserts(Sound):
    def forward(self, batch: CloudBatch) -> PointFeatures:
        assert batch.rgb is not None
        return super().forward(batch)


class StaysInEvalMode(Sound):
    def encode(self, *given: Any, **options: Any) -> Any:
        self.eval()
        return super().encode(*given, **options)


class ChangesItsStatistics(Sound):
    def encode(self, *given: Any, **options: Any) -> Any:
        found = super().encode(*given, **options)
        self.norm.running_mean += 1
        return found


class TakesItsOwnMode(Sound):
    def encode(self, xyz: Any, rgb: Any = None, levels: Any = "last", tile: float | None = None) -> Any:
        if not self.training:
            return super().encode(xyz, rgb, levels, tile)
        return {name: feature + 1 for name, feature in super().encode(xyz, rgb, levels, tile).items()}


class DropsAtRandom(Sound):
    def changed(self, coarse: Tensor, batch: CloudBatch) -> Tensor:
        return F.dropout(coarse, 0.5, training=True)


BROKEN = [
    ("levels", OtherChannels, r"level coarse is torch.float32 \(600, 7\), expected \(600, 8\)"),
    ("order", SeesTheOrder, "the order of the points never matters, but at level coarse"),
    ("duplicates", CountsPoints, "every point twice has the same features, but at level coarse"),
    ("one_point", DividesBySpread, r"1 points must have finite features \(1, 8\) at level coarse"),
    ("batch", SeesOtherClouds, "the clouds of a batch do not see each other, but at level coarse"),
    ("gradients", HasAnUnusedLayer, r"reaches the parameter unused\.weight"),
    ("round_trip", KeepsANumberOutsideItsState, "NOT VERIFIED|gives what the saved one gave"),
    ("bad_input", Asserts, "no colours must raise InputError, not AssertionError"),
    ("modes", StaysInEvalMode, "leaves the modes of the network as they were"),
    ("modes", ChangesItsStatistics, "statistics of batch norms"),
    ("modes", TakesItsOwnMode, "encode works in eval mode, whatever mode"),
    ("deterministic", DropsAtRandom, "the same features each time, but at level coarse"),
]


@pytest.mark.parametrize(("check", "broken", "said"), BROKEN, ids=[one.__name__ for _, one, _ in BROKEN])
def test_each_check_finds_its_fault(check: str, broken: type[Sound], said: str) -> None:
    with pytest.raises(BackboneError, match=rf"{broken.__name__} fails the check '{check}': .*({said})"):
        check_backbone(broken, checks=[check])
    with pytest.raises(BackboneError):
        check_backbone(broken)


def test_each_check_has_a_broken_backbone() -> None:
    assert {check for check, _, _ in BROKEN} == set(CHECKS)


def own_builder(*, input_spec: InputSpec, width: int = 8) -> Sound:
    return Sound(input_spec, width)


@pytest.mark.parametrize("builder", [Sound, own_builder, functools.partial(own_builder, width=4)])
def test_a_sound_one_passes_and_leaves_no_trace(builder: Callable[..., Backbone]) -> None:
    before, random = list_backbones(), torch.get_rng_state()
    check_backbone(builder)
    check_backbone(builder, width=5, cloud=corner_cloud(0.1, points=90), input_spec=InputSpec(voxel_size=0.1))
    assert list_backbones() == before
    assert torch.equal(torch.get_rng_state(), random)


def test_what_cannot_be_checked_is_said() -> None:
    with pytest.raises(InputError, match="no check 'ordr': did you mean 'order'"):
        check_backbone(own_builder, checks=["ordr"])
    with pytest.raises(UnknownNameError, match="no backbone is called 'sr_unet15'"):
        check_backbone("sr_unet15")
    with pytest.raises(InputError, match="it knows width"):
        check_backbone(own_builder, depth=3)


def test_any_error_of_a_network_names_the_check() -> None:
    class Fails(Sound):
        def changed(self, coarse: Tensor, batch: CloudBatch) -> Tensor:
            raise RuntimeError("shapes do not match")

    with pytest.raises(BackboneError, match="Fails fails the check 'levels': RuntimeError: shapes do not match"):
        check_backbone(Fails)


def test_the_cloud_is_of_the_size_that_it_says() -> None:
    cloud: PointCloud = corner_cloud(voxel_size=0.1)
    assert len(cloud) == 600
    assert float(cloud.xyz.max()) == pytest.approx(4.8, abs=0.1)
