"""What changes of the recipe are worth at length: each pilot against the same control, several training seeds.

    python -m benchmarks.evaluation.pilot_runs control fused_views --seeds 3

    python -m benchmarks.evaluation.pilot_runs control --weights   # the package's weights of the same recipes, too

Every run stands in a journal, and then in docs/results/pilots.json, under its recipe's fingerprint and is not made
again, on another machine neither; one that was stopped goes on from its newest checkpoint. So one command a pilot and
sitting is enough, in any order; each writes pilots.json and pilots.md of all that was measured. Runs are measured on
validation scenes alone, by linear probes on the last level.
"""

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.material import FULL, TINY, Amount, Material
from benchmarks.evaluation.pilot_table import CONTROL, Pilot, read_pilots, teacher_file
from benchmarks.evaluation.probing import LAST, of_backbone
from benchmarks.evaluation.readout_tasks import scores, validation_tasks
from benchmarks.evaluation.students import BUNDLED, Pretrained, open_pretrained
from benchmarks.machine import ROOT, SHARED, machine
from benchmarks.reports.pilots import TASKS, text
from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.writing import write_json, write_whole
from ppkt_zoo.pretraining.recipe import Recipe
from ppkt_zoo.pretraining.recipe_sections import FramesData
from ppkt_zoo.pretraining.trainer import pretrain
from ppkt_zoo.zoo.folder import open_weight_folder

PROBE_SEEDS = (0, 1, 2)
_MOST_SEEDS = 10


def main(words: Sequence[str] | None = None) -> None:
    """Train and measure what is missing of the named pilots; write JSON and page."""
    pilots = read_pilots()
    asked = read_arguments(tuple(pilots), words)
    journal = Journal(asked.out / "journal.jsonl")
    take_over(journal, asked)
    with flushed_denormals():
        if asked.weights:
            for name, weight in _weights_of(pilots).items():
                found = journal.remember(_weight_key(weight, asked), _scores_of, weight.backbone, asked)
                print(f"{weight.name}, as {name}: {_told(found)}", flush=True)
        for name in asked.pilots:
            for seed in range(asked.seeds):
                found = journal.remember(_key_of(pilots[name], seed, asked), _run, pilots[name], seed, asked)
                print(f"{name}, seed {seed}: {_told(found)}", flush=True)
                write(pilots, asked, journal)


def read_arguments(names: tuple[str, ...], words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Pretraining runs that differ from a control in one thing.")
    parser.add_argument("pilots", nargs="+", choices=names, help="what to train and measure")
    parser.add_argument("--override", action="append", default=[], help="key=value of every run, such as steps=20")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds: 0, 1, …")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "pilots", help="runs, weights and journal")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "docs" / "results", help="where pilots.json and pilots.md go"
    )
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="rooms and the teachers' features")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with frames/ and teachers/")
    parser.add_argument("--lite0", type=Path, help="the file of EfficientNet-Lite0, where its package is not installed")
    parser.add_argument("--weights", action="store_true", help="measure the package's weights of these recipes too")
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare data")
    parser.add_argument("--tiny", action="store_true", help="two frames of everything: shows that it runs")
    return parser.parse_args(words)


def take_over(journal: Journal, asked: argparse.Namespace) -> None:
    """Know the runs of the committed results, which another machine may have made."""
    file = asked.results / "pilots.json"
    if file.exists():
        results = json.loads(file.read_text(encoding="utf-8"))
        for pilot in results["pilots"]:
            for run in pilot["runs"]:
                journal.take_over(_key(pilot["name"], run["seed"], run["fingerprint"], run["amount"]), run)
        for one in results.get("weights", ()):
            journal.take_over(_key("weight", one["sha256"], one["amount"]), {"scores": one["scores"]})


