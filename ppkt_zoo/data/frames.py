"""RGBDFrame and the interface of everything that yields frames."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ppkt_zoo.errors import FrameError, LostFrameError
from ppkt_zoo.points.back_projection import back_project, pixel_values

FARTHEST = 1e6
"""Metres from the origin; beyond, float32 tells no two points apart that are a hand's breadth from each other."""


def check_array(
    where: str, field: str, value: object, dtype: type, shape: tuple[int | None, ...], empty: bool = False
) -> None:
    """Check that a value is an array of this dtype and shape.

    Args:
        where: what the error calls the frame or scene.
        field: what the error calls the value.
        dtype: the dtype that it must have, exactly.
        shape: the size of each axis, None for any.
        empty: whether an axis may have size 0.

    Raises:
        FrameError: it is no array, or its dtype or shape is another.
    """
    if not isinstance(value, np.ndarray) or value.dtype != dtype:
        found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise FrameError(f"{where}: {field} must be a {np.dtype(dtype).name} array, got {found}")
    fits = value.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, value.shape, strict=True))
    if not fits or (0 in value.shape and not empty):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise FrameError(f"{where}: {field} must have shape ({wanted}), got {value.shape}")


class FramePoints(NamedTuple):
    """Pixels with depth as points.

    Attributes:
        xyz: float32 (M, 3), metres.
        rgb: uint8 (M, 3).
        pixel: int64 (M, 2), the (u, v) that each point was seen at.
    """

    xyz: np.ndarray
    rgb: np.ndarray
    pixel: np.ndarray


@dataclass(frozen=True)
class RGBDFrame:
    """One registered colour and depth image with its camera.

    Attributes:
        color: uint8 (H, W, 3), RGB.
        depth: float32 (H, W), metres along the optical axis; 0 is a hole.
        intrinsics: float64 (3, 3), pixels; the camera looks along +z, x right, y down.
        pose: float64 (4, 4), camera → world with z up; None where the data set has none.
        name: what errors and reports call this frame.
        label: int16 (H, W), class of each pixel (−1 unknown), or None.
        instance: int32 (H, W), instance of each pixel (0 none), or None.

    Raises:
        LostFrameError: tracking was lost (the pose has NaN, or is nothing but zeros), or depth is all holes.
        FrameError: shapes, dtypes or values do not fit, or lead over 1000 km away; the message names the frame and
            the mend.
    """

    color: np.ndarray
    depth: np.ndarray
    intrinsics: np.ndarray
    pose: np.ndarray | None
    name: str
    label: np.ndarray | None = None
    instance: np.ndarray | None = None

    def __post_init__(self) -> None:
        where = f"frame {self.name}"
        check_array(where, "color", self.color, np.uint8, (None, None, 3))
        check_array(where, "depth", self.depth, np.float32, (None, None))
        if self.color.shape[:2] != self.depth.shape:
            raise FrameError(
                f"{where}: colour is {_size(self.color)} but depth is {_size(self.depth)}, and no mapping "
                "between them is known: register depth to colour first, or resize both with their intrinsics"
                + turned_hint(self.color.shape[:2], self.depth.shape)
            )
        # NaN and infinity both show in the extremes.
        nearest, farthest = float(self.depth.min()), float(self.depth.max())
        if not (nearest >= 0 and farthest < np.inf):
            raise FrameError(f"{where}: depth has NaN, infinite or negative values: write holes as 0")
        if farthest == 0:
            raise LostFrameError(f"{where}: depth is all holes (every pixel is 0)")
        check_array(where, "intrinsics", self.intrinsics, np.float64, (3, 3))
        fx, fy = self.intrinsics[0, 0], self.intrinsics[1, 1]
        if not np.isfinite(self.intrinsics).all() or fx <= 0 or fy <= 0:
            raise FrameError(f"{where}: intrinsics need positive focal lengths, got fx={fx:g}, fy={fy:g}")
        reach = farthest * _longest_ray(self.intrinsics, self.depth.shape)
        if not reach < FARTHEST:
            raise FrameError(
                f"{where}: its depth (up to {farthest:.3g} m) and intrinsics lead to points {reach:.3g} m away: is "
                "depth_scale the number of stored units in a metre, and are the intrinsics in pixels?"
            )
        if self.pose is not None:
            check_array(where, "pose", self.pose, np.float64, (4, 4))
            rotation = self.pose[:3, :3]
            if not np.isfinite(self.pose).all():
                raise LostFrameError(f"{where}: pose has NaN or infinity (tracking was lost): skip this frame")
            if not rotation.any():
                raise LostFrameError(f"{where}: pose is not a rotation but zeros (tracking was lost): skip this frame")
            if not is_pose(self.pose):
                raise FrameError(
                    f"{where}: pose is not a rotation and translation (camera → world, 4×4, its last row 0 0 0 1)"
                )
            away = float(np.abs(self.pose[:3, 3]).max())
            if not away < FARTHEST:
                raise FrameError(
                    f"{where}: its pose lies {away:.3g} m from the origin, where points run into each other: poses "
                    "must be in metres; of map coordinates take the same offset from all of them"
                )
        if self.label is not None:
            check_array(where, "label", self.label, np.int16, self.depth.shape)
        if self.instance is not None:
            check_array(where, "instance", self.instance, np.int32, self.depth.shape)

    def points(self, stride: int = 1) -> FramePoints:
        """The frame's cloud, in the world that its pose leads to, or in the camera's frame where it has none.

        Args:
            stride: take every stride-th column and row.

        Raises:
            InputError: none of these pixels has depth.
        """
        xyz, pixel = back_project(self.depth, self.intrinsics, self.pose, stride)
        return FramePoints(xyz, pixel_values(self.color, pixel), pixel)


def is_pose(matrix: np.ndarray) -> bool:
    """Whether a matrix (4, 4) is a rotation and a translation; False where it has NaN or is all zeros."""
    if not np.isfinite(matrix).all() or not np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-4):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        rotation = matrix[:3, :3]
        return bool(np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-2) and np.linalg.det(rotation) > 0)


def _longest_ray(intrinsics: np.ndarray, shape: tuple[int, ...]) -> float:
    """How far from the camera a corner of the image lies at depth 1; infinite where no float can tell."""
    with np.errstate(over="ignore"):
        sides = [
            max(abs(centre), abs(length - 1 - centre)) / focal
            for length, centre, focal in zip(shape[::-1], intrinsics[:2, 2], intrinsics.diagonal()[:2], strict=True)
        ]
    return float(np.hypot(1.0, np.hypot(*sides)))


def turned_hint(one: tuple[float, ...], other: tuple[float, ...]) -> str:
    """What an error adds where two image sizes (H, W) are each other's with the sides swapped."""
    if one == other or one != other[::-1]:
        return ""
    return (
        ". Their sides are swapped: where an image has an EXIF orientation it was turned by it, as viewers do; take "
        "it out of the file (exiftool -Orientation= FILE) if depth lies as the file is stored, or turn depth too"
    )


class FrameSource(Protocol):
    """Anything that yields frames by index: a reader of a folder, or a procedural world."""

    @property
    def name(self) -> str:
        """What reports call this source."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> RGBDFrame: ...


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}×{image.shape[0]}"
