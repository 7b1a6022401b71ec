"""`dry_run`: the parts of a run are built and five of its steps are timed; what they teach is thrown away."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ppkt_zoo.errors import TrainingError
from ppkt_zoo.points.voxelize import voxelize
from ppkt_zoo.sparse.denormals import flushed_denormals
from ppkt_zoo.train.batches import Step
from ppkt_zoo.train.cost import Disk, DryRun, OnceWork, SourceShare, StepCost
from ppkt_zoo.train.interrupt import Stopped, StopRequest
from ppkt_zoo.train.optim import learning_rate, set_learning_rate
from ppkt_zoo.train.pretrain import default_cache
from ppkt_zoo.train.progress import TrainingProgress
from ppkt_zoo.train.recipe import Recipe
from ppkt_zoo.train.setup import Setup
from ppkt_zoo.train.teacher_cache import TeacherCache, image_tensor
from ppkt_zoo.train.timed_source import TimedSource
from ppkt_zoo.zoo.tensors import to_storage

__all__ = ["dry_run"]

_TIMED_STEPS = 5


def dry_run(
    recipe: Recipe,
    *,
    data: Mapping[str, Path],
    teacher: Path | None,
    out: Path,
    cache: Path | None = None,
    workers: int = 1,
) -> DryRun:
    """Measure what :func:`ppkt_zoo.train.pretrain.pretrain` would cost with the same arguments.

    One step warms up, five are timed. The teacher looks at their images itself, whatever the recipe says, so that
    its cache is not touched; rooms' frames that they need and that are not rendered yet go into the cache.

    Args:
        recipe, data, teacher, cache, workers: as for ``pretrain``.
        out: where the run would write; asked for its free space only.

    Raises:
        RecipeError, TeacherError, FrameError: something the recipe asks for is missing or damaged.
        TrainingError: not one frame of the timed steps can be used.
        Stopped: SIGTERM or Ctrl-C.
    """
    cache = default_cache() if cache is None else cache
    with flushed_denormals(), StopRequest() as stop, TrainingProgress() as progress:
        setup = Setup(_online(recipe), data, teacher, cache, progress, stop)
        sources = [TimedSource(source) for source in setup.data.sources]
        setup.data.sources[:] = sources
        step = _time_steps(setup, sources) if recipe.steps else None
    return _gather(recipe, setup, sources, step, cache, out, workers)


def _online(recipe: Recipe) -> Recipe:
    if recipe.teacher is None:
        return recipe
    return recipe.model_copy(update={"teacher": recipe.teacher.model_copy(update={"features": "online"})})


@dataclass
class _Clock:
    """Seconds of the parts of a step, the GPU's work included."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = self._now()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self._now() - began

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _time_steps(setup: Setup, sources: Sequence[TimedSource]) -> StepCost:
    accelerator = setup.accelerator
    ranks = accelerator.process_index, accelerator.num_processes
    batches = iter(setup.data.loader(0, _TIMED_STEPS + 1, 0, *ranks))
    setup.model.train()
    costs: list[StepCost] = []
    with setup.progress.task("times steps", _TIMED_STEPS + 1) as report:
        for number in range(_TIMED_STEPS + 1):
            costs.append(_time_step(setup, sources, number, batches))
            report(number + 1, _TIMED_STEPS + 1)
            if setup.stop():
                raise Stopped("stopped in the dry run: nothing was trained")
    timed = costs[1:]
    skipped = tuple(line for cost in timed for line in cost.skipped)
    if not any(cost.frames for cost in timed):
        raise TrainingError(f"not one frame of {_TIMED_STEPS} steps can be used, the last: {', '.join(skipped[-1:])}")
    means = {
        name: sum(getattr(cost, name) for cost in timed) / len(timed)
        for name in ("frames", "points", "voxels", "pixel_pairs", "view_pairs", "prepare", "teacher", "student")
    }
    return StepCost(**means, memory=_peak_memory(accelerator.device), skipped=skipped)


def _time_step(setup: Setup, sources: Sequence[TimedSource], number: int, batches: Iterator[Step]) -> StepCost:
    """A step as ``pretrain`` takes it, its parts timed; ``memory`` is left out."""
    recipe, accelerator = setup.recipe, setup.accelerator
    clock = _Clock(accelerator.device, dict.fromkeys(("prepare", "teacher", "student"), 0.0))
    rendered = sum(source.rendered.seconds for source in sources)
    seen: list[Step] = []
    skipped: list[str] = []
    voxels = 0
    set_learning_rate(setup.optimizer, learning_rate(recipe.optimiser, number, recipe.steps))
    setup.optimizer.zero_grad(set_to_none=True)
    for _ in range(recipe.accumulate):
        with clock.part("prepare"):
            step = next(batches)
        skipped += step.skipped
        if step.clouds is None:
            continue
        seen.append(step)
        voxels += len(voxelize(step.clouds, setup.plain_model.student.input_spec).coords)
        if setup.teacher is not None:
            with clock.part("teacher"):
                device = setup.accelerator.device
                looks = [setup.teacher(image_tensor(image).to(device))[0] for image in step.images]
            step = replace(step, features=looks)
        with clock.part("student"):
            outcome = setup.model(setup.batch(step), False)
            accelerator.backward(outcome.loss / recipe.accumulate)
    with clock.part("student"):
        if recipe.optimiser.clip_norm is not None:
            accelerator.clip_grad_norm_(setup.model.parameters(), recipe.optimiser.clip_norm)
        setup.optimizer.step()
        if setup.average is not None:
            setup.average.update(setup.plain_model)
    return StepCost(
        frames=sum(len(step.image_sizes) for step in seen),
        points=sum(len(step.clouds.xyz) for step in seen if step.clouds is not None),
        voxels=voxels,
        pixel_pairs=sum(len(step.point) for step in seen),
        view_pairs=sum(len(step.views.first) for step in seen),
        # Rendering is done once; a step of a run that has settled reads.
        prepare=clock.seconds["prepare"] - (sum(source.rendered.seconds for source in sources) - rendered),
        teacher=clock.seconds["teacher"],
        student=clock.seconds["student"],
        memory=0,
        skipped=tuple(skipped),
    )


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        import psutil  # comes with Accelerate

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most  # macOS counts bytes, others kilobytes


