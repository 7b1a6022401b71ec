"""The sections of a pretraining recipe, each checked on its own."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from ppkt_zoo.data.augment.image import ImageAugmentation
from ppkt_zoo.files.validation import MOST_BATCH, MOST_DIM, MOST_PAIRS, StrictModel
from ppkt_zoo.points.pair_sampling import PairSampling
from ppkt_zoo.teachers.spec import TeacherSpec
from ppkt_zoo.transfer.losses import DistillationKind
from ppkt_zoo.transfer.projection import ProjectionKind, Sampling
from ppkt_zoo.zoo.config import BackboneSection
from ppkt_zoo.zoo.record import Sha256, WeightName

#: Frames of a source a step; 0.5 gives one to every second step.
PerStep = Annotated[int | float, Field(gt=0, le=MOST_BATCH)]
# Far beyond any data set of frames; every frame's number is held in memory.
_MOST_FRAMES, _MOST_PIXELS, _MOST_VIEWS = 10_000_000, 8192, 64


class RoomsData(StrictModel):
    """Frames of the procedural rooms (:mod:`ppkt_zoo.rooms`); made on the spot, needs no files."""

    kind: Literal["rooms"]
    seed: int
    rooms: int = Field(gt=0, le=_MOST_FRAMES)
    frames_per_room: int = Field(gt=0, le=_MOST_FRAMES)
    height: int = Field(default=240, gt=0, le=_MOST_PIXELS)
    width: int = Field(default=320, gt=0, le=_MOST_PIXELS)
    sensor_noise: bool = True
    close_ups: float = Field(default=0.0, ge=0, le=1, description="share of frames that look down on a table from near")
    walk: bool = Field(default=False, description="the frames of a room follow each other and overlap")
    per_step: PerStep = Field(
        default=1, description="frames of this source a step, on average where views > 1 or it is no whole number"
    )
    views: int = Field(
        default=1, ge=1, le=_MOST_VIEWS, description="frames in a row of one room that are always taken together"
    )
    pixel_stride: int = Field(default=1, gt=0, description="every n-th pixel in each direction becomes a point")
    fuse: bool = Field(default=False, description="frames that are taken together become one cloud, by their poses")

    @model_validator(mode="after")
    def _check_they_can_be_counted(self) -> Self:
        if self.rooms * self.frames_per_room > _MOST_FRAMES:
            raise ValueError(
                f"{self.rooms} rooms of {self.frames_per_room} frames are more than the {_MOST_FRAMES} of one source"
            )
        return self

    @property
    def name(self) -> str:
        """What reports call this source."""
        return f"rooms-{self.seed}-walk" if self.walk else f"rooms-{self.seed}"


class FramesData(StrictModel):
    """RGB-D frames in a folder, given on the command line as ``--data NAME=PATH``."""

    kind: Literal["frames"]
    name: str
    every: int = Field(default=1, gt=0)
    folders: tuple[str, ...] = Field(
        default=(), description="folders of frames in the given one, each with a camera of its own, that are joined"
    )
    per_step: PerStep = 1
    views: int = Field(default=1, ge=1, le=_MOST_VIEWS, description="frames in a row that are always taken together")
    pixel_stride: int = Field(default=2, gt=0)
    fuse: bool = Field(default=False, description="frames that are taken together become one cloud, by their poses")
    licence: str = Field(description="licence of the data, for the record of the weight")
    attribution: str = ""


DataEntry = Annotated[RoomsData | FramesData, Field(discriminator="kind")]


class StudentSection(BackboneSection):
    """Which student, with which arguments and input convention."""

    module: str | None = Field(
        default=None, description="a module of the user's own that registers the backbone, imported first"
    )

    @field_validator("module")
    @classmethod
    def _is_a_module(cls, given: str | None) -> str | None:
        if given is not None and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", given):
            raise ValueError(f"must be the dotted name of a module, such as my_package.my_net, got {given!r}")
        return given


class TeacherSection(StrictModel):
    """The frozen 2D network, and where its file comes from."""

    spec: TeacherSpec
    name: str = Field(description="what the record calls the teacher")
    origin: str = Field(description="where its file can be had; recorded, never opened")
    licence: str
    features: Literal["cached", "online"] = "cached"
    image_flip: float = Field(default=0.0, ge=0, le=1, description="probability; needs online features")
    image_augmentation: ImageAugmentation = Field(default=ImageAugmentation.off(), description="needs online features")

    @model_validator(mode="after")
    def _changed_images_need_online(self) -> "TeacherSection":
        if self.image_flip > 0 and self.features == "cached":
            raise ValueError("image_flip needs features: online, since cached features belong to unflipped images")
        if not self.image_augmentation.is_off and self.features == "cached":
            raise ValueError(
                "image_augmentation needs features: online, since cached features belong to images as they are stored"
            )
        if self.image_flip > 0 and self.image_augmentation.flip > 0:
            raise ValueError("image_flip and image_augmentation.flip are the same: give one of them")
        return self

    @property
    def images(self) -> ImageAugmentation:
        """What happens to images before the teacher sees them, ``image_flip`` included."""
        if self.image_flip == 0:
            return self.image_augmentation
        return self.image_augmentation.model_copy(update={"flip": self.image_flip})


class FurtherTeacherSection(TeacherSection):
    """A teacher beside the first: the same pixels and loss, with projections of its own."""

    weight: float = Field(default=1.0, gt=0, description="of its loss in the sum of all losses")

    @model_validator(mode="after")
    def _sees_the_same_images(self) -> Self:
        if not self.images.is_off:
            raise ValueError("all teachers see the same images: give image_flip and image_augmentation to the first")
        return self


class LossSection(StrictModel):
    """Pixels against points: PPKT's NCE and the heads before it (PPKT, section 3), or a regression."""

    kind: Literal["nce", "l2", "cosine"] = "nce"
    level: str = "stride1"
    dim: int = Field(default=128, gt=0, le=MOST_DIM, description="of the common embedding; NCE only")
    temperature: float = Field(default=0.04, gt=0, description="NCE only")
    pairs: int = Field(default=4096, gt=1, le=MOST_PAIRS, description="pixel-point pairs a step, over all its frames")
    pair_sampling: PairSampling = "uniform"
    pair_voxel: float = Field(default=0.05, gt=0, description="metres; for sampling by voxel or inverse density")
    symmetric: bool = Field(default=False, description="pixels must find their points too; NCE only")
    false_negative_similarity: float | None = Field(
        default=None, ge=-1, le=1, description="pairs whose teacher features have a cosine above it are no negatives"
    )
    gather: bool = Field(default=True, description="negatives come from all processes; NCE only")
    upl: ProjectionKind = Field(default="linear", description="the pixels' projection: 1×1 as in the paper, or an MLP")
    upl_sampling: Sampling = Field(default="bilinear", description="how the pixels' embeddings are upsampled")
    point_head: ProjectionKind = "linear"
    weight: float = Field(default=1.0, gt=0, description="in the sum of all losses")
    deep: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="further levels that meet the pixels, each with its weight; NCE only"
    )

    @property
    def levels(self) -> set[str]:
        """All levels that meet the pixels."""
        return {self.level, *self.deep}

    @model_validator(mode="after")
    def _levels_differ(self) -> "LossSection":
        if self.level in self.deep:
            raise ValueError(f"deep names {self.level}, which is level itself: leave it out there")
        return self

    @model_validator(mode="after")
    def _belongs_to_nce(self) -> "LossSection":
        if self.kind != "nce" and (self.symmetric or self.false_negative_similarity is not None or self.deep):
            raise ValueError(f"symmetric, false_negative_similarity and deep belong to kind nce, not to {self.kind}")
        return self


