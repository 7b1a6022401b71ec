"""Part (c), second half: table against objects on real table tops, fine-tuned on few labelled frames."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from held_out import FrameCloud, cloud_of, mosd
from journal import Journal
from setting import Setting

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.data.augment import CloudAugmentation
from ppkt_zoo.data.plain import OBJECT_CLASSES
from ppkt_zoo.downstream.finetune import FinetuneRecipe, LabelledCloud, evaluate, finetune

# The learning rate is chosen at this many labelled frames, and used for every number of them.
_CHOICE_BUDGET = 5
_CHOICE_SEEDS = (101, 102)

# Any heading, other sizes, mirrors, lost points, other light: the same for both starts.
_AUGMENTATION = CloudAugmentation(
    rotation_z=180, scale=(0.9, 1.1), flip=0.5, dropout=(0.0, 0.2), brightness=0.1, contrast=0.2, channel_gain=0.1
)


@dataclass(frozen=True)
class Trial:
    """One fine-tuning: from which start, at which rate, under which seed."""

    who: str
    rate: float
    seed: int

    def __str__(self) -> str:
        return f"{self.who}/{self.rate:g}/{self.seed}"


class TableTops:
    """The frames, split once: the last ones by name are the test, the rest is the pool to label from."""

    def __init__(self, setting: Setting) -> None:
        source = mosd(setting)
        self._read = cache(lambda index: _labelled(cloud_of(source[index])))
        first_test = len(source) - setting.amount.mosd_test
        self.pool = list(range(first_test))
        self.test = [self._read(index) for index in range(first_test, len(source))]

    def clouds(self, indices: list[int]) -> list[LabelledCloud]:
        """These frames as labelled clouds."""
        return [self._read(index) for index in indices]

    def shuffled_pool(self, seed: int) -> list[int]:
        """The pool in the order of a seed; the first n are the n labelled frames, so budgets are nested."""
        return [self.pool[int(index)] for index in np.random.default_rng([seed, 61]).permutation(len(self.pool))]


def measure(setting: Setting, journal: Journal) -> dict[str, Any]:
    """mIoU on the test frames for every budget and seed: fine-tuned from the weight and from scratch."""
    tops = TableTops(setting)
    choice = {who: _choose_rate(setting, journal, tops, who) for who in ("ppkt", "scratch")}
    budgets: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for budget in setting.amount.mosd_budgets:
        runs: dict[str, list[dict[str, Any]]] = {"ppkt": [], "scratch": []}
        for seed in range(setting.seeds):
            labelled = tops.clouds(tops.shuffled_pool(seed)[:budget])
            for who, scores in runs.items():
                trial = Trial(who, choice[who]["rate"], seed)
                scores.append(journal.remember(f"test/{budget}/{trial}", _run, setting, trial, labelled, tops.test))
        budgets[str(budget)] = runs
    return {
        "classes": list(OBJECT_CLASSES),
        "test_frames": len(tops.test),
        "pool": len(tops.pool),
        "steps": setting.amount.finetune_steps,
        "recipe": {
            name: getattr(_recipe(setting, 0.0), name) for name in ("clouds_per_step", "head_lr", "weight_decay")
        },
        "augmentation": _AUGMENTATION.model_dump(exclude_defaults=True),
        "choice": choice,
        "choice_frames": [_CHOICE_BUDGET, setting.amount.mosd_validation],
        "budgets": budgets,
    }


def _choose_rate(setting: Setting, journal: Journal, tops: TableTops, who: str) -> dict[str, Any]:
    """The backbone's learning rate with the best mean mIoU on frames of the pool; the test isn't looked at."""
    trials: dict[float, list[float]] = {}
    for rate in setting.amount.learning_rates:
        trials[rate] = []
        for seed in _CHOICE_SEEDS:
            order = tops.shuffled_pool(seed)
            labelled = tops.clouds(order[:_CHOICE_BUDGET])
            held = tops.clouds(order[_CHOICE_BUDGET : _CHOICE_BUDGET + setting.amount.mosd_validation])
            trial = Trial(who, rate, seed)
            score = journal.remember(f"choice/{trial}", _run, setting, trial, labelled, held)
            trials[rate].append(score["miou"])
    best = max(trials, key=lambda rate: float(np.mean(trials[rate])))
    return {"rate": best, "trials": {f"{rate:g}": scores for rate, scores in trials.items()}}


def _start(setting: Setting, who: str, seed: int) -> Backbone:
    return setting.student if who == "ppkt" else setting.untrained(seed)


def _recipe(setting: Setting, rate: float) -> FinetuneRecipe:
    return FinetuneRecipe(steps=setting.amount.finetune_steps, lr=rate)


def _run(setting: Setting, trial: Trial, labelled: list[LabelledCloud], test: list[LabelledCloud]) -> dict[str, Any]:
    start = _start(setting, trial.who, trial.seed)
    classes = len(OBJECT_CLASSES)
    done = finetune(start, labelled, classes, _recipe(setting, trial.rate), trial.seed, _AUGMENTATION)
    score = evaluate(done.model, test, classes)
    iou = dict(zip(OBJECT_CLASSES, score.iou().tolist(), strict=True))
    return {"miou": score.mean_iou(), "iou": iou, "loss": [done.losses[0], done.losses[-1]]}


def _labelled(one: FrameCloud) -> LabelledCloud:
    return LabelledCloud(one.cloud, torch.from_numpy(one.label()))
