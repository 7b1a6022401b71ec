"""What a run costs, in numbers, and what of it should make a person think again."""

import math
from dataclasses import dataclass
from pathlib import Path

from ppkt_zoo.pretraining.recipe import Recipe

# From here on the student waits for its data long enough that it matters.
_MOST_WAITING = 0.1
_LONGEST_DAYS = 7
_FEWEST_PAIRS = 0.9
_CHECKPOINTS_ON_DISK = 3  # two are kept while a third is written


@dataclass(frozen=True)
class SourceShare:
    """A source of frames: its name, how many it has, how many a step takes on average."""

    name: str
    frames: int
    per_step: float


@dataclass(frozen=True)
class StepCost:
    """One step of the optimiser in this process, the mean of those that were timed.

    Attributes:
        frames, points, voxels, pixel_pairs, view_pairs: what it learns from.
        prepare: seconds that one process needs to prepare its data.
        teacher: seconds of the teacher for its images; 0 without a teacher.
        student: seconds of forward and backward pass, optimiser and average.
        memory: bytes, the most at a time: of this process, or of what torch holds on the GPU.
        skipped: a line for each frame of all timed steps that could not be used.
    """

    frames: float
    points: float
    voxels: float
    pixel_pairs: float
    view_pairs: float
    prepare: float
    teacher: float
    student: float
    memory: int
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class OnceWork:
    """Work that is done once and kept: rendering, or the teacher's look at every frame.

    Attributes:
        frames: all there are.
        done: those that an earlier run left in the cache.
        seconds, bytes: what the rest takes.
    """

    frames: int
    done: int
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Disk:
    """Free bytes of a disk and where on it the run writes ``bytes``."""

    path: Path
    free: int
    bytes: int


@dataclass(frozen=True)
class DryRun:
    """What a recipe would cost on this machine.

    Attributes:
        recipe: what it would run.
        device: where it would learn.
        processes, workers: that learn together; that prepare data for each.
        cores, threads: of the CPU, those there are for each process, and those that torch computes with.
        student_parameters, head_parameters, teacher_parameters: how many; None without a teacher.
        sources: where the frames come from.
        step: what one step costs; None where there is nothing to train.
        rendering: of procedural rooms; None without them.
        first_look: of a teacher whose features are cached; None otherwise.
        checkpoint_bytes: of one checkpoint; 0 where there is nothing to train.
        weight_bytes: of the exported tensors; golden output and card add less than a megabyte.
        disks: those that are written to.
    """

    recipe: Recipe
    device: str
    processes: int
    workers: int
    cores: int
    threads: int
    student_parameters: int
    head_parameters: int
    teacher_parameters: int | None
    sources: tuple[SourceShare, ...]
    step: StepCost | None
    rendering: OnceWork | None
    first_look: OnceWork | None
    checkpoint_bytes: int
    weight_bytes: int
    disks: tuple[Disk, ...]

    @property
    def teacher_online(self) -> bool:
        """Whether the teacher looks at the images of every step."""
        return self.recipe.teacher is not None and self.recipe.teacher.features == "online"

    @property
    def compute_seconds(self) -> float:
        """Seconds of a step while which the data of later steps can be prepared."""
        if self.step is None:
            return 0.0
        return self.step.student + (self.step.teacher if self.teacher_online else 0.0)

    @property
    def step_seconds(self) -> float:
        """Seconds of a step once the run has settled: workers prepare while others compute, on the cores there are."""
        if self.step is None:
            return 0.0
        prepare, compute = self.step.prepare, self.compute_seconds
        if self.workers == 0:
            return prepare + compute
        # Neither faster than the student, nor than the workers, nor than all cores together.
        return max(compute, prepare / self.workers, (prepare + compute * self.threads) / self.cores)

    @property
    def data_seconds(self) -> float:
        """Seconds of a step in which nothing but data is waited for."""
        return self.step_seconds - self.compute_seconds

    @property
    def seconds(self) -> float:
        """Seconds of the whole run, without validation, watch and checkpoints."""
        once = sum(work.seconds for work in (self.rendering, self.first_look) if work is not None)
        return once + self.recipe.steps * self.step_seconds

    @property
    def run_bytes(self) -> int:
        """What the run's own folder takes on the disk at most."""
        return _CHECKPOINTS_ON_DISK * self.checkpoint_bytes + self.weight_bytes

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is off, in words."""
        found = [self._waiting(), self._too_long(), self._too_few_pairs(), self._skipped(), *map(_full, self.disks)]
        return tuple(line for line in found if line)

    def _waiting(self) -> str:
        if self.step is None or self.data_seconds <= _MOST_WAITING * self.step_seconds:
            return ""
        share = f"{100 * self.data_seconds / self.step_seconds:.0f} % of a step is waiting for data"
        wanted = math.ceil(self.step.prepare / self.compute_seconds)
        if wanted + self.threads > self.cores:
            few = f"{share}, and no CPU core is free to prepare it meanwhile ({self.cores} in all)"
            return f"{few}: raise pixel_stride in the recipe, or use a machine with more cores"
        return f"{share}: raise --workers to {wanted}"

    def _too_long(self) -> str:
        days = self.seconds / 86_400
        return f"the run would take {days:.1f} days on this machine" if days > _LONGEST_DAYS else ""

    def _too_few_pairs(self) -> str:
        if self.step is None:
            return ""
        asked = (
            ("pixel", self.step.pixel_pairs, self.recipe.loss),
            ("view", self.step.view_pairs, self.recipe.point_contrast),
        )
        lines = [
            f"a step has {found:.0f} {kind} pairs where the recipe asks for {section.pairs}"
            for kind, found, section in asked
            if section is not None and self.processes * found < _FEWEST_PAIRS * section.pairs * self.recipe.accumulate
        ]
        return "; ".join(lines)

    def _skipped(self) -> str:
        if self.step is None or not self.step.skipped:
            return ""
        return f"{len(self.step.skipped)} frames of the timed steps cannot be used, the first: {self.step.skipped[0]}"


def _full(disk: Disk) -> str:
    if disk.bytes <= disk.free:
        return ""
    return (
        f"the run needs {disk.bytes / 1e9:.1f} GB on the disk of {disk.path}, where {disk.free / 1e9:.1f} GB are free"
    )
