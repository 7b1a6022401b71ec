"""The recipe of a 2D teacher: everything that makes its file, in one complete YAML file, read strictly."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from ppkt_zoo.engine.recipes import TrainingRecipe, shipped_recipes
from ppkt_zoo.files.validation import MOST_BATCH, MOST_PAIRS, MOST_STEPS, OptimiserSection, StrictModel


class RoomsImages(StrictModel):
    """Images of a version of rooms-bench that are set aside for teachers: its first rooms, four frames each."""

    kind: Literal["rooms"]
    bench: str = "v1"
    rooms: int = Field(gt=0, description="rooms to train on")
    held_out: int = Field(default=0, ge=0, description="rooms after those, to measure on at the end")


class FramesImages(StrictModel):
    """Images of frames in a folder, given on the command line as ``--data NAME=PATH``."""

    kind: Literal["frames"]
    name: str
    every: int = Field(default=1, gt=0)
    licence: str
    attribution: str = ""


ImagesEntry = Annotated[RoomsImages | FramesImages, Field(discriminator="kind")]


class CropSection(StrictModel):
    """Random crops and what happens to their colours (MoCo v2, arXiv 2003.04297, section 3 and its code)."""

    size: int = Field(default=224, ge=16, le=4096, description="pixels, both ways")
    area: tuple[float, float] = Field(default=(0.2, 1.0), description="smallest and largest part of the image")
    jitter: tuple[float, float, float, float] = Field(
        default=(0.4, 0.4, 0.4, 0.1), description="largest change of brightness, contrast, saturation, hue"
    )
    jitter_share: float = Field(default=0.8, ge=0, le=1)
    grey_share: float = Field(default=0.2, ge=0, le=1)
    blur: tuple[float, float] = Field(default=(0.1, 2.0), description="smallest and largest sigma in pixels")
    blur_share: float = Field(default=0.5, ge=0, le=1)

    @field_validator("area")
    @classmethod
    def _is_a_part(cls, given: tuple[float, float]) -> tuple[float, float]:
        if not 0 < given[0] <= given[1] <= 1:
            raise ValueError(f"must be two parts of the image, the smaller first, above 0 and up to 1, got {given}")
        return given

    @field_validator("jitter")
    @classmethod
    def _is_a_change(cls, given: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        if not all(0 <= change <= 1 for change in given[:3]) or not 0 <= given[3] <= 0.5:
            raise ValueError(f"brightness, contrast and saturation must be 0 to 1 and hue 0 to 0.5, got {given}")
        return given

    @field_validator("blur")
    @classmethod
    def _is_a_range(cls, given: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= given[0] <= given[1]:
            raise ValueError(f"must be two sigmas, the smaller first, got {given}")
        return given


class ContrastSection(StrictModel):
    """What MoCo v2 compares (arXiv 1911.05722, section 3; arXiv 2003.04297)."""

    dim: int = Field(default=128, gt=1, le=4096)
    queue: int = Field(default=65536, gt=0, le=MOST_PAIRS, description="keys of earlier steps that serve as negatives")
    momentum: float = Field(default=0.999, ge=0, lt=1, description="of the key encoder")
    temperature: float = Field(default=0.2, gt=0)


class LabelsSection(StrictModel):
    """What the supervised teacher is told about a crop: which classes are in it."""

    share: float = Field(default=0.02, gt=0, lt=1, description="a class is there when it covers this part of the crop")


class TeacherRecipe(TrainingRecipe):
    """One complete description of how a teacher is trained; nothing is inherited from elsewhere."""

    folder: ClassVar[str] = "teachers"

    teacher: str = Field(pattern=r"^[a-z0-9_]+$", description="its name, and that of its file")
    description: str
    method: Literal["moco_v2", "supervised"]
    architecture: Literal["resnet18", "resnet50"] = "resnet18"
    seed: int = Field(default=0, ge=0)
    steps: int = Field(gt=0, le=MOST_STEPS)
    batch: int = Field(gt=1, le=MOST_BATCH, description="images a step")
    norm_group: int = Field(gt=1, description="crops that share their batch-norm statistics")
    precision: Literal["no", "bf16"] = "no"
    images: tuple[ImagesEntry, ...] = Field(min_length=1)
    crop: CropSection = CropSection()
    contrast: ContrastSection | None = Field(default=None, description="of method moco_v2")
    labels: LabelsSection | None = Field(default=None, description="of method supervised")
    optimiser: OptimiserSection
    checkpoint_every: int = Field(default=500, gt=0)
    log_every: int = Field(default=20, gt=0)
    licence: str = Field(description="of the teacher's file")
    citation: str
    deviations: tuple[str, ...] = Field(default=(), description="where this recipe differs from the paper, and why")

    @model_validator(mode="after")
    def _parts_agree(self) -> "TeacherRecipe":
        if (self.contrast is not None, self.labels is not None) != (
            self.method == "moco_v2",
            self.method == "supervised",
        ):
            raise ValueError("method moco_v2 wants the section contrast alone, method supervised the section labels")
        if self.batch % self.norm_group:
            raise ValueError(f"norm_group {self.norm_group} must divide the batch of {self.batch}")
        if self.contrast is not None and self.contrast.queue % self.batch:
            raise ValueError(f"batch {self.batch} must divide the queue of {self.contrast.queue} keys")
        if self.labels is not None and any(entry.kind == "frames" for entry in self.images):
            raise ValueError("method supervised needs the labels of rooms: leave out the entries of kind frames")
        names = [entry.name for entry in self.images if entry.kind == "frames"]
        if len(set(names)) != len(names):
            raise ValueError("two entries of images have the same name")
        return self


load_teacher_recipe = TeacherRecipe.load


def shipped_teacher_recipes() -> dict[str, Path]:
    """The recipes of teachers that travel with the package, by name."""
    return shipped_recipes(TeacherRecipe.folder)