def _gather(
    recipe: Recipe,
    setup: Setup,
    sources: Sequence[TimedSource],
    step: StepCost | None,
    cache: Path,
    out: Path,
    workers: int,
) -> DryRun:
    model = setup.plain_model
    cached = recipe.teacher is not None and recipe.teacher.features == "cached" and step is not None
    # Who fills the teacher's cache renders on the way, alone; else the workers render.
    rendering = _rendering(sources, 1 if cached else max(workers, 1)) if step is not None else None
    first_look = _first_look(setup, sources, step, cache) if cached and step is not None else None
    checkpoint = _checkpoint_bytes(setup) if recipe.steps else 0
    found = DryRun(
        weight=recipe.weight,
        method=recipe.method,
        steps=recipe.steps,
        accumulate=recipe.accumulate,
        wanted_pixel_pairs=0 if recipe.loss is None else recipe.loss.pairs,
        wanted_view_pairs=0 if recipe.point_contrast is None else recipe.point_contrast.pairs,
        device=str(setup.accelerator.device),
        processes=setup.accelerator.num_processes,
        workers=workers,
        cores=_cores(),
        threads=min(torch.get_num_threads(), _cores()) if setup.accelerator.device.type == "cpu" else 1,
        student_parameters=_parameters(model.student),
        head_parameters=_parameters(model.objectives),
        teacher_parameters=None if setup.teacher is None else _parameters(setup.teacher),
        teacher_online=recipe.teacher is not None and recipe.teacher.features == "online",
        sources=tuple(
            SourceShare(source.name, len(source), entry.per_step)
            for source, entry in zip(sources, recipe.data, strict=True)
        ),
        step=step,
        rendering=rendering,
        first_look=first_look,
        checkpoint_bytes=checkpoint,
        weight_bytes=_bytes(to_storage(model.student.state_dict(), "float16"))
        + _bytes(to_storage(model.projection(), "float16")),
        disks=(),
    )
    kept = sum(work.bytes for work in (rendering, first_look) if work is not None)
    return replace(found, disks=_disks({cache: kept, out: found.run_bytes}))


def _rendering(sources: Sequence[TimedSource], renderers: int) -> OnceWork | None:
    rooms = [(len(source), rest) for source in sources if (rest := source.rendering()) is not None]
    if not rooms:
        return None
    frames = sum(length for length, _ in rooms)
    left = sum(missing for _, (missing, _, _) in rooms)
    seconds = sum(missing * each for _, (missing, each, _) in rooms) / renderers
    return OnceWork(frames, frames - left, seconds, sum(missing * size for _, (missing, _, size) in rooms))


def _first_look(setup: Setup, sources: Sequence[TimedSource], step: StepCost, cache: Path) -> OnceWork:
    assert setup.teacher is not None
    done, seconds, size = 0, 0.0, 0
    for source in sources:
        seen = TeacherCache(cache / "teacher", setup.teacher, source.source).done
        done += seen
        if seen < len(source):
            height, width = setup.teacher.feature_size(source[0].color.shape[:2])
            size += (len(source) - seen) * 2 * setup.teacher.channels * height * width
            seconds += (len(source) - seen) * (step.teacher / step.frames + source.read.mean)
    return OnceWork(sum(map(len, sources)), done, seconds, size)


def _checkpoint_bytes(setup: Setup) -> int:
    states = setup.optimizer.state_dict()["state"].values()
    moments = sum(_bytes({name: value for name, value in one.items() if isinstance(value, Tensor)}) for one in states)
    average = 0 if setup.average is None else _bytes(setup.average.state())
    return _bytes(setup.plain_model.state_dict()) + moments + average


def _bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _disks(needed: Mapping[Path, int]) -> tuple[Disk, ...]:
    """What is needed on each disk; folders of one disk share its free space."""
    disks: dict[int, Disk] = {}
    for path, size in needed.items():
        there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
        number = there.stat().st_dev
        known = disks.get(number, Disk(path, shutil.disk_usage(there).free, 0))
        disks[number] = replace(known, bytes=known.bytes + size)
    return tuple(disks.values())
