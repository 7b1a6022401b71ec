"""``ppkt-zoo detect`` and ``ppkt-zoo detection …``: find the objects of a file; train and test the detectors for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ppkt_zoo.cli.downstream import (
    CacheOption,
    ModelArgument,
    ModelOption,
    NoTestOption,
    OutOption,
    OverridesArgument,
    PictureOption,
    RecipeArgument,
    StopAfterOption,
    WorkersOption,
    fitted,
    folder_or_name,
    splits_of,
    tell_the_folder,
)
from ppkt_zoo.cli.options import (
    DataOption,
    DepthScaleOption,
    DeviceOption,
    EngineOption,
    EveryOption,
    FrameOption,
    Group,
    IntrinsicsOption,
    SourceArgument,
    UpOption,
    camera,
    new_console,
    talk_console,
    tell_written,
)

if TYPE_CHECKING:
    from ppkt_zoo.downstream.detection.average_precision import DetectionScore

detection_app = typer.Typer(
    cls=Group, no_args_is_help=True, help="3D object detection: fine-tune a backbone as VoteNet, test a detector."
)


def detect(
    source: SourceArgument,
    model: ModelOption,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A .json or .npz; SOURCE_boxes.json by default.")
    ] = None,
    picture: PictureOption = None,
    score: Annotated[float, typer.Option(help="Probability below which a box is left out.", min=0, max=1)] = 0.3,
    points: Annotated[int, typer.Option(help="Drawn from a larger cloud.", min=1)] = 40_000,
    every: EveryOption = None,
    frame: FrameOption = None,
    up: UpOption = None,
    intrinsics: IntrinsicsOption = None,
    depth_scale: DepthScaleOption = None,
    device: DeviceOption = "cpu",
    engine: EngineOption = "auto",
) -> None:
    """Find the objects of a cloud with a fine-tuned detector: a box, a class and a score for each."""
    from ppkt_zoo.cli.run.detect import detect_source

    target = Path(f"{source.resolve().stem}_boxes.json") if out is None else out
    detect_source(
        source,
        target,
        model=folder_or_name(model),
        picture=picture,
        score=score,
        points=points,
        every=every,
        frame=frame,
        up=up,
        intrinsics=camera(intrinsics),
        depth_scale=depth_scale,
        device=device,
        engine=engine,
        console=talk_console(),
    )
    tell_written(target, picture)


@detection_app.command("train")
def train(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    data: DataOption = None,
    out: OutOption = None,
    cache: CacheOption = None,
    workers: WorkersOption = 0,
    device: DeviceOption = "cpu",
    stop_after: StopAfterOption = None,
    no_test: NoTestOption = False,
) -> None:
    """Fine-tune a backbone as VoteNet as a recipe says, and test it.

    The same command goes on from the newest checkpoint in --out, to the same numbers.
    """
    from ppkt_zoo.downstream.detection import fit_detection, load_detection_recipe

    loaded = load_detection_recipe(recipe, overrides or [])
    target = Path("runs") / "detection" / loaded.model if out is None else out
    options = {"workers": workers, "device": device, "stop_after": stop_after}
    done = fitted(fit_detection, loaded, splits_of(loaded, data, cache, boxes=True), target, no_test, **options)
    if done.score is not None:
        _show(done.score, done.model.classes)
    tell_the_folder(done.folder, "detect")


@detection_app.command("test")
def score_model(
    model: ModelArgument,
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    data: DataOption = None,
    cache: CacheOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Score a detector on the test scenes of a recipe: average precision at overlaps of 0.25 and 0.5."""
    from ppkt_zoo.downstream.detection import evaluate_detector, load_detection_recipe, load_detector

    loaded = load_detection_recipe(recipe, overrides or [])
    test = splits_of(loaded, data, cache, boxes=True).test
    network = load_detector(folder_or_name(model), device=device)
    _show(evaluate_detector(network, test, points=loaded.points_at_test), network.classes)


def _show(score: "DetectionScore", classes: tuple[str, ...]) -> None:
    from ppkt_zoo.cli.run.detection_table import detection_table

    new_console().print(detection_table(score, classes))
