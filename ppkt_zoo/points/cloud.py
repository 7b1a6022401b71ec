"""PointCloud: the one shape in which points travel through ppkt-zoo, checked at the entrance."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.errors import InputError, ScaleWarning

# A room, a floor of an office, a street: all fit. Beyond it stands a landscape, or units are not metres.
_CITY_METRES = 300.0
_MILLIMETRE_METRES = 5000.0
# Where neighbouring float32 numbers stand further apart than this, the shape of a room is lost.
_COARSEST_STEP = 0.01


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
            xyz: numpy array or tensor (N, 3), float32 or float64, N ≥ 1, finite. Float64 (map
                coordinates) is moved so that its smallest corner is the origin, before it becomes float32.
            rgb: None, uint8 (N, 3), or floats in [0, 1] (N, 3), rounded to uint8.

        Raises:
            InputError: the argument does not fit; the message names it and the mend.

        Warns:
            ScaleWarning: the extent is over 300 m (a landscape, a city, or millimetres), or float32 numbers lie
                so far from the origin (map coordinates) that centimetres are lost already.
        """
        points = _as_tensor("xyz", xyz)
        if points.ndim != 2 or points.shape[1] != 3:
            raise InputError(f"xyz must have shape (N, 3), got {tuple(points.shape)}")
        if points.shape[0] == 0:
            raise InputError("xyz is empty: a cloud needs at least one point")
        if points.dtype not in (torch.float32, torch.float64):
            raise InputError(
                f"xyz must be float32 or float64 in metres, got {str(points.dtype).removeprefix('torch.')}: "
                "convert it with .astype('float32')"
            )
        # NaN and infinity both show in the extremes: one pass over the numbers.
        low, high = (float(extreme) for extreme in torch.aminmax(points))
        if not (math.isfinite(low) and math.isfinite(high)):
            finite = torch.isfinite(points).all(dim=1)
            row = int((~finite).nonzero()[0, 0])
            raise InputError(
                f"xyz has {int((~finite).sum())} rows with NaN or infinity (the first is row {row}): "
                "drop them first, xyz[np.isfinite(xyz).all(axis=1)], and the same rows of rgb"
            )
        if points.dtype == torch.float32:
            _warn_of_coarse_steps(max(-low, high))
        else:
            points = (points - points.min(dim=0).values).float()
        if high - low > _CITY_METRES:
            _warn_of_scale(points)
        return cls(points.contiguous(), None if rgb is None else _check_rgb(rgb, points))


def _check_rgb(rgb: Any, points: Tensor) -> Tensor:
    colors = _as_tensor("rgb", rgb)
    if colors.shape != points.shape:
        raise InputError(
            f"rgb must have one row for each point, shape {tuple(points.shape)}, got {tuple(colors.shape)}"
        )
    if colors.dtype == torch.uint8:
        return colors.to(points.device).contiguous()
    if not colors.is_floating_point():
        raise InputError(
            f"rgb must be uint8 in 0..255 or float in [0, 1], got {str(colors.dtype).removeprefix('torch.')}: "
            "convert it with .astype('uint8')"
        )
    low, high = float(colors.min()), float(colors.max())
    # NaN fails this comparison too.
    if not (low >= 0.0 and high <= 1.0):
        raise InputError(
            f"rgb given as floats must lie in [0, 1], found {low:.4g} to {high:.4g}: "
            "divide by 255, or convert to uint8 where it is in 0..255"
        )
    return (colors * 255.0).round().to(torch.uint8).to(points.device).contiguous()


def _as_tensor(name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, np.ndarray):
        if value.dtype == object or value.dtype.kind not in "fiub":
            raise InputError(f"{name} must be a numeric array, got dtype {value.dtype}")
        if value.dtype.kind == "u" and value.dtype.itemsize > 1:
            value = value.astype(np.int64)
        return torch.from_numpy(np.ascontiguousarray(value))
    raise InputError(f"{name} must be a numpy array or a torch tensor, got {type(value).__name__}")


def _warn_of_scale(points: Tensor) -> None:
    extent = float((points.max(dim=0).values - points.min(dim=0).values).max())
    if extent > _MILLIMETRE_METRES:
        text = "are they millimetres (divide by 1000), or a whole city?"
    elif extent > _CITY_METRES:
        text = "is that a whole city, or other units than metres?"
    else:
        text = ""
    if text:
        warnings.warn(f"the cloud is {extent:.0f} m wide: {text}", ScaleWarning, stacklevel=3)


def _warn_of_coarse_steps(far: float) -> None:
    step = float(np.spacing(np.float32(far)))
    if step > _COARSEST_STEP:
        warnings.warn(
            f"xyz is float32 and lies {far:.0f} m from the origin, where its numbers stand {step:.2g} m apart: "
            "give map coordinates as float64, they are centred before they become float32",
            ScaleWarning,
            stacklevel=3,
        )


@dataclass(frozen=True)
class CloudBatch:
    """Several clouds end to end.

    Attributes:
        xyz: float32 (N, 3), all clouds' points in their order.
        rgb: uint8 (N, 3), or None where no cloud has colour.
        cloud: int64 (N,), the index of each point's cloud, rising.
        sizes: points in each cloud.
    """

    xyz: Tensor
    rgb: Tensor | None
    cloud: Tensor
    sizes: tuple[int, ...]

    @classmethod
    def collate(cls, clouds: "list[PointCloud] | tuple[PointCloud, ...]") -> "CloudBatch":
        """Join clouds; all of them have colour, or none.

        Raises:
            InputError: no clouds at all, or only some have colour.
        """
        if not clouds:
            raise InputError("a batch needs at least one cloud")
        with_color = [cloud.rgb is not None for cloud in clouds]
        if any(with_color) and not all(with_color):
            missing = with_color.index(False)
            raise InputError(f"cloud {missing} of the batch has no colour but others do: give rgb for all or for none")
        sizes = tuple(len(cloud) for cloud in clouds)
        device = clouds[0].xyz.device
        if len(clouds) == 1:
            return cls(clouds[0].xyz, clouds[0].rgb, torch.zeros(sizes[0], dtype=torch.int64, device=device), sizes)
        index = torch.repeat_interleave(torch.arange(len(sizes), device=device), torch.tensor(sizes, device=device))
        rgb = torch.cat([cloud.rgb for cloud in clouds if cloud.rgb is not None]) if all(with_color) else None
        return cls(torch.cat([cloud.xyz for cloud in clouds]), rgb, index, sizes)

    def to(self, device: torch.device | str) -> "CloudBatch":
        """The same batch on another device."""
        rgb = None if self.rgb is None else self.rgb.to(device)
        return CloudBatch(self.xyz.to(device), rgb, self.cloud.to(device), self.sizes)
