"""``ppkt-zoo data …``: look at RGB-D data, and pack it for training."""

from pathlib import Path
from typing import Annotated

import typer

from ppkt_zoo.cli.options import (
    DepthScaleOption,
    Group,
    IntrinsicsOption,
    camera,
    new_console,
    say,
    talk_console,
    tell_written,
)

data_app = typer.Typer(cls=Group, no_args_is_help=True, help="Look at RGB-D data, and pack it for training.")


@data_app.command()
def inspect(
    source: Annotated[Path, typer.Argument(help="RGB-D frames in any format that is known.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the pictures; SOURCE_inspect by default.")
    ] = None,
    every: Annotated[
        int | None, typer.Option(help="Look at every n-th frame; by default at 400 at most.", min=1)
    ] = None,
    intrinsics: IntrinsicsOption = None,
    depth_scale: DepthScaleOption = None,
    up: Annotated[str, typer.Option(help="How poses are turned to z up: gravity, camera-y, world-z.")] = "gravity",
) -> None:
    """What a folder of frames holds: sizes, depths, holes, poses; a sheet of frames and a map of the cameras."""
    from ppkt_zoo.cli.run.inspect import inspect_frames

    target = Path(f"{source.resolve().stem}_inspect") if out is None else out
    done = inspect_frames(source, target, every, camera(intrinsics), up, talk_console(), depth_scale, new_console())
    tell_written(done.sheet, done.map)


@data_app.command()
def pack(
    source: Annotated[Path, typer.Argument(help="RGB-D frames in any format that is known.")],
    out: Annotated[Path, typer.Argument(help="A new folder for the shards and their index.")],
    shard_size: Annotated[int, typer.Option(help="Megabytes (10⁶ bytes) of a shard.", min=1)] = 128,
    every: Annotated[int, typer.Option(help="Take every n-th frame.", min=1)] = 1,
    intrinsics: IntrinsicsOption = None,
    depth_scale: DepthScaleOption = None,
    up: Annotated[str, typer.Option(help="How poses are turned to z up: gravity, camera-y, world-z.")] = "gravity",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Remove shards that lie in OUT, whole or unfinished, and begin anew.")
    ] = False,
) -> None:
    """Pack frames into tar shards that the webdataset library reads too, with an index beside them.

    Where it was stopped, the same command goes on.
    """
    from ppkt_zoo.cli.run.steps import Steps, thousands
    from ppkt_zoo.data.readers.open import open_frames
    from ppkt_zoo.data.shards.writer import pack_frames
    from ppkt_zoo.data.subset import subset
    from ppkt_zoo.errors import InputError
    from ppkt_zoo.files.reading import usable_path

    with Steps(talk_console()).step("pack", f"packing {source}") as step:
        frames = subset(open_frames(source, camera(intrinsics), up, depth_scale), slice(0, None, every))
        index = pack_frames(
            frames,
            usable_path(out, InputError, "folder for shards"),
            shard_size * 1_000_000,
            overwrite=overwrite,
            say=lambda line: say("note", "dim", line),
        )
        size = sum(shard.size for shard in index.shards) / 1e6
        files = "1 tar file" if len(index.shards) == 1 else f"{len(index.shards)} tar files"
        packed = f"{thousands(index.frames)} frames, {size:.1f} MB in {files}"
        step.text = f"{packed} and an index, in {out}"
    for line in index.skipped:
        say("left out", "bold yellow", line)
    if index.skipped:
        say("left out", "bold yellow", f"{len(index.skipped)} of {len(index.skipped) + index.frames} frames")
    tell_written(out)
