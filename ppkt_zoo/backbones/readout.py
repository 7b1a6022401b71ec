"""The read-out: from a network's levels to one feature for each point.

All levels on one scale and side by side, between voxels or of a voxel, with colour and height appended, the mean over
turns about z. Whatever is read is read part by part, so that only the answer grows with the cloud; several turns hold
it twice.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ppkt_zoo.backbones.arguments import CONCAT, Reading, checked_reading
from ppkt_zoo.backbones.features import PointFeatures, at_rows
from ppkt_zoo.backbones.voxel_features import REPLACED, VoxelFeatures
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.arrays import extremes
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.floor import floor_of
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.readout_spec import Purpose, ReadOut, ReadoutSpec

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone, Take, Tile

# Points whose features are read at a time: what is between levels and answer stays in memory that is kept.
_ROWS = 1 << 13
# A channel that hardly moves is divided by 1, not by its rounding noise.
_SMALLEST_SPREAD = 1e-6
# Colours in [-0.5, 0.5] have a spread of about a quarter; metres above the floor of a room one of nearly 1.
_COLOR_SCALE = 4.0

#: Level → (mean, spread) of its channels, float32 (C,) each.
Statistics = Mapping[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Readout:
    """What a backbone needs for ``levels="concat"``, and the read-outs that its weight recommends.

    Attributes:
        statistics: level → mean and spread of its channels, float32 (C,) each, on the CPU.
        spec: which read-out serves what, and what the statistics were computed on.
    """

    statistics: Statistics
    spec: ReadoutSpec

    @classmethod
    def of(
        cls,
        backbone: "Backbone",
        clouds: Iterable[PointCloud],
        computed_on: str = "clouds of its owner",
        recommended: Mapping[Purpose, ReadOut] | None = None,
    ) -> "Readout":
        """The statistics of a backbone's features.

        Args:
            backbone: its engine and device compute.
            clouds: of the kind that it is for; every point counts once.
            computed_on: these clouds in words, one line.
            recommended: the read-out for each purpose that was measured.

        Raises:
            InputError: no cloud, or a feature is NaN or infinite.
        """
        spec = ReadoutSpec(recommended=dict(recommended or {}), computed_on=computed_on)
        return cls(readout_statistics(backbone, clouds), spec)

    def without_recommendations(self) -> "Readout":
        """The same statistics, for a network that was trained on."""
        return Readout(self.statistics, self.spec.model_copy(update={"recommended": {}}))

    def check(self, level_channels: Mapping[str, int]) -> None:
        """Raise InputError where the statistics are not those of a network of these levels."""
        found = {level: (tuple(mean.shape), tuple(spread.shape)) for level, (mean, spread) in self.statistics.items()}
        if found != {level: ((count,), (count,)) for level, count in level_channels.items()}:
            raise InputError(
                f"the read-out's statistics are of the levels {found}, the network has {dict(level_channels)}: they "
                "belong to another network, compute them with ppkt_zoo.backbones.readout.Readout.of(backbone, clouds)"
            )


def readout_statistics(backbone: "Backbone", clouds: Iterable[PointCloud]) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and standard deviation of every channel of every level over all points of all clouds.

    Args:
        backbone: its engine and device compute.
        clouds: of the kind that it is for.

    Returns:
        Level → mean and spread, float32 (C,) each; the spread of a channel that never moves is 1.

    Raises:
        InputError: no cloud, or a feature is NaN or infinite.
    """
    count = 0
    sums = {name: torch.zeros((2, channels), dtype=torch.float64) for name, channels in backbone.level_channels.items()}
    # About a first value, or the squares of a channel far from 0 would lose its spread.
    about: dict[str, Tensor] = {}

    def take(rows: Tensor | None, features: dict[str, Tensor]) -> None:
        nonlocal count
        for name, feature in features.items():
            # Part by part, so that what is computed on the way stays in the processor's cache.
            for values in feature.split(_ROWS):
                values = values.float().cpu()
                values = values - about.setdefault(name, values[0].clone())
                sums[name][0] += values.sum(dim=0, dtype=torch.float64)
                sums[name][1] += values.square().sum(dim=0, dtype=torch.float64)
        count += len(feature)

    for cloud in clouds:
        backbone.encode_parts(cloud.xyz, cloud.rgb, "all", "auto" if backbone.tiles else None, take)
    if count == 0:
        raise InputError("the statistics of a read-out need at least one cloud")
    found = {}
    for name, (total, squares) in sums.items():
        mean = total / count
        spread = (squares / count - mean.square()).clamp_min(0.0).sqrt()
        mean = mean + about[name]
        if not bool(torch.isfinite(mean).all() and torch.isfinite(spread).all()):
            raise InputError(f"the features of {name} hold NaN or infinity: the network that gave them is broken")
        found[name] = mean.float(), torch.where(spread > _SMALLEST_SPREAD, spread, 1.0).float()
    return found


