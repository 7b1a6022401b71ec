"""What the recipes of all fine-tunings share: the backbone and its start, the data and how it is divided."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ppkt_zoo.engine.recipes import TrainingRecipe
from ppkt_zoo.files.validation import MOST_BATCH, MOST_STEPS, StrictModel
from ppkt_zoo.zoo.config import BackboneSection


class RoomsBenchData(StrictModel):
    """Labelled rooms of rooms-bench; made on the spot, needs no files."""

    kind: Literal["rooms_bench"]
    version: str = "v1"
    train: int | None = Field(default=None, gt=0, description="only the first so many scenes; all where absent")
    validation: int | None = Field(default=None, gt=0)
    test: int | None = Field(default=None, gt=0)
    more_rooms: int = Field(
        default=0, ge=0, le=100_000, description="to learn from beyond the benchmark's; such a score is no entry of it"
    )
    partial_scans: int = Field(
        default=0,
        ge=0,
        le=100,
        description="of each room to learn from, as a camera sees it from one to three places; no entry either",
    )


class S3DISData(StrictModel):
    """S3DIS by areas; its folder is given as ``--data s3dis=PATH``."""

    kind: Literal["s3dis"]
    train_areas: tuple[int, ...] = (1, 2, 3, 4, 6)
    test_areas: tuple[int, ...] = (5,)

    @model_validator(mode="after")
    def _areas_are_apart(self) -> "S3DISData":
        if set(self.train_areas) & set(self.test_areas):
            raise ValueError("an area stands in train_areas and in test_areas: a model is tested on what it never saw")
        return self


class ScanNetData(StrictModel):
    """ScanNet's annotated scans; their folder is given as ``--data scannet=PATH``, the lists lie in it."""

    kind: Literal["scannet"]
    train_list: str = "scannetv2_train.txt"
    test_list: str = "scannetv2_val.txt"


class SunRGBDData(StrictModel):
    """SUN RGB-D's frames with their boxes; the folder is given as ``--data sun_rgbd=PATH``, the lists lie in it.

    A list names frames by their paths below the folder, one a line.
    """

    kind: Literal["sun_rgbd"]
    train_list: str = "train.txt"
    test_list: str = "test.txt"


class LabelledFramesData(StrictModel):
    """Single frames of a plain folder, with ``NAME.object.png`` beside them: table against objects.

    The folder is given as ``--data labelled_frames=PATH``. The last frames by name are the test, those before them
    the validation; of the others a fixed choice is labelled.
    """

    kind: Literal["labelled_frames"]
    intrinsics: tuple[float, float, float, float] | None = Field(
        default=None, description="fx, fy, cx, cy in pixels; the folder's own file where absent"
    )
    train: int = Field(gt=0, description="labelled frames where fraction is 1")
    validation: int = Field(default=0, ge=0)
    test: int = Field(gt=0)
    pixel_stride: int = Field(default=2, gt=0)


class OwnData(StrictModel):
    """A plain folder of own scans with labels or boxes, given as ``--data own=PATH``; see docs/downstream.md.

    It is divided by its sub-folders train, val and test, else by its lists train.txt, val.txt and test.txt, else by
    the scans' names.
    """

    kind: Literal["own"]
    label: str | None = Field(default=None, description="the field of labels; found by its usual names where absent")
    color: bool = Field(default=True, description="false leaves colours out, where only some scans have them")
    test_part: float = Field(default=0.2, gt=0, lt=1, description="of scans that are divided by their names")
    validation_part: float = Field(default=0.1, ge=0, lt=1, description="likewise")

    @model_validator(mode="after")
    def _some_are_left(self) -> "OwnData":
        if self.test_part + self.validation_part >= 1:
            raise ValueError("test_part and validation_part leave nothing to learn from: they must sum to less than 1")
        return self


DataSection = Annotated[
    LabelledFramesData | OwnData | RoomsBenchData | S3DISData | ScanNetData | SunRGBDData, Field(discriminator="kind")
]


class DownstreamRecipe(TrainingRecipe):
    """One complete description of a fine-tuning; nothing is inherited from elsewhere."""

    model: str = Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$", description="architecture.tag of the model it makes")
    description: str
    init: str = Field(description="'random', or a weight as load_backbone names it")
    backbone: BackboneSection
    data: DataSection
    fraction: float = Field(default=1.0, gt=0, le=1, description="of the training scenes; each part lies in the next")
    seed: int = Field(default=0, ge=0)
    steps: int = Field(gt=0, le=MOST_STEPS)
    batch: int = Field(gt=0, le=MOST_BATCH, description="scenes, or crops of them, a step")
    batch_norm: Literal["train", "frozen"] = "train"
    precision: Literal["no", "bf16"] = "no"
    validate_every: int | None = Field(default=None, gt=0, description="steps; never where absent")
    checkpoint_every: int = Field(default=500, gt=0)
    log_every: int = Field(default=20, gt=0)
    data_licence: str
    attribution: str
    model_licence: str
    citation: str
    deviations: tuple[str, ...] = Field(default=(), description="where this recipe differs from the protocol, and why")

    @field_validator("init")
    @classmethod
    def _init_is_named(cls, given: str) -> str:
        if given != "random" and not re.search(r"[.:]", given):
            raise ValueError(f"must be 'random', or a weight such as sr_unet14_small.ppkt_voc, got {given!r}")
        return given

    @model_validator(mode="after")
    def _names_agree(self) -> "DownstreamRecipe":
        if self.model.split(".")[0] != self.backbone.name:
            raise ValueError(f"model {self.model!r} must begin with the backbone's name {self.backbone.name!r}")
        if isinstance(self.data, RoomsBenchData) and self.data.more_rooms and (self.fraction < 1 or self.data.train):
            raise ValueError("data.more_rooms come to all rooms of the benchmark: leave out fraction and data.train")
        if self.init == "random" and self.batch_norm == "frozen":
            raise ValueError("a random backbone has no statistics to keep: batch_norm frozen needs a weight as init")
        return self
