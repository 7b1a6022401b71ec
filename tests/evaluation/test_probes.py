"""Probes: they learn what can be learned and nothing where there is nothing."""

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.probes import KNNProbe, LinearProbe, balanced_sample

PROBES = [LinearProbe, KNNProbe]


def toy(seed: int, rows: int = 600, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Three clusters in 8 channels, on very different scales and far from the origin in one of them."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows)
    features = generator.normal(size=(rows, 8))
    features[np.arange(rows), labels] += 6.0
    return features.astype(np.float32), labels


@pytest.mark.parametrize("probe", PROBES)
def test_a_separable_problem_is_learned(probe: type) -> None:
    fitted = probe.fit(*toy(0))
    features, labels = toy(1)
    assert (fitted.predict(features) == labels).mean() > 0.97


@pytest.mark.parametrize("probe", PROBES)
def test_shuffled_labels_give_chance(probe: type) -> None:
    features, labels = toy(0)
    queries, truth = toy(1)
    right = []
    for seed in range(20):  # One shuffle names whole clusters by luck; chance is the mean over many.
        fitted = probe.fit(features, np.random.default_rng(seed).permutation(labels))
        right.append((fitted.predict(queries) == truth).mean())
    assert np.mean(right) == pytest.approx(1 / 3, abs=0.12)


@pytest.mark.parametrize("classes", [2, 4])
def test_linear_probe_is_scikit_learns_own_answer(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    features, labels = toy(0, classes=classes)
    features = features * np.geomspace(1e-2, 1e3, 8, dtype=np.float32) + 5.0
    scaler = StandardScaler().fit(features)
    reference = LogisticRegression(C=1 / (1e-3 * len(features)), class_weight="balanced", max_iter=300)
    reference.fit(scaler.transform(features), labels)
    fitted = LinearProbe.fit(features, labels)
    assert fitted.converged
    assert (fitted.predict(features) == reference.predict(scaler.transform(features))).mean() > 0.995


def test_a_probe_answers_with_the_classes_it_saw_and_skips_the_ignored() -> None:
    features, labels = toy(0)
    names = np.array([4, 0, 7])[labels]
    names[:50] = -1
    features[:50] = np.nan  # What has no label isn't looked at.
    for probe in PROBES:
        assert set(probe.fit(features, names).predict(features[50:])) == {0, 4, 7}


def test_restored_frequencies_are_those_of_a_probe_fitted_on_them() -> None:
    generator = np.random.default_rng(0)
    labels = (generator.random(20_000) < 0.03).astype(np.int64)
    features = (generator.normal(size=(20_000, 1)) + 1.5 * labels[:, None]).astype(np.float32)
    natural = LinearProbe.fit(features, labels, balanced=False, l2=1e-6)
    balanced = LinearProbe.fit(features, labels, balanced=True, l2=1e-6)
    restored = balanced.with_frequencies(np.bincount(labels))
    truly = natural.predict(features)
    assert (balanced.predict(features) != truly).mean() > 0.1
    assert (restored.predict(features) != truly).mean() < 0.005
    with pytest.raises(InputError, match="counts"):
        balanced.with_frequencies(np.array([5, 0]))


def test_a_channel_that_never_moves_does_no_harm() -> None:
    features, labels = toy(0)
    features[:, 7] = 3.0
    assert (LinearProbe.fit(features, labels).predict(features) == labels).mean() > 0.97


def test_knn_is_the_same_in_chunks_and_with_few_rows() -> None:
    fitted = KNNProbe.fit(*toy(0))
    queries, _ = toy(1)
    np.testing.assert_array_equal(fitted.predict(queries), fitted.predict(queries, chunk=7))
    assert fitted.predict(queries[:0]).shape == (0,)
    assert KNNProbe.fit(queries[:3], np.array([0, 1, 1])).k == 3


def test_balanced_draw() -> None:
    labels = np.array([0] * 100 + [1] * 5 + [-1] * 50 + [3] * 20)
    rows = balanced_sample(labels, 10, np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [10, 5, 0, 10]
    assert len(np.unique(rows)) == len(rows)
    np.testing.assert_array_equal(rows, balanced_sample(labels, 10, np.random.default_rng(0)))
    with pytest.raises(InputError, match="nothing to draw"):
        balanced_sample(np.full(3, -1), 10, np.random.default_rng(0))


def test_bad_input_is_named() -> None:
    features, labels = toy(0)
    for probe in PROBES:
        with pytest.raises(InputError, match="one a row"):
            probe.fit(features, labels[:-1])
        with pytest.raises(InputError, match="shape"):
            probe.fit(features[0], labels)
        with pytest.raises(InputError, match="no row has a label"):
            probe.fit(features, np.full_like(labels, -1))
        with pytest.raises(InputError, match="NaN"):
            probe.fit(np.full_like(features, np.nan), labels)
        with pytest.raises(InputError, match="got -3"):
            probe.fit(features, np.full_like(labels, -3))
    with pytest.raises(InputError, match="at least two classes"):
        LinearProbe.fit(features, np.zeros_like(labels))
    with pytest.raises(InputError, match="l2"):
        LinearProbe.fit(features, labels, l2=0.0)
    with pytest.raises(InputError, match="kNN"):
        KNNProbe.fit(features, labels, k=0)
