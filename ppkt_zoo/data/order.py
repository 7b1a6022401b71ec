"""`FrameOrder`: which frames a step sees."""

from collections.abc import Sequence
from fractions import Fraction
from math import floor, lcm

import numpy as np

from ppkt_zoo.errors import RecipeError

# Largest denominator of a number of frames a step.
_FINEST = 100


class FrameOrder:
    """Which frames a step sees: a pure function of (seed, step), so that a resumed run sees the same.

    Every source gives ``per_step`` frames to each step, in random order; within an epoch no start comes twice.

    Args:
        seed: the run's seed.
        sizes: frames of each source.
        per_step: frames of each source a step. Where it is no multiple of ``views``, on average: some steps get more.
        views: of each source, frames in a row that are always taken together; 1 where absent.
        scenes: of each source, frames in a row that belong to one scene, which views never leave.
    """

    def __init__(
        self,
        seed: int,
        sizes: Sequence[int],
        per_step: Sequence[float],
        views: Sequence[int] | None = None,
        scenes: Sequence[int] | None = None,
    ) -> None:
        self._seed = seed
        self._per_step = [Fraction(one).limit_denominator(_FINEST) for one in per_step]
        self._orders: dict[int, tuple[int, np.ndarray]] = {}
        self._views = [1] * len(sizes) if views is None else views
        # A frame may start a row where the row ends in the same scene.
        self._starts = [
            np.array([start for start in range(size - count + 1) if start % scene + count <= scene])
            for size, count, scene in zip(sizes, self._views, scenes or sizes, strict=True)
        ]
        empty = [number for number, starts in enumerate(self._starts) if not len(starts)]
        if empty:
            raise RecipeError(f"data entry {empty[0]} has {sizes[empty[0]]} frames, too few for views in a row")

    def __call__(self, step: int) -> list[tuple[int, int]]:
        """The step's frames as (source, index)."""
        return [frame for row in self.rows(step) for frame in row]

    def rows(self, step: int) -> list[list[tuple[int, int]]]:
        """The same, with the frames that are taken together in a list of their own."""
        rows = []
        for source, (starts, views) in enumerate(zip(self._starts, self._views, strict=True)):
            for draw in range(self._draws(source, step), self._draws(source, step + 1)):
                epoch, place = divmod(draw, len(starts))
                first = int(starts[self._shuffled(source, epoch)[place]])
                rows.append([(source, first + view) for view in range(views)])
        return rows

    def _shuffled(self, source: int, epoch: int) -> np.ndarray:
        """The order of a source's starts in an epoch; the last one asked for is kept."""
        kept = self._orders.get(source)
        if kept is None or kept[0] != epoch:
            rng = np.random.default_rng([self._seed, source, epoch])
            kept = self._orders[source] = (epoch, rng.permutation(len(self._starts[source])))
        return kept[1]

    @property
    def fewest_rows(self) -> int:
        """Rows of the poorest step."""
        # What a source gives repeats after as many steps as it has views, times those to a whole number of frames.
        return min(len(self.rows(step)) for step in range(self._period))

    @property
    def _period(self) -> int:
        return lcm(*self._views, *(one.denominator for one in self._per_step))

    def _draws(self, source: int, step: int) -> int:
        """Rows of views that a source has given before ``step``; sources that skip steps skip different ones."""
        count = step * self._per_step[source] / self._views[source]
        return floor(count + Fraction(source, len(self._starts)))
