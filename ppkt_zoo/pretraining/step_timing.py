"""The first steps of a run, their parts timed one by one."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch

from ppkt_zoo.engine.interrupt import Stopped
from ppkt_zoo.engine.optim import learning_rate, set_learning_rate
from ppkt_zoo.engine.processes import agree_to_stop, sum_counts
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.points.voxelize import voxelize
from ppkt_zoo.pretraining.cost import StepCost
from ppkt_zoo.pretraining.setup import Setup
from ppkt_zoo.pretraining.steps import Step
from ppkt_zoo.pretraining.timed_source import TimedSource

__all__ = ["time_steps"]

_TIMED_STEPS = 5


def time_steps(setup: Setup, sources: Sequence[TimedSource]) -> StepCost:
    """Take the first steps of a run; one warms up, five are timed. The setup's model has learned afterwards.

    Args:
        setup: the run's parts, the teacher online.
        sources: those of ``setup.data``, which tell rendering from reading.

    Raises:
        TrainingError: not one frame of these steps can be used.
        Stopped: SIGTERM or Ctrl-C.
    """
    accelerator = setup.accelerator
    ranks = accelerator.process_index, accelerator.num_processes
    batches = iter(setup.data.loader(0, _TIMED_STEPS + 1, 0, *ranks))
    setup.model.train()
    costs: list[StepCost] = []
    with setup.progress.task("times steps", _TIMED_STEPS + 1) as report:
        for number in range(_TIMED_STEPS + 1):
            costs.append(_time_step(setup, sources, number, batches))
            report(number + 1, _TIMED_STEPS + 1)
            if agree_to_stop(setup.stop(), accelerator):
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
        if any(sum_counts([step.clouds is None], accelerator)) or step.clouds is None:
            continue
        seen.append(step)
        voxels += len(voxelize(step.clouds, setup.plain_model.student.input_spec).coords)
        if setup.teacher is not None:
            with clock.part("teacher"):
                looks = setup.look(step.images)
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


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        import psutil  # comes with Accelerate

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most  # macOS counts bytes, others kilobytes
