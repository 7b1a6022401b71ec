"""How clusters and neighbours of features agree with classes, on scenes that no weight saw."""

from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.evaluation.material import Material
from benchmarks.evaluation.probing import LAST
from benchmarks.evaluation.students import Student
from ppkt_zoo.evaluation.clusters import cluster_score
from ppkt_zoo.points.cloud import PointCloud

# Points that a search gives, and queries at once.
_NEAREST, _QUERIES = 10, 1000


def clusters(student: Student, material: Material, part: str, seeds: Sequence[int]) -> dict[str, list[float]]:
    """mIoU of matched clusters, V-measure, and what a similarity search finds, a value a seed."""
    read, count = material.spread(part)
    amount = material.amount
    chosen = {
        seed: set(np.random.default_rng([seed, 41]).permutation(count)[: amount.cluster_scenes_per_seed].tolist())
        for seed in seeds
    }
    rows_of: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {seed: [] for seed in seeds}
    for number in range(count):
        wanting = [seed for seed in seeds if number in chosen[seed]]
        if not wanting:
            continue
        cloud, label = read(number)
        known = np.flatnonzero(label >= 0)
        most = min(len(known), amount.cluster_points)
        drawn = [np.random.default_rng([seed, 43, number]).choice(known, most, replace=False) for seed in wanting]
        features = _features(student, wanting, cloud, drawn)
        for seed, rows, value in zip(wanting, drawn, features, strict=True):
            rows_of[seed].append((value, label[rows], np.full(len(rows), number)))
    joined = [tuple(np.concatenate(some) for some in zip(*rows_of[seed], strict=True)) for seed in seeds]
    scores = [cluster_score(one[0], one[1], seed=seed) for seed, one in zip(seeds, joined, strict=True)]
    return {
        "miou": [one.miou for one in scores],
        "v_measure": [one.v_measure for one in scores],
        "found": [same_class_found(*one) for one in joined],
    }


def _features(
    student: Student, seeds: Sequence[int], cloud: PointCloud, drawn: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Features of each seed's rows; a random network's statistics are those of the cloud: a stronger control."""
    if not student.fixed:
        return [student.featurise(seed, [cloud])(cloud, rows)[LAST] for seed, rows in zip(seeds, drawn, strict=True)]
    together = student.featurise(0, ())(cloud, np.concatenate(drawn))[LAST]
    return np.split(together, np.cumsum([len(rows) for rows in drawn])[:-1])


def same_class_found(features: np.ndarray, label: np.ndarray, origin: np.ndarray) -> float:
    """Which part of the ten most similar points of other scenes has the query's class; each class counts as much.

    Args:
        features: float (N, C).
        label: integers (N,).
        origin: integers (N,), the scene of each point.
    """
    unit = torch.nn.functional.normalize(torch.from_numpy(np.ascontiguousarray(features, np.float32)), dim=1)
    truth, scene = torch.from_numpy(label), torch.from_numpy(origin)
    right = torch.zeros(len(unit))
    for rows in torch.arange(len(unit)).split(_QUERIES):
        alike = unit[rows] @ unit.T
        alike[scene[rows][:, None] == scene[None]] = -2.0
        nearest = alike.topk(_NEAREST, dim=1).indices
        right[rows] = (truth[nearest] == truth[rows][:, None]).float().mean(dim=1)
    return float(np.mean([float(right[truth == one].mean()) for one in truth.unique()]))
