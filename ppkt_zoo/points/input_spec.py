"""InputSpec: how a weight wants its points. It belongs to the weight, never to the caller."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from ppkt_zoo.files.validation import StrictModel

Channel = Literal["red", "green", "blue", "ones", "has_color", "height"]
#: Channels that hold a colour, and which one.
COLORS: dict[Channel, int] = {"red": 0, "green": 1, "blue": 2}

#: Raised by one whenever :func:`ppkt_zoo.points.voxelize.voxelize` or the channel rule changes a result.
PREPROCESSING_VERSION = 1


class InputSpec(StrictModel):
    """The input convention of a weight.

    A colour channel's value is ``colour / 255 * (high - low) + low`` where ``(low, high)`` is
    ``color_range`` and colour is the uint8 mean over the points of a voxel; ``ones`` is 1 everywhere, ``has_color`` 1
    in a cloud with colour and 0 in one without, whose colours are grey (127.5). ``height`` is metres from the floor of
    the whole cloud, which one point in a hundred may lie below, to the middle of the voxel.
    """

    voxel_size: float = Field(gt=0, le=10, description="edge of a voxel in metres")
    channels: tuple[Channel, ...] = ("red", "green", "blue")
    color_range: tuple[float, float] = (-0.5, 0.5)
    missing_color: Literal["error", "grey"] = "error"
    up_axis: Literal["z"] = "z"
    preprocessing: int = PREPROCESSING_VERSION

    @field_validator("channels")
    @classmethod
    def _channels_are_distinct(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        if not channels or len(set(channels)) != len(channels):
            raise ValueError("channels must name at least one channel and none twice")
        return channels

    @field_validator("color_range")
    @classmethod
    def _range_rises(cls, color_range: tuple[float, float]) -> tuple[float, float]:
        if not color_range[0] < color_range[1]:
            raise ValueError("color_range must be (low, high) with low < high")
        return color_range

    @model_validator(mode="after")
    def _flag_has_two_values(self) -> "InputSpec":
        if "has_color" in self.channels and self.missing_color == "error":
            raise ValueError("the channel has_color tells clouds without colour apart: set missing_color to grey")
        return self

    @property
    def wants_color(self) -> bool:
        """Whether any channel is a colour."""
        return any(channel in COLORS for channel in self.channels)
