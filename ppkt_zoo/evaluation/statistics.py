"""A mean over seeds with the interval that the true mean lies in, and the same for a paired difference."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.optional import need


@dataclass(frozen=True)
class Interval:
    """A mean and its two-sided confidence interval.

    Attributes:
        mean: of the values.
        low, high: ends of the interval.
        n: how many values (seeds) it rests on.
        level: the confidence, 0.95 unless asked otherwise.
    """

    mean: float
    low: float
    high: float
    n: int
    level: float = 0.95

    def __format__(self, spec: str) -> str:
        """``mean [low, high]``, each number by ``spec``; signed by such as ``+.3f``, which suits differences."""
        spec = spec or ".3f"
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def __str__(self) -> str:
        return format(self)


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of independent runs with Student's t interval, mean ± t(n−1) · s / √n.

    Args:
        values: one number a seed, at least two, finite.
        level: confidence in (0, 1).

    Raises:
        InputError: fewer than two values, a value that isn't finite, or a level outside (0, 1).
        MissingLibraryError: scipy is not installed.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or numbers.size < 2:
        raise InputError(f"an interval needs at least 2 values (one a seed), got {numbers.size}: run more seeds")
    if not np.isfinite(numbers).all():
        raise InputError("an interval needs finite values, found NaN or infinity: look at the run that gave it")
    if not 0.0 < level < 1.0:
        raise InputError(f"level must lie between 0 and 1, got {level:g}")
    mean = float(numbers.mean())
    student = need("scipy.stats", "eval", "an interval").t
    quantile = float(student.ppf(0.5 + level / 2.0, numbers.size - 1))
    half = quantile * float(numbers.std(ddof=1)) / sqrt(numbers.size)
    return Interval(mean, mean - half, mean + half, int(numbers.size), level)


def paired_difference(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Interval:
    """Interval of first − second where the i-th values share a seed (the same data, the same order).

    Pairing takes out what both runs of a seed have in common, such as which frames were labelled.

    Raises:
        InputError: the lengths differ, or as for `mean_interval`.
    """
    if len(first) != len(second):
        raise InputError(f"pairs need as many first values as second ones, got {len(first)} and {len(second)}")
    return mean_interval([a - b for a, b in zip(first, second, strict=True)], level)
