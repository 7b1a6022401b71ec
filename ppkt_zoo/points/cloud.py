"""PointCloud: the one shape in which points travel through ppkt-zoo, checked at the entrance."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.arrays import as_tensor, check_colors, dtype_name, extremes, warn_of_coarse_steps, warn_of_scale

# Metres. Nothing that anyone scans lies there, and differences of such float32 numbers overflow.
_FARTHEST = 1e15


@dataclass(frozen=True)
class PointCloud:
    """One cloud.

    Attributes:
        xyz: float32 tensor (N, 3), metres, z up.
        rgb: uint8 tensor (N, 3), or None where the cloud has no colour.
    """

    xyz: Tensor
    rgb: Tensor | None = None

    def __len__(self) -> int:
        return self.xyz.shape[0]

    def to(self, device: torch.device | str) -> "PointCloud":
        """The same cloud on another device."""
        return PointCloud(self.xyz.to(device), None if self.rgb is None else self.rgb.to(device))

    @classmethod
    def from_arrays(cls, xyz: Any, rgb: Any = None) -> "PointCloud":
        """Check arrays of a user and make a cloud of them.

        Args:
            xyz: numpy array, tensor or what turns into an array (N, 3), float32 or float64, N ≥ 1, finite.
                Float64 (map coordinates; long double too) is moved so that its smallest corner is the origin,
                before it becomes float32.
            rgb: None, uint8 (N, 3), or floats in [0, 1] (N, 3), rounded to uint8.

        Raises:
            InputError: the argument does not fit; the message names it and the mend.

        Warns:
            ScaleWarning: the extent is over 300 m (a landscape, a city, or millimetres) or under 5 cm (kilometres,
                degrees), or float32 numbers lie so far from the origin (map coordinates) that centimetres are lost
                already. Feet cannot be told from metres: a room is 3 to 30 of either.
        """
        points = as_tensor("xyz", xyz)
        if points.ndim != 2 or points.shape[1] != 3:
            raise InputError(f"xyz must have shape (N, 3), got {tuple(points.shape)}")
        if points.shape[0] == 0:
            raise InputError("xyz is empty: a cloud needs at least one point")
        if points.dtype not in (torch.float32, torch.float64):
            raise InputError(
                f"xyz must be float32 or float64 in metres, got {dtype_name(points)}: "
                "convert it with .astype('float64'), or .double() for a tensor, and to metres"
            )
        # NaN and infinity both show in the extremes: one pass over the numbers.
        low, high = extremes(points)
        if not bool(torch.isfinite(low).all() and torch.isfinite(high).all()):
            finite = torch.isfinite(points).all(dim=1)
            row = int((~finite).nonzero()[0, 0])
            raise InputError(
                f"xyz has {int((~finite).sum())} rows with NaN or infinity (the first is row {row}): "
                "drop them first, xyz[np.isfinite(xyz).all(axis=1)], and the same rows of rgb"
            )
        farthest = float(torch.maximum(high.abs(), low.abs()).max())
        if farthest > _FARTHEST:
            raise InputError(f"xyz reaches {farthest:.3g} m from the origin: is it in metres, and without outliers?")
        if points.dtype == torch.float32:
            warn_of_coarse_steps(farthest)
        else:
            points = (points - low).float()
        warn_of_scale(points.shape[0], low, high)
        return cls(points.contiguous(), None if rgb is None else check_colors(as_tensor("rgb", rgb), points))


@dataclass(frozen=True)
class CloudBatch:
    """Several clouds end to end; some of them may be empty, not all.

    Attributes:
        xyz: float32 (N, 3), all clouds' points in their order.
        rgb: uint8 (N, 3), or None where no cloud has colour.
        cloud: int64 (N,), the index of each point's cloud, rising.
        sizes: points in each cloud.
        uncolored: clouds that have no colour where others do, rising; their rows of ``rgb`` mean nothing.
    """

    xyz: Tensor
    rgb: Tensor | None
    cloud: Tensor
    sizes: tuple[int, ...]
    uncolored: tuple[int, ...] = ()

    @classmethod
    def collate(cls, clouds: "list[PointCloud] | tuple[PointCloud, ...]") -> "CloudBatch":
        """Join clouds, with and without colour.

        Raises:
            InputError: no clouds at all, or they lie on several devices.
        """
        if not clouds:
            raise InputError("a batch needs at least one cloud")
        devices = sorted({str(cloud.xyz.device) for cloud in clouds})
        if len(devices) > 1:
            raise InputError(f"the clouds of a batch lie on {' and '.join(devices)}: move them to one device")
        sizes = tuple(len(cloud) for cloud in clouds)
        device = clouds[0].xyz.device
        if len(clouds) == 1:
            return cls(clouds[0].xyz, clouds[0].rgb, torch.zeros(sizes[0], dtype=torch.int64, device=device), sizes)
        index = torch.repeat_interleave(torch.arange(len(sizes), device=device), torch.tensor(sizes, device=device))
        without = tuple(number for number, cloud in enumerate(clouds) if cloud.rgb is None)
        xyz = torch.cat([cloud.xyz for cloud in clouds])
        if len(without) == len(clouds):
            return cls(xyz, None, index, sizes)
        colors = [one.xyz.new_zeros(one.xyz.shape, dtype=torch.uint8) if one.rgb is None else one.rgb for one in clouds]
        rgb = torch.cat(colors)
        return cls(xyz, rgb, index, sizes, without)

    def to(self, device: torch.device | str) -> "CloudBatch":
        """The same batch on another device."""
        rgb = None if self.rgb is None else self.rgb.to(device)
        return CloudBatch(self.xyz.to(device), rgb, self.cloud.to(device), self.sizes, self.uncolored)
