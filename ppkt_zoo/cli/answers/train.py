"""What pretrain, segmentation, detection, grid and teacher find."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field
from rich.console import Console

from ppkt_zoo.cli.answers.base import Answer, Figure, Files, PathText
from ppkt_zoo.cli.streams import tell_written
from ppkt_zoo.files.validation import StrictModel


class StepOfRun(StrictModel):
    """One step of the optimiser in one process, the mean of those that were timed."""

    frames: float
    points: float
    voxels: float
    pixel_pairs: float
    view_pairs: float
    prepare_seconds: float = Field(description="of one core, for the step's data")
    teacher_seconds: float
    student_seconds: float
    memory_bytes: int = Field(description="most at a time")


class SourceOfRun(StrictModel):
    """A source of frames."""

    name: str
    frames: int
    per_step: float


class OnceOfRun(StrictModel):
    """Work that is done once and kept."""

    frames: int
    done: int
    seconds: float = Field(description="that the rest takes")
    bytes: int = Field(description="that the rest takes")


class DiskOfRun(StrictModel):
    """A disk that is written to."""

    path: PathText
    free_bytes: int
    needed_bytes: int


class Cost(StrictModel):
    """What a run would cost on this machine."""

    method: str
    steps: int
    device: str
    processes: int
    workers: int
    cores: int
    student_parameters: int
    head_parameters: int
    teacher_parameters: int | None
    sources: tuple[SourceOfRun, ...]
    step: StepOfRun | None = Field(description="null where there is nothing to train")
    step_seconds: float = Field(description="once the run has settled")
    data_seconds: float = Field(description="of them, those in which nothing but data is waited for")
    seconds: float = Field(description="of the whole run, without validation, watch and checkpoints")
    rendering: OnceOfRun | None
    features: OnceOfRun | None = Field(description="of the teacher, where they are cached")
    checkpoint_bytes: int
    weight_bytes: int
    disks: tuple[DiskOfRun, ...]
    remarks: tuple[str, ...] = Field(description="what should make a person think again")


class Pretrained(Answer):
    """Of ``pretrain``: the weight that was trained, or what it would cost."""

    weight: str = Field(description="name of the weight")
    folder: PathText | None = Field(description="where it lies; null in a dry run")
    load: str | None = Field(description="by this name other commands take it: local-dir:FOLDER; null in a dry run")
    cost: Cost | None = Field(description="of a dry run")

    def show(self, console: Console) -> None:
        """The costs, or the name of the weight."""
        super().show(console)
        if self.load is not None:
            tell_written(self.load)


class ClassScore(StrictModel):
    """Scores of one class; null where it does not occur."""

    name: str
    points: int
    iou: Figure
    accuracy: Figure
    voxel_iou: Figure


class SegmentationScores(StrictModel):
    """On full clouds, and on voxels beside."""

    scenes: int
    figures: Mapping[str, Figure] = Field(description="miou, macc, accuracy; the same on voxels")
    classes: tuple[ClassScore, ...]


class BoxScore(StrictModel):
    """Average precision and recall of one class at overlaps of 0.25 and 0.5; null where it does not occur."""

    name: str
    ap25: Figure
    ap50: Figure
    recall25: Figure
    recall50: Figure


class DetectionScores(StrictModel):
    """Of boxes."""

    scenes: int
    figures: Mapping[str, Figure] = Field(description="map25, map50, recall25, recall50")
    classes: tuple[BoxScore, ...]


class SegmentationTrained(Files):
    """Of ``segmentation train``; the file is the folder of the model."""

    scores: SegmentationScores | None = Field(description="on the test scenes; null where there was no test")


class DetectionTrained(Files):
    """Of ``detection train``; the file is the folder of the model."""

    scores: DetectionScores | None = Field(description="on the test scenes; null where there was no test")


class SegmentationTested(Answer):
    """Of ``segmentation test``."""

    model: str
    scores: SegmentationScores


class DetectionTested(Answer):
    """Of ``detection test``."""

    model: str
    scores: DetectionScores


class GridRun(StrictModel):
    """One run of a grid."""

    start: str = Field(description="name of the initialisation")
    fraction: float = Field(description="of the labelled scenes")
    seed: int
    scores: Mapping[str, Figure] = Field(description="the figures of scores.json")


class Compared(Files):
    """Of ``grid``."""

    task: Literal["segmentation", "detection"]
    scored_on: Literal["test", "validation"]
    runs: tuple[GridRun, ...]
    table: str | None = Field(description="grid.md, with means and intervals; null for one seed")

    def show(self, console: Console) -> None:
        """The table; where there is none, the file with the figures."""
        if self.table is None:
            super().show(console)
        else:
            console.print(self.table, soft_wrap=True)


class TeacherMade(Files):
    """Of ``teacher import`` and ``teacher train``."""

    architecture: str = Field(description="as recipes give it")
    sha256: str = Field(description="of the file, as recipes give it")
    metrics: Mapping[str, Figure] = Field(default={}, description="on images that the training never saw")
