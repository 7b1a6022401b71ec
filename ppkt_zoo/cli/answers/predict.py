"""What encode, similar, segment, detect and demo find."""

from typing import Self

from pydantic import Field

from ppkt_zoo.cli.answers.base import Files, PathText
from ppkt_zoo.files.validation import StrictModel

Place = tuple[float, float, float]


class Source(StrictModel):
    """The points that were read."""

    path: PathText
    description: str = Field(description="what was read of it, such as the number of frames that were fused")
    points: int
    colored: bool
    extent: Place = Field(description="width, depth and height in metres, z up")


class Prediction(Files):
    """What the four commands that look at a cloud have in common."""

    source: Source
    device: str
    engine: str = Field(description="implementation of sparse convolution that computed")
    seconds: dict[str, float] = Field(description="of each step")


class Array(StrictModel):
    """An array of the file that was written."""

    dtype: str
    shape: tuple[int, ...]


class Encoded(Prediction):
    """Of ``encode``."""

    weight: str
    voxel_size: float = Field(description="metres")
    arrays: dict[str, Array] = Field(description="features, and features.LEVEL where all levels were asked for")


class Match(StrictModel):
    """A point and how similar its feature is."""

    xyz: Place = Field(description="metres, in the coordinates of the source with z up")
    similarity: float = Field(description="cosine, -1 to 1")


class SimilarPoints(Prediction):
    """Of ``similar``."""

    weight: str
    voxel_size: float = Field(description="metres")
    point: Place = Field(description="the point nearest to --at, which all are compared with; metres")
    matches: tuple[Match, ...] = Field(description="the most similar points, --apart from it and from each other")


class ClassShare(StrictModel):
    """A class and how many points are predicted to be of it."""

    label: int = Field(description="as the file that was written has it")
    name: str
    points: int


class Segmented(Prediction):
    """Of ``segment``."""

    model: str
    classes: tuple[ClassShare, ...] = Field(description="all classes of the model, in their order")


class Box(StrictModel):
    """An object, as ``SOURCE_boxes.json`` has it."""

    name: str = Field(alias="class")
    score: float
    center: Place = Field(description="metres, z up")
    size: Place = Field(description="full lengths in metres")
    heading: float = Field(description="radians, counter-clockwise about z")

    @classmethod
    def of(cls, row: dict[str, object]) -> Self:
        """From a row of that file."""
        return cls.model_validate(row)


class Detected(Prediction):
    """Of ``detect``."""

    model: str
    classes: tuple[str, ...] = Field(description="that the model knows")
    boxes: tuple[Box, ...] = Field(description="highest score first")


class Viewed(Files):
    """Of ``view``."""

    source: Source
    weight: str | None = Field(description="what made the features; null where none was loaded")
    shown: int = Field(description="points in the page")
    notes: tuple[str, ...] = Field(description="what the page says of itself: thinning, what was left out, accuracy")
    seconds: dict[str, float] = Field(description="of each step")


class Demo(Files):
    """Of ``demo``."""

    weight: str
    parameters: int
    seed: int
    points: int
    channels: int
    voxels: int
    seconds: dict[str, float] = Field(description="of each step")
