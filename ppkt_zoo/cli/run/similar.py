"""A point file or a folder of RGB-D frames, and a point of it → how much every other one is alike, and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ppkt_zoo.cli.run.source import check_targets, read_points, weight_told
from ppkt_zoo.cli.run.steps import Steps, thousands
from ppkt_zoo.evaluation.similarity import alike_places, likeness, nearest_point
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.visualization.picture import save_picture
from ppkt_zoo.visualization.similarity import likeness_colors, likeness_picture
from ppkt_zoo.zoo.load import default_weight, load_backbone

# How many places that are alike are named.
_PLACES = 4


def similar_source(
    source: Path,
    at: Sequence[float],
    out: Path,
    *,
    weight: str | None = None,
    picture: Path | None = None,
    apart: float = 0.5,
    tile: float | None = None,
    device: str = "cpu",
    engine: str = "auto",
    console: Console | None = None,
    **reading: Any,
) -> Path:
    """Encode a file or folder, and hold every point against the one nearest to ``at``.

    The file holds ``xyz``, ``rgb`` and ``likeness`` float32 (N,), the cosine similarity of features. The colours of a
    .ply are those of the picture, so that any viewer shows them.

    Args:
        source, reading: see :func:`ppkt_zoo.cli.run.source.read_points`.
        at: x, y, z in metres, in the source's coordinates with z up.
        out: .npz or .ply.
        weight: see :func:`ppkt_zoo.default_weight` where none is given.
        picture: a .png.
        apart: metres; what lies nearer to the picked point is not "elsewhere", and places are so far from each other.
        tile: see :meth:`ppkt_zoo.backbones.base.Backbone.encode`.
        device, engine: see :func:`ppkt_zoo.load_backbone`.

    Raises:
        InputError: no point near ``at``, or something about the source or the paths does not fit.
        UnknownNameError, WeightError: as ``load_backbone`` does.
    """
    check_targets("likenesses", out, picture, source)
    steps = Steps(console)
    with steps.step("points", f"reading {source}") as step:
        points = read_points(source, **reading)
        picked = nearest_point(points.xyz, at)
        cloud, sensor = points.cloud()
        step.text = f"{points.told}: {thousands(len(cloud))} points, picked {_place(points.xyz[picked])}"
    with steps.step("weight", "loading the weight") as step:
        name = default_weight() if weight is None else weight
        backbone = load_backbone(name, device=device, engine=engine)
        step.text = weight_told(name, backbone)
    with steps.step("likeness", "encoding every point") as step:
        alike = likeness(backbone.encode(cloud.xyz, cloud.rgb, tile=tile), picked)
        places = alike_places(points.xyz, alike, picked, _PLACES, apart)
        step.text = f"most alike elsewhere ({apart:g} m away or more): " + (
            ", ".join(f"{alike[row]:.2f} at {_place(points.xyz[row])}" for row in places) or "no point is so far away"
        )
    with steps.step("file", "writing") as step:
        out.parent.mkdir(parents=True, exist_ok=True)
        colors, _ = likeness_colors(alike)
        write_cloud(out, points.xyz, colors if out.suffix.lower() == ".ply" else points.rgb, likeness=alike)
        step.text = f"{out}: xyz, likeness"
    if picture is not None:
        with steps.step("picture", "drawing") as step:
            shown, rgb = cloud.xyz.numpy(), None if cloud.rgb is None else cloud.rgb.numpy()
            title = f"alike to the marked point by {name}"
            save_picture(likeness_picture(shown, rgb, alike, picked, title, seen_from=sensor), picture)
            step.text = f"{picture}: yellow is alike"
    return out


def _place(xyz: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.2f}" for value in xyz) + ")"