class PointContrastSection(StrictModel):
    """PointInfoNCE between overlapping views (PointContrast, section 3); data entries with views: 2 give them."""

    level: str = "stride1"
    dim: int = Field(default=32, gt=0, le=MOST_DIM)
    temperature: float = Field(default=0.4, gt=0)
    pairs: int = Field(default=4096, gt=1, le=MOST_PAIRS, description="matched points a step, over all its views")
    gather: bool = True
    weight: float = Field(default=1.0, gt=0, description="in the sum of all losses")


class GlobalSection(StrictModel):
    """One vector of a cloud against one of its image: global L2, knowledge distillation, or their contrast (CRD)."""

    kind: DistillationKind | Literal["crd"] = "l2"
    level: str = "stride1"
    temperature: float = Field(default=1.0, gt=0, description="of kl and crd")
    dim: int = Field(default=128, gt=0, description="of the space in which crd compares both sides")
    weight: float = Field(default=1.0, gt=0, description="in the sum of all losses")


class SoftClassesSection(StrictModel):
    """The first teacher's class probabilities at the pixels of ``loss``, beside its features."""

    level: str = "stride1"
    temperature: float = Field(default=1.0, gt=0, description="of both softmaxes")
    weight: float = Field(default=1.0, gt=0, description="in the sum of all losses")


#: What a further teacher's name in ``start.new`` begins with.
NEW_TEACHER = "teachers."
NewLesson = Annotated[str, Field(pattern=r"^(point_contrast|soft_classes|deep|teachers\.[a-z][a-z0-9_]*)$")]


class StartSection(StrictModel):
    """The weight of an earlier run whose student and heads this run begins with; optimiser and schedule start anew."""

    weight: WeightName
    sha256: Sha256 = Field(description="of its model.safetensors")
    new: tuple[NewLesson, ...] = Field(
        default=(),
        description="losses and further teachers (teachers.NAME) that the earlier run did not have; their heads begin "
        "as random numbers",
    )


class WatchSection(StrictModel):
    """A kNN probe and a picture of features, every so many steps, on rooms that training never sees."""

    every: int = Field(gt=0)
    seed: int = Field(default=3, description="of the rooms")
    rooms: int = Field(default=6, ge=2, le=10_000, description="half of them fill the probe, the other half is asked")


class ValidationSection(StrictModel):
    """Retrieval on frames that training never sees, every so many steps."""

    data: RoomsData
    every: int = Field(gt=0)

    @model_validator(mode="after")
    def _check_a_whole_batch(self) -> Self:
        frames = self.data.rooms * self.data.frames_per_room
        if frames < self.data.per_step:
            raise ValueError(f"data.per_step is {self.data.per_step}, but there are {frames} frames: not one batch")
        return self