def read_parts(network: "Backbone", cloud: PointCloud, reading: Reading, tile: "Tile", take: "Take") -> None:
    """Hand over what is read of all points of a cloud, part by part.

    Args:
        network: in eval mode, without gradients.
        cloud: on its device.
        reading: what is read; not a plain one.
        tile: see :meth:`~ppkt_zoo.backbones.Backbone.encode`.
        take: see :data:`~ppkt_zoo.backbones.base.Take`; it always gets rows.

    Raises:
        InputError: extras that the cloud has not, or as a network's own forward does.
    """
    append = _appender(cloud, reading, network.input_spec)
    if reading.views == 1:
        for rows, features in _read_view(network, cloud, reading, tile):
            take(rows, append(rows, features))
        return
    total: dict[str, Tensor] = {}
    for view in range(reading.views):
        turned = PointCloud(turned_about_z(cloud.xyz, view / reading.views), cloud.rgb)
        for rows, features in _read_view(network, turned, reading, tile):
            for name, feature in features.items():
                if name not in total:
                    total[name] = feature.new_zeros((len(cloud), feature.shape[1]))
                total[name].index_add_(0, rows, feature)
    for start in range(0, len(cloud), _ROWS):
        rows = torch.arange(start, min(start + _ROWS, len(cloud)), device=cloud.xyz.device)
        take(rows, append(rows, {name: value[start : start + _ROWS] / reading.views for name, value in total.items()}))


def read_batch(backbone: "Backbone", batch: CloudBatch, how: ReadOut, rows: Tensor | None = None) -> Tensor:
    """What a read-out gives of a batch, with gradients: this is what trains a head.

    Args:
        backbone: in any mode.
        batch: N points.
        how: its ``views`` play no part: training turns clouds as it likes.
        rows: int64 (n,), the points asked; all where None.

    Returns:
        float32 (n, C).

    Raises:
        InputError: the backbone knows no such read-out, or extras that the batch has not.
    """
    reading = checked_reading(backbone, how.levels, how.sampling, how.extras)
    features = _standardised(backbone, backbone(batch), reading)
    rows = torch.arange(len(batch.xyz), device=batch.xyz.device) if rows is None else rows
    clouds = batch.xyz.split(list(batch.sizes))
    xyz, cloud = batch.xyz[rows], batch.cloud[rows]
    place = None
    if reading.sampling == "trilinear":
        corners = torch.stack([extremes(one)[0] if len(one) else one.new_zeros(3) for one in clouds])
        place = (xyz.double() - corners[cloud].double()) / backbone.input_spec.voxel_size
    found = [*_at(features, reading, rows, place).values()]
    if reading.extras:
        _check_extras(reading, batch.rgb is not None and not batch.uncolored, backbone.input_spec)
        floors = torch.stack([floor_of(one[:, 2]) if len(one) else one.new_zeros(()) for one in clouds])
        extra = _extras_of(xyz, None if batch.rgb is None else batch.rgb[rows], floors[cloud], reading)
        if batch.uncolored:
            grey = torch.isin(cloud, cloud.new_tensor(batch.uncolored))[:, None]
            extra = torch.where(grey, _extras_of(xyz, None, floors[cloud], reading), extra)
        found.append(extra)
    return torch.cat(found, dim=1)


