"""Boxes in a cloud, and a detector's score on labelled scenes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ppkt_zoo.backbones.norm import evaluating
from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.downstream.detection.average_precision import DetectionScore
from ppkt_zoo.downstream.detection.box_coder import scene_boxes
from ppkt_zoo.downstream.detection.decode import Detections, decode
from ppkt_zoo.downstream.detection.model import VoteNet
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.arrays import as_tensor
from ppkt_zoo.points.cloud import CloudBatch, PointCloud

__all__ = ["detect", "evaluate_detector"]


def detect(model: VoteNet, xyz: Any, rgb: Any = None) -> Detections:
    """Boxes in one cloud, in eval mode and without gradients, whatever mode the model is in.

    Args:
        model: a trained detector.
        xyz: numpy array or tensor (N, 3), float32 or float64, metres, z up.
        rgb: uint8 (N, 3), floats in [0, 1], or None.

    Returns:
        Boxes in the frame of ``xyz``, the surest first.

    Raises:
        InputError: an argument does not fit.
        TrainingError: the model's answer has NaN.
    """
    cloud = PointCloud.from_arrays(xyz, rgb)
    batch = CloudBatch.collate([cloud]).to(model.mean_sizes.device)
    with evaluating(model) as network, torch.no_grad(), flushed_denormals():
        found = decode(network, network(batch), batch.xyz, batch.sizes)[0]
    found.boxes[:, :3] += _moved_by(xyz)
    return found


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
        found = detect(model, scene.xyz[rows], None if scene.rgb is None else scene.rgb[rows])
        score.update(truth, label, *found.of_every_class())
        if report is not None:
            report(index + 1, len(scenes))
    return score


def _moved_by(xyz: Any) -> np.ndarray:
    """How far PointCloud moved a cloud: map coordinates (float64) begin at their smallest corner."""
    points = as_tensor("xyz", xyz)
    corner: np.ndarray = points.amin(dim=0).cpu().numpy() if points.dtype == torch.float64 else np.zeros(3)
    return corner
