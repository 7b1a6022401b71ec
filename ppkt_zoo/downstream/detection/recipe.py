"""DetectionRecipe: everything that makes a fine-tuned detector, in one complete YAML file."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, field_validator

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.downstream.detection.model import VoteNetConfig
from ppkt_zoo.downstream.recipe import DownstreamRecipe, OwnData, RoomsBenchData, ScanNetData, SunRGBDData
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.validation import StrictModel

_LEAST_MOMENTUM = 0.001
# Running statistics that look back over more than this part of a run would be those of a network long gone.
_LONGEST_MEMORY = 0.1

_Part = Annotated[float, Field(gt=0, le=1)]


class DetectionOptimiser(StrictModel):
    """Adam, a rate that falls in steps, batch norms that settle.

    Times are parts of the run, so they hold for any number of scenes; the defaults are VoteNet's 180 epochs (Qi et
    al. 2019, arXiv 1904.09664, section 5.1 and appendix A.1).
    """

    lr: float = Field(default=1e-3, gt=0, description="of the head")
    backbone_lr: float | None = Field(default=None, ge=0, description="of the backbone; the head's where absent")
    decay_at: tuple[_Part, ...] = Field(
        default=(80 / 180, 120 / 180, 160 / 180), description="parts of the run after which the rates fall"
    )
    decay: _Part = Field(default=0.1, description="to this share of what they were")
    momentum: _Part = Field(default=0.5, description="of all batch norms that train, at first")
    momentum_halved_every: _Part = Field(
        default=20 / 180, description="part of the run after which it is halved, down to 0.001 or to 10 / steps"
    )
    clip_norm: float | None = Field(default=None, gt=0)

    def rate(self, step: int, steps: int) -> float:
        """Share of the learning rates at a step, from 0."""
        return self.decay ** sum(step >= part * steps for part in self.decay_at)

    def momentum_at(self, step: int, steps: int) -> float:
        """Batch-norm momentum at a step, from 0."""
        least = max(_LEAST_MOMENTUM, min(self.momentum, 1 / (_LONGEST_MEMORY * steps)))
        halvings = int(step / steps / self.momentum_halved_every + 1e-9)
        return max(least, self.momentum * 0.5**halvings)


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


class DetectionRecipe(DownstreamRecipe):
    """One complete description of a fine-tuning for detection."""

    folder: ClassVar[str] = "detection"
    data: Annotated[OwnData | RoomsBenchData | ScanNetData | SunRGBDData, Field(discriminator="kind")]
    points: int = Field(
        default=20_000, gt=0, description="drawn from each scene without repetition; all it has, if fewer"
    )
    test_points: int | None = Field(default=None, gt=0, description="at the test; as many as in training where absent")
    shape: VoteNetConfig = Field(
        default_factory=VoteNetConfig,
        description="one heading bin trains and tests on the upright boxes around turned ones",
    )
    margin: float = Field(
        default=0.0, ge=0, description="metres around a box in which a point still votes for it; the noise on its faces"
    )
    optimiser: DetectionOptimiser = DetectionOptimiser()
    augmentation: SceneAugmentation = SceneAugmentation()

    @field_validator("shape", mode="before")
    @classmethod
    def _shape_is_known(cls, given: object) -> object:
        # Dataclasses leave unknown keys out in silence.
        unknown = set(given) - set(VoteNetConfig.__dataclass_fields__) if isinstance(given, dict) else set()
        if unknown:
            known = ", ".join(VoteNetConfig.__dataclass_fields__)
            raise ValueError(f"has no {', '.join(sorted(unknown))}; it has {known}")
        return given

    @property
    def points_at_test(self) -> int:
        """How many points a test scene is drawn down to."""
        return self.points if self.test_points is None else self.test_points

    @property
    def turned(self) -> bool:
        """Whether boxes have headings."""
        return self.shape.heading_bins > 1


load_detection_recipe = DetectionRecipe.load
