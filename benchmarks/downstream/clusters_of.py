"""Points of scenes that no weight saw, and how clusters and neighbours of their features agree with their classes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _probes.clouds import cloud_of, open_kitchen, open_mosd
from _probes.probing import LAST, Featurise, of_backbone, of_colour_and_height
from _probes.teacher_labels import teacher_label
from _probes.untrained import make_untrained

from ppkt_zoo.evaluation.clusters import cluster_score
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.rooms import rooms_bench
from ppkt_zoo.teachers.spec import VOC_SEGMENTER
from ppkt_zoo.teachers.teacher import Teacher, load_teacher
from ppkt_zoo.zoo.config import NetworkConfig
from ppkt_zoo.zoo.folder import WeightFolder

LABELLER_FILE = "teachers/deeplabv3_mobilenet_v2_voc21.safetensors"
SETS = {"rooms": "unseen rooms", "kitchen": "real kitchen", "mosd": "real table tops"}
Labelled = tuple[PointCloud, np.ndarray]
# Points that a search gives, and queries at once.
_NEAREST, _QUERIES = 10, 1000
# What sees: a weight, the configuration of an untrained network, or nothing but the points themselves.
Student = WeightFolder | NetworkConfig | None


@dataclass(frozen=True)
class Amount:
    """How much is measured.

    Attributes:
        name: for file names.
        scenes: of each set, at most.
        per_seed: of these that a seed draws.
        points: of each that it draws.
        looked_at, named: frames of the kitchen, from and to: whose images the teacher sees, and whose points are named.
        named_per_seed: of either that a seed draws.
    """

    name: str = "full"
    scenes: int = 24
    per_seed: int = 10
    points: int = 600
    looked_at: tuple[int, int] = (70, 100)
    named: tuple[int, int] = (0, 60)
    named_per_seed: int = 20


FULL, TINY = Amount(), Amount("tiny", 2, 2, 200, (95, 100), (0, 2), 2)


@dataclass(frozen=True)
class Sets:
    """Where the labelled clouds come from: ``shared`` with frames/ and teachers/, ``cache`` with finished scenes."""

    shared: Path
    cache: Path
    amount: Amount

    def reader(self, part: str) -> tuple[Callable[[int], Labelled], int]:
        """A cloud with the class of each point by number, and how many there are, spread over the whole set."""
        if part == "rooms":
            scenes = rooms_bench("v1").test(cache=self.cache)

            def of_scene(index: int) -> Labelled:
                scene = scenes[index]
                return PointCloud.from_arrays(scene.xyz, scene.rgb), scene.label.astype(np.int64)

            return of_scene, min(self.amount.scenes, len(scenes))
        source = open_kitchen(self.shared) if part == "kitchen" else open_mosd(self.shared)
        count = min(self.amount.scenes, len(source))

        def of_frame(index: int) -> Labelled:
            one = cloud_of(source[index * len(source) // count])
            return one.cloud, teacher_label(self._labeller, one) if part == "kitchen" else one.label()

        return of_frame, count

    @cached_property
    def _labeller(self) -> Teacher:
        return load_teacher(VOC_SEGMENTER, self.shared / LABELLER_FILE)


def clusters(student: Student, sets: Sets, part: str, seeds: list[int]) -> dict[str, list[float]]:
    """mIoU of matched clusters, V-measure, and what a similarity search finds, a value a seed."""
    read, count = sets.reader(part)
    chosen = {
        seed: set(np.random.default_rng([seed, 41]).permutation(count)[: sets.amount.per_seed].tolist())
        for seed in seeds
    }
    features: dict[int, list[np.ndarray]] = {seed: [] for seed in seeds}
    labels: dict[int, list[np.ndarray]] = {seed: [] for seed in seeds}
    origins: dict[int, list[np.ndarray]] = {seed: [] for seed in seeds}
    fixed = None if isinstance(student, NetworkConfig) else _fixed(student)
    for number in range(count):
        wanting = [seed for seed in seeds if number in chosen[seed]]
        if not wanting:
            continue
        cloud, label = read(number)
        known = np.flatnonzero(label >= 0)
        drawn = [
            np.random.default_rng([seed, 43, number]).choice(known, min(len(known), sets.amount.points), replace=False)
            for seed in wanting
        ]
        if fixed is not None:
            found = np.split(fixed(cloud, np.concatenate(drawn))[LAST], np.cumsum([len(one) for one in drawn])[:-1])
        else:
            found = [
                _random(student, seed, cloud)(cloud, rows)[LAST] for seed, rows in zip(wanting, drawn, strict=True)
            ]
        for seed, rows, value in zip(wanting, drawn, found, strict=True):
            features[seed].append(value)
            labels[seed].append(label[rows])
            origins[seed].append(np.full(len(rows), number))
    joined = {seed: tuple(np.concatenate(some[seed]) for some in (features, labels, origins)) for seed in seeds}
    scores = [cluster_score(joined[seed][0], joined[seed][1], seed=seed) for seed in seeds]
    return {
        "miou": [one.miou for one in scores],
        "v_measure": [one.v_measure for one in scores],
        "found": [same_class_found(*joined[seed]) for seed in seeds],
    }


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


def _fixed(student: WeightFolder | None) -> Featurise:
    return of_colour_and_height if student is None else of_backbone(student.backbone(), every_level=False)


def _random(config: Any, seed: int, cloud: PointCloud) -> Featurise:
    """The seed's random network; its statistics are those of the cloud, which makes it a stronger control."""
    return of_backbone(make_untrained(config, seed, [cloud]), every_level=False)
