"""A point file or a folder of RGB-D frames → a file with the features of every point, and a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from ppkt_zoo.data.fuse import fuse
from ppkt_zoo.data.open_frames import open_frames
from ppkt_zoo.demo import default_weight
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.points.back_projection import back_project
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.io import read_cloud, write_cloud
from ppkt_zoo.view.picture import feature_picture, save_picture
from ppkt_zoo.view.steps import Steps, thousands
from ppkt_zoo.zoo.load import load_backbone

if TYPE_CHECKING:
    from ppkt_zoo.data.frames import FrameSource

# Enough views for a room, few enough to be read in half a minute.
_FRAMES = 40
# Kinect-like depth is of little worth beyond.
_FAR = 4.5
_FUSED_SPACING = 0.02


def read_source(source: Path, every: int | None = None, frame: int | None = None) -> tuple[np.ndarray, np.ndarray | None, str]:
    """The points of a file, or of a folder of frames.

    Args:
        source: any point file of :func:`ppkt_zoo.points.io.read_cloud`, or any folder of
            :func:`ppkt_zoo.data.open_frames.open_frames`.
        every: of a folder, every n-th frame is fused; about 40 frames where not given.
        frame: of a folder, this frame alone.

    Returns:
        xyz (N, 3) in metres, rgb uint8 (N, 3) or None, and a few words on what was read.

    Raises:
        InputError: no such file or folder, or one that cannot be read; options that contradict each other.
    """
    if not source.exists():
        raise InputError(f"{source} does not exist: give a point file or a folder of RGB-D frames")
    if not source.is_dir():
        if every is not None or frame is not None:
            raise InputError(f"{source} is a file: --every and --frame are for folders of frames")
        cloud = read_cloud(source)
        dropped = f", {thousands(cloud.dropped)} rows without a position left out" if cloud.dropped else ""
        return cloud.xyz, cloud.rgb, f"{source.name}{dropped}"
    frames = open_frames(source)
    if frame is None:
        return _fused(frames, every)
    if every is not None:
        raise InputError("give --every or --frame, not both")
    if frame >= len(frames):
        raise InputError(f"{source} holds frames 0 to {len(frames) - 1}, there is no frame {frame}")
    one = frames[frame]
    xyz, pixel = back_project(one.depth, one.intrinsics, one.pose)
    return xyz, one.color[pixel[:, 1], pixel[:, 0]], f"frame {one.name}"


def _fused(frames: "FrameSource", every: int | None) -> tuple[np.ndarray, np.ndarray, str]:
    chosen = range(0, len(frames), max(1, len(frames) // _FRAMES) if every is None else every)
    first, last = frames[0].pose, frames[len(frames) - 1].pose
    alone = first is None or last is None or not (first[:3, 3].any() or last[:3, 3].any())
    if alone and len(frames) > 1:
        raise FrameError(f"the frames of {frames.name} have no poses that join them: choose one of them, e.g. --frame 0")
    fused = fuse(frames, chosen, voxel=_FUSED_SPACING, far=_FAR)
    return fused.xyz, fused.rgb, f"{len(chosen)} of {len(frames)} frames of {frames.name}, fused"


def encode_source(
    source: Path,
    out: Path,
    *,
    weight: str | None = None,
    picture: Path | None = None,
    levels: str = "last",
    every: int | None = None,
    frame: int | None = None,
    tile: float | None = None,
    device: str = "cpu",
    engine: str = "auto",
    console: Console | None = None,
) -> Path:
    """Encode every point of a file or folder; write ``xyz``, ``rgb`` and ``features`` (N, C) as .npz or .ply.

    With ``levels="all"`` every level is written too, as ``features.<level>``. See :func:`read_source` for
    ``every`` and ``frame``, :meth:`ppkt_zoo.backbones.base.Backbone.encode` for ``tile``, and
    :func:`ppkt_zoo.load_backbone` for ``weight`` (the first bundled one where not given), ``device``, ``engine``.

    Raises:
        InputError: something about the source or the paths does not fit.
        UnknownNameError, WeightError: as ``load_backbone`` does.
    """
    if out.suffix.lower() not in (".npz", ".ply"):
        raise InputError(f"features are written as .npz or .ply: give an --out that ends so, not {out.name!r}")
    if picture is not None and picture.suffix.lower() != ".png":
        raise InputError(f"pictures are written as .png: give a --picture that ends so, not {picture.name!r}")
    steps = Steps(Console() if console is None else console)
    with steps.step("weight", "loading the weight") as step:
        name = default_weight() if weight is None else weight
        backbone = load_backbone(name, device=device, engine=engine)
        step.text = f"{name}, voxels of {backbone.input_spec.voxel_size * 100:g} cm"
    with steps.step("points", f"reading {source}") as step:
        xyz, rgb, what = read_source(source, every, frame)
        cloud = PointCloud.from_arrays(xyz, rgb)
        extent = " × ".join(f"{edge:.1f}" for edge in np.ptp(cloud.xyz.numpy(), axis=0))
        step.text = f"{what}: {thousands(len(xyz))} points{'' if rgb is None else ' with colour'}, {extent} m"
    with steps.step("features", "encoding every point") as step:
        wanted = "all" if levels == "all" else [levels]
        encoded = backbone.encode(xyz, rgb if backbone.input_spec.wants_color else None, levels=wanted, tile=tile)
        features = list(encoded.values())[-1]
        step.text = f"{features.dtype} {features.shape}: one for each point, in the points' order"
    arrays = {"features": features}
    if levels == "all":
        arrays |= {f"features.{level}": value for level, value in encoded.items()}
    with steps.step("file", "writing") as step:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_cloud(out, xyz, rgb, **arrays)
        step.text = f"{out}: xyz, {'' if rgb is None else 'rgb, '}{', '.join(arrays)}"
    if picture is not None:
        with steps.step("picture", "drawing") as step:
            title = f"features of {name}: {features.shape[1]} channels, their three main directions as colours"
            shown = None if cloud.rgb is None else cloud.rgb.numpy()
            save_picture(feature_picture(cloud.xyz.numpy(), shown, features, title), picture)
            step.text = f"{picture}: alike in colour is alike in meaning"
    return out
