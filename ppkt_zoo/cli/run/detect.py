"""A point file or a folder of RGB-D frames → a file with the objects in it as boxes, and a picture."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ppkt_zoo.cli.run.source import Points, check_out, check_picture, read_points
from ppkt_zoo.cli.run.steps import Steps, thousands
from ppkt_zoo.downstream.detection.decode import Detections
from ppkt_zoo.downstream.detection.folder import load_detector
from ppkt_zoo.downstream.detection.predict import detect
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.writing import npz_bytes, write_json, write_whole
from ppkt_zoo.visualization.boxes import detection_picture
from ppkt_zoo.visualization.picture import save_picture

# Most classes that the line about the boxes names.
_NAMED = 6
# Most points that a detector looks at where the caller does not say otherwise: rooms hold no more that tell.
POINTS = 40_000


def detect_source(
    source: Path,
    out: Path,
    *,
    model: str | os.PathLike[str],
    picture: Path | None = None,
    score: float = 0.3,
    points: int = POINTS,
    device: str = "cpu",
    engine: str = "auto",
    console: Console | None = None,
    **reading: Any,
) -> Path:
    """Find the objects of a file or folder.

    The .json holds a list, the surest object first: ``class``, ``score``, ``center``, ``size`` (full lengths, metres)
    and ``heading`` (radians counter-clockwise about +z), in the frame of the file with z up; the .npz the same as
    arrays ``boxes`` float64 (K, 7), ``label`` int64 (K,), ``score`` float64 (K,) and ``classes``.

    Args:
        source, reading: see :func:`ppkt_zoo.cli.run.source.read_points`.
        out: .json or .npz.
        model, device, engine: see :func:`ppkt_zoo.downstream.detection.folder.load_detector`.
        picture: a .png.
        score: probability below which a box is left out.
        points: drawn from a larger cloud, always the same ones.

    Raises:
        InputError: something about the source, the paths or the numbers does not fit.
        UnknownNameError, WeightError: as ``load_detector`` does.
    """
    check_out("boxes", out, (".json", ".npz"), source)
    check_picture(picture)
    if not 0 <= score <= 1 or points < 1:
        raise InputError(f"--score lies between 0 and 1 and --points is at least 1, got {score:g} and {points}")
    steps = Steps(console)
    with steps.step("model", "loading the detector") as step:
        network = load_detector(model, device=device, engine=engine)
        step.text = f"{model}: {len(network.classes)} classes, {network.shape.proposals} proposals"
    with steps.step("points", f"reading {source}") as step:
        read = read_points(source, **reading)
        drawn = _drawn(read, points)
        among = "" if len(drawn.xyz) == len(read.xyz) else f", {thousands(len(drawn.xyz))} of them drawn"
        color = "without" if read.rgb is None else "with"
        step.text = f"{read.told}: {thousands(len(read.xyz))} points {color} colour{among}"
    with steps.step("boxes", "looking for objects") as step:
        every = detect(network, drawn.xyz, drawn.rgb)
        kept = every.score >= score
        found = Detections(every.boxes[kept], every.probability[kept], every.classes)
        step.text = _told(found, score)
    with steps.step("file", "writing") as step:
        _write(out, found)
        step.text = f"{out}: {len(found)} boxes, centre, size and heading in metres and radians, z up"
    if picture is not None:
        with steps.step("picture", "drawing") as step:
            cloud, sensor = read.cloud()
            # Map coordinates were moved to the origin; the boxes move along.
            boxes = found.boxes.copy()
            boxes[:, :3] += cloud.xyz[0].numpy() - read.xyz[0]
            rgb = None if cloud.rgb is None else cloud.rgb.numpy()
            title = f"objects with a score of {score:g} or more"
            page = detection_picture(
                cloud.xyz.numpy(), rgb, boxes, found.label, found.classes, title=title, seen_from=sensor
            )
            save_picture(page, picture)
            step.text = f"{picture}: a colour each class"
    return out


def _drawn(read: Points, points: int) -> Points:
    if len(read.xyz) <= points:
        return read
    rows = np.sort(np.random.default_rng(0).choice(len(read.xyz), points, replace=False))
    return read._replace(xyz=read.xyz[rows], rgb=None if read.rgb is None else read.rgb[rows])


def _write(out: Path, found: Detections) -> None:
    if out.suffix.lower() == ".npz":
        classes = np.array(found.classes)
        arrays = {"boxes": found.boxes, "label": found.label, "score": found.score, "classes": classes}
        write_whole(out, npz_bytes(arrays), InputError)
        return
    rows = [
        {
            "class": found.classes[label],
            "score": round(float(score), 4),
            "center": [round(float(one), 4) for one in box[:3]],
            "size": [round(float(one), 4) for one in box[3:6]],
            "heading": round(float(box[6]), 4),
        }
        for box, label, score in zip(found.boxes, found.label, found.score, strict=True)
    ]
    write_json(out, rows, InputError)


def _told(found: Detections, score: float) -> str:
    if not len(found):
        return f"no object with a score of {score:g} or more: lower --score to see what it was unsure of"
    counted = Counter(found.classes[label] for label in found.label).most_common()
    named = ", ".join(f"{count} × {name}" for name, count in counted[:_NAMED])
    return named + (f" and {len(counted) - _NAMED} classes more" if len(counted) > _NAMED else "")
