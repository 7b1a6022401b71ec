"""What data inspect and data pack find."""

from pydantic import Field

from ppkt_zoo.cli.answers.base import Figure, Files
from ppkt_zoo.files.validation import StrictModel


class ImageSize(StrictModel):
    """How many frames have images of this size, pixels."""

    width: int
    height: int
    frames: int


class Camera(StrictModel):
    """How many frames have these intrinsics, pixels."""

    fx: float
    fy: float
    cx: float
    cy: float
    frames: int


class Depth(StrictModel):
    """Metres."""

    percentile_1: Figure
    median: Figure
    percentile_99: Figure


class Inspected(Files):
    """Of ``data inspect``."""

    name: str
    reader: str
    frames: int
    looked_at: int
    damaged: tuple[str, ...] = Field(description="why frames that were looked at cannot be read")
    skipped: tuple[str, ...] = Field(description="what the reader left out, and why")
    unmatched: tuple[str, ...] = Field(description="images that the reader found without a partner")
    sizes: tuple[ImageSize, ...]
    cameras: tuple[Camera, ...]
    depth: Depth
    holes: float = Field(description="part of all pixels without depth")
    poses: int = Field(description="frames with a pose, of those that were looked at")
    labels: int = Field(description="classes that occur")
    labelled: Figure = Field(description="part of the pixels of labelled frames that have a class; null without labels")


class Packed(Files):
    """Of ``data pack``."""

    frames: int
    shards: int
    bytes: int
    left_out: tuple[str, ...] = Field(description="frames that are in no shard, and why")
