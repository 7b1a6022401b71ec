"""RQ4 where every run is as long as its validation score wants: rows of the table, and what they allow to say."""

from collections.abc import Sequence
from typing import Any

from benchmarks.finetuning.collect import Row, paired
from benchmarks.reports.figures import ABOVE, Verdict, agreement, code, difference, interval, verdict

# One run takes hours.
ENOUGH = 3
SCRATCH, OURS = "scratch", "ppkt_voc"


def until_verdict(rows: Sequence[Row]) -> Verdict | None:
    """The gain with the fewest labels less the gain with all of them; None where too few seeds have both."""
    fractions = sorted({row["fraction"] for row in rows})
    if len(fractions) < 2:
        return None
    few, most = (_gains(rows, fraction) for fraction in (fractions[0], fractions[-1]))
    both = paired(few, most)
    if len(both[0]) < ENOUGH:
        return None
    one = verdict(*both)
    return one | {"few": fractions[0], "most": fractions[-1], "agrees": agreement(one, ABOVE)}


def until_rows(rows: Sequence[Row]) -> list[list[str]]:
    """A line for each part of the labels that both starts have at least two seeds of."""
    lines = []
    for fraction in sorted({row["fraction"] for row in rows}):
        scores = {start: _values(rows, start, fraction) for start in (SCRATCH, OURS)}
        theirs, ours = paired(scores[SCRATCH], scores[OURS])
        if len(ours) > 1:
            steps = [_steps(rows, start, fraction) for start in (SCRATCH, OURS)]
            cells = [str(len(ours)), steps[0], interval(theirs), steps[1], interval(ours), difference(ours, theirs)]
            lines.append([f"{fraction:.0%}", *cells])
    return lines


def until_limited(rows: Sequence[Row]) -> list[str]:
    """Rows whose score still rose at the longest length."""
    return [f"{code(row['start'])} at {row['fraction']:.0%}, seed {row['seed']}" for row in rows if row["limited"]]


def _values(rows: Sequence[Row], start: str, fraction: float) -> dict[int, float]:
    return {row["seed"]: row["miou"] for row in rows if (row["start"], row["fraction"]) == (start, fraction)}


def _gains(rows: Sequence[Row], fraction: float) -> dict[int, float]:
    ours, theirs = (_values(rows, start, fraction) for start in (OURS, SCRATCH))
    return {seed: ours[seed] - theirs[seed] for seed in sorted(set(ours) & set(theirs))}


def _steps(rows: Sequence[Row], start: str, fraction: float) -> str:
    """The lengths that did best, shortest first, each once."""
    found: set[Any] = {row["steps"] for row in rows if (row["start"], row["fraction"]) == (start, fraction)}
    return ", ".join(str(steps) for steps in sorted(found))
