"""`fit_segmentation`: from a recipe and labelled scenes to a model folder and its scores."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from ppkt_zoo.data.scenes import SceneSource
from ppkt_zoo.downstream.segmentation.build import (
    build_optimizer,
    set_learning_rate,
    set_training_mode,
    start_model,
)
from ppkt_zoo.downstream.segmentation.dataset import SegmentationBatch, SegmentationDataset
from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore, check_classes, evaluate_segmentation
from ppkt_zoo.downstream.segmentation.export import export_segmentation, write_scores
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.downstream.segmentation.recipe import SegmentationRecipe
from ppkt_zoo.downstream.trainer import FittingRun, Report
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.interrupt import StopRequest, check_whole
from ppkt_zoo.engine.loop import descend
from ppkt_zoo.engine.optim import learning_rate
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.engine.run_folder import run_folder

__all__ = ["FittedSegmentation", "fit_segmentation"]


@dataclass(frozen=True)
class FittedSegmentation:
    """What a run gives.

    Attributes:
        model: on the CPU, in eval mode.
        folder: its weight folder.
        score: on the test scenes, if there were any; ``scores.json`` beside the folder holds it too.
    """

    model: SegmentationModel
    folder: Path
    score: SegmentationScore | None


def fit_segmentation(
    recipe: SegmentationRecipe,
    train: SceneSource,
    validation: SceneSource | None,
    out: Path,
    *,
    test: SceneSource | None = None,
    workers: int = 0,
    device: str = "cpu",
    stop_after: int | None = None,
) -> FittedSegmentation:
    """Fine-tune a backbone with a head on labelled scenes, test it, and write it as a folder.

    The same call goes on from the newest checkpoint in ``out``, to the same numbers on the same machine as a run
    that was never interrupted.

    Args:
        recipe: the complete recipe; its ``data`` is not opened here, see ``scenes.open_splits``.
        train: scenes to learn from.
        validation: looked at every ``recipe.validate_every`` steps, if both are given.
        out: checkpoints, ``metrics.jsonl`` and, at the end, ``scores.json`` and the folder ``model``.
        test: scenes to report on, with the recipe's voting.
        workers: processes that prepare batches; any number gives the same ones.
        device: cpu, cuda, …
        stop_after: end after this many steps with a checkpoint, without a model.

    Raises:
        InputError, RecipeError, WeightError: scenes without labels, other classes, a weight that does not fit.
        TrainingError: a non-finite loss (the batch is saved for study), a checkpoint of another recipe or
            other scenes, another process at work in ``out``, a killed data worker.
        Stopped: SIGTERM, Ctrl-C or ``stop_after``; a checkpoint was written.
    """
    for scenes in (validation, test):
        if scenes is not None:
            check_classes(tuple(train.classes), scenes)
    with flushed_denormals(), run_folder(out), StopRequest() as stop, TrainingProgress() as progress:
        run = _Run(recipe, train, validation, out, torch.device(device), progress, stop)
        run.train(recipe.steps if stop_after is None else min(stop_after, recipe.steps), workers)
        check_whole(stop_after, recipe.steps)
        return run.finish(test)


class _Run(FittingRun[SegmentationScore]):
    title = "fine-tune"

    def __init__(
        self,
        recipe: SegmentationRecipe,
        train: SceneSource,
        validation: SceneSource | None,
        out: Path,
        device: torch.device,
        progress: TrainingProgress,
        stop: StopRequest,
    ) -> None:
        self.recipe, self.device, classes = recipe, device, tuple(train.classes)
        dataset = SegmentationDataset(train, recipe)
        self.model = start_model(recipe, classes).to(device)
        # What the user's own files call the classes goes into the model, so that its answers do too.
        self.model.ids = tuple(getattr(train, "class_ids", ())) or self.model.ids
        self.model.colors = dict(getattr(train, "class_colors", {}))
        self.optimizer = build_optimizer(recipe.optimiser, self.model)
        self.scenes = train
        super().__init__(recipe, train, classes, validation, self.model, self.optimizer, dataset, out, progress, stop)

    def finish(self, test: SceneSource | None) -> FittedSegmentation:
        """Test on scenes that training never saw, write the scores and the folder."""
        self.model.eval()
        score, tested_on = None, ""
        if test is not None:
            score, tested_on = self.test(test)
            write_scores(self.out / "scores.json", self.recipe, score, tested_on)
        folder, model = self.out / "model", self.model.cpu()
        export_segmentation(folder, self.recipe, model, self.scenes, self.loop.seconds, self.device, score, tested_on)
        return FittedSegmentation(model, folder, score)

    def prepare(self) -> None:
        set_training_mode(self.model, self.recipe)

    def score(self, scenes: SceneSource, report: Report, final: bool) -> SegmentationScore:
        voting = self.recipe.voting if final else 1
        return evaluate_segmentation(self.model, scenes, voting=voting, report=report)

    def figures(self, score: SegmentationScore) -> dict[str, float]:
        return score.figures()

    def step(self, batch: SegmentationBatch) -> dict[str, float]:
        section = self.recipe.optimiser
        lr = learning_rate(section, batch.step, self.recipe.steps)
        set_learning_rate(self.optimizer, lr)
        there = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            scores = self.model(there.clouds, there.rows)
        loss = F.cross_entropy(scores.float(), there.label)
        clouds = batch.clouds
        tensors = {"xyz": clouds.xyz, "rgb": clouds.rgb, "cloud": clouds.cloud, "rows": batch.rows}
        self.loop.check_loss(loss, batch.step, {**tensors, "label": batch.label})
        descend(loss, self.model, self.optimizer, section.clip_norm)
        right = (scores.detach().argmax(dim=1) == there.label).float().mean()
        return {"loss": round(float(loss.detach()), 6), "accuracy": round(float(right), 5), "lr": round(lr, 8)}
