"""Which read-out of a weight suits which purpose: chosen on validation scenes, then asked once on test scenes.

    python -m benchmarks.evaluation.readouts sr_unet14_slim.ppkt_voc runs/flagship/weight

Every candidate is measured on validation scenes: a linear probe of many classes (rooms, kitchen), one of few labels
(table tops), similarity search. For each purpose the best mean is chosen. The chosen read-outs, the last level as
it always was, the untrained network and the points' own colour and height are then measured on test scenes. Figures
go to benchmarks/results/readouts.json.
"""

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.kept import Found, estimate, read_kept, summary
from benchmarks.evaluation.material import Material
from benchmarks.evaluation.options import add_options, material_of, measure_each
from benchmarks.evaluation.probing import LAST, of_colour_and_height
from benchmarks.evaluation.read_out import TODAY, facts, of_read_outs, ready, short
from benchmarks.evaluation.readout_controls import RAW, UNTRAINED, Control, begun, network_key, raw_key, take_over
from benchmarks.evaluation.readout_tasks import PURPOSES, reported_tasks, scores, validation_tasks
from benchmarks.evaluation.students import Pretrained
from benchmarks.machine import machine
from ppkt_zoo.points.readout_spec import Extra, ReadOut
from ppkt_zoo.rooms.room import VERSION

_BOTH: tuple[Extra, ...] = ("color", "height")
# Cheapest first, so that of equals the cheaper one is chosen.
CANDIDATES: tuple[ReadOut, ...] = (
    TODAY,
    ReadOut(sampling="trilinear"),
    ReadOut(sampling="trilinear", extras=_BOTH),
    ReadOut(sampling="trilinear", extras=_BOTH, views=2),
    ReadOut(levels="concat", sampling="trilinear"),
    ReadOut(levels="concat", sampling="trilinear", extras=_BOTH),
    ReadOut(levels="concat", sampling="trilinear", views=2),
    ReadOut(levels="concat", sampling="trilinear", extras=_BOTH, views=2),
    ReadOut(sampling="trilinear", extras=_BOTH, views=4),
    ReadOut(levels="concat", sampling="trilinear", views=4),
    ReadOut(levels="concat", sampling="trilinear", extras=_BOTH, views=4),
)
# Probe seeds that the choice rests on; the report has all.
_CHOOSING = 3
_TITLES = {
    "rooms": ("linear probe mIoU", "rooms-bench v1, unseen rooms"),
    "kitchen": ("linear probe mIoU", "7-Scenes red kitchen, classes by the VOC teacher, unseen"),
    "mosd": ("linear probe mIoU", "mosd, table against objects, 5 labelled frames, unseen"),
    "search in rooms": ("similarity search, same class among ten", "rooms-bench v1, unseen rooms"),
    "search in the kitchen": (
        "similarity search, same class among ten",
        "7-Scenes red kitchen, classes by the VOC teacher, unseen",
    ),
}


def main(words: Sequence[str] | None = None) -> None:
    """Measure every weight that is named."""
    asked = read_arguments(words)
    material = material_of(asked)
    measure_each("readouts", asked, lambda weight: measure(weight, material, asked), metrics)


