"""Seconds of a pretraining step, split into data, teacher, student, loss and optimiser.

    python -m benchmarks.speed.pretrain_step sr_unet14_slim_ppkt_voc --data icl_livingroom=PATH --teacher FILE
    python -m benchmarks.speed.pretrain_step --log runs/family/NAME/metrics.jsonl

Builds the trainer's own parts from a recipe and runs its steps with a clock between them, once with the teacher's
features from the cache and once with the teacher online. `data` is what the loop waits for its loader: what worker
processes prepare meanwhile costs nothing. With `--log` it reads the share of data off a run that was made before.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import SHARED, VOC_TEACHER, keep, machine, table
from ppkt_zoo.backbones.base import PointFeatures
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.interrupt import StopRequest
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.files.reading import default_cache
from ppkt_zoo.pretraining.recipe import Recipe, load_recipe
from ppkt_zoo.pretraining.setup import Setup
from ppkt_zoo.transfer.objective import TransferBatch

PARTS = ("data", "teacher", "student forward", "loss forward", "loss backward", "student backward", "optimiser")
AIM = 0.10  # most that the data part may take of a step


class Stopwatch:
    """Seconds of each part, from one mark to the next."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0)
        self._device = device
        self._last = self._now()

    def mark(self, part: str) -> None:
        """Everything since the last mark belonged to this part."""
        now = self._now()
        self.seconds[part] += now - self._last
        self._last = now

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


class WatchedFeatures:
    """A student's features that tell when the gradient of the loss has come back to them.

    The loss's own nodes are younger than the student's, so its backward pass is over when the last of the
    gathered features has its gradient.
    """

    def __init__(self, points: PointFeatures, arrived: Callable[[], None]) -> None:
        self._points, self._arrived = points, arrived

    def at(self, level: str, rows: Tensor | None = None) -> Tensor:
        """As `PointFeatures.at`."""
        found = self._points.at(level, rows)
        if found.requires_grad:
            found.register_hook(self._hook)
        return found

    def _hook(self, gradient: Tensor) -> None:
        self._arrived()


def time_steps(recipe: Recipe, asked: argparse.Namespace) -> dict[str, Any]:
    """Median seconds of every part over the timed steps."""
    with flushed_denormals(), StopRequest() as stop, TrainingProgress() as progress:
        setup = Setup(recipe, asked.data, asked.teacher, asked.cache, progress, stop)
        loader = setup.data.loader(0, asked.warmup + asked.steps, asked.workers)
        setup.model.train()
        steps: list[dict[str, float]] = []
        watch = Stopwatch(setup.accelerator.device)
        for data in loader:
            watch.mark("data")
            _one_step(setup, setup.batch(data), watch)
            if data.step >= asked.warmup:
                steps.append(watch.seconds)
            watch = Stopwatch(setup.accelerator.device)
    return summary(steps) | {
        "frames": sum(entry.per_step for entry in recipe.data),
        "features": "none" if recipe.teacher is None else recipe.teacher.features,
    }


def _one_step(setup: Setup, batch: TransferBatch, watch: Stopwatch) -> None:
    watch.mark("teacher")
    model = setup.plain_model
    setup.optimizer.zero_grad(set_to_none=True)
    with setup.accelerator.autocast():
        points = WatchedFeatures(model.student(batch.clouds), lambda: watch.mark("loss backward"))
        watch.mark("student forward")
        losses = [model.weights[name] * one(points, batch).loss for name, one in model.objectives.items()]
        loss = torch.stack(losses).sum()
    watch.mark("loss forward")
    setup.accelerator.backward(loss)
    watch.mark("student backward")
    if setup.recipe.optimiser.clip_norm is not None:
        setup.accelerator.clip_grad_norm_(setup.model.parameters(), setup.recipe.optimiser.clip_norm)
    setup.optimizer.step()
    watch.mark("optimiser")


def summary(steps: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Mean seconds of each part, the whole step, and the share of data.

    Means, not medians: a loader that falls behind shows in few, long waits.
    """
    parts = {part: sum(step[part] for step in steps) / len(steps) for part in PARTS}
    whole = sum(parts.values())
    return {**parts, "step": whole, "share of data": parts["data"] / whole, "steps": len(steps)}


def share_of_log(file: Path) -> dict[str, Any]:
    """Data and step seconds of a run, from the lines of its training steps without the first tenth."""
    lines = [line for line in read_metrics(file) if "step_seconds" in line]
    if not lines:
        raise SystemExit(f"{file} has no line with step_seconds: give the metrics.jsonl of a run")
    lines = lines[len(lines) // 10 :]
    data, step = (sum(line[name] for line in lines) / len(lines) for name in ("data_seconds", "step_seconds"))
    return {"run": file.parent.name, "data": data, "step": step, "share of data": data / step, "lines": len(lines)}


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Where a pretraining step's time goes.")
    parser.add_argument("recipe", nargs="?", help="a YAML file, or the name of a recipe that ships with the package")
    parser.add_argument("overrides", nargs="*", help="key=value of the recipe")
    parser.add_argument("--data", action="append", default=[], metavar="NAME=PATH", help="folder of frames")
    default = SHARED / VOC_TEACHER
    parser.add_argument("--teacher", type=Path, default=default)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=4)
    parser.add_argument("--log", type=Path, action="append", default=[], help="metrics.jsonl of a run made before")
    asked = parser.parse_args(words)
    asked.data = dict(_name_and_path(parser, text) for text in asked.data)
    if asked.recipe is None and not asked.log:
        parser.error("give a recipe to time, or the --log of a run")
    return asked


def _name_and_path(parser: argparse.ArgumentParser, text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        parser.error(f"--data is NAME=PATH, got {text!r}")
    return name, Path(path)


def main() -> None:
    """Time the recipe both ways, read the logs, print and keep."""
    asked = read_arguments()
    result: dict[str, Any] = {"machine": machine(), "aim": AIM, "timed": [], "runs": []}
    if asked.recipe is not None:
        recipe = load_recipe(asked.recipe, asked.overrides)
        result["recipe"], result["workers"] = recipe.weight, asked.workers
        ways = ["cached", "online"] if recipe.teacher is not None else [None]
        if recipe.teacher is None:
            asked.teacher = None
        for way in ways:
            override = [] if way is None else [f"teacher.features={way}"]
            result["timed"].append(time_steps(load_recipe(asked.recipe, [*asked.overrides, *override]), asked))
        columns = ("features", *PARTS, "step", "share of data")
        print(table([{name: one[name] for name in columns} for one in result["timed"]]))
    result["runs"] = [share_of_log(file) for file in asked.log]
    if result["runs"]:
        print(table(result["runs"]))
    for one in (*result["timed"], *result["runs"]):
        share = one["share of data"]
        verdict = "reached" if share < AIM else "not reached"
        print(f"{one.get('run', one.get('features'))}: data {share:.1%} of a step, aim below {AIM:.0%} {verdict}")
    print(keep("pretrain_step", result))


if __name__ == "__main__":
    main()
