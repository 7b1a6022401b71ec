"""A folder of RGB-D frames → shards for training."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ppkt_zoo.cli.run.source import read_frames
from ppkt_zoo.cli.run.steps import Steps, thousands
from ppkt_zoo.cli.streams import say
from ppkt_zoo.data.shards.writer import pack_frames
from ppkt_zoo.data.subset import subset
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.reading import usable_path

if TYPE_CHECKING:
    from ppkt_zoo.cli.options import FrameReading


def pack_source(reading: "FrameReading", out: Path, shard_size: int, overwrite: bool, console: Console) -> None:
    """Pack frames, see :func:`ppkt_zoo.data.shards.writer.pack_frames`, and tell which were left out.

    Args:
        reading: where and how; all frames unless ``every`` says otherwise.
        out: folder for the shards and their index.
        shard_size: megabytes (10⁶ bytes) of a shard.
        overwrite: remove shards that lie there.
        console: where progress is told.

    Raises:
        InputError, FrameError: no frames there, or ``out`` holds something else.
    """
    with Steps(console).step("pack", f"packing {reading.path}") as step:
        index = pack_frames(
            subset(read_frames(reading), slice(0, None, reading.every or 1)),
            usable_path(out, InputError, "folder for shards"),
            shard_size * 1_000_000,
            overwrite=overwrite,
            say=lambda line: say("note", "dim", line),
        )
        size = sum(shard.size for shard in index.shards) / 1e6
        files = "1 tar file" if len(index.shards) == 1 else f"{len(index.shards)} tar files"
        step.text = f"{thousands(index.frames)} frames, {size:.1f} MB in {files} and an index, in {out}"
    for line in index.skipped:
        say("left out", "bold yellow", line)
    if index.skipped:
        say("left out", "bold yellow", f"{len(index.skipped)} of {len(index.skipped) + index.frames} frames")
