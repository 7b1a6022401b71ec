"""Probes: what a frozen feature knows about a class, asked in the simplest ways.

A linear probe is a multinomial logistic regression on standardised features; a kNN probe looks at the
classes of the nearest stored features. Neither changes the backbone. The linear probe needs scikit-learn:
``pip install "ppkt-zoo[eval]"``.
"""

import dataclasses
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.metrics import IGNORE
from ppkt_zoo.files.optional import need

_SMALLEST_SPREAD = 1e-6  # A channel that never moves is divided by 1, not by its rounding noise.


@dataclass(frozen=True)
class LinearProbe:
    """A fitted linear classifier of features.

    Attributes:
        mean, spread: float32 (C,), of the training rows; features are standardised with them.
        weight: float32 (K, C).
        bias: float32 (K,).
        classes: int64 (K,), the class that each output stands for: those that the training rows hold.
        converged: whether the solver met its tolerance within its iterations.
    """

    mean: np.ndarray
    spread: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    classes: np.ndarray
    converged: bool

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        labels: np.ndarray,
        *,
        l2: float = 1e-3,
        balanced: bool = True,
        iterations: int = 300,
    ) -> "LinearProbe":
        """Minimise mean cross-entropy + l2/2 · ‖weight‖² over the rows whose label isn't −1.

        Args:
            features: float (N, C).
            labels: integers (N,), −1 = left out.
            l2: strength of the penalty, on standardised features; the bias isn't penalised.
            balanced: weigh rows so that every class counts the same in all.
            iterations: most L-BFGS iterations (scikit-learn's LogisticRegression, tolerance 1e-4).

        Raises:
            InputError: shapes, non-finite features, or fewer than two classes.
            MissingLibraryError: scikit-learn is not installed.
        """
        rows, targets = _labelled(features, labels)
        if l2 <= 0:
            raise InputError(f"l2 must be positive, got {l2:g}")
        if len(np.unique(targets)) < 2:
            raise InputError("a linear probe needs rows of at least two classes")
        mean, spread = rows.mean(axis=0), rows.std(axis=0)
        spread = np.where(spread > _SMALLEST_SPREAD, spread, 1.0).astype(np.float32)
        model = need("sklearn.linear_model", "eval", "a linear probe").LogisticRegression(
            C=1.0 / (l2 * len(rows)), class_weight="balanced" if balanced else None, max_iter=iterations
        )
        unfinished = need("sklearn.exceptions", "eval", "a linear probe").ConvergenceWarning
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", unfinished)  # The probe itself says whether it converged.
            model.fit((rows - mean) / spread, targets)
        weight, bias = model.coef_, model.intercept_
        if len(weight) == 1:  # Two classes: scikit-learn keeps the score of the second alone.
            weight, bias = np.concatenate([-weight, weight]) / 2.0, np.concatenate([-bias, bias]) / 2.0
        return cls(
            mean,
            spread,
            weight.astype(np.float32),
            bias.astype(np.float32),
            model.classes_.astype(np.int64),
            bool(np.max(model.n_iter_) < iterations),
        )

    def with_frequencies(self, counts: np.ndarray) -> "LinearProbe":
        """The same probe for classes that occur as often as counted, where it was fitted on balanced ones.

        Adds the log of each class's share to its score (Bayes' rule: only the prior changes), so that a rare
        class is named only where the features speak for it more than for the common ones.

        Args:
            counts: (K,) or longer, how often each class occurs, positive for every class of the probe.

        Raises:
            InputError: a class of the probe has no count.
        """
        if len(counts) <= self.classes.max() or (counts[self.classes] <= 0).any():
            raise InputError("counts must be positive for every class that the probe knows")
        share = counts[self.classes] / counts[self.classes].sum()
        return dataclasses.replace(self, bias=(self.bias + np.log(share)).astype(np.float32))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The class of each row: float (N, C) → int64 (N,)."""
        rows = _as_rows(features)
        # (x − mean) / spread · w = x · (w / spread) − mean · (w / spread): no standardised copy of a large cloud.
        scaled = self.weight / self.spread
        scores = rows @ scaled.T + (self.bias - scaled @ self.mean)
        return self.classes[scores.argmax(axis=1)]


@dataclass(frozen=True)
class KNNProbe:
    """A stored bank of unit features with their classes; a query asks its `k` nearest by cosine.

    Votes weigh exp(cosine / temperature) (Wu et al. 2018, arXiv 1805.01978, section 3.4).

    Attributes:
        bank: float32 (N, C), unit rows.
        labels: int64 (N,).
        k: neighbours asked.
        temperature: of the votes.
    """

    bank: np.ndarray
    labels: np.ndarray
    k: int = 20
    temperature: float = 0.07

    @classmethod
    def fit(cls, features: np.ndarray, labels: np.ndarray, *, k: int = 20, temperature: float = 0.07) -> "KNNProbe":
        """Store the rows whose label isn't −1; fewer than `k` of them are all asked.

        Raises:
            InputError: shapes, non-finite features, no labelled row, k < 1 or temperature ≤ 0.
        """
        rows, targets = _labelled(features, labels)
        if k < 1 or temperature <= 0:
            raise InputError(f"kNN needs k ≥ 1 and a positive temperature, got {k} and {temperature:g}")
        return cls(_unit(rows), targets, min(k, len(rows)), temperature)

    def predict(self, features: np.ndarray, chunk: int = 4096) -> np.ndarray:
        """The class of each row: float (N, C) → int64 (N,), `chunk` rows at a time to bound memory."""
        queries = torch.from_numpy(_unit(_as_rows(features)))
        bank, labels = torch.from_numpy(self.bank), torch.from_numpy(self.labels)
        votes_of = int(labels.max()) + 1
        found = []
        for part in queries.split(chunk):
            cosine, nearest = (part @ bank.T).topk(self.k, dim=1)
            votes = torch.zeros(len(part), votes_of)
            votes.scatter_add_(1, labels[nearest], ((cosine - 1.0) / self.temperature).exp())
            found.append(votes.argmax(dim=1))
        return torch.cat(found).numpy() if found else np.zeros(0, dtype=np.int64)


def balanced_sample(labels: np.ndarray, per_class: int, generator: np.random.Generator) -> np.ndarray:
    """Rows drawn without replacement, up to `per_class` of each class, −1 left out.

    Returns:
        int64 rows of `labels`, rising.

    Raises:
        InputError: no row has a label.
    """
    targets = np.asarray(labels)
    drawn = []
    for name in np.unique(targets[targets != IGNORE]):
        rows = np.flatnonzero(targets == name)
        drawn.append(generator.permutation(rows)[:per_class])
    if not drawn:
        raise InputError(f"no row has a label (all are {IGNORE}): nothing to draw")
    return np.sort(np.concatenate(drawn))


def _labelled(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, targets = _as_rows(features), np.asarray(labels)
    if targets.shape != (len(rows),) or targets.dtype.kind not in "iu":
        raise InputError(
            f"labels must be integers, one a row ({len(rows)},), got {targets.dtype} of shape {targets.shape}"
        )
    if targets.size and targets.min() < IGNORE:
        raise InputError(f"labels must be classes 0, 1, … or {IGNORE} for none, got {targets.min()}")
    kept = targets != IGNORE
    if not kept.any():
        raise InputError(f"no row has a label (all are {IGNORE}): a probe needs some")
    if not np.isfinite(rows[kept]).all():
        raise InputError("features have NaN or infinity: the backbone that gave them is broken")
    return rows[kept], targets[kept].astype(np.int64)


def _as_rows(features: np.ndarray) -> np.ndarray:
    rows = np.asarray(features)
    if rows.ndim != 2 or rows.shape[1] == 0 or rows.dtype.kind != "f":
        raise InputError(f"features must be float of shape (N, C), got {rows.dtype} of shape {rows.shape}")
    return rows.astype(np.float32, copy=False)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
