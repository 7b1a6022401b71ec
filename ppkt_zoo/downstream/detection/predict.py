"""From proposals to boxes with scores, and a detector's score on labelled scenes.

Qi et al. 2019 (arXiv 1904.09664), section 5 and appendix A.1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppkt_zoo.backbones.norm import evaluating
from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.downstream.detection.average_precision import DetectionScore
from ppkt_zoo.downstream.detection.boxes import suppressed
from ppkt_zoo.downstream.detection.model import Proposals, VoteNet
from ppkt_zoo.downstream.detection.targets import decode_heading, inside, scene_boxes
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.errors import InputError, TrainingError
from ppkt_zoo.points.arrays import as_tensor
from ppkt_zoo.points.cloud import CloudBatch, PointCloud

#: Probability of an object above which a box is kept.
LEAST_OBJECTNESS = 0.05
#: Points of the cloud that a box must hold.
FEWEST_POINTS = 5
#: Overlap with a better box of its class above which a box goes.
SUPPRESSION = 0.25
# A network that has learned little may name a size below zero; a centimetre is the smallest box.
_SMALLEST = 0.01
# Pairs of point and box that are looked at together.
_PAIRS = 1 << 21


@dataclass(frozen=True)
class Detections:
    """What was found in one cloud, the surest object first.

    Attributes:
        boxes: float64 (K, 7): centre, full size, heading in radians counter-clockwise about +z.
        probability: float64 (K, C), P(object) · P(class) of every class.
        classes: their names.
    """

    boxes: NDArray[np.float64]
    probability: NDArray[np.float64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def label(self) -> NDArray[np.int64]:
        """int64 (K,), the likeliest class of each box."""
        return self.probability.argmax(axis=1)

    @property
    def score(self) -> NDArray[np.float64]:
        """float64 (K,), the probability of that class."""
        best: NDArray[np.float64] = self.probability.max(axis=1)
        return best

    def of_every_class(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Boxes (K·C, 7), label and score (K·C,): each box once for every class, as average precision counts."""
        count = len(self.classes)
        label = np.tile(np.arange(count), len(self))
        return np.repeat(self.boxes, count, axis=0), label, self.probability.reshape(-1)


def proposed_boxes(found: Proposals, mean_sizes: Tensor) -> Tensor:
    """The box of each proposal, by its likeliest heading bin and size class: float32 (P, 7).

    One bin means upright boxes: their heading is 0 whatever the residual.
    """
    every = torch.arange(len(found.center), device=found.center.device)
    size = found.size.argmax(dim=1)
    edges = mean_sizes[size] * (1 + found.size_residual[every, size])
    bins = found.heading.shape[1]
    chosen = found.heading.argmax(dim=1)
    heading = decode_heading(chosen, found.heading_residual[every, chosen], bins)
    heading = heading if bins > 1 else torch.zeros_like(heading)
    return torch.cat([found.center, edges.clamp(min=_SMALLEST), heading[:, None]], dim=1)


@torch.no_grad()
def decode(model: VoteNet, found: Proposals, xyz: Tensor, sizes: tuple[int, ...]) -> list[Detections]:
    """Boxes of each cloud: sure enough, not empty, and the best of those of one class that overlap.

    Args:
        model: whose proposals they are.
        found: the proposals of a batch.
        xyz: float32 (N, 3), the points of the batch.
        sizes: points of each cloud.

    Raises:
        TrainingError: a proposal has NaN or infinite numbers.
    """
    for field in fields(found):
        value = getattr(found, field.name)
        if isinstance(value, Tensor) and not bool(torch.isfinite(value).all()):
            raise TrainingError(
                f"the detector's {field.name} has NaN or infinite numbers: its weights are damaged or it diverged "
                "in training; load them anew, or train with a lower learning rate"
            )
    boxes = proposed_boxes(found, model.mean_sizes)
    objectness, semantic = found.objectness.softmax(dim=1)[:, 1], found.semantic.softmax(dim=1)
    answer = []
    for points, mine, sure, classes in zip(
        *(xyz.split(list(sizes)), *(values.split(list(found.sizes)) for values in (boxes, objectness, semantic))),
        strict=True,
    ):
        rows = (sure > LEAST_OBJECTNESS).nonzero()[:, 0]
        rows = rows[_points_inside(points, mine[rows]) >= FEWEST_POINTS]
        kept, score, probability = (values[rows].cpu().numpy().astype(np.float64) for values in (mine, sure, classes))
        best = suppressed(kept, score, probability.argmax(axis=1), SUPPRESSION)
        answer.append(Detections(kept[best], score[best, None] * probability[best], model.classes))
    return answer


