"""Fine-tuning of any task: from a recipe and scenes to steps, validations, a test at the end, and a model's folder."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.utils.data import Dataset

from ppkt_zoo.backbones.norm import batch_norms, freeze_batch_norm
from ppkt_zoo.data.scenes import LabelledScene, SceneSource
from ppkt_zoo.downstream.model_folder import record_fields, write_scores
from ppkt_zoo.downstream.recipe import DownstreamRecipe
from ppkt_zoo.downstream.sampler import scene_part
from ppkt_zoo.downstream.start import START_DIGITS, check_same_start, digits_of_start
from ppkt_zoo.engine.checkpoint import Resumed
from ppkt_zoo.engine.data_workers import DataWorkers
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.interrupt import Stopped, StopRequest
from ppkt_zoo.engine.learner import Learner
from ppkt_zoo.engine.loop import Measurement, TrainingLoop
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.engine.run_folder import run_folder
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.zoo.folder import WeightFolder
from ppkt_zoo.zoo.golden_cloud import at_the_origin, wide_enough
from ppkt_zoo.zoo.record import Metric

Report = Callable[[int, int], None]
"""Told (scenes done, of how many)."""


class _AnyScore(Protocol):
    @property
    def scenes(self) -> int: ...

    def figures(self) -> dict[str, float]: ...


_Batch = TypeVar("_Batch")
_Recipe = TypeVar("_Recipe", bound=DownstreamRecipe)
_Model = TypeVar("_Model", bound=nn.Module)
_Score = TypeVar("_Score", bound=_AnyScore)


@dataclass(frozen=True)
class Finetuned(Generic[_Model, _Score]):
    """What a run gives.

    Attributes:
        model: on the CPU, in eval mode.
        folder: its weight folder.
        score: on the test scenes, if there were any; ``scores.json`` beside the folder holds it too.
    """

    model: _Model
    folder: Path
    score: _Score | None


class FinetuneTrainer(Learner[_Batch], Generic[_Batch, _Recipe, _Model, _Score]):
    """One run: its model, where an earlier one stopped, and the loop from there.

    Args:
        recipe: of the run.
        train: what it learns from.
        validation: looked at every ``recipe.validate_every`` steps, if both are given.
        out: the run's folder.
        device: where it learns.
        progress, stop: what a person sees, and whether to end.
    """

    title: ClassVar[str]
    """Of the progress bar."""
    method: ClassVar[str]
    """What is learned, in the model's record."""
    save: ClassVar[Callable[..., WeightFolder]]
    """Writes the model's folder."""
    model: _Model

    def __init__(
        self,
        recipe: _Recipe,
        train: SceneSource,
        validation: SceneSource | None,
        out: Path,
        device: torch.device,
        progress: TrainingProgress,
        stop: StopRequest,
    ) -> None:
        self.recipe, self.scenes, self.out, self.device = recipe, train, out, device
        self.progress, self._stop, self._validation = progress, stop, validation
        self._dataset = self.open_dataset()
        self.model = self.build_model().to(device)
        start: WeightFolder | None = getattr(self.model.get_submodule("backbone"), "loaded_from", None)
        # Read at once: its folder may be gone when the training is done.
        self._start = None if start is None else (start, start.record())
        self.optimizer = self.build_optimizer()
        # The same recipe on other scenes is another run.
        fingerprint = "|".join((recipe.fingerprint, train.name, str(len(train)), *self.class_names()))
        measurements = []
        if validation is not None and recipe.validate_every is not None:
            measurements.append(Measurement(recipe.validate_every, self._validate))
        data = scene_part(train)
        self.loop = TrainingLoop(self, out, recipe, progress, stop, data, measurements, fingerprint=fingerprint)

    @staticmethod
    @abstractmethod
    def check_classes(train: SceneSource, other: SceneSource) -> None:
        """Raise InputError where scenes to validate or to test on have other classes than those to learn from."""

    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """The classes of the scenes that the model learns."""

    @abstractmethod
    def open_dataset(self) -> Dataset[_Batch]:
        """Batches by step."""

    @abstractmethod
    def build_model(self) -> _Model:
        """The model before its first step, on the CPU."""

    @abstractmethod
    def build_optimizer(self) -> Optimizer:
        """The optimiser of the model."""

    @abstractmethod
    def score(self, scenes: SceneSource, report: Report, final: bool) -> _Score:
        """How the model does on labelled scenes; ``final`` at the test at the end, not at a validation."""

    @abstractmethod
    def scores(self, score: _Score) -> dict[str, Any]:
        """A score as ``scores.json`` holds it: figures, and a row for each class."""

    @abstractmethod
    def named_figures(self, score: _Score) -> dict[str, float]:
        """The figures of a score that the model's record holds, by what it calls them."""

    @property
    def looks(self) -> str:
        """How the test was done, where the model's record needs a word on it."""
        return ""

    @abstractmethod
    def golden_rows(self, scene: LabelledScene) -> np.ndarray:
        """Rows of a training scene whose points verify the model's folder."""

    @classmethod
    def fit(
        cls,
        recipe: _Recipe,
        train: SceneSource,
        validation: SceneSource | None,
        out: Path,
        *,
        test: SceneSource | None = None,
        workers: int = 0,
        device: str = "cpu",
        stop_after: int | None = None,
    ) -> Finetuned[_Model, _Score]:
        """Fine-tune a backbone with a head on labelled scenes, test it, and write it as a folder.

        The same call goes on from the newest checkpoint in ``out``, to the same numbers on the same machine as a run
        that was never interrupted.

        Args:
            recipe: the complete recipe; its ``data`` is not opened here, see
                :func:`ppkt_zoo.downstream.splits.open_splits`.
            train: scenes to learn from, with labels or, for detection, with boxes.
            validation: looked at every ``recipe.validate_every`` steps, if both are given.
            out: checkpoints, ``metrics.jsonl`` and, at the end, ``scores.json`` and the folder ``model``.
            test: scenes to report on, with the recipe's voting.
            workers: processes that prepare batches; any number gives the same ones.
            device: cpu, cuda, …
            stop_after: end after this many steps with a checkpoint, without a model.

        Raises:
            InputError, RecipeError, WeightError: scenes without labels or boxes, other classes, a box of size 0, a
                weight that does not fit.
            TrainingError: a non-finite loss (the batch is saved for study) or vote, a checkpoint of another recipe,
                other scenes or another weight under the same ``init``, another process at work in ``out``, a killed
                data worker.
            Stopped: SIGTERM, Ctrl-C or ``stop_after``; a checkpoint was written.
        """
        for scenes in (validation, test):
            if scenes is not None:
                cls.check_classes(train, scenes)
        with flushed_denormals(), run_folder(out), StopRequest() as stop, TrainingProgress() as progress:
            run = cls(recipe, train, validation, out, torch.device(device), progress, stop)
            run.train(stop_after, workers)
            return run.finish(test)

    def train(self, stop_after: int | None, workers: int) -> None:
        """Take the steps that are left; the next call goes on after ``stop_after``."""
        self.loop.run(
            self.title,
            lambda first, last: DataWorkers(self._dataset, range(first, last), workers),
            stop_after,
            prepare=self._prepare,
        )

    def finish(self, test: SceneSource | None) -> Finetuned[_Model, _Score]:
        """Test on scenes that training never saw, write the scores and the folder."""
        self.model.eval()
        score: _Score | None = None
        metrics: list[Metric] = []
        if test is not None:
            tested_on = f"{test.name}, {len(test)} scenes"
            with self.progress.task("test", len(test)) as report:
                score = self.score(test, self._until_stopped(report), final=True)
            figures_of_test = {**self.notes(), **self.scores(score)}
            write_scores(self.out / "scores.json", self.recipe, tested_on, score.scenes, figures_of_test)
            data, seeds = f"{tested_on}, never seen in training{self.looks}", (self.recipe.seed,)
            for name, value in self.named_figures(score).items():
                metrics.append(Metric(name=name, value=value, data=data, seeds=seeds, n=score.scenes))
        self.model.cpu()
        folder, recipe = self.out / "model", self.recipe
        figures = self.loop.seconds, self.device, tuple(metrics)
        record = record_fields(recipe, self._start, self.method, self.scenes, self.class_names(), *figures)
        golden = self._golden_cloud()
        self.save(folder, self.model, recipe.model, record, golden, recipe=recipe.text(), overwrite=True)
        return Finetuned(self.model, folder, score)

    def notes(self) -> dict[str, Any]:
        """Which weight the model began with."""
        return {START_DIGITS: digits_of_start(self._start_folder)}

    def restore(self, resumed: Resumed) -> None:
        """TrainingError where the weight that the model began with has changed since."""
        check_same_start(resumed.notes, self._start_folder, self.recipe.init, resumed.file)

    @property
    def _start_folder(self) -> WeightFolder | None:
        return None if self._start is None else self._start[0]

    def _prepare(self) -> None:
        self.norms = set_training_mode(self.model, self.recipe)

    def _golden_cloud(self) -> PointCloud:
        scene = self.scenes[0]
        rows = self.golden_rows(scene)
        cloud = at_the_origin(scene.xyz[rows], None if scene.rgb is None else scene.rgb[rows])
        return wide_enough(cloud, self.recipe.backbone.input_spec.voxel_size)

    def _validate(self, done: int) -> dict[str, float]:
        assert self._validation is not None
        figures = self.score(self._validation, self._until_stopped(None), final=False).figures()
        return {f"validation_{name}": round(value, 5) for name, value in figures.items()}

    def _until_stopped(self, report: Report | None) -> Report:
        def seen(done: int, total: int) -> None:
            if report is not None:
                report(done, total)
            if self._stop():
                raise Stopped("stopped while scenes were predicted; the same command resumes from the last checkpoint")

        return seen


def set_training_mode(model: nn.Module, recipe: DownstreamRecipe) -> list[_BatchNorm]:
    """Training mode, but for batch norms of a ``backbone`` that are frozen: they keep the weight's statistics.

    Returns:
        The batch norms that train.
    """
    model.train()
    if recipe.batch_norm == "frozen":
        freeze_batch_norm(model.get_submodule("backbone"))
    return [norm for norm in batch_norms(model) if norm.training]
