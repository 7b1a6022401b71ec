"""What a run would cost, as a table for the terminal."""

from rich.table import Table
from rich.text import Text

from ppkt_zoo.cli.run.steps import thousands
from ppkt_zoo.pretraining.cost import DryRun, OnceWork, StepCost

__all__ = ["dry_run_table", "duration", "file_size"]


def dry_run_table(run: DryRun) -> Table:
    """A line for each thing that a person wants to know before a long run."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")

    def line(field: str, *values: str) -> None:
        for number, value in enumerate(values):
            table.add_row("" if number else field, Text(value))

    together = f", {run.processes} processes" if run.processes > 1 else ""
    line("dry run", f"{run.weight}, method {run.method}, {thousands(run.steps)} steps on {run.device}{together}")
    line("student", _parameters(run.student_parameters))
    line("heads", _parameters(run.head_parameters))
    if run.teacher_parameters is not None:
        how = "looks at every step's images" if run.teacher_online else "looks once, its features are cached"
        line("teacher", f"{_parameters(run.teacher_parameters)}, {how}")
    line("data", *(f"{one.name}: {thousands(one.frames)} frames, {one.per_step} a step" for one in run.sources))
    if run.step is None:
        line("training", "none: from scratch there is nothing to train; the run writes the untrained weight")
    else:
        line("a step", _content(run.step, run.processes))
        line("time", *_times(run, run.step))
        line("memory", _memory(run, run.step))
    if run.rendering is not None:
        line("rendering", _once(run.rendering, "rendered"))
    if run.first_look is not None:
        line("features", _once(run.first_look, "in the cache"))
    checkpoint = f"a checkpoint {file_size(run.checkpoint_bytes)}, two are kept; " if run.checkpoint_bytes else ""
    line("files", f"{checkpoint}the weight {file_size(run.weight_bytes)}")
    if run.step is not None:
        line("disk", *(f"{file_size(one.bytes)} of {file_size(one.free)} free at {one.path}" for one in run.disks))
        line("in all", f"{duration(run.seconds)}, without validation, watch and checkpoints")
    return table


def duration(seconds: float) -> str:
    """A time as a person says it: ``48 s``, ``12 min``, ``3 h 20 min``, ``2.5 days``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{seconds / 86_400:.1f} days"


def file_size(count: int) -> str:
    """Bytes as ``2.1 MB`` or ``3.4 GB``."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _parameters(count: int) -> str:
    return f"{count / 1e6:.2f} M parameters"


def _content(step: StepCost, processes: int) -> str:
    parts = [f"{step.frames:.3g} frames", f"{thousands(round(step.points))} points"]
    parts.append(f"{thousands(round(step.voxels))} voxels")
    for kind, pairs in (("pixel", step.pixel_pairs), ("view", step.view_pairs)):
        if pairs:
            parts.append(f"{thousands(round(pairs))} {kind} pairs")
    return ", ".join(parts) + (" in each process" if processes > 1 else "")


def _times(run: DryRun, step: StepCost) -> list[str]:
    teacher = f"teacher {step.teacher:.2f}, " if run.teacher_online else ""
    return [
        f"{run.step_seconds:.2f} s a step: data {run.data_seconds:.2f}, {teacher}student {step.student:.2f}",
        f"to prepare its data takes one core {step.prepare:.2f} s; workers: {run.workers}, CPU cores: {run.cores}",
    ]


def _memory(run: DryRun, step: StepCost) -> str:
    where = "of this process; workers come on top" if run.device == "cpu" else "on the GPU"
    return f"{file_size(step.memory)} at most, {where}"


def _once(work: OnceWork, done: str) -> str:
    told = f"{thousands(work.done)} of {thousands(work.frames)} frames are {done}"
    if work.done == work.frames:
        return told
    return f"{told}; the rest takes {duration(work.seconds)} and {file_size(work.bytes)}"
