"""A folder of RGB-D frames → its contents: figures on the terminal, a sheet of frames, a map of the cameras."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from ppkt_zoo.cli.answers.data import Camera, Depth, ImageSize, Inspected, Packed
from ppkt_zoo.cli.run.source import FAR, FUSED_SPACING, read_frames
from ppkt_zoo.cli.run.steps import Steps, listing, thousands
from ppkt_zoo.cli.streams import alert, say
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
# Parts of the measured pixels whose depth is told.
_DEPTHS = (0.01, 0.5, 0.99)


def inspect_frames(reading: "FrameReading", out: Path, console: Console | None = None) -> Inspected:
    """Look at a folder of frames: tell its contents, and draw ``sheet.png`` and, where frames have poses, ``map.png``.

    Args:
        reading: where and how; 400 frames at most are looked at unless ``every`` says otherwise.
        out: folder for the pictures.
        console: where progress is told; standard error by default.

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
    files = (sheet,) if drawn is None else (sheet, drawn)
    return _answer(frames, found, files).told(listing("contents", describe(frames, found)))


def _answer(frames: FrameSource, found: FrameStatistics, files: tuple[Path, ...]) -> Inspected:
    known = sum(found.labels.values())
    low, middle, high = (found.depth_at(part) for part in _DEPTHS)
    return Inspected(
        name=frames.name,
        reader=type(frames).__name__,
        frames=len(frames),
        looked_at=found.looked_at,
        damaged=tuple(found.damaged),
        skipped=_left_out(frames, "skipped"),
        unmatched=_left_out(frames, "unmatched"),
        sizes=tuple(ImageSize(width=w, height=h, frames=count) for (w, h), count in found.sizes.most_common()),
        cameras=tuple(
            Camera(fx=fx, fy=fy, cx=cx, cy=cy, frames=count) for (fx, fy, cx, cy), count in found.cameras.most_common()
        ),
        depth=Depth(percentile_1=low, median=middle, percentile_99=high),
        holes=found.holes,
        poses=len(found.positions),
        labels=len(found.labels),
        labelled=known / (known + found.unlabelled) if found.labels else None,
        files=files,
    )


def _left_out(frames: FrameSource, field: str) -> tuple[str, ...]:
    """What a reader left out, in its own words."""
    given = getattr(frames, field, None)
    if isinstance(given, dict):
        given = [f"{name}: {value}" for name, value in given.items() if value]
    return tuple(str(one) for one in given or ())


def describe(frames: FrameSource, found: FrameStatistics) -> list[tuple[str, str]]:
    """Lines (thing, what it is) for the terminal."""
    lines = [("frames", f"{thousands(len(frames))}, looked at {thousands(found.looked_at)}")]
    lines += [("cannot be read", line) for line in _some(found.damaged)]
    for field in ("skipped", "unmatched"):
        lines += [(f"{field} by the reader", line) for line in _some(list(_left_out(frames, field)))]
    lines += [("image", f"{w}×{h}{_share(count, found)}") for (w, h), count in found.sizes.most_common(_FEW_LINES)]
    for (fx, fy, cx, cy), count in found.cameras.most_common(_FEW_LINES):
        lines.append(("intrinsics", f"fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g}{_share(count, found)}"))
    low, middle, high = (found.depth_at(part) for part in _DEPTHS)
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


def pack_source(reading: "FrameReading", out: Path, shard_size: int, overwrite: bool, console: Console) -> Packed:
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
        size = sum(shard.size for shard in index.shards)
        files = "1 tar file" if len(index.shards) == 1 else f"{len(index.shards)} tar files"
        step.text = f"{thousands(index.frames)} frames, {size / 1e6:.1f} MB in {files} and an index, in {out}"
    for line in index.skipped:
        alert("left out", "bold yellow", line)
    if index.skipped:
        alert("left out", "bold yellow", f"{len(index.skipped)} of {len(index.skipped) + index.frames} frames")
    left_out = tuple(index.skipped)
    return Packed(frames=index.frames, shards=len(index.shards), bytes=size, left_out=left_out, files=(out,))
