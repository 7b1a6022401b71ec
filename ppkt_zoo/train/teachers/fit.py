"""`train_teacher`: from a recipe to a teacher's safetensors file."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.utils.data import DataLoader

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.running.cache import default_cache
from ppkt_zoo.running.checkpoint import resume, save_checkpoint
from ppkt_zoo.running.interrupt import Stopped, StopRequest, leave_signals_to_main
from ppkt_zoo.running.metrics_log import MetricsLog, read_metrics
from ppkt_zoo.running.optim import build_optimizer, learning_rate, set_learning_rate
from ppkt_zoo.running.progress import TrainingProgress
from ppkt_zoo.sparse.denormals import flushed_denormals
from ppkt_zoo.train.teachers.batches import CropBatch, CropDataset
from ppkt_zoo.train.teachers.encoder import torchvision_tensors
from ppkt_zoo.train.teachers.held_out import measure
from ppkt_zoo.train.teachers.images import ImageStore, held_out_sources, training_sources
from ppkt_zoo.train.teachers.moco import MoCo
from ppkt_zoo.train.teachers.recipe import TeacherRecipe
from ppkt_zoo.train.teachers.supervised import Supervised
from ppkt_zoo.transfer.teacher_files import sha256_of


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
        TrainingError: a non-finite loss (the crops are saved for study), or a checkpoint of another recipe.
        Stopped: SIGTERM, Ctrl-C or ``stop_after``; a checkpoint was written.
    """
    out.mkdir(parents=True, exist_ok=True)
    with flushed_denormals(), StopRequest() as stop, TrainingProgress() as progress:
        run = _Run(recipe, data, out, default_cache() if cache is None else cache, torch.device(device), progress, stop)
        run.train(recipe.steps if stop_after is None else min(stop_after, recipe.steps), workers)
        if stop_after is not None and stop_after < recipe.steps:
            raise Stopped(f"stopped after {stop_after} of {recipe.steps} steps, as asked; the same command goes on")
        return run.finish()


class _Run:
    """One run's parts, built in order: images, model, and where an earlier run stopped."""

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
        self.recipe, self.out, self.device = recipe, out, device
        self.progress, self.stop = progress, stop
        self.images = self._read("images", training_sources(recipe, data, cache))
        self.held_out = self._read("held-out images", held_out_sources(recipe, cache))
        torch.manual_seed(recipe.seed)  # the same first ResNet whatever the method: its weights are drawn first
        if recipe.contrast is not None:
            self.model: MoCo | Supervised = MoCo(recipe.architecture, recipe.contrast, recipe.norm_group)
        else:
            self.model = Supervised(recipe.architecture, recipe.norm_group)
        self.model.to(device)
        self.optimizer = build_optimizer(recipe.optimiser, self.model)
        self.first_step, self.seconds = 0, 0.0
        resumed = resume(out / "checkpoints", recipe.fingerprint, self.model, self.optimizer)
        if resumed is not None:
            self.first_step, self.seconds = resumed.step, resumed.notes["seconds"]
            progress.say(f"goes on after step {resumed.step} of {recipe.steps}")
        self.log = MetricsLog(out / "metrics.jsonl", self.first_step)

    def _read(self, title: str, sources: list[FrameSource]) -> ImageStore:
        store = ImageStore(sources)
        with self.progress.task(title, len(store)) as report:
            store.read(report, self.stop)
        if self.stop():
            raise Stopped("stopped while images were read; the same command goes on")
        return store

    def train(self, last_step: int, workers: int) -> None:
        """Train to ``last_step``, from wherever an earlier run stopped."""
        recipe = self.recipe
        if self.first_step >= last_step:
            return
        loader = DataLoader(
            CropDataset(self.images, recipe),
            batch_size=None,
            sampler=range(self.first_step, last_step),
            num_workers=workers,
            worker_init_fn=leave_signals_to_main,
        )
        self.progress.start(self.first_step, recipe.steps, "teacher")
        self.model.train()
        began = waited_from = time.perf_counter()
        before = self.seconds
        for batch in loader:
            waited = time.perf_counter() - waited_from
            metrics = self._step(batch)
            done = batch.step + 1
            spent = time.perf_counter() - waited_from
            self.seconds = before + time.perf_counter() - began
            self.progress.advance(done, **metrics, data_seconds=waited, step_seconds=spent)
            if done % recipe.log_every == 0 or done == last_step:
                self.log.write(done, **metrics, data_seconds=round(waited, 4), step_seconds=round(spent, 4))
            if done % recipe.checkpoint_every == 0 or done == last_step or self.stop():
                self._save(done)
            if self.stop():
                raise Stopped(
                    f"stopped after step {done} of {recipe.steps} with a checkpoint; the same command goes on"
                )
            waited_from = time.perf_counter()

    def finish(self) -> TrainedTeacher:
        """Measure on images that were set aside, and write the file."""
        metrics = measure(self.model, self.recipe, self.held_out)
        already = {name for line in read_metrics(self.log.file) for name in line}
        if metrics and not set(metrics) <= already:
            self.log.write(self.recipe.steps, **metrics)
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
        part = file.with_suffix(".part")
        # One entry: safetensors writes several in random order, and the same run shall give the same sha256.
        # Written by hand, since save_file would make a file for the owner's eyes alone.
        part.write_bytes(save(torchvision_tensors(self.model.resnet), {"ppkt_zoo": json.dumps(record)}))
        os.replace(part, file)
        return TrainedTeacher(file, sha256_of(file), metrics)

    def _step(self, batch: CropBatch) -> dict[str, float]:
        section = self.recipe.optimiser
        lr = learning_rate(section, batch.step, self.recipe.steps)
        set_learning_rate(self.optimizer, lr)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            loss, figures = self.model(batch.to(self.device))
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss of step {batch.step + 1} is {float(loss.detach())}: its crops were saved to "
                f"{self._save_for_study(batch)}; lower optimiser.lr or set optimiser.clip_norm"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if section.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), section.clip_norm)
        self.optimizer.step()
        return {
            "loss": round(float(loss.detach()), 5),
            **{name: round(float(figure), 5) for name, figure in figures.items()},
            "lr": round(lr, 8),
        }

    def _save(self, done: int) -> None:
        notes = {"seconds": self.seconds}
        save_checkpoint(self.out / "checkpoints", done, self.recipe.fingerprint, self.model, self.optimizer, notes)

    def _save_for_study(self, batch: CropBatch) -> Path:
        tensors: dict[str, Tensor | None] = {"query": batch.query, "key": batch.key, "target": batch.target}
        file = self.out / f"failed-step-{batch.step + 1:08d}.safetensors"
        given = {name: tensor.cpu().contiguous() for name, tensor in tensors.items() if tensor is not None}
        file.write_bytes(save(given))
        return file