def measure(weight: Pretrained, material: Material, asked: argparse.Namespace) -> Found:
    """Validation figures of every candidate, the choice for each purpose, and its test figures."""
    backbone, seeds = ready(weight, material), range(asked.seeds)
    amount = f"world{VERSION}-seeds{asked.seeds}-{material.amount.name}"
    journal = Journal(asked.journal / f"readouts-{weight.key[:21]}-{amount}.jsonl")
    # What no parameter of the weight decides is measured once for all weights of its architecture.
    network = network_key(weight.folder.config)
    kept = Journal(asked.journal / f"readout-controls-{network}-{amount}.jsonl")
    of_amount = _as_json(dataclasses.asdict(material.amount))
    same = {"network": network, "seeds": list(seeds), "world": VERSION, "amount": of_amount}
    controls_machine = take_over(kept, read_kept("readouts", asked.out)["weights"], same)
    candidates = [one for one in CANDIDATES if one.views <= asked.most_views]
    featurise = of_read_outs(backbone, candidates)
    validation = {}
    for name, task in validation_tasks(material).items():
        key = f"validation/{name}/{'+'.join(short(one) for one in candidates)}"
        validation[name] = _summed(journal.remember(key, scores, task, featurise, seeds[:_CHOOSING]))
        _tell(f"validation, {name}", validation[name])
    choice = choose(candidates, validation)
    tasks = reported_tasks(material)
    # On each task today's read-out and the one that was chosen for it.
    wanted = {
        name: tuple(dict.fromkeys([TODAY, choice[purpose]])) for purpose, some in PURPOSES.items() for name in some
    }
    controls = {
        name: [
            Control(weight.folder.path, material.shared, material.cache, material.amount, name, wanted[name], seed)
            for seed in seeds
        ]
        for name in tasks
    }
    test = {}
    with begun([one for some in controls.values() for one in some], kept, asked.processes) as answer:
        for name, task in tasks.items():
            key = f"{name}/{'+'.join(short(one) for one in wanted[name])}"
            ours = journal.remember(f"test/{key}", scores, task, of_read_outs(backbone, wanted[name]), seeds)
            raw = kept.remember(raw_key(name), scores, task, of_colour_and_height, seeds)
            test[name] = {weight.name: _summed(ours), RAW: _summed({RAW: raw[LAST]})}
            _tell(f"test, {name}", test[name][weight.name] | test[name][RAW])
        for name in tasks:
            test[name][UNTRAINED] = _summed(_joined([answer(control) for control in controls[name]]))
            _tell(f"test, {name}, untrained", test[name][UNTRAINED])
    return {
        "name": weight.name,
        "key": weight.key,
        "trained_on": weight.facts()["trained_on"],
        **same,
        "candidates": [facts(one) for one in candidates],
        "validation": validation,
        "chosen": {purpose: facts(one) for purpose, one in choice.items()},
        "test": test,
        "machine": machine(),
        "controls_machine": controls_machine,  # None where none was known before
        "spent": {name: round(value + kept.spent()[name], 1) for name, value in journal.spent().items()},
    }


def choose(candidates: Sequence[ReadOut], validation: Mapping[str, Mapping[str, Found]]) -> dict[str, ReadOut]:
    """For each purpose the read-out with the best mean over its tasks; the first of them where several are best."""

    def mean(one: ReadOut, purpose: str) -> float:
        return float(np.mean([validation[task][str(one)]["mean"] for task in PURPOSES[purpose]]))

    return {purpose: max(candidates, key=lambda one, purpose=purpose: mean(one, purpose)) for purpose in PURPOSES}


def _as_json(value: Found) -> Found:
    """As it comes back from a file: tuples are lists there."""
    found: Found = json.loads(json.dumps(value))
    return found


def _joined(found: Sequence[Mapping[str, Found]]) -> dict[str, Found]:
    """Networks of a seed each as one."""
    return {
        name: {"values": [one[name]["values"][0] for one in found], "points": found[0][name]["points"]}
        for name in found[0]
    }


def _summed(found: Mapping[str, Found]) -> dict[str, Found]:
    return {name: {**summary(one["values"]), "points": one["points"]} for name, one in found.items()}


def _tell(what: str, found: Mapping[str, Found]) -> None:
    print(f"  {what}: " + "; ".join(f"{name} {one['mean']:.3f}" for name, one in found.items()), flush=True)


def metrics(weight: Mapping[str, Any]) -> list[Found]:
    """Entries of the weight's record: each purpose's read-out on its tasks, beside the untrained network."""
    found = []
    for purpose, tasks in PURPOSES.items():
        read_out = weight["chosen"][purpose]["name"]
        for task in tasks:
            ours, control = (weight["test"][task][student][read_out] for student in (weight["name"], UNTRAINED))
            title, data = _TITLES[task]
            found.append(
                {
                    "name": title,
                    "data": f"{data}; {read_out}",
                    "seeds": weight["seeds"],
                    "n": ours["points"],
                    **estimate(ours["values"]),
                    "control": {"name": "random initialisation, same read-out", **estimate(control["values"])},
                }
            )
    return found


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Choose read-outs on validation scenes, measure them on test scenes.")
    parser.add_argument("weights", nargs="+", help="folders, or names of weights of the package")
    parser.add_argument("--most-views", type=int, default=4, help="candidates with more rotations are left out")
    parser.add_argument("--processes", type=int, default=0, help="that measure untrained networks beside this one")
    add_options(parser)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
