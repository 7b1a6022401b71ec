"""What is asked about the permissive frames: the teacher's view, objects against their table, the same place again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from benchmarks.evaluation.permissive import NEIGHBOURS, SEEN, TABLES, Key, Permissive
from benchmarks.evaluation.probing import LAST, Featurise
from ppkt_zoo.evaluation.metrics import IGNORE, Confusion
from ppkt_zoo.evaluation.probes import LinearProbe, balanced_sample
from ppkt_zoo.points.cloud import PointCloud

#: Features of the sampled points of each frame, float32 (R, C).
Features = Mapping[Key, np.ndarray]

CLASSES = ("background", "bottle", "chair", "diningtable")
"""Classes of Pascal VOC that the teacher sees often enough both in training frames and in held-out ones."""
# Points of a frame, of a class in a frame, and of a class in all.
_POINTS, _PER_FRAME, _PER_CLASS = 4000, 400, 4000
_FIT_TABLES = 3
_FIT_SHARE = 2 / 3
# Strengths of the ridge; which one is decided by whole folders of the frames that it is fitted on.
_RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_FOLDS, _EVERY, _LEAST_SPREAD = 3, 8, 1e-6
# Metres: how near a found point must lie to the right place, and two points to be the same place.
NEAR, _SAME = 0.05, 0.02
_QUERIES, _CANDIDATES = 500, 4000


@dataclass(frozen=True)
class Sample:
    """Some points of a frame, and what is known about them.

    Attributes:
        rows: int64 (R,), of the frame's points.
        teacher_class: int64 (R,), an index into ``CLASSES``, −1 for any other.
        teacher_features: float32 (R, 256).
        on_table: int64 (R,), 0 table, 1 object, −1 unknown.
    """

    rows: np.ndarray
    teacher_class: np.ndarray
    teacher_features: np.ndarray
    on_table: np.ndarray


def draw_sample(frames: Permissive, key: Key, voc: Sequence[str]) -> Sample:
    """The same points for every weight and every seed."""
    one = frames.cloud(key)
    rows = np.sort(np.random.default_rng([key[1], 79]).permutation(len(one.cloud))[:_POINTS])
    seen, features = frames.seen_by_teacher(one, rows)
    number = np.array([CLASSES.index(name) if name in CLASSES else IGNORE for name in voc])
    return Sample(rows, number[seen], features, frames.on_table(key, one)[rows])


def encoded(frames: Permissive, samples: Mapping[Key, Sample], featurise: Featurise) -> dict[Key, np.ndarray]:
    """Features of every sample."""
    return {key: featurise(frames.cloud(key).cloud, sample.rows)[LAST] for key, sample in samples.items()}


def teacher_agreement(
    features: Features, samples: Mapping[Key, Sample], fit: Sequence[Key], ask: Sequence[Key], seed: int
) -> float:
    """mIoU with the teacher's classes of a linear probe that is fitted on other frames."""
    label = {key: sample.teacher_class for key, sample in samples.items()}
    return _probe(features, label, _drawn(fit, seed), ask, len(CLASSES), seed)


def feature_correlation(
    features: Features, samples: Mapping[Key, Sample], fit: Sequence[Key], ask: Sequence[Key], seed: int
) -> float:
    """How the teacher's features correlate with what a linear map that is fitted on other frames makes of a weight's.

    The mean over the teacher's channels of Pearson's correlation over all points, −1 to 1. (The share of the variance
    that is explained is no measure here: the frames' means differ, and no map between other frames can know them.)
    """
    keys = _drawn(fit, seed)
    folders = sorted({key[0] for key in keys})
    # Whole folders are held out to decide by; a single one has frames for it.
    fold_of = [(folders.index(key[0]) if len(folders) > 1 else place) % _FOLDS for place, key in enumerate(keys)]
    scores = np.zeros(len(_RIDGES))
    for fold in set(fold_of):
        inner = [key for key, one in zip(keys, fold_of, strict=True) if one != fold]
        outer = [key for key, one in zip(keys, fold_of, strict=True) if one == fold]
        scores += [one.correlation(features, samples, outer) for one in _maps(features, samples, inner)]
    return _maps(features, samples, keys)[int(scores.argmax())].correlation(features, samples, ask)


def objects_on_tables(
    features: Features, samples: Mapping[Key, Sample], seed: int, neighbours: bool
) -> tuple[float, float]:
    """mIoU of table against object by a probe fitted on three tables: on the other held-out ones, and on seen ones.

    Args:
        features, samples: of all frames.
        seed: which tables are fitted on.
        neighbours: whether `NEIGHBOURS` are among the held-out tables.
    """
    tables = [one for one in TABLES if neighbours or one != NEIGHBOURS]
    order = np.random.default_rng([seed, 83]).permutation(len(tables))
    fit, ask = (
        [(tables[number][0], index) for number in some for index in tables[number][1]]
        for some in (order[:_FIT_TABLES], order[_FIT_TABLES:])
    )
    label = {key: sample.on_table for key, sample in samples.items()}
    seen = [key for key in samples if key[0] in SEEN and key[0] == "nvlabs-6dof-graspnet"]
    return tuple(_probe(features, label, fit, some, 2, seed) for some in (ask, seen))  # type: ignore[return-value]


