"""Fine-tuning of any task: from a recipe and scenes to steps, validations, a test at the end, and a model's folder."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.export import record_fields, write_scores
from ppkt_zoo.downstream.recipe import DownstreamRecipe
from ppkt_zoo.downstream.scene_fingerprint import scene_part
from ppkt_zoo.engine.data_workers import DataWorkers
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.interrupt import Stopped, StopRequest, check_whole
from ppkt_zoo.engine.learner import Learner
from ppkt_zoo.engine.loop import Measurement, TrainingLoop
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.engine.run_folder import run_folder
from ppkt_zoo.zoo.record import Metric

__all__ = ["FinetuneTrainer", "Finetuned", "Report"]

Report = Callable[[int, int], None]
"""Told (scenes done, of how many)."""


class _Counted(Protocol):
    @property
    def scenes(self) -> int: ...


_Batch = TypeVar("_Batch")
_Recipe = TypeVar("_Recipe", bound=DownstreamRecipe)
_Model = TypeVar("_Model", bound=nn.Module)
_Score = TypeVar("_Score", bound=_Counted)


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
        self.optimizer = self.build_optimizer()
        # The same recipe on other scenes is another run.
        fingerprint = "|".join((recipe.fingerprint, train.name, str(len(train)), *self.class_names()))
        measurements = []
        if validation is not None and recipe.validate_every is not None:
            measurements.append(Measurement(recipe.validate_every, self._validate))
        self.loop = TrainingLoop(
            self,
            out,
            fingerprint,
            recipe.steps,
            recipe.log_every,
            recipe.checkpoint_every,
            progress,
            stop,
            scene_part(train),
            measurements,
        )

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
    def prepare(self) -> None:
        """Bring the model into training mode."""

    @abstractmethod
    def score(self, scenes: SceneSource, report: Report, final: bool) -> _Score:
        """How the model does on labelled scenes; ``final`` at the test at the end, not at a validation."""

    @abstractmethod
    def figures(self, score: _Score) -> dict[str, float]:
        """A score as numbers by name."""

    @abstractmethod
    def scores(self, score: _Score) -> dict[str, Any]:
        """A score as ``scores.json`` holds it: figures, and a row for each class."""

    @abstractmethod
    def metrics(self, score: _Score, tested_on: str) -> tuple[Metric, ...]:
        """A score as the model's record holds it."""

    @abstractmethod
    def save(self, folder: Path, record: Mapping[str, Any]) -> None:
        """Write the model's folder; one that is there already is replaced."""

    @classmethod
    def fit(
        cls,
        recipe: _Recipe,
        train: SceneSource,
        validation: SceneSource | None,
        test: SceneSource | None,
        out: Path,
        workers: int,
        device: str,
        stop_after: int | None,
    ) -> tuple[_Model, Path, _Score | None]:
        """A whole run: train, test, write. Gives the fields of :class:`Finetuned`."""
        with flushed_denormals(), run_folder(out), StopRequest() as stop, TrainingProgress() as progress:
            run = cls(recipe, train, validation, out, torch.device(device), progress, stop)
            run.train(recipe.steps if stop_after is None else min(stop_after, recipe.steps), workers)
            check_whole(stop_after, recipe.steps)
            return run.finish(test)

    def train(self, last_step: int, workers: int) -> None:
        """Train to ``last_step``, from wherever an earlier run stopped."""
        self.loop.run(
            self.title,
            lambda first, last: DataWorkers(self._dataset, range(first, last), workers),
            last_step,
            prepare=self.prepare,
        )

    def finish(self, test: SceneSource | None) -> tuple[_Model, Path, _Score | None]:
        """Test on scenes that training never saw, write the scores and the folder."""
        self.model.eval()
        score: _Score | None = None
        metrics: tuple[Metric, ...] = ()
        if test is not None:
            tested_on = f"{test.name}, {len(test)} scenes"
            with self.progress.task("test", len(test)) as report:
                score = self.score(test, self._until_stopped(report), final=True)
            write_scores(self.out / "scores.json", self.recipe, tested_on, score.scenes, self.scores(score))
            metrics = self.metrics(score, tested_on)
        self.model.cpu()
        folder = self.out / "model"
        record = record_fields(
            self.recipe, self.method, self.scenes, self.class_names(), self.loop.seconds, self.device, metrics
        )
        self.save(folder, record)
        return self.model, folder, score

    def _validate(self, done: int) -> dict[str, float]:
        assert self._validation is not None
        figures = self.figures(self.score(self._validation, self._until_stopped(None), final=False))
        return {f"validation_{name}": round(value, 5) for name, value in figures.items()}

    def _until_stopped(self, report: Report | None) -> Report:
        def seen(done: int, total: int) -> None:
            if report is not None:
                report(done, total)
            if self._stop():
                raise Stopped("stopped while scenes were predicted; the same command resumes from the last checkpoint")

        return seen
