"""What read-outs are compared on: validation scenes to choose one, then test scenes to tell what it is worth.

No validation scene is a test scene, and none is fitted on. Of rooms-bench there are worlds of their own; of the
kitchen's walk and of the table tops a stretch before the test frames is held out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.evaluation.clusters import same_class_found
from benchmarks.evaluation.kept import Found
from benchmarks.evaluation.material import BENCH, Labelled, Material, Read, as_labelled
from benchmarks.evaluation.probing import Featurise, ProbeTask, ask_probes, fit_probes

PURPOSES = {
    "many_classes": ("rooms", "kitchen"),
    "few_labels": ("mosd",),
    "similarity": ("search in rooms", "search in the kitchen"),
}
"""What a read-out is chosen for: the mean over these tasks."""
_SEARCHES = {"search in rooms": "rooms", "search in the kitchen": "kitchen"}
# Frames held out before the test frames; and of the kitchen's frames to fit on, every second one.
_HELD_OUT, _EVERY = 20, 2


@dataclass(frozen=True)
class Search:
    """Labelled clouds in which each point looks for its like in the others.

    Attributes:
        read, size: clouds by index, and how many there are.
        per_seed, points: clouds that a seed draws, and points of each.
    """

    read: Read
    size: int
    per_seed: int
    points: int


Task = ProbeTask | Search


def validation_tasks(material: Material) -> dict[str, Task]:
    """What read-outs are chosen by."""
    amount, test = material.amount, material.tasks()
    rooms = BENCH.validation(cache=material.cache)
    scenes = min(len(rooms), amount.scenes_per_seed)
    last = amount.kitchen_fit[1]
    held_out = min(_HELD_OUT, last // 2)
    first = last - held_out
    pool = test["mosd"].fit_size - held_out

    def room(index: int) -> Labelled:
        return as_labelled(rooms[index])

    def frame(index: int) -> Labelled:
        return material.kitchen_frame(first + index)

    return {
        "rooms": replace(test["rooms"], test=room, test_size=scenes),
        "kitchen": replace(
            test["kitchen"],
            fit=lambda index: material.kitchen_frame(index * _EVERY),
            fit_size=-(-first // _EVERY),
            fit_frames=-(-first // _EVERY),
            test=frame,
            test_size=held_out,
        ),
        "mosd": replace(
            test["mosd"], fit_size=pool, test=lambda index: material.table_top(pool + index), test_size=held_out
        ),
        **_searches(material, {"rooms": (room, scenes), "kitchen": (frame, held_out)}),
    }


def reported_tasks(material: Material) -> dict[str, Task]:
    """What is reported; asked once, after the choice."""
    first, end = material.amount.kitchen_test

    def frame(index: int) -> Labelled:
        return material.kitchen_frame(first + index)

    rooms = (material.test_scene, material.amount.test_scenes)
    return {**material.tasks(), **_searches(material, {"rooms": rooms, "kitchen": (frame, end - first)})}


def _searches(material: Material, sets: dict[str, tuple[Read, int]]) -> dict[str, Search]:
    amount = material.amount
    return {
        title: Search(*sets[part], min(sets[part][1], amount.cluster_scenes_per_seed), amount.cluster_points)
        for title, part in _SEARCHES.items()
    }


def scores(task: Task, featurise: Featurise, seeds: Sequence[int]) -> dict[str, Found]:
    """Score by the kind of features that `featurise` gives: mIoU or what a search finds, one a seed, and the points."""
    if isinstance(task, Search):
        return _found(task, featurise, seeds)
    reports = ask_probes(task, featurise, fit_probes(task, featurise, seeds, linear_only=True))
    return {
        name: {"values": [one[name]["miou"] for one in reports], "points": int(reports[0][name]["points"])}
        for name in reports[0]
    }


def _found(task: Search, featurise: Featurise, seeds: Sequence[int]) -> dict[str, Found]:
    drawn = {seed: set(np.random.default_rng([seed, 71]).permutation(task.size)[: task.per_seed]) for seed in seeds}
    parts: dict[int, list[tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]]] = {seed: [] for seed in seeds}
    for number in sorted(set().union(*drawn.values())):
        cloud, label = task.read(number)
        known = np.flatnonzero(label >= 0)
        wanting = [seed for seed in seeds if number in drawn[seed]]
        rows = [_some_rows(known, task.points, [seed, 73, number]) for seed in wanting]
        together = featurise(cloud, np.concatenate(rows))
        ends = np.cumsum([len(some) for some in rows])[:-1]
        cut = {name: np.split(value, ends) for name, value in together.items()}
        for place, (seed, some) in enumerate(zip(wanting, rows, strict=True)):
            mine = {name: value[place] for name, value in cut.items()}
            parts[seed].append((mine, label[some], np.full(len(some), number)))
    names = list(parts[seeds[0]][0][0])
    found = {}
    for name in names:
        values = []
        for seed in seeds:
            features, labels, origin = zip(*parts[seed], strict=True)
            stacked = np.concatenate([one[name] for one in features])
            values.append(same_class_found(stacked, np.concatenate(labels), np.concatenate(origin)))
        found[name] = {"values": values, "points": sum(len(one) for _, one, _ in parts[seeds[0]])}
    return found


def _some_rows(known: np.ndarray, count: int, seed: list[int]) -> np.ndarray:
    return np.random.default_rng(seed).choice(known, min(len(known), count), replace=False)
