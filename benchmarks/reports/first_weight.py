"""The page about the first weight. Its figures are of an earlier evaluation and of world 2 of the rooms; they stay."""

from collections.abc import Sequence
from typing import Any

from benchmarks.reports.figures import Verdict, difference, interval, signed, verdict
from benchmarks.reports.goals import judge
from benchmarks.reports.page import Page, Results
from ppkt_zoo.evaluation.statistics import mean_interval

LAST, ALL, KNN = "linear, last level", "linear, all levels", "kNN, last level"
RAW, RESTORED = "linear, colour and position", ", class frequencies restored"
_CONTROLS = {"untrained": ("random initialisation", LAST), "raw": ("raw colour and position", RAW)}
_BUDGETS = {"budgets": "chosen recipe", "default_budgets": "default recipe"}
_GOAL_BUDGET = "5"


def _verdicts(results: Results) -> dict[str, Any]:
    parts = results["parts"]
    kitchen = mean_interval(_probe(parts["kitchen"], "ppkt", LAST))
    five = parts["mosd"]["budgets"][_GOAL_BUDGET]
    found: dict[str, Verdict] = {
        "kitchen": {name: round(getattr(kitchen, name), 6) for name in ("mean", "low", "high")},
        "mosd": verdict(*(_miou(five[who]) for who in ("ppkt", "scratch"))),
    }
    return {"summary": _summary(parts), "goals": judge("first_weight", found)}


def _summary(parts: Results) -> list[Verdict]:
    """Every comparison of this weight with a control."""
    lines: list[Verdict] = []
    pairs = parts["retrieval"]["pairs"]
    for name, students in parts["retrieval"]["sets"].items():
        ours, control = ([one["top1"] for one in students[who]] for who in ("ppkt", "untrained"))
        times = round(sum(ours) / len(ours) * pairs)
        lines.append(
            {"what": f"retrieval top-1 of {pairs}, {name}: {times} times chance", "control": "untrained student"}
            | _both(ours, control, 4)
        )
    for part, name in (("rooms", "unseen rooms"), ("kitchen", "real kitchen")):
        ours = _probe(parts[part], "ppkt", LAST)
        for who, (title, line) in _CONTROLS.items():
            control = _probe(parts[part], who, line)
            lines.append({"what": f"linear probe, mIoU, {name}", "control": title} | _both(ours, control))
    for key, recipe in _BUDGETS.items():
        for budget, runs in parts["mosd"][key].items():
            what = f"fine-tuned, mIoU, real table tops, {_frames(budget)}, {recipe}"
            ours, control = (_miou(runs[who]) for who in ("ppkt", "scratch"))
            lines.append({"what": what, "control": "scratch"} | _both(ours, control))
    return lines


def _both(ours: Sequence[float], control: Sequence[float], places: int = 3) -> Verdict:
    return {"weight": interval(ours, places), "other": interval(control, places)} | verdict(ours, control)


def _rows(results: Results) -> dict[str, Any]:
    parts = results["parts"]
    mosd = parts["mosd"]
    scratch = _miou(mosd["budgets"][_GOAL_BUDGET]["scratch"])
    return {
        "summary": [
            [*(one[key] for key in ("what", "weight", "control", "other")), signed(one), one["result"]]
            for one in results["verdicts"]["summary"]
        ],
        "retrieval": _retrieval(parts["retrieval"]),
        "probes": {part: _probes(parts[part]) for part in ("rooms", "kitchen")},
        "slow": {part: _unconverged(parts[part]) for part in ("rooms", "kitchen")},
        "classes": {part: _classes(parts[part]) for part in ("rooms", "kitchen")},
        "budgets": {key: [_budget(budget, runs) for budget, runs in mosd[key].items()] for key in _BUDGETS},
        "trials": _trials(mosd["choice"]),
        "draws": len(mosd["choice"]["ppkt"]["trials"][0]["scores"]),
        "augmentation": ", ".join(f"{name} {value}" for name, value in mosd["augmentation"].items()),
        "left": f"{mosd['ceiling'] - sum(scratch) / len(scratch):+.3f}",
        "time": _time(parts),
    }


def _retrieval(part: Results) -> list[list[str]]:
    rows = []
    for name, students in part["sets"].items():
        for who, title in (("ppkt", "PPKT"), ("untrained", "untrained student, same UPL")):
            rows.append([name, title, *(interval([one[top] for one in students[who]], 4) for top in ("top1", "top5"))])
        rows.append([name, "chance", *(f"{top / part['pairs']:.4f}" for top in (1, 5))])
    return rows


def _probes(part: Results) -> list[list[str]]:
    rows = []
    for line in (LAST, LAST + RESTORED, ALL, ALL + RESTORED, KNN):
        ours, control = (_probe(part, who, line) for who in ("ppkt", "untrained"))
        name = line + (" (main result)" if line == LAST else "")
        rows.append([name, interval(ours), interval(control), difference(ours, control)])
    for ending in ("", RESTORED):
        raw = _probe(part, "raw", RAW + ending)
        rows.append([RAW + ending, "", interval(raw), difference(_probe(part, "ppkt", LAST + ending), raw)])
    return rows


def _classes(part: Results) -> list[list[str]]:
    columns = [("ppkt", LAST), *((who, line) for who, (_, line) in _CONTROLS.items())]
    rows = []
    for name in part["classes"]:
        values = [[seed[line]["iou"][name] for seed in part["students"][who]] for who, line in columns]
        absent = any(value is None for column in values for value in column)
        rows.append([name, *(["absent"] * len(columns) if absent else map(interval, values))])
    return rows


def _unconverged(part: Results) -> int:
    return sum(not one["converged"] for runs in part["students"].values() for seed in runs for one in seed.values())


def _budget(budget: str, runs: Results) -> list[str]:
    ours, control = (_miou(runs[who]) for who in ("ppkt", "scratch"))
    return [_frames(budget), interval(ours), interval(control), difference(ours, control)]


def _trials(choice: Results) -> list[list[str]]:
    """Mean validation score of each batch norm and learning rate; what was chosen is bold."""
    rows = []
    for row, trial in enumerate(choice["ppkt"]["trials"]):
        cells = []
        for who in ("ppkt", "scratch"):
            scores = choice[who]["trials"][row]["scores"]
            taken = (trial["norm"], trial["rate"]) == (choice[who]["norm"], choice[who]["rate"])
            mark = "**" if taken else ""
            cells.append(f"{mark}{sum(scores) / len(scores):.3f}{mark}")
        rows.append([trial["norm"], f"{trial['rate']:g}", *cells])
    return rows


def _time(parts: Results) -> list[list[str]]:
    names = ("seconds", "processor_seconds")
    rows = [[part, *(f"{found[name]:.0f}" for name in names)] for part, found in parts.items()]
    return [*rows, ["all", *(f"{sum(found[name] for found in parts.values()):.0f}" for name in names)]]


def _probe(part: Results, who: str, line: str) -> list[float]:
    return [seed[line]["miou"] for seed in part["students"][who]]


def _miou(runs: Sequence[Results]) -> list[float]:
    return [run["miou"] for run in runs]


def _frames(budget: str) -> str:
    return "1 frame" if budget == "1" else f"{budget} frames"


PAGE = Page("first_weight", _verdicts, _rows)
