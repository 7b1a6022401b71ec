"""Tests for backbones: :func:`check_backbone` is what every backbone of ppkt-zoo passes, and yours can too.

It needs no test framework. In a test of your package::

    from ppkt_zoo.testing import CHECKS, check_backbone

    @pytest.mark.parametrize("check", CHECKS)
    def test_my_net(check):
        check_backbone(my_net, width=8, checks=[check])
"""

import copy
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.norm import batch_norms
from ppkt_zoo.errors import BackboneError, InputError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo.folder import write_weight_folder
from ppkt_zoo.zoo.load import load_backbone, verify
from ppkt_zoo.zoo.names import did_you_mean
from ppkt_zoo.zoo.record import OWN_LOOP
from ppkt_zoo.zoo.registry import create_backbone, registered_for_now

__all__ = ["CHECKS", "check_backbone", "corner_cloud"]

# Cells of the default cloud's edge: some at the coarsest level of a U-Net, which has a sixteenth of them.
_CELLS = 48


def check_backbone(
    builder: "Callable[..., Backbone] | str",
    *,
    input_spec: InputSpec | None = None,
    cloud: PointCloud | None = None,
    checks: Iterable[str] | None = None,
    tolerance: float = 1e-4,
    **arguments: Any,
) -> None:
    """Check that a backbone does what everything in ppkt-zoo expects of one; on the CPU.

    Args:
        builder: ``builder(*, input_spec, **arguments) -> Backbone``, or the name of a registered one.
        input_spec: how it wants its points; voxels of 5 cm and RGB by default.
        cloud: a cloud of the kind that it is for; :func:`corner_cloud` by default.
        checks: some of :data:`CHECKS`; all of them by default.
        tolerance: largest difference allowed between features that should be the same, as a part of the level's
            largest value.
        arguments: of the builder. Small ones make the checks fast.

    Raises:
        BackboneError: a check fails; the message names the check, what was found and what is expected.
        InputError: there is no such check, or the builder cannot be called so.
        UnknownNameError: no backbone has this name.
    """
    names = list(CHECKS) if checks is None else list(checks)
    for name in names:
        if name not in CHECKS:
            raise InputError(f"there is no check {name!r}: {did_you_mean(str(name), CHECKS)}")
    spec = InputSpec(voxel_size=0.05) if input_spec is None else input_spec
    with registered_for_now(builder) as registered, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = create_backbone(registered, input_spec=spec, **arguments)
        _make_norms_look_trained(network)
        given = corner_cloud(spec.voxel_size) if cloud is None else cloud
        for name in names:
            try:
                CHECKS[name](_Subject(copy.deepcopy(network).eval(), given, tolerance))
            except Exception as error:
                # Whatever the code of a backbone raises, the check that it was called for helps.
                told = str(error) if isinstance(error, BackboneError) else f"{type(error).__name__}: {error}"
                raise BackboneError(f"{type(network).__name__} fails the check {name!r}: {told}") from error


def corner_cloud(voxel_size: float = 0.05, points: int = 600, seed: int = 0) -> PointCloud:
    """Points near three planes of a corner, with colours: 48 voxels wide."""
    draw = torch.Generator().manual_seed(seed)
    xyz = torch.rand((points, 3), generator=draw) * _CELLS * voxel_size
    xyz[torch.arange(points), torch.randint(0, 3, (points,), generator=draw)] *= 0.03
    return PointCloud(xyz, torch.randint(0, 256, (points, 3), generator=draw, dtype=torch.uint8))


