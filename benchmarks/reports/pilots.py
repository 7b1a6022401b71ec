"""The page of the pilots: what each change of the recipe is worth against the control, over training seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.reports.figures import table
from ppkt_zoo.evaluation.statistics import Interval, mean_interval, paired_difference

Results = Mapping[str, Any]
#: Tasks by name, and what the page calls them.
TASKS = {"rooms": "unseen rooms", "kitchen": "real kitchen", "mosd": "table tops"}
_FEWEST = 2


def text(results: Results) -> str:
    """The page as Markdown."""
    pilots = results["pilots"]
    control = next((one for one in pilots if one["name"] == "control"), None)
    head = ["pilot", "change", "seeds", *TASKS.values(), *(f"{title} − control" for title in TASKS.values()), "hours"]
    rows = [_row(one, control) for one in pilots]
    method = (
        "Each run differs from the control in one thing, or is another member of its family. A figure is the mIoU of a "
        f"linear probe on the last level, the mean over {len(results['probe_seeds'])} probe seeds, on validation "
        "scenes that no weight is reported on. "
        "Intervals (95 %) rest on training seeds, differences on the same training seed of both. **Bold**: the "
        "interval excludes zero; of twenty comparisons without any effect, one does so too. Control: "
        f"`{results['control']}` with {_code(results['overrides'])}."
    )
    end = "What does not stand in this table was not measured. Made by `python -m benchmarks.evaluation.pilot_runs`."
    return "\n\n".join(["# Pilots", method, table(head, rows, 2), end]) + "\n"


def values_of(pilot: Results, task: str, seeds: Sequence[int] | None = None) -> list[float]:
    """A task's score of each training seed, the mean over probe seeds; of some seeds only, in their order."""
    by_seed = {run["seed"]: sum(run["scores"][task]) / len(run["scores"][task]) for run in pilot["runs"]}
    return [by_seed[seed] for seed in (by_seed if seeds is None else seeds)]


def _row(pilot: Results, control: Results | None) -> list[str]:
    cells = [_figure(values_of(pilot, task)) for task in TASKS]
    differences = [_difference(pilot, control, task) for task in TASKS]
    hours = [run["hours"] for run in pilot["runs"]]
    name = f"`{pilot['name']}`"
    return [name, pilot["change"], str(len(hours)), *cells, *differences, f"{sum(hours) / len(hours):.2f}"]


def _figure(values: Sequence[float]) -> str:
    return f"{mean_interval(values):.3f}" if len(values) >= _FEWEST else f"{values[0]:.3f}"


def _difference(pilot: Results, control: Results | None, task: str) -> str:
    if control is None or pilot["name"] == "control":
        return "–"
    known = {run["seed"] for run in control["runs"]}
    shared = [run["seed"] for run in pilot["runs"] if run["seed"] in known]
    if not shared:
        return "–"
    ours, theirs = values_of(pilot, task, shared), values_of(control, task, shared)
    if len(shared) < _FEWEST:
        return f"{ours[0] - theirs[0]:+.3f}"
    found: Interval = paired_difference(ours, theirs)
    told = f"{found:+.3f}"
    return f"**{told}**" if found.low > 0 or found.high < 0 else told


def _code(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words) or "nothing changed"
