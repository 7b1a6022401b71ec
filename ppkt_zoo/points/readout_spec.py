"""Read-outs: how the features of a point are taken from a network's levels, and which read-out serves what.

A weight records them in a :class:`ReadoutSpec`, as it records how it wants its points in an
:class:`~ppkt_zoo.points.input_spec.InputSpec`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StringConstraints, field_validator

from ppkt_zoo.files.validation import StrictModel

Sampling = Literal["nearest", "trilinear"]
Extra = Literal["color", "height"]
#: What features are wanted for.
Purpose = Literal["many_classes", "few_labels", "similarity"]

SAMPLINGS: tuple[Sampling, ...] = get_args(Sampling)
EXTRAS: tuple[Extra, ...] = get_args(Extra)
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
#: Channels that each extra appends.
EXTRA_CHANNELS: dict[Extra, int] = {"color": 3, "height": 1}
#: More turns cost time and change nothing.
MOST_VIEWS = 64
#: Raised by one whenever the same read-out of the same features gives other numbers.
READOUT_VERSION = 1


class ReadOut(StrictModel):
    """One way to take a point's features; its fields are arguments of :meth:`~ppkt_zoo.backbones.Backbone.encode`."""

    levels: Literal["last", "concat"] = Field(default="last", description="the finest, or all, standardised, in a row")
    sampling: Sampling = Field(default="nearest", description="of a point's own voxel, or between occupied voxels")
    extras: tuple[Extra, ...] = Field(default=(), description="appended to the features")
    views: int = Field(default=1, ge=1, le=MOST_VIEWS, description="turns about z whose mean is taken")

    @field_validator("extras")
    @classmethod
    def _extras_are_distinct(cls, extras: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(extras)) != len(extras):
            raise ValueError("names no extra twice")
        return extras

    def __str__(self) -> str:
        parts = ["all levels" if self.levels == "concat" else "last level", self.sampling]
        parts += [" and ".join(self.extras)] if self.extras else []
        return ", ".join([*parts, *([f"{self.views} views"] if self.views > 1 else [])])

    def channels(self, levels: Mapping[str, int]) -> int:
        """Channels of what it gives, for a network of these levels (name → channels, coarse to fine)."""
        wide = list(levels.values())
        return (sum(wide) if self.levels == "concat" else wide[-1]) + sum(EXTRA_CHANNELS[one] for one in self.extras)

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``encode``."""
        return {name: getattr(self, name) for name in ("levels", "sampling", "extras", "views")}


class ReadoutSpec(StrictModel):
    """The read-outs that a weight recommends, and what its channels' statistics were computed on.

    The statistics themselves, mean and spread of every channel of every level, are tensors beside the weight's own.
    """

    recommended: dict[Purpose, ReadOut] = Field(
        default={}, description="the read-out for each purpose that it has one for"
    )
    computed_on: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="clouds of which mean and spread of each channel were taken"
    )
    version: int = READOUT_VERSION

    @field_validator("recommended")
    @classmethod
    def _in_order(cls, recommended: dict[Purpose, ReadOut]) -> dict[Purpose, ReadOut]:
        return {purpose: recommended[purpose] for purpose in PURPOSES if purpose in recommended}
