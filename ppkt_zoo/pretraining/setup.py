"""A run's parts, built in order from its recipe: processes, teacher, data, model, optimiser; and their state."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from accelerate.state import AcceleratorState
from torch import Tensor

from ppkt_zoo.backbones.blocks import synchronise_batch_norm
from ppkt_zoo.engine.checkpoint import Resumed
from ppkt_zoo.engine.ema import parameter_average
from ppkt_zoo.engine.interrupt import StopRequest
from ppkt_zoo.engine.learner import Learner
from ppkt_zoo.engine.optim import build_optimizer
from ppkt_zoo.engine.processes import mean_figures
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.errors import RecipeError, TrainingError
from ppkt_zoo.pretraining.dataset import Step
from ppkt_zoo.pretraining.model import build_model, build_student
from ppkt_zoo.pretraining.recipe import Recipe
from ppkt_zoo.pretraining.sources import TrainingData, open_sources
from ppkt_zoo.pretraining.start import open_start
from ppkt_zoo.teachers.teacher import Teacher, image_tensor, load_teacher
from ppkt_zoo.transfer.objective import Outcome, PixelPairs, TeacherView, TransferBatch, TransferModel
from ppkt_zoo.zoo.names import StrPath

# A teacher may look at a hundred thousand images before the first step, while the other processes wait.
_LONGEST_WAIT = timedelta(hours=12)
# Under which a checkpoint notes the teachers' files.
_TEACHERS = "teacher_files"


class Setup(Learner[Step]):
    """Everything that a step needs, and what it learns.

    Args:
        recipe: the recipe.
        data: folder of each ``kind: frames`` entry, by name.
        teacher: the teacher's file where it wants one.
        cache: folder for rendered rooms and the teacher's features.
        progress, stop: for work before the first step.
        teachers: files of further teachers, by their names in the recipe.
        start: folder or name of the weight that the recipe's ``start`` asks for; None looks for it by its name.

    Attributes:
        teacher, further: the first teacher, or None, and the others by name.
        earlier: the record of that weight, or None.

    Raises:
        RecipeError, TeacherError, FrameError: something the recipe asks for is missing or damaged.
    """

    accelerator: Accelerator
    places = 5

    def __init__(
        self,
        recipe: Recipe,
        data: Mapping[str, Path],
        teacher: Path | None,
        cache: Path,
        progress: TrainingProgress,
        stop: StopRequest,
        start: StrPath | None = None,
        teachers: Mapping[str, Path] | None = None,
    ) -> None:
        torch.manual_seed(recipe.seed)
        student = build_student(recipe)
        self.recipe, self.progress, self.stop = recipe, progress, stop
        self.accelerator = _accelerator(recipe, list(student.level_channels)[-1] in recipe.levels)
        progress.show(self.accelerator.is_main_process)
        # What is missing is told before a teacher is fetched.
        begun = open_start(recipe, start)
        sources = open_sources(recipe, data, cache)
        self.teacher = _teacher(recipe, teacher, self.accelerator.device)
        self.further = _further_teachers(recipe, teachers or {}, self.accelerator.device)
        self.data = TrainingData(recipe, sources, self.teacher, cache, progress, stop, self.further)
        self.data.check_shares(self.accelerator.num_processes)
        model = build_model(recipe, student, self.teacher, self.further)
        self.earlier = None if begun is None else begun.fill(model, recipe, self.teacher)
        if self.accelerator.num_processes > 1 and recipe.sync_batch_norm:
            synchronise_batch_norm(model)
        self.average = None if recipe.ema is None else parameter_average(model.to(self.accelerator.device), recipe.ema)
        if recipe.steps:
            self.model, self.optimizer = self.accelerator.prepare(model, build_optimizer(recipe.optimiser, model))
        else:  # from scratch: nothing is trained
            self.model = model

    @property
    def plain_model(self) -> TransferModel:
        """The model without what Accelerate wraps around it."""
        model = self.accelerator.unwrap_model(self.model)
        assert isinstance(model, TransferModel)
        return model

    def exported_model(self) -> TransferModel:
        """The model that a weight is made of: the average where there is one."""
        if self.average is None:
            return self.plain_model
        assert isinstance(self.average.module, TransferModel)
        return self.average.module

    def batch(self, step: Step) -> TransferBatch:
        """A step's data on the device, with the teacher's features and where pairs lie in them."""
        step = self.looked(step)
        assert step.clouds is not None
        xy = step.pixel if self.teacher is None else _in_cells(self.teacher, step)
        further = {
            name: TeacherView(step.further[name], _in_cells(teacher, step)) for name, teacher in self.further.items()
        }
        pixels = PixelPairs(step.point, step.frame, xy)
        return TransferBatch(step.clouds, step.features, pixels, step.views, further).to(self.accelerator.device)

    def looked(self, step: Step) -> Step:
        """The step with every teacher's maps, those that its data did not bring computed from its images."""
        if self.teacher is None or step.features is not None:
            return step
        further = {name: self.look(step.images, teacher) for name, teacher in self.further.items()}
        return replace(step, features=self.look(step.images, self.teacher), further=further)

    def look(self, images: list[np.ndarray], teacher: Teacher) -> list[Tensor]:
        """A teacher's maps of images, those of one size at once."""
        maps: dict[int, Tensor] = {}
        for size in {image.shape for image in images}:
            places = [place for place, image in enumerate(images) if image.shape == size]
            batch = torch.cat([image_tensor(images[place]) for place in places]).to(self.accelerator.device)
            maps |= dict(zip(places, teacher(batch), strict=True))
        return [maps[place] for place in range(len(images))]

    def loss(self, batch: Step, detail: bool) -> tuple[Tensor, dict[str, float]]:
        """The loss of this process's frames; its figures, where asked for, are those of all processes."""
        outcome: Outcome = self.model(self.batch(batch), detail)
        return outcome.loss, mean_figures(outcome.figures, len(batch.point)) if detail else {}

    def tensors(self, batch: Step) -> dict[str, Tensor | None]:
        """xyz, rgb, cloud, pixel pairs, view pairs, and the teacher's map of each frame."""
        seen = self.batch(batch)
        return {
            "xyz": seen.clouds.xyz,
            "rgb": seen.clouds.rgb,
            "cloud": seen.clouds.cloud,
            "point": seen.pixels.point,
            "frame": seen.pixels.frame,
            "feature_xy": seen.pixels.feature_xy,
            "views.first": seen.views.first,
            "views.second": seen.views.second,
            **{f"features.{index}": features for index, features in enumerate(seen.features or [])},
            **{
                f"features.{name}.{index}": features
                for name, view in seen.further.items()
                for index, features in enumerate(view.features)
            },
        }

    def notes(self) -> dict[str, Any]:
        """The files of the teachers, and the state of fp16's scaler, where there is one."""
        scaler = self.accelerator.scaler
        return {_TEACHERS: self._teacher_files()} | ({} if scaler is None else {"scaler": scaler.state_dict()})

    def restore(self, resumed: Resumed) -> None:
        """Take up the scaler's state; TrainingError where it does not fit, or a teacher is another one now."""
        kept = resumed.notes.get(_TEACHERS, {})
        if not isinstance(kept, dict):
            raise TrainingError(f"checkpoint {resumed.file} is damaged (its teachers' files are no table): delete it")
        for option, digits in self._teacher_files().items():
            if kept.get(option, digits) != digits:
                raise TrainingError(
                    f"checkpoint {resumed.file} learned from another teacher than {option} is now: give that one's "
                    "file, or start in another --out"
                )
        if self.accelerator.scaler is not None and "scaler" in resumed.notes:
            try:
                self.accelerator.scaler.load_state_dict(resumed.notes["scaler"])
            except (RuntimeError, TypeError, LookupError, AttributeError) as error:
                raise TrainingError(
                    f"checkpoint {resumed.file} is damaged (the state of fp16's scaler does not fit): delete it"
                ) from error

    def _teacher_files(self) -> dict[str, str]:
        """The sha256 of each teacher whose file no recipe pins, by how it is given."""
        teachers = {"--teacher": self.teacher} | {f"--teacher {name}": one for name, one in self.further.items()}
        return {
            option: one.sha256
            for option, one in teachers.items()
            if one is not None and one.sha256 is not None and one.spec.sha256 is None
        }


