"""Tables of single weights: which read-out suits what, what changed clouds cost, real frames that nobody tuned on."""

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.evaluation.kept import read_kept
from benchmarks.evaluation.readout_tasks import PURPOSES
from benchmarks.machine import ROOT
from benchmarks.reports.figures import difference, table, verdict
from benchmarks.reports.goals import goal_rows, judge
from ppkt_zoo.evaluation.statistics import mean_interval
from ppkt_zoo.zoo.config import MODEL
from ppkt_zoo.zoo.manifest import load_manifest

Weight = Mapping[str, Any]

FLAGSHIP = "sr_unet14_small.ppkt_voc"
"""The weight that goals were set for."""

_TITLES = {"readouts": "read-outs", "robustness": "changed clouds", "real_permissive": "real frames"}
_NOTHING = "Nothing was measured yet."
_TASKS = {
    "rooms": "unseen rooms, linear",
    "kitchen": "real kitchen, linear",
    "mosd": "table tops, 5 labelled frames",
    "search in rooms": "search in rooms",
    "search in the kitchen": "search in the kitchen",
}
_TODAY, _UNTRAINED, _RAW = "last level, nearest", "untrained", "colour and height"
_SETS = {"rooms": "unseen rooms", "kitchen": "real kitchen"}
# Columns of the real frames: title, and the name of the figure.
_REAL = {
    "teacher's classes, mIoU": "teacher's classes, {}",
    "teacher's features, correlation": "teacher's features, {}",
    "objects, mIoU": "objects, {}",
}
_PLACES = {
    "second recording of a table, held out": "a table, held out",
    "second recording, seen": "a laptop on the floor, seen",
    "another view of the kitchen": "kitchen, another view",
}


def goals() -> str:
    """What the flagship was to reach, and what it reached."""
    found: dict[str, Any] = {}
    for one in weights_of("readouts", FLAGSHIP):
        for task in ("rooms", "kitchen", "mosd"):
            ours = one["test"][task][one["name"]][chosen(one, task)]
            found[task] = {name: ours[name] for name in ("mean", "low", "high")}
        ours, raw = one["test"]["mosd"][one["name"]][chosen(one, "mosd")], one["test"]["mosd"][_RAW][_RAW]
        found["mosd, raw"] = verdict(ours["values"], raw["values"])
    for one in weights_of("robustness", FLAGSHIP):
        rows = {row["key"]: row["values"] for row in one["sets"]["rooms"]}
        if "no_colour_probe_without" in rows:
            pairs = zip(rows["no_colour_probe_without"], rows["clean"], strict=True)
            share = mean_interval([without / clean for without, clean in pairs])
            found["no colour"] = {name: getattr(share, name) for name in ("mean", "low", "high")}
    rows = goal_rows(judge("frozen", found))
    return table([f"goal for `{FLAGSHIP}`", "found", "reached"], rows, 1) if rows else _NOTHING


def readouts() -> str:
    """Validation and test figures of every measured weight."""
    return _each("readouts", _readouts_of)


def robustness() -> str:
    """Scores on changed clouds of every measured weight."""
    return _each("robustness", _robustness_of)


def permissive() -> str:
    """Figures on the permissively licensed real frames of every measured weight."""
    return _each("real_permissive", _permissive_of)


SECTIONS: dict[str, Callable[[], str]] = {
    "frozen-goals": goals,
    "frozen-readouts": readouts,
    "frozen-robustness": robustness,
    "frozen-permissive": permissive,
}


def _each(name: str, section: Callable[[Weight], str]) -> str:
    told = [f"### {one['name']}: {_TITLES[name]}\n\n{section(one)}" for one in _of_today(name)]
    return "\n\n".join(told) or _NOTHING


def weights_of(name: str, weight: str) -> list[Weight]:
    return [one for one in _of_today(name) if one["name"] == weight]


def _of_today(name: str) -> list[Weight]:
    """What a result file holds, but for figures of another training than the one that the package has."""
    bundled = {one.name: one.files[MODEL].sha256 for one in load_manifest(ROOT / "weights_manifest.json").weights}
    return [one for one in read_kept(name)["weights"] if bundled.get(one["name"], one.get("key")) == one.get("key")]


