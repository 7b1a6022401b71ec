"""Part (c), second half: table against objects on real table tops, fine-tuned on few labelled frames."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from _probes.clouds import FrameCloud, cloud_of
from _probes.journal import Journal
from held_out import mosd
from setting import Setting

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.data.readers.plain import OBJECT_CLASSES
from ppkt_zoo.downstream.finetune import FinetuneRecipe, LabelledCloud, evaluate, finetune
from ppkt_zoo.evaluation.metrics import Confusion

Norm = Literal["frozen", "train"]

# Learning rate and batch norm are chosen at this many labelled frames, and used for every number of them.
_CHOICE_BUDGET = 5
_NORMS: tuple[Norm, ...] = ("frozen", "train")

# Any heading, other sizes, mirrors, lost points, other light: the same for both starts.
_AUGMENTATION = CloudAugmentation(
    rotation_z=180, scale=(0.9, 1.1), flip=0.5, dropout=(0.0, 0.2), brightness=0.1, contrast=0.2, channel_gain=0.1
)


@dataclass(frozen=True)
class Trial:
    """One fine-tuning: from which start, at which rate, with which batch norm, under which seed."""

    who: str
    rate: float
    norm: Norm
    seed: int

    def __str__(self) -> str:
        return f"{self.who}/{self.rate:g}/{self.norm}/{self.seed}"


class TableTops:
    """The frames, split once by name: the pool to label from, then the validation, the last ones are the test.

    Later frames hold more and taller things, so validation frames are the ones nearest to the test.
    """

    def __init__(self, setting: Setting) -> None:
        source = mosd(setting)
        self._read = cache(lambda index: _labelled(cloud_of(source[index])))
        first_test = len(source) - setting.amount.mosd_test
        first_held = first_test - setting.amount.mosd_validation
        self.pool = list(range(first_held))
        self.held = [self._read(index) for index in range(first_held, first_test)]
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
    choice = {who: _choose(setting, journal, tops, who) for who in ("ppkt", "scratch")}
    chosen = {who: (one["rate"], one["norm"]) for who, one in choice.items()}
    # The library's defaults, fixed in its code before this was measured: what who tunes nothing gets.
    default = FinetuneRecipe()
    return {
        "classes": list(OBJECT_CLASSES),
        "test_frames": len(tops.test),
        "pool": len(tops.pool),
        "validation_frames": len(tops.held),
        "steps": setting.amount.finetune_steps,
        "recipe": {name: getattr(default, name) for name in ("clouds_per_step", "head_lr", "weight_decay")},
        "augmentation": _AUGMENTATION.model_dump(exclude_defaults=True),
        "choice": choice,
        "choice_frames": _CHOICE_BUDGET,
        "ceiling": journal.remember("ceiling", _ceiling, setting, tops.test),
        "budgets": _budgets(setting, journal, tops, chosen),
        "default": {"rate": default.lr, "norm": default.batch_norm},
        "default_budgets": _budgets(setting, journal, tops, dict.fromkeys(chosen, (default.lr, default.batch_norm))),
    }


def _budgets(
    setting: Setting, journal: Journal, tops: TableTops, recipes: dict[str, tuple[float, Norm]]
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Scores on the test frames: number of labelled frames → start → one for each seed."""
    budgets: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for budget in setting.amount.mosd_budgets:
        runs: dict[str, list[dict[str, Any]]] = {who: [] for who in recipes}
        for seed in range(setting.seeds):
            labelled = tops.clouds(tops.shuffled_pool(seed)[:budget])
            for who, scores in runs.items():
                trial = Trial(who, *recipes[who], seed)
                scores.append(journal.remember(f"test/{budget}/{trial}", _run, setting, trial, labelled, tops.test))
        budgets[str(budget)] = runs
    return budgets


def _choose(setting: Setting, journal: Journal, tops: TableTops, who: str) -> dict[str, Any]:
    """The backbone's learning rate and batch norm with the best mean mIoU in validation; the test isn't looked at."""
    trials = []
    for norm in _NORMS:
        for rate in setting.amount.learning_rates:
            scores = []
            for seed in setting.amount.choice_seeds:
                labelled = tops.clouds(tops.shuffled_pool(seed)[:_CHOICE_BUDGET])
                trial = Trial(who, rate, norm, seed)
                score = journal.remember(f"choice/{trial}", _run, setting, trial, labelled, tops.held)
                scores.append(score["miou"])
            trials.append({"rate": rate, "norm": norm, "scores": scores})
    best = max(trials, key=lambda trial: float(np.mean(trial["scores"])))
    return {"rate": best["rate"], "norm": best["norm"], "trials": trials}


def _ceiling(setting: Setting, test: list[LabelledCloud]) -> float:
    """mIoU of the best answer that gives all points of a voxel one class: no network of this voxel size is better."""
    score = Confusion(len(OBJECT_CLASSES))
    for one in test:
        cells = torch.floor(one.cloud.xyz / setting.student.input_spec.voxel_size).long()
        _, voxel = torch.unique(cells, dim=0, return_inverse=True)
        votes = torch.zeros(int(voxel.max()) + 1, len(OBJECT_CLASSES))
        known = one.label >= 0
        votes.index_put_((voxel[known], one.label[known]), torch.ones(int(known.sum())), accumulate=True)
        score.update(one.label, votes.argmax(dim=1)[voxel])
    return score.mean_iou()


def _run(setting: Setting, trial: Trial, labelled: list[LabelledCloud], test: list[LabelledCloud]) -> dict[str, Any]:
    # Frozen batch norm needs statistics: the random network's are gathered on the labelled frames.
    seen = [one.cloud for one in labelled] if trial.norm == "frozen" else None
    start = setting.student if trial.who == "ppkt" else setting.untrained(trial.seed, seen)
    recipe = FinetuneRecipe(steps=setting.amount.finetune_steps, lr=trial.rate, batch_norm=trial.norm)
    classes = len(OBJECT_CLASSES)
    done = finetune(start, labelled, classes, recipe, trial.seed, _AUGMENTATION)
    score = evaluate(done.model, test, classes)
    iou = dict(zip(OBJECT_CLASSES, score.iou().tolist(), strict=True))
    return {"miou": score.mean_iou(), "iou": iou, "loss": [done.losses[0], done.losses[-1]]}


def _labelled(one: FrameCloud) -> LabelledCloud:
    return LabelledCloud(one.cloud, torch.from_numpy(one.label()))
