"""Retrieval of the right pixel, the collapse check, and the t-SNE of a student's features."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.evaluation.heads import Heads, draw_rows, pixel_embeddings, point_features
from benchmarks.evaluation.material import Amount, Material, cloud_of, pick
from benchmarks.evaluation.probing import LAST, Featurise
from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.evaluation.probes import balanced_sample
from ppkt_zoo.rooms import CLASSES
from ppkt_zoo.teachers.teacher import Teacher
from ppkt_zoo.transfer.losses import embedding_rank, retrieval_accuracy
from ppkt_zoo.transfer.projection import PointHead
from ppkt_zoo.visualization.plots import tsne_embedding

TSNE_CLASSES = ("wall", "floor", "door", "curtain", "chair", "table", "sofa", "bed", "cabinet", "bookshelf")


def retrieval(
    backbone: Backbone, heads: Heads, teacher: Teacher, source: FrameSource, amount: Amount, seed: int
) -> dict[str, float]:
    """Share of points whose own pixel is the nearest, or among the nearest five, of all pixels of several frames."""
    frames = [cloud_of(source[index]) for index in pick(source, amount.retrieval_frames, seed)]
    pairs = list(zip(frames, draw_rows(frames, amount.pairs, seed), strict=True))
    pixels = torch.cat([pixel_embeddings(teacher, heads.upl, one, rows) for one, rows in pairs])
    points = torch.cat([heads.head(point_features(backbone, heads.level, one, rows)).detach() for one, rows in pairs])
    return retrieval_accuracy(points, pixels)


def collapse(
    backbone: Backbone,
    heads: Mapping[str, tuple[PointHead, str]],
    source: FrameSource,
    amount: Amount,
    seed: int,
) -> dict[str, Any]:
    """Effective rank and mean cosine of pairs: of the last level's features, and of every head's embeddings."""
    frames = [cloud_of(source[index]) for index in pick(source, amount.retrieval_frames, seed)]
    pairs = list(zip(frames, draw_rows(frames, amount.pairs, seed), strict=True))
    last = list(backbone.level_channels)[-1]
    found = {"features": _spread(torch.cat([point_features(backbone, last, one, rows) for one, rows in pairs]))}
    for name, (head, level) in heads.items():
        points = [head(point_features(backbone, level, one, rows)).detach() for one, rows in pairs]
        found[f"{name} embeddings"] = _spread(torch.cat(points))
    return found


def _spread(rows: Tensor) -> dict[str, float]:
    unit = torch.nn.functional.normalize(rows.double(), dim=1)
    count = len(unit)
    cosine = (float(unit.sum(0).square().sum()) - count) / (count * (count - 1))
    return {"rank": round(embedding_rank(unit), 3), "cosine": round(cosine, 5), "channels": rows.shape[1]}


def tsne(featurise: Featurise, material: Material) -> dict[str, Any]:
    """Places of the same points of test scenes for every student, with their classes."""
    wanted = [CLASSES.index(name) for name in TSNE_CLASSES]
    features: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    amount = material.amount
    for index in range(amount.tsne_scenes):
        cloud, label = material.test_scene(index)
        shown = np.where(np.isin(label, wanted), label, -1)
        if not (shown >= 0).any():
            continue
        rows = balanced_sample(shown, amount.tsne_points // amount.tsne_scenes, np.random.default_rng([59, index]))
        features.append(featurise(cloud, rows)[LAST])
        labels.append(label[rows])
    places = tsne_embedding(np.concatenate(features), seed=0)
    return {
        "classes": list(TSNE_CLASSES),
        "label": [wanted.index(int(one)) for one in np.concatenate(labels)],
        "xy": _rounded(places),
    }


def _rounded(places: np.ndarray) -> Sequence[Sequence[float]]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in places]