def _points_inside(xyz: Tensor, boxes: Tensor) -> Tensor:
    """How many points each box holds: int64 (K,)."""
    parts = boxes.split(max(1, _PAIRS // max(1, len(xyz))))
    return torch.cat([inside(xyz, some).sum(dim=0) for some in parts])


def detect(model: VoteNet, xyz: Any, rgb: Any = None, points: int | None = None) -> Detections:
    """Boxes in one cloud, in eval mode and without gradients, whatever mode the model is in.

    Args:
        model: a trained detector.
        xyz: numpy array or tensor (N, 3), float32 or float64, metres, z up.
        rgb: uint8 (N, 3), floats in [0, 1], or None.
        points: a larger cloud is sampled to so many, always to the same ones; by default to as many as the model
            learned from, where it knows that, since a detector is used to the density of its clouds.

    Returns:
        Boxes in the frame of ``xyz``, the surest first.

    Raises:
        InputError: an argument does not fit.
        TrainingError: the model's answer has NaN.
    """
    cloud = _sampled(PointCloud.from_arrays(xyz, rgb), model.points if points is None else points)
    batch = CloudBatch.collate([cloud]).to(model.mean_sizes.device)
    with evaluating(model) as network, torch.no_grad(), flushed_denormals():
        found = decode(network, network(batch), batch.xyz, batch.sizes)[0]
    found.boxes[:, :3] += _moved_by(xyz)
    return found


def _sampled(cloud: PointCloud, most: int | None) -> PointCloud:
    if most is not None and (not isinstance(most, int) or most < 1):
        raise InputError(f"points must be a whole number of 1 or more, got {most!r}")
    count = len(cloud.xyz)
    if most is None or count <= most:
        return cloud
    drawn = np.sort(np.random.default_rng(0).choice(count, most, replace=False))
    rows = torch.from_numpy(drawn).to(cloud.xyz.device)
    return PointCloud(cloud.xyz[rows], None if cloud.rgb is None else cloud.rgb[rows])


def evaluate_detector(
    model: VoteNet,
    scenes: Sequence[LabelledScene] | SceneSource,
    points: int | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> DetectionScore:
    """Average precision over labelled scenes; each box counts for every class with its probability.

    Args:
        model: a trained detector.
        scenes: with boxes of its classes; where it knows no headings, the upright boxes around them are the truth.
        points: drawn from each scene, as in training; None for all.
        seed: which points.
        report: told (scenes done, of how many) after each; what it raises ends the evaluation.

    Raises:
        InputError: no scenes, a scene without known boxes, other classes, a box of size 0.
        TrainingError: the model's answer has NaN.
    """
    if len(scenes) == 0:
        raise InputError("a detector's score needs at least one scene")
    # Who looks for objects in a cloud needs nothing of the training's data.
    from ppkt_zoo.downstream.detection.dataset import sample_rows

    score = DetectionScore(len(model.classes))
    for index in range(len(scenes)):
        scene = scenes[index]
        truth, label = scene_boxes(scene, model.classes, model.turned)
        rows = sample_rows(scene, points, np.random.default_rng((seed, index)))
        rgb = None if scene.rgb is None else scene.rgb[rows]
        found = detect(model, scene.xyz[rows], rgb, points=len(rows))
        score.update(truth, label, *found.of_every_class())
        if report is not None:
            report(index + 1, len(scenes))
    return score


def _moved_by(xyz: Any) -> np.ndarray:
    """How far PointCloud moved a cloud: map coordinates (float64) begin at their smallest corner."""
    points = as_tensor("xyz", xyz)
    corner: np.ndarray = points.amin(dim=0).cpu().numpy() if points.dtype == torch.float64 else np.zeros(3)
    return corner
