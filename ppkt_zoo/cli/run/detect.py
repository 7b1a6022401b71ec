"""A point file or a folder of RGB-D frames → a file with the objects in it as boxes, and a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.cli.answers.predict import Box, Detected
from ppkt_zoo.cli.run.job import Job, View, folder_or_name
from ppkt_zoo.cli.run.steps import thousands
from ppkt_zoo.downstream.detection.folder import load_detector
from ppkt_zoo.downstream.detection.model import VoteNet
from ppkt_zoo.downstream.detection.predict import Detections, detect
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.text import most_frequent
from ppkt_zoo.files.writing import npz_bytes, write_json, write_whole
from ppkt_zoo.visualization.boxes import detection_picture
from ppkt_zoo.visualization.picture import save_picture
from ppkt_zoo.zoo.default import default_model

# Most classes that the line about the boxes names.
_NAMED = 6
# For a model that does not know how many it learned from.
_POINTS = 40_000


@dataclass(frozen=True)
class Detect(Job[VoteNet, Detections]):
    """Write the objects, highest score first.

    The .json holds a list of ``class``, ``score``, ``center``, ``size`` (full lengths, metres) and ``heading`` (radians
    counter-clockwise about +z), in the frame of the file with z up; the .npz the same as arrays ``boxes`` float64
    (K, 7), ``label`` int64 (K,), ``score`` float64 (K,) and ``classes``.

    Attributes:
        model: see :func:`ppkt_zoo.cli.run.job.folder_or_name`; the bundled one where None.
        score: boxes with a lower probability are left out.
        points: a larger cloud is sampled, always to the same points; as many as the model learned from where None,
            or 40 000 where it does not know that.
    """

    what = "boxes"
    suffix = "_boxes.json"
    endings = (".json", ".npz")
    loading = ("model", "loading the detector")
    computing = ("boxes", "looking for objects")

    model: str | None
    score: float = 0.3
    points: int | None = None

    def load(self) -> tuple[VoteNet, str]:
        where = self._where
        network = load_detector(where, device=self.reading.device, engine=self.reading.engine)
        return network, f"{where}: {len(network.classes)} classes, {network.shape.proposals} proposals"

    def compute(self, network: VoteNet, view: View) -> tuple[Detections, str]:
        xyz, rgb, _, _ = view.points
        most = self.points or network.points or _POINTS
        sampled = f", from a sample of {thousands(most)} points" if len(xyz) > most else ""
        every = detect(network, xyz, rgb, points=most)
        kept = every.score >= self.score
        found = Detections(every.boxes[kept], every.probability[kept], every.classes)
        return found, _told(found, self.score) + sampled

    def write(self, network: VoteNet, view: View, found: Detections) -> str:
        if self.target.suffix.lower() == ".npz":
            arrays = {"boxes": found.boxes, "label": found.label, "score": found.score}
            write_whole(self.target, npz_bytes(arrays | {"classes": np.array(found.classes)}), InputError)
        else:
            write_json(self.target, _rows(found), InputError)
        return f"{len(found)} boxes: centre and size in metres, heading in radians, z up"

    def draw(self, network: VoteNet, view: View, found: Detections) -> str:
        assert self.picture is not None
        # Map coordinates were moved to the origin; the boxes move along.
        boxes = found.boxes.copy()
        boxes[:, :3] += view.xyz[0] - view.points.xyz[0]
        title = f"objects with a score of {self.score:g} or more"
        page = detection_picture(
            view.xyz, view.rgb, boxes, found.label, found.classes, title=title, seen_from=view.sensor
        )
        return f"{save_picture(page, self.picture)}: one colour per class"

    def shown(self, network: VoteNet, view: View, found: Detections) -> dict[str, Any]:
        return {"boxes": found}

    def answer(self, network: VoteNet, view: View, found: Detections, common: dict[str, Any]) -> Detected:
        boxes = tuple(Box.of(row) for row in _rows(found))
        return Detected(model=str(self._where), classes=network.classes, boxes=boxes, **common)

    @property
    def _where(self) -> str | Path:
        return default_model("detection") if self.model is None else folder_or_name(self.model)


def _rows(found: Detections) -> list[dict[str, object]]:
    return [
        {
            "class": found.classes[label],
            "score": round(float(score), 4),
            "center": [round(float(one), 4) for one in box[:3]],
            "size": [round(float(one), 4) for one in box[3:6]],
            "heading": round(float(box[6]), 4),
        }
        for box, label, score in zip(found.boxes, found.label, found.score, strict=True)
    ]


def _told(found: Detections, score: float) -> str:
    if not len(found):
        return f"no object with a score of {score:g} or more: a lower --score shows less certain ones"
    count = np.bincount(found.label, minlength=len(found.classes)).tolist()
    return most_frequent(found.classes, count, lambda name, boxes: f"{boxes} × {name}", "more classes", _NAMED)
