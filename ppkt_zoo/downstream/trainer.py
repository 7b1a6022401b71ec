"""What a fine-tuning of any task does around its steps: go on where it stopped, look at scenes, stop in between."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.recipe import DownstreamRecipe
from ppkt_zoo.downstream.scene_fingerprint import scene_part
from ppkt_zoo.engine.interrupt import Stopped, StopRequest
from ppkt_zoo.engine.loop import TrainingLoop
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.engine.progress import TrainingProgress

__all__ = ["FittingRun", "Report"]

Report = Callable[[int, int], None]
"""Told (scenes done, of how many)."""

_Score = TypeVar("_Score")


class FittingRun(ABC, Generic[_Score]):
    """One run: its model, where an earlier one stopped, and the loop from there.

    Args:
        recipe: of the run.
        train, classes: what it learns from, and what those scenes name.
        validation: looked at every ``recipe.validate_every`` steps, if both are given.
        model, optimizer: on the device; brought to where the newest checkpoint left them.
        dataset: item ``t`` is the batch of step ``t``.
        out: the run's folder.
        progress, stop: what a person sees, and whether to end.
    """

    title: ClassVar[str]
    """Of the progress bar."""

    def __init__(
        self,
        recipe: DownstreamRecipe,
        train: SceneSource,
        classes: tuple[str, ...],
        validation: SceneSource | None,
        model: nn.Module,
        optimizer: Optimizer,
        dataset: Dataset[Any],
        out: Path,
        progress: TrainingProgress,
        stop: StopRequest,
    ) -> None:
        self._recipe, self._validation, self._dataset = recipe, validation, dataset
        self.out, self.progress, self._stop = out, progress, stop
        # The same recipe on other scenes is another run.
        fingerprint = "|".join((recipe.fingerprint, train.name, str(len(train)), *classes))
        every = (recipe.log_every, recipe.checkpoint_every)
        self.loop = TrainingLoop(
            out, fingerprint, model, optimizer, recipe.steps, *every, progress, stop, scene_part(train)
        )

    @abstractmethod
    def prepare(self) -> None:
        """Bring the model into training mode."""

    @abstractmethod
    def step(self, batch: Any) -> dict[str, float]:
        """One step of the optimiser; gives its figures."""

    @abstractmethod
    def score(self, scenes: SceneSource, report: Report, final: bool) -> _Score:
        """How the model does on labelled scenes; ``final`` at the test at the end, not at a validation."""

    @abstractmethod
    def figures(self, score: _Score) -> dict[str, float]:
        """A score as numbers by name."""

    def train(self, last_step: int, workers: int) -> None:
        """Train to ``last_step``, from wherever an earlier run stopped."""
        first, lines = self.loop.first_step, read_metrics(self.loop.log.file)
        if not any(line["step"] == first and any(name.startswith("validation_") for name in line) for line in lines):
            self._validate(first)  # the earlier run may have ended before it
        self.prepare()
        self.loop.run(self.title, self._dataset, last_step, workers, self.step, self._validate)

    def test(self, scenes: SceneSource) -> tuple[_Score, str]:
        """The score on scenes that training never saw, and what they are called."""
        with self.progress.task("test", len(scenes)) as report:
            return self.score(scenes, self._until_stopped(report), final=True), f"{scenes.name}, {len(scenes)} scenes"

    def _validate(self, done: int) -> None:
        """Look at the validation scenes where that is due after ``done`` steps."""
        every = self._recipe.validate_every
        if self._validation is None or every is None or done == 0 or done % every:
            return
        figures = self.figures(self.score(self._validation, self._until_stopped(None), final=False))
        self.loop.log.write(done, **{f"validation_{name}": round(value, 5) for name, value in figures.items()})

    def _until_stopped(self, report: Report | None) -> Report:
        def seen(done: int, total: int) -> None:
            if report is not None:
                report(done, total)
            if self._stop():
                raise Stopped("stopped while scenes were predicted; the same command goes on from the last checkpoint")

        return seen
