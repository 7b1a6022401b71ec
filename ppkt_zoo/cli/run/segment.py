"""A point file or a folder of RGB-D frames → a file with the class of every point, and a picture with a legend."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.cli.answers.predict import ClassShare, Segmented
from ppkt_zoo.cli.run.job import Job, View, folder_or_name
from ppkt_zoo.downstream.segmentation.folder import load_segmentation
from ppkt_zoo.downstream.segmentation.model import Prediction, SegmentationModel
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.text import most_frequent
from ppkt_zoo.files.writing import write_json
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.visualization.classes import class_colors, segmentation_picture
from ppkt_zoo.visualization.picture import save_picture
from ppkt_zoo.zoo.default import default_model


@dataclass(frozen=True)
class Segment(Job[SegmentationModel, Prediction]):
    """Write ``xyz``, ``rgb``, ``label`` (N,) and ``confidence`` float32 (N,), the label's probability.

    A model that learned from own scans gives their ids as labels. The colours of a .ply are those of the classes, so
    that any viewer shows them. ``OUT.classes.json`` beside it tells what each label is called, and its colour.

    Attributes:
        model: see :func:`ppkt_zoo.cli.run.job.folder_or_name`; the bundled one where None.
        voting, flips: see :meth:`SegmentationModel.predict`.
        probabilities: write ``probabilities`` float32 (N, K) too.
    """

    what = "labels"
    suffix = "_labels.ply"
    computing = ("classes", "predicting the class of every point")

    model: str | None
    voting: int = 1
    flips: bool = False
    probabilities: bool = False

    def load(self) -> tuple[SegmentationModel, str]:
        where = self._where
        network = load_segmentation(where, device=self.reading.device, engine=self.reading.engine)
        size = network.backbone.input_spec.voxel_size * 100
        return network, f"{where}: {len(network.classes)} classes, voxels of {size:g} cm"

    def compute(self, network: SegmentationModel, view: View) -> tuple[Prediction, str]:
        found = network.predict(view.xyz, view.rgb, voting=self.voting, flips=self.flips, tile=self.tile)
        count = np.bincount(found.labels, minlength=len(network.classes)).tolist()
        return found, most_frequent(
            network.classes, count, lambda name, points: f"{name} {points / len(found.labels):.0%}"
        )

    def write(self, network: SegmentationModel, view: View, found: Prediction) -> str:
        arrays = {"label": _as_ids(found.labels, network.ids), "confidence": found.probabilities.max(axis=1)}
        if self.probabilities:
            arrays["probabilities"] = found.probabilities
        table = class_colors(len(network.classes), _own_colors(network))
        colors = table[found.labels] if self.target.suffix.lower() == ".ply" else view.points.rgb
        write_cloud(self.target, view.points.xyz, colors, **arrays)
        named = zip(network.ids, network.classes, table.tolist(), strict=True)
        rows = [{"label": label, "name": name, "color": color} for label, name, color in named]
        write_json(self._names, rows, InputError, indent=None)
        return f"xyz, {', '.join(arrays)}; {self._names.name}: names of the labels"

    def draw(self, network: SegmentationModel, view: View, found: Prediction) -> str:
        assert self.picture is not None
        views = self.voting * (2 if self.flips else 1)
        page = segmentation_picture(
            view.xyz,
            view.rgb,
            found.labels,
            network.classes,
            title="predicted classes" + (f", mean of {views} views" if views > 1 else ""),
            seen_from=view.sensor,
            own=_own_colors(network),
        )
        return f"{save_picture(page, self.picture)}: one colour per class, with its share of the points"

    def shown(self, network: SegmentationModel, view: View, found: Prediction) -> dict[str, Any]:
        from ppkt_zoo.visualization.page import ClassSet

        return {"classes": ClassSet(found.labels, network.classes, _own_colors(network))}

    def answer(self, network: SegmentationModel, view: View, found: Prediction, common: dict[str, Any]) -> Segmented:
        count = np.bincount(found.labels, minlength=len(network.classes)).tolist()
        rows = zip(network.ids, network.classes, count, strict=True)
        classes = tuple(ClassShare(label=label, name=name, points=points) for label, name, points in rows)
        return Segmented(model=str(self._where), classes=classes, **common)

    def written(self) -> list[Path | None]:
        return [self.target, self._names, self.picture]

    @property
    def _where(self) -> str | Path:
        return default_model("segmentation") if self.model is None else folder_or_name(self.model)

    @property
    def _names(self) -> Path:
        return self.target.with_name(f"{self.target.stem}.classes.json")


def _as_ids(labels: np.ndarray, ids: tuple[int, ...]) -> np.ndarray:
    """Classes as the owner of the model calls them; int16 where that holds them, as files always had it."""
    table = np.array(ids, np.int64)
    return table[labels].astype(np.int16 if max(ids) <= np.iinfo(np.int16).max else np.int32)


def _own_colors(network: SegmentationModel) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(network.colors.get(name) for name in network.classes)
