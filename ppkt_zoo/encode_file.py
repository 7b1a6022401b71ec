"""A point file or a folder of RGB-D frames → a file with the features of every point, and a picture."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ppkt_zoo.demo import default_weight
from ppkt_zoo.points.io import write_cloud
from ppkt_zoo.source_points import check_targets, read_points
from ppkt_zoo.view.picture import feature_picture, feature_title, save_picture
from ppkt_zoo.view.steps import Steps, thousands
from ppkt_zoo.zoo.load import load_backbone


def encode_source(
    source: Path,
    out: Path,
    *,
    weight: str | None = None,
    picture: Path | None = None,
    levels: str = "last",
    tile: float | None = None,
    device: str = "cpu",
    engine: str = "auto",
    console: Console | None = None,
    **reading: Any,
) -> Path:
    """Encode every point of a file or folder; write ``xyz``, ``rgb`` and ``features`` (N, C) as .npz or .ply.

    With ``levels="all"`` every level is written too, as ``features.<level>``. For ``reading`` see
    :func:`ppkt_zoo.source_points.read_points`, for ``tile``
    :meth:`ppkt_zoo.backbones.base.Backbone.encode`, for ``weight`` :func:`ppkt_zoo.demo.default_weight` where none
    is given, for ``device`` and ``engine`` :func:`ppkt_zoo.load_backbone`.

    Raises:
        InputError: something about the source or the paths does not fit.
        UnknownNameError, WeightError: as ``load_backbone`` does.
    """
    check_targets("features", out, picture)
    steps = Steps(Console() if console is None else console)
    with steps.step("weight", "loading the weight") as step:
        name = default_weight() if weight is None else weight
        backbone = load_backbone(name, device=device, engine=engine)
        step.text = f"{name}, voxels of {backbone.input_spec.voxel_size * 100:g} cm"
    with steps.step("points", f"reading {source}") as step:
        points = read_points(source, **reading)
        cloud, sensor = points.cloud()
        extent = " × ".join(f"{edge:.1f}" for edge in np.ptp(cloud.xyz.numpy(), axis=0))
        color = "without" if cloud.rgb is None else "with"
        step.text = f"{points.told}: {thousands(len(cloud))} points {color} colour, {extent} m"
    with steps.step("features", "encoding every point") as step:
        encoded = backbone.encode(cloud.xyz, cloud.rgb, levels="all" if levels == "all" else [levels], tile=tile)
        arrays = {f"features.{level}": value.numpy() for level, value in encoded.items()}
        features = list(arrays.values())[-1]
        step.text = f"{features.dtype} {features.shape}: one for each point, in the points' order"
    arrays = {"features": features} | (arrays if levels == "all" else {})
    with steps.step("file", "writing") as step:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_cloud(out, points.xyz, points.rgb, **arrays)
        step.text = f"{out}: xyz, {'' if points.rgb is None else 'rgb, '}{', '.join(arrays)}"
    if picture is not None:
        with steps.step("picture", "drawing") as step:
            shown, rgb = cloud.xyz.numpy(), None if cloud.rgb is None else cloud.rgb.numpy()
            title = feature_title(name, features.shape[1])
            save_picture(feature_picture(shown, rgb, features, title, seen_from=sensor), picture)
            step.text = f"{picture}: alike in colour is alike in features"
    return out
