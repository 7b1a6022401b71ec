"""How good a segmentation is: on every point of the full clouds, and on voxels beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.backbones.base import Tile
from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.downstream.segmentation.model import Prediction, SegmentationModel
from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.metrics import IGNORE, Confusion
from ppkt_zoo.files.text import first_few
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import voxelize


class ClassScore(NamedTuple):
    """One class; NaN where it stands in neither truth nor prediction (iou), or not in the truth (accuracy).

    Attributes:
        name: of the class.
        points: labelled with it.
        iou, accuracy: on the full clouds.
        voxel_iou: on voxels.
    """

    name: str
    points: int
    iou: float
    accuracy: float
    voxel_iou: float


@dataclass(frozen=True)
class SegmentationScore:
    """One confusion matrix over all scenes, twice.

    Attributes:
        classes: their names.
        points: over every labelled point of the full clouds; this is the figure to report.
        voxels: over the voxels of the model's grid. A voxel's class is the most frequent one of its labelled points
            (of equals the first), its prediction that of its points' mean probabilities.
        scenes: how many.
    """

    classes: tuple[str, ...]
    points: Confusion
    voxels: Confusion
    scenes: int

    def figures(self) -> dict[str, float]:
        """miou, macc, accuracy on the full clouds; voxel_miou, voxel_macc, voxel_accuracy beside them."""
        found = {}
        for prefix, score in (("", self.points), ("voxel_", self.voxels)):
            found[f"{prefix}miou"] = score.mean_iou()
            found[f"{prefix}macc"] = score.mean_accuracy()
            found[f"{prefix}accuracy"] = score.accuracy()
        return found

    def table(self) -> list[ClassScore]:
        """A row for each class, in their order."""
        columns = (self.points.matrix.sum(axis=1), self.points.iou(), self.points.class_accuracy(), self.voxels.iou())
        return [
            ClassScore(name, int(points), float(iou), float(accuracy), float(voxel))
            for name, points, iou, accuracy, voxel in zip(self.classes, *columns, strict=True)
        ]


def evaluate_segmentation(
    model: SegmentationModel,
    scenes: SceneSource,
    *,
    voting: int = 1,
    flips: bool = False,
    tile: Tile = None,
    report: Callable[[int, int], None] | None = None,
) -> SegmentationScore:
    """Predict every scene's full cloud and count.

    Args:
        model: its classes must be the scenes' ones, in their order.
        scenes: labelled.
        voting, flips, tile: as for :meth:`SegmentationModel.predict`.
        report: told (scenes done, of how many) after each; what it raises ends the evaluation.

    Raises:
        InputError: other classes, or no labelled point in any scene.
    """
    check_classes(model.classes, scenes)
    points, voxels = Confusion(len(model.classes)), Confusion(len(model.classes))
    for index in range(len(scenes)):
        scene = scenes[index]
        found = model.predict(scene.xyz, scene.rgb, voting=voting, flips=flips, tile=tile)
        points.update(scene.label, found.labels)
        voxels.update(*voxel_labels(scene, found, model.backbone.input_spec))
        if report is not None:
            report(index + 1, len(scenes))
    return SegmentationScore(model.classes, points, voxels, len(scenes))


def check_classes(classes: tuple[str, ...], scenes: SceneSource) -> None:
    """Raise InputError where scenes have other classes than a model."""
    if tuple(scenes.classes) != classes:
        raise InputError(
            f"the model was made for {len(classes)} classes ({first_few(classes)}), {scenes.name} has "
            f"{len(scenes.classes)} ({first_few(scenes.classes)}): fine-tune on these classes first"
        )


def voxel_labels(scene: LabelledScene, found: Prediction, spec: InputSpec) -> tuple[Tensor, Tensor]:
    """Truth (−1 where no point is labelled) and prediction of each voxel of a scene, int64 (M,) both."""
    grid = InputSpec(voxel_size=spec.voxel_size, channels=("ones",))
    inverse = voxelize(CloudBatch.collate([PointCloud.from_arrays(scene.xyz)]), grid).inverse
    count, classes = int(inverse.max()) + 1, len(scene.classes)
    label = torch.from_numpy(scene.label.astype(np.int64))
    known = label != IGNORE
    votes = torch.bincount(inverse[known] * classes + label[known], minlength=count * classes).view(count, classes)
    truth = torch.where(votes.any(dim=1), votes.argmax(dim=1), IGNORE)
    total = torch.zeros((count, classes), dtype=torch.float64)
    total.index_add_(0, inverse, torch.as_tensor(found.probabilities).double())
    return truth, total.argmax(dim=1)
