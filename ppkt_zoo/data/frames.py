"""RGBDFrame and the interface of everything that yields frames."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ppkt_zoo.errors import FrameError


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
        FrameError: shapes, dtypes or values do not fit; the message names the frame and the mend.
    """

    color: np.ndarray
    depth: np.ndarray
    intrinsics: np.ndarray
    pose: np.ndarray | None
    name: str
    label: np.ndarray | None = None
    instance: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._check("color", self.color, np.uint8, (None, None, 3))
        self._check("depth", self.depth, np.float32, (None, None))
        if self.color.shape[:2] != self.depth.shape:
            raise FrameError(
                f"frame {self.name}: colour is {_size(self.color)} but depth is {_size(self.depth)}, and no mapping "
                "between them is known: register depth to colour first, or resize both with their intrinsics"
            )
        if not np.isfinite(self.depth).all() or (self.depth < 0).any():
            raise FrameError(f"frame {self.name}: depth has NaN, infinite or negative values: write holes as 0")
        if not (self.depth > 0).any():
            raise FrameError(f"frame {self.name}: depth is all holes (every pixel is 0)")
        self._check("intrinsics", self.intrinsics, np.float64, (3, 3))
        fx, fy = self.intrinsics[0, 0], self.intrinsics[1, 1]
        if not np.isfinite(self.intrinsics).all() or fx <= 0 or fy <= 0:
            raise FrameError(f"frame {self.name}: intrinsics need positive focal lengths, got fx={fx:g}, fy={fy:g}")
        if self.pose is not None:
            self._check("pose", self.pose, np.float64, (4, 4))
            rotation = self.pose[:3, :3]
            if not np.isfinite(self.pose).all():
                raise FrameError(f"frame {self.name}: pose has NaN or infinity (tracking was lost): skip this frame")
            if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-2) or np.linalg.det(rotation) < 0:
                raise FrameError(f"frame {self.name}: pose is not a rotation and translation (camera → world, 4×4)")
        if self.label is not None:
            self._check("label", self.label, np.int16, self.depth.shape)
        if self.instance is not None:
            self._check("instance", self.instance, np.int32, self.depth.shape)

    def _check(self, field: str, value: object, dtype: type, shape: tuple[int | None, ...]) -> None:
        if not isinstance(value, np.ndarray) or value.dtype != dtype:
            found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
            raise FrameError(f"frame {self.name}: {field} must be a {np.dtype(dtype).name} array, got {found}")
        fits = value.ndim == len(shape) and all(
            want in (None, got) for want, got in zip(shape, value.shape, strict=True)
        )
        if not fits or 0 in value.shape:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise FrameError(f"frame {self.name}: {field} must have shape ({wanted}), got {value.shape}")


class FrameSource(Protocol):
    """Anything that yields frames by index: a reader of a folder, or a procedural world."""

    @property
    def name(self) -> str:
        """What reports call this source."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> RGBDFrame: ...


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}×{image.shape[0]}"
