"""Recipe: everything that makes a weight, in one complete YAML file, read strictly."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.engine.recipes import TrainingRecipe
from ppkt_zoo.files.validation import MOST_BATCH, MOST_STEPS, OptimiserSection
from ppkt_zoo.pretraining.recipe_sections import (
    NEW_TEACHER,
    DataEntry,
    FurtherTeacherSection,
    GlobalSection,
    LossSection,
    PointContrastSection,
    RoomsData,
    SoftClassesSection,
    StartSection,
    StudentSection,
    TeacherSection,
    ValidationSection,
    WatchSection,
)

TeacherKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Method = Literal["ppkt", "point_contrast", "ppkt_point_contrast", "pixel_regression", "global_distillation", "scratch"]
# What a method is made of: the sections it needs, no others.
_PARTS: dict[str, frozenset[str]] = {
    "ppkt": frozenset({"teacher", "loss"}),
    "point_contrast": frozenset({"point_contrast"}),
    "ppkt_point_contrast": frozenset({"teacher", "loss", "point_contrast"}),
    "pixel_regression": frozenset({"teacher", "loss"}),
    "global_distillation": frozenset({"teacher", "global_loss"}),
    "scratch": frozenset(),
}


class Recipe(TrainingRecipe):
    """One complete description of a pretraining run; nothing is inherited from elsewhere."""

    folder: ClassVar[str] = "pretraining"
    meaning: ClassVar[int] = 2

    weight: str = Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$", description="architecture.tag of the weight it makes")
    description: str
    method: Method = "ppkt"
    seed: int = 0
    steps: int = Field(ge=0, le=MOST_STEPS, description="of the optimiser; 0 for scratch alone")
    accumulate: int = Field(default=1, gt=0, le=MOST_BATCH, description="batches a step, whose gradients are averaged")
    precision: Literal["no", "bf16", "fp16"] = "no"
    ema: float | None = Field(default=None, gt=0, lt=1, description="decay of averaged parameters, which are exported")
    sync_batch_norm: bool = Field(default=True, description="on several processes: statistics of all of them")
    backbone: StudentSection
    start: StartSection | None = Field(default=None, description="the weight that this run begins with")
    teacher: TeacherSection | None = None
    teachers: dict[TeacherKey, FurtherTeacherSection] = Field(
        default_factory=dict,
        description="further teachers, by names of your own; --teacher NAME=FILE gives their files",
    )
    data: tuple[DataEntry, ...] = Field(min_length=1)
    augmentation: CloudAugmentation
    loss: LossSection | None = None
    point_contrast: PointContrastSection | None = None
    global_loss: GlobalSection | None = None
    soft_classes: SoftClassesSection | None = None
    optimiser: OptimiserSection
    validation: ValidationSection | None = None
    watch: WatchSection | None = None
    checkpoint_every: int = Field(default=500, gt=0)
    log_every: int = Field(default=20, gt=0)
    weight_licence: str
    citation: str = "Liu et al., Learning from 2D: Contrastive Pixel-to-Point Knowledge Transfer, arXiv 2104.04687"
    deviations: tuple[str, ...] = Field(default=(), description="where this recipe differs from the paper, and why")

    @model_validator(mode="after")
    def _parts_fit_method(self) -> "Recipe":
        given = {name for name in ("teacher", "loss", "point_contrast", "global_loss") if getattr(self, name)}
        wanted = _PARTS[self.method]
        missing, superfluous = ", ".join(sorted(wanted - given)), ", ".join(sorted(given - wanted))
        if missing:
            raise ValueError(f"method {self.method} needs the section {missing}")
        if superfluous:
            raise ValueError(f"method {self.method} has no use for the section {superfluous}: leave it out")
        if self.loss is not None and (self.loss.kind == "nce") != (self.method != "pixel_regression"):
            raise ValueError(f"method {self.method} does not go with loss.kind {self.loss.kind}")
        if (self.steps == 0) != (self.method == "scratch"):
            raise ValueError(f"method {self.method} with {self.steps} steps: scratch has 0 steps, all others have some")
        if self.soft_classes is not None and self.loss is None:
            raise ValueError("soft_classes reads the pixel pairs of loss: it needs that section")
        if self.teachers and (self.teacher is None or self.loss is None or self.loss.kind != "nce"):
            raise ValueError("teachers are further ones for loss.kind nce: it needs teacher and loss")
        if self.teacher is not None and any(one.features != self.teacher.features for one in self.teachers.values()):
            raise ValueError(f"features of all teachers must be {self.teacher.features}, as the first one's are")
        if self.start is not None and self.method == "scratch":
            raise ValueError("method scratch has random parameters: it has no use for the section start")
        for name in () if self.start is None else self.start.new:
            if name.startswith(NEW_TEACHER) and name.removeprefix(NEW_TEACHER) not in self.teachers:
                raise ValueError(f"start.new names {name}, but the recipe has no such further teacher")
        if self.point_contrast is not None and not any(entry.views > 1 for entry in self.data):
            raise ValueError("point_contrast needs a data entry with views: 2, whose frames overlap")
        if self.point_contrast is not None and self.validation is not None and self.validation.data.views < 2:
            raise ValueError(
                "validation.data has views 1, so its frames do not overlap, and point_contrast cannot be validated: "
                "set validation.data.views to 2"
            )
        return self

    @model_validator(mode="after")
    def _names_agree(self) -> "Recipe":
        if self.weight.split(".")[0] != self.backbone.name:
            raise ValueError(f"weight {self.weight!r} must begin with the backbone's name {self.backbone.name!r}")
        names = [entry.name for entry in self.data]
        if len(set(names)) != len(names):
            raise ValueError("two data entries have the same name")
        for entry in self.data:
            if isinstance(entry, RoomsData) and entry.views > entry.frames_per_room:
                raise ValueError(f"{entry.name}: views {entry.views} in a row, but a room has {entry.frames_per_room}")
        held_out_entries = [self.validation.data] if self.validation else []
        for entry in (*self.data, *held_out_entries):
            if entry.fuse and entry.views == 1:
                raise ValueError(f"{entry.name}: fuse makes one cloud of several views: set views to 2 or more")
            if entry.fuse and (self.point_contrast or self.global_loss):
                raise ValueError(
                    f"{entry.name}: fuse makes one cloud of several images, which point_contrast (two clouds of one "
                    "place) and global_loss (a cloud for each image) cannot learn from"
                )
        held_out = self.validation.data.seed if self.validation else None
        if any(entry.kind == "rooms" and entry.seed == held_out for entry in self.data):
            raise ValueError("validation must use another seed than the training rooms")
        seen = [*self.data, *([self.validation.data] if self.validation else [])]
        if self.watch and any(entry.kind == "rooms" and entry.seed == self.watch.seed for entry in seen):
            raise ValueError(f"watch.seed {self.watch.seed} is that of rooms for training or validation: give another")
        return self

    @model_validator(mode="after")
    def _takes_clouds_without_colour(self) -> "Recipe":
        spec = self.backbone.input_spec
        if self.augmentation.colorless and spec.wants_color and spec.missing_color == "error":
            raise ValueError(
                "augmentation.colorless leaves clouds without colour: set backbone.input_spec.missing_color to grey"
            )
        return self

    @property
    def levels(self) -> set[str]:
        """The student's levels that are taught."""
        sections = (self.point_contrast, self.global_loss, self.soft_classes)
        others = {section.level for section in sections if section is not None}
        return others if self.loss is None else others | self.loss.levels


load_recipe = Recipe.load