def chosen(weight: Weight, task: str) -> str:
    """The read-out that was chosen for a task's purpose."""
    purpose = next(purpose for purpose, tasks in PURPOSES.items() if task in tasks)
    name: str = weight["chosen"][purpose]["name"]
    return name


def _readouts_of(weight: Weight) -> str:
    validation, test = weight["validation"], weight["test"]
    best = {task: chosen(weight, task) for task in _TASKS}
    rows = []
    for candidate in (one["name"] for one in weight["candidates"]):
        cells = [f"{validation[task][candidate]['mean']:.3f}" for task in _TASKS]
        marked = [f"**{cell}**" if best[task] == candidate else cell for task, cell in zip(_TASKS, cells, strict=True)]
        rows.append([candidate, *marked])
    found = []
    for task, title in _TASKS.items():
        ours, random = test[task][weight["name"]], test[task][_UNTRAINED]
        values, today = ours[best[task]]["values"], ours[_TODAY]["values"]
        gain = "" if best[task] == _TODAY else difference(values, today)
        raw = test[task][_RAW][_RAW]
        found.append([title, best[task], *map(_cell, (ours[_TODAY], ours[best[task]])), gain,
                      *map(_cell, (random[best[task]], raw)), difference(values, raw["values"])])  # fmt: skip
    head = ["test scenes", "chosen", "last level, nearest", "chosen", "chosen − last level",
            "untrained, chosen", _RAW, f"chosen − {_RAW}"]  # fmt: skip
    choosing = len(validation["rooms"][_TODAY]["values"])
    return "\n\n".join(
        [
            f"Validation scenes, mean over {choosing} probe seeds; what is chosen is bold:",
            table(["read-out", *_TASKS.values()], rows),
            "Test scenes, asked after the choice:",
            table(head, found, 2),
        ]
    )


def _robustness_of(weight: Weight) -> str:
    sets = weight["sets"]
    rows = []
    for place, row in enumerate(next(iter(sets.values()))):
        cells = []
        for some in sets.values():
            cells += [_cell(some[place]), f"{some[place]['mean'] / some[0]['mean']:.0%}"]
            cells.append(f"× {some[place]['points'] / some[0]['points']:.2g}")
        rows.append([row["title"], *cells])
    heads = [head for name in sets for head in (f"{_SETS[name]}, mIoU", "of the clean score", "points")]
    return f"Read-out: {weight['read_out']['name']}.\n\n" + table(["clouds", *heads], rows)


def _permissive_of(weight: Weight) -> str:
    students, pixels = weight["students"], weight["pixels"]
    halves = ("held out", "seen")
    columns = [(f"{title}, {half}", name.format(half)) for title, name in _REAL.items() for half in halves]
    columns.insert(5, ("objects, held out, other laboratories", "objects, held out, other laboratories"))
    rows = [[student, *(_cell(found[name]) for _, name in columns)] for student, found in students.items()]
    places = [
        [student, *(_cell(found[f"same place, {name}"]) for name in _PLACES)] for student, found in students.items()
    ]
    chance = next(iter(students.values()))
    places.append(["chance", *(f"{chance[f'chance of the same place, {name}']['mean']:.3f}" for name in _PLACES)])
    parts = [
        table(["features", *(title for title, _ in columns)], rows),
        "The same place found again within 5 cm:",
        table(["features", *_PLACES.values()], places),
    ]
    if pixels:
        told = [
            f"{half} {_cell(found['top1'], 4)} (top-1) and {_cell(found['top5'], 4)} (top-5)"
            for half, found in pixels["sets"].items()
        ]
        count = pixels["pairs"]
        parts.append(f"A point finds its own pixel among {count}: {'; '.join(told)}; chance is {1 / count:.4f}.")
    return "\n\n".join(parts)


def _cell(found: Mapping[str, Any], places: int = 3) -> str:
    return f"{found['mean']:.{places}f} [{found['low']:.{places}f}, {found['high']:.{places}f}]"
