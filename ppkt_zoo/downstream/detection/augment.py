"""Augmentation of a scene in which the boxes go with the points (METHOD: Protocols downstream, Detection)."""

import numpy as np
from pydantic import Field, field_validator

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.validation import StrictModel

__all__ = ["SceneAugmentation"]


class SceneAugmentation(StrictModel):
    """Mirroring, a turn about z and a factor, drawn once for a scene; points and boxes move alike.

    Angles are in degrees. ``colors`` may change colours and drop points, but not move them.
    """

    flip_x: float = Field(default=0, ge=0, le=1, description="probability that x is mirrored")
    flip_y: float = Field(default=0, ge=0, le=1, description="probability that y is mirrored")
    rotation_z: float = Field(default=0, ge=0, le=180, description="largest turn about z, either way")
    scale: tuple[float, float] = Field(default=(1, 1), description="smallest and largest factor")
    colors: CloudAugmentation = CloudAugmentation()

    @field_validator("scale")
    @classmethod
    def _rises(cls, given: tuple[float, float]) -> tuple[float, float]:
        if not 0 < given[0] <= given[1]:
            raise ValueError(f"the smallest factor must be above 0 and at most the largest, got {given}")
        return given

    @field_validator("colors")
    @classmethod
    def _moves_nothing(cls, given: CloudAugmentation) -> CloudAugmentation:
        if given.rotation_z or given.tilt or given.flip or given.elastic or given.scale != (1, 1):
            raise ValueError("colors must not move the points: the boxes would not follow")
        return given

    @classmethod
    def scannet(cls) -> "SceneAugmentation":
        """VoteNet's for ScanNet: both mirrors, ±5°."""
        return cls(flip_x=0.5, flip_y=0.5, rotation_z=5)

    @classmethod
    def sun_rgbd(cls) -> "SceneAugmentation":
        """VoteNet's for SUN RGB-D: mirrored in x, ±30°, 0.85 to 1.15 times as large."""
        return cls(flip_x=0.5, rotation_z=30, scale=(0.85, 1.15))

    def __call__(
        self, xyz: np.ndarray, rgb: np.ndarray | None, boxes: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """Augment one scene.

        Args:
            xyz: float32 (N, 3), metres, z up.
            rgb: uint8 (N, 3), or None.
            boxes: float64 (K, 7): centre, full size, heading counter-clockwise about +z.
            rng: where all randomness comes from.

        Returns:
            The same three; fewer points where ``colors`` drops some.

        Raises:
            InputError: the scene has no points.
        """
        if len(xyz) == 0:
            raise InputError("xyz is empty: there is nothing to augment")
        mirrored = rng.random(2) < (self.flip_x, self.flip_y)
        angle = np.deg2rad(rng.uniform(-self.rotation_z, self.rotation_z))
        factor = rng.uniform(*self.scale)
        sign = np.where(mirrored, -1.0, 1.0)
        cosine, sine = np.cos(angle), np.sin(angle)
        linear = factor * np.diag([0.0, 0.0, 1.0])
        linear[:2, :2] = factor * np.array([[cosine, -sine], [sine, cosine]]) * sign

        moved = boxes.astype(np.float64)
        moved[:, :3] = boxes[:, :3] @ linear.T
        moved[:, 3:6] *= factor
        # A mirrored x takes heading h to π − h, a mirrored y to −h; the length and width stay with the box's own axes.
        heading = np.where(mirrored[0], np.pi - boxes[:, 6], boxes[:, 6])
        moved[:, 6] = np.where(mirrored[1], -heading, heading) + angle
        points, colors, _ = self.colors((xyz @ linear.T).astype(np.float32), rgb, rng)
        return points, colors, moved
