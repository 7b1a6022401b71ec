"""What features know without a single label: their clusters held against the classes. Needs ``ppkt-zoo[eval]``."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.metrics import IGNORE, Confusion
from ppkt_zoo.files.optional import need

_STARTS = 4
# Rows that centres are fitted to; more of them move a centre very little.
_FITTED = 50_000
_BLOCK = 200_000


@dataclass(frozen=True)
class ClusterScore:
    """How clusters of features agree with the classes of their points.

    Attributes:
        miou: mean intersection over union after each cluster was given the class that makes the sum of all overlaps
            largest (one class a cluster, one cluster a class); a class without a cluster counts as 0.
        v_measure: harmonic mean of homogeneity and completeness (Rosenberg and Hirschberg, EMNLP 2007), which asks
            for no matching.
        clusters: how many there were.
        points: how many were clustered.
    """

    miou: float
    v_measure: float
    clusters: int
    points: int


def cluster_score(features: Any, label: Any, clusters: int | None = None, seed: int = 0) -> ClusterScore:
    """Cluster the features of labelled points by k-means on the unit sphere, and compare with the labels.

    Args:
        features: float (N, C), numpy or torch.
        label: integers (N,), −1 for points that are left out.
        clusters: how many; as many as there are classes among the labels where None.
        seed: of the first centres.

    Raises:
        InputError: lengths differ, features are not finite, or fewer than two classes are labelled.
        MissingLibraryError: scikit-learn is not installed.
    """
    rows, truth = _checked(features, label)
    present, truth = np.unique(truth, return_inverse=True)
    if len(present) < 2:
        raise InputError(f"clusters are held against at least two classes, the labels name {len(present)}")
    count = len(present) if clusters is None else clusters
    if not 2 <= count <= len(rows):
        raise InputError(f"clusters must lie between 2 and the number of points, {len(rows)}, got {count}")
    directions = _directions(rows)
    k_means = need("sklearn.cluster", "eval", "a cluster score").KMeans(count, n_init=_STARTS, random_state=seed)
    found = k_means.fit_predict(directions)
    v_measure = need("sklearn.metrics", "eval", "a cluster score").v_measure_score(truth, found)
    return ClusterScore(matched(found, truth), float(v_measure), count, len(rows))


def cluster_points(features: Any, clusters: int, seed: int = 0) -> np.ndarray:
    """Group points whose features point the same way, by k-means on the unit sphere.

    Args:
        features: float (N, C), numpy or torch.
        clusters: how many.
        seed: of the first centres, and of the 50 000 points that centres are fitted to where there are more.

    Returns:
        int64 (N,): the cluster of each point, 0 the largest one.

    Raises:
        InputError: features are no finite numbers (N, C), or there are fewer points than clusters.
        MissingLibraryError: scikit-learn is not installed.
    """
    given = features.detach().cpu().numpy() if isinstance(features, Tensor) else np.asarray(features)
    rows, _ = _checked(given, np.zeros(len(given), np.int64))
    if not 2 <= clusters <= len(rows):
        raise InputError(f"clusters must lie between 2 and the number of points, {len(rows)}, got {clusters}")
    some = np.random.default_rng(seed).permutation(len(rows))[:_FITTED]
    k_means = need("sklearn.cluster", "eval", "clusters").KMeans(clusters, n_init=_STARTS, random_state=seed)
    k_means.fit(_directions(rows[some]))
    parts = [k_means.predict(_directions(rows[at : at + _BLOCK])) for at in range(0, len(rows), _BLOCK)]
    found = np.concatenate(parts)
    rank = np.empty(clusters, np.int64)
    rank[np.argsort(-np.bincount(found, minlength=clusters), kind="stable")] = np.arange(clusters)
    return rank[found]


def _directions(rows: np.ndarray) -> np.ndarray:
    # Backbones express similarity by direction; length would only make large features matter more.
    directions: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12)
    return directions


def matched(found: np.ndarray, truth: np.ndarray) -> float:
    """mIoU after the one-to-one matching of clusters to classes with the largest sum of overlaps (Hungarian method).

    Args:
        found: clusters int (N,), from 0.
        truth: classes int (N,), from 0.

    Raises:
        MissingLibraryError: scipy is not installed.
    """
    classes, clusters = int(truth.max()) + 1, int(found.max()) + 1
    table = np.zeros((classes, clusters), np.int64)
    np.add.at(table, (truth, found), 1)
    union = table.sum(axis=1, keepdims=True) + table.sum(axis=0, keepdims=True) - table
    optimize = need("scipy.optimize", "eval", "a cluster score")
    class_of, cluster_of = optimize.linear_sum_assignment(table / union.clip(min=1), maximize=True)
    # Clusters that no class took become a class that does not exist, so that their points count as missed.
    renamed = np.full(clusters, classes)
    renamed[cluster_of] = class_of
    confusion = Confusion(classes + 1).update(truth, renamed[found])
    return float(np.nan_to_num(confusion.iou()[:classes]).mean())


def _checked(features: Any, label: Any) -> tuple[np.ndarray, np.ndarray]:
    rows, truth = (
        one.detach().cpu().numpy() if isinstance(one, Tensor) else np.asarray(one) for one in (features, label)
    )
    if rows.ndim != 2 or truth.shape != (len(rows),) or truth.dtype.kind not in "iu":
        raise InputError(f"features (N, C) and integer labels (N,) are needed, got {rows.shape} and {truth.shape}")
    if not np.isfinite(rows).all():
        raise InputError("features have NaN or infinity: take an earlier checkpoint of the training")
    known = truth != IGNORE
    return rows[known].astype(np.float64), truth[known]
