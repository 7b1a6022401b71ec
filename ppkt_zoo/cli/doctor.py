"""``ppkt-zoo doctor``: is the installation sound, and what is this file?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ppkt_zoo.cli.declare import Answer, with_options
from ppkt_zoo.cli.options import UnitName, WeightOption


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """What is examined, and what is known of it: each field is an option of ``doctor``."""

    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SOURCE]", help="A point cloud, a mesh, or a folder of RGB-D frames; without it, the installation."
        ),
    ] = None
    weight: WeightOption = None
    unit: Annotated[
        UnitName | None, typer.Option(help="Unit of a file's coordinates, where you know it; else it is judged.")
    ] = None
    up: Annotated[
        str | None, typer.Option(help="Axis of a file that points up, where you know it; else it is judged.")
    ] = None
    intrinsics: Annotated[
        str | None, typer.Option(metavar="FX,FY,CX,CY|FILE", help="Camera intrinsics, for frames without.")
    ] = None
    depth_scale: Annotated[float | None, typer.Option(help="For frames: stored depth units per metre.")] = None


@with_options()
def doctor(complaint: Complaint) -> Answer:
    """Examine the installation, or what a file or folder holds: unit, vertical, density, colours; print the command
    that reads it right.

    Exit code 0 where all is well or there is something to know, 2 where something does not work.
    """
    from ppkt_zoo.cli.run.doctor import examine

    return examine(complaint)
