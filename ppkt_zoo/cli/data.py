"""``ppkt-zoo data …``: look at RGB-D data, and pack it for training."""

from pathlib import Path
from typing import Annotated

import typer

from ppkt_zoo.cli.declare import Answer, with_options
from ppkt_zoo.cli.group import Group
from ppkt_zoo.cli.options import FrameReading, out_option
from ppkt_zoo.cli.streams import talk_console

data_app = typer.Typer(cls=Group, no_args_is_help=True, help="Inspect RGB-D data, and pack it for training.")


@data_app.command()
@with_options()
def inspect(
    reading: FrameReading,
    out: Annotated[Path | None, out_option("Folder for the pictures; SOURCE_inspect by default.")] = None,
) -> Answer:
    """Report what a folder of frames holds: sizes, depths, holes, poses; draw some frames and a map of the cameras."""
    from ppkt_zoo.cli.run.frames import inspect_frames

    target = Path(f"{reading.path.resolve().stem}_inspect") if out is None else out
    return inspect_frames(reading, target, talk_console())


@data_app.command()
@with_options()
def pack(
    reading: FrameReading,
    out: Annotated[Path, typer.Argument(help="A new folder for the shards and their index.")],
    shard_size: Annotated[int, typer.Option(help="Size of a shard in megabytes (10⁶ bytes).", min=1)] = 128,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Remove shards that are in OUT, complete or not, and start again.")
    ] = False,
) -> Answer:
    """Pack frames into tar shards, which the webdataset library reads too, with an index beside them.

    If it was stopped, the same command resumes.
    """
    from ppkt_zoo.cli.run.frames import pack_source

    return pack_source(reading, out, shard_size, overwrite, talk_console())
