"""What simple classifiers find in frozen features, for several seeds at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.evaluation.metrics import IGNORE, Confusion
from ppkt_zoo.evaluation.probes import KNNProbe, LinearProbe, balanced_sample
from ppkt_zoo.points.cloud import CloudBatch, PointCloud

#: A cloud and rows of it → the features of those rows under each name, float32 (R, C).
Featurise = Callable[[PointCloud, np.ndarray], dict[str, np.ndarray]]
#: Line of the table → the scores of one seed.
Report = dict[str, dict[str, Any]]
#: Line of the table → its probe, of one seed.
Probes = dict[str, LinearProbe | KNNProbe]

# What a probe looks at, and the lines of the tables.
LAST, KNN = "linear, last level", "kNN, last level"
RESTORED = ", class frequencies restored"


@dataclass(frozen=True)
class ProbeTask:
    """Labelled frames to fit on and others to test on.

    Attributes:
        classes: their names.
        fit, test: frame by index; reading is left to the moment of use, so that memory stays small.
        fit_size, test_size: how many there are.
        fit_frames: how many of them a seed draws; all where equal to `fit_size`.
        per_frame: points of each class drawn in one frame.
        per_class: points of each class drawn in all.
        queries: points of each test frame that kNN is asked for; the linear probes are asked for every point.
    """

    classes: tuple[str, ...]
    fit: Callable[[int], tuple[PointCloud, np.ndarray]]
    test: Callable[[int], tuple[PointCloud, np.ndarray]]
    fit_size: int
    test_size: int
    fit_frames: int
    per_frame: int
    per_class: int
    queries: int = 500

    def frames_of(self, seed: int) -> list[int]:
        """The frames that a seed fits on."""
        drawn = np.random.default_rng([seed, 31]).permutation(self.fit_size)[: self.fit_frames]
        return sorted(int(index) for index in drawn)


def of_backbone(backbone: Backbone) -> Featurise:
    """The features of the last level."""
    last = list(backbone.level_channels)[-1]

    @torch.no_grad()
    def featurise(cloud: PointCloud, rows: np.ndarray) -> dict[str, np.ndarray]:
        features = backbone(CloudBatch.collate([cloud]))
        return {LAST: features.at(last, torch.from_numpy(rows)).numpy()}

    return featurise


def of_colour_and_height(cloud: PointCloud, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Colour in [-0.5, 0.5] and metres above the middle of the cloud's height, no network: float32 (R, 4)."""
    assert cloud.rgb is not None
    height = cloud.xyz[:, 2:] - cloud.xyz[:, 2].mean()
    return {LAST: torch.cat([cloud.rgb.float() / 255.0 - 0.5, height], dim=1).numpy()[rows]}


def probe_scores(task: ProbeTask, featurise: Featurise, seeds: Sequence[int]) -> list[Report]:
    """Fit and test the probes of every seed, in order; each frame is encoded once for all of them."""
    return ask_probes(task, featurise, fit_probes(task, featurise, seeds))


def ask_probes(task: ProbeTask, featurise: Featurise, fitted: Mapping[int, Probes]) -> list[Report]:
    """The scores of fitted probes on a task's test frames, a report a seed; the frames may be changed ones."""
    scores = {seed: {line: Confusion(len(task.classes)) for line in probes} for seed, probes in fitted.items()}
    for index in range(task.test_size):
        cloud, label = task.test(index)
        rows = np.flatnonzero(label != IGNORE)
        if not len(rows):
            continue
        features = featurise(cloud, rows)
        for seed, probes in fitted.items():
            asked = np.random.default_rng([seed, 37, index]).permutation(len(rows))[: task.queries]
            for line, probe in probes.items():
                if isinstance(probe, KNNProbe):
                    scores[seed][line].update(label[rows[asked]], probe.predict(features[LAST][asked]))
                else:
                    seen = features[line.removesuffix(RESTORED)]
                    scores[seed][line].update(label[rows], probe.predict(seen))
    return [
        {line: _report(score, task.classes, fitted[seed][line]) for line, score in scores[seed].items()}
        for seed in fitted
    ]


def fit_probes(
    task: ProbeTask, featurise: Featurise, seeds: Sequence[int], linear_only: bool = False
) -> dict[int, Probes]:
    """The probes of every seed; each frame is encoded once for all of them.

    Args:
        task: only what is fitted on is read.
        featurise: how the network sees a cloud.
        seeds: of the drawn frames and points.
        linear_only: one linear probe for each kind of features, and nothing else.
    """
    features: dict[int, dict[str, list[np.ndarray]]] = {seed: {} for seed in seeds}
    labels: dict[int, list[np.ndarray]] = {seed: [] for seed in seeds}
    counts = {seed: np.zeros(len(task.classes), dtype=np.int64) for seed in seeds}
    frames = {seed: set(task.frames_of(seed)) for seed in seeds}
    for index in sorted(set().union(*frames.values())):
        cloud, label = task.fit(index)
        if not (label != IGNORE).any():
            continue
        drawn = {
            seed: balanced_sample(label, task.per_frame, np.random.default_rng([seed, 41, index]))
            for seed in seeds
            if index in frames[seed]
        }
        # One encoding serves every seed: all their rows in one list, then cut apart again.
        encoded = featurise(cloud, np.concatenate(list(drawn.values())))
        start = 0
        for seed, rows in drawn.items():
            labels[seed].append(label[rows])
            counts[seed] += np.bincount(label[label != IGNORE], minlength=len(task.classes))
            for name, value in encoded.items():
                features[seed].setdefault(name, []).append(value[start : start + len(rows)])
            start += len(rows)
    return {
        seed: _fit_one(task, features[seed], np.concatenate(labels[seed]), None if linear_only else counts[seed], seed)
        for seed in seeds
    }


def _fit_one(
    task: ProbeTask, features: dict[str, list[np.ndarray]], labels: np.ndarray, counts: np.ndarray | None, seed: int
) -> Probes:
    rows = balanced_sample(labels, task.per_class, np.random.default_rng([seed, 43]))
    probes: Probes = {}
    for name, parts in features.items():
        table = np.concatenate(parts)[rows]
        probes[name] = balanced = LinearProbe.fit(table, labels[rows])
        if counts is None:
            continue
        probes[name + RESTORED] = balanced.with_frequencies(counts)
        if name == LAST:
            probes[KNN] = KNNProbe.fit(table, labels[rows])
    return probes


def _report(score: Confusion, classes: tuple[str, ...], probe: LinearProbe | KNNProbe) -> dict[str, Any]:
    iou = {name: None if np.isnan(value) else float(value) for name, value in zip(classes, score.iou(), strict=True)}
    return {
        "miou": score.mean_iou(),
        "macc": score.mean_accuracy(),
        "accuracy": score.accuracy(),
        "iou": iou,
        "points": int(score.matrix.sum()),
        "converged": probe.converged if isinstance(probe, LinearProbe) else True,
    }