def _in_cells(teacher: Teacher, step: Step) -> Tensor:
    """Where a step's pixels lie in a teacher's maps: float32 (N, 2), in cells (x, y)."""
    parts = [
        teacher.pixel_to_feature(step.pixel[step.frame == number], size) for number, size in enumerate(step.image_sizes)
    ]
    return torch.cat(parts)


def _further_teachers(recipe: Recipe, files: Mapping[str, Path], device: torch.device) -> dict[str, Teacher]:
    if unknown := sorted(files.keys() - recipe.teachers.keys()):
        known = ", ".join(recipe.teachers) or "none"
        raise RecipeError(f"the recipe has no further teacher {', '.join(unknown)}: it has {known}")
    found = {}
    for name, section in recipe.teachers.items():
        if section.spec.weights == "file" and name not in files:
            raise RecipeError(
                f"the recipe's teacher {name}, {section.name}, comes from a file: "
                f"give it by --teacher {name}=FILE (from {section.origin})"
            )
        found[name] = load_teacher(section.spec, files.get(name)).to(device)
    return found


def _teacher(recipe: Recipe, file: Path | None, device: torch.device) -> Teacher | None:
    section = recipe.teacher
    if section is None:
        if file is not None:
            raise RecipeError(f"method {recipe.method} has no teacher: leave out --teacher {file}")
        return None
    if section.spec.weights == "file" and file is None:
        raise RecipeError(
            f"the recipe's teacher, {section.name}, comes from a file: "
            f"give it by --teacher FILE (from {section.origin})"
        )
    return load_teacher(section.spec, file).to(device)


def _accelerator(recipe: Recipe, teaches_finest: bool) -> Accelerator:
    if recipe.precision == "fp16" and not torch.cuda.is_available():
        raise RecipeError("precision fp16 needs a CUDA GPU: use precision=bf16, or precision=no, on the CPU")
    # Accelerate keeps one state a process; an earlier run in this one may have had another precision.
    AcceleratorState._reset_state()
    wait = InitProcessGroupKwargs(timeout=_LONGEST_WAIT)
    # Levels finer than those that are taught get no gradient; who asks for them pays a walk through the graph.
    wrapper = DistributedDataParallelKwargs(find_unused_parameters=not teaches_finest)
    return Accelerator(mixed_precision=recipe.precision, kwargs_handlers=[wait, wrapper])
