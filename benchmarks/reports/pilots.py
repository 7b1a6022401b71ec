"""The page of the pilots: what each change of the recipe is worth against the control, over training seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.evaluation.pilot_table import CONTROL
from benchmarks.reports.figures import table
from ppkt_zoo.evaluation.statistics import Interval

Results = Mapping[str, Any]
#: Tasks by name, and what the page calls them.
TASKS = {"rooms": "unseen rooms", "kitchen": "real kitchen", "mosd": "table tops"}
_NOT_YET = "Not measured yet."


@dataclass(frozen=True)
class Spread:
    """What runs differ by that differ in the training seed alone, pooled over all recipes that ran more than once.

    Attributes:
        deviation: standard deviation of a run.
        freedom: degrees of freedom: runs less recipes.
    """

    deviation: float
    freedom: int

    def mean(self, values: Sequence[float]) -> Interval:
        """Mean of some runs of one recipe with its 95 % interval."""
        return self._around(float(np.mean(values)), 1 / len(values), len(values))

    def difference(self, first: Sequence[float], second: Sequence[float]) -> Interval:
        """Mean of the first − mean of the second, with its 95 % interval; one run of either is enough."""
        parts = 1 / len(first) + 1 / len(second)
        return self._around(float(np.mean(first) - np.mean(second)), parts, len(first) + len(second))

    def _around(self, mean: float, parts: float, runs: int) -> Interval:
        return _interval(mean, self.deviation * sqrt(parts), self.freedom, runs)


@dataclass(frozen=True)
class SameSeeds:
    """A score as an effect of the recipe and one of the training seed: recipes are compared on what seeds they share.

    Attributes:
        effect: of each recipe, by name.
        covariance: of the effects, in the same order.
        freedom: degrees of freedom of what is left over.
        runs: how many it rests on.
    """

    effect: Mapping[str, float]
    covariance: np.ndarray
    freedom: int
    runs: int

    def difference(self, first: str, second: str) -> Interval:
        """The first recipe's effect − the second's, with its 95 % interval."""
        names = list(self.effect)
        contrast = np.zeros(len(names))
        contrast[names.index(first)], contrast[names.index(second)] = 1.0, -1.0
        deviation = sqrt(float(contrast @ self.covariance @ contrast))
        return _interval(self.effect[first] - self.effect[second], deviation, self.freedom, self.runs)


def same_seeds(pilots: Sequence[Results], task: str) -> SameSeeds | None:
    """The least-squares fit of both effects; None where nothing is left over to judge it by."""
    seeds = sorted({run["seed"] for one in pilots for run in one["runs"]})
    rows, scores = [], []
    for place, one in enumerate(pilots):
        for run, score in zip(one["runs"], values_of(one, task), strict=True):
            row = np.zeros(len(pilots) + len(seeds))
            row[place] = row[len(pilots) + seeds.index(run["seed"])] = 1.0
            rows.append(row)
            scores.append(score)
    # The first seed's effect is part of every recipe's.
    table, wanted = np.delete(np.array(rows), len(pilots), axis=1), np.array(scores)
    found, _, rank, _ = np.linalg.lstsq(table, wanted)
    freedom = len(scores) - int(rank)
    if not freedom:
        return None
    left = float(np.square(wanted - table @ found).sum()) / freedom
    covariance = left * np.linalg.pinv(table.T @ table)[: len(pilots), : len(pilots)]
    names = [one["name"] for one in pilots]
    return SameSeeds(dict(zip(names, found.tolist(), strict=False)), covariance, freedom, len(scores))


def _interval(mean: float, deviation: float, freedom: int, runs: int) -> Interval:
    half = float(student.ppf(0.975, freedom)) * deviation
    return Interval(mean, mean - half, mean + half, runs)


def spread_of(groups: Sequence[Sequence[float]]) -> Spread | None:
    """The spread of runs within recipes; None where no recipe ran twice."""
    freedom = sum(len(one) - 1 for one in groups)
    if not freedom:
        return None
    squares = sum(float(np.square(np.asarray(one) - np.mean(one)).sum()) for one in groups)
    return Spread(sqrt(squares / freedom), freedom)


def text(results: Results) -> str:
    """The page as Markdown."""
    pilots = results["pilots"]
    by_name = {one["name"]: one for one in pilots}
    spreads = {task: spread_of([values_of(one, task) for one in pilots]) for task in TASKS}
    fits = {task: same_seeds(pilots, task) for task in TASKS}
    parts = ["# Pilots", _method(results), _runs(spreads, fits)]
    if CONTROL in by_name:
        head = [
            "pilot",
            "change",
            "runs",
            *TASKS.values(),
            *(f"{title} − control" for title in TASKS.values()),
            "hours",
        ]
        parts.append(table(head, [_row(one, by_name[CONTROL], spreads, fits) for one in pilots], 2))
    parts += ["## The weights of the package", _of_weights(results.get("weights", []), by_name, spreads)]
    parts.append(
        "Hours are those of training, while other runs shared the machine. What does not stand in these tables was not "
        "measured. Made by `python -m benchmarks.evaluation.pilot_runs`."
    )
    return "\n\n".join(parts) + "\n"


def values_of(pilot: Results, task: str) -> list[float]:
    """A task's score of each run, the mean over probe seeds."""
    return [float(np.mean(run["scores"][task])) for run in pilot["runs"]]


