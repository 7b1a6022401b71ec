"""`train_teacher`: from a recipe to a teacher's safetensors file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ppkt_zoo.data.fingerprint import data_fingerprint
from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.engine.checkpoint import DataPart
from ppkt_zoo.engine.data_workers import DataWorkers
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.interrupt import Stopped, StopRequest
from ppkt_zoo.engine.learner import Learner
from ppkt_zoo.engine.loop import TrainingLoop
from ppkt_zoo.engine.optim import build_optimizer
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.engine.run_folder import run_folder
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.checksums import sha256_of_file
from ppkt_zoo.files.reading import default_cache
from ppkt_zoo.files.safetensors import write_tensors
from ppkt_zoo.teachers.training.dataset import CropBatch, CropDataset
from ppkt_zoo.teachers.training.encoder import torchvision_tensors
from ppkt_zoo.teachers.training.held_out import measure
from ppkt_zoo.teachers.training.images import ImageStore, held_out_sources, training_sources
from ppkt_zoo.teachers.training.moco import MoCo
from ppkt_zoo.teachers.training.recipe import TeacherRecipe
from ppkt_zoo.teachers.training.supervised import Supervised


@dataclass(frozen=True)
class TrainedTeacher:
    """What a run wrote.

    Attributes:
        file: the safetensors file, in torchvision's names, without a head.
        sha256: of the file, for the ``TeacherSpec`` of a recipe.
        metrics: on images that training never saw; empty where the recipe sets none aside.
    """

    file: Path
    sha256: str
    metrics: dict[str, float]


def train_teacher(
    recipe: TeacherRecipe,
    *,
    data: Mapping[str, Path],
    out: Path,
    cache: Path | None = None,
    workers: int = 0,
    device: str = "cpu",
    stop_after: int | None = None,
) -> TrainedTeacher:
    """Train a 2D teacher on images alone and write its file.

    The same call goes on from the newest checkpoint in ``out``, to the same numbers on the same machine as a run
    that was never interrupted.

    Args:
        recipe: the complete recipe.
        data: folder of each ``kind: frames`` entry of its images, by name.
        out: checkpoints, ``metrics.jsonl`` and, at the end, ``NAME.safetensors``.
        cache: for rendered rooms; ``None`` → ``PPKT_ZOO_CACHE``, else ``~/.cache/ppkt-zoo``.
        workers: processes that prepare crops; any number gives the same ones.
        device: cpu, cuda, …
        stop_after: end after this many steps with a checkpoint, without a file (the learning-rate schedule stays
            that of the whole recipe).

    Raises:
        RecipeError, FrameError: something the recipe asks for is missing or damaged.
        TrainingError: a non-finite loss (the crops are saved for study), a checkpoint of another recipe or other
            images, another process at work in ``out``, a killed data worker.
        Stopped: SIGTERM, Ctrl-C or ``stop_after``; a checkpoint was written.
    """
    with flushed_denormals(), run_folder(out), StopRequest() as stop, TrainingProgress() as progress:
        run = _Run(recipe, data, out, default_cache() if cache is None else cache, torch.device(device), progress, stop)
        run.train(stop_after, workers)
        return run.finish()


class _Run(Learner[CropBatch]):
    """One run's parts, built in order: images, model, and where an earlier run stopped."""

    places = 5

    def __init__(
        self,
        recipe: TeacherRecipe,
        data: Mapping[str, Path],
        out: Path,
        cache: Path,
        device: torch.device,
        progress: TrainingProgress,
        stop: StopRequest,
    ) -> None:
        self.recipe, self.out, self.device, self.progress, self.stop = recipe, out, device, progress, stop
        sources = training_sources(recipe, data, cache)
        self.images = self._read("images", sources)
        digits = data_fingerprint(sources)
        parts = {
            name: DataPart(len(source), "images", one)
            for (name, one), source in zip(digits.items(), sources, strict=True)
        }
        self.held_out = self._read("held-out images", held_out_sources(recipe, cache))
        torch.manual_seed(recipe.seed)  # the same first ResNet whatever the method: its weights are drawn first
        if recipe.contrast is not None:
            self.model: MoCo | Supervised = MoCo(recipe.architecture, recipe.contrast, recipe.norm_group)
        else:
            self.model = Supervised(recipe.architecture, recipe.norm_group)
        self.model.to(device)
        self.optimizer = build_optimizer(recipe.optimiser, self.model)
        self.loop = TrainingLoop(self, out, recipe, progress, stop, parts)

    def _read(self, title: str, sources: list[FrameSource]) -> ImageStore:
        store = ImageStore(sources)
        with self.progress.task(title, len(store)) as report:
            left_out = store.read(report, self.stop)
        if left_out:
            self.progress.say(f"{title}: {left_out}")
        if self.stop():
            raise Stopped("stopped while images were read; the same command resumes")
        return store

    def train(self, stop_after: int | None, workers: int) -> None:
        """Take the steps that are left; the next call goes on after ``stop_after``."""
        dataset = CropDataset(self.images, self.recipe)
        self.loop.run(
            "teacher",
            lambda first, last: DataWorkers(dataset, range(first, last), workers),
            stop_after,
            prepare=self.model.train,
        )

    def finish(self) -> TrainedTeacher:
        """Measure on images that were set aside, and write the file."""
        metrics = measure(self.model, self.recipe, self.held_out)
        if metrics and not set(metrics) <= {name for line in self.loop.lines() for name in line}:
            self.loop.write(self.recipe.steps, metrics)
        file = self.out / f"{self.recipe.teacher}.safetensors"
        record = {
            "teacher": self.recipe.teacher,
            "method": self.recipe.method,
            "architecture": self.recipe.architecture,
            "images": len(self.images),
            "steps": self.recipe.steps,
            "seed": self.recipe.seed,
            "licence": self.recipe.licence,
            "recipe": self.recipe.model_dump(mode="json"),
            "held_out": metrics,
        }
        write_tensors(file, torchvision_tensors(self.model.resnet), record, error=TrainingError)
        return TrainedTeacher(file, sha256_of_file(file, TrainingError), metrics)

    def loss(self, batch: CropBatch, detail: bool) -> tuple[Tensor, dict[str, float]]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            loss, figures = self.model(batch.to(self.device))
        return loss, {name: float(figure) for name, figure in figures.items()}

    def tensors(self, batch: CropBatch) -> dict[str, Tensor | None]:
        return {"query": batch.query, "key": batch.key, "target": batch.target}
