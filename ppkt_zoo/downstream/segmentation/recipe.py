"""SegmentationRecipe: everything that makes a fine-tuned segmentation model, in one complete YAML file."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.downstream.recipe import (
    DownstreamRecipe,
    LabelledFramesData,
    OwnData,
    RoomsBenchData,
    S3DISData,
    ScanNetData,
)
from ppkt_zoo.files.validation import OptimiserSection, StrictModel
from ppkt_zoo.points.readout_spec import Purpose, ReadOut


class CropSection(StrictModel):
    """What is cut out of a large scene, so that a step's memory has a bound."""

    edge: float | None = Field(default=None, gt=0, description="metres of a square column about a random point")
    points: int | None = Field(default=None, gt=0, description="the nearest so many of its middle, seen from above")


class SegmentationOptimiser(OptimiserSection):
    """The optimiser, with what fine-tuning needs beside."""

    dampening: float = Field(default=0.0, ge=0, lt=1, description="SGD only")
    head_lr: float = Field(default=1.0, gt=0, description="the head's rate over the backbone's")


class SegmentationRecipe(DownstreamRecipe):
    """One complete description of a fine-tuning for segmentation."""

    folder: ClassVar[str] = "segmentation"
    level: str = "last"
    readout: Purpose | ReadOut | None = Field(
        default=None, description="in place of a level: what the weight recommends for a purpose, or a read-out"
    )
    data: Annotated[
        LabelledFramesData | OwnData | RoomsBenchData | S3DISData | ScanNetData, Field(discriminator="kind")
    ]
    crop: CropSection = CropSection()
    loss_on: Literal["voxels", "points"] = Field(default="voxels", description="one labelled point a voxel, or all")
    batch_norm_momentum: float = Field(default=0.02, gt=0, le=1)
    optimiser: SegmentationOptimiser
    augmentation: CloudAugmentation
    voting: int = Field(default=1, gt=0, description="turns at the test at the end")


load_segmentation_recipe = SegmentationRecipe.load
