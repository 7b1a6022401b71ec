"""Figures as text, and how two rows of figures compare: the one place for intervals, verdicts and tables of a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from ppkt_zoo.evaluation.statistics import Interval, mean_interval, paired_difference

ABOVE, BELOW = "significantly above", "significantly below"
SAME, FEW = "no significant difference", "too few seeds"
# The seeds of such a comparison are those of probes or of fine-tuning: another training of either weight, from the same
# recipe, may turn it round (runs of 400 steps that differ in the training seed alone differ by 0.015 to 0.06).
ONE_TRAINING = "not judged: one training each"
SHORT_RUNS = "not judged: length limits these runs"
AGREES = {True: "yes", False: "**no**", None: ""}
_UNJUDGED = (FEW, ONE_TRAINING, SHORT_RUNS)
# Folders of fine-tuned runs whose network is not SR-UNet14 slim.
_NETWORKS = {
    "segmentation_18": "segmentation, SR-UNet18 slim",
    "segmentation_small": "segmentation, SR-UNet14 small",
    "detection_small": "detection, SR-UNet14 small",
}
Verdict = dict[str, Any]


def task_name(folder: str) -> str:
    """What tables call the fine-tuned runs of a folder."""
    return _NETWORKS.get(folder, folder)


def interval(values: Sequence[float], places: int = 3) -> str:
    """Mean of one value a seed, with its 95 % interval."""
    found = mean_interval(values)
    return f"{found.mean:.{places}f} [{found.low:.{places}f}, {found.high:.{places}f}]"


def signed(found: Mapping[str, Any] | Interval) -> str:
    """A verdict's difference as ``+mean [low, high]``."""
    mean, low, high = (_entry(found, name) for name in ("mean", "low", "high"))
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def difference(first: Sequence[float], second: Sequence[float]) -> str:
    """Mean and 95 % interval of first − second, paired by seed."""
    return signed(paired_difference(first, second))


def verdict(first: Sequence[float], second: Sequence[float], enough: int = 2) -> Verdict:
    """First − second, paired by seed, and what the interval allows to say; fewer seeds than `enough` say nothing."""
    found = paired_difference(first, second)
    result = ABOVE if found.low > 0 else BELOW if found.high < 0 else SAME
    return {
        "mean": round(found.mean, 6),
        "low": round(found.low, 6),
        "high": round(found.high, 6),
        "seeds": found.n,
        "result": result if found.n >= enough else FEW,
    }


def unjudged(found: Verdict, why: str) -> Verdict:
    """The same difference, of which nothing is claimed; too few seeds stay the first reason."""
    return found if found["result"] == FEW else {**found, "result": why}


def agreement(found: Mapping[str, Any], paper: str | None) -> bool | None:
    """Whether a result is the paper's; None where one of the two says nothing."""
    return None if paper is None or not is_judged(found) else found["result"] == paper


def is_judged(found: Mapping[str, Any]) -> bool:
    """Whether a verdict claims anything."""
    return found["result"] not in _UNJUDGED


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table; the first columns are words and stand left, the others right."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def code(name: str) -> str:
    """A name as code."""
    return f"`{name}`"


def _entry(found: Mapping[str, Any] | Interval, name: str) -> float:
    value: float = found[name] if isinstance(found, Mapping) else getattr(found, name)
    return value
