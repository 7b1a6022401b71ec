"""RQ4 where every run is as long as its validation score wants: rows of the table, and what they allow to say."""

from collections.abc import Sequence
from typing import Any

from benchmarks.finetuning.collect import Row, paired
from benchmarks.finetuning.until import LENGTHS, UNTIL
from benchmarks.reports.figures import (
    ABOVE,
    SHORT_RUNS,
    Verdict,
    agreement,
    code,
    difference,
    interval,
    task_name,
    unjudged,
    verdict,
)

# One run takes hours.
ENOUGH = 3
SCRATCH = "scratch"
OURS = {"segmentation": "ppkt_voc", "segmentation_small": "flagship"}
"""By the folder of the runs: the start that is compared with scratch."""
_LABELS = "segmentation"


def until_verdict(rows: Sequence[Row]) -> Verdict | None:
    """The gain with the fewest labels less the gain with all of them; None where too few seeds have both."""
    fractions = sorted({row["fraction"] for row in rows if row["folder"] == _LABELS})
    if len(fractions) < 2:
        return None
    few, most = (_gains(rows, _LABELS, fraction) for fraction in (fractions[0], fractions[-1]))
    both = paired(few, most)
    if len(both[0]) < ENOUGH:
        return None
    one = verdict(*both)
    ends = (fractions[0], fractions[-1])
    if any(row["limited"] for row in rows if row["folder"] == _LABELS and row["fraction"] in ends):
        one = unjudged(one, SHORT_RUNS)
    return one | {"few": fractions[0], "most": fractions[-1], "agrees": agreement(one, ABOVE)}


def until_rows(rows: Sequence[Row]) -> list[list[str]]:
    """A line for each start and part of the labels that at least two seeds have, beside scratch."""
    lines = []
    for folder, start in OURS.items():
        for fraction in sorted({row["fraction"] for row in rows if row["folder"] == folder}):
            theirs, ours = paired(*(_values(rows, folder, one, fraction) for one in (SCRATCH, start)))
            if len(ours) > 1:
                steps = [_steps(rows, folder, one, fraction) for one in (SCRATCH, start)]
                cells = [str(len(ours)), steps[0], interval(theirs), steps[1], interval(ours), difference(ours, theirs)]
                lines.append([f"{code(start)}, {fraction:.0%}", *cells])
    return lines


def until_limited(rows: Sequence[Row]) -> list[str]:
    """Starts and parts of the labels whose score still rose at the longest length, each with its seeds."""
    seeds: dict[str, list[int]] = {}
    for row in rows:
        if row["limited"]:
            where = f"{code(row['start'])} ({task_name(row['folder'])}) at {row['fraction']:.0%}"
            seeds.setdefault(where, []).append(row["seed"])
    return [f"{where}, seeds {', '.join(map(str, sorted(found)))}" for where, found in seeds.items()]


def until_left(rows: Sequence[Row]) -> list[str]:
    """Starts and parts of the labels of the comparison of label fractions whose seeds are not all through."""
    grid = UNTIL[_LABELS][LENGTHS[0]].grid
    return [
        f"{code(start)} at {fraction:.0%}: {done} of {grid.seeds} seeds"
        for fraction in grid.fractions
        for start in grid.starts
        if (done := len(_values(rows, _LABELS, start, fraction))) < grid.seeds
    ]


def _values(rows: Sequence[Row], folder: str, start: str, fraction: float) -> dict[int, float]:
    wanted = (folder, start, fraction)
    return {row["seed"]: row["miou"] for row in rows if (row["folder"], row["start"], row["fraction"]) == wanted}


def _gains(rows: Sequence[Row], folder: str, fraction: float) -> dict[int, float]:
    ours, theirs = (_values(rows, folder, start, fraction) for start in (OURS[folder], SCRATCH))
    return {seed: ours[seed] - theirs[seed] for seed in sorted(set(ours) & set(theirs))}


def _steps(rows: Sequence[Row], folder: str, start: str, fraction: float) -> str:
    """The lengths that did best, shortest first, each once."""
    wanted = (folder, start, fraction)
    found: set[Any] = {row["steps"] for row in rows if (row["folder"], row["start"], row["fraction"]) == wanted}
    return ", ".join(str(steps) for steps in sorted(found))
