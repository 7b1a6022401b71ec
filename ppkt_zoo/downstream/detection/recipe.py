"""DetectionRecipe: everything that makes a fine-tuned detector, in one complete YAML file."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from ppkt_zoo.downstream.detection.augment import SceneAugmentation
from ppkt_zoo.downstream.detection.model import VoteNetConfig
from ppkt_zoo.downstream.recipe import DownstreamRecipe, OwnData, RoomsBenchData, ScanNetData, SunRGBDData
from ppkt_zoo.engine.recipes import find_recipe, read_recipe, shipped_recipes
from ppkt_zoo.files.validation import StrictModel

__all__ = ["DetectionOptimiser", "DetectionRecipe", "load_detection_recipe", "shipped_detection_recipes"]

_FOLDER = "detection"
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


class DetectionRecipe(DownstreamRecipe):
    """One complete description of a fine-tuning for detection."""

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


def load_detection_recipe(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> DetectionRecipe:
    """Read a recipe and apply overrides.

    Args:
        path: a YAML file, or the name of a recipe that ships with the package (``own``, ``scannet``,
            ``sun_rgbd``, ``rooms_bench``).
        overrides: ``key=value`` with dots for nested keys, e.g. ``init=random``; values are YAML.

    Raises:
        RecipeError: no such file, not YAML, an unknown field, a wrong value; the message names the field.
    """
    return read_recipe(DetectionRecipe, find_recipe(path, shipped_detection_recipes()), overrides)


def shipped_detection_recipes() -> dict[str, Path]:
    """The detection recipes that travel with the package, by name."""
    return shipped_recipes(_FOLDER)