def same_place(featurise: Featurise, pair: tuple[PointCloud, PointCloud], twin: np.ndarray, seed: int) -> list[float]:
    """Of some points of the first cloud, how many find their place in the second by features; and by chance.

    The second cloud is turned about z before it is encoded, so that it falls onto other voxels.

    Args:
        featurise: how a network sees a cloud.
        pair: two recordings of one scene, in the same coordinates.
        twin: int64 (N,), for each point of the first cloud its row in the second, −1 where it has none.
        seed: of points and turn.
    """
    first, second = pair
    rng = np.random.default_rng([seed, 89])
    asked = rng.permutation(np.flatnonzero(twin >= 0))[:_QUERIES]
    others = rng.permutation(len(second))[:_CANDIDATES]
    candidates = np.concatenate([twin[asked], others])
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    turned = second.xyz @ torch.tensor([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    queries = _unit(featurise(first, asked)[LAST])
    found = candidates[(queries @ _unit(featurise(PointCloud(turned, second.rgb), candidates)[LAST]).T).argmax(axis=1)]
    place, right = second.xyz.numpy(), second.xyz.numpy()[twin[asked]]
    hit = np.linalg.norm(place[found] - right, axis=1) < NEAR
    around = cKDTree(place[candidates]).query_ball_point(right, NEAR, return_length=True)
    return [float(hit.mean()), float(np.mean(around / len(candidates)))]


def twins(first: PointCloud, second: PointCloud) -> np.ndarray:
    """For each point of the first cloud the nearest of the second, −1 where none lies within 2 cm."""
    away, row = cKDTree(second.xyz.numpy()).query(first.xyz.numpy())
    return np.where(away < _SAME, row, -1)


def _drawn(keys: Sequence[Key], seed: int) -> list[Key]:
    """Two thirds of the frames, in their order."""
    order = np.random.default_rng([seed, 97]).permutation(len(keys))[: max(1, round(len(keys) * _FIT_SHARE))]
    return [keys[number] for number in sorted(order)]


def _probe(
    features: Features,
    label: Mapping[Key, np.ndarray],
    fit: Sequence[Key],
    ask: Sequence[Key],
    classes: int,
    seed: int,
) -> float:
    tables, targets = [], []
    for key in fit:
        if (label[key] != IGNORE).any():
            rows = balanced_sample(label[key], _PER_FRAME, np.random.default_rng([seed, 101, key[1]]))
            tables.append(features[key][rows])
            targets.append(label[key][rows])
    table, target = np.concatenate(tables), np.concatenate(targets)
    rows = balanced_sample(target, _PER_CLASS, np.random.default_rng([seed, 103]))
    probe = LinearProbe.fit(table[rows], target[rows])
    score = Confusion(classes)
    for key in ask:
        rows = np.flatnonzero(label[key] != IGNORE)
        score.update(label[key][rows], probe.predict(features[key][rows]))
    return float(score.mean_iou())


@dataclass(frozen=True)
class _Map:
    """Standardised features → the teacher's, standardised, by the fitted frames' statistics."""

    middle: np.ndarray
    spread: np.ndarray
    weight: np.ndarray

    def correlation(self, features: Features, samples: Mapping[Key, Sample], keys: Sequence[Key]) -> float:
        x, y = _rows(features, samples, keys)
        told = (x - self.middle) / self.spread @ self.weight
        told, truth = told - told.mean(axis=0), y - y.mean(axis=0)
        length = np.sqrt(np.square(told).sum(axis=0) * np.square(truth).sum(axis=0))
        # A channel that never moves in these frames correlates with nothing.
        return float(np.mean((told * truth).sum(axis=0)[length > 0] / length[length > 0]))


def _maps(features: Features, samples: Mapping[Key, Sample], keys: Sequence[Key]) -> list[_Map]:
    """One for each ridge."""
    x, y = _rows(features, samples, keys)
    middle, spread, mean, scale = x.mean(axis=0), x.std(axis=0), y.mean(axis=0), y.std(axis=0) + _LEAST_SPREAD
    spread = np.where(spread > _LEAST_SPREAD, spread, 1.0)
    x, y = (x - middle) / spread, (y - mean) / scale
    gram, cross, one = x.T @ x / len(x), x.T @ y / len(x), np.eye(x.shape[1])
    return [_Map(middle, spread, np.linalg.solve(gram + ridge * one, cross)) for ridge in _RIDGES]


def _rows(features: Features, samples: Mapping[Key, Sample], keys: Sequence[Key]) -> tuple[np.ndarray, np.ndarray]:
    """Some of the points of some frames, by their features and by the teacher's."""
    x = np.concatenate([features[key][::_EVERY] for key in keys]).astype(np.float64)
    return x, np.concatenate([samples[key].teacher_features[::_EVERY] for key in keys]).astype(np.float64)


def _unit(rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12)
    return found