def turned_about_z(xyz: Tensor, share: float) -> Tensor:
    """Points float32 (N, 3) after a share of a full turn about the vertical through the middle of their extent."""
    if share == 0:
        return xyz
    quarters = share * 4
    whole = quarters == round(quarters)
    # A quarter of a turn moves no point off the grid of float32.
    cos, sin = (
        ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[round(quarters) % 4]
        if whole
        else (math.cos(2 * math.pi * share), math.sin(2 * math.pi * share))
    )
    low, high = extremes(xyz)
    x, y, z = (xyz - (low + high) / 2).unbind(dim=1)
    return torch.stack([cos * x - sin * y, sin * x + cos * y, z], dim=1)


def _read_view(
    network: "Backbone", cloud: PointCloud, reading: Reading, tile: "Tile"
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Rows and what is read of them, without extras."""
    corner = extremes(cloud.xyz)[0].double()
    voxel = network.input_spec.voxel_size
    for rows, output in network._parts(cloud, tile):
        features = _standardised(network, output, reading)
        count = len(cloud) if rows is None else len(rows)
        for start in range(0, count, _ROWS):
            inside = torch.arange(start, min(start + _ROWS, count), device=cloud.xyz.device)
            some = inside if rows is None else rows[start : start + _ROWS]
            place = (cloud.xyz[some].double() - corner) / voxel if reading.sampling == "trilinear" else None
            found = _at(features, reading, inside, place)
            if reading.joined:
                found = {CONCAT: torch.cat(list(found.values()), dim=1)}
            yield some, found


def _at(features: Any, reading: Reading, rows: Tensor, place: Tensor | None) -> dict[str, Tensor]:
    """Level → features of some points, float32 (n, C)."""
    if reading.sampling == "nearest":
        return {name: at_rows(features, name, rows).float() for name in reading.names}
    if not isinstance(features, VoxelFeatures):
        raise InputError(REPLACED)
    assert place is not None
    places = features.places(place, rows)
    return {name: features.between(name, places) for name in reading.names}


def _standardised(network: "Backbone", features: Any, reading: Reading) -> Any:
    """All levels on one scale, where they are read side by side."""
    if not reading.joined:
        return features
    assert network.readout is not None
    statistics = network.readout.statistics

    def change(level: str, feature: Tensor) -> Tensor:
        mean, spread = (one.to(feature.device) for one in statistics[level])
        return (feature.float() - mean) / spread

    if isinstance(features, PointFeatures):
        return features.changed(change)
    return {level: change(level, feature) for level, feature in features.items()}


def _appender(
    cloud: PointCloud, reading: Reading, spec: InputSpec
) -> Callable[[Tensor, dict[str, Tensor]], dict[str, Tensor]]:
    """What puts the extras of some points behind their features."""
    if not reading.extras:
        return lambda rows, features: features
    _check_extras(reading, cloud.rgb is not None, spec)
    floor = floor_of(cloud.xyz[:, 2]) if "height" in reading.extras else cloud.xyz.new_zeros(())

    def append(rows: Tensor, features: dict[str, Tensor]) -> dict[str, Tensor]:
        rgb = None if cloud.rgb is None else cloud.rgb[rows]
        extra = _extras_of(cloud.xyz[rows], rgb, floor, reading)
        return {name: torch.cat([feature.float(), extra], dim=1) for name, feature in features.items()}

    return append


def _extras_of(xyz: Tensor, rgb: Tensor | None, floor: Tensor, reading: Reading) -> Tensor:
    parts = []
    for one in reading.extras:
        if one == "height":
            parts.append((xyz[:, 2] - floor)[:, None])
            continue
        # The middle grey where there is none.
        parts.append(xyz.new_zeros((len(xyz), 3)) if rgb is None else (rgb.float() / 255.0 - 0.5) * _COLOR_SCALE)
    return torch.cat(parts, dim=1)


def _check_extras(reading: Reading, colored: bool, spec: InputSpec) -> None:
    """A weight that takes clouds without colour for grey takes them for grey here too."""
    if "color" in reading.extras and not colored and spec.missing_color == "error":
        raise InputError(
            "the extra 'color' needs a colour for every point and the cloud has none: give rgb=..., or leave 'color' "
            "out of extras (in place of a purpose give levels, sampling, extras and views)"
        )
