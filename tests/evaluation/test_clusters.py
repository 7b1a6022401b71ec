"""Clusters of features are held against classes, and an answer is known for each."""

import numpy as np
import pytest
import torch

from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.clusters import cluster_points, cluster_score, matched


def blobs(spread: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = np.repeat([4, 7, 9], 50)
    middles = {4: (1, 0, 0), 7: (0, 1, 0), 9: (0, 0, 1)}
    features = np.array([middles[one] for one in label]) + spread * rng.normal(size=(150, 3))
    return features, label


def test_clear_clusters_are_the_classes_whatever_their_length() -> None:
    features, label = blobs(0.05)
    lengths = np.random.default_rng(1).uniform(0.1, 10, (150, 1))
    found = cluster_score(torch.from_numpy(features * lengths), torch.from_numpy(label))
    assert (found.miou, found.v_measure, found.clusters, found.points) == (1.0, pytest.approx(1.0), 3, 150)


def test_noise_is_not() -> None:
    _, label = blobs(0)
    features = np.random.default_rng(2).normal(size=(150, 3))
    found = cluster_score(features, label)
    assert found.miou < 0.4
    assert found.v_measure < 0.1


def test_unlabelled_points_are_left_out() -> None:
    features, label = blobs(0.05)
    label[:10] = -1
    features[:10] = 100
    assert cluster_score(features, label).points == 140


def test_the_matching_is_one_to_one_and_best_in_sum() -> None:
    # Cluster 0 holds most of both classes; giving it to class 1 leaves cluster 1 for class 0.
    truth = np.array([0] * 6 + [1] * 10)
    found = np.array([0] * 3 + [1] * 3 + [0] * 10)
    assert matched(found, truth) == pytest.approx((3 / 6 + 10 / 13) / 2)
    # A cluster too many: its points are missed.
    assert matched(np.array([0, 0, 1, 2]), np.array([0, 0, 1, 1])) == pytest.approx((1 + 1 / 2) / 2)
    # A cluster too few: a class without one counts as 0.
    assert matched(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1])) == pytest.approx((3 / 4 + 0) / 2)


def test_what_cannot_be_clustered_is_told() -> None:
    features, label = blobs(0.05)
    for wrong, said in (
        ((features, label[:-1]), "are needed"),
        ((features, np.zeros(150, int)), "at least two classes"),
        ((np.full_like(features, np.nan), label), "NaN"),
    ):
        with pytest.raises(InputError, match=said):
            cluster_score(*wrong)
    with pytest.raises(InputError, match="between 2 and"):
        cluster_score(features, label, clusters=1)


def test_points_get_the_clusters_of_their_features_the_largest_first() -> None:
    features, label = blobs(0.05)
    features, label = features[30:], label[30:]  # 20 of the first class, 50 of either other
    found = cluster_points(torch.from_numpy(features), 3)
    assert np.bincount(found).tolist() == [50, 50, 20]
    assert set(found[label == 4]) == {2}
    assert len(set(found[label == 7])) == 1
    with pytest.raises(InputError, match="between 2 and the number of points, 120, got 200"):
        cluster_points(features, 200)
    with pytest.raises(InputError, match="NaN or infinity"):
        cluster_points(np.full((9, 3), np.nan), 2)
