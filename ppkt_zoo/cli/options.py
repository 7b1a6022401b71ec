"""The options that commands share, and values of several parts."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ppkt_zoo.cli.known_names import weight_names
from ppkt_zoo.errors import InputError

# Of --levels: every one, each in an array of its own.
ALL_LEVELS = "all"

DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …")]
EngineOption = Annotated[str, typer.Option(help="Implementation of sparse convolution: auto, torch, spconv, …")]
WeightOption = Annotated[
    str | None,
    typer.Option(
        "--weight",
        "-w",
        help="A name that `list` prints, local-dir:PATH or hf-hub:OWNER/REPO@COMMIT.",
        autocompletion=weight_names,
    ),
]


def out_option(help: str) -> Any:
    """``--out`` of a command, for its annotation."""
    return typer.Option("--out", "-o", help=help)


@dataclass(frozen=True, kw_only=True)
class FrameReading:
    """Which RGB-D frames are read, and how: each field is an option of the commands that read frames."""

    path: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A folder of RGB-D frames, in any of the supported formats.")
    ]
    every: Annotated[
        int | None, typer.Option(help="Use every n-th frame; by default all, `inspect` at most 400.", min=1)
    ] = None
    intrinsics: Annotated[
        str | None,
        typer.Option(
            metavar="FX,FY,CX,CY|FILE",
            help="Camera intrinsics, for frames without: four numbers in pixels, the nine of a 3×3 matrix, or a file.",
        ),
    ] = None
    depth_scale: Annotated[
        float | None,
        typer.Option(
            help="For frames: stored depth units per metre, such as 1000 for millimetres, 5000 for TUM, 4000 or 10000 "
            "for some RealSense cameras; by default that of the format."
        ),
    ] = None
    up: Annotated[
        str | None, typer.Option(help="How poses are turned so that z points up: gravity (default), camera-y, world-z.")
    ] = None


# As ppkt_zoo.points.units and ppkt_zoo.data.own_cloud have them, which import numpy.
UnitName = StrEnum("UnitName", "mm cm m ft auto")
MeshName = StrEnum("MeshName", "auto surface vertices")


@dataclass(frozen=True, kw_only=True)
class Reading(FrameReading):
    """Which points are read, how, and what computes on them."""

    path: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A point cloud (ply, pcd, las, e57, npz, …), a mesh (glb, obj, stl, …), or a folder of RGB-D frames.",
        ),
    ]
    every: Annotated[
        int | None, typer.Option(help="For frames: use every n-th one; by default about 40 are used.", min=1)
    ] = None
    frame: Annotated[int | None, typer.Option(help="For frames: use this one alone, counted from 0.", min=0)] = None
    up: Annotated[
        str | None,
        typer.Option(
            help="For a point cloud, the axis that points up (z by default, y, -y, …), or gravity to find it from the "
            "surfaces. For frames: gravity (default), camera-y, world-z."
        ),
    ] = None
    unit: Annotated[
        UnitName | None,
        typer.Option(
            help="For a file: unit of its coordinates; auto takes what the file says, or guesses from the extent and "
            "says so. By default what the format defines, else metres."
        ),
    ] = None
    mesh: Annotated[
        MeshName,
        typer.Option(
            help="For a mesh: points sampled on its surface, or its vertices in their order; auto does the first, but "
            "the second for .ply."
        ),
    ] = MeshName.auto
    tile: Annotated[
        str,
        typer.Option(
            metavar="auto|none|METRES",
            help="How clouds too big for memory are cut: auto (boxes of some 800 000 voxels), none, or square columns "
            "with edges of this many metres. Parts overlap, so that cutting takes several times as long.",
        ),
    ] = "none"
    device: DeviceOption = "cpu"
    engine: EngineOption = "auto"


# As ppkt_zoo.points.readout_spec has them, which would import much before a command is called.
PurposeName = StrEnum("PurposeName", "many_classes few_labels similarity")
SamplingName = StrEnum("SamplingName", "nearest trilinear")


@dataclass(frozen=True, kw_only=True)
class FeatureReading(Reading):
    """Which points are read, and how a point's features are read from the network's levels."""

    read_out: Annotated[
        PurposeName | None,
        typer.Option(help="Read features as the weight recommends for this purpose, in place of the four below."),
    ] = None
    levels: Annotated[
        str,
        typer.Option(
            metavar="last|concat|LEVEL",
            help="The finest level, all levels on one scale in one array, or a level by its name.",
        ),
    ] = "last"
    sampling: Annotated[
        SamplingName, typer.Option(help="The feature of a point's own voxel, or interpolated between occupied voxels.")
    ] = SamplingName.nearest
    extras: Annotated[
        str, typer.Option(metavar="color,height", help="Append colour, or height above the floor, to the features.")
    ] = ""
    views: Annotated[int, typer.Option(help="Mean of the features over this many turns about the vertical.", min=1)] = 1

    @property
    def is_plain(self) -> bool:
        """Whether a level's own features are asked for."""
        plain = self.read_out is None and self.sampling is SamplingName.nearest
        return plain and not self.extras and self.views == 1

    @property
    def how(self) -> dict[str, Any]:
        """Keyword arguments of ``encode`` beside ``levels``."""
        extras = tuple(one.strip() for one in self.extras.split(",") if one.strip())
        readout = None if self.read_out is None else self.read_out.value
        return {"sampling": self.sampling.value, "extras": extras, "views": self.views, "readout": readout}


@dataclass(frozen=True, kw_only=True)
class EachReading(FeatureReading):
    """How each of several sources is read; which ones is told beside it."""

    path: Path = Path()


def named_values(option: str, what: str, example: str, entries: list[str] | None) -> dict[str, str]:
    """All of an option such as ``--data``, NAME=PATH; InputError where one is something else, or a name comes twice."""
    found: dict[str, str] = {}
    for entry in entries or []:
        name, equals, value = entry.partition("=")
        if not equals or not name or not value:
            raise InputError(f"{option} {entry!r} must be NAME={what}, e.g. {option} {example}")
        if name in found:
            raise InputError(f"{option} gives {name!r} twice, as {found[name]} and as {value}: leave one out")
        found[name] = value
    return found


def numbers(option: str, text: str, example: str = "525,525,319.5,239.5") -> tuple[float, ...]:
    """Numbers separated by commas; InputError where it is something else."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text!r} must be numbers separated by commas, e.g. {example}") from None
