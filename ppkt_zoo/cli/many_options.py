"""The options of ``encode`` that say which of several sources are encoded, into what, and by how many processes."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

_PANEL = "Several sources"
# As ppkt_zoo.points.files.cloud_writers has them, which imports numpy.
FormatName = StrEnum("FormatName", "npz ply parquet zarr")

SourcesArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="SOURCE",
        help="A point cloud (ply, pcd, las, e57, npz, …), a mesh (glb, obj, stl, …), or a folder of RGB-D frames; "
        "several of them, a pattern such as 'scans/*.ply', or a folder of point files.",
        show_default=False,
    ),
]
ListOption = Annotated[
    Path | None,
    typer.Option(
        "--list",
        metavar="FILE",
        help="Encode what this file lists: a path on each line, from the folder of the file.",
        rich_help_panel=_PANEL,
    ),
]
FormatOption = Annotated[
    FormatName | None,
    typer.Option("--format", help="Of the files in the folder --out; npz by default.", rich_help_panel=_PANEL),
]
WorkersOption = Annotated[
    int,
    typer.Option(help="Processes; each loads the weight and holds one cloud at a time.", min=1, rich_help_panel=_PANEL),
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Make outputs again that were made of another weight, other options or other content, in place of "
        "refusing them.",
        rich_help_panel=_PANEL,
    ),
]
BaseOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Mirror the folders below this one; by default the folder that was given, that of the list, or the one "
        "that all sources lie in.",
        rich_help_panel=_PANEL,
    ),
]