@dataclass(frozen=True)
class _Subject:
    """What a check works on; the network is the check's own."""

    network: Backbone
    cloud: PointCloud
    tolerance: float

    def encode(self, cloud: PointCloud | None = None) -> dict[str, Tensor]:
        """All levels' features of a cloud."""
        cloud = self.cloud if cloud is None else cloud
        return self.network.encode(cloud.xyz, cloud.rgb, levels="all")

    def compare(self, found: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> None:
        """Raise BackboneError where features differ by more than the tolerance, or are no numbers."""
        for level, right in expected.items():
            if found[level].shape != right.shape or not bool(torch.isfinite(found[level]).all()):
                raise BackboneError(
                    f"{what}, but level {level} is {tuple(found[level].shape)} or holds NaN, expected "
                    f"{tuple(right.shape)}"
                )
            error = float((found[level] - right).abs().max() / right.abs().max().clamp_min(1e-12))
            if not error <= self.tolerance:
                raise BackboneError(
                    f"{what}, but at level {level} the features differ by {error:.1e} of the largest value "
                    f"(tolerance {self.tolerance:.0e})"
                )


def _check_levels(subject: _Subject) -> None:
    network, cloud = subject.network, subject.cloud
    with torch.no_grad():
        forward = network(CloudBatch.collate([cloud]))
    if list(forward) != list(network.level_channels):
        raise BackboneError(f"level_channels names {list(network.level_channels)}, forward gives {list(forward)}")
    for level, features in subject.encode().items():
        expected = (len(cloud), network.level_channels[level])
        for found in (features, forward[level]):
            if tuple(found.shape) != expected or not found.is_floating_point():
                raise BackboneError(f"level {level} is {found.dtype} {tuple(found.shape)}, expected {expected}")
    array = network.encode(cloud.xyz.numpy(), None if cloud.rgb is None else cloud.rgb.numpy())
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.shape[1] != network.out_channels:
        raise BackboneError("encode of numpy arrays gives float32 numpy arrays (N, out_channels)")


def _check_order(subject: _Subject) -> None:
    order = torch.randperm(len(subject.cloud), generator=torch.Generator().manual_seed(1))
    expected = {level: features[order] for level, features in subject.encode().items()}
    subject.compare(subject.encode(_rows(subject.cloud, order)), expected, "the order of the points never matters")


def _check_duplicates(subject: _Subject) -> None:
    expected = {level: features.repeat(2, 1) for level, features in subject.encode().items()}
    twice = _rows(subject.cloud, torch.arange(len(subject.cloud)).repeat(2))
    subject.compare(subject.encode(twice), expected, "a cloud with every point twice has the same features")


def _check_one_point(subject: _Subject) -> None:
    for count in (1, 2):
        few = subject.encode(_rows(subject.cloud, torch.arange(count)))
        for level, channels in subject.network.level_channels.items():
            if few[level].shape != (count, channels) or not bool(torch.isfinite(few[level]).all()):
                raise BackboneError(f"{count} points must have finite features {(count, channels)} at level {level}")


def _check_batch(subject: _Subject) -> None:
    third = len(subject.cloud) // 3
    parts = [_rows(subject.cloud, rows) for rows in torch.arange(len(subject.cloud)).split([third, 1, 2 * third - 1])]
    with torch.no_grad():
        together = dict(subject.network(CloudBatch.collate(parts)))
        alone = [subject.network(CloudBatch.collate([part])) for part in parts]
        expected = {level: torch.cat([one[level] for one in alone]) for level in together}
    subject.compare(together, expected, "the clouds of a batch do not see each other")


def _check_gradients(subject: _Subject) -> None:
    network = subject.network.train()
    half = len(subject.cloud) // 2
    halves = [_rows(subject.cloud, rows) for rows in torch.arange(2 * half).split(half)]
    features = network(CloudBatch.collate(halves))
    loss = torch.stack([(each * torch.linspace(-1, 1, each.shape[1])).square().mean() for each in features.values()])
    loss.sum().backward()
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.grad is None or not bool(torch.isfinite(parameter.grad).all()) or not bool(parameter.grad.any()):
            raise BackboneError(f"no finite gradient other than 0 reaches the parameter {name} from any level")


def _check_round_trip(subject: _Subject) -> None:
    network = subject.network
    with tempfile.TemporaryDirectory() as at:
        name = f"{vars(network)['architecture']}.check"
        folder = write_weight_folder(Path(at) / "weight", network, name, _RECORD, subject.cloud, dtype="float32")
        verify(folder)
        again = load_backbone(folder)
    if (again.input_spec, again.level_channels) != (network.input_spec, network.level_channels):
        raise BackboneError("a network that is loaded has the input_spec and level_channels of the one that was saved")
    loaded = _Subject(again, subject.cloud, subject.tolerance)
    subject.compare(loaded.encode(), subject.encode(), "a network that is loaded gives what the saved one gave")


def _check_bad_input(subject: _Subject) -> None:
    network, cloud = subject.network, subject.cloud
    xyz, rgb = cloud.xyz, cloud.rgb
    broken = xyz.clone()
    broken[3] = torch.nan
    last = list(network.level_channels)[-1]
    bad: dict[str, tuple[Any, Any, Any]] = {
        "no points": (xyz[:0], rgb, last),
        "NaN": (broken, rgb, last),
        "two coordinates": (xyz[:, :2], rgb, last),
        "whole numbers": (xyz.int(), rgb, last),
        "colours of other points": (xyz, xyz.new_zeros((7, 3), dtype=torch.uint8), last),
        "a level that is not there": (xyz, rgb, "no_such_level"),
    }
    if network.input_spec.wants_color and network.input_spec.missing_color == "error":
        bad["no colours"] = (xyz, None, last)
    for what, (points, colors, level) in bad.items():
        try:
            network.encode(points, colors, levels=level)
        except InputError:
            continue
        except Exception as error:
            raise BackboneError(f"{what} must raise InputError, not {type(error).__name__}: {error}") from error
        raise BackboneError(f"{what} must raise InputError, but was taken")


def _check_modes(subject: _Subject) -> None:
    expected = subject.encode()
    network = subject.network.train()
    next(iter(network.children()), network).eval()
    modes = [part.training for part in network.modules()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = subject.encode()
    if [part.training for part in network.modules()] != modes or not torch.is_grad_enabled():
        raise BackboneError("encode leaves the modes of the network as they were, and does not call eval() on it")
    if any(not torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items()):
        raise BackboneError("encode leaves parameters and buffers (statistics of batch norms) as they were")
    subject.compare(found, expected, "encode works in eval mode, whatever mode the network is in")


def _check_deterministic(subject: _Subject) -> None:
    first, second = subject.encode(), subject.encode()
    for level, features in first.items():
        if not torch.equal(features, second[level]):
            raise BackboneError(f"the same cloud has the same features each time, but at level {level} they differ")


def _rows(cloud: PointCloud, rows: Tensor) -> PointCloud:
    return PointCloud(cloud.xyz[rows], None if cloud.rgb is None else cloud.rgb[rows])


@torch.no_grad()
def _make_norms_look_trained(network: nn.Module) -> None:
    """Fresh ones do nothing in eval mode, so that what they do wrong would not be seen."""
    for norm in batch_norms(network):
        for tensor, low, high in ((norm.weight, 0.7, 1.3), (norm.running_var, 0.7, 1.3), (norm.bias, -0.2, 0.2)):
            if tensor is not None:
                tensor.uniform_(low, high)


# Of a weight that is written, verified and thrown away.
_RECORD = {
    "description": "Random parameters.",
    "method": f"none, {OWN_LOOP}",
    "data": ({"name": "none", "licence": "none", "attribution": "none"},),
    "licences": {"data": "none", "weights": "none"},
    "citation": "none",
}

#: Name → check, in the order in which they are run.
CHECKS: Final[dict[str, Callable[[_Subject], None]]] = {
    "levels": _check_levels,
    "order": _check_order,
    "duplicates": _check_duplicates,
    "one_point": _check_one_point,
    "batch": _check_batch,
    "gradients": _check_gradients,
    "round_trip": _check_round_trip,
    "bad_input": _check_bad_input,
    "modes": _check_modes,
    "deterministic": _check_deterministic,
}