def _method(results: Results) -> str:
    return (
        "Each run differs from the control in one thing, or is another member of its family; runs of one row differ in "
        "the training seed alone. A figure is the mIoU of a linear probe on the last level, the mean over "
        f"{len(results['probe_seeds'])} probe seeds, on validation scenes that no weight is reported on. Control: "
        f"`{results['control']}` with {_code(results['overrides'])}."
    )


def _runs(spreads: Mapping[str, Spread | None], fits: Mapping[str, SameSeeds | None]) -> str:
    told = [f"{one.deviation:.3f} ({TASKS[task]})" for task, one in spreads.items() if one is not None]
    freedom = max((one.freedom for one in spreads.values() if one is not None), default=0)
    left = max((one.freedom for one in fits.values() if one is not None), default=0)
    if not told:
        return "No recipe ran twice so far, so nothing is said about what the training seed alone changes."
    return (
        f"Runs that differ in the training seed alone have a standard deviation of {', '.join(told)}, pooled over all "
        f"rows with {freedom} degrees of freedom; the intervals (95 %, Student's t) of the means rest on it. Runs of "
        "one seed see the same frames in the same order, and networks of one shape begin with the same numbers: a "
        "difference is that of the recipes' effects where each score is an effect of its recipe and one of its seed, "
        f"fitted to all runs by least squares, with {left} degrees of freedom left. **Bold**: its interval excludes "
        "zero; of twenty differences without any effect, one does so too."
    )


def _row(
    pilot: Results, control: Results, spreads: Mapping[str, Spread | None], fits: Mapping[str, SameSeeds | None]
) -> list[str]:
    means, differences = [], []
    for task in TASKS:
        ours, theirs = values_of(pilot, task), values_of(control, task)
        means.append(_mean(ours, spreads[task]))
        if pilot is control:
            differences.append("–")
        elif (fit := fits[task]) is None:
            differences.append(f"{np.mean(ours) - np.mean(theirs):+.3f}")
        else:
            differences.append(_marked(fit.difference(pilot["name"], CONTROL)))
    hours = [run["hours"] for run in pilot["runs"]]
    return [f"`{pilot['name']}`", pilot["change"], str(len(hours)), *means, *differences, f"{np.mean(hours):.2f}"]


def _of_weights(weights: Sequence[Results], pilots: Mapping[str, Results], spreads: Mapping[str, Spread | None]) -> str:
    """Each weight of the package beside new runs of its recipe, whose caches were filled before them."""
    known = [one for one in weights if one["pilot"] in pilots]
    if not known:
        return _NOT_YET
    rows = [
        [f"`{one['name']}`", f"`{one['pilot']}`", str(len(pilots[one["pilot"]]["runs"]))]
        + [
            cell
            for task, spread in spreads.items()
            for cell in (
                f"{np.mean(one['scores'][task]):.3f}",
                _difference([float(np.mean(one["scores"][task]))], values_of(pilots[one["pilot"]], task), spread),
            )
        ]
        for one in known
    ]
    head = ["weight", "pilot of its recipe", "runs"]
    head += [cell for title in TASKS.values() for cell in (title, f"{title} − runs")]
    return (
        "They were trained once, by the same recipes in bf16, before a fault of the cache of teacher features was "
        "mended by which a run could read zeros. Here they stand beside the runs above, whose caches were filled "
        "before their first step; in the differences a weight counts as one run more.\n\n" + table(head, rows, 3)
    )


def _mean(values: Sequence[float], spread: Spread | None) -> str:
    return f"{np.mean(values):.3f}" if spread is None else f"{spread.mean(values):.3f}"


def _difference(ours: Sequence[float], theirs: Sequence[float], spread: Spread | None) -> str:
    if spread is None:
        return f"{np.mean(ours) - np.mean(theirs):+.3f}"
    return _marked(spread.difference(ours, theirs))


def _marked(found: Interval) -> str:
    told = f"{found:+.3f}"
    return f"**{told}**" if found.low > 0 or found.high < 0 else told


def _code(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words) or "nothing changed"
