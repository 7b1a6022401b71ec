"""What each choice of PPKT is worth: short runs that differ in one value, five seeds each.

    python -m benchmarks.evaluation.ablation --seeds 5 --out runs/ablation

Every run stands in a journal under its recipe's fingerprint and is not made again, so the script can be stopped,
and a variant added to variants.py costs its own runs alone. A run is measured by a linear probe on scenes of
rooms-bench's validation set, which no table of weights looks at, and by retrieval on its recipe's held-out frames.
"""

import argparse
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.material import BENCH, as_labelled
from benchmarks.evaluation.probing import LAST, ProbeTask, of_backbone, probe_scores
from benchmarks.evaluation.variants import BASE, GROUPS, TEACHER_FILES, Variant
from benchmarks.machine import ROOT, SHARED, machine
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.writing import write_json
from ppkt_zoo.pretraining.recipe import Recipe, load_recipe
from ppkt_zoo.pretraining.trainer import pretrain
from ppkt_zoo.rooms import CLASSES
from ppkt_zoo.zoo.folder import open_weight_folder

RECIPE = Path(__file__).with_name("ablation.yaml")
FIT_SCENES, SCENES_PER_SEED, TEST_SCENES = 8, 5, 4


def main(words: Sequence[str] | None = None) -> None:
    """Train and measure what is missing; write ablation.json after every group."""
    asked = read_arguments(words)
    with flushed_denormals():
        _train_all(asked)


def _train_all(asked: argparse.Namespace) -> None:
    journal = Journal(asked.out / "journal.jsonl")
    result: dict[str, Any] = {
        "seeds": list(range(asked.seeds)),
        "scenes": {"fit_of": FIT_SCENES, "fit": SCENES_PER_SEED, "test": TEST_SCENES},
        "machine": machine(),
        "recipe": load_recipe(RECIPE, asked.overrides).model_dump(mode="json", exclude_none=True),
        "base": _variant(BASE, asked, journal),
        "groups": {},
    }
    for name, variants in GROUPS.items():
        if asked.only and name not in asked.only:
            continue
        result["groups"][name] = [_variant(variant, asked, journal) for variant in variants]
        write_json(asked.out / "ablation.json", result | {"spent": journal.spent()}, InputError)
    write_json(asked.out / "ablation.json", result | {"spent": journal.spent()}, InputError)


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Short pretraining runs that differ in one value.")
    parser.add_argument("overrides", nargs="*", help="key=value of every run's recipe, such as steps=20")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=list(GROUPS), help="this group alone; may be repeated")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "ablation")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="rooms and the teachers' features")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with teachers/")
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare data")
    return parser.parse_args(words)


def _variant(variant: Variant, asked: argparse.Namespace, journal: Journal) -> dict[str, Any]:
    runs = []
    for seed in range(asked.seeds):
        recipe = load_recipe(RECIPE, [*asked.overrides, *variant.overrides, f"seed={seed}"])
        key = f"{variant.name}/{seed}/{recipe.fingerprint[:16]}"
        runs.append(journal.remember(key, _run, variant, recipe, asked))
        print(f"{variant.name}, seed {seed}: mIoU {runs[-1]['miou']:.3f}", flush=True)
    top1 = [run["validation"].get("top1") for run in runs]
    return {
        "name": variant.name,
        "overrides": list(variant.overrides),
        "miou": [run["miou"] for run in runs],
        "top1": top1 if None not in top1 else None,
        "fair_top1": variant.fair_top1,
        "train_seconds": [run["train_seconds"] for run in runs],
    }


def _run(variant: Variant, recipe: Recipe, asked: argparse.Namespace) -> dict[str, Any]:
    """Train one variant under one seed, and measure what it learned."""
    # A folder of its own for each process, so that several can share the work by --only; the last call finds all
    # that they measured in the journal.
    out = asked.out / f"run-{os.getpid()}"
    teacher = None if variant.teacher is None else asked.shared / TEACHER_FILES[variant.teacher]
    began = time.perf_counter()
    folder = pretrain(recipe, data={}, teacher=teacher, out=out, cache=asked.cache, workers=asked.workers)
    trained = time.perf_counter() - began
    backbone = open_weight_folder(folder).backbone()
    report = probe_scores(_task(asked.cache), of_backbone(backbone), [recipe.seed])[0]
    lines = read_metrics(out / "metrics.jsonl")
    shutil.rmtree(out)
    # The last line that holds each figure.
    wanted = ("loss", "top1", "top5")
    validation = {name: line[f"validation_{name}"] for line in lines for name in wanted if f"validation_{name}" in line}
    return {
        "miou": report[LAST]["miou"],
        "validation": validation,
        "train_seconds": round(trained, 1),
        "lines": [{name: line[name] for name in ("step", "loss", "top1") if name in line} for line in lines],
    }


def _task(cache: Path) -> ProbeTask:
    train, validation = BENCH.train(cache=cache), BENCH.validation(cache=cache)
    return ProbeTask(
        classes=CLASSES,
        fit=lambda index: as_labelled(train[index]),
        test=lambda index: as_labelled(validation[index]),
        fit_size=FIT_SCENES,
        test_size=TEST_SCENES,
        fit_frames=SCENES_PER_SEED,
        per_frame=60,
        per_class=200,
        queries=500,
    )


if __name__ == "__main__":
    main()
