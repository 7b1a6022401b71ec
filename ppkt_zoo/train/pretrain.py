"""`pretrain`: from a recipe to a weight folder, on Hugging Face Accelerate."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader

from ppkt_zoo.data.augment import CloudAugmentation
from ppkt_zoo.data.augment_image import ImageAugmentation
from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.sparse.denormals import flushed_denormals
from ppkt_zoo.train.batches import Step, StepDataset
from ppkt_zoo.train.checkpoint import resume, save_checkpoint
from ppkt_zoo.train.export import RunSummary, export_weight
from ppkt_zoo.train.interrupt import Stopped, StopRequest, leave_signals_to_main
from ppkt_zoo.train.metrics_log import MetricsLog
from ppkt_zoo.train.optim import build_optimizer, learning_rate, set_learning_rate
from ppkt_zoo.train.progress import TrainingProgress
from ppkt_zoo.train.recipe import DataEntry, Recipe
from ppkt_zoo.train.sources import FrameOrder, open_entry, open_sources, scene_length
from ppkt_zoo.train.teacher_cache import TeacherCache, image_tensor
from ppkt_zoo.transfer.ppkt import PPKT, PixelPointBatch
from ppkt_zoo.transfer.teachers import Teacher, load_teacher
from ppkt_zoo.zoo.registry import create_backbone

# More skipped frames than this part of all frames seen so far: the data is not what the recipe thinks.
_MOST_SKIPPED = 0.2


def default_cache() -> Path:
    """Where rendered rooms and teacher features are kept: ``PPKT_ZOO_CACHE``, else ``~/.cache/ppkt-zoo``."""
    return Path(os.environ.get("PPKT_ZOO_CACHE") or Path.home() / ".cache" / "ppkt-zoo")


def pretrain(
    recipe: Recipe,
    *,
    data: Mapping[str, Path],
    teacher: Path | None,
    out: Path,
    cache: Path | None = None,
    workers: int = 1,
    stop_after: int | None = None,
) -> Path:
    """Pretrain a backbone by PPKT and write it as a weight folder.

    The same call goes on from the newest checkpoint in ``out``, to the same numbers on the same machine as a run
    that was never interrupted.

    Args:
        recipe: the complete recipe.
        data: folder of each ``kind: frames`` data entry, by name.
        teacher: the teacher's safetensors file where the recipe's teacher wants one.
        out: checkpoints, ``metrics.jsonl`` and, at the end, the folder ``weight``.
        cache: for rendered rooms and teacher features; ``None`` → :func:`default_cache`.
        workers: processes that prepare data; any number gives the same batches.
        stop_after: end after this many steps with a checkpoint, without a weight (the learning-rate schedule
            stays that of the whole recipe).

    Returns:
        The weight folder.

    Raises:
        RecipeError, TeacherError, FrameError: something the recipe asks for is missing or damaged.
        TrainingError: a non-finite loss (the batch is saved for study), too many unusable frames, or a checkpoint
            of another recipe.
        Stopped: SIGTERM or Ctrl-C; a checkpoint was written.
    """
    cache = default_cache() if cache is None else cache
    out.mkdir(parents=True, exist_ok=True)
    with flushed_denormals(), StopRequest() as stop, TrainingProgress() as progress:
        run = _Run(recipe, data, teacher, out, cache, workers, progress, stop)
        run.train(recipe.steps if stop_after is None else min(stop_after, recipe.steps))
        if stop_after is not None and stop_after < recipe.steps:
            raise Stopped(f"stopped after {stop_after} of {recipe.steps} steps, as asked; the same command goes on")
        return run.export()


class _Run:
    """One run's parts, built in order: teacher, data, model, and where an earlier run stopped."""

    def __init__(
        self,
        recipe: Recipe,
        data: Mapping[str, Path],
        teacher: Path | None,
        out: Path,
        cache: Path,
        workers: int,
        progress: TrainingProgress,
        stop: StopRequest,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.out, self.cache = recipe, out, cache
        self.workers, self.progress, self.stop = workers, progress, stop
        self.accelerator = Accelerator(mixed_precision=recipe.precision)
        self.teacher: Teacher = load_teacher(recipe.teacher.spec, teacher).to(self.accelerator.device)
        self.sources = open_sources(recipe, data, cache)
        student = create_backbone(
            recipe.backbone.name, input_spec=recipe.backbone.input_spec, **recipe.backbone.arguments
        )
        model = PPKT(student, self.teacher.channels, recipe.loss.level, recipe.loss.dim, recipe.loss.temperature)
        optimizer = build_optimizer(recipe.optimiser, model)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.seen_frames, self.skipped_frames, self.seconds = 0, 0, 0.0
        self.first_step = 0
        resumed = resume(out / "checkpoints", recipe.fingerprint, self.plain_model, self.optimizer)
        if resumed is not None:
            self.first_step = resumed.step
            self.seen_frames, self.skipped_frames = resumed.notes["seen_frames"], resumed.notes["skipped_frames"]
            self.seconds = resumed.notes["seconds"]
            progress.say(f"goes on after step {resumed.step} of {recipe.steps}")
        self.log = MetricsLog(out / "metrics.jsonl", self.first_step)
        self.validation: list[Step] = []

    @property
    def plain_model(self) -> PPKT:
        """The model without what Accelerate wraps around it."""
        model = self.accelerator.unwrap_model(self.model)
        assert isinstance(model, PPKT)
        return model

    def train(self, last_step: int) -> None:
        """Train to ``last_step``, from wherever an earlier run stopped."""
        recipe = self.recipe
        if self.first_step >= last_step:
            return
        dataset = self._dataset(
            self.sources, recipe.data, recipe.augmentation, recipe.teacher.images, recipe.seed, recipe.steps
        )
        if recipe.validation is not None:
            entry = recipe.validation.data
            source = open_entry(entry, {}, self.cache)
            steps = len(source) // entry.per_step
            held_out = self._dataset(
                [source], (entry,), CloudAugmentation.off(), ImageAugmentation.off(), recipe.seed, steps
            )
            self.validation = [held_out[step] for step in range(steps)]
        loader = DataLoader(
            dataset,
            batch_size=None,
            sampler=range(self.first_step, last_step),
            num_workers=self.workers,
            prefetch_factor=4 if self.workers else None,
            worker_init_fn=leave_signals_to_main,
        )
        self.progress.start(self.first_step, recipe.steps)
        self.model.train()
        began = waited_from = time.perf_counter()
        before = self.seconds
        for data in loader:
            waited = time.perf_counter() - waited_from
            self._count_frames(data)
            metrics = self._step(data) if data.clouds is not None else {}
            done = data.step + 1
            spent = time.perf_counter() - waited_from
            self.seconds = before + time.perf_counter() - began
            if metrics:
                self.progress.advance(done, **metrics, data_seconds=waited, step_seconds=spent)
                if done % recipe.log_every == 0 or done == last_step:
                    self.log.write(done, **metrics, data_seconds=round(waited, 4), step_seconds=round(spent, 4))
            if recipe.validation is not None and (done % recipe.validation.every == 0 or done == recipe.steps):
                self.log.write(done, **self.validate())
            if done % recipe.checkpoint_every == 0 or done == last_step or self.stop():
                self._save(done)
            if self.stop():
                raise Stopped(
                    f"stopped after step {done} of {recipe.steps} with a checkpoint; the same command goes on"
                )
            waited_from = time.perf_counter()

    def validate(self) -> dict[str, float]:
        """Retrieval of the right pixel on the held-out frames, in eval mode, averaged over their batches."""
        self.model.eval()
        with torch.no_grad():
            outputs = [self.model(self._batch(step)) for step in self.validation]
        self.model.train()
        count = len(outputs)
        return {
            "validation_loss": round(sum(float(output.loss) for output in outputs) / count, 4),
            "validation_top1": round(sum(output.top1 for output in outputs) / count, 4),
            "validation_top5": round(sum(output.top5 for output in outputs) / count, 4),
        }

    def export(self) -> Path:
        """Write the weight folder."""
        summary = RunSummary(
            seconds=self.seconds,
            seen_frames=self.seen_frames,
            skipped_frames=self.skipped_frames,
            source_sizes=tuple(len(source) for source in self.sources),
        )
        folder = self.out / "weight"
        export_weight(folder, self.recipe, self.plain_model.cpu(), self.teacher, summary, self.sources[0])
        return folder

    def _dataset(
        self,
        sources: list[FrameSource],
        entries: tuple[DataEntry, ...],
        augmentation: CloudAugmentation,
        images: ImageAugmentation,
        seed: int,
        steps: int,
    ) -> StepDataset:
        caches = None
        if self.recipe.teacher.features == "cached":
            caches = [TeacherCache(self.cache / "teacher", self.teacher, source) for source in sources]
            for source, filled in zip(sources, caches, strict=True):
                with self.progress.task(f"teacher looks at {source.name}", len(source)) as report:
                    filled.fill(report, self.stop)
                if self.stop():
                    raise Stopped("stopped while the teacher was looking; the same command goes on")
        return StepDataset(
            sources,
            caches,
            [entry.pixel_stride for entry in entries],
            FrameOrder(
                seed,
                [len(source) for source in sources],
                [entry.per_step for entry in entries],
                [entry.views for entry in entries],
                [scene_length(entry, source) for entry, source in zip(entries, sources, strict=True)],
            ),
            augmentation,
            self.recipe.loss.pairs,
            images,
            seed,
            steps,
        )

    def _batch(self, step: Step) -> PixelPointBatch:
        assert step.clouds is not None
        features = step.features
        if features is None:
            features = [self.teacher(image_tensor(image).to(self.accelerator.device))[0].cpu() for image in step.images]
        xy = torch.cat(
            [
                self.teacher.pixel_to_feature(step.pixel[step.frame == number], size)
                for number, size in enumerate(step.image_sizes)
            ]
        )
        return PixelPointBatch(step.clouds, features, step.point, step.frame, xy).to(self.accelerator.device)

    def _step(self, data: Step) -> dict[str, float]:
        section = self.recipe.optimiser
        lr = learning_rate(section, data.step, self.recipe.steps)
        set_learning_rate(self.optimizer, lr)
        batch = self._batch(data)
        output = self.model(batch)
        if not torch.isfinite(output.loss):
            raise TrainingError(
                f"the loss of step {data.step + 1} is {float(output.loss.detach())}: its batch was saved to "
                f"{self._save_for_study(data, batch)}; lower optimiser.lr or set optimiser.clip_norm"
            )
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(output.loss)
        if section.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), section.clip_norm)
        self.optimizer.step()
        return {
            "loss": round(float(output.loss.detach()), 5),
            "top1": round(output.top1, 5),
            "top5": round(output.top5, 5),
            "lr": round(lr, 8),
        }

    def _count_frames(self, data: Step) -> None:
        self.seen_frames += len(data.image_sizes) + len(data.skipped)
        self.skipped_frames += len(data.skipped)
        for line in data.skipped:
            self.progress.say(f"skipped {line}")
        if self.skipped_frames > max(10, _MOST_SKIPPED * self.seen_frames):
            raise TrainingError(
                f"{self.skipped_frames} of {self.seen_frames} frames could not be used, the last: {data.skipped[-1:]}: "
                "look at the data before going on"
            )

    def _save(self, done: int) -> None:
        if self.accelerator.is_main_process:
            notes = {
                "seen_frames": self.seen_frames,
                "skipped_frames": self.skipped_frames,
                "seconds": self.seconds,
            }
            save_checkpoint(
                self.out / "checkpoints", done, self.recipe.fingerprint, self.plain_model, self.optimizer, notes
            )

    def _save_for_study(self, data: Step, batch: PixelPointBatch) -> Path:
        tensors: dict[str, Tensor] = {
            "xyz": batch.clouds.xyz,
            "cloud": batch.clouds.cloud,
            "point": batch.point,
            "frame": batch.frame,
            "feature_xy": batch.feature_xy,
            **{f"features.{index}": features.contiguous() for index, features in enumerate(batch.features)},
        }
        if batch.clouds.rgb is not None:
            tensors["rgb"] = batch.clouds.rgb
        file = self.out / f"failed-step-{data.step + 1:08d}.safetensors"
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, file)
        return file
