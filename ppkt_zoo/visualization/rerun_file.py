"""A cloud and what is known of it as an .rrd, which Rerun's viewer opens; extra ``ppkt-zoo[rerun]``."""

from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.writing import write_whole
from ppkt_zoo.visualization.classes import class_colors
from ppkt_zoo.visualization.page.content import BoxSet, ClassSet, Content
from ppkt_zoo.visualization.pca import ColorBasis
from ppkt_zoo.visualization.picture import own_colors
from ppkt_zoo.visualization.point_spacing import point_spacing

# Metres; farther away the viewer's float32 would lose millimetres.
_FAR = 10_000.0


def save_rerun(content: Content, path: Path, rows: np.ndarray) -> Path:
    """Write points with their colours, PCA colours, classes, clusters and boxes; whole or not at all.

    The entities are ``cloud/color``, ``cloud/features``, ``cloud/classes``, ``cloud/clusters`` and ``boxes``; the
    viewer shows those that there are side by side. Of map coordinates the smallest corner is moved to the origin, as
    ``about`` says.

    Args:
        content: the cloud.
        path: an .rrd.
        rows: int (M,), which points are written, all with a position.

    Raises:
        MissingLibraryError: rerun-sdk is not installed.
        InputError: the file cannot be written.
    """
    rr = need("rerun", "rerun", "a file for Rerun's viewer")
    xyz, low = content.xyz[rows], np.zeros(3)
    if float(np.abs(xyz).max()) > _FAR:
        low = xyz.min(axis=0).astype(np.float64)
    place = (xyz - low).astype(np.float32)
    radius = 0.6 * float(np.median(point_spacing(place)))
    recording = rr.RecordingStream("ppkt_zoo")
    memory = recording.memory_recording()
    recording.log("/", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    recording.log("about", rr.TextDocument(_about(content, len(rows), low)), static=True)
    shown = ["color"]
    recording.log("cloud/color", rr.Points3D(place, colors=own_colors(content.xyz, content.rgb, rows)[1], radii=radius))
    if content.features is not None:
        basis = ColorBasis.fit(content.features[rows]) if content.basis is None else content.basis
        colors = basis.colors(content.features[rows])
        recording.log("cloud/features", rr.Points3D(place, colors=colors, radii=radius))
        shown.append("features")
    for name, classes in (("classes", content.classes), ("clusters", content.clusters)):
        if classes is not None:
            _log_classes(rr, recording, f"cloud/{name}", place, classes, classes.labels[rows], radius)
            shown.append(name)
    if content.boxes is not None:
        _log_boxes(rr, recording, content.boxes, low)
    _send_views(recording, shown)
    recording.flush()
    write_whole(path, bytes(memory.drain_as_bytes()), InputError, sync=False)
    return path


def _about(content: Content, points: int, low: np.ndarray) -> str:
    moved = f"; its origin is {low.tolist()} m of the source" if low.any() else ""
    return f"{content.title}: {points} of {len(content.xyz)} points, metres, z up{moved}"


def _log_classes(
    rr: Any, recording: Any, entity: str, place: np.ndarray, classes: ClassSet, labels: np.ndarray, radius: float
) -> None:
    """Numbers begin at 1: 0 is no class."""
    table = class_colors(len(classes.names), classes.colors).tolist()
    named = [(0, "none", (205, 205, 205))]
    named += [(1 + number, name, tuple(table[number])) for number, name in enumerate(classes.names)]
    recording.log(entity, rr.AnnotationContext(named), static=True)
    recording.log(entity, rr.Points3D(place, class_ids=(labels + 1).astype(np.uint16), radii=radius))


def _log_boxes(rr: Any, recording: Any, boxes: BoxSet, low: np.ndarray) -> None:
    if not len(boxes.boxes):
        return
    half = boxes.boxes[:, 6] / 2
    turn = np.stack([np.zeros_like(half), np.zeros_like(half), np.sin(half), np.cos(half)], axis=1)
    scores = [""] * len(half) if boxes.scores is None else [f" {score:.2f}" for score in boxes.scores]
    labels = [boxes.names[label] + score for label, score in zip(boxes.labels, scores, strict=True)]
    recording.log(
        "boxes",
        rr.Boxes3D(
            centers=boxes.boxes[:, :3] - low,
            half_sizes=boxes.boxes[:, 3:6] / 2,
            quaternions=turn,
            labels=labels,
            colors=class_colors(len(boxes.names))[boxes.labels],
        ),
    )


def _send_views(recording: Any, shown: list[str]) -> None:
    blueprint = need("rerun.blueprint", "rerun", "a file for Rerun's viewer")
    views = [blueprint.Spatial3DView(origin="/", contents=[f"/cloud/{name}", "/boxes"], name=name) for name in shown]
    recording.send_blueprint(blueprint.Blueprint(blueprint.Horizontal(*views)))
