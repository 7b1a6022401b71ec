"""The first steps of a run, their parts timed one by one, and sources that note how long their frames take."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.engine.interrupt import Stopped
from ppkt_zoo.engine.processes import agree_to_stop, sum_counts
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.points.voxelize import voxelize
from ppkt_zoo.pretraining.cost import StepCost
from ppkt_zoo.pretraining.dataset import Step
from ppkt_zoo.pretraining.setup import Setup
from ppkt_zoo.rooms import RoomsFrames

_TIMED_STEPS = 5


@dataclass
class Tally:
    """How often something was done, and the seconds it took, with the work of ``device``, a GPU, included."""

    device: torch.device | None = None
    count: int = 0
    seconds: float = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Context of doing it once more."""
        began = self._now()
        yield
        self.count, self.seconds = self.count + 1, self.seconds + self._now() - began

    @property
    def mean(self) -> float:
        """Seconds each; 0 where it was never done."""
        return self.seconds / self.count if self.count else 0.0

    def _now(self) -> float:
        if self.device is not None and self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


class TimedSource:
    """The same frames as ``source`` has.

    Attributes:
        source: the source itself.
        read: of frames that are there already.
        rendered: of rooms' frames that are not; they are in the cache afterwards.
    """

    def __init__(self, source: FrameSource) -> None:
        self.source, self.name = source, source.name
        self.read, self.rendered = Tally(), Tally()

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> RGBDFrame:
        if isinstance(self.source, RoomsFrames) and self.source.cached_file(index) is None:
            with self.rendered.timed():
                self.source[index]
        with self.read.timed():
            return self.source[index]

    def rendering(self) -> tuple[int, float, int] | None:
        """Frames that were not rendered yet, seconds and bytes that each will take; None for frames of cameras."""
        if not isinstance(self.source, RoomsFrames):
            return None
        files = [self.source.cached_file(index) for index in range(len(self))]
        if None in files and not self.rendered.count:
            self[files.index(None)]  # how long one takes is not known otherwise
            return self.rendering()
        sizes = [file.stat().st_size for file in files if file is not None]
        return files.count(None), self.rendered.mean, round(float(np.mean(sizes))) if sizes else 0


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
    prepare, teacher, student = (Tally(setup.accelerator.device) for _ in range(3))
    rendered = sum(source.rendered.seconds for source in sources)
    with prepare.timed():
        taken = list(islice(batches, setup.recipe.accumulate))
    seen = [step for step in taken if sum_counts([step.clouds is None], setup.accelerator) == [0]]
    clouds = [step.clouds for step in seen if step.clouds is not None]
    voxels = sum(len(voxelize(one, setup.plain_model.student.input_spec).coords) for one in clouds)
    with teacher.timed():
        looked = [setup.looked(one) for one in seen]
    with student.timed():
        setup.take_step(number, looked, detail=False)
    return StepCost(
        frames=sum(len(step.image_sizes) for step in seen),
        points=sum(len(one.xyz) for one in clouds),
        voxels=voxels,
        pixel_pairs=sum(len(step.point) for step in seen),
        view_pairs=sum(len(step.views.first) for step in seen),
        # Rendering is done once; a step of a run that has settled reads.
        prepare=prepare.seconds - (sum(source.rendered.seconds for source in sources) - rendered),
        teacher=0.0 if setup.teacher is None else teacher.seconds,
        student=student.seconds,
        memory=0,
        skipped=tuple(line for step in taken for line in step.skipped),
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
