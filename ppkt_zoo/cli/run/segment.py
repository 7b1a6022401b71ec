"""A point file or a folder of RGB-D frames → a file with the class of every point, and a picture with a legend."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ppkt_zoo.cli.run.source import check_targets, read_points
from ppkt_zoo.cli.run.steps import Steps, thousands
from ppkt_zoo.downstream.segmentation.folder import load_segmentation
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.writing import write_json
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.visualization.classes import class_colors, segmentation_picture
from ppkt_zoo.visualization.picture import save_picture

# Most classes that the line about the classes names.
_NAMED = 5


def segment_source(
    source: Path,
    out: Path,
    *,
    model: str | os.PathLike[str],
    picture: Path | None = None,
    voting: int = 1,
    flips: bool = False,
    probabilities: bool = False,
    tile: float | None = None,
    device: str = "cpu",
    engine: str = "auto",
    console: Console | None = None,
    **reading: Any,
) -> Path:
    """Name the class of every point of a file or folder.

    The file holds ``xyz``, ``rgb``, ``label`` (N,) (a model that learned from own scans gives their ids) and
    ``confidence`` float32 (N,), the label's probability; with ``probabilities``, float32 (N, K) of them go along. The
    colours of a .ply are those of the classes, so that any viewer shows them. ``OUT.classes.json`` beside it tells what
    each label is called, and its colour.

    Args:
        source, reading: see :func:`ppkt_zoo.cli.run.source.read_points`.
        out: .npz or .ply.
        model, device, engine: see :func:`ppkt_zoo.downstream.segmentation.folder.load_segmentation`.
        picture: a .png.
        voting, flips, tile: see :meth:`SegmentationModel.predict`.

    Raises:
        InputError: something about the source or the paths does not fit.
        UnknownNameError, WeightError: as ``load_segmentation`` does.
    """
    check_targets("labels", out, picture, source)
    steps = Steps(console)
    with steps.step("model", "loading the model") as step:
        network: SegmentationModel = load_segmentation(model, device=device, engine=engine)
        size = network.backbone.input_spec.voxel_size * 100
        step.text = f"{model}: {len(network.classes)} classes, voxels of {size:g} cm"
    with steps.step("points", f"reading {source}") as step:
        points = read_points(source, **reading)
        cloud, sensor = points.cloud()
        color = "without" if cloud.rgb is None else "with"
        step.text = f"{points.told}: {thousands(len(cloud))} points {color} colour"
    shown, rgb = cloud.xyz.numpy(), None if cloud.rgb is None else cloud.rgb.numpy()
    with steps.step("classes", "naming every point") as step:
        found = network.predict(shown, rgb, voting=voting, flips=flips, tile=tile)
        step.text = _told(found.labels, network.classes)
    with steps.step("file", "writing") as step:
        out.parent.mkdir(parents=True, exist_ok=True)
        arrays = {"label": _as_ids(found.labels, network.ids), "confidence": found.probabilities.max(axis=1)}
        if probabilities:
            arrays["probabilities"] = found.probabilities
        colors = class_colors(len(network.classes), _own_colors(network))[found.labels]
        write_cloud(out, points.xyz, colors if out.suffix.lower() == ".ply" else points.rgb, **arrays)
        names = _write_names(out, network)
        step.text = f"{out}: xyz, {', '.join(arrays)}; {names.name}: what the labels are called"
    if picture is not None:
        with steps.step("picture", "drawing") as step:
            votes = voting * (2 if flips else 1)
            title = "predicted classes" + (f", mean of {votes} views" if votes > 1 else "")
            page = segmentation_picture(
                shown, rgb, found.labels, network.classes, title=title, seen_from=sensor, own=_own_colors(network)
            )
            save_picture(page, picture)
            step.text = f"{picture}: a colour each class, the shares of points below"
    return out


def _as_ids(labels: np.ndarray, ids: tuple[int, ...]) -> np.ndarray:
    """Classes as the owner of the model calls them; int16 where that holds them, as files always had it."""
    table = np.array(ids, np.int64)
    return table[labels].astype(np.int16 if max(ids) <= np.iinfo(np.int16).max else np.int32)


def _own_colors(network: SegmentationModel) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(network.colors.get(name) for name in network.classes)


def _write_names(out: Path, network: SegmentationModel) -> Path:
    colors = class_colors(len(network.classes), _own_colors(network)).tolist()
    rows = [
        {"label": label, "name": name, "color": color}
        for label, name, color in zip(network.ids, network.classes, colors, strict=True)
    ]
    file = out.with_name(f"{out.stem}.classes.json")
    write_json(file, rows, InputError, indent=None)
    return file


def _told(labels: np.ndarray, classes: tuple[str, ...]) -> str:
    count = np.bincount(labels, minlength=len(classes))
    order = [number for number in np.argsort(-count, kind="stable") if count[number]]
    named = ", ".join(f"{classes[number]} {count[number] / len(labels):.0%}" for number in order[:_NAMED])
    return named + (f" and {len(order) - _NAMED} more" if len(order) > _NAMED else "")
