"""Fine-tune a backbone for a task, and test a model of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

from ppkt_zoo.cli.run.job import folder_or_name
from ppkt_zoo.cli.run.run_tables import detection_table, segmentation_table
from ppkt_zoo.cli.streams import new_console, say, tell_written

if TYPE_CHECKING:
    from ppkt_zoo.cli.train import Run
    from ppkt_zoo.downstream.recipe import DownstreamRecipe
    from ppkt_zoo.downstream.splits import Splits


class _Task(NamedTuple):
    """What a task brings: its recipe, its training, its models and their test."""

    load_recipe: Callable[..., Any]
    fit: Callable[..., Any]
    load_model: Callable[..., Any]
    evaluate: Callable[..., Any]
    table: Callable[..., Table]
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
            "segment",
        )
    from ppkt_zoo.downstream import detection

    return _Task(
        detection.load_detection_recipe,
        detection.fit_detection,
        detection.load_detector,
        lambda model, test, recipe: detection.evaluate_detector(model, test, points=recipe.points_at_test),
        lambda score, model: detection_table(score, model.classes),
        "detect",
    )


def train_model(name: str, run: "Run", out: Path | None, no_test: bool) -> None:
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
    if done.score is not None:
        new_console().print(task.table(done.score, done.model))
    say("written", "bold green", f"{done.folder}, the model, with its card and reference outputs")
    say("next", "bold green", f"ppkt-zoo {task.command} FILE --model {done.folder}")
    tell_written(done.folder)


def score_model(name: str, model: str, run: "Run", **looks: Any) -> None:
    """Test a model on the test scenes of a recipe, and print its scores."""
    task = _task(name)
    loaded = run.load(task.load_recipe)
    test = _splits(loaded, run, name == "detection").test
    network = task.load_model(folder_or_name(model), device=run.device)
    new_console().print(task.table(task.evaluate(network, test, loaded, **looks), network))


def _splits(recipe: "DownstreamRecipe", run: "Run", boxes: bool) -> "Splits":
    """The scenes that a recipe names, from the folders of ``--data``."""
    from ppkt_zoo.downstream.splits import open_splits

    splits = open_splits(recipe, run.folders, run.kept, boxes)
    if splits.told:
        say("data", "bold green", splits.told)
    return splits
