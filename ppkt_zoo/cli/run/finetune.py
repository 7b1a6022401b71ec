"""Fine-tune a backbone for a task, and test a model of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

from ppkt_zoo.cli.answers.base import Answer
from ppkt_zoo.cli.answers.train import (
    DetectionTested,
    DetectionTrained,
    SegmentationTested,
    SegmentationTrained,
)
from ppkt_zoo.cli.run.job import folder_or_name
from ppkt_zoo.cli.run.run_tables import detection_scores, detection_table, segmentation_scores, segmentation_table
from ppkt_zoo.cli.streams import say

if TYPE_CHECKING:
    from ppkt_zoo.cli.train import Run
    from ppkt_zoo.downstream.recipe import DownstreamRecipe
    from ppkt_zoo.downstream.splits import Splits


class _Task(NamedTuple):
    """What a task brings: its recipe, its training, its models, their test, and how its scores are told."""

    load_recipe: Callable[..., Any]
    fit: Callable[..., Any]
    load_model: Callable[..., Any]
    evaluate: Callable[..., Any]
    table: Callable[..., Table]
    scores: Callable[..., Any]
    trained: type[SegmentationTrained] | type[DetectionTrained]
    tested: type[SegmentationTested] | type[DetectionTested]
    command: str


def _task(name: str) -> _Task:
    if name == "segmentation":
        from ppkt_zoo.downstream import segmentation

        return _Task(
            segmentation.load_segmentation_recipe,
            segmentation.fit_segmentation,
            segmentation.load_segmentation,
            lambda model, test, recipe, **looks: segmentation.evaluate_segmentation(model, test, **looks),
            lambda score, model: segmentation_table(score),
            lambda score, model: segmentation_scores(score),
            SegmentationTrained,
            SegmentationTested,
            "segment",
        )
    from ppkt_zoo.downstream import detection

    return _Task(
        detection.load_detection_recipe,
        detection.fit_detection,
        detection.load_detector,
        lambda model, test, recipe: detection.evaluate_detector(model, test, points=recipe.points_at_test),
        lambda score, model: detection_table(score, model.classes),
        lambda score, model: detection_scores(score, model.classes),
        DetectionTrained,
        DetectionTested,
        "detect",
    )


def train_model(name: str, run: "Run", out: Path | None, no_test: bool) -> Answer:
    """Fine-tune, test and tell where the model is. Own scans are checked before.

    Raises:
        Stopped: the run was stopped with a checkpoint.
    """
    task = _task(name)
    loaded = run.load(task.load_recipe)
    target = Path("runs") / name / loaded.model if out is None else out
    splits = _splits(loaded, run, name == "detection")
    test = None if no_test else splits.test
    if splits.told:
        from ppkt_zoo.downstream.own_scans import look_through

        others = [one for one in (splits.validation, test) if one is not None]
        say("data", "bold green", look_through(splits.train, others, labels=not splits.train.box_classes))
    options = {"workers": run.workers, "device": run.device, "stop_after": run.stop_after}
    done = task.fit(loaded, splits.train, splits.validation, target, test=test, **options)
    say("written", "bold green", f"{done.folder}, the model, with its card and reference outputs")
    say("next", "bold green", f"ppkt-zoo {task.command} FILE --model {done.folder}")
    if done.score is None:
        return task.trained(scores=None, files=(done.folder,))
    scores, table = task.scores(done.score, done.model), task.table(done.score, done.model)
    return task.trained(scores=scores, files=(done.folder,)).told(table)


def score_model(name: str, model: str, run: "Run", **looks: Any) -> Answer:
    """Test a model on the test scenes of a recipe."""
    task = _task(name)
    loaded = run.load(task.load_recipe)
    test = _splits(loaded, run, name == "detection").test
    network = task.load_model(folder_or_name(model), device=run.device)
    score = task.evaluate(network, test, loaded, **looks)
    return task.tested(model=model, scores=task.scores(score, network)).told(task.table(score, network))


def _splits(recipe: "DownstreamRecipe", run: "Run", boxes: bool) -> "Splits":
    """The scenes that a recipe names, from the folders of ``--data``."""
    from ppkt_zoo.downstream.splits import open_splits

    splits = open_splits(recipe, run.folders, run.kept, boxes)
    if splits.told:
        say("data", "bold green", splits.told)
    return splits