def write(pilots: dict[str, Pilot], asked: argparse.Namespace, journal: Journal) -> None:
    """JSON and page of every pilot whose runs are all in the journal, of those that have one at least."""
    journal.look_again()  # several such commands may run at once
    measured = []
    for name, pilot in pilots.items():
        keys = [_key_of(pilot, seed, asked) for seed in range(_MOST_SEEDS)]
        runs = [journal.remember(key, dict) for key in keys if key in journal]
        if runs:
            own = pilot.overrides[len(pilots[CONTROL].overrides) :]
            measured.append({"name": name, "change": pilot.change, "overrides": list(own), "runs": runs})
    results: dict[str, Any] = {
        "control": pilots[CONTROL].recipe,
        "overrides": [*pilots[CONTROL].overrides, *asked.override],
        "probe_seeds": list(PROBE_SEEDS),
        "pilots": measured,
        "weights": [
            {"name": weight.name, "pilot": name, "sha256": weight.key, "amount": _amount(asked).name}
            | journal.remember(key, dict)
            for name, weight in _weights_of(pilots).items()
            if (key := _weight_key(weight, asked)) in journal
        ],
    }
    write_json(asked.results / "pilots.json", results, InputError)
    write_whole(asked.results / "pilots.md", text(results), InputError)


def _key_of(pilot: Pilot, seed: int, asked: argparse.Namespace) -> str:
    fingerprint = pilot.load(seed, tuple(asked.override)).fingerprint
    return _key(pilot.name, seed, fingerprint, _amount(asked).name)


def _weight_key(weight: Pretrained, asked: argparse.Namespace) -> str:
    return _key("weight", weight.key, _amount(asked).name)


def _key(name: str, *parts: str | int) -> str:
    return "/".join([name, *(str(one)[:16] for one in parts)])


def _amount(asked: argparse.Namespace) -> Amount:
    return TINY if asked.tiny else FULL


def _weights_of(pilots: dict[str, Pilot]) -> dict[str, Pretrained]:
    """The package's weights that were made by a pilot's recipe, by the pilot's name; each recipe's first pilot."""
    found: dict[str, Pretrained] = {}
    for recipe in dict.fromkeys(one.recipe for one in pilots.values()):
        pilot = next(one for one in pilots.values() if one.recipe == recipe)
        if (folder := BUNDLED / pilot.load(0).weight).is_dir():
            found[pilot.name] = open_pretrained(folder.name)
    return found


def _scores_of(backbone: Backbone, asked: argparse.Namespace) -> dict[str, Any]:
    """Of a network: for each task the linear probe's score of every probe seed."""
    tasks = validation_tasks(Material(asked.shared, asked.cache, _amount(asked)))
    featurise = of_backbone(backbone)
    return {"scores": {name: scores(tasks[name], featurise, PROBE_SEEDS)[LAST]["values"] for name in TASKS}}


def _run(pilot: Pilot, seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Train one pilot under one seed, or go on with it, and measure what it learned; its weight is kept."""
    recipe = pilot.load(seed, tuple(asked.override))
    out = asked.out / f"{pilot.name}-{seed}-{recipe.fingerprint[:8]}"
    began = time.perf_counter()
    folder = pretrain(
        recipe,
        data=_folders(recipe, asked.shared),
        teacher=None if pilot.teacher is None else teacher_file(pilot.teacher, asked.shared, asked.lite0),
        teachers={name: teacher_file(key, asked.shared, asked.lite0) for name, key in pilot.teachers},
        out=out,
        cache=asked.cache,
        workers=asked.workers,
    )
    last_sitting = time.perf_counter() - began
    opened = open_weight_folder(folder)
    trained, found = opened.record().trained, _scores_of(opened.backbone(), asked)
    lines = [line for line in read_metrics(out / "metrics.jsonl") if "validation_loss" in line]
    shutil.rmtree(out / "checkpoints", ignore_errors=True)  # measured; the weight stays
    assert trained is not None
    return {
        "seed": seed,
        "fingerprint": recipe.fingerprint,
        "amount": _amount(asked).name,
        **found,
        "validation": {name: value for line in lines[-1:] for name, value in line.items() if "validation" in name},
        "hours": trained.hours,
        "last_sitting_seconds": round(last_sitting, 1),
        "parameters": opened.record().parameters,
        "machine": machine(),
    }


def _folders(recipe: Recipe, shared: Path) -> dict[str, Path]:
    return {one.name: shared / "frames" / one.name for one in recipe.data if isinstance(one, FramesData)}


def _told(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {sum(values) / len(values):.3f}" for name, values in found["scores"].items())


if __name__ == "__main__":
    main()
