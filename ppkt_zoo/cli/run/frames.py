"""A folder of RGB-D frames → its contents: figures on the terminal, a sheet of frames, a map of the cameras."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from ppkt_zoo.cli.run.source import FAR, FUSED_SPACING, read_frames
from ppkt_zoo.cli.run.steps import Steps, thousands
from ppkt_zoo.cli.streams import say
from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.fuse import fuse, poses_join
from ppkt_zoo.data.shards.writer import pack_frames
from ppkt_zoo.data.statistics import FrameStatistics, frame_statistics
from ppkt_zoo.data.subset import Subset
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.files.targets import check_folder_target
from ppkt_zoo.points.back_projection import pixel_values
from ppkt_zoo.visualization.camera_map import camera_map
from ppkt_zoo.visualization.frame_sheet import frame_sheet
from ppkt_zoo.visualization.picture import save_picture

if TYPE_CHECKING:
    from ppkt_zoo.cli.options import FrameReading

# Enough to know a data set, few enough to be read in half a minute.
_MOST_READ = 400
_MOST_FUSED = 40
_SHOWN = 12
_FEW_LINES = 5


def inspect_frames(
    reading: "FrameReading", out: Path, console: Console | None = None, results: Console | None = None
) -> tuple[Path, Path | None]:
    """Look at a folder of frames: print its contents, and draw ``sheet.png`` and ``map.png``.

    Args:
        reading: where and how; 400 frames at most are looked at unless ``every`` says otherwise.
        out: folder for the pictures.
        console: where progress is told; standard error by default.
        results: where to print its contents; ``console`` by default.

    Returns:
        The two pictures; no map where no frame has a pose.

    Raises:
        FrameError: no frames there, or none that can be read.
    """
    check_folder_target(out, InputError, "--out")
    steps = Steps(console)
    with steps.step("reader", f"opening {reading.path}") as step:
        frames = read_frames(reading)
        step.text = f"{type(frames).__name__}: {thousands(len(frames))} frames of {frames.name}"
    with steps.step("frames", f"reading {frames.name}") as step:
        chosen = range(0, len(frames), reading.every or -(-len(frames) // _MOST_READ))
        found = frame_statistics(frames, chosen)
        if not found.readable:
            raise FrameError(f"{frames.name}: not one of {found.looked_at} frames can be read: {found.damaged[0]}")
        step.text = f"looked at {thousands(found.looked_at)}, {thousands(len(found.damaged))} of them cannot be read"
    with steps.step("sheet", "drawing a sheet") as step:
        shown = [frames[index] for index in _spread(found.readable, _SHOWN)]
        title = f"{frames.name}: {len(shown)} of {len(frames)} frames"
        sheet = save_picture(frame_sheet(shown, title), out / "sheet.png")
        step.text = f"{sheet}: colour, depth{', labels' if found.labels else ''}"
    drawn: Path | None = None
    if found.positions:
        with steps.step("map", "fusing frames") as step:
            drawn, step.text = _draw_map(frames, found, out / "map.png")
    (steps if results is None else Steps(results)).listing("contents", describe(frames, found))
    return sheet, drawn


def describe(frames: FrameSource, found: FrameStatistics) -> list[tuple[str, str]]:
    """Lines (thing, what it is) for the terminal."""
    lines = [("frames", f"{thousands(len(frames))}, looked at {thousands(found.looked_at)}")]
    lines += [("cannot be read", line) for line in _some(found.damaged)]
    for field in ("skipped", "unmatched"):
        left_out = getattr(frames, field, None)
        if isinstance(left_out, dict):
            left_out = [f"{name}: {value}" for name, value in left_out.items() if value]
        lines += [(f"{field} by the reader", line) for line in _some([str(one) for one in left_out or ()])]
    lines += [("image", f"{w}×{h}{_share(count, found)}") for (w, h), count in found.sizes.most_common(_FEW_LINES)]
    for (fx, fy, cx, cy), count in found.cameras.most_common(_FEW_LINES):
        lines.append(("intrinsics", f"fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g}{_share(count, found)}"))
    low, middle, high = (found.depth_at(part) for part in (0.01, 0.5, 0.99))
    lines.append(("depth", f"{low:.2f} to {high:.2f} m (1st and 99th percentile), median {middle:.2f} m"))
    lines.append(("holes", f"{100 * found.holes:.1f} % of pixels"))
    lines.append(("poses", _poses(found)))
    if found.labels:
        known = sum(found.labels.values())
        part = 100 * known / (known + found.unlabelled)
        lines.append(("labels", f"{len(found.labels)} classes on {part:.0f} % of pixels of labelled frames"))
    return lines


def _poses(found: FrameStatistics) -> str:
    if not found.positions:
        return "none"
    places = np.array(list(found.positions.values()))
    if not places.any():
        return f"{thousands(len(places))}, each in its own world: upright, but they join no frames"
    length = float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())
    extent = " × ".join(f"{edge:.1f}" for edge in np.ptp(places, axis=0))
    return f"{thousands(len(places))}; cameras over {extent} m, a path of {length:.1f} m"


def _draw_map(frames: FrameSource, found: FrameStatistics, path: Path) -> tuple[Path, str]:
    posed = [index for index in found.readable if index in found.positions]
    if poses_join(Subset(frames, posed)) or len(frames) == 1:
        chosen = _spread(posed, _MOST_FUSED)
        cloud = fuse(frames, chosen, voxel=FUSED_SPACING, stride=2, far=FAR)
        xyz, rgb, cameras = cloud.xyz, cloud.rgb, [frames[index] for index in chosen]
        places = np.array([found.positions[index] for index in posed])
        left_out = f" ({len(cloud.skipped)} left out)" if cloud.skipped else ""
        told = f"{len(chosen) - len(cloud.skipped)} of {len(frames)} frames, fused{left_out}"
    else:
        one = frames[posed[len(posed) // 2]]
        xyz, rgb = _single(one)
        cameras, places = [one], np.array([found.positions[posed[len(posed) // 2]]])
        told = f"{one.name} alone, since no poses join the frames"
    picture = camera_map(xyz, rgb, cameras, places, f"{frames.name} from above: {told}")
    return save_picture(picture, path), f"{path}: {told}"


def _single(frame: RGBDFrame) -> tuple[np.ndarray, np.ndarray]:
    xyz, rgb, pixel = frame.points(stride=2)
    near = pixel_values(frame.depth, pixel) <= FAR
    return xyz[near], rgb[near]


def _spread(indices: list[int], most: int) -> list[int]:
    """At most so many of them, evenly spread, the first and the last among them."""
    if len(indices) <= most:
        return indices
    return [indices[place] for place in np.linspace(0, len(indices) - 1, most).round().astype(int)]


def _some(lines: list[str]) -> list[str]:
    rest = len(lines) - _FEW_LINES
    return lines[:_FEW_LINES] + ([f"and {thousands(rest)} more"] if rest > 0 else [])


def _share(count: int, found: FrameStatistics) -> str:
    return "" if count == len(found.readable) else f" ({thousands(count)} frames)"


def pack_source(reading: "FrameReading", out: Path, shard_size: int, overwrite: bool, console: Console) -> None:
    """Pack frames, see :func:`ppkt_zoo.data.shards.writer.pack_frames`, and tell which were left out.

    ``shard_size`` is in megabytes (10⁶ bytes); the arguments are those of ``ppkt-zoo data pack``.

    Raises:
        InputError, FrameError: no frames there, or ``out`` holds something else.
    """
    with Steps(console).step("pack", f"packing {reading.path}") as step:
        index = pack_frames(
            Subset(read_frames(reading), slice(0, None, reading.every or 1)),
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
